#![cfg(not(any(loom, shuttle)))]
//! Linearizability: the histories of many short random programs on real threads are explained by a sequential pool.
//! `tests/support/history.rs` says what that pool does; `tests/schedules.rs` has the same under shuttle.
//!
//! `ADMIT_HISTORIES` sets the number of histories, `ADMIT_SEED` the first program's seed.

#[path = "support/evidence.rs"]
mod evidence;
#[path = "support/history.rs"]
mod history;
#[path = "support/mutex_pool.rs"]
mod mutex_pool;
mod support;

use history::{Face, Job, Program, Refused, Way, face, run};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};
use support::{Dice, watch};

fn work(units: usize) {
    match units {
        0 => {}
        1 => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(20)),
    }
}

face!(admit::Pool, admit::JoinHandle<()>, admit::TrySpawnError, thread::JoinHandle<()>, thread::spawn, work);
face!(
    mutex_pool::MutexPool,
    mutex_pool::JoinHandle<()>,
    mutex_pool::TrySpawnError,
    thread::JoinHandle<()>,
    thread::spawn,
    work
);

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Takes histories until one has no explanation; how many had one, and the one that had none.
fn explained<P: Face>(histories: usize) -> Result<usize, String> {
    let first = number("ADMIT_SEED", 0);
    for seed in first..first + histories {
        let mut dice = Dice::new(seed);
        let program = Program::draw(3, 4, &mut |sides| dice.below(sides));
        if let Err(why) = run::<P>(&program).explain() {
            return Err(format!("ADMIT_SEED={seed}, history {}: {program:?}\n{why}", seed - first));
        }
    }
    Ok(histories)
}

fn check<P: Face>(name: &str) {
    let start = Instant::now();
    let histories = explained::<P>(number("ADMIT_HISTORIES", 4000)).unwrap_or_else(|why| panic!("{why}"));
    assert!(histories > 0, "no history was taken");
    let seconds = start.elapsed().as_secs_f64();
    evidence::line(&format!(
        "linear\t{name}/real threads\tMAX ONCE FREE WAIT FIFO REFUSE\t2-3 threads, max 1-2\t{histories}\thistories\t{seconds:.1}"
    ));
}

#[test]
fn pool_is_linearizable() {
    // Goal: every answer is one that a sequential pool gives. Method: random programs, each history searched for an
    // explanation.
    let _watchdog = watch();
    check::<admit::Pool>("pool");
}

#[test]
fn mutex_variant_is_linearizable() {
    // Goal: the sequential pool is that of the contract and not of one implementation. Method: the same with the
    // variant.
    let _watchdog = watch();
    check::<mutex_pool::MutexPool>("mutex variant");
}

const SAYS_FULL: u8 = 0;
const WAITS_TOO_SHORT: u8 = 1;
const ADMITS_ONE_MORE: u8 = 2;
const RUNS_WHAT_IT_REFUSED: u8 = 3;
const TAKES_AFTER_CLOSE: u8 = 4;

/// A pool with a fault.
struct Faulty<const FAULT: u8> {
    pool: admit::Pool,
    calls: AtomicUsize,
}

impl<const FAULT: u8> Faulty<FAULT> {
    /// True every second time.
    fn now(&self, fault: u8) -> bool {
        FAULT == fault && self.calls.fetch_add(1, Relaxed) % 2 == 1
    }
}

impl<const FAULT: u8> Face for Faulty<FAULT> {
    type Handle = <admit::Pool as Face>::Handle;
    type Thread = thread::JoinHandle<()>;

    fn new(max: usize) -> Self {
        let max = if FAULT == ADMITS_ONE_MORE { max + 1 } else { max };
        Faulty { pool: <admit::Pool as Face>::new(max), calls: AtomicUsize::new(0) }
    }

    fn submit(&self, way: Way, job: Job) -> Result<Self::Handle, Refused> {
        if way == Way::TrySpawn && self.now(SAYS_FULL) {
            return Err(Refused::Full);
        }
        if self.now(RUNS_WHAT_IT_REFUSED) {
            job();
            return Err(Refused::Full);
        }
        Face::submit(&self.pool, way, job)
    }

    fn join(handle: Self::Handle) -> thread::Result<()> {
        handle.join()
    }

    fn wait(&self) {
        if !self.now(WAITS_TOO_SHORT) {
            self.pool.wait();
        }
    }

    fn close(&self) {
        if FAULT != TAKES_AFTER_CLOSE {
            self.pool.close();
        }
    }

    fn running(&self) -> usize {
        self.pool.running()
    }

    fn start(f: impl FnOnce() + Send + 'static) -> Self::Thread {
        thread::spawn(f)
    }

    fn finish(thread: Self::Thread) {
        thread.join().unwrap();
    }

    fn work(units: usize) {
        work(units);
    }
}

#[test]
fn faulty_pools_are_found_out() {
    // Goal: the search can say no. Method: pools with one fault each; some history must be without explanation.
    let _watchdog = watch();
    let found = [
        ("says Full for nothing", explained::<Faulty<SAYS_FULL>>(4000)),
        ("wait returns too soon", explained::<Faulty<WAITS_TOO_SHORT>>(4000)),
        ("admits one more", explained::<Faulty<ADMITS_ONE_MORE>>(4000)),
        ("runs what it refused", explained::<Faulty<RUNS_WHAT_IT_REFUSED>>(4000)),
        ("takes tasks after close", explained::<Faulty<TAKES_AFTER_CLOSE>>(4000)),
    ];
    for (fault, answer) in found {
        assert!(answer.is_err(), "a pool that {fault} passes");
    }
}
