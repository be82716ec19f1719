//! The mixed programs of tests/support/mixed.rs, with the fuzzer's bytes instead of random numbers: each decision of a
//! submitter or a task takes the next bytes of the input. They run on real threads, so that the same input may go
//! another way; libFuzzer's coverage steers towards operations that reach more code. To run it, from the root of a
//! checkout, with a nightly toolchain: `cargo +nightly fuzz run programs`.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod helpers;
#[allow(dead_code, reason = "the tests that report use more of it")]
#[path = "../../tests/support/mixed.rs"]
mod mixed;
mod under_test {
    pub(crate) use admit::{JoinHandle, Pool, TrySpawnError};
}

/// The tests' helpers, with other dice.
mod support {
    pub(crate) use crate::helpers::*;

    use std::sync::{Arc, Mutex};

    /// libFuzzer watches for itself; a thread of ours that is just ending would look like a leak. What remains to be
    /// done is to keep planned panics from ending the process.
    pub(crate) fn watch_over(_: String) {
        drop(quietly(|| ()));
    }

    pub(crate) static INPUT: Mutex<Option<Arc<[u8]>>> = Mutex::new(None);

    /// Reads numbers from the input.
    pub(crate) struct Dice {
        input: Arc<[u8]>,
        next: usize,
    }

    impl Dice {
        /// Begins at a place of the input that `seed` chooses.
        pub(crate) fn new(seed: usize) -> Dice {
            let input = INPUT.lock().unwrap().clone().expect("the input is there");
            Dice { next: seed % input.len(), input }
        }

        pub(crate) fn below(&mut self, n: usize) -> usize {
            let mut number = 0;
            let mut left = n - 1;
            while left > 0 {
                number = number << 8 | usize::from(self.input[self.next]);
                self.next = (self.next + 1) % self.input.len();
                left >>= 8;
            }
            number % n
        }
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("/proc is mounted").count()
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if !input.is_empty() {
        *support::INPUT.lock().unwrap() = Some(input.into());
        let settings = mixed::Settings { operations: 12, ..mixed::Settings::new() };
        let before = threads();
        mixed::run(&settings.into(), 0, 0);
        helpers::eventually("no thread is left", || threads() <= before);
    }
});
