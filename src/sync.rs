//! The only door to atomics, shared cells, threads, sleeping and time: std's; loom's under `cfg(loom)`; and
//! shuttle's under `cfg(shuttle)` in tests, which bring that face along.
//!
//! All faces have the same names, so that the code above reads the same whichever is behind it. What the
//! checkers lack is built here from what they have: a [`Futex`] that sleeps, a [`Deadline`] that may pass at any
//! moment. Tests that compile this file into their own crate put a probe around every atomic, which counts,
//! traces, weakens and delays; the library has the bare ones.

#[cfg(test)]
use crate::probe as shown;
#[cfg(all(shuttle, test))]
use crate::shuttled as face;
#[cfg(not(test))]
use face::atomic as shown;

#[cfg(not(any(loom, all(shuttle, test))))]
pub(crate) use cell::UnsafeCell;
#[cfg(any(loom, all(shuttle, test)))]
pub(crate) use explored::{Deadline, cores, spawn_thread};
pub(crate) use face::{atomic::Ordering, *};
pub(crate) use shown::{AtomicIsize, AtomicPtr, AtomicU32, AtomicU64};

/// Whether schedules are explored: then everything is small, so that rings go round and chunks are outgrown.
pub(crate) const EXPLORED: bool = cfg!(any(loom, shuttle));

/// Items in the first chunk of an [`Arena`](crate::arena::Arena).
pub(crate) const CHUNK: usize = if EXPLORED { 2 } else { 64 };

/// How many tasks can wait; one less than a power of two.
pub(crate) const ROOM: u16 = if EXPLORED { 3 } else { u16::MAX };

/// Whether a thread looks once before it sleeps, where it does not look for as long as it pays.
#[cfg(not(loom))]
pub(crate) fn glances() -> bool {
    true
}

#[cfg(not(any(loom, all(shuttle, test))))]
mod cell {
    /// A cell whose accesses loom can watch.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(core::cell::UnsafeCell::new(value))
        }

        /// Calls `f` with the pointer; what `f` does with it is one exclusive access.
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(any(loom, all(shuttle, test)))]
mod explored {
    use std::{io, time::Duration};

    use super::face::{JoinHandle, thread};

    pub(crate) fn cores() -> u32 {
        1
    }

    pub(crate) fn spawn_thread(
        name: String,
        _stack_size: Option<usize>,
        f: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        crate::probe::refusal::check()?;
        thread::Builder::new().name(name).spawn(f)
    }

    /// The scheduler decides when a finite deadline is reached, so it may pass at any moment.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Deadline {
        pub(crate) finite: bool,
    }

    impl Deadline {
        pub(crate) const NEVER: Deadline = Deadline { finite: false };

        pub(crate) fn after(d: Duration) -> Deadline {
            Deadline { finite: d != Duration::MAX }
        }

        pub(crate) fn has_passed(self) -> bool {
            self.finite
        }
    }
}

#[cfg(not(any(loom, all(shuttle, test))))]
mod face {
    use std::{
        io,
        time::{Duration, Instant},
    };

    pub(crate) use std::{
        hint::spin_loop,
        sync::{Arc, atomic},
        thread::{JoinHandle, yield_now},
        thread_local,
    };
    use wait_on_address::AtomicWait;

    use super::{AtomicU32, Ordering};

    /// The longest single sleep, since some systems count seconds in 31 bits. Whoever waits longer sleeps again.
    const LONGEST: Duration = Duration::from_secs(1 << 30);

    /// A 32-bit atomic on which threads can sleep, woken by nothing but `wake_*` (and, rarely, by nothing).
    #[derive(Debug)]
    pub(crate) struct Futex(AtomicU32);

    impl Futex {
        pub(crate) fn new(value: u32) -> Futex {
            Futex(AtomicU32::new(value))
        }

        /// The atomic itself.
        pub(crate) fn word(&self) -> &AtomicU32 {
            &self.0
        }

        /// Sleeps if the word is `expected`; false when the deadline has passed.
        pub(crate) fn sleep(&self, expected: u32, deadline: Deadline) -> bool {
            #[cfg(test)]
            if crate::probe::woken_by_nothing() {
                return true;
            }
            match deadline.0 {
                None => self.bare().wait(expected),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.bare().wait_timeout(expected, left.min(LONGEST));
                }
            }
            true
        }

        pub(crate) fn wake_one(&self) {
            self.bare().notify_one();
        }

        pub(crate) fn wake_all(&self) {
            self.bare().notify_all();
        }

        /// For every call to the operating system; the probe may stop a thread there as well.
        fn bare(&self) -> &atomic::AtomicU32 {
            #[cfg(not(test))]
            return &self.0;
            #[cfg(test)]
            {
                crate::probe::step();
                self.0.bare()
            }
        }
    }

    /// The moment after which a call stops waiting, if there is one.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Deadline(Option<Instant>);

    impl Deadline {
        pub(crate) const NEVER: Deadline = Deadline(None);

        /// `d` from now; never, if the clock cannot say when that is.
        pub(crate) fn after(d: Duration) -> Deadline {
            Deadline(Instant::now().checked_add(d))
        }

        pub(crate) fn has_passed(self) -> bool {
            self.0.is_some_and(|at| at <= Instant::now())
        }
    }

    /// Starts a thread; the error is the operating system's.
    pub(crate) fn spawn_thread(
        name: String,
        stack_size: Option<usize>,
        f: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        crate::probe::refusal::check()?;
        let builder = std::thread::Builder::new().name(name);
        match stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
        .spawn(f)
    }

    /// Cores that this process may run on.
    pub(crate) fn cores() -> u32 {
        static CORES: atomic::AtomicU32 = atomic::AtomicU32::new(0);
        // Relaxed: whoever finds no number counts for itself; all find the same, and none waits for another.
        match CORES.load(Ordering::Relaxed) {
            0 => {
                let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
                CORES.store(cores, Ordering::Relaxed);
                cores
            }
            cores => cores,
        }
    }

    /// Sleeps for a while, for those whom nobody wakes.
    pub(crate) fn nap() {
        std::thread::sleep(Duration::from_millis(10));
    }

    pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
        f();
    }
}

#[cfg(loom)]
mod face {
    use std::cell::{Cell, RefCell};

    pub(crate) use loom::{
        hint::spin_loop,
        sync::{Arc, atomic},
        thread::{self, JoinHandle, yield_now, yield_now as nap},
        thread_local,
    };

    use super::{AtomicU32, Deadline, Ordering};

    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(loom::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(f)
        }
    }

    std::thread_local! {
        /// Whether the first sleep on a word ends for nothing, in the model that this OS thread runs, all threads of it.
        pub(crate) static RESTLESS: Cell<bool> = const { Cell::new(false) };

        /// Whether a thread looks once before it sleeps, in the same.
        pub(crate) static GLANCES: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn glances() -> bool {
        GLANCES.get()
    }

    type Bell = std::sync::Arc<loom::sync::Notify>;

    /// Sleepers queue up here, each with a bell. A bell rings for nothing once; so that it does not do so in every sleep,
    /// which would never end, bells are used again. The `RefCell`s are never borrowed where loom may switch threads.
    pub(crate) struct Futex {
        word: AtomicU32,
        sleepers: RefCell<Vec<Bell>>,
        spare: RefCell<Vec<Bell>>,
        restless: Cell<bool>,
        /// Looked at in every use and written at the end, so that loom sees a use that is not before the end.
        memory: UnsafeCell<()>,
    }

    // SAFETY: loom runs the threads of a model one at a time on one OS thread, and no borrow of the lists
    // is held across a point where it switches.
    unsafe impl Sync for Futex {}

    impl Futex {
        pub(crate) fn new(value: u32) -> Futex {
            Futex {
                word: AtomicU32::new(value),
                sleepers: RefCell::default(),
                spare: RefCell::default(),
                restless: Cell::new(RESTLESS.get()),
                memory: UnsafeCell::new(()),
            }
        }

        pub(crate) fn word(&self) -> &AtomicU32 {
            self.memory.0.with(|_| ());
            &self.word
        }

        pub(crate) fn sleep(&self, expected: u32, deadline: Deadline) -> bool {
            if deadline.finite {
                // The scheduler decides when this is reached, so the deadline may pass at any moment.
                return false;
            }
            if self.restless.take() {
                loom::thread::yield_now();
                return true;
            }
            let used = self.spare.borrow_mut().pop();
            let me = used.unwrap_or_else(|| Bell::new(loom::sync::Notify::new()));
            self.sleepers.borrow_mut().push(me.clone());
            // An RMW reads the newest value, as the kernel does under its lock; it hands nothing over.
            if self.word.fetch_add(0, Ordering::Relaxed) == expected {
                me.wait();
            }
            self.sleepers.borrow_mut().retain(|other| !Bell::ptr_eq(other, &me));
            self.spare.borrow_mut().push(me);
            true
        }

        pub(crate) fn wake_one(&self) {
            self.wake_all(); // Stale sleepers may lie in front; a spurious wake-up is allowed.
        }

        pub(crate) fn wake_all(&self) {
            #[cfg(test)]
            if RESTLESS.get() && crate::probe::ALL_RMW.get() {
                // A waker may be stopped here, and the sleeper go on for nothing meanwhile and free the word.
                self.word.fetch_add(0, Ordering::Relaxed);
            }
            self.memory.0.with(|_| ());
            self.sleepers.take().iter().for_each(|sleeper| sleeper.notify());
        }
    }

    impl Drop for Futex {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                self.memory.with_mut(|_| ());
            }
        }
    }

    pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 100_000;
        // The environment has no say.
        builder.max_permutations = None;
        builder.max_duration = None;
        builder.checkpoint_file = None;
        builder.check(f);
    }
}

/// A number that no other call in this process gives.
pub(crate) fn unique() -> u64 {
    // std's also under loom: the number is compared with itself only, and models nothing.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    // Relaxed: an RMW gives each number once.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What all threads of this process share whatever their pool; std's also under loom: it orders nothing, and models nothing.
pub(crate) use std::sync::atomic::AtomicU64 as Shared;

/// Milliseconds since this was first asked. That first time threads may have to wait for each other, and at no other; so
/// whoever makes a pool asks.
pub(crate) fn milliseconds() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_millis() as u64
}
