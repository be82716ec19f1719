//! The handle of a task.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    thread,
    time::Duration,
};

use crate::{sync::Deadline, task::Joiner};

/// The handle of a spawned task: its result, once. Dropping it detaches the task, which runs all the same.
///
/// A task that joins itself, or tasks that join each other in a ring, wait for ever; this is not detected.
pub struct JoinHandle<T> {
    joiner: Joiner<T>,
}

// A handle's state changes by whole steps, and a panic of the task is a value: nothing half done is seen.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(crate) fn new(joiner: Joiner<T>) -> JoinHandle<T> {
        JoinHandle { joiner }
    }

    /// Waits for the task and returns what its closure returned, or the payload of its panic (RESULT, PANIC).
    ///
    /// Blocks until the task has finished and its permit is free again or given on (FREE), whatever else
    /// happens to the pool. Everything the task did happens before the return.
    ///
    /// # Errors
    /// The task panicked: the payload is its own, untouched.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// let sum = pool.spawn(|| 2 + 2);
    /// assert_eq!(sum.join().unwrap(), 4);
    /// # });
    /// ```
    pub fn join(self) -> thread::Result<T> {
        self.joiner.join()
    }

    /// Whether the result is there. Never blocks.
    ///
    /// If it says so, everything the task did happens before the return; the permit may still be on its way.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// let task = pool.spawn(|| ());
    /// pool.wait();
    /// assert!(task.is_finished());
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.joiner.is_finished()
    }

    /// As [`join`](JoinHandle::join), but gives the handle back if the task has not finished within `timeout`.
    ///
    /// Blocks for at most about `timeout`; for ever with [`Duration::MAX`]. After [`Pool::wait`] has returned
    /// it gives the result at once, even with a timeout of zero. It need not wait for the permit, if the task was finished
    /// before the call: FREE is promised by `join` alone.
    ///
    /// # Errors
    /// The handle, if the time is up first.
    ///
    /// [`Pool::wait`]: crate::Pool::wait
    ///
    /// ```
    /// # admit::__model(|| {
    /// use std::time::Duration;
    ///
    /// let pool = admit::Pool::new(1);
    /// let task = pool.spawn(|| 7);
    /// pool.wait();
    /// assert_eq!(task.join_timeout(Duration::ZERO).unwrap().unwrap(), 7);
    /// # });
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<thread::Result<T>, JoinHandle<T>> {
        self.joiner.join_until(Deadline::after(timeout)).map_err(JoinHandle::new)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
