//! Refusals. Each hands back what it was given.

use std::{
    error::Error,
    fmt, io,
    panic::{RefUnwindSafe, UnwindSafe},
};

use crate::Pool;

/// Why a task was not accepted, with its closure.
///
/// The closure has not run, and the pool is as it was before the call; but a time-out may leave a position behind that counts
/// towards [`Pool::MAX_WAITING`] for a while.
pub enum TrySpawnError<F> {
    /// All permits are taken (or still were when the time was up).
    Full(F),
    /// The pool was closed.
    Closed(F),
    /// The operating system gave no thread for it, and there was no worker to wait for, or (`try_spawn`) no
    /// time to wait for one.
    Os(F, io::Error),
}

// An `io::Error` may hold any error and so is not unwind safe by itself; ours are the operating system's.
impl<F: UnwindSafe> UnwindSafe for TrySpawnError<F> {}
impl<F: RefUnwindSafe> RefUnwindSafe for TrySpawnError<F> {}

impl<F> TrySpawnError<F> {
    /// Gives the closure back.
    ///
    /// ```
    /// # admit::__model(|| {
    /// let pool = admit::Pool::new(1);
    /// pool.close();
    /// let refused = pool.try_spawn(|| 7).unwrap_err();
    /// assert_eq!(refused.into_inner()(), 7);
    /// # });
    /// ```
    pub fn into_inner(self) -> F {
        match self {
            TrySpawnError::Full(f) | TrySpawnError::Closed(f) | TrySpawnError::Os(f, _) => f,
        }
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySpawnError::Full(_) => f.write_str("Full(..)"),
            TrySpawnError::Closed(_) => f.write_str("Closed(..)"),
            TrySpawnError::Os(_, error) => f.debug_tuple("Os").field(&"..").field(error).finish(),
        }
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySpawnError::Full(_) => f.write_str("the pool is full"),
            TrySpawnError::Closed(_) => f.write_str("the pool is closed"),
            TrySpawnError::Os(_, error) => {
                write!(f, "the operating system gave the pool no thread: {error}")
            }
        }
    }
}

impl<F> Error for TrySpawnError<F> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TrySpawnError::Os(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Why a refusal happened, before the closure is put to it.
pub(crate) enum Refusal {
    Full,
    Closed,
    Os(io::Error),
}

impl Refusal {
    /// Hands `closure` back with the reason.
    pub(crate) fn with<F>(self, closure: F) -> TrySpawnError<F> {
        match self {
            Refusal::Full => TrySpawnError::Full(closure),
            Refusal::Closed => TrySpawnError::Closed(closure),
            Refusal::Os(error) => TrySpawnError::Os(closure, error),
        }
    }
}

/// Why [`Builder::build`](crate::Builder::build) refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The maximum is 0 or above [`Pool::MAX`].
    MaxOutOfRange(usize),
    /// The prefix of the thread names has a NUL byte in it.
    NulInThreadName(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::MaxOutOfRange(max) => {
                write!(f, "a pool's maximum must be from 1 to {}, not {max}", Pool::MAX)
            }
            BuildError::NulInThreadName(name) => {
                write!(f, "the thread name {name:?} has a NUL byte in it")
            }
        }
    }
}

impl Error for BuildError {}
