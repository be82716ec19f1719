//! What the pool is for, in one run: 1000 tasks at most 100 at a time, a panic that comes back to
//! whoever joins the task, and memory that returns to where it was.
//!
//! `cargo run --release --example gopool`

#[cfg(not(loom))]
use admit::Pool;
#[cfg(not(loom))]
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    let pool = Pool::new(100);
    run_more_tasks_than_threads(&pool);
    bring_a_panic_back(&pool);
    drop(pool);
    hold_and_drop_results();
}

#[cfg(not(loom))]
fn run_more_tasks_than_threads(pool: &Pool) {
    let start = Instant::now();
    for _ in 0..1000 {
        pool.spawn(|| sleep(Duration::from_millis(100)));
    }
    pool.wait();
    let elapsed = start.elapsed().as_secs_f64();
    println!("1000 tasks of 100 ms, at most {} at once: {elapsed:.3} s", pool.max());
    println!("worker threads: {}", pool.threads());
}

#[cfg(not(loom))]
fn bring_a_panic_back(pool: &Pool) {
    let handle = pool.spawn(|| panic!("the answer is unknown"));
    let payload = handle.join().expect_err("the task panics");
    let message = payload.downcast_ref::<&str>().expect("a literal message");
    println!("a task panicked and its handle says: {message}");
}

#[cfg(not(loom))]
fn hold_and_drop_results() {
    let before = heap::settled_bytes();
    let pool = Pool::new(100);
    let handles: Vec<_> = (0..1000).map(|_| pool.spawn(|| vec![1_u8; 4096])).collect();
    pool.wait();
    let held = heap::settled_bytes();
    drop(handles);
    let dropped = heap::settled_bytes();
    // With it go its queue's cells, which it makes as they are needed and keeps.
    drop(pool);
    let after = heap::settled_bytes();
    println!("live heap before: {before} bytes");
    println!("while 1000 results of 4 KiB are held: {:+}", held - before);
    println!("after they are dropped: {:+}", dropped - before);
    println!("after the pool is dropped: {:+}", after - before);
    assert!(held - dropped >= 1000 * 4096, "dropped results give their memory back");
    assert_eq!(after, before, "a dropped pool leaves no byte");
}

/// Counts the bytes that the program has allocated and not yet freed.
#[cfg(not(loom))]
mod heap {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
    use std::{thread, time::Duration};

    static LIVE: AtomicIsize = AtomicIsize::new(0);

    #[global_allocator]
    static COUNTED: Counted = Counted;

    struct Counted;

    // SAFETY: each request goes to the system's allocator as it is, and so does its answer.
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: what our caller promises is what `System` asks for.
            let block = unsafe { System.alloc(layout) };
            if !block.is_null() {
                // Relaxed: only a statistic; no data is read through it.
                LIVE.fetch_add(layout.size() as isize, Relaxed);
            }
            block
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: what our caller promises is what `System` asks for.
            unsafe { System.dealloc(block, layout) };
            // Relaxed: only a statistic; no data is read through it.
            LIVE.fetch_sub(layout.size() as isize, Relaxed);
        }
    }

    /// The live bytes, once they have stopped changing: a worker lets go of its last task a moment
    /// after `wait` has returned.
    pub(super) fn settled_bytes() -> isize {
        loop {
            // Relaxed: only a statistic; no data is read through it.
            let bytes = LIVE.load(Relaxed);
            thread::sleep(Duration::from_millis(20));
            // Relaxed: as above.
            if LIVE.load(Relaxed) == bytes {
                return bytes;
            }
        }
    }
}
