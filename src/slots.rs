//! The worker slots, numbered from 0: each is a permit, the mailbox of the worker that lives in it, and a
//! link of the stack of free slots.
//!
//! A slot is *manned* once a thread lives in it, *vacant* before. Free slots form a Treiber stack (R. K.
//! Treiber, 1986) whose top is in the word; manned ones are pushed on top of the vacant ones, which start
//! out in one pile. (After the operating system has refused a thread, vacant slots come to lie on top.)
//!
//! Who may touch what. [`Held`] is the right to a slot: there is one per slot, and while a slot is free it is
//! in the stack. Popping takes it, and with it everything in the slot but `thread`; it is handed to the
//! worker with the mail, and goes back with the push. `link` may be *read* by anybody: what is
//! read counts only after a CAS on the word succeeds from the very state that names the slot's push (WORD-1).
//! `thread` is written by the submitter that started the thread and read when the pool is dropped.
//!
//! | mail | means |
//! |---|---|
//! | 0 | empty; the worker is awake |
//! | `ASLEEP` | empty; the worker sleeps, or there is none yet |
//! | `FULL` | `job` holds what to do next, and the slot is the worker's |

use std::io;

use crossbeam_utils::CachePadded;

use crate::{
    park,
    sync::{AtomicU64, Deadline, Futex, JoinHandle, Ordering, UnsafeCell},
    task::Runner,
    word::{Beneath, Position, State, Word},
};

const FULL: u32 = 1 << 1;

/// The right to slot number `.0`. Not to be dropped: it must be pushed or handed on.
#[must_use]
pub(crate) struct Held(u16);

impl Held {
    /// To be held again by [`Slots::hold`].
    pub(crate) fn into_number(self) -> u16 {
        self.0
    }
}

#[derive(Default)]
struct Slot {
    /// What lies beneath this slot while it is in the stack. (Set aside, it lies in another one: [`Aside`].)
    link: AtomicU64,
    mail: Mail,
    /// The number of this slot's next push; of the last one, while it is in the stack.
    push: Plain<u32>,
    manned: Plain<bool>,
    job: Plain<Option<Runner>>,
    thread: Plain<Option<JoinHandle<()>>>,
}

struct Mail(Futex);

impl Default for Mail {
    fn default() -> Mail {
        Mail(Futex::new(park::ASLEEP))
    }
}

/// Memory with one owner at a time.
struct Plain<T>(UnsafeCell<T>);

impl<T: Default> Default for Plain<T> {
    fn default() -> Plain<T> {
        Plain(UnsafeCell::new(T::default()))
    }
}

impl<T> Plain<T> {
    /// # Safety
    /// The caller owns this memory, and the last owner's accesses happen before this one.
    unsafe fn replace(&self, value: T) -> T {
        self.0.with_mut(|place| {
            // SAFETY: the caller's promise.
            unsafe { place.replace(value) }
        })
    }

    /// # Safety
    /// As above.
    unsafe fn get(&self) -> T
    where
        T: Copy,
    {
        self.0.with_mut(|place| {
            // SAFETY: the caller's promise.
            unsafe { *place }
        })
    }
}

/// All slots of a pool.
pub(crate) struct Slots(Box<[CachePadded<Slot>]>);

// SAFETY: `Plain` is touched by its one owner only (see the module), runners may be sent, and the rest is
// atomic.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

impl Slots {
    /// `max` vacant slots, piled up with slot 0 on top, and the word that says so.
    pub(crate) fn new(max: u16, start: Position) -> (Slots, Word) {
        let slots = Slots((0..max).map(|_| CachePadded::default()).collect());
        let mut word = Word::new(State::Busy { waiting: 0, head: start });
        for number in (0..max).rev() {
            (word, _) = slots.prepare_push(&Held(number), word);
        }
        (slots, word)
    }

    pub(crate) fn max(&self) -> usize {
        self.0.len()
    }

    fn slot(&self, number: u16) -> &Slot {
        &self.0[usize::from(number)]
    }

    /// What the word becomes when its top slot is popped. Meaningless unless the CAS succeeds.
    pub(crate) fn popped(&self, word: Word, top: u16) -> Word {
        word.with_popped(self.beneath(top))
    }

    fn beneath(&self, top: u16) -> Beneath {
        // Relaxed [LINK]: written before the push that the word, loaded with Acquire, names (WORD-1).
        Beneath(self.slot(top).link.load(Ordering::Relaxed))
    }

    /// The right to slot `number`, whose next push will have another number than any before.
    ///
    /// # Safety
    /// Once for each time that a CAS of the caller has popped it (replaced `Idle(number)` by what `popped` gave for
    /// it), or that somebody has passed it on with [`Held::into_number`]; what he did before happens before.
    pub(crate) unsafe fn hold(&self, number: u16) -> Held {
        let push = &self.slot(number).push;
        // SAFETY: the slot is the caller's.
        let last = unsafe { push.get() };
        // SAFETY: as above.
        unsafe { push.replace(last.wrapping_add(1)) };
        Held(number)
    }

    /// Writes what `held` has to remember when it is pushed onto `word`; the new word, and whether every
    /// slot is then free.
    pub(crate) fn prepare_push(&self, held: &Held, word: Word) -> (Word, bool) {
        let slot = self.slot(held.0);
        let beneath = word.beneath(self.free(word));
        // Relaxed [LINK]: published by the CAS that pushes.
        slot.link.store(beneath.0, Ordering::Relaxed);
        // SAFETY: the slot is held.
        let push = unsafe { slot.push.get() };
        (word.with_pushed(held.0, push), usize::from(beneath.depth()) == self.max())
    }

    /// How many slots are free according to `word`. Meaningless unless the word is still the same.
    pub(crate) fn free(&self, word: Word) -> u16 {
        match word.state() {
            State::Busy { .. } => 0,
            State::Idle { top, .. } => self.beneath(top).depth(),
        }
    }

    /// How many are not free according to `word`. Meaningless unless the word is still the same.
    pub(crate) fn at_work(&self, word: Word) -> usize {
        self.max().saturating_sub(self.free(word).into())
    }

    /// Whether all of them are free according to `word`. Meaningless, as above.
    pub(crate) fn are_free(&self, word: Word) -> bool {
        usize::from(self.free(word)) == self.max()
    }

    /// Whether a thread lives in the slot.
    pub(crate) fn is_manned(&self, held: &Held) -> bool {
        // SAFETY: the slot is held.
        unsafe { self.manned(held.0) }
    }

    /// # Safety
    /// The caller owns slot `number`.
    unsafe fn manned(&self, number: u16) -> bool {
        // SAFETY: the slot is the caller's.
        unsafe { self.slot(number).manned.get() }
    }

    /// Whether the worker of slot `number` would have to be woken, or started. Only a guess by the time it is used.
    pub(crate) fn is_asleep(&self, number: u16) -> bool {
        // Relaxed: nothing is read through it.
        self.slot(number).mail.0.word().load(Ordering::Relaxed) == park::ASLEEP
    }

    /// Hands the slot and a job to the worker that lives in it.
    pub(crate) fn hand(&self, held: Held, job: Runner) {
        // SAFETY: the slot is held, and its last owner pushed it before.
        unsafe { self.mail(held.0, Some(job)) };
    }

    /// # Safety
    /// The caller owns slot `number`, and a thread lives in it.
    unsafe fn mail(&self, number: u16, job: Option<Runner>) {
        let slot = self.slot(number);
        // SAFETY: the caller's promise.
        let before = unsafe { slot.job.replace(job) };
        debug_assert!(before.is_none(), "slot {number} had mail");
        // Release [SIGNAL]: publishes the job, and hands the slot over with it.
        let before = slot.mail.0.word().swap(FULL, Ordering::Release);
        park::wake(&slot.mail.0, before);
    }

    /// The worker's wait in its pushed slot: the slot and the next job, or `None` when the pool is over.
    pub(crate) fn receive(&self, number: u16) -> Option<(Held, Runner)> {
        let slot = self.slot(number);
        // With no deadline it does not return before the mail is there.
        let _ = park::sleep_until(&slot.mail.0, Deadline::NEVER, |mail| mail == FULL);
        // Relaxed: nobody sends before this worker has pushed its slot again, and that publishes it.
        slot.mail.0.word().swap(0, Ordering::Relaxed);
        // SAFETY: FULL hands the slot over, and was seen with Acquire [SIGNAL].
        let job = unsafe { slot.job.replace(None) };
        job.map(|job| (Held(number), job))
    }

    /// Puts a first thread into a vacant slot: `start` is to start it, and the thread begins with
    /// [`first_job`](Slots::first_job). If that fails, the slot and the job come back with the error.
    pub(crate) fn man(
        &self,
        held: Held,
        job: Runner,
        start: impl FnOnce(u16) -> io::Result<JoinHandle<()>>,
    ) -> Result<(), (Held, Runner, io::Error)> {
        let slot = self.slot(held.0);
        // SAFETY: the slot is held.
        unsafe { slot.job.replace(Some(job)) };
        // SAFETY: the slot is held.
        unsafe { slot.manned.replace(true) };
        match start(held.0) {
            Ok(thread) => {
                // SAFETY: `thread` belongs to the submitter that found the slot vacant: this one.
                unsafe { slot.thread.replace(Some(thread)) };
                Ok(())
            }
            Err(error) => {
                // SAFETY: there is no thread, so the slot is still held.
                unsafe { slot.manned.replace(false) };
                // SAFETY: as above.
                let job = unsafe { slot.job.replace(None) };
                Err((held, job.expect("the job was put there above"), error))
            }
        }
    }

    /// A new thread's first job, and the right to its slot.
    ///
    /// # Safety
    /// To be called once, by the thread that `man` started for slot `number`.
    pub(crate) unsafe fn first_job(&self, number: u16) -> (Held, Runner) {
        // Relaxed: the slot is this thread's, and nobody sends mail before it has pushed it.
        self.slot(number).mail.0.word().swap(0, Ordering::Relaxed);
        // SAFETY: starting the thread handed the slot over.
        let job = unsafe { self.slot(number).job.replace(None) };
        (Held(number), job.expect("a thread is started for a job"))
    }

    /// Sends every worker home.
    ///
    /// # Safety
    /// The pool is closed and every slot is in the stack, which nobody pops any more; called once.
    pub(crate) unsafe fn dismiss(&self) {
        for number in (0..self.max()).map(|number| number as u16) {
            // SAFETY: nobody else pops, so all slots are the caller's.
            if unsafe { self.manned(number) } {
                // SAFETY: as above.
                unsafe { self.mail(number, None) };
            }
        }
    }

    /// Waits for every thread to end.
    ///
    /// # Safety
    /// No call that could start a thread is under way, or begins.
    pub(crate) unsafe fn join(&self) {
        for slot in &self.0 {
            // SAFETY: no submitter is left, so the handles are the caller's.
            if let Some(thread) = unsafe { slot.thread.replace(None) } {
                // A worker catches every panic of its tasks; one of its own is a defect, and is passed on.
                if let Err(payload) = thread.join() {
                    std::panic::resume_unwind(payload);
                }
            }
        }
    }
}

/// Vacant slots that the operating system gave no thread for, set aside while tasks wait: a second Treiber
/// stack, over a word of its own. The bit `short` in the main word says that somebody has to look here.
///
/// Its word is `tag:32 │ count:16 │ top:16`; `tag` grows with every push, as a protection against ABA.
pub(crate) struct Aside(AtomicU64);

impl Aside {
    pub(crate) fn new() -> Aside {
        Aside(AtomicU64::new(0))
    }

    /// How many slots lie here.
    pub(crate) fn count(&self) -> u16 {
        // Relaxed: who must not miss a slot has read the word that its owner changed after pushing it.
        (self.0.load(Ordering::Relaxed) >> 16) as u16
    }

    pub(crate) fn push(&self, slots: &Slots, held: Held) {
        // Relaxed: only a guess for the CAS; the link is stored before it.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            // Relaxed [ASIDE]: published by the CAS below.
            slots.slot(held.0).link.store(seen & 0xffff, Ordering::Relaxed);
            let tag = (seen >> 32).wrapping_add(1) << 32;
            let next = tag | ((seen & 0xffff_0000) + (1 << 16)) | u64::from(held.0);
            // Release [ASIDE]: publishes the slot. Relaxed on failure: a new guess.
            match self.0.compare_exchange_weak(seen, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    pub(crate) fn pop(&self, slots: &Slots) -> Option<Held> {
        loop {
            // Acquire [ASIDE]: pairs with the Release in `push`; the top slot's link is visible.
            let seen = self.0.load(Ordering::Acquire);
            if seen & 0xffff_0000 == 0 {
                return None;
            }
            let top = (seen & 0xffff) as u16;
            // Relaxed [ASIDE]: made visible by the load above; the tag tells whether it still counts.
            let link = slots.slot(top).link.load(Ordering::Relaxed);
            let next = (seen & !0xffff_ffff) | ((seen & 0xffff_0000) - (1 << 16)) | (link & 0xffff);
            // Relaxed: the slot came with the load above. As an RMW it keeps the release sequence whole.
            if self.0.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Some(Held(top));
            }
        }
    }
}
