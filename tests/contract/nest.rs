//! NEST: the pool used from inside its own tasks.

use crate::support::{BANG, Flag, Gate, Tally, eventually, message, quietly, rounds, watch};
use crate::{SHORT, assert_has_all_permits, await_waiting, occupy};
use admit::{JoinHandle, Pool, TrySpawnError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Runs `task` inside a task of a new pool with `max` permits, and returns what it returns. All
/// permits are back afterwards.
fn inside<R: Send + 'static>(
    max: usize,
    task: impl FnOnce(&Pool) -> R + Send + 'static,
) -> thread::Result<R> {
    let pool = Arc::new(Pool::new(max));
    let own = Arc::clone(&pool);
    let result = pool.spawn(move || task(&own)).join();
    pool.wait();
    assert_has_all_permits(&pool);
    result
}

#[test]
fn spawn_on_a_full_pool_runs_the_task_at_once() {
    // Goal: NEST. Method: inside the only permit, `spawn`: the task has run on the same thread and
    // has not been counted when `spawn` returns.
    let _watch = watch();
    inside(1, |pool| {
        let (here, ran) = (thread::current().id(), Flag::new());
        let raised = ran.clone();
        let nested = pool.spawn(move || {
            raised.raise();
            thread::current().id()
        });
        assert!(ran.is_up() && nested.is_finished());
        assert_eq!((pool.running(), pool.waiting()), (1, 0));
        // Its maker may not have counted the thread yet.
        eventually("the thread is counted", || pool.threads() == 1);
        assert_eq!(nested.join().unwrap(), here);
        let again = pool.spawn(|| thread::current().id());
        assert_eq!(again.join_timeout(Duration::ZERO).unwrap().unwrap(), here);
    })
    .unwrap();
}

#[test]
fn a_nested_panic_stays_with_its_own_handle() {
    // Goal: NEST and PANIC. Method: nested tasks that panic in the body, in the drop of a capture,
    // and with an exploding result; the outer task goes on and can nest again.
    let _watch = watch();
    let tally = Tally::new();
    let (capture, value) = (tally.bomb(), tally.bomb());
    inside(1, move |pool| {
        let nested: JoinHandle<()> = pool.spawn(|| panic!("planned: nested"));
        assert_eq!(message(&*nested.join().unwrap_err()), "planned: nested");
        let nested = pool.spawn(move || drop(capture));
        assert_eq!(message(&*nested.join().unwrap_err()), BANG);
        let nested = pool.spawn(move || value);
        assert!(quietly(|| drop(nested)).is_err());
        assert_eq!(pool.spawn(|| 3).join().unwrap(), 3);
        assert_eq!(pool.running(), 1);
    })
    .unwrap();
    tally.assert_all_dropped(2);
}

#[test]
fn nesting_may_be_deep() {
    // Goal: NEST within NEST. Method: a chain of a hundred spawns, each inside the one before.
    fn depth(pool: &Arc<Pool>, left: usize) -> usize {
        let inner = Arc::clone(pool);
        let nested = pool.spawn(move || if left == 0 { 0 } else { depth(&inner, left - 1) });
        1 + nested.join().unwrap()
    }

    let _watch = watch();
    for max in 1..=3 {
        let pool = Arc::new(Pool::new(max));
        assert_eq!(depth(&pool, 100), 101);
        assert!(pool.threads() <= max);
        assert_has_all_permits(&pool);
    }
}

#[test]
fn forking_tasks_never_deadlock() {
    // Goal: NEST when many tasks fork and join at once. Method: Fibonacci numbers by two nested
    // spawns a call, from two threads.
    fn fib(pool: &Arc<Pool>, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let fork = |n| {
            let inner = Arc::clone(pool);
            pool.spawn(move || fib(&inner, n))
        };
        let (left, right) = (fork(n - 1), fork(n - 2));
        left.join().unwrap() + right.join().unwrap()
    }

    let _watch = watch();
    let (n, value) = if cfg!(miri) { (5, 5) } else { (11, 89) };
    for max in 1..=4 {
        let pool = Arc::new(Pool::new(max));
        for _ in 0..rounds(5) {
            thread::scope(|scope| {
                let [a, b] = [(); 2].map(|()| scope.spawn(|| fib(&pool, n)));
                assert_eq!((a.join().unwrap(), b.join().unwrap()), (value, value));
            });
        }
        pool.wait();
        assert_has_all_permits(&pool);
    }
}

#[test]
fn a_nested_task_that_finds_room_runs_beside() {
    // Goal: NEST runs inline only on a full pool. Method: with a free permit the nested task runs on
    // another thread while the outer one goes on.
    let _watch = watch();
    inside(2, |pool| {
        let (gate, here) = (Gate::new(), thread::current().id());
        let nested = occupy(pool, &gate);
        assert!(!nested.is_finished());
        assert_eq!(pool.running(), 2);
        gate.open();
        nested.join().unwrap();
        assert_ne!(pool.spawn(|| thread::current().id()).join().unwrap(), here);
    })
    .unwrap();
}

#[test]
fn try_spawn_inside_a_full_pool_is_refused() {
    // Goal: NEST for `try_spawn` and a `spawn_timeout` that has no room. Method: both from the only
    // permit; the closure comes back unrun.
    let _watch = watch();
    inside(1, |pool| {
        let tally = Tally::new();
        let track = tally.track();
        let task = move || drop(track);
        let Err(TrySpawnError::Full(task)) = pool.try_spawn(task) else { panic!("room?") };
        let Err(TrySpawnError::Full(task)) = pool.spawn_timeout(Duration::ZERO, task) else {
            panic!("room?")
        };
        let Err(TrySpawnError::Full(task)) = pool.spawn_timeout(SHORT, task) else { panic!("room?") };
        assert_eq!((pool.running(), pool.waiting(), tally.dropped()), (1, 0, 0));
        task();
        tally.assert_all_dropped(1);
    })
    .unwrap();
}

#[test]
fn spawn_timeout_inside_a_full_pool_waits_for_room() {
    // Goal: NEST for `spawn_timeout`. Method: from one of two permits it waits until the other is
    // free, and runs there.
    let _watch = watch();
    let (pool, gate) = (Arc::new(Pool::new(2)), Gate::new());
    let busy = occupy(&pool, &gate);
    let own = Arc::clone(&pool);
    let outer = pool.spawn(move || {
        let nested = own.spawn_timeout(Duration::MAX, || thread::current().id()).unwrap();
        (nested.join().unwrap(), thread::current().id())
    });
    await_waiting(&pool, 1);
    gate.open();
    let (nested, outer) = outer.join().unwrap();
    assert_ne!(nested, outer);
    busy.join().unwrap();
    assert_has_all_permits(&pool);
}

#[test]
fn wait_inside_an_own_task_panics() {
    // Goal: NEST for `wait` and `wait_timeout`. Method: both from a task, from a task nested in it,
    // and on a closed pool; each panics, and the pool works on.
    let _watch = watch();
    inside(1, |pool| {
        assert!(quietly(|| pool.wait()).is_err());
        assert!(quietly(|| pool.wait_timeout(Duration::ZERO)).is_err());
        assert!(quietly(|| pool.wait_timeout(Duration::MAX)).is_err());
        assert_eq!(pool.running(), 1);
    })
    .unwrap();

    let pool = Arc::new(Pool::new(1));
    let own = Arc::clone(&pool);
    let outer = pool.spawn(move || {
        let inner = Arc::clone(&own);
        let nested = own.spawn(move || quietly(|| inner.wait()).is_err());
        own.close();
        nested.join().unwrap() && quietly(|| own.wait()).is_err()
    });
    assert!(outer.join().unwrap());
    pool.wait();
}

#[test]
fn a_task_may_wait_for_another_pool() {
    // Goal: NEST concerns the own pool only. Method: a task of one pool waits for a second, and
    // spawns on it while it is full: it queues there like anybody else.
    let _watch = watch();
    let (other, gate) = (Arc::new(Pool::new(1)), Gate::new());
    let busy = occupy(&other, &gate);
    let outside = Arc::clone(&other);
    let pool = Pool::new(1);
    let outer = pool.spawn(move || {
        let queued = outside.spawn(|| thread::current().id());
        outside.wait();
        assert!(queued.is_finished());
        queued.join().unwrap() != thread::current().id()
    });
    await_waiting(&other, 1);
    gate.open();
    assert!(outer.join().unwrap());
    busy.join().unwrap();
}

#[test]
fn a_closed_pool_refuses_nested_tasks() {
    // Goal: NEST and REFUSE. Method: close inside the task, then each way in; `spawn` panics rather
    // than run the task inline.
    let _watch = watch();
    let pool = Arc::new(Pool::new(1));
    let own = Arc::clone(&pool);
    let outer = pool.spawn(move || {
        own.close();
        let ran = Flag::new();
        let task = || {
            let raised = ran.clone();
            move || raised.raise()
        };
        assert!(matches!(own.try_spawn(task()), Err(TrySpawnError::Closed(_))));
        let late = own.spawn_timeout(Duration::MAX, task());
        assert!(matches!(late, Err(TrySpawnError::Closed(_))));
        let panic = quietly(|| own.spawn(task())).unwrap_err();
        assert!(message(&*panic).contains("closed"));
        assert!(!ran.is_up());
    });
    outer.join().unwrap();
}

#[test]
fn the_drop_of_an_unwanted_result_may_use_the_pool() {
    // Goal: NEST on the worker, after the closure and before the permit is back. Method: a detached
    // value whose drop spawns on the full pool and tries to wait for it.
    struct Spawns(Arc<Pool>, Flag);
    impl Drop for Spawns {
        fn drop(&mut self) {
            assert_eq!(self.0.spawn(|| 4).join().unwrap(), 4);
            assert!(quietly(|| self.0.wait()).is_err());
            self.1.raise();
        }
    }

    let _watch = watch();
    let (pool, gate, dropped) = (Arc::new(Pool::new(1)), Gate::new(), Flag::new());
    let (value, door) = (Spawns(Arc::clone(&pool), dropped.clone()), gate.clone());
    drop(pool.spawn(move || {
        door.pass();
        value
    }));
    gate.open();
    pool.wait();
    assert!(dropped.is_up());
    // The value's share of the pool is dropped after the flag is raised.
    eventually("the worker lets go of the pool", || Arc::strong_count(&pool) == 1);
    assert_has_all_permits(&pool);
}
