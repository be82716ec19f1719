//! What the machine can do at best: the prices of which a pool's are made.

use crate::{
    cell::Effort,
    figures::{Figures, timed},
    system::{cores, pin},
};
use std::{
    hint::{black_box, spin_loop},
    ptr,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// A floor takes a number of operations and says how long they took.
type Floor = fn(usize) -> Duration;

pub(crate) const FLOORS: [(&str, Floor); 9] = [
    ("cas", cas),
    ("cas, 2 threads", contended_cas),
    (CACHE_LINE, cache_line),
    ("park, unpark on one core", park_on_one),
    ("park, unpark on two cores", park_on_two),
    ("futex wake", futex_wake),
    ("allocation", allocation),
    ("thread spawn and join", spawn_and_join),
    (HAND_OFF, hand_off),
];

pub(crate) const CACHE_LINE: &str = "cache line there and back";
pub(crate) const HAND_OFF: &str = "spinning hand-off";

pub(crate) fn figures(name: &str, effort: Effort) -> Option<Figures> {
    let &(_, floor) = FLOORS.iter().find(|(known, _)| *known == name)?;
    // Its operations have rests between them that are many times as long.
    let time = if name == "futex wake" { effort.time / 8 } else { effort.time };
    Some(timed(Effort { time, ..effort }, floor))
}

/// Runs both at once, each on a core of its own if there are two, and returns what they return.
fn on_two_cores<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    on_cores([0, cores().min(2) - 1], first, second)
}

fn on_cores<A: Send, B: Send>(
    at: [usize; 2],
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    // Two new threads, since the caller has to stay free to use all cores.
    thread::scope(|scope| {
        let first = scope.spawn(move || {
            pin(at[0]);
            first()
        });
        let second = scope.spawn(move || {
            pin(at[1]);
            second()
        });
        let ends = "a floor does not panic";
        (first.join().expect(ends), second.join().expect(ends))
    })
}

/// One thread adds to a number of its own.
fn cas(n: usize) -> Duration {
    let number = AtomicUsize::new(0);
    let start = Instant::now();
    add(&number, n);
    start.elapsed()
}

/// Two threads add to the same number; the time is that of one addition by either.
fn contended_cas(n: usize) -> Duration {
    let (number, line) = (AtomicUsize::new(0), Barrier::new(2));
    let half = || {
        line.wait();
        let start = Instant::now();
        add(&number, n / 2 + 1);
        (start, Instant::now())
    };
    let (first, second) = on_two_cores(half, half);
    first.1.max(second.1) - first.0.min(second.0)
}

fn add(number: &AtomicUsize, n: usize) {
    for _ in 0..n {
        let mut now = number.load(Ordering::Relaxed);
        while let Err(changed) =
            number.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Relaxed)
        {
            now = changed;
        }
    }
}

/// One word: odd is a question, even an answer.
fn cache_line(n: usize) -> Duration {
    let word = AtomicUsize::new(0);
    let answer = || {
        for i in 0..=n {
            spin_until(|| word.load(Ordering::Acquire) == 2 * i + 1);
            word.store(2 * i + 2, Ordering::Release);
        }
    };
    let ask = |i| {
        word.store(2 * i + 1, Ordering::Release);
        spin_until(|| word.load(Ordering::Acquire) == 2 * i + 2);
    };
    on_two_cores(answer, || {
        ask(0);
        let start = Instant::now();
        (1..=n).for_each(ask);
        start.elapsed()
    })
    .1
}

fn park_on_one(n: usize) -> Duration {
    park([0, 0], n)
}

fn park_on_two(n: usize) -> Duration {
    park([0, cores().min(2) - 1], n)
}

/// As [`cache_line`], but who waits sleeps.
fn park(at: [usize; 2], n: usize) -> Duration {
    let word = &AtomicUsize::new(0);
    // Each has to know the other to wake it.
    let (to_asker, partner) = mpsc::channel::<Thread>();
    let (to_answerer, asker) = mpsc::channel::<Thread>();
    let hello = "the other says hello first";
    let answer = move || {
        to_asker.send(thread::current()).expect(hello);
        let asker = asker.recv().expect(hello);
        for i in 0..=n {
            park_until(|| word.load(Ordering::Acquire) == 2 * i + 1);
            word.store(2 * i + 2, Ordering::Release);
            asker.unpark();
        }
    };
    let ask_all = move || {
        to_answerer.send(thread::current()).expect(hello);
        let partner = partner.recv().expect(hello);
        let ask = |i| {
            word.store(2 * i + 1, Ordering::Release);
            partner.unpark();
            park_until(|| word.load(Ordering::Acquire) == 2 * i + 2);
        };
        ask(0);
        let start = Instant::now();
        (1..=n).for_each(ask);
        start.elapsed()
    };
    on_cores(at, answer, ask_all).1
}

/// What a wake costs who wakes, when the sleeper does sleep: the sleeper has 100 µs for it, which are not part
/// of the time.
fn futex_wake(n: usize) -> Duration {
    let word = AtomicU32::new(0);
    let sleep = || {
        for i in 0..n as u32 {
            while word.load(Ordering::Acquire) == i {
                futex(&word, libc::FUTEX_WAIT, i);
            }
        }
    };
    on_two_cores(sleep, || {
        let mut time = Duration::ZERO;
        for _ in 0..n {
            let rested = Instant::now();
            spin_until(|| rested.elapsed() > Duration::from_micros(100));
            word.fetch_add(1, Ordering::Release);
            let start = Instant::now();
            futex(&word, libc::FUTEX_WAKE, 1);
            time += start.elapsed();
        }
        time
    })
    .1
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    let (operation, no_limit) = (operation | libc::FUTEX_PRIVATE_FLAG, ptr::null::<libc::timespec>());
    // SAFETY: the word is alive during the call; it asks the kernel for no more than to read it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_limit) };
}

/// As large as the task of an empty closure, about.
fn allocation(n: usize) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        drop(black_box(Box::new([i; 8])));
    }
    start.elapsed()
}

fn spawn_and_join(n: usize) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        black_box(thread::spawn(move || i).join().expect("it does not panic"));
    }
    start.elapsed()
}

/// A task on the heap, with its result, given to a thread that never sleeps and awaited by one that never sleeps.
fn hand_off(n: usize) -> Duration {
    struct Task {
        run: fn(usize) -> usize,
        argument: usize,
        result: AtomicUsize,
        done: AtomicBool,
    }
    let mailbox = AtomicPtr::<Task>::new(ptr::null_mut());
    let work = || {
        for _ in 0..=n {
            spin_until(|| !mailbox.load(Ordering::Relaxed).is_null());
            let task = mailbox.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: who posted it frees it, but only once it is done.
            let task = unsafe { &*task };
            task.result.store((task.run)(task.argument), Ordering::Relaxed);
            task.done.store(true, Ordering::Release);
        }
    };
    let spawn_and_join = |argument: usize| {
        let (result, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let task = Box::into_raw(Box::new(Task { run: |argument| argument, argument, result, done }));
        mailbox.store(task, Ordering::Release);
        // SAFETY: it came from a box, and the other thread only has a shared reference.
        let shared = unsafe { &*task };
        spin_until(|| shared.done.load(Ordering::Acquire));
        black_box(shared.result.load(Ordering::Relaxed));
        // SAFETY: from the box above, and the other is done with it.
        drop(unsafe { Box::from_raw(task) });
    };
    on_two_cores(work, || {
        spawn_and_join(0);
        let start = Instant::now();
        (1..=n).for_each(|i| spawn_and_join(black_box(i)));
        start.elapsed()
    })
    .1
}

fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        spin_loop();
    }
}

fn park_until(done: impl Fn() -> bool) {
    while !done() {
        thread::park();
    }
}
