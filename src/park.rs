//! Sleeping and waking, for threads of ours and of the user's alike: never `std::thread::park`, whose token
//! belongs to the user.
//!
//! Two shapes. A word with one sleeper ([`sleep_until`], [`wake`]): the sleeper sets the bit [`ASLEEP`] in
//! the very word whose change it waits for, by CAS, so a waker's RMW on that word either comes first and is
//! seen, or sees the bit. A crowd ([`Event`]): the sleepers take a ticket, look at what they wait for, and
//! sleep unless the ticket is stale; the waker changes what they look at and then makes the ticket stale.
//!
//! Before it sleeps a thread looks at its word for a while ([`crate::look`]).

use crate::{
    look::{self, Sleep},
    sync::{Deadline, Futex, Ordering},
};

/// Set in a futex word while its one sleeper sleeps, or is about to.
pub(crate) const ASLEEP: u32 = 1;

/// Sleeps until the word satisfies `done`; `None` when the deadline passes first. One sleeper at a time. `done` does not
/// hold of 0; where it holds, it does so until the sleeper itself changes the word.
pub(crate) fn sleep_until(futex: &Futex, deadline: Deadline, done: impl Fn(u32) -> bool) -> Option<u32> {
    // Relaxed: it is loaded again below.
    if look::for_an_answer(|| done(futex.word().load(Ordering::Relaxed))) {
        // Acquire [SIGNAL]: pairs with the waker's Release RMW; what it wrote before is visible.
        return Some(futex.word().load(Ordering::Acquire));
    }
    // A guess; the word itself comes with the first CAS that fails.
    let mut value = 0;
    debug_assert!(!done(value), "a word that is 0 has an answer");
    let sleep = Sleep::begin();
    loop {
        // Relaxed: the bit carries no data; being an RMW it keeps the word's release sequences whole. Acquire [SIGNAL] on
        // failure: as above.
        match futex.word().compare_exchange(value, value | ASLEEP, Ordering::Relaxed, Ordering::Acquire) {
            Err(now) if done(now) => {
                sleep.end();
                return Some(now);
            }
            Err(now) => value = now,
            Ok(_) if futex.sleep(value | ASLEEP, deadline) => {}
            Ok(_) => {
                // Relaxed: as above. An answer at the last moment is for the caller to find.
                futex.word().fetch_and(!ASLEEP, Ordering::Relaxed);
                return None;
            }
        }
    }
}

/// Wakes the sleeper of `futex` if `before`, the value that the waker's RMW replaced, says that there is one.
pub(crate) fn wake(futex: &Futex, before: u32) {
    if before & ASLEEP != 0 {
        futex.wake_one();
    }
}

/// A crowd of sleepers, woken all at once (an event count).
pub(crate) struct Event(Futex);

impl Event {
    pub(crate) fn new() -> Event {
        Event(Futex::new(0))
    }

    /// A ticket. To be taken before looking at what one waits for.
    pub(crate) fn listen(&self) -> u32 {
        // Acquire [EVENT]: pairs with the Release in `notify_all`; whoever reads a new ticket also sees the
        // change that made the old ones stale.
        self.0.word().load(Ordering::Acquire)
    }

    /// Sleeps unless `ticket` is stale; may return for no reason. False when the deadline has passed.
    pub(crate) fn sleep(&self, ticket: u32, deadline: Deadline) -> bool {
        self.0.sleep(ticket, deadline)
    }

    /// Makes all tickets stale and wakes their sleepers. To be called after the change.
    pub(crate) fn notify_all(&self) {
        // Release [EVENT]: the change made before is visible to whoever reads the new ticket.
        self.0.word().fetch_add(1, Ordering::Release);
        self.0.wake_all();
    }
}
