//! The word: everything that has to be agreed on, packed into 64 bits.
//!
//! ```text
//!  63        32 31     20 19      18        17       16     15       0
//! │   stamp    │  wave   │ short │ watched │ closed │ mode │  value   │
//! ```
//!
//! | mode | meaning | value | stamp |
//! |---|---|---|---|
//! | `Idle` | a slot is free, so nothing waits | the top slot of the stack | the number of that push of it |
//! | `Busy` | no slot is free | how many ring positions are counted | the first of them, the *head* |
//!
//! An idle slot and a waiting task at once cannot be written down: that is why nobody barges in. Mode, value
//! and stamp together are the [`State`]; a pushed slot remembers the state it was pushed onto, and popping it
//! brings exactly that state back, so the positions of the ring stand still while the pool is idle.
//!
//! | transition | from | to | who |
//! |---|---|---|---|
//! | [`with_popped`](Word::with_popped) | `Idle(t)` | what lies beneath `t` | a submitter: its task is admitted |
//! | [`with_pushed`](Word::with_pushed) | `Idle`, `Busy(0)` | `Idle(s)` | the owner of slot `s` |
//! | [`with_counted`](Word::with_counted) | `Busy(n)` | `Busy(n + 1)` | a submitter, for itself or helping another |
//! | [`with_taken`](Word::with_taken) | `Busy(n > 0)` | `Busy(n - 1)`, next head | a finishing worker; a sweeper of dead entries |
//!
//! Invariants: **WORD-1** the state `Idle(t, stamp)` names one push of `t`, so whatever was written beside `t`
//! before that push is what a successful CAS from it has read; **WORD-2** head and tail (`head + n`) never
//! move back, and move only while `Busy`.
//!
//! Widths, and what a field's wrapping would take. *Stamp* (32 bits): to be fooled, a thread must be stopped
//! between its load and its CAS while one slot is taken exactly 2³² times, 71 minutes at a million a second
//! (for a ring position, 2³¹ to 2³² blocked submissions). *Wave* (12 bits): a waiter must be kept from
//! running while exactly 4096 watched quiescences, or a multiple, pass; it then sleeps until the next one.
//! *Value* (16 bits): 65,535 slots, 65,535 counted positions.
//!
//! There are no atomics in this file; the word lives in [`crate::admission`], what is beneath in [`crate::slots`].

use core::fmt;

const VALUE_BITS: u32 = 16;
const WAVE_BITS: u32 = 12;
const VALUE_MASK: u64 = (1 << VALUE_BITS) - 1;
const MODE_IDLE: u64 = 1 << 16;
const CLOSED: u64 = 1 << 17;
const WATCHED: u64 = 1 << 18;
const SHORT: u64 = 1 << 19;
const WAVE_SHIFT: u32 = 20;
const ONE_WAVE: u64 = 1 << WAVE_SHIFT;
const WAVE_MASK: u64 = ((1 << WAVE_BITS) - 1) << WAVE_SHIFT;
const STAMP_SHIFT: u32 = 32;
const STAMP_MASK: u64 = u64::MAX << STAMP_SHIFT;
const STATE_MASK: u64 = STAMP_MASK | MODE_IDLE | VALUE_MASK;
const DEPTH_SHIFT: u32 = 16;

/// The largest slot number plus one, and the largest count of waiting positions.
pub(crate) const VALUE_MAX: u16 = u16::MAX;

/// A place in the ring of waiting tasks; compared as serial numbers, so that it may wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position(pub(crate) u32);

impl Position {
    /// Whether this position comes before `other`.
    pub(crate) fn is_before(self, other: Position) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// The position `n` places further on.
    pub(crate) fn plus(self, n: u32) -> Position {
        Position(self.0.wrapping_add(n))
    }
}

/// What the word says about slots and waiting tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Slot `top` is free; `push` numbers its pushes.
    Idle { top: u16, push: u32 },
    /// Nothing is free; the `waiting` positions from `head` on are counted.
    Busy { waiting: u16, head: Position },
}

impl State {
    fn encode(self) -> u64 {
        match self {
            State::Idle { top, push } => u64::from(push) << STAMP_SHIFT | MODE_IDLE | u64::from(top),
            State::Busy { waiting, head } => u64::from(head.0) << STAMP_SHIFT | u64::from(waiting),
        }
    }

    fn decode(bits: u64) -> State {
        let value = (bits & VALUE_MASK) as u16;
        let stamp = (bits >> STAMP_SHIFT) as u32;
        if bits & MODE_IDLE != 0 {
            State::Idle { top: value, push: stamp }
        } else {
            State::Busy { waiting: value, head: Position(stamp) }
        }
    }

    /// The position behind the last counted one, if the state is `Busy`.
    pub(crate) fn tail(self) -> Option<Position> {
        match self {
            State::Busy { waiting, head } => Some(head.plus(u32::from(waiting))),
            State::Idle { .. } => None,
        }
    }
}

/// What a pushed slot remembers: the state it was pushed onto, and its *depth*, how many slots are free while it
/// is on top. `stamp:32 │ depth:16 │ value:16`; the depth says the mode too, since only the lowest slot lies on `Busy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beneath(pub(crate) u64);

impl Beneath {
    /// How many slots are free while the one that remembers this is on top.
    pub(crate) fn depth(self) -> u16 {
        (self.0 >> DEPTH_SHIFT) as u16
    }
}

/// The packed word, a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// A word in `state` with every flag clear.
    pub(crate) fn new(state: State) -> Word {
        Word(state.encode())
    }

    /// Slots and waiting tasks, decoded.
    pub(crate) fn state(self) -> State {
        State::decode(self.0)
    }

    /// How many positions are counted.
    pub(crate) fn waiting(self) -> u16 {
        match self.state() {
            State::Busy { waiting, .. } => waiting,
            State::Idle { .. } => 0,
        }
    }

    /// Whether new tasks are refused.
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether somebody waits for quiescence.
    pub(crate) fn is_watched(self) -> bool {
        self.0 & WATCHED != 0
    }

    /// Whether slots are set aside for want of a thread.
    pub(crate) fn is_short(self) -> bool {
        self.0 & SHORT != 0
    }

    /// The number of watched quiescences so far, modulo 4096.
    pub(crate) fn wave(self) -> u64 {
        (self.0 & WAVE_MASK) >> WAVE_SHIFT
    }

    /// What a slot pushed now has to remember, if `free` are free without it.
    pub(crate) fn beneath(self, free: u16) -> Beneath {
        // Wraps only if `free` was read beside another push; then the CAS from this word fails.
        let depth = u64::from(free.wrapping_add(1));
        Beneath(self.0 & (STAMP_MASK | VALUE_MASK) | depth << DEPTH_SHIFT)
    }

    fn with_state(self, state: State) -> Word {
        Word(self.0 & !STATE_MASK | state.encode())
    }

    /// The top slot is taken off; `beneath` is what it remembered.
    pub(crate) fn with_popped(self, beneath: Beneath) -> Word {
        assert!(matches!(self.state(), State::Idle { .. }), "pop from {self:?}");
        let mode = if beneath.depth() > 1 { MODE_IDLE } else { 0 };
        Word(self.0 & !STATE_MASK | beneath.0 & (STAMP_MASK | VALUE_MASK) | mode)
    }

    /// `slot` is put on top; `push` is the number of this push of it.
    pub(crate) fn with_pushed(self, slot: u16, push: u32) -> Word {
        assert!(self.waiting() == 0, "push onto {self:?}");
        self.with_state(State::Idle { top: slot, push })
    }

    /// The position at the tail is counted.
    pub(crate) fn with_counted(self) -> Word {
        match self.state() {
            State::Busy { waiting, head } if waiting < VALUE_MAX => {
                self.with_state(State::Busy { waiting: waiting + 1, head })
            }
            _ => panic!("count in {self:?}"),
        }
    }

    /// The position at the head is taken out of the count.
    pub(crate) fn with_taken(self) -> Word {
        match self.state() {
            State::Busy { waiting, head } if waiting > 0 => {
                self.with_state(State::Busy { waiting: waiting - 1, head: head.plus(1) })
            }
            _ => panic!("take from {self:?}"),
        }
    }

    /// New tasks are refused from here on.
    pub(crate) fn with_closed(self) -> Word {
        Word(self.0 | CLOSED)
    }

    /// Somebody waits for quiescence.
    pub(crate) fn with_watched(self) -> Word {
        Word(self.0 | WATCHED)
    }

    /// Every slot is free: whoever watched is answered by the change of the wave.
    pub(crate) fn with_quiescence(self) -> Word {
        if !self.is_watched() {
            return self;
        }
        let wave = self.0.wrapping_add(ONE_WAVE) & WAVE_MASK;
        Word(self.0 & !(WATCHED | WAVE_MASK) | wave)
    }

    /// Slots lie aside that no thread could be had for.
    pub(crate) fn with_short(self) -> Word {
        Word(self.0 | SHORT)
    }

    /// No slots lie aside any more: who makes this transition has seen so, and looks again afterwards.
    pub(crate) fn without_short(self) -> Word {
        Word(self.0 & !SHORT)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word")
            .field("state", &self.state())
            .field("closed", &self.is_closed())
            .field("watched", &self.is_watched())
            .field("short", &self.is_short())
            .field("wave", &self.wave())
            .finish()
    }
}
