//! The public face of a pool.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

use crate::{
    Builder, JoinHandle, TrySpawnError,
    submit::{Patience, submit},
    sync::{Arc, Deadline, milliseconds},
    unwind,
    word::VALUE_MAX,
    worker::Crew,
};

/// A pool of at most `max` worker threads, each made when a task first needs it and then reused.
///
/// Shared by reference or in an [`Arc`](std::sync::Arc). Dropping it closes it, runs everything that was
/// accepted and joins every thread; dropped inside one of its own tasks it closes and detaches instead, and
/// the rest runs to its end.
///
/// Spawning happens before the task runs; what a task does happens before the return of `join` on it,
/// before the return of a [`wait`](Pool::wait) that began after its `spawn` returned, and before the return of the
/// `spawn` that is admitted on its permit, as with a semaphore.
pub struct Pool {
    crew: Arc<Crew>,
}

// What a panicking caller leaves behind is a pool between two steps, never within one.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Pool {
    /// The largest maximum of a pool.
    pub const MAX: usize = VALUE_MAX as usize;

    /// How many tasks may wait in blocked `spawn`s; timed-out ones count until a permit comes their way or
    /// nobody waits before them.
    pub const MAX_WAITING: usize = VALUE_MAX as usize;

    /// A pool in which at most `max` tasks run at once. Starts no thread.
    ///
    /// # Panics
    /// If `max` is 0 or above [`Pool::MAX`].
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(2);
    /// let task = pool.spawn(|| 6 * 7);
    /// assert_eq!(task.join().unwrap(), 42);
    /// # });
    /// ```
    pub fn new(max: usize) -> Pool {
        match Pool::builder().max(max).build() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// Configures a pool.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(max: u16, thread_name: String, stack_size: Option<usize>) -> Pool {
        // The clock starts, for those who will look whether strangers want their cores.
        let _ = milliseconds();
        Pool { crew: Arc::new(Crew::new(max, thread_name, stack_size)) }
    }

    /// Runs `f` on a worker.
    ///
    /// Blocks while `max` tasks run, and is then admitted in the order in which callers began to wait
    /// (FIFO). Inside one of the pool's own tasks it never blocks: on a full pool it runs `f` itself, before
    /// it returns, on the permit of the task that called it (NEST).
    ///
    /// If the operating system refuses a thread while workers exist, it waits for one of them.
    ///
    /// # Panics
    /// If the pool is closed, or if the operating system refuses a thread and there is no worker at all. The
    /// closure is dropped first.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// let tasks = [pool.spawn(|| 1), pool.spawn(|| 2)];
    /// let sum: i32 = tasks.into_iter().map(|task| task.join().unwrap()).sum();
    /// assert_eq!(sum, 3);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match submit(&self.crew, f, Patience::Endless) {
            Ok(handle) => handle,
            Err(refused) => {
                let message = format!("cannot spawn: {refused}");
                unwind::drop_quietly(refused);
                panic!("{message}");
            }
        }
    }

    /// Runs `f` on a worker if a permit is free. Never blocks; where the free permit has no thread yet, it starts one.
    ///
    /// # Errors
    /// [`Full`](TrySpawnError::Full), [`Closed`](TrySpawnError::Closed) or [`Os`](TrySpawnError::Os), each
    /// with the closure.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// let task = pool.try_spawn(|| 1).unwrap();
    /// // Whether this one finds the permit free depends on the first.
    /// match pool.try_spawn(|| 2) {
    ///     Ok(second) => assert_eq!(second.join().unwrap(), 2),
    ///     Err(refused) => assert_eq!(refused.into_inner()(), 2),
    /// }
    /// assert_eq!(task.join().unwrap(), 1);
    /// # });
    /// ```
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        submit(&self.crew, f, Patience::None)
    }

    /// As [`spawn`](Pool::spawn), but blocks for at most about `timeout`, for ever with [`Duration::MAX`].
    ///
    /// Inside one of the pool's own tasks it waits like anywhere else.
    ///
    /// # Errors
    /// [`Full`](TrySpawnError::Full) once the time is up, or at once if [`Pool::MAX_WAITING`] positions are counted;
    /// [`Closed`](TrySpawnError::Closed); [`Os`](TrySpawnError::Os). Each has the closure, which has not run.
    ///
    /// ```
    /// # admit::__model(|| {
    /// use std::time::Duration;
    ///
    /// let pool = admit::Pool::new(1);
    /// let task = pool.spawn_timeout(Duration::from_secs(60), || "in time").unwrap();
    /// assert_eq!(task.join().unwrap(), "in time");
    /// # });
    /// ```
    pub fn spawn_timeout<F, T>(&self, timeout: Duration, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        submit(&self.crew, f, Patience::Until(Deadline::after(timeout)))
    }

    /// Returns once nothing runs and nothing waits (WAIT).
    ///
    /// Blocks until the pool has been quiescent at one moment after the call began, even if new tasks follow
    /// at once. Every task spawned before the call is then finished, and what it did is visible.
    ///
    /// # Panics
    /// Inside one of the pool's own tasks, which would wait for itself; and in the destructor of a thread-local of one of
    /// its workers, where a panic ends the process.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(2);
    /// let task = pool.spawn(|| ());
    /// pool.wait();
    /// assert!(task.is_finished());
    /// # });
    /// ```
    #[track_caller]
    pub fn wait(&self) {
        self.wait_until(Deadline::NEVER);
    }

    /// As [`wait`](Pool::wait), but gives up after about `timeout`; says whether the pool was quiescent.
    ///
    /// # Panics
    /// As [`wait`](Pool::wait).
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// assert!(pool.wait_timeout(std::time::Duration::ZERO));
    /// # });
    /// ```
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(Deadline::after(timeout))
    }

    #[track_caller]
    fn wait_until(&self, deadline: Deadline) -> bool {
        assert!(!self.crew.is_own(), "a task waits for its own pool: it would wait for itself");
        self.crew.admission.wait(deadline)
    }

    /// Refuses new tasks from now on; what runs or waits in a blocked `spawn` goes on to its end (or, where the operating
    /// system gives no thread and there is no worker, comes back as [`Os`](TrySpawnError::Os)). Then the threads end.
    /// Never blocks; idempotent.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// let task = pool.spawn(|| 1);
    /// pool.close();
    /// assert!(pool.try_spawn(|| 2).is_err());
    /// assert_eq!(task.join().unwrap(), 1);
    /// # });
    /// ```
    pub fn close(&self) {
        self.crew.see_to(self.crew.admission.close());
    }

    /// How many tasks may run at once.
    pub fn max(&self) -> usize {
        self.crew.admission.slots.max()
    }

    /// How many permits are taken: a snapshot, which may be over by the time it is read. Never blocks; takes time as
    /// [`waiting`](Pool::waiting) does.
    pub fn running(&self) -> usize {
        self.crew.admission.snapshot().running
    }

    /// How many tasks wait for a permit: a snapshot, as [`running`](Pool::running). Never blocks; takes time
    /// in proportion to the positions counted. A task whose `spawn_timeout` has returned is not counted.
    pub fn waiting(&self) -> usize {
        self.crew.admission.snapshot().waiting
    }

    /// How many worker threads there are: a snapshot, as [`running`](Pool::running). Never blocks.
    pub fn threads(&self) -> usize {
        self.crew.threads()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
        if !self.crew.is_own() {
            // SAFETY: a call on the pool borrows it, so with `&mut self` none is under way.
            unsafe { self.crew.admission.slots.join() };
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.crew.admission.snapshot();
        f.debug_struct("Pool")
            .field("max", &self.max())
            .field("running", &now.running)
            .field("waiting", &now.waiting)
            .field("threads", &self.threads())
            .field("closed", &now.closed)
            .finish()
    }
}
