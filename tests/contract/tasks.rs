//! MAX, ONCE, FREE: how many run, and what becomes of each closure.

use crate::support::{Meter, Tally, rounds, watch};
use crate::{Gate, occupy};
use admit::Pool;
use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread::{self, ThreadId};
use std::time::Duration;

// MAX

#[test]
fn never_more_than_max_tasks_run() {
    // Goal: MAX for tasks. Method: four submitters, all three ways in, a meter inside the tasks.
    let _watch = watch();
    for max in 1..=4 {
        let (pool, meter) = (Pool::new(max), Meter::new());
        thread::scope(|scope| {
            for seed in 0..4 {
                let (pool, meter) = (&pool, &meter);
                scope.spawn(move || {
                    for round in 0..rounds(2_000) {
                        let meter = Arc::clone(meter);
                        let task = move || {
                            let _inside = meter.enter();
                            if round % 16 == 0 {
                                thread::yield_now();
                            }
                        };
                        match (round + seed) % 3 {
                            0 => drop(pool.spawn(task)),
                            1 => drop(pool.try_spawn(task)),
                            _ => drop(pool.spawn_timeout(Duration::from_micros(50), task)),
                        }
                        assert!(pool.running() <= max, "{pool:?}");
                    }
                });
            }
        });
        pool.wait();
        assert!(meter.peak() <= max, "{} of {max}", meter.peak());
    }
}

#[test]
fn max_tasks_run_at_once() {
    // Goal: MAX is reached, not only respected. Method: `max` tasks meet at a barrier, repeatedly.
    let _watch = watch();
    for max in [1, 2, 3, 8, 33] {
        let pool = Pool::new(max);
        for _ in 0..rounds(20) {
            let meet = Arc::new(Barrier::new(max));
            let tasks: Vec<_> = (0..max)
                .map(|_| {
                    let meet = Arc::clone(&meet);
                    pool.spawn(move || {
                        meet.wait();
                    })
                })
                .collect();
            tasks.into_iter().for_each(|task| task.join().unwrap());
        }
        assert_eq!(pool.max(), max);
        assert!(pool.threads() <= max);
    }
}

#[test]
fn one_thread_serves_one_task_at_a_time() {
    // Goal: threads are made lazily and used again. Method: joined tasks need one thread, and
    // three tasks at once need three.
    let _watch = watch();
    let pool = Pool::new(8);
    assert_eq!(pool.threads(), 0);
    let ids: HashSet<ThreadId> =
        (0..rounds(1_000)).map(|_| pool.spawn(|| thread::current().id()).join().unwrap()).collect();
    assert_eq!((ids.len(), pool.threads()), (1, 1));

    let gate = Gate::new();
    let busy: Vec<_> = (0..3).map(|_| occupy(&pool, &gate)).collect();
    assert_eq!((pool.threads(), pool.running()), (3, 3));
    gate.open();
    busy.into_iter().for_each(|task| task.join().unwrap());
}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "the system does not see the threads of an interpreter")]
#[test]
fn never_more_than_max_threads_exist() {
    // Goal: MAX for threads. Method: four submitters on a pool of three; the kernel's list of
    // threads and `threads()` are sampled all the while.
    let _watch = watch();
    let pool = Pool::builder().max(3).thread_name("mx-thr").build().unwrap();
    let peak = AtomicUsize::new(0);
    thread::scope(|scope| {
        let submitters: Vec<_> = (0..4)
            .map(|_| {
                let pool = &pool;
                scope.spawn(move || (0..rounds(3_000)).for_each(|_| drop(pool.spawn(|| ()))))
            })
            .collect();
        while submitters.iter().any(|submitter| !submitter.is_finished()) {
            let seen = crate::support::os::threads_named("mx-thr").len();
            peak.fetch_max(seen.max(pool.threads()), SeqCst);
        }
    });
    assert!((1..=3).contains(&peak.into_inner()));
}

// ONCE

#[test]
fn each_closure_runs_exactly_once_or_comes_back() {
    // Goal: ONCE. Method: every task has its own counter of runs and its own count of drops; four
    // submitters, all ways in; what comes back must not have run.
    let _watch = watch();
    for max in 1..=3 {
        let (pool, tally) = (Pool::new(max), Tally::new());
        let per_thread = rounds(2_000);
        thread::scope(|scope| {
            for seed in 0..4 {
                let (pool, tally) = (&pool, &tally);
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for round in 0..per_thread {
                        let (runs, track) = (Arc::new(AtomicUsize::new(0)), tally.track());
                        let counter = Arc::clone(&runs);
                        let task = move || {
                            let _track = track;
                            counter.fetch_add(1, SeqCst);
                        };
                        let submitted = match (round + seed) % 3 {
                            0 => Ok(pool.spawn(task)),
                            1 => pool.try_spawn(task),
                            _ => pool.spawn_timeout(Duration::from_micros(30), task),
                        };
                        match submitted {
                            Ok(handle) => accepted.push((handle, runs)),
                            Err(refused) => {
                                assert_eq!(runs.load(SeqCst), 0, "refused, yet run");
                                refused.into_inner()();
                                assert_eq!(runs.load(SeqCst), 1);
                            }
                        }
                    }
                    for (handle, runs) in accepted {
                        handle.join().unwrap();
                        assert_eq!(runs.load(SeqCst), 1);
                    }
                });
            }
        });
        tally.assert_all_dropped(4 * per_thread);
    }
}

// FREE

#[test]
fn join_gives_the_permit_back() {
    // Goal: FREE. Method: as many threads as permits, each with one task at a time: `try_spawn`
    // after `join` must never find the pool full.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Pool::new(max);
        thread::scope(|scope| {
            for _ in 0..max {
                scope.spawn(|| {
                    for i in 0..rounds(10_000) {
                        assert_eq!(pool.try_spawn(move || i).expect("room").join().unwrap(), i);
                        if max == 1 {
                            assert_eq!(pool.running(), 0);
                        }
                    }
                });
            }
        });
        assert!(pool.threads() <= max);
    }
}

#[test]
fn join_of_a_panic_gives_the_permit_back() {
    // Goal: FREE for panics. Method: as above, with one permit and panicking tasks.
    let _watch = watch();
    let pool = Pool::new(1);
    for _ in 0..rounds(1_000) {
        let task = || -> () { resume_unwind(Box::new(1_u8)) };
        assert!(pool.try_spawn(task).expect("room").join().is_err());
        assert_eq!(pool.running(), 0);
    }
}
