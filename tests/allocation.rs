#![cfg(not(loom))]
//! What a task costs in heap allocations: one.
//!
//! A file, and so a process, of its own: the allocator counts for the whole process.

mod support;

use admit::Pool;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use support::{eventually, rounds, watch};

/// The system's allocator, counting what the marked threads do.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

thread_local!(static MARKED: Cell<bool> = const { Cell::new(false) });

fn count(counter: &AtomicUsize) {
    if MARKED.get() {
        counter.fetch_add(1, Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(&FREED);
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many blocks the marked threads allocate while `run` runs. All are freed soon after it: the
/// worker may be the last of a block's two owners.
fn blocks(run: impl FnOnce()) -> usize {
    let before = ALLOCATED.load(Relaxed);
    run();
    let allocated = ALLOCATED.load(Relaxed);
    eventually("every block is freed", || FREED.load(Relaxed) == allocated);
    allocated - before
}

#[test]
fn a_task_is_one_allocation() {
    // Goal: spawn and join of a warm pool allocate one block and free it. Method: count on the two
    // threads concerned, the submitter and the only worker, over many tasks of several shapes.
    let _watch = watch();
    let pool = Pool::new(1);
    pool.spawn(|| ()).join().unwrap();
    MARKED.set(true);
    pool.spawn(|| MARKED.set(true)).join().unwrap();
    for i in 0..rounds(1_000) {
        assert_eq!(pool.spawn(move || i).join().unwrap(), i);
    }

    let n = rounds(10_000);
    let times = |task: &dyn Fn()| blocks(|| (0..n).for_each(|_| task()));
    assert_eq!(times(&|| drop(pool.spawn(|| ()).join())), n);
    let large = [1_u64; 64];
    assert_eq!(times(&|| drop(pool.spawn(move || large).join())), n);
    assert_eq!(times(&|| drop(pool.try_spawn(|| 1).expect("room").join())), n);
    let timed = |task| pool.spawn_timeout(Duration::MAX, task).expect("room");
    assert_eq!(times(&|| drop(timed(|| 1).join())), n);

    let detached = || {
        drop(pool.spawn(|| 1));
        pool.wait();
    };
    assert_eq!(times(&detached), n);
    let dropped_when_finished = || {
        let task = pool.spawn(|| 1);
        while !task.is_finished() {
            std::hint::spin_loop();
        }
        drop(task);
        // Else the next one may have to wait in line, whose memory is kept.
        pool.wait();
    };
    assert_eq!(times(&dropped_when_finished), n);
}
