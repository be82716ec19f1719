//! Settled details of building a pool: limits, names, and what an error says.

use crate::support::{Gate, message, quietly, watch};
use crate::{assert_has_all_permits, occupy};
use admit::Pool;
use std::thread;

#[test]
fn a_maximum_out_of_range_is_refused_by_name() {
    // Goal: REFUSE for `max`. Method: 0 and the first number too large, through both doors; the
    // text names the number and the limit.
    let _watch = watch();
    for max in [0, Pool::MAX + 1, usize::MAX] {
        let error = Pool::builder().max(max).build().unwrap_err().to_string();
        let panic = quietly(|| Pool::new(max)).unwrap_err();
        for text in [error.as_str(), message(&*panic)] {
            let has = |n: usize| numbers(text).any(|found| found == n.to_string());
            assert!(has(max) && has(Pool::MAX), "{text}");
        }
    }
}

/// The runs of digits in `text`.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty())
}

#[cfg_attr(miri, ignore = "65,535 slots are too many to interpret")]
#[test]
fn the_limits_are_as_wide_as_promised() {
    // Goal: the promised sizes. Method: the constants, and a pool of the largest size that runs a
    // task without having made more than one thread.
    let _watch = watch();
    const { assert!(Pool::MAX >= 16_383 && Pool::MAX_WAITING >= 65_535) };
    let pool = Pool::new(Pool::MAX);
    assert_eq!((pool.max(), pool.threads(), pool.running(), pool.waiting()), (Pool::MAX, 0, 0, 0));
    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
    assert_eq!((pool.threads(), pool.running()), (1, 0));
}

#[test]
fn the_default_maximum_is_the_available_parallelism() {
    // Goal: the default of `max`. Method: build without it.
    let _watch = watch();
    let parallelism = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(Pool::builder().build().unwrap().max(), parallelism);
}

#[test]
fn threads_are_named_by_their_number() {
    // Goal: `thread_name` is a prefix. Method: the names of two threads that run at once.
    let _watch = watch();
    let pool = Pool::builder().max(2).thread_name(String::from("worker")).build().unwrap();
    let gate = Gate::new();
    let name = || thread::current().name().map(str::to_owned);
    assert_eq!(pool.spawn(name).join().unwrap().as_deref(), Some("worker-0"));
    let busy = occupy(&pool, &gate);
    assert_eq!(pool.spawn(name).join().unwrap().as_deref(), Some("worker-1"));
    gate.open();
    busy.join().unwrap();
}

#[test]
fn a_nul_in_the_name_is_refused_by_name() {
    // Goal: REFUSE for `thread_name`. Method: NULs in all places; the text shows the name.
    let _watch = watch();
    for name in ["\0", "ab\0cd", "abcd\0"] {
        let error = Pool::builder().max(1).thread_name(name).build().unwrap_err().to_string();
        assert!(error.contains(&format!("{name:?}")) || error.contains(name), "{error}");
    }
}

#[test]
fn a_stack_size_is_given_to_the_threads() {
    // Goal: `stack_size` takes effect. Method: a task that needs far more than the default stack.
    #[inline(never)]
    fn deep(left: usize) -> u8 {
        let frame = std::hint::black_box([left as u8; 4096]);
        if left == 0 { frame[0] } else { deep(left - 1).wrapping_add(frame[left % 4096]) }
    }

    let _watch = watch();
    let pool = Pool::builder().max(1).stack_size(64 << 20).build().unwrap();
    pool.spawn(|| deep(4_000)).join().unwrap();
    assert_has_all_permits(&pool);
}
