//! A bounded pool of worker threads for programs that have to be right: lock-free, small, checked by machine.
//!
//! At most `max` tasks run at once; [`Pool::spawn`] blocks while the pool is full; every task hands back its
//! value *or its panic*; [`Pool::wait`] returns when nothing is left running.
//!
//! ```
//! # admit::__model(|| {
//! let pool = admit::Pool::new(1);
//! let good = pool.spawn(|| 6 * 7);
//! let bad = pool.spawn(|| -> u32 { panic!("no such luck") });
//! assert_eq!(good.join().unwrap(), 42);
//! assert_eq!(*bad.join().unwrap_err().downcast::<&str>().unwrap(), "no such luck");
//! # });
//! ```
//!
//! The guarantees have names (MAX, ONCE, RESULT, PANIC, WAKE, FIFO, WAIT, FREE, SLEEP, PROGRESS, NEST, END,
//! REFUSE), which the README lists and the code, the tests and the documents cite.
//!
//! # Reading order
//!
//! | layer | module | holds |
//! |---|---|---|
//! | 0 | `sync` | the only door to atomics, cells, threads, sleeping, time: std's or loom's |
//! | 0 | `word` | the packed word: layout, table, pure transitions |
//! | 0 | `unwind` | catching a task's panic, and the panics of drops |
//! | 1 | `arena` | an array that grows without moving |
//! | 1 | `park` | sleeping and waking |
//! | 1 | `cell` | the memory of a task |
//! | 2 | `task` | its states: closure, then result; who may touch what; who frees |
//! | 3 | `slots` | the worker slots: permits, mailboxes, the stack of idle ones |
//! | 3 | `queue` | the FIFO of waiting tasks |
//! | 4 | `admission` | the word itself and every CAS loop over it |
//! | 5 | `worker` | the threads: how they come, what they do, how they go |
//! | 6 | `error`, `handle` | refusals; the handle of a task |
//! | 6 | `submit` | what a submitter does |
//! | 7 | `pool`, `builder` | the public face |

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod admission;
mod arena;
mod builder;
mod cell;
mod error;
mod handle;
mod park;
mod pool;
mod queue;
mod slots;
mod submit;
mod sync;
mod task;
mod unwind;
mod word;
mod worker;

pub use builder::Builder;
pub use error::{BuildError, TrySpawnError};
pub use handle::JoinHandle;
pub use pool::Pool;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs a documentation example: plainly, or as a loom model where the crate was built with `--cfg loom`.
#[doc(hidden)]
pub fn __model(f: impl Fn() + Send + Sync + 'static) {
    sync::model(f);
}
