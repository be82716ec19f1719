//! What waiting costs (SLEEP): the processor time of threads blocked for two seconds in each call that waits,
//! and of an idle worker, as a share of one core. `cargo bench --bench idle`; Linux only, others print nothing.

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
use std::{
    fs,
    sync::{Arc, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

/// Nanoseconds that thread `task` of this process has run.
#[cfg(not(loom))]
fn ran(task: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

#[cfg(not(loom))]
fn main() {
    // `cargo test` runs this too; there it is enough that it runs.
    let long = std::env::args().any(|argument| argument == "--bench");
    let period = Duration::from_millis(if long { 2000 } else { 50 });
    let pool = Arc::new(admit::Pool::builder().max(2).thread_name("idle").build().unwrap());
    pool.spawn(|| ()).join().unwrap();
    let busy = Arc::new(admit::Pool::new(1));
    let (open, gate) = channel::<()>();
    let task = busy.spawn(move || gate.recv().unwrap());
    let far = Duration::from_secs(3600);
    let mut blocked = Vec::new();
    let mut block = |name: &str, call: Box<dyn FnOnce() + Send>| {
        blocked.push(thread::Builder::new().name(name.into()).spawn(call).unwrap());
    };
    let other = busy.clone();
    block("spawn", Box::new(move || drop(other.spawn(|| ()))));
    let other = busy.clone();
    block("spawn_timeout", Box::new(move || drop(other.spawn_timeout(far, || ()))));
    let other = busy.clone();
    block("wait", Box::new(move || other.wait()));
    let other = busy.clone();
    block("wait_timeout", Box::new(move || assert!(other.wait_timeout(far))));
    block("join", Box::new(move || task.join().unwrap()));
    let other = busy.clone();
    block(
        "join_timeout",
        Box::new(move || {
            let waiting = other.spawn(|| ());
            assert!(waiting.join_timeout(far).is_ok());
        }),
    );
    thread::sleep(Duration::from_millis(200));
    let tasks: Vec<_> = fs::read_dir("/proc/self/task")
        .map(|tasks| tasks.flatten().map(|task| task.file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    let before: Vec<_> = tasks.iter().map(|task| ran(task)).collect();
    let start = Instant::now();
    thread::sleep(period);
    let wall = start.elapsed().as_nanos() as f64;
    println!("| thread | percent of a core |\n|---|---:|");
    for (task, before) in tasks.iter().zip(before) {
        let name = fs::read_to_string(format!("/proc/self/task/{task}/comm")).unwrap_or_default();
        if let (Some(before), Some(after)) = (before, ran(task)) {
            println!("| {} | {:.3} |", name.trim(), (after - before) as f64 / wall * 100.0);
        }
    }
    open.send(()).unwrap();
    for thread in blocked {
        thread.join().unwrap();
    }
}
