//! REFUSE: what is refused comes back and leaves no trace.

use crate::support::{Gate, Tally, Track, message, quietly, rounds, watch};
use crate::{SHORT, assert_has_all_permits, await_waiting, occupy};
use admit::{Pool, TrySpawnError};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// A task that owns a counted value and returns a number.
fn counted(tally: &Tally, value: usize) -> impl FnOnce() -> (usize, Track) + use<> {
    let track = tally.track();
    move || (value, track)
}

/// Asserts that a refused closure is whole: nothing dropped yet, and it still returns `value`.
#[track_caller]
fn assert_intact(task: impl FnOnce() -> (usize, Track), value: usize, tally: &Tally) {
    let dropped = tally.dropped();
    let (returned, track) = task();
    assert_eq!((returned, tally.dropped()), (value, dropped));
    drop(track);
    assert_eq!(tally.dropped(), dropped + 1);
}

#[test]
fn a_full_pool_hands_the_closure_back() {
    // Goal: REFUSE when full and when the time is up. Method: a pool with all permits taken; the
    // closure comes back whole, and the pool counts as before.
    let _watch = watch();
    for max in 1..=3 {
        let (pool, gate, tally) = (Pool::new(max), Gate::new(), Tally::new());
        let busy: Vec<_> = (0..max).map(|_| occupy(&pool, &gate)).collect();
        let task = counted(&tally, 7);
        let Err(TrySpawnError::Full(task)) = pool.try_spawn(task) else { panic!("room?") };
        for limit in [Duration::ZERO, Duration::from_nanos(1), SHORT] {
            let Err(error) = pool.spawn_timeout(limit, counted(&tally, 8)) else { panic!("room?") };
            assert!(matches!(error, TrySpawnError::Full(_)));
            assert_intact(error.into_inner(), 8, &tally);
            assert_eq!((pool.running(), pool.waiting(), pool.threads()), (max, 0, max));
        }
        assert_intact(task, 7, &tally);
        gate.open();
        busy.into_iter().for_each(|task| task.join().unwrap());
        assert_has_all_permits(&pool);
        tally.assert_all_dropped(4);
    }
}

#[test]
fn a_closed_pool_hands_the_closure_back() {
    // Goal: REFUSE when closed. Method: each way in, on an idle pool and on a full one; a closed
    // pool is never merely full.
    let _watch = watch();
    for full in [false, true] {
        let (pool, gate, tally) = (Pool::new(1), Gate::new(), Tally::new());
        let busy = full.then(|| occupy(&pool, &gate));
        let before = (pool.running(), pool.threads());
        pool.close();
        pool.close();
        let Err(TrySpawnError::Closed(task)) = pool.try_spawn(counted(&tally, 1)) else { panic!("open?") };
        assert_intact(task, 1, &tally);
        for limit in [Duration::ZERO, SHORT, Duration::MAX] {
            let Err(error) = pool.spawn_timeout(limit, counted(&tally, 2)) else { panic!("open?") };
            assert!(matches!(error, TrySpawnError::Closed(_)));
            assert_intact(error.into_inner(), 2, &tally);
        }
        assert_eq!((pool.running(), pool.threads(), pool.waiting()), (before.0, before.1, 0));
        gate.open();
        busy.into_iter().for_each(|task| task.join().unwrap());
        pool.wait();
        tally.assert_all_dropped(4);
    }
}

#[test]
fn spawn_on_a_closed_pool_panics_and_drops_the_closure() {
    // Goal: REFUSE for `spawn`. Method: closures that own a counted value, and one whose drop
    // panics: the panic that comes out is the pool's.
    let _watch = watch();
    let (pool, tally) = (Pool::new(1), Tally::new());
    pool.spawn(|| ()).join().unwrap();
    pool.close();
    let (track, bomb) = (tally.track(), tally.bomb());
    let panic = quietly(|| pool.spawn(move || drop(track))).unwrap_err();
    assert!(message(&*panic).contains("closed"), "{}", message(&*panic));
    assert_eq!(tally.dropped(), 1);
    let panic = quietly(|| pool.spawn(move || drop(bomb))).unwrap_err();
    assert!(message(&*panic).contains("closed"), "{}", message(&*panic));
    tally.assert_all_dropped(2);
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
}

#[test]
fn close_lets_the_waiting_finish() {
    // Goal: `close` refuses only what comes later. Method: submitters blocked in `spawn` and in
    // `spawn_timeout` when the pool is closed get their tasks run.
    let _watch = watch();
    for _ in 0..rounds(50) {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let busy = occupy(&pool, &gate);
        thread::scope(|scope| {
            let plain = scope.spawn(|| pool.spawn(|| 1).join().unwrap());
            await_waiting(&pool, 1);
            let timed = scope.spawn(|| {
                let accepted = pool.spawn_timeout(Duration::MAX, || 2);
                accepted.unwrap().join().unwrap()
            });
            await_waiting(&pool, 2);
            pool.close();
            assert_eq!((pool.running(), pool.waiting()), (1, 2));
            assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Closed(_))));
            gate.open();
            assert_eq!((plain.join().unwrap(), timed.join().unwrap()), (1, 2));
        });
        busy.join().unwrap();
        pool.wait();
        assert_eq!((pool.running(), pool.waiting()), (0, 0));
    }
}

#[test]
fn close_draws_one_line_through_all_submissions() {
    // Goal: ONCE and REFUSE when `close` meets submitters. Method: three submitters go on until they
    // are refused; what was accepted has run when `wait` returns, and nothing runs after that.
    let _watch = watch();
    for round in 0..rounds(300) {
        let (pool, runs, tally) = (Pool::new(1 + round % 3), AtomicUsize::new(0), Tally::new());
        let runs = std::sync::Arc::new(runs);
        let accepted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for way in 0..3 {
                let (pool, runs, tally, accepted) = (&pool, &runs, &tally, &accepted);
                scope.spawn(move || {
                    loop {
                        let (runs, track) = (runs.clone(), tally.track());
                        let task = move || {
                            let _track = track;
                            runs.fetch_add(1, SeqCst);
                        };
                        let submitted = match way {
                            0 => quietly(|| pool.spawn(task)).map_err(|_| true),
                            1 => pool.try_spawn(task).map_err(|error| is_closed(&error)),
                            _ => pool
                                .spawn_timeout(Duration::from_micros(20), task)
                                .map_err(|error| is_closed(&error)),
                        };
                        match submitted {
                            Ok(handle) => drop((accepted.fetch_add(1, SeqCst), handle)),
                            Err(true) => break,
                            Err(false) => (),
                        }
                    }
                });
            }
            while accepted.load(SeqCst) < round % 20 {
                thread::yield_now();
            }
            pool.close();
        });
        pool.wait();
        assert_eq!(runs.load(SeqCst), accepted.load(SeqCst));
        assert_eq!(tally.made(), tally.dropped());
    }
}

fn is_closed<F>(error: &TrySpawnError<F>) -> bool {
    matches!(error, TrySpawnError::Closed(_))
}

// A thread that the operating system refuses.

/// A stack that no machine has room for.
const NO_SUCH_STACK: usize = usize::MAX / 4;

fn pool_without_threads(max: usize) -> Pool {
    Pool::builder().max(max).stack_size(NO_SUCH_STACK).build().unwrap()
}

#[cfg_attr(miri, ignore = "an interpreter refuses no thread")]
#[test]
fn a_first_thread_refused_by_the_system_hands_the_closure_back() {
    // Goal: REFUSE when there is no thread at all. Method: a stack size nobody can give; from each
    // way in the closure comes back at once, however long it may wait, and nothing is counted.
    let _watch = watch();
    let (pool, tally) = (pool_without_threads(2), Tally::new());
    for _ in 0..rounds(20) {
        let made = tally.made();
        let Err(TrySpawnError::Os(task, error)) = pool.try_spawn(counted(&tally, 1)) else {
            panic!("a thread?")
        };
        assert!(!error.to_string().is_empty());
        assert_intact(task, 1, &tally);
        for limit in [Duration::ZERO, SHORT, Duration::MAX] {
            let Err(error) = pool.spawn_timeout(limit, counted(&tally, 2)) else { panic!("a thread?") };
            assert!(matches!(error, TrySpawnError::Os(..)), "{error:?}");
            assert_intact(error.into_inner(), 2, &tally);
        }
        assert_eq!((pool.running(), pool.waiting(), pool.threads()), (0, 0, 0));
        tally.assert_all_dropped(made + 4);
    }
    pool.wait();
    assert!(pool.wait_timeout(Duration::ZERO));
    pool.close();
    assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Closed(_))));
}

#[cfg_attr(miri, ignore = "an interpreter refuses no thread")]
#[test]
fn spawn_without_any_thread_panics_and_drops_the_closure() {
    // Goal: REFUSE for `spawn`. Method: as above, with a counted value and with a drop that panics.
    let _watch = watch();
    let (pool, tally) = (pool_without_threads(1), Tally::new());
    let (track, bomb) = (tally.track(), tally.bomb());
    assert!(quietly(|| pool.spawn(move || drop(track))).is_err());
    assert_eq!(tally.dropped(), 1);
    let panic = quietly(|| pool.spawn(move || drop(bomb))).unwrap_err();
    assert_ne!(message(&*panic), crate::support::BANG);
    tally.assert_all_dropped(2);
    assert_eq!((pool.running(), pool.waiting(), pool.threads()), (0, 0, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_later_thread_refused_by_the_system_is_like_a_full_pool() {
    // Goal: REFUSE and WAKE while a worker exists. Method: the test runs itself again with room for
    // one of two stacks only; there the second task is refused, times out, or waits for the worker.
    const ROLE: &str = "ADMIT_TEST_LITTLE_MEMORY";
    const NAME: &str = "refuse::a_later_thread_refused_by_the_system_is_like_a_full_pool";
    let _watch = watch();
    if std::env::var_os(ROLE).is_some() {
        return one_worker_of_two();
    }
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3000000 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(ROLE, "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[cfg(target_os = "linux")]
fn one_worker_of_two() {
    let pool = pool_with_one_thread(2);
    let (gate, tally) = (Gate::new(), Tally::new());
    let busy = occupy(&pool, &gate);

    let Err(TrySpawnError::Os(task, _)) = pool.try_spawn(counted(&tally, 1)) else {
        panic!("a second thread?")
    };
    assert_intact(task, 1, &tally);
    let Err(TrySpawnError::Full(task)) = pool.spawn_timeout(SHORT, counted(&tally, 2)) else {
        panic!("a second thread?")
    };
    assert_intact(task, 2, &tally);
    let again = pool.try_spawn(counted(&tally, 3)).unwrap_err();
    assert!(matches!(again, TrySpawnError::Os(..)), "the time-out took a permit along: {again}");
    assert_intact(again.into_inner(), 3, &tally);
    assert_eq!((pool.running(), pool.waiting(), pool.threads()), (1, 0, 1));

    thread::scope(|scope| {
        let plain = scope.spawn(|| pool.spawn(|| thread::current().id()).join().unwrap());
        await_waiting(&pool, 1);
        let timed = scope.spawn(|| {
            let accepted = pool.spawn_timeout(Duration::MAX, || thread::current().id());
            accepted.unwrap().join().unwrap()
        });
        await_waiting(&pool, 2);
        gate.open();
        assert_eq!(plain.join().unwrap(), timed.join().unwrap());
    });
    busy.join().unwrap();
    pool.wait();
    assert_eq!((pool.running(), pool.waiting(), pool.threads()), (0, 0, 1));
    assert_eq!(pool.spawn(|| 5).join().unwrap(), 5);
    tally.assert_all_dropped(3);
    drop(pool);
    crowd_on_one_worker();
}

/// A pool whose stacks are such that a second one cannot be had.
#[cfg(target_os = "linux")]
fn pool_with_one_thread(max: usize) -> Pool {
    let pool = Pool::builder().max(max).stack_size(1_700_000_000).build().unwrap();
    pool.spawn(|| ()).join().expect("the first stack can be had");
    pool
}

/// Submits from several threads in every way, where no second thread can be had: each task runs once
/// or comes back, and nobody is left waiting.
#[cfg(target_os = "linux")]
fn crowd_on_one_worker() {
    let pool = std::sync::Arc::new(pool_with_one_thread(4));
    let (tally, n) = (Tally::new(), rounds(20_000));
    thread::scope(|scope| {
        for way in 0..4 {
            let (pool, tally) = (&pool, &tally);
            scope.spawn(move || {
                for i in 0..n {
                    let task = counted(tally, i);
                    let submitted = match way {
                        0 => Ok(pool.spawn(task)),
                        1 => pool.spawn_timeout(Duration::MAX, task),
                        2 => pool.spawn_timeout(Duration::from_micros(20), task),
                        _ => pool.try_spawn(task),
                    };
                    match submitted {
                        Ok(handle) => assert_eq!(handle.join().unwrap().0, i),
                        Err(refused) => {
                            assert!(way >= 2 && !is_closed(&refused), "{refused}");
                            assert_eq!(refused.into_inner()().0, i);
                        }
                    }
                    if i % 16 == 0 {
                        let own = pool.clone();
                        let nested = pool.spawn(move || own.spawn(|| 6).join().unwrap());
                        assert_eq!(nested.join().unwrap(), 6);
                    }
                }
            });
        }
        (0..n / 10).for_each(|_| pool.wait());
    });
    pool.wait();
    assert_eq!((pool.running(), pool.waiting(), pool.threads()), (0, 0, 1));
    tally.assert_all_dropped(4 * n);
}
