//! What the benchmarks measure: each workload written once, over any pool that is a [`Variant`].
//!
//! Two programs use it: `benches/pool.rs` under criterion, for the lock-free pool and its mutex variant, and
//! `benches/peers`, which adds the pools of other crates. A workload returns the time that it took; how
//! much of it is enough, and what else is counted meanwhile, is for the caller to decide.

#![allow(dead_code, reason = "each of the two programs uses a different part of it")]

use std::{
    hint::black_box,
    panic::resume_unwind,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[path = "../../tests/support/mutex_pool.rs"]
mod mutex_pool;
mod work;

pub(crate) use admit::Pool;
pub(crate) use mutex_pool::MutexPool;
pub(crate) use work::Work;

/// A pool that can be measured.
pub(crate) trait Variant: Send + Sync + 'static {
    const NAME: &'static str;
    /// The largest maximum.
    const MOST: usize = usize::MAX;
    /// Whether a thread is made only when a task first needs it.
    const LAZY: bool = false;
    /// Whether `wait` is the pool's own.
    const WAITS: bool = false;

    type Handle: Join + Send + 'static;

    fn with_max(max: usize) -> Self;
    /// Spawns a task whose result nobody wants.
    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static);
    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle;
    /// Returns once no task runs, if nobody spawns meanwhile.
    fn wait(&self);
}

/// The right to the result of a task, or to its panic.
pub(crate) trait Join {
    fn join(self) -> thread::Result<usize>;
}

/// The two pools have the same methods and no trait in common.
macro_rules! variant {
    ($pool:ty, $handle:ty, $name:literal, $most:expr) => {
        impl Variant for $pool {
            const NAME: &'static str = $name;
            const MOST: usize = $most;
            const LAZY: bool = true;
            const WAITS: bool = true;

            type Handle = $handle;

            fn with_max(max: usize) -> Self {
                Self::new(max)
            }

            fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
                drop(self.spawn(task));
            }

            fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
                self.spawn(task)
            }

            fn wait(&self) {
                self.wait();
            }
        }

        impl Join for $handle {
            fn join(self) -> thread::Result<usize> {
                self.join()
            }
        }
    };
}

variant!(Pool, admit::JoinHandle<usize>, "admit", Pool::MAX);
variant!(MutexPool, mutex_pool::JoinHandle<usize>, "mutex", MutexPool::MAX);

/// How long a thread rests before each round trip of [`rested`].
pub(crate) const REST: Duration = Duration::from_micros(300);

/// How many tasks one batch has.
pub(crate) const BATCH: usize = 100;

/// How many tasks a submitter of [`empty`] takes on at a time: enough that this costs nothing, and so few that all
/// submitters end together.
const PORTION: usize = 32;

/// The time from the first spawn of `tasks` empty tasks to the return of `wait` after the last one. Starting and ending the
/// submitters is not part of it. Each takes on a portion whenever it has spawned its last one: with shares that are fixed
/// beforehand, a pool that serves them unevenly would be measured with fewer submitters at the end.
pub(crate) fn empty<V: Variant>(pool: &V, submitters: usize, tasks: usize) -> Duration {
    let line = Barrier::new(submitters);
    let (taken, submitting) = (AtomicUsize::new(0), AtomicUsize::new(submitters));
    let submit = || {
        line.wait();
        let start = Instant::now();
        // Relaxed: only the number counts.
        while let portion @ 1.. = tasks.saturating_sub(taken.fetch_add(PORTION, Ordering::Relaxed)) {
            for _ in 0..portion.min(PORTION) {
                pool.spawn_detached(|| ());
            }
        }
        // AcqRel: the spawns of all others come before the `wait` of whoever counts to the end.
        if submitting.fetch_sub(1, Ordering::AcqRel) == 1 {
            pool.wait();
        }
        (start, Instant::now())
    };
    let times = on_threads(submitters, submit);
    let start = times.iter().map(|(start, _)| start).min();
    let end = times.iter().map(|(_, end)| end).max();
    *end.expect("somebody submits") - *start.expect("somebody submits")
}

/// The time of `tasks` spawns by one thread, each joined before the next one.
pub(crate) fn round_trip<V: Variant>(pool: &V, tasks: usize) -> Duration {
    let start = Instant::now();
    for value in 0..tasks {
        spawn_and_join(pool, value);
    }
    start.elapsed()
}

/// The time of `tasks` spawns, each joined, with a rest before each that is not part of the time.
pub(crate) fn rested<V: Variant>(pool: &V, tasks: usize) -> Duration {
    let mut time = Duration::ZERO;
    for value in 0..tasks {
        thread::sleep(REST);
        let start = Instant::now();
        spawn_and_join(pool, value);
        time += start.elapsed();
    }
    time
}

/// As [`rested`] without the tasks: what the rests alone cost.
pub(crate) fn rests(tasks: usize) {
    for _ in 0..tasks {
        thread::sleep(REST);
    }
}

fn spawn_and_join<V: Variant>(pool: &V, value: usize) {
    let value = black_box(value);
    let result = pool.spawn(move || value).join();
    black_box(result.unwrap_or_else(|panic| resume_unwind(panic)));
}

/// The time of `batches` times [`BATCH`] tasks of `work` fanned out and joined.
pub(crate) fn batch<V: Variant>(pool: &V, work: Work, batches: usize) -> Duration {
    let mut handles = Vec::with_capacity(BATCH);
    let start = Instant::now();
    for _ in 0..batches {
        handles.extend((0..BATCH).map(|_| pool.spawn(move || work.run())));
        for handle in handles.drain(..) {
            black_box(handle.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    }
    start.elapsed()
}

/// The time from making a pool to the end of the last of `tasks` sleeps on it. Making it is a part because
/// some pools start all their threads then, and others with the tasks.
pub(crate) fn sleeps<V: Variant>(max: usize, tasks: usize, length: Duration) -> Duration {
    let left = Arc::new(AtomicUsize::new(tasks));
    let sleeper = thread::current();
    let start = Instant::now();
    let pool = V::with_max(max);
    for _ in 0..tasks {
        let (left, sleeper) = (left.clone(), sleeper.clone());
        pool.spawn_detached(move || {
            thread::sleep(length);
            // Relaxed: only the number counts.
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                sleeper.unpark();
            }
        });
    }
    // Relaxed: as above.
    while left.load(Ordering::Relaxed) > 0 {
        thread::park();
    }
    start.elapsed()
}

/// The time of `tasks` spawns, each of a task that panics and is joined. The caller silences the panic hook.
pub(crate) fn panics<V: Variant>(pool: &V, tasks: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..tasks {
        let result = pool.spawn(|| panic!("on purpose")).join();
        assert!(black_box(result).is_err(), "the panic came back as a value");
    }
    start.elapsed()
}

/// The time of making and dropping `pools` pools, one after the other, without a task.
pub(crate) fn create<V: Variant>(max: usize, pools: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..pools {
        drop(black_box(V::with_max(max)));
    }
    start.elapsed()
}

/// As [`create`], but all threads of each pool have been there at once.
pub(crate) fn create_with_threads<V: Variant>(max: usize, pools: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..pools {
        let pool = V::with_max(max);
        occupy(&pool, max);
        drop(pool);
    }
    start.elapsed()
}

/// Has `max` tasks run at once, so that every worker of the pool has been in use when it returns.
pub(crate) fn occupy<V: Variant>(pool: &V, max: usize) {
    let all = Arc::new(Barrier::new(max + 1));
    for _ in 0..max {
        let all = all.clone();
        pool.spawn_detached(move || {
            all.wait();
        });
    }
    all.wait();
}

/// How evenly a pool serves its submitters.
pub(crate) struct Shares {
    /// The tasks of each submitter.
    pub(crate) tasks: Vec<usize>,
    /// The longest that one spawn took.
    pub(crate) longest: Duration,
    /// From the first spawn to the end of the last.
    pub(crate) time: Duration,
}

/// What each submitter gets of a pool when all of them spawn empty tasks for about `period`.
pub(crate) fn fairness<V: Variant>(pool: &V, submitters: usize, period: Duration) -> Shares {
    let line = Barrier::new(submitters + 1);
    let over = AtomicBool::new(false);
    let submit = || {
        let (mut tasks, mut longest) = (0, Duration::ZERO);
        line.wait();
        let mut last = Instant::now();
        // Relaxed: nothing is read through it.
        while !over.load(Ordering::Relaxed) {
            pool.spawn_detached(|| ());
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
            tasks += 1;
        }
        (tasks, longest)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..submitters).map(|_| scope.spawn(submit)).collect();
        line.wait();
        let start = Instant::now();
        thread::sleep(period);
        // Relaxed: as above.
        over.store(true, Ordering::Relaxed);
        let ends = threads.into_iter().map(|thread| thread.join().expect("no pool panics"));
        let (tasks, longest): (Vec<_>, Vec<_>) = ends.unzip();
        let time = start.elapsed();
        Shares { tasks, longest: longest.into_iter().max().expect("somebody submits"), time }
    })
}

/// Runs `f` on `threads` threads at once and returns what each returned.
fn on_threads<T: Send>(threads: usize, f: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(&f)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no pool panics")).collect()
    })
}
