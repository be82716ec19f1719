//! What makes it possible to wait for pools that have no way to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Counts the tasks spawned and the tasks done, which costs each task two additions. They are in lines of their own, so
/// that submitters and workers do not take them from each other.
#[derive(Default)]
pub(super) struct Count {
    spawned: Line,
    done: Line,
}

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicUsize);

impl Count {
    pub(super) fn counted(
        self: &Arc<Self>,
        task: impl FnOnce() + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        // Relaxed: only the number counts, and who waits has been told of all spawns.
        self.spawned.0.fetch_add(1, Ordering::Relaxed);
        let count = self.clone();
        move || {
            task();
            // Release: what the task did comes before the return of `wait`.
            count.done.0.fetch_add(1, Ordering::Release);
        }
    }

    /// Gives way until all are done: nobody is woken, so that no task has to look whether somebody waits.
    pub(super) fn wait(&self) {
        // Relaxed, Acquire: as above.
        while self.done.0.load(Ordering::Acquire) != self.spawned.0.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
