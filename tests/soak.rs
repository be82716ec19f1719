//! Everything at once, for `ADMIT_SOAK` seconds (2 if it is not set): mixed programs on one pool after another. No test
//! harness, so that the sanitizers see nothing but the pool. `ADMIT_SEED` chooses the numbers; the order in which
//! threads come is the system's.

#[cfg(not(any(loom, shuttle)))]
#[path = "support/evidence.rs"]
mod evidence;
#[cfg(not(any(loom, shuttle)))]
#[path = "support/mixed.rs"]
mod mixed;
mod support;
#[cfg(not(any(loom, shuttle)))]
mod under_test {
    pub(crate) use admit::{JoinHandle, Pool, TrySpawnError};
}

#[cfg(any(loom, shuttle))]
fn main() {}

#[cfg(not(any(loom, shuttle)))]
fn main() {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    // Goal: MAX, ONCE, RESULT, PANIC, WAKE, WAIT, NEST, END, REFUSE over a long time. Method: see the head.
    let settings = Arc::new(mixed::Settings { operations: 200, ..mixed::Settings::new() });
    let seed = mixed::seed().unwrap_or(1);
    let limit = Duration::from_secs(support::number_from_env("ADMIT_SOAK").unwrap_or(2));
    let start = Instant::now();
    let (mut tasks, mut pools) = (0, 0);
    // ThreadSanitizer has a thread of its own, which comes with the first of ours.
    std::thread::spawn(|| ()).join().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let before = threads();
    while pools == 0 || start.elapsed() < limit {
        tasks += mixed::run(&settings, seed, pools);
        pools += 1;
    }
    support::eventually("no more threads than at the beginning", || threads() <= before);
    let (submitters, seconds) = (mixed::SUBMITTERS, start.elapsed().as_secs_f64());
    evidence::line(&format!(
        "soak\tmixed\t{}\t{submitters} submitters, {pools} pools\t{tasks}\ttasks\t{seconds:.1}",
        mixed::LAWS
    ));
}

#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("/proc is mounted").count()
}

#[cfg(not(any(target_os = "linux", loom, shuttle)))]
fn threads() -> usize {
    0
}
