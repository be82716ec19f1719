//! Planted faults, one for each kind that a sanitizer is run for: `.ci/sanitize` asks for them by name and fails if one
//! is not reported. Without a name nothing happens.
#![allow(clippy::undocumented_unsafe_blocks, reason = "they are wrong on purpose")]

use std::{cell::UnsafeCell, env, hint::black_box, mem, thread};

struct Shared(UnsafeCell<u64>);

// Not so: two threads write to it at once.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(0));

fn race() {
    let add = || unsafe { *SHARED.0.get() += 1 };
    let threads = [thread::spawn(add), thread::spawn(add)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn use_after_free() {
    let freed: *const u64 = black_box(&*Box::new(7));
    println!("{}", unsafe { freed.read_volatile() });
}

fn leak() {
    // In a thread of its own, whose stack and registers are gone at the end.
    let forget = || (0..100).for_each(|n| mem::forget(black_box(Box::new([n; 100]))));
    thread::spawn(forget).join().unwrap();
}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("race") => race(),
        Some("use-after-free") => use_after_free(),
        Some("leak") => leak(),
        _ => {}
    }
}
