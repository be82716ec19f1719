//! Panics: a task's becomes its result; one in a `Drop` that nobody is there to see harms nobody.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// How many panics of payloads that panic when dropped are followed before the last is forgotten.
const CHASE: usize = 16;

/// Runs `f` and catches its panic. A panic in the `Drop` of what `f` captured counts as one of `f`.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> thread::Result<T> {
    // Asserted: after a panic nothing of `f` is looked at again but the payload.
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`, and whatever its `Drop` panics with, and so on; a value that never comes to an end is
/// forgotten after a few rounds rather than let loose on a worker.
pub(crate) fn drop_quietly<T>(value: T) {
    let mut left = catch(move || drop(value));
    for _ in 0..CHASE {
        match left {
            Ok(()) => return,
            Err(payload) => left = catch(move || drop(payload)),
        }
    }
    mem::forget(left);
}
