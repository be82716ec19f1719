//! WAIT, SLEEP: waiting for the pool.

use crate::support::{Flag, Gate, rounds, watch};
use crate::{SHORT, await_waiting, occupy};
use admit::{JoinHandle, Pool, TrySpawnError};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

// WAIT

#[test]
fn wait_returns_on_a_pool_at_rest() {
    // Goal: WAIT with nothing to wait for. Method: a pool never used, used, and closed.
    let _watch = watch();
    let pool = Pool::new(2);
    pool.wait();
    assert!(pool.wait_timeout(Duration::ZERO));
    pool.spawn(|| ()).join().unwrap();
    pool.wait();
    assert!(pool.wait_timeout(Duration::MAX));
    pool.close();
    pool.wait();
    assert!(pool.wait_timeout(SHORT));
}

#[test]
fn wait_has_seen_every_earlier_task() {
    // Goal: WAIT, handles finished and effects visible. Method: rounds of tasks that leave unordered
    // marks, read after `wait` without further ordering; zero `join_timeout`s must succeed.
    let _watch = watch();
    for max in 1..=3 {
        let pool = Pool::new(max);
        for _ in 0..rounds(1_000) {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let mark = Flag::new();
                    let raised = mark.clone();
                    (mark, pool.spawn(move || raised.raise_relaxed()))
                })
                .collect();
            pool.wait();
            for (mark, handle) in tasks {
                assert!(mark.is_up_relaxed() && handle.is_finished());
                assert!(handle.join_timeout(Duration::ZERO).is_ok());
            }
        }
    }
}

#[test]
fn wait_covers_tasks_that_still_wait() {
    // Goal: WAIT counts the waiting. Method: a full pool of one and a queue of three; a `wait` begun
    // then returns after all of them.
    let _watch = watch();
    let (pool, gate, done) = (Pool::new(1), Gate::new(), Arc::new(AtomicUsize::new(0)));
    let busy = occupy(&pool, &gate);
    thread::scope(|scope| {
        for queued in 1..=3 {
            let (pool, done) = (&pool, Arc::clone(&done));
            scope.spawn(move || drop(pool.spawn(move || done.fetch_add(1, SeqCst))));
            await_waiting(pool, queued);
        }
        let waiter = scope.spawn(|| {
            pool.wait();
            done.load(SeqCst)
        });
        assert!(!pool.wait_timeout(Duration::ZERO));
        assert!(!pool.wait_timeout(SHORT));
        gate.open();
        assert_eq!(waiter.join().unwrap(), 3);
    });
    assert!(busy.is_finished());
}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "the system does not see the threads of an interpreter")]
#[test]
fn wait_does_not_miss_a_short_rest() {
    // Goal: WAIT returns on a quiescence that is over at once. Method: let waiters fall asleep, let
    // the only task end, and start one right away that ends only when they have returned.
    let _watch = watch();
    let pool = Pool::new(2);
    for _ in 0..rounds(200) {
        let (first, second) = (Gate::new(), Gate::new());
        let busy = occupy(&pool, &first);
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..2)
                .map(|i| {
                    let (ids, id) = mpsc::channel();
                    let pool = &pool;
                    let waiter = scope.spawn(move || {
                        ids.send(crate::support::os::Thread::current()).unwrap();
                        match i {
                            0 => pool.wait(),
                            _ => assert!(pool.wait_timeout(Duration::MAX)),
                        }
                    });
                    id.recv().unwrap().await_asleep();
                    waiter
                })
                .collect();
            first.open();
            busy.join().unwrap();
            let busy = occupy(&pool, &second);
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            second.open();
            busy.join().unwrap();
        });
    }
}

#[test]
fn waits_of_all_kinds_end_in_time() {
    // Goal: time limits of every length are accepted, `Duration::MAX` means for ever. Method: each
    // waiting call with the longest durations, ended by opening the gate; none may overflow.
    let _watch = watch();
    let centuries = Duration::from_secs(u64::MAX / 2);
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), centuries] {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let busy = occupy(&pool, &gate);
        thread::scope(|scope| {
            let joiner = scope.spawn(move || busy.join_timeout(limit).unwrap().unwrap());
            let waiter = scope.spawn(|| pool.wait_timeout(limit));
            let spawner = scope.spawn(|| pool.spawn_timeout(limit, || 5).unwrap().join().unwrap());
            await_waiting(&pool, 1);
            gate.open();
            joiner.join().unwrap();
            assert!(waiter.join().unwrap());
            assert_eq!(spawner.join().unwrap(), 5);
        });
    }
}

#[test]
fn every_waiter_is_woken() {
    // Goal: WAIT for many. Method: several threads sleep in `wait` for the end of one task; all return.
    let _watch = watch();
    for _ in 0..rounds(10) {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let busy = occupy(&pool, &gate);
        thread::scope(|scope| {
            let waiters = [(); 4].map(|()| scope.spawn(|| pool.wait()));
            thread::sleep(SHORT);
            gate.open();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        });
        busy.join().unwrap();
    }
}

#[test]
fn time_outs_wait_their_time() {
    // Goal: no call gives up before its time. Method: each on a gated pool, its duration measured
    // from below only.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let busy = occupy(&pool, &gate);
    let start = Instant::now();
    assert!(!pool.wait_timeout(SHORT));
    assert!(start.elapsed() >= SHORT);
    let start = Instant::now();
    assert!(matches!(pool.spawn_timeout(SHORT, || ()), Err(TrySpawnError::Full(_))));
    assert!(start.elapsed() >= SHORT);
    let start = Instant::now();
    let busy = busy.join_timeout(SHORT).unwrap_err();
    assert!(start.elapsed() >= SHORT);
    gate.open();
    busy.join().unwrap();
}

// SLEEP

#[cfg(target_os = "linux")]
type Call<'a> = Box<dyn FnOnce() + Send + 'a>;

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "the system does not see the threads of an interpreter")]
#[test]
fn whoever_waits_sleeps() {
    // Goal: SLEEP. Method: a thread in each waiting call and an idle worker; a second later the
    // kernel says how much processor time each has used. The bound is lax; see docs/TESTING.md.
    let _watch = watch();
    let (pool, idle, gate) = (Pool::new(1), Pool::new(1), Gate::new());
    let worker = idle.spawn(crate::support::os::Thread::current).join().unwrap();
    let [joined, timed] = [Gate::new(), Gate::new()].map(|_| occupy_anew(&gate));
    let busy = occupy(&pool, &gate);
    thread::scope(|scope| {
        let (pool, (ids, id)) = (&pool, mpsc::channel());
        let calls: [(&str, Call<'_>); 6] = [
            ("spawn", Box::new(|| drop(pool.spawn(|| ())))),
            ("spawn_timeout", Box::new(|| drop(pool.spawn_timeout(Duration::MAX, || ())))),
            ("wait", Box::new(|| pool.wait())),
            ("wait_timeout", Box::new(|| assert!(pool.wait_timeout(Duration::MAX)))),
            ("join", Box::new(move || joined.1.join().unwrap())),
            ("join_timeout", Box::new(move || drop(timed.1.join_timeout(Duration::MAX)))),
        ];
        for (name, call) in calls {
            let ids = ids.clone();
            scope.spawn(move || {
                ids.send((name, crate::support::os::Thread::current())).unwrap();
                call();
            });
        }
        let threads: Vec<_> = id.iter().take(6).chain([("idle worker", worker)]).collect();
        threads.iter().for_each(|(_, thread)| thread.await_asleep());
        let before: Vec<_> = threads.iter().map(|(_, thread)| thread.cpu()).collect();
        let start = Instant::now();
        thread::sleep(Duration::from_secs(1));
        for ((name, thread), before) in threads.iter().zip(before) {
            let share = (thread.cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64();
            println!("{name}: {:.3} % of a processor", 100.0 * share);
            assert!(share < 0.2, "{name}: {:.1} % of a processor", 100.0 * share);
        }
        gate.open();
    });
    busy.join().unwrap();
}

/// A pool of its own with one task that runs until `gate` opens.
#[cfg(target_os = "linux")]
fn occupy_anew(gate: &Gate) -> (Pool, JoinHandle<()>) {
    let pool = Pool::new(1);
    let handle = occupy(&pool, gate);
    (pool, handle)
}
