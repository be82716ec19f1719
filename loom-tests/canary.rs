//! Shows that the models are not empty: the crate's atomics are the checker's, and it sees planted faults.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    check,
    sync::{Arc, AtomicU32, Deadline, Futex, Ordering, thread},
    trace,
    word::{Position, State, Word},
};
#[cfg(loom)]
use crate::{probe::ALL_RMW, sync::UnsafeCell};

/// Explores every execution.
#[cfg(loom)]
fn explore(model: impl Fn() + Send + Sync + 'static) -> u64 {
    crate::check::explore(None, model).0
}

/// Explores every schedule.
#[cfg(shuttle)]
fn explore(model: impl Fn() + Send + Sync + 'static) -> u64 {
    crate::check::explore(model).0.executions
}

#[cfg(loom)]
struct Shared {
    flag: AtomicU32,
    data: UnsafeCell<u32>,
}

#[cfg(loom)]
// SAFETY: none: the point is that loom sees what goes wrong.
unsafe impl Sync for Shared {}

#[cfg(loom)]
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

#[cfg(loom)]
#[test]
fn a_planted_race_is_seen() {
    // Goal: the crate's cells and atomics are loom's. Method: publish without Release, which must fail.
    let caught = catch_unwind(AssertUnwindSafe(|| explore(|| publish(Ordering::Relaxed))));
    assert!(caught.is_err(), "loom did not see the race: the models run on something else");
    assert!(explore(|| publish(Ordering::Release)) > 1, "one execution is no exploration");
}

#[test]
fn a_planted_lost_wake_up_is_seen() {
    // Goal: a sleep that nobody ends is noticed. Method: sleep on a word that nobody changes.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        explore(|| {
            let futex = Futex::new(0);
            futex.sleep(0, Deadline::NEVER);
            futex.sleep(0, Deadline::NEVER);
        })
    }));
    assert!(caught.is_err(), "the deadlock was not seen");
}

/// A thread adds one to a word in two steps, beside another that does.
fn lost_update() {
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
}

/// A thread loads a word and stores to it, beside another that loads it: three executions at least. What that one loads.
#[cfg(loom)]
fn load_then_store() -> u32 {
    let word = Arc::new(AtomicU32::new(0));
    let other = word.clone();
    let writer = thread::spawn(move || {
        other.load(Ordering::Acquire);
        other.store(1, Ordering::Release);
    });
    let seen = word.load(Ordering::Acquire);
    writer.join().unwrap();
    seen
}

/// A fault that some schedules have.
#[cfg(loom)]
fn nothing_is_seen() {
    assert_eq!(load_then_store(), 0);
}

#[cfg(loom)]
#[test]
fn a_load_before_a_cas_hides_schedules() {
    // Goal: know loom's hole (tokio-rs/loom#166): a thread's load of a word hides its later change of it from the
    // partial-order reduction. Method: the smallest case, and a fault that is hidden so.
    let executions = explore(nothing_is_seen);
    assert_eq!(executions, 1, "loom has become more thorough here: say so in docs/TESTING.md");
}

#[cfg(loom)]
#[test]
fn all_rmw_hides_no_schedule() {
    // Goal: the hole is closed where loads and stores are RMWs. Method: the same case, and the same fault; and a lost update.
    ALL_RMW.set(true);
    let executions = explore(|| _ = load_then_store());
    assert!(executions >= 3, "only {executions} executions");
    let caught = [nothing_is_seen, lost_update].map(|race| catch_unwind(AssertUnwindSafe(|| explore(race))));
    ALL_RMW.set(false);
    assert!(caught.iter().all(Result::is_err), "a fault was not seen");
}

#[cfg(shuttle)]
#[test]
fn a_lost_update_is_seen() {
    // Goal: a fault of one schedule in several is found. Method: the smallest case.
    assert!(catch_unwind(AssertUnwindSafe(|| explore(lost_update))).is_err(), "a lost update was not seen");
}

#[cfg(shuttle)]
#[test]
fn a_dependence_that_no_history_shows_is_noticed() {
    // Goal: a state that leaves something out is no state. Method: threads that talk behind the search's back, through an
    // atomic that it does not know.
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    let talk = |secret: bool| {
        let (word, told) = (Arc::new(AtomicU32::new(0)), std::sync::Arc::new(AtomicBool::new(false)));
        let (other, tells) = (word.clone(), told.clone());
        let speaker = thread::spawn(move || {
            other.load(Ordering::Relaxed);
            tells.store(secret, Relaxed);
            other.load(Ordering::Relaxed);
        });
        word.load(Ordering::Relaxed);
        let heard = told.load(Relaxed);
        word.load(Ordering::Relaxed);
        if heard {
            word.swap(1, Ordering::Relaxed);
        }
        word.load(Ordering::Relaxed);
        speaker.join().unwrap();
    };
    assert!(explore(move || talk(false)) > 1);
    let caught = catch_unwind(AssertUnwindSafe(|| explore(move || talk(true))));
    assert!(caught.is_err(), "what one thread told the other behind its back was not missed");
}

#[cfg(shuttle)]
#[test]
fn what_can_come_of_all_schedules_comes_of_these() {
    // Goal: states in which one has been before are left off, and nothing else. Method: every end that a small program
    // can come to, by trying each schedule, and by the search.
    use std::{collections::BTreeSet, sync::Mutex};

    type Ends = std::sync::Arc<Mutex<BTreeSet<(Vec<u32>, u32)>>>;
    let program = |ends: Ends| {
        let word = Arc::new(AtomicU32::new(0));
        let act = |n: u32| {
            let word = word.clone();
            thread::spawn(move || {
                let seen = word.load(Ordering::Relaxed);
                let changed =
                    word.compare_exchange(seen, 10 * seen + n, Ordering::Relaxed, Ordering::Relaxed);
                changed.unwrap_or_else(|now| 1000 + now)
            })
        };
        let threads: Vec<_> = [1, 2, 3].map(act).into();
        let seen = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        ends.lock().unwrap().insert((seen, word.load(Ordering::Relaxed)));
    };
    let [all, these] = [Ends::default(), Ends::default()];
    let ends = all.clone();
    let each = shuttle::scheduler::DfsScheduler::new(None, false);
    let schedules = shuttle::Runner::new(each, shuttle::Config::new()).run(move || program(ends.clone()));
    let ends = these.clone();
    let executions = explore(move || program(ends.clone()));
    assert_eq!(*these.lock().unwrap(), *all.lock().unwrap());
    assert!(
        all.lock().unwrap().len() > 20 && 10 * executions < schedules as u64,
        "{executions} of {schedules}"
    );
}

#[test]
fn a_check_that_explored_less_fails() {
    // Goal: the manifest can say no. Method: a count as recorded, and one more; one less, another bound, no record.
    let passes =
        |recorded, bound, count| catch_unwind(|| check::compare("model", recorded, bound, count)).is_ok();
    let recorded = Some("2\t100\t0.5");
    assert!(passes(recorded, "2", 100) && passes(recorded, "2", 101));
    assert!(!passes(recorded, "2", 99) && !passes(recorded, "1", 100) && !passes(None, "2", 100));
}

#[cfg(loom)]
#[test]
fn a_check_fails_with_its_model() {
    // Goal: `check` runs the model that it is given. Method: one with a race.
    let racy = || publish(Ordering::Relaxed);
    let caught =
        catch_unwind(|| check::check("canary: race", "", check::TO_THE_END, racy)).expect_err("no race");
    trace::end();
    let message = caught.downcast_ref::<String>().map_or("", |text| text);
    assert!(!message.contains("manifest"), "{message}");
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
    for by in ["install", "withdraw", "claim", "sit"] {
        let closed = catch_unwind(AssertUnwindSafe(|| trace::changed_cell(9 << 32 | 1, 9 << 32, by)));
        assert_eq!(closed.is_ok(), by == "withdraw" || by == "claim", "{by} takes an entry out");
    }
    trace::end();
}

/// Makes each row of the table, in this order.
fn every_transition() -> Vec<&'static str> {
    let busy = |waiting, head| Word::new(State::Busy { waiting, head: Position(head) });
    let idle = |top, push| Word::new(State::Idle { top, push });
    let (full, half) = (busy(0, 5), idle(1, 2));
    // After the first watched quiescence.
    let calm = |word: Word| word.with_watched().with_quiescence();
    let mut word = idle(0, 1);
    let mut made = Vec::new();
    for (event, next) in [
        ("POP", idle(1, 1)),
        ("POP", busy(0, 4)),
        ("COUNT", busy(1, 4)),
        ("TAKE", full),
        ("WATCH", full.with_watched()),
        ("PUSH", half.with_watched()),
        ("QUIET", calm(idle(0, 2))),
        ("SHOW", calm(idle(0, 2))),
        ("POP", calm(half)),
        ("FILL", calm(idle(0, 3))),
        ("SHORT", calm(idle(0, 3)).with_short()),
        ("UNSHORT", calm(idle(0, 3))),
        ("POP", calm(half)),
        ("CLOSE", calm(half).with_closed()),
        ("REPOP", calm(full).with_closed()),
        ("RECOUNT", calm(busy(1, 5)).with_closed()),
    ] {
        trace::changed_word(1, word, next);
        word = next;
        made.push(event);
    }
    for (event, from, to, by) in [
        ("INSTALL", 5 << 32, 9 << 32 | 1, "install"),
        ("WITHDRAW", 9 << 32 | 1, 9 << 32, "withdraw"),
        ("CLAIM", 9 << 32 | 1, 9 << 32, "claim"),
        ("SEAL", 5 << 32, 9 << 32, "claim"),
        ("INHERIT", 5 << 32 | 1, 9 << 32, "claim"),
    ] {
        trace::changed_cell(from, to, by);
        made.push(event);
    }
    made
}

#[test]
fn every_row_of_the_table_is_needed() {
    // Goal: the link between code and models can fail, for each row. Method: changes that make every row; with any one
    // row dropped they are not all in the table.
    trace::begin();
    let made = every_transition();
    let seen = trace::end();
    for event in trace::events() {
        let times = made.iter().filter(|&&other| other == event).count() as u64;
        assert!(times > 0 && seen.get(event) == Some(&times), "{event}: {seen:?}");
        trace::begin();
        trace::drop_row(event);
        let noticed = catch_unwind(AssertUnwindSafe(every_transition)).is_err();
        trace::end();
        assert!(noticed, "nobody missed {event}");
    }
}
