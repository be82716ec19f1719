#![cfg(not(loom))]
//! The crossed table: outcome of a task x fate of its handle x fate of its pool x way in.
//!
//! In every cell the outcome must be the task's own, every value must be dropped exactly once, the
//! worker must live on and the permit must be back.

mod support;

use admit::{JoinHandle, Pool, TrySpawnError};
use std::panic::resume_unwind;
use std::sync::{Arc, Barrier};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use support::{BANG, Bomb, Flag, Gate, Tally, Track, eventually, message, quietly, rounds, watch};

/// What becomes of the task.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Value,
    Panic,
    CaptureExplodes,
    ValueExplodes,
    PayloadExplodes,
}

/// What becomes of the handle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum HandleFate {
    Joined,
    /// As soon as it exists; the task runs a little later as a rule, since nothing else is done
    /// before the drop.
    DroppedAtOnce,
    DroppedWhileRunning,
    DroppedAfter,
    TimedOut,
}

/// What becomes of the pool, before the handle's fate is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PoolFate {
    Alive,
    Closed,
    Dropped,
}

/// How the task gets in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum WayIn {
    /// Into a pool whose thread does not exist yet.
    Cold,
    /// To a worker that sleeps.
    Warm,
    /// Past a wait in the queue.
    Queued,
}

const OUTCOMES: [Outcome; 5] = [
    Outcome::Value,
    Outcome::Panic,
    Outcome::CaptureExplodes,
    Outcome::ValueExplodes,
    Outcome::PayloadExplodes,
];
const HANDLE_FATES: [HandleFate; 5] = [
    HandleFate::Joined,
    HandleFate::DroppedAtOnce,
    HandleFate::DroppedWhileRunning,
    HandleFate::DroppedAfter,
    HandleFate::TimedOut,
];
const POOL_FATES: [PoolFate; 3] = [PoolFate::Alive, PoolFate::Closed, PoolFate::Dropped];
const WAYS_IN: [WayIn; 3] = [WayIn::Cold, WayIn::Warm, WayIn::Queued];

#[derive(Clone, Copy, Debug)]
struct Cell {
    outcome: Outcome,
    handle: HandleFate,
    pool: PoolFate,
    way: WayIn,
}

/// A value or payload that may explode when dropped.
#[derive(Debug)]
#[allow(dead_code, reason = "the fields are there to be dropped")]
enum Load {
    Safe(Track),
    Explosive(Bomb),
    /// Where a capture explodes: the compiler itself leaks a value that is being returned then.
    Nothing,
}

#[test]
fn every_outcome_meets_every_fate() {
    // Goal: ONCE, RESULT, PANIC, FREE, END in every combination. Method: run each cell of the table
    // several times, gated so that the fates come in the cell's order.
    let _watch = watch();
    for _ in 0..rounds(3) {
        for cell in cells() {
            if let Err(panic) = std::panic::catch_unwind(|| check(cell)) {
                eprintln!("in {cell:?}");
                resume_unwind(panic);
            }
        }
    }
}

#[test]
fn the_table_is_complete() {
    // Goal: no cell is left out. Method: count them.
    assert_eq!(cells().count(), 5 * 5 * 3 * 3);
}

fn cells() -> impl Iterator<Item = Cell> {
    OUTCOMES.into_iter().flat_map(|outcome| {
        HANDLE_FATES.into_iter().flat_map(move |handle| {
            POOL_FATES.into_iter().flat_map(move |pool| {
                let cell = move |way| Cell { outcome, handle, pool, way };
                WAYS_IN.into_iter().map(cell)
            })
        })
    })
}

fn check(cell: Cell) {
    let (pool, tally, pins) = (Pool::new(1), Tally::new(), Tally::new());
    let (running, gate) = (Flag::new(), Gate::new());
    if cell.handle == HandleFate::DroppedAtOnce {
        gate.open();
    }
    let task = task(cell.outcome, &tally, &pins, &running, &gate);
    let handle = submit(&pool, cell.way, task);
    thread::scope(|scope| {
        let handle = drop_at_once_or_await(cell, handle, &running);
        let (pool, dropper) = seal(scope, cell, pool);
        let joined = handle.and_then(|handle| decide(cell, handle, &gate));
        gate.open();
        match pool {
            Some(pool) => assert_works_on(&pool, cell.pool, &pins),
            None => dropper.expect("somebody drops the pool").join().unwrap(),
        }
        assert_eq!(joined.is_some(), cell.handle == HandleFate::Joined);
        if let Some(result) = joined {
            assert_own_outcome(cell.outcome, result);
        }
    });
    tally.assert_all_dropped(if cell.outcome == Outcome::CaptureExplodes { 1 } else { 2 });
    pins.assert_all_dropped(1);
}

/// A task that passes `gate` and comes to its outcome, with a counted capture and a counted load.
fn task(
    outcome: Outcome,
    tally: &Tally,
    pins: &Tally,
    running: &Flag,
    gate: &Gate,
) -> impl FnOnce() -> Load + Send + use<> {
    let (pins, running, gate) = (pins.clone(), running.clone(), gate.clone());
    let capture = match outcome {
        Outcome::CaptureExplodes => Load::Explosive(tally.bomb()),
        _ => Load::Safe(tally.track()),
    };
    let load = match outcome {
        Outcome::ValueExplodes | Outcome::PayloadExplodes => Load::Explosive(tally.bomb()),
        Outcome::CaptureExplodes => Load::Nothing,
        Outcome::Value | Outcome::Panic => Load::Safe(tally.track()),
    };
    move || {
        let _captured = &capture;
        pins.pin_to_thread();
        running.raise();
        gate.pass();
        match outcome {
            Outcome::Panic | Outcome::PayloadExplodes => resume_unwind(Box::new(load)),
            _ => load,
        }
    }
}

fn submit(pool: &Pool, way: WayIn, task: impl FnOnce() -> Load + Send + 'static) -> JoinHandle<Load> {
    match way {
        WayIn::Cold => pool.spawn(task),
        WayIn::Warm => {
            pool.spawn(|| ()).join().unwrap();
            pool.try_spawn(task).expect("the permit is free")
        }
        WayIn::Queued => {
            let first = Gate::new();
            let door = first.clone();
            let busy = pool.spawn(move || door.pass());
            let handle = thread::scope(|scope| {
                let queued = scope.spawn(|| pool.spawn_timeout(Duration::MAX, task));
                eventually("the task is queued", || pool.waiting() == 1);
                first.open();
                queued.join().unwrap().unwrap()
            });
            busy.join().unwrap();
            handle
        }
    }
}

/// Drops the handle at once where that is its fate; else waits until the task runs.
fn drop_at_once_or_await(cell: Cell, handle: JoinHandle<Load>, running: &Flag) -> Option<JoinHandle<Load>> {
    if cell.handle == HandleFate::DroppedAtOnce {
        // Explodes here when the task was quicker after all.
        drop(quietly(|| drop(handle)));
        return None;
    }
    running.await_up("the task runs");
    Some(handle)
}

/// Lets the pool meet its fate. A pool is dropped on another thread, since that waits for the task.
fn seal<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    cell: Cell,
    pool: Pool,
) -> (Option<Pool>, Option<ScopedJoinHandle<'scope, ()>>) {
    match cell.pool {
        PoolFate::Alive => (Some(pool), None),
        PoolFate::Closed => {
            pool.close();
            (Some(pool), None)
        }
        PoolFate::Dropped => (None, Some(scope.spawn(move || drop(pool)))),
    }
}

/// Lets the handle meet its fate, and returns the result if that is to be joined.
fn decide(cell: Cell, handle: JoinHandle<Load>, gate: &Gate) -> Option<thread::Result<Load>> {
    match cell.handle {
        HandleFate::Joined => {
            gate.open();
            return Some(handle.join());
        }
        HandleFate::DroppedWhileRunning | HandleFate::DroppedAtOnce => drop(handle),
        HandleFate::TimedOut => {
            let limit = Duration::from_millis(1);
            drop(handle.join_timeout(limit).expect_err("the gate is shut"));
        }
        HandleFate::DroppedAfter => {
            gate.open();
            eventually("the task finishes", || handle.is_finished());
            let explodes = quietly(|| drop(handle)).is_err();
            let explosive = matches!(cell.outcome, Outcome::ValueExplodes | Outcome::PayloadExplodes);
            assert_eq!(explodes, explosive, "the user's drop is an ordinary drop");
        }
    }
    None
}

fn assert_own_outcome(outcome: Outcome, result: thread::Result<Load>) {
    match (outcome, result) {
        (Outcome::Value, Ok(Load::Safe(_))) => (),
        (Outcome::ValueExplodes, Ok(load @ Load::Explosive(_))) => {
            assert!(quietly(|| drop(load)).is_err());
        }
        (Outcome::Panic, Err(payload)) => {
            assert!(matches!(payload.downcast_ref(), Some(Load::Safe(_))));
        }
        (Outcome::PayloadExplodes, Err(payload)) => {
            assert!(matches!(payload.downcast_ref(), Some(Load::Explosive(_))));
            assert!(quietly(|| drop(payload)).is_err());
        }
        (Outcome::CaptureExplodes, Err(payload)) => assert_eq!(message(&*payload), BANG),
        (_, result) => panic!("{result:?}"),
    }
}

/// Asserts that the permit is back, and that an open pool still has the worker that ran the task.
fn assert_works_on(pool: &Pool, fate: PoolFate, pins: &Tally) {
    pool.wait();
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
    if fate == PoolFate::Closed {
        assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Closed(_))));
        return;
    }
    assert_eq!((pool.threads(), pins.made(), pins.dropped()), (1, 1, 0), "one worker, alive");
    let (meet, pin) = (Arc::new(Barrier::new(2)), pins.clone());
    let inside = Arc::clone(&meet);
    let task = move || {
        pin.pin_to_thread();
        inside.wait();
    };
    let busy = pool.try_spawn(task).expect("the permit is free");
    assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Full(_))));
    meet.wait();
    busy.join().unwrap();
    assert_eq!(pins.made(), 1, "the same worker");
}
