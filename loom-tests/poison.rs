//! Memory that was freed is overwritten, so that a model in which somebody touches it fails or crashes: loom
//! watches its own cells and atomics, but not the memory they lie in.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering},
};

/// How many blocks of the alignment of [`Marked`] there are.
pub(crate) static MARKED: AtomicIsize = AtomicIsize::new(0);

/// Makes the block that it lies in count as marked. To be used by one model.
#[repr(align(256))]
pub(crate) struct Marked;

struct Poison;

fn count(layout: Layout, by: isize) {
    if layout.align() == align_of::<Marked>() {
        MARKED.fetch_add(by, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Poison {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout, -1);
        // loom's own tables are larger, and hardly used.
        let size = layout.size().min(4096);
        // SAFETY: the block is the caller's to the end.
        unsafe { at.write_bytes(0xdd, size) };
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Poison = Poison;
