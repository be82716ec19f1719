//! The loom models. They run the crate's own source files, compiled into this crate by path.
//!
//! `canary` shows that the models see what they must; `parts` takes each module alone, to the end where that ends soon; `whole`
//! takes the pool, and `programs` small random programs on it, within a bound. `check` is how every model is run;
//! `poison` makes memory useless once it is freed.
#![cfg(any(loom, shuttle))]

#[path = "../tests/support/internals.rs"]
mod internals;
use internals::*;

#[path = "../tests/support/evidence.rs"]
mod evidence;

mod canary;
mod check;
mod parts;
mod poison;
mod programs;
mod whole;
