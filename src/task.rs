//! The task cell: one allocation that holds the closure, later its result, and the state that its two
//! owners share: the [`Runner`] (a submitter's, then a worker's) and the handle's [`Joiner`].
//!
//! | bit | set by | meaning |
//! |---|---|---|
//! | `ADMITTED` | the runner | a worker has it: the submitter that waits for admission may go on |
//! | `BOUNCED` | the runner | the closure is given back to the submitter, which starts over; with it the slot in the upper half |
//! | `FINISHED` | the runner | the closure is consumed and the result written: it is the joiner's now |
//! | `RELEASED` | the runner | and the slot is given back or on |
//! | `GONE` | the runner | and it will not touch the cell again |
//! | `LEFT` | the joiner | it will not touch the cell again, nor the result |
//! | `ASLEEP` | the joiner | it sleeps on the state |
//!
//! Who may touch what: the body belongs to the runner until `FINISHED` or `BOUNCED`, then to the joiner,
//! unless `LEFT` was there first: then the runner drops the result. **TASK-1**: the side that is the second to leave, and finds
//! the other's `GONE` or `LEFT`, frees the cell; **TASK-2**: after setting the first, a side touches only locals.
//!
//! A runner that finds its joiner asleep may not be `GONE` before it has woken it, since the sleeper's word
//! is in the cell; so it sets `RELEASED` (or `BOUNCED`) alone, wakes, and then sets `GONE`. With nobody
//! asleep it sets both at once, and one RMW is saved where it matters.

use std::{marker::PhantomData, mem, ptr::NonNull, thread};

use crate::{
    cell::{Cell, Header},
    park::{self, ASLEEP},
    sync::{Deadline, Futex, Ordering},
};

const ADMITTED: u32 = 1 << 1;
const BOUNCED: u32 = 1 << 2;
const FINISHED: u32 = 1 << 3;
const RELEASED: u32 = 1 << 4;
const GONE: u32 = 1 << 5;
const LEFT: u32 = 1 << 6;
const SLOT_SHIFT: u32 = 16;

/// A new cell for `closure`, as its two sides.
pub(crate) fn new<F, T>(closure: F) -> (Runner, Joiner<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let header = Cell::<F, T>::allocate(closure);
    (Runner(header), Joiner { header, result: PhantomData })
}

/// Takes the closure back out of a cell that has not run.
///
/// # Safety
/// `runner` and `joiner` are the two sides of one cell made by `new::<F, T>`.
pub(crate) unsafe fn reclaim<F, T>(runner: Runner, joiner: Joiner<T>) -> F
where
    F: FnOnce() -> T,
{
    let header = runner.into_raw();
    mem::forget(joiner);
    // SAFETY: the types are the caller's promise, and with both sides in hand the body is ours.
    let closure = unsafe { Cell::<F, T>::take_closure(header) };
    // SAFETY: as above, and the body is empty now.
    unsafe { Cell::<F, T>::free(header) };
    closure
}

/// The right to run a task, once. It must be consumed: dropping it would leak the task.
#[must_use]
pub(crate) struct Runner(NonNull<Header>);

// SAFETY: `new` demands `F: Send` and `T: Send`, and the state is atomic.
unsafe impl Send for Runner {}

impl Runner {
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.0
    }

    /// # Safety
    /// `header` came from `into_raw`, and this is its only way back.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Runner {
        Runner(header)
    }

    fn header(&self) -> &Header {
        // SAFETY: TASK-1: this side has not left, so the cell is there.
        unsafe { self.0.as_ref() }
    }

    /// Tells the submitter that waits for admission that a worker has its task.
    pub(crate) fn admit(&self) {
        let state = &self.header().state;
        // Release [SIGNAL]: what was done on the slot before is visible to the submitter. Nothing else can be
        // set yet but ASLEEP.
        let before = state.word().swap(ADMITTED, Ordering::Release);
        park::wake(state, before);
    }

    /// Gives the closure back to the submitter that waits for admission, which starts over with this slot.
    pub(crate) fn bounce(self, slot: u16) {
        depart(self.into_raw(), BOUNCED | u32::from(slot) << SLOT_SHIFT);
    }

    /// Runs the closure and publishes its result. A result nobody wants is dropped here, before the slot
    /// is given back.
    pub(crate) fn run(self) -> Finished {
        let header = self.into_raw();
        // SAFETY: TASK-1: this side has not left.
        let cell = unsafe { header.as_ref() };
        // SAFETY: the runner owns the body until FINISHED, and it holds the closure.
        unsafe { (cell.vtable.run)(header) };
        // AcqRel [RESULT]: Release publishes the result to the joiner. Acquire: LEFT means that the joiner
        // has touched the cell for the last time.
        let before = cell.state.word().fetch_or(FINISHED, Ordering::AcqRel);
        let left = before & LEFT != 0;
        if left {
            // SAFETY: LEFT came before FINISHED, so the result is the runner's.
            unsafe { (cell.vtable.drop_result)(header) };
        }
        Finished { header, left }
    }
}

/// A task that has run, and whose slot is still to be given back.
#[must_use]
pub(crate) struct Finished {
    header: NonNull<Header>,
    left: bool,
}

impl Finished {
    /// The slot is given back or on: lets `join` return, and leaves the cell.
    pub(crate) fn release(self) {
        let header = self.header;
        if self.left {
            // SAFETY: LEFT is set and this side touches the cell for the last time: TASK-1.
            return unsafe { free(header) };
        }
        depart(header, RELEASED);
    }
}

/// The runner's last step: sets `bits`, wakes the joiner if it sleeps, and leaves.
fn depart(header: NonNull<Header>, bits: u32) {
    // SAFETY: TASK-1: this side has not left.
    let state = unsafe { &header.as_ref().state };
    // Relaxed: only a guess for the CAS; nothing is read through it.
    let mut seen = state.word().load(Ordering::Relaxed);
    loop {
        let asleep = seen & ASLEEP != 0;
        let next = (seen & !ASLEEP) | bits | if asleep { 0 } else { GONE };
        // AcqRel [DEPART]: Release, what this side did (the slot given back, the closure left alone) is
        // before what the joiner does next. Acquire, for LEFT: the joiner's last touch is before the free
        // below. Relaxed on failure: a new guess.
        match state.word().compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
            Err(now) => seen = now,
            Ok(_) if asleep => {
                state.wake_one();
                // AcqRel [DEPART]: as above; the wake was the last touch but this.
                let before = state.word().fetch_or(GONE, Ordering::AcqRel);
                return free_if(before & LEFT != 0, header);
            }
            // From here on only locals, unless the cell is ours to free: TASK-2.
            Ok(_) => return free_if(seen & LEFT != 0, header),
        }
    }
}

/// Frees the cell if this side is the second to leave (`last`).
fn free_if(last: bool, header: NonNull<Header>) {
    if last {
        // SAFETY: the other side left before this one: TASK-1. The result has been taken or dropped.
        unsafe { free(header) }
    }
}

/// # Safety
/// Both sides have left (TASK-1) and the body is empty.
unsafe fn free(header: NonNull<Header>) {
    // SAFETY: the cell is there until the call below.
    let vtable = unsafe { header.as_ref().vtable };
    // SAFETY: the caller's promise.
    unsafe { (vtable.free)(header) }
}

/// What became of a submitter's wait for admission.
#[must_use]
pub(crate) enum Answer {
    /// A worker has the task.
    Admitted,
    /// The closure is the joiner's again, and with it this slot.
    Bounced(u16),
    /// The time is up; an answer may have come at the last moment.
    TimedOut,
}

/// The handle's side of a task. Dropping it leaves the cell, and the result with it.
pub(crate) struct Joiner<T> {
    header: NonNull<Header>,
    result: PhantomData<thread::Result<T>>,
}

// SAFETY: the result is moved to whoever joins (`T: Send`); the state is atomic.
unsafe impl<T: Send> Send for Joiner<T> {}
// SAFETY: by shared reference only the atomic state can be looked at.
unsafe impl<T: Send> Sync for Joiner<T> {}

impl<T> Joiner<T> {
    fn state(&self) -> &Futex {
        // SAFETY: TASK-1: this side has not left.
        let header = unsafe { self.header.as_ref() };
        &header.state
    }

    /// Whether the result is there.
    pub(crate) fn is_finished(&self) -> bool {
        // Acquire [RESULT]: pairs with `Runner::run`; the task's effects are visible.
        self.state().word().load(Ordering::Acquire) & FINISHED != 0
    }

    /// Waits until a worker has the task, or its runner comes back.
    pub(crate) fn wait_for_admission(&self, deadline: Deadline) -> Answer {
        let answered = |state| state & (ADMITTED | BOUNCED | FINISHED) != 0;
        match park::sleep_until(self.state(), deadline, answered) {
            None => Answer::TimedOut,
            Some(state) if state & BOUNCED != 0 => Answer::Bounced((state >> SLOT_SHIFT) as u16),
            Some(_) => Answer::Admitted,
        }
    }

    /// Takes the closure back after a bounce.
    ///
    /// # Safety
    /// The cell was made by `new::<F, T>`, and the answer was `Bounced`.
    pub(crate) unsafe fn take_back<F: FnOnce() -> T>(self) -> F {
        let header = self.header;
        mem::forget(self);
        // SAFETY: the types are the caller's promise; BOUNCED, seen with Acquire, gave the body to this side.
        let closure = unsafe { Cell::<F, T>::take_closure(header) };
        leave(header);
        closure
    }

    /// Waits until the slot is given back, and takes the result.
    pub(crate) fn join(self) -> thread::Result<T> {
        // With no deadline it does not return before the bit is set.
        let _ = park::sleep_until(self.state(), Deadline::NEVER, |state| state & RELEASED != 0);
        self.take()
    }

    /// As `join`, but gives up at the deadline, and is content with a result whose slot is not back yet.
    pub(crate) fn join_until(self, deadline: Deadline) -> Result<thread::Result<T>, Joiner<T>> {
        if !self.is_finished() {
            let _ = park::sleep_until(self.state(), deadline, |state| state & RELEASED != 0);
        }
        if self.is_finished() { Ok(self.take()) } else { Err(self) }
    }

    /// Takes the result, which is there, and leaves.
    fn take(self) -> thread::Result<T> {
        let header = self.header;
        mem::forget(self);
        // SAFETY: TASK-1: this side has not left.
        let vtable = unsafe { header.as_ref().vtable };
        // SAFETY: FINISHED was seen with Acquire [RESULT] and LEFT is not set: the body is the joiner's.
        let place = unsafe { (vtable.result)(header) };
        // SAFETY: the body holds a `thread::Result<T>` (`new` ties `T`), which is not used again.
        let result = unsafe { place.cast::<thread::Result<T>>().read() };
        leave(header);
        result
    }
}

/// The joiner's last step; the result has been taken.
fn leave(header: NonNull<Header>) {
    // SAFETY: TASK-1: this side has not left.
    let state = unsafe { &header.as_ref().state };
    // Acquire [DEPART]: GONE means that the runner has touched the cell for the last time.
    let last = state.word().load(Ordering::Acquire) & GONE != 0
        // AcqRel [DEPART]: Release, our last touch is before the runner's free; Acquire, as above.
        || state.word().fetch_or(LEFT, Ordering::AcqRel) & GONE != 0;
    free_if(last, header);
}

impl<T> Drop for Joiner<T> {
    fn drop(&mut self) {
        let header = self.header;
        let state = self.state().word();
        // Acquire [RESULT]: if the result is there, it is read below.
        let mut seen = state.load(Ordering::Acquire);
        while seen & FINISHED == 0 {
            // Release [RESULT]: our last touch is before the runner's drop and free. Acquire on failure: as
            // above.
            match state.compare_exchange_weak(seen, seen | LEFT, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return, // Only locals from here on: TASK-2.
                Err(now) => seen = now,
            }
        }
        // The value is dropped as any value of the user's is: a panic in its `Drop` is the caller's to see,
        // but the cell has been left by then.
        drop(Joiner::<T> { header, result: PhantomData }.take());
    }
}
