//! Each part alone, explored to the end where that ends soon, else within a bound.

use std::time::Duration;

use crate::{
    admission::{Admission, Entry, Given, Waited},
    arena::Arena,
    check::{TO_THE_END, call, check, to_the_end_or, within},
    park::{self, Event},
    poison::{MARKED, Marked},
    queue::START,
    slots::{Aside, Held, Slots},
    sync::{Arc, AtomicU32, Deadline, Futex, Ordering, UnsafeCell, thread},
    task::{self, Answer, Joiner, Runner},
    word::{Position, State, Word},
    worker::Crew,
};

/// A deadline that may pass at any moment.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(1))
}

/// Memory that belongs to whoever is inside; loom sees two at once.
pub(crate) struct Guarded(UnsafeCell<u32>);

// SAFETY: loom checks the accesses.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    pub(crate) fn new() -> Guarded {
        Guarded(UnsafeCell::new(0))
    }

    /// Adds one; what it was before.
    pub(crate) fn touch(&self) -> u32 {
        self.0.with_mut(|count| {
            // SAFETY: loom fails the model if somebody else is inside.
            let count = unsafe { &mut *count };
            *count += 1;
            *count - 1
        })
    }
}

/// Pops a slot, touches what belongs to it, pushes it.
fn pass_through(admission: &Admission, inside: &Guarded) {
    if let Entry::Slot(held) = admission.enter(false) {
        inside.touch();
        assert!(matches!(admission.give(held), Given::Back));
    }
}

#[test]
fn max_slot_has_one_owner_at_a_time() {
    // Goal: MAX on one slot. Method: two threads pass through twice; what belongs to the slot is race-checked.
    check("stack: 1 slot, 2 threads", "MAX", to_the_end_or(3), || {
        let shared = Arc::new((Admission::new(1), Guarded::new()));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            pass_through(&other.0, &other.1);
            pass_through(&other.0, &other.1);
        });
        pass_through(&shared.0, &shared.1);
        thread.join().unwrap();
        assert_eq!(shared.0.snapshot().running, 0);
    });
}

/// Pops a slot, and touches what belongs to it: loom sees two that have the same.
fn take(shared: &(Admission, [Guarded; 3])) -> Option<Held> {
    let number = admission_enter(&shared.0)?.into_number();
    shared.1[usize::from(number)].touch();
    // SAFETY: the slot that was popped.
    Some(unsafe { shared.0.slots.hold(number) })
}

fn stack(slots: u16) {
    let shared = Arc::new((Admission::new(slots), [(); 3].map(|()| Guarded::new())));
    let other = shared.clone();
    let thread = thread::spawn(move || {
        // Takes two and gives them back in the order in which they came: what makes ABA.
        let taken = [(); 2].map(|()| take(&other));
        for held in taken.into_iter().flatten() {
            assert!(matches!(other.0.give(held), Given::Back));
        }
    });
    if let Some(held) = take(&shared) {
        assert!(matches!(shared.0.give(held), Given::Back));
    }
    thread.join().unwrap();
    // Every slot is there, each once.
    let all: Vec<Held> = (0..slots).filter_map(|_| take(&shared)).collect();
    assert_eq!(all.len(), usize::from(slots), "a slot is lost");
    assert!(matches!(shared.0.enter(false), Entry::Full), "a slot is there twice");
}

fn admission_enter(admission: &Admission) -> Option<Held> {
    match admission.enter(false) {
        Entry::Slot(held) => Some(held),
        _ => None,
    }
}

#[test]
fn stack_of_two_keeps_every_slot() {
    // Goal: no slot is lost or handed out twice (ABA). Method: pop beside pop, pop, push, push.
    check("stack: 2 slots", "MAX", to_the_end_or(3), || stack(2));
}

#[test]
fn stack_of_three_keeps_every_slot() {
    // Goal: as for two, with a link that matters beneath. Method: the same.
    check("stack: 3 slots", "MAX", to_the_end_or(3), || stack(3));
}

#[test]
fn stack_stamp_tells_pushes_apart() {
    // Goal: WORD-1. Method: one pop beside another thread that pushes the top slot again and again, while what
    // lay beneath it is out. (A stamp of one or two bits fails here; see plants.py.)
    check("stack: stamp", "MAX", within(4, 7), || {
        let admission = Arc::new(Admission::new(2));
        let other = admission.clone();
        let thread = thread::spawn(move || {
            let (Some(mut top), Some(below)) = (admission_enter(&other), admission_enter(&other)) else {
                return;
            };
            for _ in 0..4 {
                let _ = other.give(top);
                match admission_enter(&other) {
                    Some(again) => top = again,
                    None => return drop(other.give(below)),
                }
            }
            let _ = other.give(below);
            let _ = other.give(top);
        });
        if let Some(held) = admission_enter(&admission) {
            let _ = admission.give(held);
        }
        thread.join().unwrap();
    });
}

#[test]
fn first_users_share_a_chunk() {
    // Goal: ARENA-1. Method: two threads that both find a chunk missing; what one writes is in the other's.
    check("arena: first users", "WAKE", TO_THE_END, || {
        let arena = Arc::new(Arena::<AtomicU32>::new());
        let other = arena.clone();
        let thread = thread::spawn(move || other.get(1).fetch_add(1, Ordering::Relaxed));
        let mine = arena.get(1).fetch_add(1, Ordering::Relaxed);
        assert_eq!(mine + thread.join().unwrap(), 1);
        assert_eq!(arena.get(1).load(Ordering::Relaxed), 2);
    });
}

#[test]
fn task_result_reaches_the_joiner() {
    // Goal: RESULT, FREE and one free of the cell. Method: run and release beside join.
    check("task: join", "RESULT FREE ONCE", TO_THE_END, || {
        let guarded = Arc::new(Guarded::new());
        let inside = guarded.clone();
        let (runner, joiner) = task::new(move || inside.touch());
        let slot = Arc::new(Guarded::new());
        let given = slot.clone();
        let worker = thread::spawn(move || {
            let finished = runner.run();
            given.touch();
            finished.release();
        });
        assert_eq!(joiner.join().unwrap(), 0);
        assert_eq!(guarded.touch(), 1);
        assert_eq!(slot.touch(), 1, "FREE: join returned before the slot was back");
        worker.join().unwrap();
    });
}

/// What a task makes of a counted value is dropped once, while it runs and its joiner `leaves`.
fn dropped_once<T: Send + 'static>(makes: fn(std::sync::Arc<()>) -> T, leaves: fn(Joiner<T>)) {
    let value = std::sync::Arc::new(());
    let inside = value.clone();
    let (runner, joiner) = task::new(move || makes(inside));
    let worker = thread::spawn(move || runner.run().release());
    leaves(joiner);
    worker.join().unwrap();
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
}

#[test]
fn task_result_is_dropped_once_whoever_leaves_first() {
    // Goal: ONCE for the result. Method: run and release beside the drop of the handle, with a counted value.
    check("task: detach", "ONCE", TO_THE_END, || dropped_once(|value| value, drop));
}

#[test]
fn task_join_may_time_out_and_try_again() {
    // Goal: join_timeout loses nothing. Method: a deadline that may pass at any moment, then join.
    check("task: join_timeout", "RESULT", TO_THE_END, || {
        let (runner, joiner) = task::new(|| 7);
        let worker = thread::spawn(move || runner.run().release());
        let result = match joiner.join_until(soon()) {
            Ok(result) => result,
            Err(joiner) => joiner.join(),
        };
        assert_eq!(result.unwrap(), 7);
        worker.join().unwrap();
    });
}

#[test]
fn task_panic_is_the_result() {
    // Goal: PANIC. Method: a closure that panics, beside is_finished and join.
    check("task: panic", "PANIC", TO_THE_END, || {
        let (runner, joiner) = task::new(|| -> u32 { std::panic::resume_unwind(Box::new(7_u32)) });
        let worker = thread::spawn(move || runner.run().release());
        let _ = joiner.is_finished();
        assert_eq!(*joiner.join().unwrap_err().downcast::<u32>().unwrap(), 7);
        worker.join().unwrap();
    });
}

#[test]
fn task_result_nobody_waits_for_any_more_is_dropped_once() {
    // Goal: ONCE for a result whose joiner has given up. Method: a deadline that may pass at any moment, then the drop of
    // the handle; a counted value.
    check("task: join_timeout, drop", "ONCE RESULT", TO_THE_END, || {
        dropped_once(
            |value| value,
            |joiner| match joiner.join_until(soon()) {
                Ok(result) => drop(result.unwrap()),
                Err(joiner) => drop(joiner),
            },
        );
    });
}

#[test]
fn task_panic_nobody_asks_for_is_dropped_once() {
    // Goal: ONCE for a panic's payload. Method: run and release beside the drop of the handle, with a counted payload.
    check("task: panic, detach", "ONCE PANIC", TO_THE_END, || {
        dropped_once(|value| -> u32 { std::panic::resume_unwind(Box::new(value)) }, drop);
    });
}

#[test]
fn task_bounce_gives_the_closure_back() {
    // Goal: ONCE for a task that is given back. Method: bounce beside a wait that may time out.
    check("task: bounce", "ONCE REFUSE", TO_THE_END, || {
        let value = std::sync::Arc::new(());
        let inside = value.clone();
        let closure = move || drop(inside);
        let (runner, joiner) = task::new(closure);
        let worker = thread::spawn(move || runner.bounce(1));
        let mut answer = joiner.wait_for_admission(soon());
        if let Answer::TimedOut = answer {
            answer = joiner.wait_for_admission(Deadline::NEVER);
        }
        assert!(matches!(answer, Answer::Bounced(1)));
        take_back(joiner, &value);
        worker.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    });
}

fn take_back(joiner: task::Joiner<()>, value: &std::sync::Arc<()>) {
    fn of<F: FnOnce()>(joiner: task::Joiner<()>, _like: &F) -> F {
        // SAFETY: `_like` has the closure's type, and the answer was `Bounced`.
        unsafe { joiner.take_back() }
    }
    let inside = value.clone();
    let like = move || drop(inside);
    let closure = of(joiner, &like);
    drop(like);
    let _ = closure;
}

#[test]
fn sleeper_is_woken() {
    // Goal: WAKE for a word with one sleeper, with what was written before. Method: sleep beside wake.
    check("park: one sleeper", "WAKE", TO_THE_END, || {
        let shared = Arc::new((Futex::new(0), Guarded::new()));
        let other = shared.clone();
        let waker = thread::spawn(move || {
            other.1.touch();
            let before = other.0.word().swap(2, Ordering::Release);
            park::wake(&other.0, before);
        });
        assert_eq!(park::sleep_until(&shared.0, Deadline::NEVER, |value| value == 2), Some(2));
        assert_eq!(shared.1.touch(), 1);
        waker.join().unwrap();
    });
}

#[test]
fn crowd_is_woken() {
    // Goal: WAKE for an event. Method: two sleepers beside one change.
    check("park: event", "WAKE WAIT", within(2, 3).to_the_end_if_wide(), || {
        let shared = Arc::new((Event::new(), AtomicU32::new(0)));
        let wait = |shared: &(Event, AtomicU32)| {
            loop {
                let ticket = shared.0.listen();
                if shared.1.load(Ordering::Acquire) == 1 {
                    return;
                }
                shared.0.sleep(ticket, Deadline::NEVER);
            }
        };
        let other = shared.clone();
        let sleeper = thread::spawn(move || wait(&other));
        let other = shared.clone();
        let waker = thread::spawn(move || {
            other.1.swap(1, Ordering::Release);
            other.0.notify_all();
        });
        wait(&shared);
        sleeper.join().unwrap();
        waker.join().unwrap();
    });
}

/// A pool of one whose slot is held. Its queue has been used, since the publication of a new chunk publishes more
/// than it has to.
fn full_pool() -> (Admission, Held) {
    let admission = Admission::new(1);
    let held = admission_enter(&admission).unwrap();
    let (runner, joiner) = task::new(|| ());
    match admission.wait_in_line(runner, &joiner, soon(), false) {
        Waited::TimedOut(task) => task.run().release(),
        _ => unreachable!("nobody else is there"),
    }
    (admission, held)
}

/// A worker that holds the only slot: gives it back, and runs what comes of that.
fn work_off(admission: &Admission, held: Held) {
    call(|| _ = work_off_all(admission, held), |()| Some(0));
}

/// How many tasks it has run.
fn work_off_all(admission: &Admission, held: Held) -> u32 {
    let (mut held, mut claimed) = (held, 0);
    while let Given::On(slot, position) = give(admission, held) {
        held = slot;
        claimed += u32::from(work_on(admission, position));
    }
    claimed
}

/// There is but one slot: which position it is for is all that comes of this.
fn give(admission: &Admission, held: Held) -> Given {
    call(
        || admission.give(held),
        |given| match given {
            Given::On(_, position) => Some(position.0.into()),
            Given::Back => Some(0),
            Given::Over => Some(1),
            Given::Short => unreachable!("no slot is put aside in these models"),
        },
    )
}

/// Runs the task at `position`; whether there was one.
fn work_on(admission: &Admission, position: Position) -> bool {
    let run = || {
        let task = admission.claim(position);
        task.map(|task| {
            task.admit();
            task.run().release();
        })
    };
    call(run, |ran| Some(ran.is_some().into())).is_some()
}

fn join(joiner: Joiner<()>) {
    call(|| joiner.join().unwrap(), |()| Some(0));
}

/// A thread of its own for that, which may close the pool first.
fn working_off(shared: &Arc<(Admission, Guarded)>, held: Held, close: bool) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        if close {
            let _ = shared.0.close();
        }
        work_off(&shared.0, held);
    })
}

/// Submits a task that reads what its submitter has written, which loom watches.
fn submit(admission: &Admission, deadline: Deadline, task: impl FnOnce() + Send + 'static) -> bool {
    let written = Guarded::new();
    written.touch();
    let task = move || {
        written.touch();
        task();
    };
    submit_as(admission, deadline, task)
}

fn wait_in_line(admission: &Admission, task: Runner, joiner: &Joiner<()>, deadline: Deadline) -> Waited {
    call(
        || admission.wait_in_line(task, joiner, deadline, false),
        |waited| match waited {
            Waited::Admitted => Some(0),
            Waited::Changed(_) => Some(1),
            Waited::TimedOut(_) => Some(2),
            _ => None,
        },
    )
}

/// A submitter that finds the pool full: waits in line; on a slot that got free it runs the task itself.
fn submit_as<F>(admission: &Admission, deadline: Deadline, task: F) -> bool
where
    F: FnOnce() + Send + 'static,
{
    let (mut runner, joiner) = task::new(task);
    loop {
        let entry = call(
            || admission.enter(false),
            |entry| match entry {
                Entry::Slot(_) => Some(0), // There is but one.
                Entry::Full => Some(1),
                Entry::Closed => Some(2),
            },
        );
        match entry {
            Entry::Slot(held) => {
                call(|| runner.run().release(), |()| Some(0));
                work_off(admission, held);
                join(joiner);
                return true;
            }
            Entry::Closed => {
                // SAFETY: the two are the sides of the cell made above.
                drop(unsafe { task::reclaim::<F, ()>(runner, joiner) });
                return false;
            }
            Entry::Full => match wait_in_line(admission, runner, &joiner, deadline) {
                Waited::Admitted => {
                    join(joiner);
                    return true;
                }
                Waited::Changed(task) => runner = task,
                Waited::TimedOut(task) => {
                    // SAFETY: as above.
                    drop(unsafe { task::reclaim::<F, ()>(task, joiner) });
                    return false;
                }
                Waited::Bounced(_) | Waited::NoRoom(_) => unreachable!("neither happens here"),
            },
        }
    }
}

/// A worker that finishes, and may close the pool before, beside one submitter; whether its task ran.
fn one_submitter(deadline: fn() -> Deadline, close: bool) -> bool {
    let (admission, held) = full_pool();
    let shared = Arc::new((admission, Guarded::new()));
    let worker = working_off(&shared, held, close);
    let inside = shared.clone();
    let ran = submit(&shared.0, deadline(), move || assert_eq!(inside.1.touch(), 0));
    worker.join().unwrap();
    assert_eq!(shared.1.touch(), u32::from(ran), "ONCE");
    if !close {
        assert!(matches!(shared.0.enter(false), Entry::Slot(_)), "the slot is lost");
    }
    ran
}

#[test]
fn waiting_task_runs_once() {
    // Goal: WAKE and ONCE on a full pool of one. Method: a finishing worker beside a submitter.
    check("queue: 1 submitter", "WAKE ONCE", within(3, 6).to_the_end_if_wide(), || {
        assert!(one_submitter(|| Deadline::NEVER, false), "nothing refuses it");
    });
}

#[test]
fn cancelling_against_hand_over_is_one_or_the_other() {
    // Goal: ONCE and REFUSE for who gives up. Method: a finishing worker beside a submitter that may at any moment.
    check("queue: 1 submitter, timed", "WAKE ONCE REFUSE", within(3, 6).to_the_end_if_wide(), || {
        _ = one_submitter(soon, false)
    });
}

#[test]
fn closing_against_spawn_is_one_or_the_other() {
    // Goal: END and REFUSE for who comes as the pool is closed. Method: a worker that closes and finishes beside a submitter.
    check("queue: 1 submitter, close", "WAKE REFUSE END", within(3, 6).to_the_end_if_wide(), || {
        _ = one_submitter(|| Deadline::NEVER, true)
    });
}

fn two_submitters(first: fn() -> Deadline, second: fn() -> Deadline, close: bool) {
    let (admission, held) = full_pool();
    let shared = Arc::new((admission, Guarded::new()));
    let other = shared.clone();
    let submitter = thread::spawn(move || {
        let inside = other.clone();
        submit(&other.0, first(), move || _ = inside.1.touch())
    });
    let worker = working_off(&shared, held, close);
    let inside = shared.clone();
    let ran = submit(&shared.0, second(), move || _ = inside.1.touch());
    let both = u32::from(submitter.join().unwrap()) + u32::from(ran);
    worker.join().unwrap();
    assert_eq!(shared.1.touch(), both, "ONCE");
    assert_eq!(shared.0.snapshot().waiting, 0);
    assert_eq!(shared.0.snapshot().running, 0, "WAKE: the slot is not back");
}

#[test]
fn who_waits_first_is_served_first() {
    // Goal: FIFO. Method: a second submitter that comes only when the first is seen waiting.
    check("queue: first come", "FIFO", within(2, 3).schedules_if_wide(), || {
        let (admission, held) = full_pool();
        let shared = Arc::new((admission, Guarded::new()));
        let other = shared.clone();
        let submitter = thread::spawn(move || {
            let inside = other.clone();
            assert!(submit(&other.0, Deadline::NEVER, move || _ = inside.1.touch()));
        });
        let other = shared.clone();
        let worker = thread::spawn(move || work_off(&other.0, held));
        if call(|| shared.0.snapshot().waiting, |&waiting| Some(waiting as u64)) == 1 {
            let inside = shared.clone();
            let second = move || assert_eq!(inside.1.touch(), 1, "FIFO: overtaken");
            assert!(submit(&shared.0, Deadline::NEVER, second));
        }
        submitter.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn cancelling_against_hand_over_strands_nobody() {
    // Goal: ONCE, REFUSE and WAKE under cancellation. Method: one of two submitters may give up at any moment.
    check("queue: cancel", "WAKE ONCE REFUSE", within(1, 2).schedules_if_wide(), || {
        two_submitters(soon, || Deadline::NEVER, false)
    });
}

#[test]
fn two_that_give_up_leave_nothing_behind() {
    // Goal: REFUSE and WAKE on a full pool. Method: two submitters that install, count for each other, and give up; then the
    // slot comes back.
    check("queue: 2 give up", "WAKE REFUSE", within(3, 5).to_the_end_if_wide(), || {
        let (admission, held) = full_pool();
        let admission = Arc::new(admission);
        let wait = |admission: &Admission| {
            let (runner, joiner) = task::new(|| ());
            match wait_in_line(admission, runner, &joiner, soon()) {
                Waited::TimedOut(task) => task.run().release(),
                _ => unreachable!("nobody hands over"),
            }
        };
        let other = admission.clone();
        let second = thread::spawn(move || wait(&other));
        wait(&admission);
        second.join().unwrap();
        assert_eq!(admission.snapshot().waiting, 0);
        work_off(&admission, held);
        assert!(matches!(admission.enter(false), Entry::Slot(_)), "the slot is lost");
    });
}

#[test]
fn a_seat_taken_again_is_not_mistaken() {
    // Goal: RING-3. Method: a submitter that may give up, then perhaps another in the same seat, beside the
    // worker that claims; as many are admitted as were claimed, and nobody sleeps for ever.
    check("queue: same seat", "ONCE", within(1, 2).too_many_schedules(), || {
        let admission = Arc::new(Admission::new(1));
        let held = admission_enter(&admission).unwrap();
        let wait = |admission: &Admission, deadline| {
            let (runner, joiner) = task::new(|| ());
            match wait_in_line(admission, runner, &joiner, deadline) {
                Waited::Admitted => 1,
                Waited::Changed(task) | Waited::TimedOut(task) => {
                    call(|| task.run().release(), |()| Some(0));
                    0
                }
                Waited::Bounced(_) | Waited::NoRoom(_) => unreachable!("neither happens here"),
            }
        };
        let other = admission.clone();
        let second = thread::spawn(move || wait(&other, Deadline::NEVER));
        let other = admission.clone();
        let worker = thread::spawn(move || work_off_all(&other, held));
        let first = wait(&admission, soon());
        assert_eq!(first + second.join().unwrap(), worker.join().unwrap(), "one task in two hands");
    });
}

#[test]
fn closing_against_waiting_strands_nobody() {
    // Goal: REFUSE and WAKE at close. Method: close and finish beside two submitters.
    check("queue: close", "WAKE REFUSE END", within(1, 2).schedules_if_wide(), || {
        two_submitters(soon, || Deadline::NEVER, true)
    });
}

#[test]
fn waiter_sees_the_quiescence_after_its_call() {
    // Goal: WAIT on slots alone. Method: a worker that finishes, begins again and finishes beside a waiter.
    check("wait: 1 waiter", "WAIT", TO_THE_END, || {
        let shared = Arc::new((Admission::new(1), Guarded::new()));
        let held = admission_enter(&shared.0).unwrap();
        let other = shared.clone();
        let worker = thread::spawn(move || {
            other.1.touch();
            assert!(matches!(other.0.give(held), Given::Back));
            let held = admission_enter(&other.0).unwrap();
            assert!(matches!(other.0.give(held), Given::Back));
        });
        assert!(shared.0.wait(Deadline::NEVER));
        // What the first task did is visible; the worker does not touch it again.
        assert_eq!(shared.1.touch(), 1);
        worker.join().unwrap();
    });
}

#[test]
fn two_waiters_are_both_answered() {
    // Goal: WAIT for two. Method: two waiters beside the finish of the only task.
    check("wait: 2 waiters", "WAIT", within(2, 3), || {
        let admission = Arc::new(Admission::new(1));
        let held = admission_enter(&admission).unwrap();
        let other = admission.clone();
        let waiter = thread::spawn(move || assert!(other.wait(Deadline::NEVER)));
        let other = admission.clone();
        let worker = thread::spawn(move || drop(other.give(held)));
        assert!(admission.wait(Deadline::NEVER));
        waiter.join().unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_the_other_answered() {
    // Goal: WAIT for two, of whom one gives up and finishes the only task. Method: that one beside the other.
    check("wait: 2 waiters, one gives up", "WAIT", to_the_end_or(4), || {
        let admission = Arc::new(Admission::new(1));
        let held = admission_enter(&admission).unwrap();
        let other = admission.clone();
        let waiter = thread::spawn(move || assert!(other.wait(Deadline::NEVER)));
        assert!(!admission.wait(soon()), "WAIT returned while a task ran");
        assert!(matches!(admission.give(held), Given::Back));
        assert!(admission.wait(soon()), "nothing runs");
        waiter.join().unwrap();
    });
}

#[test]
fn wait_is_not_answered_early() {
    // Goal: WAIT does not return on the quiescence before the call. Method: a waiter that spawned its own task
    // after an earlier quiescence, whose clearer may still be on its way to wake.
    check("wait: late clearer", "WAIT", within(3, 6), || {
        let shared = Arc::new((Admission::new(1), AtomicU32::new(0)));
        let held = admission_enter(&shared.0).unwrap();
        let other = shared.clone();
        let earlier = thread::spawn(move || {
            let _ = other.0.wait(soon());
            drop(other.0.give(held));
        });
        // The CAS in `wait` lets loom see that what follows depends on the other thread (see the litmus test).
        let _ = shared.0.wait(soon());
        if let Some(held) = admission_enter(&shared.0) {
            let other = shared.clone();
            let worker = thread::spawn(move || {
                other.1.fetch_add(1, Ordering::Relaxed);
                drop(other.0.give(held));
            });
            assert!(shared.0.wait(Deadline::NEVER));
            assert_eq!(shared.1.load(Ordering::Relaxed), 1, "WAIT returned while an earlier task ran");
            worker.join().unwrap();
        }
        earlier.join().unwrap();
    });
}

#[test]
fn an_entry_left_behind_is_never_claimed() {
    // Goal: ONCE, RING-3 after the pool went idle. Method: a submitter beside a worker that finishes. If it is not
    // admitted, it takes the free slot, and another queues up at the same position behind it.
    check("queue: went idle", "WAKE REFUSE", within(4, 7), || {
        let admission = Arc::new(Admission::new(1));
        let held = admission_enter(&admission).unwrap();
        let other = admission.clone();
        let worker = thread::spawn(move || work_off(&other, held));
        let (runner, joiner) = task::new(|| ());
        let waited = wait_in_line(&admission, runner, &joiner, Deadline::NEVER);
        if let Waited::Changed(task) = waited {
            worker.join().unwrap();
            let held = admission_enter(&admission).expect("the pool is idle");
            let other = admission.clone();
            let worker = thread::spawn(move || {
                task.run().release();
                work_off(&other, held);
            });
            assert!(submit(&admission, Deadline::NEVER, || ()));
            worker.join().unwrap();
        } else {
            worker.join().unwrap();
        }
        joiner.join().unwrap();
    });
}

#[test]
fn slots_aside_are_never_out_of_sight() {
    // Goal: PROGRESS of a pool that was refused threads. Method: one that puts a slot aside and is stopped for ever
    // then, beside one that settles; whoever comes later gets both slots.
    check("aside: stopped", "MAX WAKE", to_the_end_or(3), || {
        let crew = Arc::new(Crew::new(2, String::new(), None));
        let [first, second] = [(); 2].map(|()| admission_enter(&crew.admission).unwrap());
        crew.admission.put_aside(first);
        let other = crew.clone();
        let stopped = thread::spawn(move || other.admission.put_aside(second));
        let _ = crew.admission.settle();
        stopped.join().unwrap();
        for _ in 0..2 {
            assert!(matches!(crew.enter(), Entry::Slot(_)), "a slot is out of sight");
        }
        assert!(matches!(crew.enter(), Entry::Full));
    });
}

#[test]
fn running_is_a_number_that_was() {
    // Goal: MAX as `running` shows it. Method: a look beside one that takes a slot and sets it aside, which changes
    // what the slot's link says. At most one is ever out.
    check("aside: running", "MAX", TO_THE_END, || {
        let admission = Arc::new(Admission::new(2));
        let other = admission.clone();
        let submitter = thread::spawn(move || other.put_aside(admission_enter(&other).unwrap()));
        // The CAS in `wait` lets loom see that what follows depends on the other thread (see the litmus test).
        let _ = admission.wait(soon());
        assert!(admission.snapshot().running <= 1, "more than there ever were");
        submitter.join().unwrap();
        assert_eq!(admission.snapshot().running, 0, "a slot that lies aside is counted as running");
    });
}

#[test]
fn aside_keeps_every_slot() {
    // Goal: MAX for slots aside (ABA). Method: pop beside pop, pop, push, push, with a third slot to be lost.
    check("aside: 3 slots", "MAX", to_the_end_or(3), || {
        let shared = Arc::new((Slots::new(3, START).0, Aside::new()));
        // SAFETY: nobody else has the slots of this model.
        let [first, second, third] = [0, 1, 2].map(|number| unsafe { shared.0.hold(number) });
        shared.1.push(&shared.0, first);
        shared.1.push(&shared.0, second);
        let other = shared.clone();
        let thread = thread::spawn(move || {
            let (slots, aside) = &*other;
            let popped = [(); 2].map(|()| aside.pop(slots));
            aside.push(slots, third);
            let [top, beneath] = popped;
            if let Some(held) = top {
                aside.push(slots, held);
            }
            beneath
        });
        let mut held = vec![shared.1.pop(&shared.0)];
        held.push(thread.join().unwrap());
        held.extend([(); 3].map(|()| shared.1.pop(&shared.0)));
        let number = |held: &Held| {
            let pushed = shared.0.prepare_push(held, Word::new(State::Busy { waiting: 0, head: START })).0;
            match pushed.state() {
                State::Idle { top, .. } => top,
                State::Busy { .. } => unreachable!("it was pushed"),
            }
        };
        let mut all: Vec<u16> = held.iter().flatten().map(number).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2], "a slot is lost, or there twice");
    });
}

#[test]
fn task_memory_is_freed_by_whoever_leaves_last() {
    // Goal: TASK-1. Method: run and release beside the drop of the handle; the allocator counts the cell.
    check("task: memory", "ONCE", TO_THE_END, || {
        let marked = Marked;
        let (runner, joiner) = task::new(move || {
            let _captured = &marked;
        });
        let worker = thread::spawn(move || runner.run().release());
        drop(joiner);
        worker.join().unwrap();
        assert_eq!(MARKED.load(std::sync::atomic::Ordering::Relaxed), 0, "a cell is not freed");
    });
}
