//! What the integration tests share: polling with a limit, gates, counted and exploding values,
//! and a panic hook that keeps quiet about the panics a test has planned.

#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take before the test gives up. No test passes or fails by less.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Polls `cond` until it holds; panics with `what` when it does not within [`LIMIT`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut cond: impl FnMut() -> bool) {
    let start = Instant::now();
    while !cond() {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// `n` scaled by the percentage in `ADMIT_TEST_SCALE`, for slow checkers.
pub(crate) fn rounds(n: usize) -> usize {
    let percent: f64 = number_from_env("ADMIT_TEST_SCALE").unwrap_or(100.0);
    ((n as f64 * percent / 100.0) as usize).max(1)
}

/// The number in a variable of the environment.
pub(crate) fn number_from_env<N: FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ends the process with a message when the test that holds it hangs.
pub(crate) struct Watchdog {
    _alive: mpsc::Sender<()>,
}

/// Watches the calling test: a hang ends the process and names the test, instead of lasting.
/// `ADMIT_TEST_LIMIT` sets the seconds. Also installs the quiet panic hook.
#[must_use]
pub(crate) fn watch() -> Watchdog {
    watch_over(thread::current().name().unwrap_or("a test").to_owned())
}

/// Like [`watch`], for something with a description of its own.
#[must_use]
pub(crate) fn watch_over(description: String) -> Watchdog {
    hush_planned_panics();
    let limit = Duration::from_secs(number_from_env("ADMIT_TEST_LIMIT").unwrap_or(300));
    let (alive, gone) = mpsc::channel::<()>();
    thread::spawn(move || {
        if gone.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Past the capture of a test's output, which an abort would lose.
            let _ = writeln!(std::io::stderr(), "hangs since {limit:?}: {description}");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}

/// A door that starts shut. Clones share it. A test that fails opens it while it unwinds, so that
/// the tasks behind it end.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        *self.lock() = true;
        self.0.1.notify_all();
    }

    /// Sleeps until the gate is open.
    pub(crate) fn pass(&self) {
        let pass = self.0.1.wait_while(self.lock(), |open| !*open);
        drop(pass.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if thread::panicking() {
            self.open();
        }
    }
}

/// Counts the [`Track`]s made from it and those dropped. Clones share the count.
#[derive(Clone, Default, Debug)]
pub(crate) struct Tally(Arc<(AtomicUsize, AtomicUsize)>);

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally::default()
    }

    pub(crate) fn track(&self) -> Track {
        self.0.0.fetch_add(1, SeqCst);
        Track(self.clone())
    }

    pub(crate) fn bomb(&self) -> Bomb {
        Bomb(self.track())
    }

    pub(crate) fn made(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.1.load(SeqCst)
    }

    /// Asserts that `made` values were made and each was dropped exactly once.
    #[track_caller]
    pub(crate) fn assert_all_dropped(&self, made: usize) {
        assert_eq!((self.made(), self.dropped()), (made, made), "(made, dropped)");
    }

    /// Leaves a `Track` with the calling thread that is dropped when the thread ends.
    /// At most one for each thread.
    pub(crate) fn pin_to_thread(&self) {
        thread_local!(static PINNED: RefCell<Option<Track>> = const { RefCell::new(None) });
        PINNED.with_borrow_mut(|pinned| {
            pinned.get_or_insert_with(|| self.track());
        });
    }
}

/// A value whose making and dropping is counted.
#[derive(Debug)]
pub(crate) struct Track(Tally);

impl Track {
    /// One more of the same tally.
    pub(crate) fn another(&self) -> Track {
        self.0.track()
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, SeqCst);
    }
}

/// The text of the panic of a dropped [`Bomb`].
pub(crate) const BANG: &str = "planned: a drop";

/// A counted value whose drop panics with [`BANG`], unless its thread panics already.
#[derive(Debug)]
pub(crate) struct Bomb(Track);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic_any(BANG);
        }
    }
}

/// How many are inside at this moment, and how many there were at most.
#[derive(Default)]
pub(crate) struct Meter {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Meter {
    pub(crate) fn new() -> Arc<Meter> {
        Arc::default()
    }

    /// Counts the caller in until the guard is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.peak.fetch_max(now, SeqCst);
        Inside(self)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(SeqCst)
    }
}

/// The caller's stay inside a [`Meter`].
pub(crate) struct Inside<'a>(&'a Meter);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

/// A flag that a test raises on one thread and polls on another.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn new() -> Flag {
        Flag::default()
    }

    pub(crate) fn raise(&self) {
        self.0.store(true, SeqCst);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// Reads the flag without ordering anything: whoever sees it rely on other edges.
    pub(crate) fn is_up_relaxed(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Raises the flag without ordering anything.
    pub(crate) fn raise_relaxed(&self) {
        self.0.store(true, Relaxed);
    }

    #[track_caller]
    pub(crate) fn await_up(&self, what: &str) {
        eventually(what, || self.is_up());
    }
}

/// Xorshift: cheap numbers that differ from round to round and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: usize) -> Dice {
        Dice(0x9E37_79B9_7F4A_7C15 ^ (seed as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95))
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });

/// Runs `f` and hands back its value or its panic, without a word on stderr.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> thread::Result<R> {
    hush_planned_panics();
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result
}

/// Silences panics whose text begins with `planned`, whose payload is a counted value, or which
/// happen inside [`quietly`]; all others are reported as before.
fn hush_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let planned = text(payload).is_some_and(|text| text.starts_with("planned"))
                || payload.is::<Track>()
                || payload.is::<Bomb>();
            if !planned && !QUIET.get() {
                loud(info);
            }
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let borrowed = payload.downcast_ref::<&'static str>().copied();
    borrowed.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The text of a panic; panics itself when the payload is none.
#[track_caller]
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    text(payload).expect("the payload is a text")
}

/// What Linux tells about single threads.
#[cfg(target_os = "linux")]
pub(crate) mod os {
    use super::eventually;
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    /// A thread of this process, as the kernel knows it.
    #[derive(Clone, Debug)]
    pub(crate) struct Thread(PathBuf);

    impl Thread {
        pub(crate) fn current() -> Thread {
            let link = fs::read_link("/proc/thread-self").expect("/proc is mounted");
            Thread(PathBuf::from("/proc").join(link))
        }

        fn is_asleep(&self) -> bool {
            let stat = fs::read_to_string(self.0.join("stat")).expect("the thread lives");
            let (_, after_name) = stat.rsplit_once(')').expect("a stat line");
            after_name.trim_start().starts_with('S')
        }

        /// Returns once the thread sleeps in the kernel.
        #[track_caller]
        pub(crate) fn await_asleep(&self) {
            eventually("the thread falls asleep", || self.is_asleep());
        }

        /// The time the thread has spent on a processor.
        pub(crate) fn cpu(&self) -> Duration {
            let text = fs::read_to_string(self.0.join("schedstat")).expect("the thread lives");
            let first = text.split_whitespace().next().expect("three numbers");
            Duration::from_nanos(first.parse().expect("nanoseconds"))
        }
    }

    /// The names of this process's threads that begin with `prefix`, sorted.
    pub(crate) fn threads_named(prefix: &str) -> Vec<String> {
        let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
        let comm = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let mut names: Vec<String> = tasks
            .flatten()
            .filter_map(comm)
            .map(|name| name.trim_end().to_owned())
            .filter(|name| name.starts_with(prefix))
            .collect();
        names.sort();
        names
    }
}
