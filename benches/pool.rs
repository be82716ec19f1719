//! The pool against its mutex variant, under criterion: `cargo bench`.
//!
//! One group for each workload, drawn over its parameter. The pools are warm, unless making them is what is
//! measured. What criterion cannot time (processor time, switches, allocations), floors and the pools of other crates
//! are the business of `benches/peers`.

#[cfg(not(loom))]
mod workload;

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    groups::all();
}

#[cfg(not(loom))]
mod groups {
    use crate::workload::{self, MutexPool, Pool, Variant, Work};
    use criterion::{
        BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime,
    };
    use std::{panic, thread, time::Duration};

    type Group<'a> = BenchmarkGroup<'a, WallTime>;

    /// Calls a function for both pools: `both!(function(arguments))`.
    macro_rules! both {
        ($function:ident($($argument:expr),*)) => {
            $function::<Pool>($($argument),*);
            $function::<MutexPool>($($argument),*);
        };
    }

    pub(crate) fn all() {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .nresamples(10_000)
            .warm_up_time(Duration::from_millis(150))
            .measurement_time(Duration::from_millis(700))
            .configure_from_args();
        for submitters in [1, 2, 4, 8] {
            let mut group = criterion.benchmark_group(format!("empty, {submitters} submitting"));
            group.throughput(Throughput::Elements(1));
            for max in [1, 2, 4, 16, 100] {
                both!(empty(&mut group, submitters, max));
            }
        }
        let mut group = criterion.benchmark_group("round trip");
        for max in [1, 4] {
            both!(round_trip(&mut group, max));
        }
        drop(group);
        both!(rested(&mut criterion.benchmark_group("rested")));
        let cores = thread::available_parallelism().map_or(2, usize::from);
        for max in [cores, 100] {
            let mut group = criterion.benchmark_group(format!("batch of 100, max {max}, by length"));
            for micros in [1, 10, 100] {
                both!(batch(&mut group, max, micros));
            }
        }
        let mut group = criterion.benchmark_group("sleeps of 1 ms, ten a worker");
        for max in [10, 100] {
            both!(sleeps(&mut group, max));
        }
        drop(group);
        both!(panics(&mut criterion.benchmark_group("panic")));
        both!(fairness(&mut criterion.benchmark_group("fairness, the worst of 8")));
        let mut group = criterion.benchmark_group("create and drop");
        for max in [1, 100, 10_000, Pool::MAX] {
            both!(create(&mut group, max));
        }
        drop(group);
        let mut group = criterion.benchmark_group("create and drop with all threads");
        for max in [1, 10, 100] {
            both!(create_with_threads(&mut group, max));
        }
        drop(group);
        criterion.final_summary();
    }

    /// Adds one benchmark; `time` gives the time of so many iterations.
    fn bench<V: Variant>(group: &mut Group<'_>, parameter: usize, time: impl Fn(usize) -> Duration) {
        group.bench_function(BenchmarkId::new(V::NAME, parameter), |bencher| {
            bencher.iter_custom(|n| time(usize::try_from(n).expect("nobody waits for so many")));
        });
    }

    fn empty<V: Variant>(group: &mut Group<'_>, submitters: usize, max: usize) {
        let pool = V::with_max(max);
        bench::<V>(group, max, |tasks| workload::empty(&pool, submitters, tasks));
    }

    fn round_trip<V: Variant>(group: &mut Group<'_>, max: usize) {
        let pool = V::with_max(max);
        bench::<V>(group, max, |tasks| workload::round_trip(&pool, tasks));
    }

    fn rested<V: Variant>(group: &mut Group<'_>) {
        let pool = V::with_max(1);
        bench::<V>(group, 1, |tasks| workload::rested(&pool, tasks));
    }

    fn batch<V: Variant>(group: &mut Group<'_>, max: usize, micros: usize) {
        let pool = V::with_max(max);
        let work = Work::of_micros(micros);
        bench::<V>(group, micros, |batches| workload::batch(&pool, work, batches));
    }

    fn sleeps<V: Variant>(group: &mut Group<'_>, max: usize) {
        group.sampling_mode(SamplingMode::Flat);
        let once = || workload::sleeps::<V>(max, 10 * max, Duration::from_millis(1));
        bench::<V>(group, max, |n| (0..n).map(|_| once()).sum());
    }

    fn panics<V: Variant>(group: &mut Group<'_>) {
        let pool = V::with_max(1);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| ()));
        bench::<V>(group, 1, |tasks| workload::panics(&pool, tasks));
        panic::set_hook(hook);
    }

    /// Fairness as a time: what a task costs the submitter who gets the fewest, divided by the number of
    /// submitters. In a fair pool that is the time of an empty task.
    fn fairness<V: Variant>(group: &mut Group<'_>) {
        const SUBMITTERS: usize = 8;
        group.sampling_mode(SamplingMode::Flat);
        let pool = V::with_max(1);
        bench::<V>(group, SUBMITTERS, |n| {
            let shares = workload::fairness(&pool, SUBMITTERS, Duration::from_millis(20));
            let fewest = shares.tasks.iter().min().expect("somebody submits");
            shares.time.mul_f64(n as f64 / (fewest * SUBMITTERS).max(1) as f64)
        });
    }

    fn create<V: Variant>(group: &mut Group<'_>, max: usize) {
        bench::<V>(group, max.min(V::MOST), |pools| workload::create::<V>(max.min(V::MOST), pools));
    }

    fn create_with_threads<V: Variant>(group: &mut Group<'_>, max: usize) {
        group.sampling_mode(SamplingMode::Flat);
        bench::<V>(group, max, |pools| workload::create_with_threads::<V>(max, pools));
    }
}
