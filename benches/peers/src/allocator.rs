//! The system's allocator, counting when asked. When not, it costs one load of a flag that nobody writes.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ASKED: AtomicBool = AtomicBool::new(false);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

/// What all threads together have allocated.
pub(crate) struct Heap {
    pub(crate) blocks: usize,
    pub(crate) bytes: usize,
    /// What of it has not been freed.
    pub(crate) alive: usize,
}

/// What is allocated while `run` runs.
pub(crate) fn counted<T>(run: impl FnOnce() -> T) -> (T, Heap) {
    for counter in [&BLOCKS, &BYTES, &FREED] {
        counter.store(0, Relaxed);
    }
    ASKED.store(true, Relaxed);
    let value = run();
    ASKED.store(false, Relaxed);
    let [blocks, bytes, freed] = [&BLOCKS, &BYTES, &FREED].map(|counter| counter.load(Relaxed));
    (value, Heap { blocks, bytes, alive: bytes.saturating_sub(freed) })
}

fn took(bytes: usize) {
    if ASKED.load(Relaxed) {
        BLOCKS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes, Relaxed);
    }
}

fn gave(bytes: usize) {
    if ASKED.load(Relaxed) {
        FREED.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as above, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        gave(layout.size());
        took(size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}
