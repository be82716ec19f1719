//! Tasks that keep a core busy for a given time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// A fixed number of steps, so that a task which loses its core in between does not get shorter by it, as one
/// that watches the clock would.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    steps: usize,
}

impl Work {
    /// Finds out how many steps take `micros` microseconds. The quickest of many tries tells: the others were
    /// disturbed.
    pub(crate) fn of_micros(micros: usize) -> Work {
        let sample = Work { steps: 10_000 };
        let time = || {
            let start = Instant::now();
            black_box(sample.run());
            start.elapsed()
        };
        let quickest = (0..50).map(|_| time()).min().unwrap_or_default().max(Duration::from_nanos(1));
        let steps = sample.steps as f64 * micros as f64 * 1e3 / quickest.as_nanos() as f64;
        Work { steps: steps.round() as usize }
    }

    /// Each step needs the one before it, so the length does not depend on how many the core can overlap. Never inlined: the
    /// loop that was timed is the very one that every task runs, wherever it lies in its cache lines.
    #[inline(never)]
    pub(crate) fn run(self) -> usize {
        (0..self.steps).fold(1, |x: usize, _| black_box(x.wrapping_mul(3)))
    }
}
