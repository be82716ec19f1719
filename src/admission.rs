//! The protocol: the one atomic word, and every CAS loop over it.
//!
//! Each loop has the same shape: load the word, look up the pure transition in [`crate::word`], CAS. What the
//! threads do between these steps, and why nothing is lost, is in docs/PROTOCOL.md.
//!
//! **[WORD]**: the word is loaded with Acquire and changed by RMWs with Release (at least), never stored; so whoever
//! sees a word has all that was done before the transitions that led to it. A CAS that fails is Relaxed.
//! **WAIT**: the CAS that makes the last slot free changes the wave if somebody watches; a waiter has set `watched` by
//! a CAS of its own, so it cannot miss it. **SHORT**: whoever puts a slot aside sets `short` by an RMW after it; the
//! bit stays until somebody has found nothing aside, so whoever finds nothing waiting can put the slots back.

use crossbeam_utils::CachePadded;

use crate::{
    look::{self, LOOKING},
    park::Event,
    queue::{Queue, START, Seat},
    slots::{Aside, Held, Slots},
    sync::{AtomicU64, Deadline, Ordering, ROOM},
    task::{Answer, Joiner, Runner},
    word::{Position, State, Word},
};

/// What a submitter finds.
#[must_use]
pub(crate) enum Entry {
    /// A slot: the task is admitted.
    Slot(Held),
    /// No slot is free.
    Full,
    /// The pool was closed; for a submitter that is admitted, it is over.
    Closed,
}

/// What became of a slot that was given back.
#[must_use]
pub(crate) enum Given {
    /// It is free.
    Back,
    /// It is free, and slots lie aside that perhaps nothing waits for: the giver settles.
    Short,
    /// And with it the pool is closed and quiescent: the giver sends the workers home.
    Over,
    /// A task waits: the giver keeps the slot and claims the task at this position.
    On(Held, Position),
}

/// What became of a task that was to wait.
#[must_use]
pub(crate) enum Waited {
    /// A worker has it.
    Admitted,
    /// The pool is no longer full, or was closed: start over.
    Changed(Runner),
    /// The runner came back with a vacant slot; the closure is the joiner's: start over with it.
    Bounced(Held),
    /// The deadline has passed.
    TimedOut(Runner),
    /// As many positions are counted as can be.
    NoRoom(Runner),
}

/// Whether the pool was closed before the submitter came. Who is `admitted` has held a slot that it had no thread for.
fn is_late(word: Word, admitted: bool) -> bool {
    word.is_closed() && !admitted
}

/// The word, and what it decides about.
pub(crate) struct Admission {
    word: CachePadded<AtomicU64>,
    pub(crate) slots: Slots,
    queue: Queue,
    aside: Aside,
    quiescence: Event,
}

impl Admission {
    pub(crate) fn new(max: u16) -> Admission {
        let (slots, word) = Slots::new(max, START);
        Admission {
            word: CachePadded::new(AtomicU64::new(word.0)),
            slots,
            queue: Queue::new(),
            aside: Aside::new(),
            quiescence: Event::new(),
        }
    }

    fn load(&self) -> Word {
        // Acquire [WORD]: pairs with the Release half of every CAS below.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Replaces `from` by `to`, if the word is still `from`.
    fn change(&self, from: Word, to: Word) -> bool {
        // AcqRel [WORD]: Release publishes what the caller did (links written, results released, entries installed).
        // Acquire: where the same word has come back since it was loaded (`settle`), what was done meanwhile
        // is visible too. Relaxed on failure: every loop loads again.
        self.word.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Takes a free slot, if there is one. Never blocks. If its worker sleeps while others work, it looks first for a
    /// moment whether one of them comes back, which costs less than a wake-up.
    pub(crate) fn enter(&self, admitted: bool) -> Entry {
        let mut looked = false;
        loop {
            let word = self.load();
            if is_late(word, admitted) {
                return Entry::Closed;
            }
            let State::Idle { top, .. } = word.state() else {
                return Entry::Full;
            };
            if word.is_closed() && self.slots.are_free(word) {
                // A CAS even where nothing changes: it shows that the depth belongs to this word.
                if self.change(word, word) {
                    return Entry::Closed;
                }
            } else if LOOKING && !looked && self.slots.at_work(word) > 0 {
                looked = true;
                look::for_a_worker(!self.slots.is_asleep(top), self.slots.at_work(word), || {
                    self.load() != word
                });
            } else if self.change(word, self.slots.popped(word, top)) {
                // SAFETY: the CAS popped `top`.
                return Entry::Slot(unsafe { self.slots.hold(top) });
            }
        }
    }

    /// Gives a slot back, or on to the task at the head. Never blocks.
    pub(crate) fn give(&self, held: Held) -> Given {
        loop {
            let word = self.load();
            if let State::Busy { waiting: 1.., head } = word.state() {
                if self.change(word, word.with_taken()) {
                    return Given::On(held, head);
                }
            } else if let Some(given) = self.try_push(&held, word) {
                return given;
            }
        }
    }

    /// Pushes `held` onto `word`, in which nothing waits; `None` if the word has changed.
    fn try_push(&self, held: &Held, word: Word) -> Option<Given> {
        let (pushed, quiescent) = self.slots.prepare_push(held, word);
        let next = if quiescent { pushed.with_quiescence() } else { pushed };
        if !self.change(word, next) {
            return None;
        }
        if quiescent && word.is_watched() {
            self.quiescence.notify_all();
        }
        let given = if word.is_short() { Given::Short } else { Given::Back };
        Some(if quiescent && word.is_closed() { Given::Over } else { given })
    }

    /// Claims the task at a position that `give` handed out; `None` if it is dead.
    pub(crate) fn claim(&self, position: Position) -> Option<Runner> {
        // SAFETY: `give` took the position out of the word, for this caller alone.
        unsafe { self.queue.claim(position) }
    }

    /// Lets `task` wait for its turn, first come first served, until a worker has it.
    pub(crate) fn wait_in_line<T>(
        &self,
        task: Runner,
        joiner: &Joiner<T>,
        deadline: Deadline,
        admitted: bool,
    ) -> Waited {
        let seat = self.queue.sit(task);
        let Some(position) = self.install(&seat, admitted) else {
            // SAFETY: the seat was installed nowhere.
            let task = unsafe { self.queue.leave_with_task(seat) };
            let word = self.load();
            let full = word.waiting() == ROOM && !is_late(word, admitted);
            return if full { Waited::NoRoom(task) } else { Waited::Changed(task) };
        };
        if !self.count(position, admitted) && self.queue.withdraw(position, &seat) {
            // A helper may have counted it meanwhile.
            self.sweep();
            // SAFETY: the entry is withdrawn.
            return Waited::Changed(unsafe { self.queue.leave_with_task(seat) });
        }
        let mut answer = joiner.wait_for_admission(deadline);
        if let Answer::TimedOut = answer {
            if self.queue.withdraw(position, &seat) {
                self.sweep();
                // SAFETY: the entry is withdrawn.
                return Waited::TimedOut(unsafe { self.queue.leave_with_task(seat) });
            }
            // A worker has claimed it and says so.
            answer = joiner.wait_for_admission(Deadline::NEVER);
        }
        self.queue.leave(seat);
        match answer {
            // SAFETY: `surrender` hands the slot over with the bounce.
            Answer::Bounced(slot) => Waited::Bounced(unsafe { self.slots.hold(slot) }),
            Answer::Admitted | Answer::TimedOut => Waited::Admitted,
        }
    }

    /// Writes the seat at the tail; counts what others have written there. `None` if the pool is no longer
    /// full, or closed, or no more can be counted.
    fn install(&self, seat: &Seat, admitted: bool) -> Option<Position> {
        loop {
            let word = self.load();
            let tail = word.state().tail()?;
            if is_late(word, admitted) || word.waiting() == ROOM {
                return None;
            }
            if self.queue.install(tail, seat) {
                return Some(tail);
            }
            // Another's entry (or a hole) is at the tail: count it, in case its submitter is stopped.
            let _ = self.change(word, word.with_counted());
        }
    }

    /// Sees to it that `position`, just installed, is counted. False if it may not be: then the entry has to
    /// be withdrawn, and if that fails, somebody has counted it after all and a worker has it.
    fn count(&self, position: Position, admitted: bool) -> bool {
        loop {
            let word = self.load();
            let Some(tail) = word.state().tail() else {
                return false;
            };
            if position.is_before(tail) {
                return true;
            }
            if is_late(word, admitted) || word.waiting() == ROOM {
                return false;
            }
            if self.change(word, word.with_counted()) {
                return true;
            }
        }
    }

    /// Takes dead positions at the head out of the count.
    fn sweep(&self) {
        loop {
            let word = self.load();
            let State::Busy { waiting: 1.., head } = word.state() else {
                return;
            };
            if !self.queue.is_over(head) {
                return;
            }
            let _ = self.change(word, word.with_taken());
        }
    }

    /// Returns once every slot is free, at one moment after the call; false when the deadline passes first.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        let Some(wave) = self.watch() else {
            return true;
        };
        loop {
            let ticket = self.quiescence.listen();
            if self.load().wave() != wave {
                return true;
            }
            if !self.quiescence.sleep(ticket, deadline) {
                return self.load().wave() != wave;
            }
        }
    }

    /// Asks for word of the next quiescence, and says which wave it is; `None` if every slot is free now.
    fn watch(&self) -> Option<u64> {
        loop {
            let word = self.load();
            let quiescent = self.slots.are_free(word);
            let next = if quiescent { word } else { word.with_watched() };
            // A CAS even where nothing changes: it shows that the depth belongs to this word.
            if self.change(word, next) {
                return (!quiescent).then(|| word.wave());
            }
        }
    }

    /// Refuses new tasks. Whoever calls it first on a quiescent pool sends the workers home.
    pub(crate) fn close(&self) -> Given {
        loop {
            let word = self.load();
            if word.is_closed() {
                return Given::Back;
            }
            let quiescent = self.slots.are_free(word);
            if self.change(word, word.with_closed()) {
                return if quiescent { Given::Over } else { Given::Back };
            }
        }
    }

    /// Puts a vacant slot aside that no thread could be had for, so that its task can take a worker's slot, or wait
    /// for one. The caller calls [`settle`](Admission::settle) before it returns.
    pub(crate) fn put_aside(&self, vacant: Held) {
        self.aside.push(&self.slots, vacant);
        self.set_short();
    }

    /// Puts back what lies aside now, as long as nothing waits. What is put aside meanwhile is for those who do that to
    /// put back; or for the worker that finds nothing waiting any more. A worker does this when it has given its own
    /// slot back, and not before: a refused submitter that is in between then finds that one, which has a thread.
    pub(crate) fn settle(&self) -> Given {
        let mut left = 1 + u32::from(self.aside.count());
        while left > 0 {
            left -= 1;
            let word = self.load();
            if word.waiting() > 0 {
                if word.is_short() || self.aside.count() == 0 {
                    break;
                }
                self.set_short();
            } else if let Some(vacant) = self.aside.pop(&self.slots) {
                match self.put_back(vacant) {
                    Some(over @ Given::Over) => return over,
                    Some(_) => continue,
                    None => {}
                }
            } else if word.is_short() && self.change(word, word.without_short()) && self.aside.count() > 0 {
                // Something has come meanwhile.
                self.set_short();
            } else {
                break;
            }
            // `short` was set by this thread, which has to look again: perhaps nothing waits any more.
            left += 1;
        }
        Given::Back
    }

    /// A slot that lies aside while tasks wait, to try once more to get a thread for it.
    pub(crate) fn take_aside(&self) -> Option<Held> {
        let word = self.load();
        if word.is_short() && word.waiting() > 0 { self.aside.pop(&self.slots) } else { None }
    }

    /// Whether slots lie aside although nothing waits.
    pub(crate) fn has_idle_aside(&self) -> bool {
        let word = self.load();
        word.is_short() && word.waiting() == 0 && self.aside.count() > 0
    }

    fn set_short(&self) {
        loop {
            let word = self.load();
            // A CAS even where the bit is set: who clears it after this sees what lies aside.
            if self.change(word, word.with_short()) {
                return;
            }
        }
    }

    /// Pushes a vacant slot; or, while tasks wait, puts it aside again (`None`).
    fn put_back(&self, vacant: Held) -> Option<Given> {
        loop {
            let word = self.load();
            if word.waiting() > 0 {
                self.put_aside(vacant);
                return None;
            }
            if let Some(given) = self.try_push(&vacant, word) {
                return Some(given);
            }
        }
    }

    /// One snapshot, for the eye.
    pub(crate) fn snapshot(&self) -> Snapshot {
        loop {
            let word = self.load();
            let (waiting, free) = match word.state() {
                State::Busy { waiting, head } => (self.queue.live(head, waiting), 0),
                State::Idle { .. } => (0, self.slots.free(word).into()),
            };
            let aside = if word.is_short() { usize::from(self.aside.count()) } else { 0 };
            // A CAS, as in `watch`: the depth belongs to this word.
            if self.change(word, word) {
                let running = self.slots.max().saturating_sub(free + aside);
                return Snapshot { running, waiting, closed: word.is_closed() };
            }
        }
    }
}

/// What the word said at one moment, and which of the positions counted in it were live shortly before.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) closed: bool,
}
