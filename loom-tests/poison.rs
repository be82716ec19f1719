//! Memory that was freed is overwritten, so that a model in which somebody touches it fails or crashes: loom
//! watches its own cells and atomics, but not the memory they lie in.

use std::alloc::{GlobalAlloc, Layout, System};

struct Poison;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Poison {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
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
