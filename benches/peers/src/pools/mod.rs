//! The pools that take part, each in its natural idiom.
//!
//! `wait` is the pool's own where it has one. Pools behind a semaphore wait for all permits; for the others the tasks
//! whose handles are dropped are counted.

#[cfg(feature = "others")]
mod bare;
#[cfg(feature = "others")]
mod count;
#[cfg(feature = "others")]
mod rendezvous;
#[cfg(feature = "others")]
mod semaphore;

use crate::{
    cell::{Cell, Effort},
    figures::{Figures, figures},
    workload::{MutexPool, Pool, Variant},
};

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "others"), allow(dead_code, reason = "the others' groups"))]
pub(crate) enum Group {
    Admit,
    Mutex,
    /// The same admission: at most `max` at once, and `spawn` blocks while full.
    Same,
    /// Another contract: a queue without bound, and `spawn` never blocks.
    Unbounded,
    Floor,
    /// The pool with other constants, for the curve that chose them.
    Curve,
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Admit => "admit",
            Group::Mutex => "mutex",
            Group::Same => "same",
            Group::Unbounded => "unbounded",
            Group::Floor => "floor",
            Group::Curve => "curve",
        }
    }
}

/// A pool of the list below.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    pub(crate) most: usize,
    pub(crate) lazy: bool,
    pub(crate) waits: bool,
    pub(crate) measure: fn(Cell, Effort) -> Figures,
}

const fn contender<V: Variant>(group: Group) -> Contender {
    Contender { name: V::NAME, group, most: V::MOST, lazy: V::LAZY, waits: V::WAITS, measure: figures::<V> }
}

/// The pools whose sources are here.
const OWN: [Contender; 2] = [contender::<Pool>(Group::Admit), contender::<MutexPool>(Group::Mutex)];

#[cfg(feature = "others")]
const OTHERS: [Contender; 14] = {
    use bare::{Rayon, RustyPool, Tokio};
    use rendezvous::{Crossbeam, Flume, Kanal, SyncChannel, Threadfin};
    use semaphore::{Behind, ThreadPerTask};
    use threadpool::ThreadPool;

    [
        contender::<Kanal>(Group::Same),
        contender::<Flume>(Group::Same),
        contender::<Crossbeam>(Group::Same),
        contender::<SyncChannel>(Group::Same),
        contender::<Threadfin>(Group::Same),
        contender::<Behind<ThreadPool>>(Group::Same),
        contender::<Behind<Rayon>>(Group::Same),
        contender::<Behind<RustyPool>>(Group::Same),
        contender::<Behind<Tokio>>(Group::Same),
        contender::<ThreadPerTask>(Group::Same),
        contender::<ThreadPool>(Group::Unbounded),
        contender::<Rayon>(Group::Unbounded),
        contender::<RustyPool>(Group::Unbounded),
        contender::<Tokio>(Group::Unbounded),
    ]
};

#[cfg(not(feature = "others"))]
const OTHERS: [Contender; 0] = [];

pub(crate) fn all() -> impl Iterator<Item = &'static Contender> {
    OWN.iter().chain(&OTHERS)
}

#[cfg(feature = "others")]
type Outcome = std::thread::Result<usize>;

/// The outcome of a task, for pools that leave panics to the user.
#[cfg(feature = "others")]
fn outcome(task: impl FnOnce() -> usize) -> Outcome {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(task))
}
