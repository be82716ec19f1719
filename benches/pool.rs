//! The pool against its mutex variant: `cargo bench --bench pool`.
//!
//! One iteration is one task. The pools are warm: their threads exist before the clock starts.

#[cfg(not(loom))]
mod workload;

#[cfg(not(loom))]
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
#[cfg(not(loom))]
use std::time::Duration;
#[cfg(not(loom))]
use workload::{Cell, MutexPool, Pool, Variant};

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    let mut criterion = Criterion::default()
        .sample_size(15)
        .nresamples(10_000)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    for cell in Cell::all() {
        let mut group = criterion.benchmark_group(cell.to_string());
        group.throughput(Throughput::Elements(1));
        bench::<Pool>(&mut group, cell);
        bench::<MutexPool>(&mut group, cell);
        group.finish();
    }
    criterion.final_summary();
}

#[cfg(not(loom))]
fn bench<V: Variant>(group: &mut BenchmarkGroup<'_, WallTime>, cell: Cell) {
    let pool = V::with_max(cell.max);
    group.bench_function(V::NAME, |bencher| {
        bencher.iter_custom(|tasks| {
            let tasks = usize::try_from(tasks).expect("nobody waits for so many tasks");
            cell.time(&pool, tasks)
        });
    });
}
