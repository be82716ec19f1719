//! The FIFO of waiting tasks: a ring of cells addressed by the positions that the word counts.
//!
//! A submitter that has to wait takes a *seat*, which holds its task, and then writes its seat into the cell
//! of the position at the tail. Only then is the position counted in the word, by that submitter or by the
//! next one, whichever comes first: so a submitter stopped between the two steps holds nobody back, and
//! **RING-1**: a counted position was installed (or is a hole, see below) when it was counted.
//!
//! A cell holds `position:32 │ seat + 1:32`, the second half 0 for none. For position `p`:
//!
//! | cell | means | becomes |
//! |---|---|---|
//! | an older position, no seat | free for `p` | `(p, seat)` by the submitter that installs |
//! | `(p, seat)` | live | `(p, -)` by the worker that took `p` from the word: the task is claimed |
//! | | | `(p, -)` by its submitter: withdrawn |
//! | `(p, -)` | over: claimed, withdrawn or closed; a *hole* if it is counted all the same | the next lap's |
//! | an older position with a seat | the worker that took that position has been stopped for a whole lap | claimed by the worker that takes `p`, in the other's stead |
//!
//! **RING-2**: the head is moved past a position by a sweeper only if the cell is over, and by a worker that then
//! closes it by RMW. So a cell is never installed behind the head, and a submitter that finds its
//! position passed knows that a worker has it or is about to. **RING-3**: a cell holds a seat for the same
//! position once at most, so an entry read twice is the same entry, with the same task in its seat.
//!
//! Who may touch what: a seat belongs to the submitter that sits in it, from `sit` to `leave`. A worker reads
//! the task out of it before the CAS on the cell, and the CAS succeeds only if the submitter still sat there.
//!
//! Its precursors: P. Tsigas and Y. Zhang's non-blocking array queue (2001) for the helped tail, here with
//! full positions instead of two kinds of null.

use std::ptr::{self, NonNull};

use crate::{
    arena::Arena,
    cell::Header,
    sync::{AtomicPtr, AtomicU64, Ordering, ROOM},
    task::Runner,
    word::Position,
};

/// Cells in the ring: more than can be counted, so that counted positions and the tail have a cell each.
pub(crate) const LAP: u32 = ROOM as u32 + 1;

/// Positions start one lap in, so that the cells, all zero at first, are older than any of them.
pub(crate) const START: Position = Position(LAP);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    fn new(position: Position, seat: Option<u32>) -> Entry {
        Entry(u64::from(position.0) << 32 | seat.map_or(0, |seat| u64::from(seat) + 1))
    }

    fn position(self) -> Position {
        Position((self.0 >> 32) as u32)
    }

    fn seat(self) -> Option<u32> {
        (self.0 as u32).checked_sub(1)
    }
}

#[derive(Default)]
struct Cell(AtomicU64);

struct Chair(AtomicPtr<Header>);

impl Default for Chair {
    fn default() -> Chair {
        Chair(AtomicPtr::new(ptr::null_mut()))
    }
}

/// A submitter's seat, with its task in it. To be given up with [`Queue::leave`].
#[must_use]
pub(crate) struct Seat(u32);

/// The ring and the seats.
pub(crate) struct Queue {
    cells: Arena<Cell>,
    chairs: Arena<Chair>,
}

impl Queue {
    /// An empty queue; it allocates when it is first used.
    pub(crate) fn new() -> Queue {
        Queue { cells: Arena::new(), chairs: Arena::new() }
    }

    fn cell(&self, position: Position) -> &AtomicU64 {
        &self.cells.get((position.0 % LAP) as usize).0
    }

    fn chair(&self, seat: u32) -> &AtomicPtr<Header> {
        &self.chairs.get(seat as usize).0
    }

    /// Sits down with `task`, in the first seat that is free.
    pub(crate) fn sit(&self, task: Runner) -> Seat {
        let task = task.into_raw().as_ptr();
        let mut seat = 0;
        loop {
            // Relaxed: the task is published with the cell, and nothing of the former tenant's is read. On
            // failure the next seat is tried.
            let free = self.chair(seat).compare_exchange(
                ptr::null_mut(),
                task,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if free.is_ok() {
                return Seat(seat);
            }
            seat += 1;
        }
    }

    /// Gets up from a seat whose task is somebody else's by now.
    pub(crate) fn leave(&self, seat: Seat) {
        // Relaxed: the worker that claimed the task read the seat before it admitted us, so it cannot see the
        // next tenant's task.
        self.chair(seat.0).swap(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Gets up and takes the task along.
    ///
    /// # Safety
    /// The seat is in no cell any more: `install` never took it, or `withdraw` got it back.
    pub(crate) unsafe fn leave_with_task(&self, seat: Seat) -> Runner {
        // Relaxed: the pointer is our own; a worker that read it fails at the cell.
        let task = self.chair(seat.0).swap(ptr::null_mut(), Ordering::Relaxed);
        let task = NonNull::new(task).expect("a seat holds a task");
        // SAFETY: it came from `into_raw` in `sit`, and no worker can claim it (the caller's promise).
        unsafe { Runner::from_raw(task) }
    }

    /// Writes `seat` into the cell of `position`, the tail; false if something is there already.
    pub(crate) fn install(&self, position: Position, seat: &Seat) -> bool {
        let cell = self.cell(position);
        // Relaxed: nothing is read through another's entry; and whoever takes the position that we count for it does so
        // after this load, so it finds that entry or a later one (coherence).
        let seen = Entry(cell.load(Ordering::Relaxed));
        if seen.seat().is_some() || !seen.position().is_before(position) {
            return false;
        }
        let entry = Entry::new(position, Some(seat.0));
        // Release [CELL]: publishes the task in the seat to the worker that claims it. Relaxed on failure: as above.
        cell.compare_exchange(seen.0, entry.0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Takes the submitter's own entry out again; false if a worker has claimed it.
    pub(crate) fn withdraw(&self, position: Position, seat: &Seat) -> bool {
        let live = Entry::new(position, Some(seat.0));
        let over = Entry::new(position, None);
        // Over, and not free again: a worker that has read this entry and the task in its seat would take a
        // second entry of the same look for the first (RING-3).
        // Relaxed: the entry is our own, and a worker that finds it gone reads nothing through it. On
        // failure the claim is learned from the task's state.
        self.cell(position).compare_exchange(live.0, over.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Claims the task at `position` and closes the cell; `None` if it is dead.
    ///
    /// # Safety
    /// The caller has taken `position` out of the word, and calls this once.
    pub(crate) unsafe fn claim(&self, position: Position) -> Option<Runner> {
        let cell = self.cell(position);
        let over = Entry::new(position, None);
        loop {
            // Acquire [CELL]: pairs with the Release in `install`; the task in the seat is visible.
            let seen = Entry(cell.load(Ordering::Acquire));
            if seen == over || position.is_before(seen.position()) {
                return None;
            }
            // Relaxed: made visible by the load above, and stable while the entry stands.
            let task = seen.seat().map(|seat| self.chair(seat).load(Ordering::Relaxed));
            // Relaxed: the entry is the one that the load has seen (RING-3). On failure: again.
            let closed = cell.compare_exchange(seen.0, over.0, Ordering::Relaxed, Ordering::Relaxed);
            if closed.is_ok() {
                let task = NonNull::new(task?).expect("a live entry's seat holds a task");
                // SAFETY: the entry stood until the CAS, so its submitter sat there with this task; no
                // other claim or withdrawal can succeed.
                return Some(unsafe { Runner::from_raw(task) });
            }
        }
    }

    /// Whether the entry at `position` was withdrawn (or claimed). Once so, it is so for as long as the head stands there.
    pub(crate) fn is_over(&self, position: Position) -> bool {
        // Relaxed: nothing is read through the entry, and (p, -) is final for p.
        self.cell(position).load(Ordering::Relaxed) == Entry::new(position, None).0
    }

    /// How many of the `counted` positions from `head` on are live.
    pub(crate) fn live(&self, head: Position, counted: u16) -> usize {
        (0..u32::from(counted))
            .map(|n| head.plus(n))
            // Relaxed: a snapshot for the eye.
            .filter(|&p| {
                let entry = Entry(self.cell(p).load(Ordering::Relaxed));
                entry.position() == p && entry.seat().is_some()
            })
            .count()
    }
}
