//! What a submitter does: the short way on a pool with a parked worker, and the long one.

use std::io;

use crate::{
    admission::{Entry, Waited},
    error::{Refusal, TrySpawnError},
    handle::JoinHandle,
    slots::Held,
    sync::{Arc, Deadline, nap},
    task::{self, Joiner, Runner},
    worker::Crew,
};

/// How long a submitter waits on a full pool.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until then.
    Until(Deadline),
    /// For ever; but inside one of the pool's own tasks it runs the new one itself (NEST).
    Endless,
}

impl Patience {
    fn deadline(self) -> Deadline {
        match self {
            Patience::Until(deadline) => deadline,
            Patience::None | Patience::Endless => Deadline::NEVER,
        }
    }
}

/// How the long way ended.
enum Outcome {
    Admitted,
    /// The closure is the joiner's; the submitter starts over with this slot.
    Bounced(Held),
    /// To be run by the submitter, on the permit that it is running on.
    Inline(Runner),
    Refused(Refusal, Runner),
}

/// Submits `f`.
pub(crate) fn submit<F, T>(
    crew: &Arc<Crew>,
    f: F,
    patience: Patience,
) -> Result<JoinHandle<T>, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut f = f;
    let mut entry = crew.enter();
    loop {
        match (&entry, patience) {
            (Entry::Closed, _) => return Err(TrySpawnError::Closed(f)),
            (Entry::Full, Patience::None) => return Err(TrySpawnError::Full(f)),
            _ => {}
        }
        let (runner, joiner) = task::new(f);
        match admit(crew, entry, runner, &joiner, patience) {
            Outcome::Admitted => return Ok(JoinHandle::new(joiner)),
            Outcome::Inline(runner) => {
                runner.run().release();
                return Ok(JoinHandle::new(joiner));
            }
            Outcome::Refused(why, runner) => {
                // SAFETY: the two are the sides of the cell made above.
                let f = unsafe { task::reclaim(runner, joiner) };
                return Err(why.with(f));
            }
            Outcome::Bounced(held) => {
                entry = Entry::Slot(held);
                // SAFETY: the cell was made above, and it bounced.
                f = unsafe { joiner.take_back() };
            }
        }
    }
}

/// Sees `task` through until it is admitted or refused.
fn admit<T>(crew: &Arc<Crew>, entry: Entry, task: Runner, joiner: &Joiner<T>, patience: Patience) -> Outcome {
    let mut line = Line { crew, patience, refused: None, long: false };
    let mut entry = entry;
    let mut task = task;
    let outcome = loop {
        let step = match entry {
            Entry::Slot(held) => line.enter(held, task),
            Entry::Full => line.wait(task, joiner),
            Entry::Closed => Err(line.refuse(Refusal::Closed, task)),
        };
        match step {
            Ok(again) => task = again,
            Err(outcome) => break outcome,
        }
        entry = crew.admission.enter(line.refused.is_some());
    };
    // Who was bounced goes on with a slot, and settles when the call ends: not with that slot in hand.
    if line.long && !matches!(outcome, Outcome::Bounced(_)) {
        crew.see_to(crew.admission.settle());
        Crew::try_again(crew);
    }
    outcome
}

/// One submitter on the long way. Its steps give the task back to go on with, or say how it ended.
struct Line<'a> {
    crew: &'a Arc<Crew>,
    patience: Patience,
    /// What the operating system said when it refused a thread during this call. The task is admitted since then: it
    /// held a slot, and waits for a worker until there is none, even if the pool is closed meanwhile.
    refused: Option<io::Error>,
    /// More was done than to hand the task to a worker: slots may lie aside that nobody else puts back.
    long: bool,
}

impl Line<'_> {
    /// With a slot in hand.
    fn enter(&mut self, held: Held, task: Runner) -> Result<Runner, Outcome> {
        let admission = &self.crew.admission;
        if admission.slots.is_manned(&held) {
            admission.slots.hand(held, task);
            return Err(Outcome::Admitted);
        }
        self.long = true;
        let (held, task) = if self.refused.is_some() {
            (held, task)
        } else {
            match Crew::man(self.crew, held, task) {
                Ok(()) => return Err(Outcome::Admitted),
                Err((held, task, error)) => {
                    self.refused = Some(error);
                    (held, task)
                }
            }
        };
        // A task of the pool's own runs on a worker, though its maker may not have counted it yet.
        if self.crew.threads() > 0 || self.crew.is_own() {
            admission.put_aside(held);
            return Ok(task);
        }
        self.crew.surrender(held);
        Err(self.refuse(Refusal::Full, task))
    }

    /// On a full pool.
    fn wait<T>(&mut self, task: Runner, joiner: &Joiner<T>) -> Result<Runner, Outcome> {
        let admission = &self.crew.admission;
        self.long = true;
        match self.patience {
            Patience::None => return Err(self.refuse(Refusal::Full, task)),
            Patience::Endless if self.crew.is_own() => return Err(Outcome::Inline(task)),
            _ => {}
        }
        match admission.wait_in_line(task, joiner, self.patience.deadline(), self.refused.is_some()) {
            Waited::Admitted => Err(Outcome::Admitted),
            Waited::Bounced(held) => Err(Outcome::Bounced(held)),
            Waited::Changed(task) => Ok(task),
            Waited::TimedOut(task) => Err(Outcome::Refused(Refusal::Full, task)),
            Waited::NoRoom(task) => match self.patience {
                Patience::Endless => {
                    // More threads wait than most systems can have: not worth a wake-up of their own.
                    nap();
                    Ok(task)
                }
                _ => Err(Outcome::Refused(Refusal::Full, task)),
            },
        }
    }

    /// For want of a thread, if it was refused one, else for this reason.
    fn refuse(&mut self, otherwise: Refusal, task: Runner) -> Outcome {
        let why = self.refused.take().map_or(otherwise, Refusal::Os);
        Outcome::Refused(why, task)
    }
}
