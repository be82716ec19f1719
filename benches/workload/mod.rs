//! What the benchmarks measure, each workload written once for both pools.

use std::fmt;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../../tests/support/mutex_pool.rs"]
mod mutex_pool;

pub(crate) use admit::Pool;
pub(crate) use mutex_pool::MutexPool;

/// A pool that can be measured.
pub(crate) trait Variant: Sync {
    const NAME: &'static str;

    fn with_max(max: usize) -> Self;
    /// Spawns an empty task and drops its handle at once.
    fn spawn_detached(&self);
    /// Spawns a task that returns `value`, and joins it.
    fn spawn_and_join(&self, value: usize) -> usize;
    fn wait(&self);
}

/// The two pools have the same methods and no trait in common.
macro_rules! variant {
    ($pool:ty, $name:literal) => {
        impl Variant for $pool {
            const NAME: &'static str = $name;

            fn with_max(max: usize) -> Self {
                Self::new(max)
            }

            fn spawn_detached(&self) {
                drop(self.spawn(|| ()));
            }

            fn spawn_and_join(&self, value: usize) -> usize {
                let handle = self.spawn(move || value);
                handle.join().expect("the task does not panic")
            }

            fn wait(&self) {
                self.wait();
            }
        }
    };
}

variant!(Pool, "admit");
variant!(MutexPool, "mutex");

/// One workload on a pool of one size.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) max: usize,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Empty { submitters: usize },
    RoundTrip,
}

impl Cell {
    /// Everything that is measured.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let empty = [1, 2, 4, 8].into_iter().flat_map(|submitters| {
            let work = Work::Empty { submitters };
            [1, 4, 100].map(|max| Self { max, work })
        });
        let work = Work::RoundTrip;
        empty.chain([1, 4].map(|max| Self { max, work }))
    }

    /// The time that `tasks` tasks take.
    pub(crate) fn time<V: Variant>(self, pool: &V, tasks: usize) -> Duration {
        match self.work {
            Work::Empty { submitters } => empty(pool, submitters, tasks),
            Work::RoundTrip => round_trip(pool, tasks),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.max;
        match self.work {
            Work::Empty { submitters } => write!(f, "empty/S{submitters}/max{max}"),
            Work::RoundTrip => write!(f, "round_trip/max{max}"),
        }
    }
}

/// The time from the first spawn of `tasks` empty tasks, shared out among the submitters, to the
/// return of `wait` after the last one. Starting and ending the submitters is not part of it.
fn empty<V: Variant>(pool: &V, submitters: usize, tasks: usize) -> Duration {
    let line = Barrier::new(submitters);
    let submitting = AtomicUsize::new(submitters);
    let submit = |tasks: usize| {
        line.wait();
        let start = Instant::now();
        for _ in 0..tasks {
            pool.spawn_detached();
        }
        // AcqRel: the spawns of all others come before the `wait` of whoever counts to the end.
        if submitting.fetch_sub(1, Ordering::AcqRel) == 1 {
            pool.wait();
        }
        (start, Instant::now())
    };
    let share = |i| tasks / submitters + usize::from(i < tasks % submitters);
    let times: Vec<_> = thread::scope(|scope| {
        let start = |i| {
            let submit = &submit;
            scope.spawn(move || submit(share(i)))
        };
        let threads: Vec<_> = (0..submitters).map(start).collect();
        let times = threads.into_iter().map(|thread| thread.join());
        times.map(|times| times.expect("no pool panics")).collect()
    });
    let start = times.iter().map(|(start, _)| start).min();
    let end = times.iter().map(|(_, end)| end).max();
    *end.expect("somebody submits") - *start.expect("somebody submits")
}

/// The time of `tasks` spawns by one thread, each joined before the next one.
fn round_trip<V: Variant>(pool: &V, tasks: usize) -> Duration {
    let start = Instant::now();
    for value in 0..tasks {
        black_box(pool.spawn_and_join(black_box(value)));
    }
    start.elapsed()
}
