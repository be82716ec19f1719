//! Configuration of a pool.

use std::thread;

use crate::{BuildError, Pool};

/// Configures a [`Pool`]: the maximum, the names of its threads, the size of their stacks.
///
/// ```
/// # admit::__model(|| {
/// let pool = admit::Pool::builder().max(2).thread_name("io").build().unwrap();
/// let name = pool.spawn(|| std::thread::current().name().map(String::from));
/// # if !cfg!(loom) { let _ =
/// name.join().unwrap() // Some("io-0")
/// # ; }
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    max: Option<usize>,
    thread_name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// A builder with the defaults.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// How many tasks may run at once. Default: [`std::thread::available_parallelism`], or 1 if unknown.
    pub fn max(mut self, max: usize) -> Builder {
        self.max = Some(max);
        self
    }

    /// The prefix of the threads' names, which are `prefix-0`, `prefix-1` and so on. Default: `admit`.
    pub fn thread_name(mut self, prefix: impl Into<String>) -> Builder {
        self.thread_name = Some(prefix.into());
        self
    }

    /// The size of the threads' stacks in bytes. Default: std's. A size that the operating system cannot
    /// give shows when a task is spawned: as [`TrySpawnError::Os`](crate::TrySpawnError::Os), or as the panic of `spawn`.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// The pool. Starts no thread.
    ///
    /// # Errors
    /// The maximum is 0 or above [`Pool::MAX`], or the thread name has a NUL byte in it.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let error = admit::Pool::builder().max(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "a pool's maximum must be from 1 to 65535, not 0");
    /// # });
    /// ```
    pub fn build(self) -> Result<Pool, BuildError> {
        let max = self.max.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let max = match u16::try_from(max) {
            Ok(slots @ 1..) => slots,
            _ => return Err(BuildError::MaxOutOfRange(max)),
        };
        let thread_name = self.thread_name.unwrap_or_else(|| String::from("admit"));
        if thread_name.contains('\0') {
            return Err(BuildError::NulInThreadName(thread_name));
        }
        Ok(Pool::start(max, thread_name, self.stack_size))
    }
}
