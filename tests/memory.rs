#![cfg(not(loom))]
//! What a pool keeps of the heap: nothing after its end, and no more for having been used for long.
//!
//! A file, and so a process, of its own: the allocator counts for the whole process.

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicIsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use admit::Pool;
use support::{Gate, eventually, watch};

/// The system's allocator, counting the bytes that are in use.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, since they count the same bytes.
static ALONE: Mutex<()> = Mutex::new(());

/// `use_it` leaves the heap as it was. Its first run is not counted: what the process makes once may stay.
fn takes_nothing(what: &str, mut use_it: impl FnMut()) {
    use_it();
    let before = once_at_rest();
    use_it();
    // Fewer, if a thread was so late that its bytes were counted before.
    eventually(what, || HELD.load(Relaxed) <= before);
}

/// The bytes in use, once that has not changed for a while: threads that end free what is theirs a moment after they have
/// been joined.
fn once_at_rest() -> isize {
    let (mut held, mut looks) = (HELD.load(Relaxed), 0);
    eventually("the heap is at rest", || {
        let now = HELD.load(Relaxed);
        looks = if now == held { looks + 1 } else { 0 };
        held = now;
        looks == 50
    });
    held
}

/// Tasks that wait at the same time: more than one chunk of seats holds.
const CROWD: usize = 100;

#[test]
fn a_dropped_pool_leaves_no_byte() {
    // Goal: END: nothing is leaked. Method: count the bytes around a pool's life in which many tasks waited.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _watch = watch();
    takes_nothing("every byte is freed", || {
        let pool = Pool::new(2);
        let gate = Gate::new();
        let held: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                pool.spawn(move || gate.pass())
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..CROWD {
                scope.spawn(|| drop(pool.spawn(|| ())));
            }
            eventually("all of them wait", || pool.waiting() == CROWD);
            gate.open();
        });
        held.into_iter().for_each(|task| task.join().unwrap());
    });
}

/// As many tasks as a ring has cells that give up at once, behind one that holds the only slot. After the first such
/// lap all cells have been made.
fn a_lap(pool: &Pool) {
    let gate = Gate::new();
    let inside = gate.clone();
    let held = pool.spawn(move || inside.pass());
    for _ in 0..=Pool::MAX_WAITING {
        assert!(pool.spawn_timeout(Duration::ZERO, || ()).is_err());
    }
    gate.open();
    held.join().unwrap();
}

#[test]
fn tasks_that_gave_up_leave_no_byte() {
    // Goal: REFUSE changes nothing, cells of the ring are used again. Method: laps of tasks that time out.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _watch = watch();
    let pool = Pool::new(1);
    takes_nothing("what one lap has made serves the others", || a_lap(&pool));
}

#[test]
fn tasks_that_waited_leave_no_byte() {
    // Goal: seats are used again. Method: many more waits, one after the other, than a chunk of seats holds.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _watch = watch();
    let pool = Pool::new(1);
    a_lap(&pool);
    // The chunks grow (64 seats, then 128 more, then 256): were seats not used again, the first run would end within the
    // second chunk, and the second run would need the third.
    takes_nothing("one seat serves all", || {
        for _ in 0..150 {
            let gate = Gate::new();
            let inside = gate.clone();
            let held = pool.spawn(move || inside.pass());
            thread::scope(|scope| {
                scope.spawn(|| pool.spawn(|| ()).join().unwrap());
                eventually("it waits", || pool.waiting() == 1);
                gate.open();
            });
            held.join().unwrap();
            pool.wait();
        }
    });
}
