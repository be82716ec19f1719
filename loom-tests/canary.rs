//! Shows that the models are not empty: the crate's atomics are loom's, and loom sees planted faults.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use crate::{
    check::explore,
    sync::{Arc, AtomicU32, Ordering, UnsafeCell},
};

struct Shared {
    flag: AtomicU32,
    data: UnsafeCell<u32>,
}

// SAFETY: none: the point is that loom sees what goes wrong.
unsafe impl Sync for Shared {}

fn publish(order: Ordering) {
    let shared = Arc::new(Shared { flag: AtomicU32::new(0), data: UnsafeCell::new(0) });
    let other = shared.clone();
    let writer = thread::spawn(move || {
        // SAFETY: see above.
        other.data.with_mut(|data| unsafe { *data = 1 });
        other.flag.swap(1, order);
    });
    if shared.flag.load(Ordering::Acquire) == 1 {
        // SAFETY: see above.
        assert_eq!(shared.data.with_mut(|data| unsafe { *data }), 1);
    }
    writer.join().unwrap();
}

#[test]
fn a_planted_race_is_seen() {
    // Goal: the crate's cells and atomics are loom's. Method: publish without Release, which must fail.
    let caught = catch_unwind(AssertUnwindSafe(|| explore(None, || publish(Ordering::Relaxed))));
    assert!(caught.is_err(), "loom did not see the race: the models run on something else");
    let (executions, _) = explore(None, || publish(Ordering::Release));
    assert!(executions > 1, "one execution is no exploration");
}

#[test]
fn a_planted_lost_wake_up_is_seen() {
    // Goal: a sleep that nobody ends is noticed. Method: sleep on a word that nobody changes.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        explore(None, || {
            let futex = crate::sync::Futex::new(0);
            futex.sleep(0, crate::sync::Deadline::NEVER);
            futex.sleep(0, crate::sync::Deadline::NEVER);
        })
    }));
    assert!(caught.is_err(), "loom did not see the deadlock");
}

#[test]
fn a_load_before_a_cas_hides_schedules() {
    // Goal: know loom's hole (tokio-rs/loom#166): a thread's load of a word hides its later RMW of it from the
    // partial-order reduction. Method: the smallest case; it should have three executions at least.
    let (executions, _) = explore(None, || {
        let word = Arc::new(AtomicU32::new(0));
        let other = word.clone();
        let writer = thread::spawn(move || {
            other.load(Ordering::Acquire);
            other.store(1, Ordering::Release);
        });
        word.load(Ordering::Acquire);
        writer.join().unwrap();
    });
    assert_eq!(executions, 1, "loom has become more thorough here: say so in docs/TESTING.md");
}
