#![cfg(not(loom))]
//! One test for each fault of a real pool that the design names: the property it broke.

mod support;

use admit::{JoinHandle, Pool, TrySpawnError};
use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{Dice, Flag, Gate, Meter, Tally, quietly, rounds, watch};

/// Asserts that `pool` is at rest and still has each of its permits and not one more.
#[track_caller]
fn assert_at_rest_with_all_permits(pool: &Pool) {
    pool.wait();
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
    let meet = Arc::new(Barrier::new(pool.max() + 1));
    let task = || {
        let meet = Arc::clone(&meet);
        move || {
            meet.wait();
        }
    };
    let busy: Vec<_> = (0..pool.max()).map(|_| pool.try_spawn(task()).expect("room")).collect();
    assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Full(_))));
    meet.wait();
    busy.into_iter().for_each(|task| task.join().unwrap());
    assert!(pool.threads() <= pool.max());
}

#[test]
fn a_task_for_a_worker_about_to_sleep_is_not_stranded() {
    // Goal: the last worker retires while a submitter counts on it (threadfin 0.1, rusty_pool 1.0).
    // Method: submit just when the only worker runs dry, with pauses of changing length; a stranded
    // task hangs the test.
    let _watch = watch();
    for max in 1..=2 {
        let (pool, mut dice) = (Pool::new(max), Dice::new(max));
        for i in 0..rounds(20_000) {
            let done = Flag::new();
            let raised = done.clone();
            let handle = pool.spawn(move || raised.raise());
            for _ in 0..dice.below(60) {
                std::hint::spin_loop();
            }
            let second = pool.spawn(move || i);
            assert_eq!(second.join().unwrap(), i);
            handle.join().unwrap();
            assert!(done.is_up());
        }
        assert_at_rest_with_all_permits(&pool);
    }
}

#[test]
fn wait_never_returns_before_the_callers_own_task() {
    // Goal: `join_all` returned before the caller's own task ran (threadpool 1.8, rusty_pool 1.0).
    // Method: several threads share the pool; each spawns, waits, and looks for its own mark.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Pool::new(max);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..rounds(5_000) {
                        let mark = Flag::new();
                        let raised = mark.clone();
                        drop(pool.spawn(move || raised.raise_relaxed()));
                        pool.wait();
                        assert!(mark.is_up_relaxed());
                    }
                });
            }
        });
    }
}

#[test]
fn simultaneous_first_submits_stay_within_max() {
    // Goal: the maximum broken only by simultaneous first submits into a cold pool (ants before
    // 2.11.4). Method: thousands of fresh pools, submitters let loose by a barrier, a meter inside.
    let _watch = watch();
    const SUBMITTERS: usize = 4;
    let start = Barrier::new(SUBMITTERS);
    for max in 1..=3 {
        for _ in 0..rounds(1_500) {
            let (pool, meter) = (Pool::new(max), Meter::new());
            thread::scope(|scope| {
                for submitter in 0..SUBMITTERS {
                    let (pool, meter, start) = (&pool, &meter, &start);
                    scope.spawn(move || {
                        start.wait();
                        for i in 0..3 {
                            let inside = Arc::clone(meter);
                            let task = move || {
                                let _inside = inside.enter();
                                thread::yield_now();
                            };
                            match (submitter + i) % 4 {
                                0 => drop(pool.try_spawn(task)),
                                _ => drop(pool.spawn(task)),
                            }
                        }
                    });
                }
            });
            assert!(pool.threads() <= max);
            drop(pool);
            assert!(meter.peak() <= max, "{} of {max}", meter.peak());
        }
    }
}

#[cfg_attr(miri, ignore = "its submitters never wait; not over in minutes")]
#[test]
fn no_worker_is_handed_out_twice() {
    // Goal: the same slot handed out twice without a version tag. Method: more submitters than cores
    // hammer a small pool with tiny detached tasks, so that many are preempted in the middle of
    // taking a slot; no thread may be entered twice, and every accepted task must have run once.
    thread_local!(static BUSY: Cell<bool> = const { Cell::new(false) });

    let _watch = watch();
    for max in [2, 3] {
        let (pool, runs) = (Pool::new(max), Arc::new(AtomicUsize::new(0)));
        let accepted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    let mut mine = 0;
                    while mine < rounds(100_000) {
                        let runs = Arc::clone(&runs);
                        let task = move || {
                            assert!(!BUSY.replace(true), "two tasks on one thread");
                            runs.fetch_add(1, SeqCst);
                            BUSY.set(false);
                        };
                        match pool.try_spawn(task) {
                            Ok(_) => mine += 1,
                            Err(_) => std::hint::spin_loop(),
                        }
                    }
                    accepted.fetch_add(mine, SeqCst);
                });
            }
        });
        assert_at_rest_with_all_permits(&pool);
        assert_eq!(runs.load(SeqCst), accepted.into_inner());
    }
}

#[test]
fn every_result_is_its_own_under_contention() {
    // Goal: as above, seen from the results. Method: submitters join tasks that mark who they are,
    // and a meter counts those inside.
    let _watch = watch();
    for max in [2, 3] {
        let (pool, meter) = (Pool::new(max), Meter::new());
        thread::scope(|scope| {
            for submitter in 0..4_usize {
                let (pool, meter) = (&pool, &meter);
                scope.spawn(move || {
                    for i in 0..rounds(10_000) {
                        let inside = Arc::clone(meter);
                        let task = move || {
                            drop(inside.enter());
                            (submitter, i)
                        };
                        match pool.try_spawn(task) {
                            Ok(handle) => assert_eq!(handle.join().unwrap(), (submitter, i)),
                            Err(TrySpawnError::Full(task)) => {
                                assert_eq!(pool.spawn(task).join().unwrap(), (submitter, i));
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        assert!(meter.peak() <= max);
        assert_at_rest_with_all_permits(&pool);
    }
}

#[test]
fn no_wake_up_is_lost_between_deciding_and_sleeping() {
    // Goal: a sleep decision from a plain load while the wake side writes another word
    // (affinitypool #21, tokio #1768). Method: every kind of sleeper at once on one permit, each
    // round short; a lost wake-up hangs the test.
    let _watch = watch();
    let pool = Pool::new(1);
    let n = rounds(10_000);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..n).for_each(|_| pool.spawn(|| ()).join().unwrap()));
        }
        scope.spawn(|| {
            for _ in 0..n {
                let accepted = pool.spawn_timeout(Duration::MAX, || ()).expect("time enough");
                accepted.join_timeout(Duration::MAX).unwrap().unwrap();
            }
        });
        scope.spawn(|| {
            for _ in 0..n / 10 {
                pool.wait();
                assert!(pool.wait_timeout(Duration::MAX));
            }
        });
    });
    assert_at_rest_with_all_permits(&pool);
}

#[test]
fn the_count_of_permits_does_not_drift() {
    // Goal: a second count of idle workers beside the stack drifts (tokio #1562, #6439, #7910).
    // Method: a long mixture of all ways in and out, time-outs included; afterwards exactly `max`
    // tasks fit.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Arc::new(Pool::new(max));
        thread::scope(|scope| {
            for submitter in 0..4 {
                let pool = &pool;
                scope.spawn(move || {
                    let mut dice = Dice::new(submitter);
                    (0..rounds(3_000)).for_each(|_| one_of_everything(pool, &mut dice));
                });
            }
        });
        assert_at_rest_with_all_permits(&pool);
    }
}

/// Submits one task in a way that `dice` chooses.
fn one_of_everything(pool: &Arc<Pool>, dice: &mut Dice) {
    let own = Arc::clone(pool);
    match dice.below(8) {
        0 => drop(pool.spawn(|| ())),
        1 => drop(pool.spawn(|| ()).join()),
        2 => drop(pool.try_spawn(|| ())),
        3 => drop(pool.spawn_timeout(Duration::ZERO, || ())),
        4 => {
            let limit = Duration::from_micros(dice.below(100) as u64);
            drop(pool.spawn_timeout(limit, || ()));
        }
        5 => drop(pool.spawn(|| -> () { resume_unwind(Box::new(())) })),
        6 => drop(pool.spawn(move || own.spawn(|| ()).join())),
        _ => drop(pool.spawn(move || drop(own.spawn_timeout(Duration::from_micros(20), || ())))),
    }
}

#[cfg_attr(miri, ignore = "an interpreter refuses no thread")]
#[test]
fn a_thread_refused_by_the_system_orphans_no_task() {
    // Goal: the system refuses a thread: task orphaned (tokio #8406), livelock under a lock
    // (blocking #79), poisoned mutex (blocking #24). Method: several threads submit in every way to
    // a pool whose stacks cannot be had; each closure comes back or is dropped, at once.
    let _watch = watch();
    let pool = Pool::builder().max(2).stack_size(usize::MAX / 4).build().unwrap();
    let tally = Tally::new();
    let n = rounds(20_000);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..n {
                    let [a, b, c] = [(); 3].map(|()| tally.track());
                    let refused = pool.try_spawn(move || drop(a)).unwrap_err();
                    assert_refused_for_want_of_a_thread(&refused);
                    let refused = pool.spawn_timeout(Duration::MAX, move || drop(b)).unwrap_err();
                    assert!(matches!(refused, TrySpawnError::Os(..)), "{refused}");
                    assert!(quietly(|| pool.spawn(move || drop(c))).is_err());
                }
            });
        }
    });
    tally.assert_all_dropped(9 * n);
    pool.wait();
    assert_eq!((pool.running(), pool.waiting(), pool.threads()), (0, 0, 0));
}

/// `Full` as well: another submitter may hold a permit for the moment it takes to be refused.
#[track_caller]
fn assert_refused_for_want_of_a_thread<F>(refused: &TrySpawnError<F>) {
    assert!(matches!(refused, TrySpawnError::Os(..) | TrySpawnError::Full(_)), "{refused}");
}

#[test]
fn a_result_is_not_visible_before_its_permit_is_free() {
    // Goal: result visible before the permit is free: the next submit is refused (threadfin 48dd053,
    // flow9 #1398). Method: as many threads as permits; `try_spawn` right after `join` must succeed,
    // also when results are panics.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Pool::new(max);
        thread::scope(|scope| {
            for _ in 0..max {
                scope.spawn(|| {
                    for i in 0..rounds(10_000) {
                        let task = move || match i % 8 {
                            0 => resume_unwind(Box::new(i)),
                            _ => i,
                        };
                        let handle = pool.try_spawn(task).expect("room");
                        assert_eq!(handle.join().is_err(), i % 8 == 0);
                    }
                });
            }
        });
    }
}

#[test]
fn a_waker_leaves_the_memory_of_the_woken_alone() {
    // Goal: the notifier touches the waiter's memory after the flag that frees it (oneshot 0.1.12,
    // rust #98498). Method: free and reuse a task's memory and a waiter's stack at once after each
    // wake-up, and check what was put there; a memory checker sees more than this test.
    #[inline(never)]
    fn overwrite_stack(pattern: u64) -> bool {
        let block = std::hint::black_box([pattern; 256]);
        std::hint::spin_loop();
        block.iter().all(|word| *word == pattern)
    }

    let _watch = watch();
    for _ in 0..rounds(300) {
        let pool = Pool::new(1);
        thread::scope(|scope| {
            for submitter in 0..3_u64 {
                let pool = &pool;
                scope.spawn(move || {
                    for i in 0..20 {
                        let sent = [submitter << 32 | i; 4];
                        let handle = pool.spawn(move || sent);
                        assert!(overwrite_stack(i));
                        assert_eq!(handle.join().unwrap(), sent);
                        let reused: Vec<Box<[u64; 8]>> = (0..4).map(|_| Box::new([i; 8])).collect();
                        assert!(overwrite_stack(i));
                        assert!(reused.iter().all(|block| **block == [i; 8]));
                    }
                    pool.wait();
                    assert!(overwrite_stack(submitter));
                });
            }
        });
    }
}

#[test]
fn an_exploding_payload_or_result_kills_no_worker() {
    // Goal: a payload or result whose `Drop` panics kills the worker or ends a scope early (rust
    // #86027). Method: detached tasks that leave either; each worker carries a value that only its
    // end drops.
    let _watch = watch();
    for max in 1..=2 {
        let (pool, tally, pins) = (Pool::new(max), Tally::new(), Tally::new());
        let n = rounds(200);
        for i in 0..n {
            let (gate, bomb, pins) = (Gate::new(), tally.bomb(), pins.clone());
            let door = gate.clone();
            drop(pool.spawn(move || {
                pins.pin_to_thread();
                door.pass();
                match i % 2 {
                    0 => bomb,
                    _ => resume_unwind(Box::new(bomb)),
                }
            }));
            gate.open();
        }
        pool.wait();
        tally.assert_all_dropped(n);
        assert!(pins.made() <= max && pins.dropped() == 0);
        assert_at_rest_with_all_permits(&pool);
        drop(pool);
        assert_eq!(pins.made(), pins.dropped());
    }
}

#[test]
fn a_result_nobody_wants_leaks_no_worker() {
    // Goal: a result nobody wants leaks the worker (workerpool 1.2). Method: drop handles before,
    // while and after their tasks run; values and threads are all accounted for.
    let _watch = watch();
    let (pool, tally, pins) = (Pool::new(2), Tally::new(), Tally::new());
    let n = rounds(3_000);
    let mut kept: Vec<JoinHandle<_>> = Vec::new();
    for i in 0..n {
        let (value, pins) = (tally.track(), pins.clone());
        let handle = pool.spawn(move || {
            pins.pin_to_thread();
            value
        });
        match i % 3 {
            0 => drop(handle),
            1 => drop(handle.join_timeout(Duration::ZERO)),
            _ => kept.push(handle),
        }
    }
    pool.wait();
    kept.clear();
    tally.assert_all_dropped(n);
    assert!((1..=2).contains(&pins.made()) && pins.dropped() == 0);
    assert_at_rest_with_all_permits(&pool);
    drop(pool);
    assert_eq!(pins.made(), pins.dropped());
}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "the system does not see the threads of an interpreter")]
#[test]
fn spinning_before_sleep_is_short() {
    // Goal: fixed spinning burns the processor that others need. Method: many short waits of a
    // joiner and of a worker; the time on the processor must be small beside the time that passes.
    // The bound is lax: it sees a spin of milliseconds, not one of microseconds.
    use support::os::Thread;
    let _watch = watch();
    let pool = Pool::new(1);
    let worker = pool.spawn(Thread::current).join().unwrap();
    let joiner = Thread::current();
    let (start, before) = (std::time::Instant::now(), joiner.cpu() + worker.cpu());
    for _ in 0..rounds(200) {
        let pause = || thread::sleep(Duration::from_millis(2));
        pool.spawn(pause).join().unwrap();
        pause();
    }
    let used = joiner.cpu() + worker.cpu() - before;
    let share = used.as_secs_f64() / start.elapsed().as_secs_f64();
    println!("{:.2} % of a processor", 100.0 * share);
    assert!(share < 0.5, "{:.1} % of a processor", 100.0 * share);
}

#[test]
fn nested_spawns_with_every_worker_in_them_go_on() {
    // Goal: the livelock of the library this crate grew out of: all workers inside a nested spawn.
    // Method: every permit's task spawns at the same moment, over and over.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Arc::new(Pool::new(max));
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..rounds(500) {
            let meet = Arc::new(Barrier::new(max));
            for _ in 0..max {
                let (own, meet, done) = (Arc::clone(&pool), Arc::clone(&meet), Arc::clone(&done));
                drop(pool.spawn(move || {
                    meet.wait();
                    drop(own.spawn(move || done.fetch_add(1, SeqCst)));
                }));
            }
            pool.wait();
        }
        assert_eq!(done.load(SeqCst), max * rounds(500));
        assert_at_rest_with_all_permits(&pool);
    }
}
