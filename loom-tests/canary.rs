//! Shows that the models are not empty: the crate's atomics are loom's, and loom sees planted faults.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use crate::{
    check::explore,
    probe::ALL_RMW,
    sync::{Arc, AtomicU32, Ordering, UnsafeCell},
    trace,
    word::{Position, State, Word},
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

/// A thread loads a word and stores to it, beside another that loads it: three executions at least.
fn load_then_store() {
    let word = Arc::new(AtomicU32::new(0));
    let other = word.clone();
    let writer = thread::spawn(move || {
        other.load(Ordering::Acquire);
        other.store(1, Ordering::Release);
    });
    word.load(Ordering::Acquire);
    writer.join().unwrap();
}

#[test]
fn a_load_before_a_cas_hides_schedules() {
    // Goal: know loom's hole (tokio-rs/loom#166): a thread's load of a word hides its later RMW of it from the
    // partial-order reduction. Method: the smallest case.
    let (executions, _) = explore(None, load_then_store);
    assert_eq!(executions, 1, "loom has become more thorough here: say so in docs/TESTING.md");
}

#[test]
fn all_rmw_hides_no_schedule() {
    // Goal: the hole is closed where loads and stores are RMWs. Method: the same case, and a race that only a
    // hidden schedule has: a lost update, of which the mode as shipped sees nothing.
    ALL_RMW.set(true);
    let (executions, _) = explore(None, load_then_store);
    assert!(executions >= 3, "only {executions} executions");
    let lost_update = || {
        let word = Arc::new(AtomicU32::new(0));
        let other = word.clone();
        let adder = thread::spawn(move || {
            let seen = other.load(Ordering::Acquire);
            other.store(seen + 1, Ordering::Release);
        });
        let seen = word.load(Ordering::Acquire);
        word.store(seen + 1, Ordering::Release);
        adder.join().unwrap();
        assert_eq!(word.load(Ordering::Acquire), 2);
    };
    let caught = catch_unwind(AssertUnwindSafe(|| explore(None, lost_update)));
    ALL_RMW.set(false);
    assert!(caught.is_err(), "a lost update was not seen");
}

#[test]
fn a_transition_that_is_not_in_the_table_is_noticed() {
    // Goal: the link between code and models can fail. Method: changes that no row allows, each beside one that a
    // row does.
    let busy = |waiting, head| Word::new(State::Busy { waiting, head: Position(head) });
    let looked_up = |from: Word, to: Word| {
        catch_unwind(AssertUnwindSafe(|| {
            trace::begin();
            trace::changed_word(1, from, to);
        }))
        .is_ok()
    };
    let idle = Word::new(State::Idle { top: 0, push: 1 });
    for (from, right, wrong) in [
        (idle, busy(0, 4), busy(1, 4)),
        (idle, idle.with_short(), idle.with_short().with_closed()),
        (idle, idle.with_closed(), idle.with_watched()),
    ] {
        assert!(looked_up(from, right), "{from:?} may become {right:?}");
        assert!(!looked_up(from, wrong), "{from:?} may not become {wrong:?}");
    }
    trace::begin();
    trace::changed_word(1, idle, busy(0, 4));
    trace::changed_word(1, busy(0, 4), busy(1, 4));
    trace::changed_word(1, busy(1, 4), busy(0, 5));
    let stale = catch_unwind(AssertUnwindSafe(|| trace::changed_word(1, busy(0, 5), busy(0, 6))));
    assert!(stale.is_err(), "the head moved without a position being taken");
    let seen = trace::end();
    assert!(["POP", "COUNT", "TAKE"].iter().all(|event| seen.contains_key(event)), "{seen:?}");
}
