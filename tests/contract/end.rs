//! END: what dropping the pool leaves behind, namely nothing.

use crate::occupy;
use crate::support::{Flag, Gate, Tally, eventually, rounds, watch};
use admit::Pool;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

#[test]
fn drop_runs_all_that_was_accepted() {
    // Goal: END. Method: detached tasks, the last ones perhaps not yet begun; after the drop all
    // have run and every value is gone.
    let _watch = watch();
    for max in 1..=3 {
        for _ in 0..rounds(100) {
            let (done, tally) = (Arc::new(AtomicUsize::new(0)), Tally::new());
            let pool = Pool::new(max);
            for _ in 0..6 {
                let (done, capture, value) = (Arc::clone(&done), tally.track(), tally.track());
                drop(pool.spawn(move || {
                    let _capture = capture;
                    done.fetch_add(1, SeqCst);
                    value
                }));
            }
            drop(pool);
            assert_eq!(done.load(SeqCst), 6);
            tally.assert_all_dropped(12);
        }
    }
}

#[test]
fn drop_waits_for_running_tasks() {
    // Goal: END does not abandon what runs. Method: drop a pool on another thread while a task is
    // held at a gate; the drop returns after the gate opened, and the task has ended by then.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let busy = occupy(&pool, &gate);
    let opened = Flag::new();
    let seen = opened.clone();
    let dropper = thread::spawn(move || {
        drop(pool);
        (seen.is_up(), busy.is_finished())
    });
    thread::sleep(crate::SHORT);
    opened.raise();
    gate.open();
    assert_eq!(dropper.join().unwrap(), (true, true));
}

#[test]
fn drop_leaves_no_thread() {
    // Goal: END. Method: each worker keeps a value that only the end of its thread drops: all are
    // gone when the drop returns. Pools never used, used and closed.
    let _watch = watch();
    drop(Pool::new(3));
    for round in 0..rounds(100) {
        let (pool, tally, gate) = (Pool::new(3), Tally::new(), Gate::new());
        let threads = 1 + round % 3;
        let busy: Vec<_> = (0..threads)
            .map(|_| {
                let (tally, door) = (tally.clone(), gate.clone());
                pool.spawn(move || {
                    tally.pin_to_thread();
                    door.pass();
                })
            })
            .collect();
        eventually("all tasks run", || tally.made() == threads);
        gate.open();
        if round % 2 == 0 {
            busy.into_iter().for_each(|task| task.join().unwrap());
            pool.close();
        }
        drop(pool);
        tally.assert_all_dropped(threads);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_pool_has_no_threads_in_the_end() {
    // Goal: END of the threads, and `threads()` says so. Method: close a pool at rest and a busy one.
    let _watch = watch();
    let gate = Gate::new();
    let (idle, busy) = (Pool::new(2), Pool::new(2));
    idle.spawn(|| ()).join().unwrap();
    let task = occupy(&busy, &gate);
    idle.close();
    busy.close();
    eventually("the idle worker leaves", || idle.threads() == 0);
    assert_eq!(busy.threads(), 1);
    gate.open();
    task.join().unwrap();
    eventually("the last worker leaves", || busy.threads() == 0);
}

#[cfg_attr(miri, ignore = "the system does not see the threads of an interpreter")]
#[test]
fn the_system_sees_no_thread_after_drop() {
    // Goal: END as the kernel sees it. Method: threads by name, before and after the drop.
    use crate::support::os::threads_named;
    let _watch = watch();
    let pool = Pool::builder().max(3).thread_name("end-os").build().unwrap();
    let gate = Gate::new();
    let busy: Vec<_> = (0..3).map(|_| occupy(&pool, &gate)).collect();
    assert_eq!(threads_named("end-os"), ["end-os-0", "end-os-1", "end-os-2"]);
    gate.open();
    busy.into_iter().for_each(|task| task.join().unwrap());
    drop(pool);
    eventually("the kernel has forgotten the threads", || threads_named("end-os").is_empty());
}

#[test]
fn a_pool_may_be_dropped_in_a_task_of_another() {
    // Goal: END from a foreign worker is the ordinary drop. Method: nothing of the inner pool is
    // left when the outer task has ended.
    let _watch = watch();
    let (outer, inner, tally) = (Pool::new(1), Pool::new(2), Tally::new());
    for _ in 0..2 {
        let (tally, value) = (tally.clone(), tally.track());
        drop(inner.spawn(move || {
            tally.pin_to_thread();
            value
        }));
    }
    outer.spawn(move || drop(inner)).join().unwrap();
    assert_eq!(tally.made(), tally.dropped());
}

/// Where in its own task a pool is dropped.
#[derive(Clone, Copy, Debug)]
enum Place {
    Body,
    Capture,
    Value,
    Payload,
}

/// The last share of a pool. Its drop drops the pool and then raises the flag.
struct Last {
    pool: Option<Arc<Pool>>,
    gone: Flag,
}

impl Drop for Last {
    fn drop(&mut self) {
        let pool = self.pool.take().and_then(Arc::into_inner);
        drop(pool.expect("this is the last share of the pool"));
        self.gone.raise();
    }
}

#[test]
fn a_pool_may_be_dropped_inside_its_own_task() {
    // Goal: END from inside. Method: the last share of the pool goes down in each place a task has;
    // that must not wait for another task that runs; all end, and their threads with them.
    let _watch = watch();
    for place in [Place::Body, Place::Capture, Place::Value, Place::Payload] {
        for _ in 0..rounds(50) {
            drop_inside(place);
        }
    }
}

fn drop_inside(place: Place) {
    let (pool, tally) = (Arc::new(Pool::new(2)), Tally::new());
    let (first, second) = (Gate::new(), Gate::new());
    let other = {
        let (tally, value, door) = (tally.clone(), tally.track(), second.clone());
        pool.spawn(move || {
            tally.pin_to_thread();
            door.pass();
            value
        })
    };
    let gone = Flag::new();
    let last = Last { pool: Some(Arc::clone(&pool)), gone: gone.clone() };
    let (pins, capture, door) = (tally.clone(), tally.track(), first.clone());
    let dropping = pool.spawn(move || {
        let _captured = (&capture, &last);
        pins.pin_to_thread();
        door.pass();
        match place {
            Place::Body => drop(last),
            Place::Capture => (),
            Place::Value => return Some(last),
            Place::Payload => resume_unwind(Box::new(last)),
        }
        None
    });
    eventually("both tasks run", || tally.made() == 4);
    drop((pool, dropping));
    first.open();
    gone.await_up("the pool is dropped while the other task runs");
    assert!(!other.is_finished(), "{place:?}");
    second.open();
    drop(other.join().unwrap());
    eventually("the threads end", || tally.dropped() == 4);
    tally.assert_all_dropped(4);
}

#[test]
fn pools_come_and_go_without_a_trace() {
    // Goal: END many times over. Method: short-lived pools with running tasks, dropped at once or
    // inside a task; every value and every thread's value is dropped in the end.
    let _watch = watch();
    let tally = Tally::new();
    for round in 0..rounds(500) {
        let pool = Arc::new(Pool::new(1 + round % 3));
        for _ in 0..3 {
            let (tally, own) = (tally.clone(), Arc::clone(&pool));
            drop(pool.spawn(move || {
                let _own = own;
                tally.pin_to_thread();
                tally.track()
            }));
        }
        drop(pool);
    }
    eventually("all is gone", || tally.made() == tally.dropped() && tally.made() > 0);
}
