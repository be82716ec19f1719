//! Small random programs of operations as models: two threads beside the workers, each with two or three operations
//! on one pool. proptest draws them, as it draws the larger ones of tests/programs.rs, but from a fixed seed: they are the
//! same in every run. `ADMIT_WIDE=1` takes more of them, `ADMIT_PROGRAM=11` that one alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    JoinHandle, TrySpawnError,
    check::{Pool, check, is_set, within_both},
    sync::{AtomicU32, Ordering, thread},
};

/// Those of every run: programs that take seconds.
const QUICK: [usize; 5] = [5, 6, 18, 20, 21];

/// Those that are left out of the wide run: each takes more than some minutes.
const LARGE: [usize; 13] = [0, 2, 4, 7, 10, 11, 12, 14, 15, 16, 17, 22, 23];

/// How many are drawn.
const PROGRAMS: usize = 24;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    /// Waits for its turn.
    Spawn,
    TrySpawn,
    /// May give up at any moment.
    SpawnTimeout,
    /// Joins the thread's oldest handle.
    Join,
    /// Drops it.
    Detach,
    Wait,
    Close,
}

#[derive(Clone, Debug)]
struct Program {
    max: usize,
    threads: [Vec<Op>; 2],
}

fn programs() -> Vec<Program> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    vec(program(), PROGRAMS).new_tree(&mut runner).expect("nothing is filtered").current()
}

/// With both threads and two workers, all that loom can take.
fn program() -> impl Strategy<Value = Program> {
    let max = prop_oneof![3 => Just(1), 1 => Just(2)];
    (max, thread_of_it(), thread_of_it()).prop_map(|(max, one, other)| Program { max, threads: [one, other] })
}

fn thread_of_it() -> impl Strategy<Value = Vec<Op>> {
    let rest = prop_oneof![3 => vec(ops(), 1), 1 => vec(ops(), 2)];
    (submissions(), rest).prop_map(|(first, rest)| [vec![first], rest].concat())
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => submissions(),
        2 => Just(Op::Join),
        1 => Just(Op::Detach),
        2 => Just(Op::Wait),
        2 => Just(Op::Close),
    ]
}

fn submissions() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::Spawn), Just(Op::TrySpawn), Just(Op::SpawnTimeout)]
}

impl Program {
    fn has(&self, ops: &[Op]) -> bool {
        self.threads.iter().flatten().any(|op| ops.contains(op))
    }

    /// What it can break.
    fn guarantees(&self) -> String {
        let refused = self.has(&[Op::TrySpawn, Op::SpawnTimeout, Op::Close]);
        [
            ("MAX ONCE WAKE END", true),
            ("RESULT", self.has(&[Op::Join])),
            ("WAIT", self.has(&[Op::Wait])),
            ("REFUSE", refused),
        ]
        .iter()
        .filter_map(|&(name, here)| here.then_some(name))
        .collect::<Vec<_>>()
        .join(" ")
    }
}

/// What is known of the tasks. What is std's in it adds no steps to the model.
struct Book {
    max: u32,
    inside: AtomicU32,
    /// How often each has run.
    runs: [std::sync::atomic::AtomicU32; 8],
    next: std::sync::atomic::AtomicU32,
}

type Job = Box<dyn FnOnce() -> u32 + Send>;

impl Book {
    fn new(max: usize) -> Book {
        Book {
            max: max as u32,
            inside: AtomicU32::new(0),
            runs: Default::default(),
            next: std::sync::atomic::AtomicU32::new(0),
        }
    }

    fn task(self: &Arc<Book>) -> (u32, Job) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let book = self.clone();
        let job = move || {
            assert!(book.inside.fetch_add(1, Ordering::Relaxed) < book.max, "MAX");
            book.inside.fetch_sub(1, Ordering::Relaxed);
            book.runs[id as usize].fetch_add(1, Ordering::Relaxed);
            id
        };
        (id, Box::new(job))
    }

    fn runs(&self, id: u32) -> u32 {
        self.runs[id as usize].load(Ordering::Relaxed)
    }
}

/// Performs `ops` and returns the tasks that were accepted.
fn perform(pool: &Pool, book: &Arc<Book>, ops: &[Op]) -> Vec<u32> {
    let mut accepted = Vec::new();
    let mut handles: VecDeque<(u32, JoinHandle<u32>)> = VecDeque::new();
    for &op in ops {
        let limit = match op {
            // As `spawn`, but without its panic on a closed pool.
            Op::Spawn => Some(Duration::MAX),
            Op::SpawnTimeout => Some(Duration::from_secs(1)),
            Op::TrySpawn => None,
            Op::Join => {
                if let Some((id, handle)) = handles.pop_front() {
                    assert_eq!(handle.join().unwrap(), id, "RESULT");
                    assert_eq!(book.runs(id), 1, "ONCE");
                }
                continue;
            }
            Op::Detach => {
                drop(handles.pop_front());
                continue;
            }
            Op::Wait => {
                pool.wait();
                for &id in &accepted {
                    assert_eq!(book.runs(id), 1, "WAIT");
                }
                continue;
            }
            Op::Close => {
                pool.close();
                continue;
            }
        };
        let (id, job) = book.task();
        let answer = match limit {
            Some(limit) => pool.spawn_timeout(limit, job),
            None => pool.try_spawn(job),
        };
        match answer {
            Ok(handle) => {
                accepted.push(id);
                handles.push_back((id, handle));
            }
            Err(TrySpawnError::Os(..)) => panic!("no thread was refused"),
            Err(refused) => {
                drop(refused);
                assert_eq!(book.runs(id), 0, "REFUSE");
            }
        }
    }
    accepted
}

fn run(program: &Program) {
    let pool = Arc::new(Pool::new(program.max));
    let book = Arc::new(Book::new(program.max));
    let [first, second] = program.threads.clone();
    let (p, b) = (pool.clone(), book.clone());
    let other = thread::spawn(move || perform(&p, &b, &second));
    let mut accepted = perform(&pool, &book, &first);
    accepted.extend(other.join().unwrap());
    // END: dropping the pool finishes whatever was accepted.
    drop(pool);
    for id in 0..book.next.load(Ordering::Relaxed) {
        assert_eq!(book.runs(id), u32::from(accepted.contains(&id)), "ONCE, END: task {id}");
    }
}

/// The program whose model is explored, since a model is a plain function.
static CURRENT: Mutex<Option<Program>> = Mutex::new(None);

#[test]
fn random_programs_keep_every_law() {
    // Goal: MAX, ONCE, RESULT, WAIT, REFUSE, END together. Method: programs drawn from a fixed seed.
    let wanted: Option<usize> =
        std::env::var("ADMIT_PROGRAM").ok().map(|number| number.parse().expect("the number of a program"));
    let is_wanted = |number: &usize| match wanted {
        Some(wanted) => *number == wanted,
        None if is_set("ADMIT_WIDE") => !LARGE.contains(number),
        None => QUICK.contains(number),
    };
    let mut explored = 0;
    for (number, program) in programs().into_iter().enumerate().filter(|(number, _)| is_wanted(number)) {
        println!("program {number}: {program:?}");
        let guarantees = program.guarantees();
        *CURRENT.lock().unwrap() = Some(program);
        let bounds = within_both(2, 2).without_looks().too_many_schedules();
        check(&format!("program {number:02}"), &guarantees, bounds, || {
            run(&CURRENT.lock().unwrap().clone().expect("a program was drawn"))
        });
        explored += 1;
    }
    assert!(explored > 0, "no such program: {wanted:?}");
}
