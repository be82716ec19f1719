//! The only door to atomics, shared cells, threads, sleeping and time: std's, or loom's under `cfg(loom)`.
//!
//! Both faces have the same names, so that the code above reads the same whichever is behind it. What loom
//! lacks is built here from what it has: a [`Futex`] that sleeps, a [`Deadline`] that may pass at any moment.

pub(crate) use face::*;

#[cfg(not(loom))]
mod face {
    use std::{
        io,
        time::{Duration, Instant},
    };

    pub(crate) use std::{
        hint::spin_loop,
        sync::{
            Arc,
            atomic::{AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, Ordering},
        },
        thread::JoinHandle,
        thread_local,
    };
    use wait_on_address::AtomicWait;

    /// Items in the first chunk of an [`Arena`](crate::arena::Arena).
    pub(crate) const CHUNK: usize = 64;

    /// How often at most a thread looks at its word before it sleeps.
    pub(crate) const LOOKS: u32 = 1000;

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
            match deadline.0 {
                None => self.0.wait(expected),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.0.wait_timeout(expected, left);
                }
            }
            true
        }

        pub(crate) fn wake_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn wake_all(&self) {
            self.0.notify_all();
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
    }

    /// Starts a thread; the error is the operating system's.
    pub(crate) fn spawn_thread(
        name: String,
        stack_size: Option<usize>,
        f: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        super::refusal::check()?;
        let builder = std::thread::Builder::new().name(name);
        match stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
        .spawn(f)
    }

    /// Cores that this process may run on.
    pub(crate) fn cores() -> u32 {
        static CORES: AtomicU32 = AtomicU32::new(0);
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

    /// Runs `f`.
    pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
        f();
    }
}

#[cfg(loom)]
mod face {
    use std::{cell::RefCell, io, time::Duration};

    pub(crate) use loom::{
        hint::spin_loop,
        sync::{
            Arc,
            atomic::{AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, Ordering},
        },
        thread::JoinHandle,
        thread_local,
    };

    pub(crate) const CHUNK: usize = 2;
    pub(crate) const LOOKS: u32 = 0;

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
        /// Whether the first sleep on a word returns at once, as if woken by nothing, in the models that this
        /// OS thread runs.
        /// (loom runs all the threads of a model on one OS thread, so this is the model's, not a thread's.)
        pub(crate) static RESTLESS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    type Bell = std::sync::Arc<loom::sync::Notify>;

    /// Sleepers queue up here, each with a bell of its own. A bell rings for nothing once; so that it does
    /// not do so in every sleep, which would never end, bells are used again. The `RefCell`s are never
    /// borrowed where loom may switch threads.
    pub(crate) struct Futex {
        word: AtomicU32,
        sleepers: RefCell<Vec<Bell>>,
        spare: RefCell<Vec<Bell>>,
        restless: std::cell::Cell<bool>,
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
                restless: std::cell::Cell::new(RESTLESS.get()),
            }
        }

        pub(crate) fn word(&self) -> &AtomicU32 {
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
            // Stale sleepers may lie in front, so all are woken: a spurious wake-up is allowed.
            self.wake_all();
        }

        pub(crate) fn wake_all(&self) {
            if RESTLESS.get() {
                // A waker may be stopped here, and the sleeper go on for nothing meanwhile and free the word.
                self.word.fetch_add(0, Ordering::Relaxed);
            }
            let woken = self.sleepers.take();
            for sleeper in woken {
                sleeper.notify();
            }
        }
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Deadline {
        finite: bool,
    }

    impl Deadline {
        pub(crate) const NEVER: Deadline = Deadline { finite: false };

        pub(crate) fn after(d: Duration) -> Deadline {
            Deadline { finite: d != Duration::MAX }
        }
    }

    pub(crate) fn spawn_thread(
        name: String,
        _stack_size: Option<usize>,
        f: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        #[cfg(test)]
        super::refusal::check()?;
        loom::thread::Builder::new().name(name).spawn(f)
    }

    pub(crate) fn cores() -> u32 {
        1
    }

    pub(crate) fn nap() {
        loom::thread::yield_now();
    }

    pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 100_000;
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

/// Makes the operating system refuse threads, for tests that compile this file into their own crate.
#[cfg(test)]
pub(crate) mod refusal {
    use std::{cell::RefCell, io};

    type Rule = Box<dyn FnMut() -> bool>;

    std::thread_local! {
        static RULE: RefCell<Option<Rule>> = const { RefCell::new(None) };
    }

    /// From now on, on this OS thread, a thread is refused whenever `rule` says so.
    pub(crate) fn set(rule: impl FnMut() -> bool + 'static) {
        RULE.set(Some(Box::new(rule)));
    }

    pub(crate) fn check() -> io::Result<()> {
        let refused = RULE.with_borrow_mut(|rule| rule.as_mut().is_some_and(|rule| rule()));
        if refused { Err(io::Error::from(io::ErrorKind::WouldBlock)) } else { Ok(()) }
    }
}
