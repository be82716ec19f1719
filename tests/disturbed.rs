//! Mixed programs on the crate's own sources under adverse conditions: threads are delayed between any two steps, weak
//! CASes fail and sleeps end for nothing, and the operating system refuses threads. `ADMIT_SEED` replays the numbers of
//! one program, `ADMIT_TEST_SCALE` sets how many there are, in percent.
#![cfg(not(any(loom, shuttle)))]

#[path = "support/evidence.rs"]
mod evidence;
#[path = "support/internals.rs"]
mod internals;
#[path = "support/mixed.rs"]
mod mixed;
mod support;
mod under_test {
    pub(crate) use crate::internals::{JoinHandle, Pool, TrySpawnError};
}
use internals::*;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use crate::probe::{disturb, refusal};
use mixed::Settings;
use support::{rounds, watch};

/// Disturbs all threads until it is dropped. The disturbance is the whole process's, so there is one at a time.
struct Disturbance(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Disturbance {
    fn begin() -> Disturbance {
        static ONE: Mutex<()> = Mutex::new(());
        let own = Disturbance(ONE.lock().unwrap_or_else(PoisonError::into_inner));
        disturb(1);
        own
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        disturb(0);
    }
}

/// The programs' seeds: so many, or the one that is asked for.
fn seeds(n: usize) -> std::ops::Range<usize> {
    mixed::seed().map_or(1..rounds(n) + 1, |seed| seed..seed + 1)
}

fn settings() -> Settings {
    Settings { operations: 12, ..Settings::new() }
}

fn report(name: &str, setting: &str, programs: usize, tasks: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let (laws, submitters) = (mixed::LAWS, mixed::SUBMITTERS);
    evidence::line(&format!(
        "disturbed\t{name}\t{laws}\t{submitters} submitters, {tasks} tasks, {setting}\t{programs}\tprograms\t{seconds:.1}"
    ));
}

#[test]
fn disturbed_programs_keep_every_law() {
    // Goal: MAX, ONCE, RESULT, PANIC, WAKE, WAIT, NEST, END, REFUSE whatever delays and spurious failures there are.
    // Method: each program on a pool of its own, under a disturbance of its own.
    let (_disturbance, start) = (Disturbance::begin(), Instant::now());
    let settings = Arc::new(settings());
    let seeds = seeds(100);
    let programs = seeds.len();
    let mut tasks = 0;
    for seed in seeds {
        disturb(seed as u64);
        tasks += mixed::run(&settings, seed, 0);
    }
    report("delays, spurious failures", "weak CASes and sleeps fail 1 in 4", programs, tasks, start);
}

/// Programs in which thread creation number n, counted over the whole pool, is refused when `rule` says so.
fn refused_programs(name: &str, setting: &str, seed_range: usize, rule: fn(usize, usize) -> bool) {
    let (_disturbance, start) = (Disturbance::begin(), Instant::now());
    let (mut programs, mut tasks) = (0, 0);
    let refused = Arc::new(AtomicUsize::new(0));
    for seed in seeds(seed_range) {
        for n in 1..=6 {
            disturb(seed as u64);
            let (attempts, refused) = (Arc::new(AtomicUsize::new(0)), refused.clone());
            let on_thread = move || {
                let (attempts, refused) = (attempts.clone(), refused.clone());
                refusal::set(move || {
                    let is_refused = rule(attempts.fetch_add(1, SeqCst) + 1, n);
                    refused.fetch_add(usize::from(is_refused), SeqCst);
                    is_refused
                });
            };
            let settings = Settings { refusals: true, on_thread: Box::new(on_thread), ..settings() };
            tasks += mixed::run(&Arc::new(settings), seed, n);
            programs += 1;
        }
    }
    let refused = refused.load(SeqCst);
    assert!(refused > 0, "no thread was refused");
    report(name, &format!("{setting}, {refused} refused"), programs, tasks, start);
}

#[test]
fn every_nth_thread_is_refused() {
    // Goal: the same laws while the system refuses threads again and again. Method: every n-th creation fails, n from 1
    // to 6 (1: there is never a worker), whoever asks, submitters and tasks.
    let _watch = watch();
    refused_programs("every n-th thread refused", "n = 1..6", 10, |attempt, n| attempt.is_multiple_of(n));
}

#[test]
fn all_but_every_nth_thread_are_refused() {
    // Goal: as above, with few workers and many slots aside. Method: only every n-th creation succeeds.
    let _watch = watch();
    refused_programs("all but every n-th thread refused", "n = 1..6", 10, |attempt, n| {
        !attempt.is_multiple_of(n)
    });
}

#[test]
fn the_nth_thread_is_refused() {
    // Goal: as above, where the system recovers. Method: the n-th creation fails, and no other.
    let _watch = watch();
    refused_programs("the n-th thread refused", "n = 1..6", 10, |attempt, n| attempt == n);
}

#[test]
fn the_disturbance_is_real() {
    // Goal: no empty run. Method: a weak CAS on an atomic that nobody else has fails; a sleep is told to end.
    let _disturbance = Disturbance::begin();
    let _watch = watch();
    let own = sync::AtomicU32::new(0);
    let relaxed = sync::Ordering::Relaxed;
    assert!((0..1_000).any(|_| own.compare_exchange_weak(0, 0, relaxed, relaxed).is_err()));
    assert!((0..1_000).any(|_| probe::woken_by_nothing()));
}
