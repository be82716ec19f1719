//! The crate's own modules, compiled into a test crate, so that tests reach what is private. A test crate's
//! root says `use internals::*;`, so that `crate::word` and the like mean the same there as in the library.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

#[path = "../../src/admission.rs"]
pub(crate) mod admission;
#[path = "../../src/arena.rs"]
pub(crate) mod arena;
#[path = "../../src/builder.rs"]
pub(crate) mod builder;
#[path = "../../src/cell.rs"]
pub(crate) mod cell;
#[path = "../../src/error.rs"]
pub(crate) mod error;
#[path = "../../src/handle.rs"]
pub(crate) mod handle;
#[path = "../../src/look.rs"]
pub(crate) mod look;
#[path = "../../src/park.rs"]
pub(crate) mod park;
#[path = "../../src/pool.rs"]
pub(crate) mod pool;
#[path = "probe.rs"]
pub(crate) mod probe;
#[path = "../../src/queue.rs"]
pub(crate) mod queue;
#[cfg(shuttle)]
#[path = "shuttled.rs"]
pub(crate) mod shuttled;
#[path = "../../src/slots.rs"]
pub(crate) mod slots;
#[cfg(shuttle)]
#[path = "states.rs"]
pub(crate) mod states;
#[path = "../../src/strangers.rs"]
pub(crate) mod strangers;
#[path = "../../src/submit.rs"]
pub(crate) mod submit;
#[path = "../../src/sync.rs"]
pub(crate) mod sync;
#[path = "../../src/task.rs"]
pub(crate) mod task;
#[path = "trace.rs"]
pub(crate) mod trace;
#[path = "../../src/unwind.rs"]
pub(crate) mod unwind;
#[path = "../../src/word.rs"]
pub(crate) mod word;
#[path = "../../src/worker.rs"]
pub(crate) mod worker;

pub(crate) use builder::Builder;
pub(crate) use error::{BuildError, TrySpawnError};
pub(crate) use handle::JoinHandle;
pub(crate) use pool::Pool;
