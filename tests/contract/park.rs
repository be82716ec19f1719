//! Settled details of sleeping: the park token of a thread is its user's.

use crate::support::{Flag, Gate, eventually, rounds, watch};
use crate::{SHORT, occupy};
use admit::{JoinHandle, Pool, TrySpawnError};
use std::sync::{Arc, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

type Call = fn(&Pool, JoinHandle<()>);

/// The calls that block. Each waits for the pool of one whose permit `handle` holds.
const CALLS: [(&str, Call); 7] = [
    ("spawn", |pool, _| drop(pool.spawn(|| ()))),
    ("spawn_timeout", |pool, _| drop(pool.spawn_timeout(Duration::MAX, || ()).unwrap())),
    ("spawn_timeout, in vain", |pool, _| {
        let refused = pool.spawn_timeout(SHORT, || ());
        assert!(matches!(refused, Err(TrySpawnError::Full(_)) | Ok(_)));
    }),
    ("wait", |pool, _| pool.wait()),
    ("wait_timeout", |pool, _| assert!(pool.wait_timeout(Duration::MAX))),
    ("join", |_, handle| handle.join().unwrap()),
    ("join_timeout", |_, handle| handle.join_timeout(Duration::MAX).unwrap().unwrap()),
];

/// Calls each of [`CALLS`] on a thread of its own while the pool is full: `before` and `after` run
/// on that thread around the call, `meanwhile` with its handle while it is blocked.
fn around_each_call(before: impl Fn() + Sync, meanwhile: impl Fn(&Thread), after: impl Fn(&str) + Sync) {
    for (name, call) in CALLS {
        let (pool, gate) = (Pool::new(1), Gate::new());
        let busy = occupy(&pool, &gate);
        thread::scope(|scope| {
            let (pool, before, after) = (&pool, &before, &after);
            let caller = scope.spawn(move || {
                before();
                call(pool, busy);
                after(name);
            });
            // The pause makes it likely that the call is blocked; the test holds if it is not.
            thread::sleep(SHORT);
            meanwhile(caller.thread());
            thread::sleep(SHORT);
            gate.open();
        });
    }
}

/// Asserts that the calling thread has its park token, and takes it.
fn assert_has_token(name: &str) {
    let (me, passed) = (thread::current(), Flag::new());
    let seen = passed.clone();
    let rescuer = thread::spawn(move || {
        let start = Instant::now();
        while !seen.is_up() {
            if start.elapsed() > crate::support::LIMIT {
                me.unpark();
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    });
    thread::park();
    passed.raise();
    assert!(rescuer.join().unwrap(), "{name} took the caller's token");
}

/// Asserts that the calling thread has no park token.
fn assert_has_no_token(name: &str) {
    let start = Instant::now();
    thread::park_timeout(SHORT);
    assert!(start.elapsed() >= SHORT, "{name} left a token behind");
}

#[test]
fn a_blocked_call_leaves_no_park_token() {
    // Goal: no call leaves a token behind. Method: after each blocking call a timed park must last
    // its full time.
    let _watch = watch();
    around_each_call(|| (), |_| (), assert_has_no_token);
}

#[test]
fn a_blocked_call_takes_no_park_token() {
    // Goal: the user's token survives. Method: a token set before each blocking call, and one set
    // while it is blocked, must let the next park through.
    let _watch = watch();
    around_each_call(|| thread::current().unpark(), |_| (), assert_has_token);
    around_each_call(|| (), Thread::unpark, assert_has_token);
}

#[test]
fn an_unpark_ends_no_blocked_call() {
    // Goal: a stray `unpark` of a caller is not the event it waits for. Method: each call, unparked
    // again and again while blocked, returns after the gate has opened.
    let _watch = watch();
    for (name, call) in CALLS {
        if name.ends_with("in vain") {
            continue;
        }
        let (pool, gate, opened) = (Pool::new(1), Gate::new(), Flag::new());
        let busy = occupy(&pool, &gate);
        thread::scope(|scope| {
            let (pool, flag) = (&pool, &opened);
            let caller = scope.spawn(move || {
                call(pool, busy);
                assert!(flag.is_up(), "{name} returned too early");
            });
            for _ in 0..20 {
                caller.thread().unpark();
                thread::sleep(Duration::from_millis(1));
            }
            opened.raise();
            gate.open();
        });
    }
}

#[test]
fn stray_unparks_disturb_no_worker() {
    // Goal: WAKE and ONCE when users unpark the pool's threads. Method: tasks leave tokens behind on
    // their worker, and another thread unparks the workers all the while.
    let _watch = watch();
    let (pool, stop) = (Arc::new(Pool::new(2)), Flag::new());
    let (workers, worker) = mpsc::channel::<Thread>();
    let pest = {
        let stop = stop.clone();
        thread::spawn(move || {
            let mut known = Vec::new();
            while !stop.is_up() {
                known.extend(worker.try_iter());
                known.iter().for_each(Thread::unpark);
                thread::sleep(Duration::from_micros(20));
            }
        })
    };
    for i in 0..rounds(2_000) {
        let workers = (i < 10).then(|| workers.clone());
        let task = move || {
            workers.map(|workers| workers.send(thread::current()));
            thread::current().unpark();
            i
        };
        assert_eq!(pool.spawn(task).join().unwrap(), i);
    }
    pool.wait();
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
    stop.raise();
    pest.join().unwrap();
    eventually("the pool is at rest", || pool.running() == 0);
}
