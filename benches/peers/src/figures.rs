//! What a child process finds out about one pool in one cell.

use crate::{
    allocator::counted,
    cell::{Cell, Effort, Kind},
    system::{Usage, cores},
    workload::{self, Join, Variant, Work, occupy},
};
use serde_json::{Map, Value};
use std::{
    panic,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The fields of a line that were measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) fields: Map<String, Value>,
    pub(crate) extra: Map<String, Value>,
}

impl Figures {
    fn with(mut self, name: &str, value: f64) -> Figures {
        self.fields.insert(name.into(), value.into());
        self
    }

    pub(crate) fn with_extra(mut self, name: &str, value: impl Into<Value>) -> Figures {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// What `n` of something have taken.
    fn each(n: usize, time: Duration, used: Usage) -> Figures {
        let n = n as f64;
        Figures::default()
            .with("ns", nanos(time) / n)
            .with("cpu_ns", nanos(used.cpu) / n)
            .with("switches", used.switches as f64 / n)
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// Measures `V`.
pub(crate) fn figures<V: Variant>(cell: Cell, effort: Effort) -> Figures {
    let Cell { kind, submitters, max, size } = cell;
    match kind {
        Kind::Empty => {
            let pool = V::with_max(max);
            timed(effort, |tasks| workload::empty(&pool, submitters, tasks))
        }
        Kind::RoundTrip => {
            let pool = V::with_max(max);
            timed(effort, |tasks| workload::round_trip(&pool, tasks))
        }
        Kind::Rested => rested::<V>(max, effort),
        Kind::Batch => {
            let (pool, work) = (V::with_max(max), Work::of_micros(size));
            timed(effort, |batches| workload::batch(&pool, work, batches))
        }
        Kind::Sleeps => sleeps::<V>(max, size, effort),
        Kind::Panic => {
            panic::set_hook(Box::new(|_| ()));
            let pool = V::with_max(max);
            timed(effort, |tasks| workload::panics(&pool, tasks))
        }
        Kind::BlockedInSpawn | Kind::BlockedInWait | Kind::BlockedInJoin | Kind::Idle => {
            blocked::<V>(kind, max, effort)
        }
        Kind::Fairness => fairness::<V>(submitters, max, effort),
        Kind::Allocations => allocations::<V>(max, effort),
        Kind::Create => {
            let (_pool, heap) = counted(|| V::with_max(max));
            timed(effort, |pools| workload::create::<V>(max, pools)).with_extra("bytes", heap.alive)
        }
        Kind::CreateWithThreads => timed(effort, |pools| workload::create_with_threads::<V>(max, pools)),
        Kind::Floor => unreachable!("no pool is a floor"),
    }
}

/// Warms up, finds out how many fit into the time for a measurement, and measures them.
pub(crate) fn timed(effort: Effort, run: impl Fn(usize) -> Duration) -> Figures {
    let n = enough(effort, &run);
    let before = Usage::own();
    let time = run(n);
    Figures::each(n, time, Usage::own() - before)
}

fn enough(effort: Effort, run: impl Fn(usize) -> Duration) -> usize {
    let start = Instant::now();
    let mut n = 1;
    let mut time = run(n);
    // Beside busy processes a first run may take long, and tell nothing of the next ones.
    while time < effort.time / 6 || start.elapsed() < effort.time / 2 {
        n = if time < effort.time / 6 { 2 * n } else { n };
        time = run(n);
    }
    let scale = effort.time.as_secs_f64() / time.as_secs_f64();
    ((n as f64 * scale) as usize).max(1)
}

/// The rests are most of the time and little of the figures, so a measurement has them on top.
fn rested<V: Variant>(max: usize, effort: Effort) -> Figures {
    let pool = V::with_max(max);
    let tasks = ((effort.time * 2).as_nanos() / workload::REST.as_nanos()) as usize;
    workload::rested(&pool, tasks / 4 + 1);
    let start = Usage::own();
    let time = workload::rested(&pool, tasks);
    let with_tasks = Usage::own() - start;
    let start = Usage::own();
    workload::rests(tasks);
    Figures::each(tasks, time, with_tasks - (Usage::own() - start))
}

fn sleeps<V: Variant>(max: usize, millis: usize, effort: Effort) -> Figures {
    let length = Duration::from_millis(millis as u64);
    let before = Usage::own();
    let time = workload::sleeps::<V>(max, max * effort.sleeps_each(), length);
    let ideal = length * effort.sleeps_each() as u32;
    Figures::each(1, time, Usage::own() - before).with_extra("ideal_ns", ideal.as_nanos() as u64)
}

fn fairness<V: Variant>(submitters: usize, max: usize, effort: Effort) -> Figures {
    let pool = V::with_max(max);
    workload::fairness(&pool, submitters, effort.time / 4);
    let before = Usage::own();
    let shares = workload::fairness(&pool, submitters, effort.time * 2);
    let used = Usage::own() - before;
    let sum: usize = shares.tasks.iter().sum();
    let share = |tasks: Option<&usize>| tasks.map_or(0.0, |&tasks| (tasks * submitters) as f64 / sum as f64);
    Figures::each(sum, shares.time, used)
        .with_extra("share_min", share(shares.tasks.iter().min()))
        .with_extra("share_max", share(shares.tasks.iter().max()))
        .with_extra("longest_ns", nanos(shares.longest))
}

fn allocations<V: Variant>(max: usize, effort: Effort) -> Figures {
    let n = if effort.quick { 100 } else { 10_000 };
    let pool = V::with_max(max);
    occupy(&pool, max);
    let joined = || workload::round_trip(&pool, n);
    let detached = || {
        for _ in 0..n {
            pool.spawn_detached(|| ());
        }
        pool.wait();
    };
    // Once for what stays.
    joined();
    detached();
    let (_, joined) = counted(joined);
    let (_, detached) = counted(detached);
    let each = |number: usize| number as f64 / n as f64;
    Figures::default()
        .with_extra("allocations", each(joined.blocks))
        .with_extra("bytes", each(joined.bytes))
        .with_extra("detached_allocations", each(detached.blocks))
}

/// The processor time of `max` threads that are blocked while as many tasks run, or of `max` idle workers.
fn blocked<V: Variant>(kind: Kind, max: usize, effort: Effort) -> Figures {
    let pool = Arc::new(V::with_max(max));
    occupy(&*pool, max);
    let gate = Arc::new(Gate::default());
    let blocked: Vec<_> = match kind {
        Kind::Idle => Vec::new(),
        Kind::BlockedInJoin => {
            let handles = (0..max).map(|_| {
                let gate = gate.clone();
                let task = move || {
                    gate.pass();
                    0
                };
                pool.spawn(task)
            });
            handles.map(|handle| thread::spawn(|| drop(handle.join()))).collect()
        }
        _ => {
            for _ in 0..max {
                let gate = gate.clone();
                pool.spawn_detached(move || gate.pass());
            }
            let block = |_| {
                let pool = pool.clone();
                thread::spawn(move || match kind {
                    Kind::BlockedInSpawn => pool.spawn_detached(|| ()),
                    _ => pool.wait(),
                })
            };
            (0..max).map(block).collect()
        }
    };
    thread::sleep(effort.settle());
    let (start, before) = (Instant::now(), Usage::own());
    thread::sleep(effort.blocked());
    let (time, used) = (start.elapsed().as_secs_f64(), Usage::own() - before);
    gate.open();
    for thread in blocked {
        thread.join().expect("no pool panics");
    }
    Figures::default().with("cpu_ns", nanos(used.cpu) / time)
}

/// Tasks sleep here until it opens.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    bell: Condvar,
}

impl Gate {
    fn pass(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.bell.wait_while(open, |open| !*open));
    }

    fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }
}

/// Merges what was measured into the fields of a line.
pub(crate) fn finish(cell: Cell, figures: Figures) -> Map<String, Value> {
    let mut fields = figures.fields;
    let mut extra = cell.extra(cores());
    extra.extend(figures.extra);
    fields.insert("extra".into(), extra.into());
    fields
}
