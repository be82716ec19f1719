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
//! | 1 | `look` | how long a thread looks before it sleeps |
//! | 1 | `cell` | the memory of a task |
//! | 2 | `park` | sleeping and waking |
//! | 3 | `task` | its states: closure, then result; who may touch what; who frees |
//! | 4 | `slots` | the worker slots: permits, mailboxes, the stack of idle ones |
//! | 4 | `queue` | the FIFO of waiting tasks |
//! | 5 | `admission` | the word itself and every CAS loop over it |
//! | 6 | `worker` | the threads: how they come, what they do, how they go |
//! | 7 | `error`, `handle` | refusals; the handle of a task |
//! | 7 | `submit` | what a submitter does |
//! | 8 | `pool`, `builder` | the public face |

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod admission;
mod arena;
mod builder;
mod cell;
mod error;
mod handle;
mod look;
mod park;
mod pool;
mod queue;
mod slots;
mod strangers;
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

/// What must not compile, each beside what must.
///
/// A task may be sent and outlives its caller's frame:
/// ```
/// # admit::__model(|| {
/// let text = String::from("moved");
/// let task = admit::Pool::new(1).spawn(move || text.len());
/// assert_eq!(task.join().unwrap(), 5);
/// # });
/// ```
/// It may not capture what cannot be sent,
/// ```compile_fail,E0277
/// let text = std::rc::Rc::new(String::from("shared"));
/// let task = admit::Pool::new(1).spawn(move || text.len());
/// ```
/// nor return it,
/// ```compile_fail,E0277
/// let task = admit::Pool::new(1).spawn(|| std::rc::Rc::new(5));
/// ```
/// nor borrow from its caller.
/// ```compile_fail,E0597
/// let text = String::from("borrowed");
/// let pool = admit::Pool::new(1);
/// let borrowed = &text;
/// let task = pool.spawn(move || borrowed.len());
/// ```
/// A handle is joined once:
/// ```compile_fail,E0382
/// let task = admit::Pool::new(1).spawn(|| 5);
/// let first = task.join();
/// let second = task.join();
/// ```
#[cfg(doctest)]
struct MustNotCompile;

/// Runs a documentation example: plainly, or as a loom model where the crate was built with `--cfg loom`.
#[doc(hidden)]
pub fn __model(f: impl Fn() + Send + Sync + 'static) {
    sync::model(f);
}
