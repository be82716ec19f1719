//! RESULT, PANIC: what a handle hands out.

use crate::support::{BANG, Gate, Tally, Track, eventually, message, quietly, rounds, watch};
use crate::{SHORT, assert_has_all_permits, occupy};
use admit::Pool;
use std::any::Any;
use std::panic::{panic_any, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

// RESULT

#[test]
fn join_returns_what_the_own_closure_returned() {
    // Goal: RESULT. Method: numbered results from four submitters with panics and full pools in
    // between, joined in reverse order.
    let _watch = watch();
    let pool = Pool::new(2);
    thread::scope(|scope| {
        for submitter in 0..4_usize {
            let pool = &pool;
            scope.spawn(move || {
                let handles: Vec<_> = (0..rounds(1_000))
                    .map(|i| {
                        let task = move || {
                            assert!(i % 7 != 0, "planned: {submitter}/{i}");
                            (submitter, i)
                        };
                        (i, pool.spawn(task))
                    })
                    .collect();
                for (i, handle) in handles.into_iter().rev() {
                    match handle.join() {
                        Ok(value) => assert_eq!(value, (submitter, i)),
                        Err(panic) => {
                            assert_eq!(message(&*panic), format!("planned: {submitter}/{i}"));
                            assert_eq!(i % 7, 0);
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn results_of_every_shape_arrive_whole() {
    // Goal: RESULT for zero-sized, large, boxed and over-aligned values. Method: send each there
    // and back through a task.
    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(256))]
    struct Aligned([u8; 256]);

    let _watch = watch();
    let pool = Pool::new(1);
    pool.spawn(|| ()).join().unwrap();
    let large = [7_u64; 1_000];
    assert_eq!(pool.spawn(move || large).join().unwrap(), large);
    let aligned = Aligned([9; 256]);
    let place = pool.spawn(move || (aligned, (&raw const aligned).addr())).join().unwrap();
    assert_eq!((place.0, place.1 % 256), (aligned, 0));
    let boxed: Box<dyn Fn() -> u8 + Send> = Box::new(|| 3);
    assert_eq!(pool.spawn(move || boxed).join().unwrap()(), 3);
    let nested = pool.spawn(|| Some(Err::<u8, _>("no"))).join().unwrap();
    assert_eq!(nested, Some(Err("no")));
}

#[test]
fn a_result_outlives_its_pool() {
    // Goal: RESULT whatever happens to the pool. Method: close and drop it before joining.
    let _watch = watch();
    let pool = Pool::new(2);
    let value = pool.spawn(|| String::from("kept"));
    let panic = pool.spawn(|| panic!("planned: kept"));
    pool.close();
    drop(pool);
    assert!(value.is_finished() && panic.is_finished());
    assert_eq!(value.join().unwrap(), "kept");
    let panic: thread::Result<()> = panic.join();
    assert_eq!(message(&*panic.unwrap_err()), "planned: kept");
}

#[test]
fn a_joined_task_has_been_finished() {
    // Goal: `is_finished` is false while a task runs, true after; a zero `join_timeout` follows it.
    // Method: a gated task, asked before and after.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let handle = occupy(&pool, &gate);
    assert!(!handle.is_finished());
    let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
    let handle = handle.join_timeout(SHORT).unwrap_err();
    gate.open();
    eventually("the task finishes", || handle.is_finished());
    handle.join_timeout(Duration::ZERO).expect("a finished task is given at once").unwrap();
}

// PANIC

#[test]
fn a_panic_comes_back_with_its_own_payload() {
    // Goal: PANIC, payload untouched. Method: payloads of several types, one compared by address.
    let _watch = watch();
    let pool = Pool::new(1);
    let text = pool.spawn(|| -> () { panic!("planned: literal") }).join().unwrap_err();
    assert_eq!(text.downcast_ref(), Some(&"planned: literal"));
    let text = pool.spawn(|| -> () { panic_any(String::from("planned: 5")) }).join().unwrap_err();
    assert_eq!(text.downcast_ref(), Some(&String::from("planned: 5")));
    let unit = pool.spawn(|| -> () { resume_unwind(Box::new(())) }).join().unwrap_err();
    assert!(unit.is::<()>());

    let shared = Arc::new(5_u8);
    let sent = Arc::clone(&shared);
    let back = pool.spawn(move || -> () { resume_unwind(Box::new(sent)) }).join().unwrap_err();
    assert!(Arc::ptr_eq(back.downcast_ref().unwrap(), &shared));
}

#[test]
fn a_panic_is_never_confused_with_a_value() {
    // Goal: PANIC against RESULT. Method: tasks that *return* what a panic would carry, and an Err.
    let _watch = watch();
    let pool = Pool::new(1);
    let value = pool.spawn(|| -> Box<dyn Any + Send> { Box::new("a value") }).join().unwrap();
    assert_eq!(value.downcast_ref(), Some(&"a value"));
    let value: thread::Result<()> = pool.spawn(|| Err(Box::new(1_u8) as _)).join().unwrap();
    assert!(value.unwrap_err().is::<u8>());
}

#[test]
fn a_panic_costs_neither_worker_nor_permit() {
    // Goal: PANIC. Method: many panics on one worker, which must stay the same thread.
    let _watch = watch();
    let pool = Pool::new(1);
    let worker = pool.spawn(|| thread::current().id()).join().unwrap();
    for round in 0..rounds(300) {
        let handle = pool.spawn(move || -> () { panic!("planned: {round}") });
        assert!(handle.join().is_err());
        assert_eq!(pool.running(), 0);
    }
    assert_eq!(pool.spawn(|| thread::current().id()).join().unwrap(), worker);
    assert_eq!(pool.threads(), 1);
    assert_has_all_permits(&pool);
}

#[test]
fn a_panicking_drop_of_a_capture_is_the_tasks_panic() {
    // Goal: PANIC for captures. Method: a capture whose drop panics while the closure is consumed,
    // beside one that must still be dropped.
    let _watch = watch();
    let (pool, tally) = (Pool::new(1), Tally::new());
    let (track, bomb) = (tally.track(), tally.bomb());
    let handle = pool.spawn(move || {
        let _captured = (&track, &bomb);
        7
    });
    assert_eq!(message(&*handle.join().unwrap_err()), BANG);
    tally.assert_all_dropped(2);
    assert_has_all_permits(&pool);
}

#[test]
fn a_panicking_drop_of_an_unwanted_result_harms_nobody() {
    // Goal: PANIC for values and payloads. Method: detached tasks with a result whose drop panics;
    // the worker must stay the same thread.
    let _watch = watch();
    let (pool, tally) = (Pool::new(1), Tally::new());
    let worker = pool.spawn(|| thread::current().id()).join().unwrap();
    for round in 0..rounds(100) {
        let (gate, bomb) = (Gate::new(), tally.bomb());
        let door = gate.clone();
        drop(pool.spawn(move || {
            door.pass();
            if round % 2 == 0 {
                panic_any(bomb);
            }
            bomb
        }));
        gate.open();
        pool.wait();
        tally.assert_all_dropped(round + 1);
    }
    assert_eq!(pool.spawn(|| thread::current().id()).join().unwrap(), worker);
    assert_has_all_permits(&pool);
}

#[test]
fn a_chain_of_panicking_drops_harms_nobody() {
    // Goal: PANIC when the swallowed panic's payload panics when dropped, and so on. Method: a
    // detached value whose drop starts a chain of five; what it leaks on the way is its own affair.
    struct Chain(usize, Track);
    impl Drop for Chain {
        fn drop(&mut self) {
            if self.0 > 0 && !thread::panicking() {
                let next = Chain(self.0 - 1, self.1.another());
                resume_unwind(Box::new(next));
            }
        }
    }

    let _watch = watch();
    let (pool, tally, gate) = (Pool::new(1), Tally::new(), Gate::new());
    let (door, chain) = (gate.clone(), Chain(5, tally.track()));
    drop(pool.spawn(move || {
        door.pass();
        chain
    }));
    gate.open();
    pool.wait();
    assert_has_all_permits(&pool);
}

#[test]
fn a_value_dropped_by_its_user_panics_there() {
    // Goal: the user's own drop behaves like any drop. Method: a joined value, and a handle dropped
    // when its task is finished; both panic here, and the pool is none the worse.
    let _watch = watch();
    let (pool, tally) = (Pool::new(1), Tally::new());
    let bomb = tally.bomb();
    let joined = pool.spawn(move || bomb).join().unwrap();
    assert!(quietly(|| drop(joined)).is_err());

    let bomb = tally.bomb();
    let finished = pool.spawn(move || bomb);
    eventually("the task finishes", || finished.is_finished());
    assert!(quietly(|| drop(finished)).is_err());
    tally.assert_all_dropped(2);
    assert_has_all_permits(&pool);
}
