//! Strangers: whether threads that are not the pool's want its cores.
//!
//! Giving way is the cheapest way to let a thread run that shares the core, and the dearest where that is a stranger with
//! work of its own: then it costs a time slice, ten thousand times as much. But one lost slice tells no stranger. A
//! submitter that need not wait, and the worker that serves it, keep their cores for a slice, too; the others of the
//! pool get theirs back after it, and nothing is lost, since the pool was at work all the time.
//!
//! What tells strangers from friends is how giving way goes in the whole process. Beside strangers each thread takes one or
//! two cheap turns and loses a slice with the next; among friends dozens to thousands, even if some slices are lost in a
//! row and each by many threads. So all threads keep one [`BALANCE`], in which a slice that a thread loses weighs as much as
//! [`DEAR`] cheap turns. When [`IN_A_ROW`] slices have been lost before it came to nothing, there are strangers, and no
//! thread gives way for a hundred times as long as a slice. Then threads try anew, and the first slice that is lost, of
//! which each of them may lose its part, ends that. One percent is thus the most that giving way costs in the long run.
//!
//! docs/DECISIONS.md has the measurements.

use std::time::Duration;

use crate::sync::{Deadline, Ordering, Shared, milliseconds, yield_now};

/// Most of a time slice.
const SLICE: Duration = Duration::from_millis(2);

/// Cheap turns that weigh as much as a slice that one thread has lost.
const DEAR: u64 = 4;

/// From how many slices on there are strangers. Those that threads lose at the same time are one.
const IN_A_ROW: u64 = 10;

/// The most that is kept of the weight, so that strangers who have gone are soon forgotten.
const MOST: u64 = 4096;

/// In milliseconds, how long nobody gives way after a lost slice has shown that there are strangers.
const APART: u64 = 300;

/// The balance of the process. It is a guess and orders nothing, so all accesses are relaxed, and a change that another one
/// has overtaken is dropped.
static BALANCE: Shared = Shared::new(0);

/// Packed into 64 bits.
#[derive(Clone, Copy)]
struct Balance {
    /// The cheap turns by which the lost slices prevail.
    weight: u64,
    /// The slices in a row.
    row: u64,
    /// When the last one was lost, in milliseconds: 40 bits, enough for 34 years.
    last: u64,
}

impl Balance {
    fn now() -> (u64, Balance) {
        // Relaxed: see `BALANCE`.
        let bits = BALANCE.load(Ordering::Relaxed);
        (bits, Balance { weight: bits & 0xffff, row: bits >> 16 & 0xff, last: bits >> 24 })
    }

    fn replaces(self, old: u64) {
        let bits = self.last << 24 | self.row << 16 | self.weight;
        // Relaxed: see `BALANCE`.
        let _ = BALANCE.compare_exchange(old, bits, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// After a cheap turn.
    fn relieved(self) -> Balance {
        let weight = self.weight.saturating_sub(1);
        Balance { weight, row: if weight == 0 { 0 } else { self.row }, ..self }
    }

    /// After a thread has lost a slice, which is counted already if `known`.
    fn burdened(self, known: bool) -> Balance {
        let weight = (self.weight + DEAR).min(MOST);
        if known {
            return Balance { weight, ..self };
        }
        Balance { weight, row: (self.row + 1).min(IN_A_ROW), last: milliseconds() }
    }
}

/// Whether giving way has cost too much lately. Never blocks.
pub(crate) fn are_there() -> bool {
    let (_, balance) = Balance::now();
    balance.row >= IN_A_ROW && milliseconds().saturating_sub(balance.last) < APART
}

/// Gives way once, and enters what it has cost into the balance.
pub(crate) fn give_way() {
    let (_, before) = Balance::now();
    let slice = Deadline::after(SLICE);
    yield_now();
    let (bits, balance) = Balance::now();
    if slice.has_passed() {
        balance.burdened(balance.last != before.last).replaces(bits);
    } else if balance.weight > 0 {
        balance.relieved().replaces(bits);
    }
}
