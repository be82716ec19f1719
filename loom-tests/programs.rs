//! Small random programs of operations as models: two threads beside the workers, each with two or three operations
//! on one pool. The seeds are fixed, so that the programs are the same in every run; `ADMIT_WIDE=1` takes more of
//! them, `ADMIT_PROGRAM=11` that one alone.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    JoinHandle, TrySpawnError,
    check::{Pool, check, within_both},
    sync::{AtomicU32, Ordering, thread},
};

/// The seeds of every run, and how many preemptions each may have: programs that take seconds.
const QUICK: [(u64, usize); 3] = [(10, 2), (11, 2), (15, 1)];

/// Those of the wide run: minutes.
const WIDE: [(u64, usize); 8] = [(7, 2), (8, 2), (9, 2), (10, 2), (11, 2), (13, 1), (14, 1), (15, 1)];

#[derive(Clone, Copy, Debug)]
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

#[derive(Debug)]
struct Program {
    max: usize,
    threads: [Vec<Op>; 2],
}

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

impl Program {
    /// At most two tasks a thread: with both threads and two workers, all that loom can take.
    fn draw(seed: u64) -> Program {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1));
        let max = if dice.below(4) == 0 { 2 } else { 1 };
        let mut thread = || {
            let mut ops = vec![Op::submission(&mut dice)];
            for _ in 0..1 + dice.below(4) / 3 {
                ops.push(match dice.below(6) {
                    0 | 1 => Op::Join,
                    2 => Op::Detach,
                    3 => Op::Wait,
                    4 => Op::Close,
                    _ => Op::submission(&mut dice),
                });
            }
            ops
        };
        let threads = [thread(), thread()];
        Program { max, threads }
    }
}

impl Op {
    fn submission(dice: &mut Dice) -> Op {
        [Op::Spawn, Op::TrySpawn, Op::SpawnTimeout][dice.below(3) as usize]
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

macro_rules! programs {
    ($($seed:literal)*) => {
        /// One model for each seed, since a model is a plain function.
        const MODELS: &[fn()] = &[$(|| run(&Program::draw($seed))),*];
    };
}

programs!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

#[test]
fn random_programs_keep_every_law() {
    // Goal: MAX, ONCE, RESULT, WAIT, REFUSE, END together. Method: programs drawn from fixed seeds.
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty() && value != "0");
    let wanted: Option<u64> = set("ADMIT_PROGRAM").map(|seed| seed.parse().expect("a seed"));
    let programs = if set("ADMIT_WIDE").is_some() { &WIDE[..] } else { &QUICK[..] };
    for &(seed, bound) in programs.iter().filter(|&&(seed, _)| wanted.is_none_or(|wanted| wanted == seed)) {
        println!("program {seed}: {:?}", Program::draw(seed));
        let name = format!("program {seed:02}");
        check(
            &name,
            "MAX ONCE RESULT WAKE WAIT REFUSE END",
            within_both(bound, bound).without_looks().too_many_schedules(),
            MODELS[seed as usize],
        );
    }
}
