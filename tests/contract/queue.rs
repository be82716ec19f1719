//! WAKE, FIFO: who is admitted when.

use crate::support::{Flag, Gate, eventually, rounds, watch};
use crate::{SHORT, assert_has_all_permits, await_waiting, occupy};
use admit::{Pool, TrySpawnError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

// WAKE

#[test]
fn every_waiting_task_is_admitted() {
    // Goal: WAKE. Method: more blocked submitters than permits, rounds of short tasks; a lost
    // wake-up hangs the test.
    let _watch = watch();
    for max in [1, 2] {
        let (pool, done) = (Pool::new(max), AtomicUsize::new(0));
        let per_thread = rounds(3_000);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..per_thread {
                        pool.spawn(|| ()).join().unwrap();
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 6 * per_thread);
        assert_eq!((pool.running(), pool.waiting()), (0, 0));
    }
}

#[test]
fn a_permit_in_use_for_ever_holds_back_no_other() {
    // Goal: WAKE and PROGRESS with a task, and with the drop of an unwanted value, that never end.
    // Method: one permit taken that way; thousands of tasks through the other.
    struct Stalled(Gate, Flag);
    impl Drop for Stalled {
        fn drop(&mut self) {
            self.1.raise();
            self.0.pass();
        }
    }

    let _watch = watch();
    let (pool, gate, stalled) = (Pool::new(2), Gate::new(), Flag::new());
    let value = Stalled(gate.clone(), stalled.clone());
    let start = Gate::new();
    let door = start.clone();
    drop(pool.spawn(move || {
        door.pass();
        value
    }));
    start.open();
    stalled.await_up("the worker drops the unwanted value");
    for i in 0..rounds(5_000) {
        assert_eq!(pool.spawn(move || i).join().unwrap(), i);
    }
    assert_eq!(pool.running(), 1);
    gate.open();
    pool.wait();
}

// FIFO

/// Queues `total` submitters one after the other on a full pool of one, those in `cancelled` with
/// the time-out `patience`, then calls `finale` and opens the gate. Returns the order of running
/// and which submissions were refused.
fn order_of_admission(
    total: usize,
    cancelled: &[usize],
    patience: Duration,
    finale: impl FnOnce(&Pool, &AtomicUsize),
) -> (Vec<usize>, Vec<usize>) {
    let (pool, gate) = (Pool::new(1), Gate::new());
    let busy = occupy(&pool, &gate);
    let (order, refused) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(Vec::new()));
    let gone = AtomicUsize::new(0);
    thread::scope(|scope| {
        for i in 0..total {
            let (pool, gone, refused) = (&pool, &gone, &refused);
            let order = Arc::clone(&order);
            let gives_up = cancelled.contains(&i);
            scope.spawn(move || {
                let task = move || order.lock().unwrap().push(i);
                if !gives_up {
                    drop(pool.spawn(task));
                } else if let Err(error) = pool.spawn_timeout(patience, task) {
                    assert!(matches!(error, TrySpawnError::Full(_)));
                    refused.lock().unwrap().push(i);
                    gone.fetch_add(1, SeqCst);
                }
            });
            eventually("the submitter queues up", || {
                // Whoever gives up in between would be counted twice.
                let before = gone.load(SeqCst);
                pool.waiting() + before == i + 1 && gone.load(SeqCst) == before
            });
        }
        finale(&pool, &gone);
        gate.open();
    });
    busy.join().unwrap();
    pool.wait();
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
    assert_has_all_permits(&pool);
    let order = std::mem::take(&mut *order.lock().unwrap());
    (order, refused.into_inner().unwrap())
}

#[test]
fn blocked_submitters_are_admitted_in_order() {
    // Goal: FIFO. Method: ten submitters queue one after the other on a pool of one, some with a
    // time-out that never comes.
    let _watch = watch();
    for _ in 0..rounds(20) {
        let (order, refused) = order_of_admission(10, &[2, 3, 9], Duration::MAX, |_, _| ());
        assert_eq!(order, (0..10).collect::<Vec<_>>());
        assert_eq!(refused, []);
    }
}

#[test]
fn a_timed_out_submitter_leaves_the_order_as_it_was() {
    // Goal: FIFO under cancellation, and `waiting()` after it. Method: submitters at the head, in
    // the middle and at the end of the queue give up before the pool has room.
    let _watch = watch();
    for cancelled in [vec![0], vec![3], vec![6], vec![0, 1], vec![2, 4, 5], (0..7).collect()] {
        let patience = Duration::from_millis(60);
        let (order, refused) = order_of_admission(7, &cancelled, patience, |pool, gone| {
            eventually("they give up", || gone.load(SeqCst) == cancelled.len());
            assert_eq!(pool.waiting(), 7 - cancelled.len());
        });
        let stayed: Vec<usize> = (0..7).filter(|i| !cancelled.contains(i)).collect();
        assert_eq!(order, stayed);
        assert_eq!(HashSet::from_iter(refused), HashSet::<usize>::from_iter(cancelled));
    }
}

#[test]
fn a_time_out_that_races_with_admission_keeps_the_order() {
    // Goal: FIFO and ONCE when a time-out meets the hand-over. Method: time-outs that end about when
    // the pool gets room; each task has run or come back, and those that ran did so in order.
    let _watch = watch();
    for round in 0..rounds(150) {
        let patience = Duration::from_micros(300 + 50 * (round as u64 % 20));
        let (order, refused) = order_of_admission(6, &[0, 1, 3, 4], patience, |_, _| ());
        assert!(order.is_sorted(), "{order:?}");
        let mut all = [order, refused].concat();
        all.sort_unstable();
        assert_eq!(all, (0..6).collect::<Vec<_>>());
    }
}

#[cfg_attr(miri, ignore = "65,535 time-outs are too many to interpret")]
#[test]
fn a_queue_without_room_refuses_at_once_and_recovers() {
    // Goal: REFUSE and WAKE when as many positions are counted as can be. Method: one task waits, and time-outs
    // behind it use up the rest; then one more with a time limit, one without, and the end of the task that runs.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let busy = occupy(&pool, &gate);
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.spawn(|| 1).join().unwrap());
        await_waiting(&pool, 1);
        for _ in 1..Pool::MAX_WAITING {
            let refused = pool.spawn_timeout(Duration::ZERO, || ());
            assert!(matches!(refused, Err(TrySpawnError::Full(_))));
        }
        let refused = pool.spawn_timeout(Duration::MAX, || ());
        assert!(matches!(refused, Err(TrySpawnError::Full(_))));
        assert_eq!(pool.waiting(), 1);
        let second = scope.spawn(|| pool.spawn(|| 2).join().unwrap());
        thread::sleep(SHORT);
        assert_eq!(pool.waiting(), 1);
        assert!(!first.is_finished() && !second.is_finished());
        gate.open();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
    });
    busy.join().unwrap();
    assert_has_all_permits(&pool);
}

#[cfg_attr(miri, ignore = "65,535 time-outs are too many to interpret")]
#[test]
fn time_outs_use_up_no_room_in_the_queue() {
    // Goal: tasks that have given up do not pile up. Method: more time-outs than tasks may wait, on a
    // pool that stays full; then one more task queues up and is served.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let busy = occupy(&pool, &gate);
    for _ in 0..Pool::MAX_WAITING + 10 {
        let refused = pool.spawn_timeout(Duration::ZERO, || ());
        assert!(matches!(refused, Err(TrySpawnError::Full(_))));
    }
    assert_eq!(pool.waiting(), 0);
    thread::scope(|scope| {
        let queued = scope.spawn(|| pool.spawn(|| 7).join().unwrap());
        eventually("the task queues up", || pool.waiting() == 1);
        gate.open();
        assert_eq!(queued.join().unwrap(), 7);
    });
    busy.join().unwrap();
    assert_has_all_permits(&pool);
}
