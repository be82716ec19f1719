//! An array that grows without moving: chunks of doubling size, made when first touched, kept until the end.
//!
//! Who may touch what: a chunk pointer goes from null to a chunk once, by CAS; whoever loses the race frees
//! its own. Items are reached by shared reference only. **ARENA-1**: a chunk, once installed, stays where it
//! is until the arena is dropped.

use std::ptr;

use crate::sync::{AtomicPtr, CHUNK as FIRST, Ordering};

/// How many chunks there may be; chunk `k` holds `FIRST << k` items.
const CHUNKS: usize = 17;

/// The growing array.
pub(crate) struct Arena<T> {
    chunks: [AtomicPtr<T>; CHUNKS],
}

impl<T: Default> Arena<T> {
    /// An empty arena; nothing is allocated.
    pub(crate) fn new() -> Arena<T> {
        Arena { chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    /// Item `index`; makes its chunk if it is the first to ask.
    pub(crate) fn get(&self, index: usize) -> &T {
        let (chunk, offset) = locate(index);
        // Acquire [CHUNK]: pairs with the Release in `install`; the chunk's items are initialised.
        let mut base = self.chunks[chunk].load(Ordering::Acquire);
        if base.is_null() {
            base = self.install(chunk);
        }
        // SAFETY: `offset` is below the length of this chunk (`locate`).
        let item = unsafe { base.add(offset) };
        // SAFETY: ARENA-1, and the load above (or `install`) made the item's initial value visible.
        unsafe { &*item }
    }

    #[cold]
    fn install(&self, chunk: usize) -> *mut T {
        let fresh: Box<[T]> = (0..FIRST << chunk).map(|_| T::default()).collect();
        let fresh = Box::into_raw(fresh);
        // Release [CHUNK]: publishes the items. Acquire [CHUNK] on failure: another's items are used.
        match self.chunks[chunk].compare_exchange(
            ptr::null_mut(),
            fresh.cast::<T>(),
            Ordering::Release,
            Ordering::Acquire,
        ) {
            Ok(_) => fresh.cast::<T>(),
            Err(theirs) => {
                // SAFETY: `fresh` came from `Box::into_raw` above and was not published.
                drop(unsafe { Box::from_raw(fresh) });
                theirs
            }
        }
    }
}

/// The chunk that holds `index`, and where in it.
fn locate(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2() as usize;
    (chunk, index - FIRST * ((1 << chunk) - 1))
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for (k, chunk) in self.chunks.iter().enumerate() {
            // Relaxed: `&mut self` shows that nobody else is left, and ordered their work before this.
            let base = chunk.load(Ordering::Relaxed);
            if !base.is_null() {
                let items = ptr::slice_from_raw_parts_mut(base, FIRST << k);
                // SAFETY: installed chunks came from `Box::into_raw` with this length, and are freed once.
                drop(unsafe { Box::from_raw(items) });
            }
        }
    }
}
