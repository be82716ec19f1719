//! Strangers: whether threads that are not the pool's want its cores.
//!
//! Giving way is the cheapest way to let a thread run that shares the core, and the dearest where that is a stranger with
//! work of its own: then it costs a time slice, ten thousand times as much. But one lost slice tells no stranger. A
//! submitter that need not wait, and the worker that serves it, keep their cores for a slice, too; the others of the
//! pool get theirs back after it, and nothing is lost, since the pool was at work all the time.
//!
//! What tells strangers from friends is how giving way went in the whole process. On two cores hundreds to thousands of
//! cheap turns pass for each slice lost to a friend, with short bursts of fewer; 3 to 110 for each lost to a stranger. So all
//! threads keep one [`BALANCE`], in which a lost slice weighs as much as [`DEAR`] cheap turns of each core. However many
//! threads lose the same slice, it counts once.
//!
//! From [`MANY`] slices on there are strangers, and no thread gives way for a hundred times as long as a slice. Then
//! threads try anew, and the first slice that is lost, of which each of them may lose its part, ends that. One percent is
//! thus the most that giving way costs in the long run.
//!
//! docs/DECISIONS.md has the measurements.

use std::time::Duration;

use crate::sync::{Deadline, Ordering, Shared, cores, milliseconds, yield_now};

/// Most of a time slice.
const SLICE: Duration = Duration::from_millis(2);

/// Cheap turns of each core that weigh as much as a lost slice.
const DEAR: u64 = 64;

/// From how many such slices on there are strangers. Friends lose some in a row, too.
const MANY: u64 = 4;

/// How many are counted at most, so that strangers who have gone are soon forgotten.
const MOST: u64 = 8;

/// In milliseconds, how long nobody gives way after a lost slice has shown that there are strangers.
const APART: u64 = 300;

/// The balance of the process. It is a guess and orders nothing, so all accesses are relaxed, and a change that another one
/// has overtaken is dropped.
static BALANCE: Shared = Shared::new(0);

/// When the last slice was lost, in milliseconds; below that, in [`Balance::BITS`], by how many cheap turns lost slices prevail.
#[derive(Clone, Copy)]
struct Balance(u64);

impl Balance {
    const BITS: u32 = 20;

    fn new(last: u64, weight: u64) -> Balance {
        Balance((last << Self::BITS) | weight)
    }

    fn now() -> Balance {
        // Relaxed: see `BALANCE`.
        Balance(BALANCE.load(Ordering::Relaxed))
    }

    fn last(self) -> u64 {
        self.0 >> Self::BITS
    }

    fn weight(self) -> u64 {
        self.0 & ((1 << Self::BITS) - 1)
    }

    fn becomes(self, other: Balance) {
        // Relaxed: see `BALANCE`.
        let _ = BALANCE.compare_exchange(self.0, other.0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What a lost slice weighs.
fn slice() -> u64 {
    DEAR * u64::from(cores().min(1024))
}

/// Whether giving way has cost too much lately. Never blocks.
pub(crate) fn are_there() -> bool {
    let balance = Balance::now();
    // A clock that was set back ends it, at worst.
    balance.weight() >= MANY * slice() && milliseconds().wrapping_sub(balance.last()) < APART
}

/// Gives way once, and enters what it has cost into the balance.
pub(crate) fn give_way() {
    let before = Balance::now();
    let slice_is_over = Deadline::after(SLICE);
    yield_now();
    let now = Balance::now();
    if !slice_is_over.has_passed() {
        if now.weight() > 0 {
            now.becomes(Balance::new(now.last(), now.weight() - 1));
        }
    } else if now.last() == before.last() {
        // Else the slice is counted: another thread has lost it as well.
        let weight = now.weight() + slice();
        now.becomes(Balance::new(milliseconds(), weight.min(MOST * slice())));
    }
}
