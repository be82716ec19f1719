#![cfg(not(loom))]
//! The face of the crate: auto traits, sizes, and what its types say of themselves.

mod support;

use admit::{BuildError, Builder, JoinHandle, Pool, TrySpawnError};
use std::cell::Cell;
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::mpsc::Sender;
use std::time::Duration;
use support::{Flag, Gate, eventually, quietly, watch};

/// A type with none of the traits that a public type might ask for; it can only be moved.
struct Bare;

impl Bare {
    fn consume(self) {}
}

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn is_static<T: 'static>() {}

#[test]
fn every_type_may_cross_threads() {
    // Goal: auto traits. Method: bounds, checked by the compiler; `Cell` is `Send` and not `Sync`.
    is_send::<Pool>();
    is_sync::<Pool>();
    is_send::<Builder>();
    is_sync::<Builder>();
    is_send::<BuildError>();
    is_sync::<BuildError>();
    is_send::<JoinHandle<Bare>>();
    is_sync::<JoinHandle<Bare>>();
    is_send::<JoinHandle<Cell<u8>>>();
    is_sync::<JoinHandle<Cell<u8>>>();
    is_send::<TrySpawnError<Bare>>();
    is_sync::<TrySpawnError<Bare>>();
    is_send::<TrySpawnError<Sender<u8>>>();
    is_static::<Builder>();
    is_static::<BuildError>();
}

#[test]
fn every_type_may_cross_a_panic() {
    // Goal: unwind safety. Method: bounds, checked by the compiler, and a pool used after a panic
    // was caught that had a shared reference to it.
    is_unwind_safe::<Pool>();
    is_unwind_safe::<Builder>();
    is_unwind_safe::<BuildError>();
    is_unwind_safe::<JoinHandle<u8>>();
    is_unwind_safe::<TrySpawnError<u8>>();

    let pool = Pool::new(1);
    let caught = std::panic::catch_unwind(|| {
        let handle = pool.spawn(|| 1);
        std::panic::resume_unwind(Box::new(handle));
    });
    let handle = caught.unwrap_err().downcast::<JoinHandle<i32>>().unwrap();
    assert_eq!(handle.join().unwrap(), 1);
    assert_eq!(pool.spawn(|| 2).join().unwrap(), 2);
}

#[test]
fn handles_and_errors_are_small() {
    // Goal: sizes. Method: a handle is one pointer with a niche; a refusal adds little to its
    // closure, so that it may be returned by value.
    let pointer = size_of::<usize>();
    assert_eq!(size_of::<JoinHandle<()>>(), pointer);
    assert_eq!(size_of::<JoinHandle<[u64; 100]>>(), pointer);
    assert_eq!(size_of::<Option<JoinHandle<u8>>>(), pointer);

    let empty: [u8; 0] = [];
    let closure = move || empty;
    assert_eq!(size_of_val(&closure), 0);
    assert!(size_of_refusal(&closure) <= 2 * pointer);
    assert!(size_of::<TrySpawnError<[usize; 8]>>() <= 10 * pointer);
    assert!(size_of::<BuildError>() <= 4 * pointer);
    assert!(size_of::<Pool>() <= 4 * pointer);
}

fn size_of_refusal<F>(_: &F) -> usize {
    size_of::<TrySpawnError<F>>()
}

#[test]
fn a_refusal_is_an_error_whatever_it_carries() {
    // Goal: Debug, Display and Error without bounds on the closure. Method: one of each kind with a
    // closure that has none of these, asked for its text, its reason and its closure.
    fn texts(error: &impl Error) -> [String; 2] {
        [format!("{error:?}"), error.to_string()].map(|text| text.to_lowercase())
    }

    let _watch = watch();
    let (pool, gate, bare) = (Pool::new(1), Gate::new(), Bare);
    let door = gate.clone();
    let busy = pool.spawn(move || door.pass());
    let full = pool.try_spawn(move || bare.consume()).unwrap_err();
    assert!(texts(&full).iter().all(|text| text.contains("full")), "{full:?}");
    gate.open();
    busy.join().unwrap();

    pool.close();
    let closed = pool.spawn_timeout(Duration::ZERO, full.into_inner()).unwrap_err();
    assert!(texts(&closed).iter().all(|text| text.contains("closed")), "{closed:?}");
    closed.into_inner()();

    let no_thread = Pool::builder().max(1).stack_size(usize::MAX / 4).build().unwrap();
    let os = no_thread.try_spawn(|| 1).unwrap_err();
    assert!(texts(&os)[0].contains("os"), "{os:?}");
    let TrySpawnError::Os(_, reason) = &os else { panic!("{os:?}") };
    assert!(os.to_string().contains(&reason.to_string()), "{os}");
    assert_eq!(os.into_inner()(), 1);

    let boxed: Box<dyn Error + Send + Sync> = Pool::builder().max(0).build().unwrap_err().into();
    assert!(boxed.to_string().contains('0'));
}

#[test]
fn a_refusal_may_leave_a_function_by_question_mark() {
    // Goal: both errors fit `Box<dyn Error + Send + Sync>`. Method: convert them with `?`.
    fn refused() -> Result<(), Box<dyn Error + Send + Sync>> {
        let pool = Pool::builder().max(1).build()?;
        pool.close();
        pool.try_spawn(|| ())?;
        Ok(())
    }
    assert!(refused().unwrap_err().to_string().contains("closed"));
}

#[test]
fn a_handle_shows_itself_whatever_it_brings() {
    // Goal: Debug of a handle without bounds on the value, and without a wait. Method: print it
    // while its task is held at a gate, and after.
    let _watch = watch();
    let (pool, gate) = (Pool::new(1), Gate::new());
    let door = gate.clone();
    let handle = pool.spawn(move || {
        door.pass();
        Bare
    });
    let running = format!("{handle:?}");
    assert!(running.contains("JoinHandle"), "{running}");
    gate.open();
    eventually("the task finishes", || handle.is_finished());
    assert_ne!(format!("{handle:?}"), running);
    drop(handle.join().map(|Bare| ()));
}

#[test]
fn a_pool_shows_its_counts_and_never_waits() {
    // Goal: Debug of the pool decodes one snapshot. Method: print it in states that can be told
    // apart, from outside and from a task on the full pool.
    let _watch = watch();
    let (pool, gate, runs) = (std::sync::Arc::new(Pool::new(7)), Gate::new(), Flag::new());
    assert_shows(&format!("{pool:?}"), [7, 0, 0]);
    let (door, started, own) = (gate.clone(), runs.clone(), pool.clone());
    let busy = pool.spawn(move || {
        let text = format!("{own:?}");
        started.raise();
        door.pass();
        text
    });
    runs.await_up("the task runs");
    assert_shows(&format!("{pool:?}"), [7, 1, 0]);
    gate.open();
    assert_shows(&busy.join().unwrap(), [7, 1, 0]);

    let (full, gate) = (Pool::new(1), Gate::new());
    let door = gate.clone();
    drop(full.spawn(move || door.pass()));
    std::thread::scope(|scope| {
        scope.spawn(|| drop(full.spawn(|| ())));
        eventually("a task waits", || full.waiting() == 1);
        assert_shows(&format!("{full:?}"), [1, 1, 1]);
        assert_shows(&format!("{full:#?}"), [1, 1, 1]);
        gate.open();
    });
    full.wait();
    full.close();
    assert!(format!("{full:?}").contains("closed"));
}

/// Asserts that `text` shows `max`, `running` and `waiting` with the given values.
#[track_caller]
fn assert_shows(text: &str, [max, running, waiting]: [usize; 3]) {
    for (name, value) in [("max", max), ("running", running), ("waiting", waiting)] {
        assert!(text.contains(&format!("{name}: {value}")), "{name}: {value} in {text}");
    }
}

#[test]
fn a_builder_may_be_kept_and_used_again() {
    // Goal: the builder is a value. Method: print it, and build from each order of calls.
    let builder = Pool::builder().thread_name("kept").stack_size(1 << 20).max(2);
    assert!(format!("{builder:?}").contains("kept"));
    let pool = builder.build().unwrap();
    assert_eq!(pool.max(), 2);
    assert_eq!(Pool::builder().max(5).max(3).build().unwrap().max(), 3);
    assert!(quietly(|| Pool::new(0)).is_err());
}
