//! Looking before sleeping: how long a thread watches for an answer before it pays for a sleep and a wake-up.
//!
//! A wake-up costs its maker 2.5 µs, and its sleeper up to 50 µs where a core has to be woken; an answer from a
//! thread that runs already is there within 0.1 to 1 µs, as near as the cores are. So a thread whose answer is not there yet
//! looks first, in three steps:
//!
//! 1. A few **bare** looks, if there is a second core, for answers from threads that run.
//! 2. **Turns**: it gives way before each look, so that the thread it waits for can have this very core, for which
//!    a sleep and a wake-up would pay too much. How many turns is for each thread to find out ([`Eagerness`]):
//!    twice as many as the last answer took; half as many as before if none came, down to none.
//! 3. It sleeps. If that is over sooner than the most turns would have been, some would have been the better choice, and it takes a
//!    few the next time.
//!
//! Who looked in vain has little hope the next time, and leaves out what only hope can pay for: of the bare looks, if no
//! answer came during them; of the turns, if it slept. But two threads that both sleep would never learn how near they
//! are; so after the 1st, 2nd, 4th, 8th ... time in vain a thread hopes again, and takes as many turns as it ever does, for about
//! as long as the dearest wake-up.
//!
//! Where strangers want the cores, giving way costs a time slice (module `strangers`). A sleep costs less than that; so
//! turns are bare looks there, and only a few of them, whatever has been learned, since others want the core.
//!
//! Turns serve two threads on one core so well that they hide an idle core: the scheduler places a thread that wakes up, and
//! hardly ever one that gives way. So after some hundreds of turns a thread sleeps although it could hope for more, and
//! hopes for bare looks again wherever it wakes up.
//!
//! docs/BENCHMARKS.md has the curves that chose the numbers, docs/DECISIONS.md what was tried before.

use std::{cell::Cell, time::Duration};

use crate::{
    strangers,
    sync::{Deadline, EXPLORED, cores, glances, spin_loop, thread_local},
};

/// Whether to look for as long as it pays. Where schedules are explored each look is one schedule more, and all after the
/// first find nothing new.
pub(crate) const LOOKING: bool = !EXPLORED;

/// Bare looks before the first turn: 1.6 µs where one takes 27 ns.
const BARE: Looks = Looks { most: 60, pauses: 1 };

/// The most turns of one wait.
const TURNS: u32 = 150;

/// About how long one takes.
const A_TURN: Duration = Duration::from_nanos(400);

/// Turns after which a thread sleeps rather than take more, if there is a second core: half a percent more for a task of a microsecond, 2 % for one of five.
const STINT: u32 = 256;

/// Bare looks instead of giving way once: about as long.
const INSTEAD: Looks = Looks { most: 15, pauses: 1 };

/// A few turns, about as long as the system calls that an answer spares: what a new thread begins with, what a short sleep teaches,
/// and the most where turns are bare looks.
const FEW: u32 = 20;

/// What a short sleep teaches there. Of the waits that take bare turns one in five is answered, after two to five of them.
const FEWER: u32 = 6;

/// Bare looks of a submitter for a worker that comes back, 11 µs: for as long as one takes to wake up and run a short task. If
/// none comes the tasks are long, and worth one more thread at work. Where others want the core, no longer than waking it costs.
/// They are far apart because a worker comes back by writing to what is looked at, and each look takes that from its core.
const RETURN: Looks = Looks { most: 130, pauses: 3 };
const RETURN_APART: Looks = Looks { most: 33, ..RETURN };

/// How many looks for a worker in vain cost no hope yet: as many as may pass while the first workers wake up; and fewer where
/// others want the core.
const PATIENCE: u32 = 8;
const PATIENCE_APART: u32 = 2;

/// On a single core, how many workers are to have a task before a submitter gives way rather than wake one more. The more have,
/// the fewer times it gives way for each; the fewer, the sooner the first of them runs.
const CROWD: usize = 8;

/// Looks until `seen` holds, or for as long as it pays; whether it held.
pub(crate) fn for_an_answer(seen: impl Fn() -> bool) -> bool {
    if !LOOKING {
        return glances() && seen();
    }
    // What is there already costs nothing, and tells nothing of the answers that are waited for.
    seen() || BARES.with(|own| watch_in_hope(own, 0, BARE, &seen)) || take_turns(&seen)
}

// Apart, so that the quick way stays short.
#[cold]
#[inline(never)]
fn take_turns(seen: &impl Fn() -> bool) -> bool {
    EAGERNESS.with(|own| {
        let mut eagerness = own.get();
        let answered = if eagerness.stint < STINT || cores() == 1 {
            eagerness.look(seen)
        } else {
            eagerness.stint = 0;
            BARES.with(|own| own.set(InVain(0)));
            false
        };
        own.set(eagerness);
        answered
    })
}

/// A sleep, from its beginning until the answer is there.
pub(crate) struct Sleep {
    /// If it is over before that, the most turns would have been longer.
    long: Option<Deadline>,
}

impl Sleep {
    pub(crate) fn begin() -> Sleep {
        Sleep { long: LOOKING.then(|| Deadline::after(A_TURN * most())) }
    }

    pub(crate) fn end(self) {
        if self.long.is_some_and(|long| !long.has_passed()) {
            EAGERNESS.with(|own| own.set(own.get().taught()));
        }
    }
}

/// Looks until `seen` holds, or about as long as it takes to wake a thread, unless a worker is `there` already. That is an
/// answer, too: whoever has woken one worker after the other looks again. Gives way only on a single core, once enough are
/// `at_work`: where there are more cores, tasks would take turns that could run at once.
pub(crate) fn for_a_worker(there: bool, at_work: usize, seen: impl Fn() -> bool) {
    if there {
        RETURNS.with(|own| own.set(InVain(0)));
    } else if cores() > 1 {
        let (patience, looks) =
            if strangers::are_there() { (PATIENCE_APART, RETURN_APART) } else { (PATIENCE, RETURN) };
        RETURNS.with(|own| watch_in_hope(own, patience, looks, &seen));
    } else if at_work >= CROWD {
        turn(&seen);
    }
}

/// Bare looks, if `in_vain` leaves hope; whether `seen` held.
fn watch_in_hope(in_vain: &Cell<InVain>, patience: u32, looks: Looks, seen: &impl Fn() -> bool) -> bool {
    let answered = in_vain.get().hopes(patience) && looks.answered(seen);
    in_vain.set(in_vain.get().and(answered));
    answered
}

thread_local! {
    // loom's macro knows no `const` initialisers.
    /// Bare looks.
    #[allow(clippy::missing_const_for_thread_local)]
    static BARES: Cell<InVain> = Cell::new(InVain(0));

    /// Turns.
    #[allow(clippy::missing_const_for_thread_local)]
    static EAGERNESS: Cell<Eagerness> =
        Cell::new(Eagerness { turns: FEW, stint: 0, in_vain: InVain(0) });

    /// Looks for a worker that comes back.
    #[allow(clippy::missing_const_for_thread_local)]
    static RETURNS: Cell<InVain> = Cell::new(InVain(0));
}

/// Bare looks of one kind.
#[derive(Clone, Copy)]
struct Looks {
    most: u32,
    /// Before each, since the last one has just found nothing.
    pauses: u32,
}

impl Looks {
    /// Whether `seen` held at one of them. None are taken on a single core, where nobody could answer meanwhile.
    fn answered(self, seen: &impl Fn() -> bool) -> bool {
        let most = if cores() > 1 { self.most } else { 0 };
        (0..most).any(|_| {
            (0..self.pauses).for_each(|_| spin_loop());
            seen()
        })
    }
}

/// How many looks of one kind were in vain since the last answer to them.
#[derive(Clone, Copy)]
struct InVain(u32);

impl InVain {
    fn hopes(self, patience: u32) -> bool {
        self.0 <= patience || self.0.is_power_of_two()
    }

    /// After one more.
    fn and(self, answered: bool) -> InVain {
        if answered { InVain(0) } else { InVain(self.0.wrapping_add(1)) }
    }
}

/// How many turns one thread takes before it sleeps.
#[derive(Clone, Copy)]
struct Eagerness {
    turns: u32,
    /// Turns since it last slept.
    stint: u32,
    in_vain: InVain,
}

impl Eagerness {
    /// Takes its turns; whether there was an answer.
    fn look(&mut self, seen: &impl Fn() -> bool) -> bool {
        let most = most();
        let despite = self.in_vain.0 > 0 && self.in_vain.hopes(0);
        let turns = if despite { most } else { self.turns.min(most) };
        let taken = (1..=turns).find(|_| turn(seen));
        self.turns = taken.map_or(self.turns / 2, |taken| (2 * taken + 1).min(TURNS));
        self.stint = taken.map_or(0, |taken| self.stint.saturating_add(taken));
        self.in_vain = self.in_vain.and(taken.is_some());
        taken.is_some()
    }

    /// After a short sleep.
    fn taught(self) -> Eagerness {
        if strangers::are_there() {
            Eagerness { turns: self.turns.max(FEWER), ..self }
        } else {
            Eagerness { turns: self.turns.max(FEW), in_vain: InVain(0), ..self }
        }
    }
}

/// The most turns of one wait.
fn most() -> u32 {
    if strangers::are_there() { FEW } else { TURNS }
}

/// Gives way once, or looks for about as long; whether `seen` holds then.
fn turn(seen: &impl Fn() -> bool) -> bool {
    if strangers::are_there() {
        return INSTEAD.answered(seen);
    }
    strangers::give_way();
    seen()
}
