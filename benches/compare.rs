//! The pool's time as a ratio of its mutex variant's: `cargo bench --bench compare`. After `--` may
//! stand parts of names, and then only cells that contain one are measured.
//!
//! On a machine that does other work as well, two figures can be compared only if they were taken
//! together. So one run measures everything, the two variants take turns, and the ratio is that of
//! their medians over all rounds.

#[cfg(not(loom))]
mod workload;

#[cfg(not(loom))]
use std::{
    env, fs, thread,
    time::{Duration, Instant},
};
#[cfg(not(loom))]
use workload::{Cell, MutexPool, Pool, Variant};

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    let (options, names): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|argument| argument.starts_with('-'));
    // Cargo passes this option in `cargo bench` and not in `cargo test`, where it is enough to see
    // that every cell runs.
    let effort = if options.iter().any(|option| option == "--bench") { Effort::BENCH } else { Effort::TEST };
    let wanted = |cell: &Cell| {
        let cell = cell.to_string();
        names.is_empty() || names.iter().any(|name| cell.contains(name))
    };
    println!("{}", machine());
    println!("{} rounds of {:?} each", effort.rounds, effort.round);
    println!();
    let [admit, mutex] = [Pool::NAME, MutexPool::NAME];
    println!("| cell | {admit}, ns a task | {mutex}, ns a task | {admit} / {mutex} | in single rounds |");
    println!("|---|---:|---:|---:|---:|");
    let start = Instant::now();
    for cell in Cell::all().filter(wanted) {
        let mut admit = Series::<Pool>::new(cell, effort);
        let mut mutex = Series::<MutexPool>::new(cell, effort);
        for round in 0..effort.rounds {
            // Each goes first in every other round, so that neither always follows the other.
            if round % 2 == 0 {
                admit.measure();
                mutex.measure();
            } else {
                mutex.measure();
                admit.measure();
            }
        }
        println!("{}", row(cell, &admit.times, &mutex.times));
    }
    println!();
    println!("{:.0} s; {}", start.elapsed().as_secs_f64(), machine());
}

#[cfg(not(loom))]
#[derive(Clone, Copy)]
struct Effort {
    /// Odd, so that the median is one of the measured values.
    rounds: usize,
    round: Duration,
}

#[cfg(not(loom))]
impl Effort {
    const BENCH: Self = Self { rounds: 11, round: Duration::from_millis(200) };
    const TEST: Self = Self { rounds: 1, round: Duration::from_millis(1) };
}

/// The measurements of one variant in one cell.
#[cfg(not(loom))]
struct Series<V> {
    pool: V,
    cell: Cell,
    tasks: usize,
    /// Nanoseconds a task, by round.
    times: Vec<f64>,
}

#[cfg(not(loom))]
impl<V: Variant> Series<V> {
    /// Warms the pool up, and finds how many tasks make a round of the wanted length.
    fn new(cell: Cell, effort: Effort) -> Self {
        let pool = V::with_max(cell.max);
        let mut tasks = 64;
        let mut time = cell.time(&pool, tasks);
        while time < effort.round / 2 {
            tasks *= 2;
            time = cell.time(&pool, tasks);
        }
        let scale = effort.round.as_secs_f64() / time.as_secs_f64();
        Self { pool, cell, tasks: (tasks as f64 * scale) as usize + 1, times: Vec::new() }
    }

    fn measure(&mut self) {
        let time = self.cell.time(&self.pool, self.tasks);
        self.times.push(time.as_secs_f64() * 1e9 / self.tasks as f64);
    }
}

/// One line of the table: the medians, their ratio, and the lowest and highest ratio of a round.
#[cfg(not(loom))]
fn row(cell: Cell, admit: &[f64], mutex: &[f64]) -> String {
    let ratios = sorted(admit.iter().zip(mutex).map(|(admit, mutex)| admit / mutex));
    let [admit, mutex] = [admit, mutex].map(|times| median(times.iter().copied()));
    let (lowest, highest) = (ratios[0], ratios[ratios.len() - 1]);
    let ratio = admit / mutex;
    format!("| {cell} | {admit:.0} | {mutex:.0} | {ratio:.3} | {lowest:.3} to {highest:.3} |")
}

#[cfg(not(loom))]
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

#[cfg(not(loom))]
fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// What else has a part in the figures.
#[cfg(not(loom))]
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    format!("cores: {cores}; load average: {}", load.trim())
}
