//! Wider schedules than loom's, under shuttle: up to eight threads, drawn at random and by priorities (PCT). Memory is
//! sequentially consistent here; the orderings are loom's part. (Every schedule of the models is explored as well:
//! loom-tests/.)
//!
//! ```sh
//! RUSTFLAGS="--cfg shuttle" cargo test --test schedules
//! ```
//!
//! Each scenario runs with each scheduler: calm, where sleepers sleep until they are woken, and restless, where
//! sleeps end and weak CASes fail for nothing. `ADMIT_SCHEDULES` sets how many schedules each of these runs has;
//! `ADMIT_SEED` draws others. Every change of the word and the ring is looked up in docs/spec/transitions.tsv.
//!
//! A failure prints its schedule, and whether it was calm or restless. To see it again:
//!
//! ```sh
//! ADMIT_REPLAY=restless:<schedule> RUSTFLAGS="--cfg shuttle" cargo test --test schedules <test> -- --exact
//! ```
#![cfg(shuttle)]

#[path = "support/evidence.rs"]
mod evidence;
#[path = "support/history.rs"]
mod history;
#[path = "support/internals.rs"]
mod internals;
use internals::*;

use history::{Program, face, run};
use shuttle::{
    Runner,
    rand::{RngCore, thread_rng},
    scheduler::{
        DfsScheduler, PctScheduler, RandomScheduler, ReplayScheduler, Scheduler,
        UncontrolledNondeterminismCheckScheduler,
    },
    thread,
};
use shuttled::{Asleep, config};
use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64 as Count, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use sync::{AtomicU32, Deadline, Futex, Ordering};

// How scenarios are run.

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// How many schedules a scenario has with each scheduler, if nobody says otherwise.
const SCHEDULES: usize = 1500;

const CALM: bool = false;
const RESTLESS: bool = true;

/// A scenario on its way through the schedulers.
struct Exploration {
    name: &'static str,
    guarantees: &'static str,
    note: &'static str,
    body: fn(),
    schedules: usize,
    seen: BTreeMap<&'static str, u64>,
}

impl Exploration {
    fn of(name: &'static str, guarantees: &'static str, note: &'static str, body: fn()) -> Exploration {
        let schedules = number("ADMIT_SCHEDULES", SCHEDULES);
        Exploration { name, guarantees, note, body, schedules, seen: BTreeMap::new() }
    }

    /// Random and PCT, calm and restless.
    fn widely(mut self) -> Exploration {
        let (n, seed) = (self.schedules, number("ADMIT_SEED", 1) as u64);
        self.with("random", CALM, RandomScheduler::new_from_seed(seed, n));
        self.with("pct 3", CALM, PctScheduler::new_from_seed(seed, 3, n));
        self.with("random", RESTLESS, RandomScheduler::new_from_seed(seed + 1, n));
        self.with("pct 5", RESTLESS, PctScheduler::new_from_seed(seed + 1, 5, n));
        self
    }

    fn with(&mut self, scheduler: &str, restless: bool, how: impl Scheduler + 'static) {
        let replay = std::env::var("ADMIT_REPLAY").ok();
        match replay.as_deref().map(|replay| replay.split_once(':').expect("calm: or restless: in front")) {
            None => self.run(scheduler, restless, how),
            Some((mode, schedule)) if (mode == "restless") == restless => {
                self.run(scheduler, restless, ReplayScheduler::new_from_encoded(schedule))
            }
            Some(_) => {}
        }
    }

    fn run(&mut self, scheduler: &str, restless: bool, how: impl Scheduler + 'static) {
        let mode = if restless { "restless" } else { "calm" };
        let (start, body) = (Instant::now(), self.body);
        probe::disturb(restless.into());
        let schedules = catch_unwind(AssertUnwindSafe(|| {
            Runner::new(Asleep(how), config()).run(move || {
                trace::begin();
                body();
            })
        }));
        probe::disturb(0);
        let seen = trace::end();
        let schedules = schedules.unwrap_or_else(|panic| {
            eprintln!("{}/{scheduler}: ADMIT_REPLAY={mode}:<the schedule above>", self.name);
            resume_unwind(panic)
        });
        assert!(schedules > 0, "{} ran under no schedule", self.name);
        for (event, count) in seen {
            *self.seen.entry(event).or_default() += count;
        }
        let seconds = start.elapsed().as_secs_f64();
        let Exploration { name, guarantees, note, .. } = self;
        evidence::line(&format!(
            "shuttle\t{name}/{scheduler}, {mode}\t{guarantees}\t{note}\t{schedules}\tschedules\t{seconds:.1}"
        ));
    }

    /// Says which rows of the table were seen, and checks that these were.
    fn saw(self, rows: &[&str]) {
        for (event, count) in &self.seen {
            evidence::line(&format!("trace\t{event}\t\tshuttle/{}\t{count}\tevents\t0", self.name));
        }
        let replaying = std::env::var("ADMIT_REPLAY").is_ok();
        for row in rows.iter().filter(|_| !replaying) {
            assert!(self.seen.contains_key(row), "{} never made {row}", self.name);
        }
    }
}

/// A number below `sides`, drawn from the schedule.
fn dice(sides: usize) -> usize {
    (thread_rng().next_u64() >> 11) as usize % sides
}

// What is known of the tasks of one schedule.

/// One task.
#[derive(Default, Debug)]
struct Entry {
    accepted: bool,
    refused: bool,
    runs: u32,
    finished: bool,
    /// How often what the closure had captured was dropped, and what it returned or panicked with.
    captures_dropped: u32,
    results_dropped: u32,
}

struct Book {
    max: usize,
    /// How many are inside; one of the crate's atomics, so that a thread may be stopped in there.
    inside: AtomicU32,
    entries: Mutex<Vec<Entry>>,
    /// Broken laws. Tasks write here, since their panics are caught.
    faults: Mutex<Vec<String>>,
}

/// What a closure has captured.
struct Capture(Arc<Book>, usize);

impl Drop for Capture {
    fn drop(&mut self) {
        self.0.note(self.1, |entry| entry.captures_dropped += 1);
    }
}

/// What it returns, or panics with.
struct Proof(Arc<Book>, usize);

impl Drop for Proof {
    fn drop(&mut self) {
        self.0.note(self.1, |entry| entry.results_dropped += 1);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Value,
    Panic,
}

type Job = Box<dyn FnOnce() -> Proof + Send>;

shuttle::thread_local! {
    /// How many tasks are on this thread's stack.
    static DEPTH: Cell<usize> = Cell::new(0);
}

impl Book {
    fn new(max: usize) -> Arc<Book> {
        Arc::new(Book { max, inside: AtomicU32::new(0), entries: Mutex::default(), faults: Mutex::default() })
    }

    fn note<R>(&self, id: usize, change: impl FnOnce(&mut Entry) -> R) -> R {
        change(&mut self.entries.lock().unwrap()[id])
    }

    fn law(&self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.faults.lock().unwrap().push(broken());
        }
    }

    /// A task with a number of its own, which does `work` inside.
    fn task(self: &Arc<Book>, end: End, work: impl FnOnce() + Send + 'static) -> (usize, Job) {
        let mut entries = self.entries.lock().unwrap();
        entries.push(Entry::default());
        let id = entries.len() - 1;
        drop(entries);
        let capture = Capture(self.clone(), id);
        let job = move || {
            let Capture(book, id) = &capture;
            book.perform(*id, work);
            let proof = Proof(book.clone(), *id);
            match end {
                End::Value => proof,
                End::Panic => resume_unwind(Box::new(proof)),
            }
        };
        (id, Box::new(job))
    }

    fn perform(&self, id: usize, work: impl FnOnce()) {
        self.note(id, |entry| entry.runs += 1);
        // A task that another runs inline is on the other's permit.
        let depth = DEPTH.with(|depth| depth.replace(depth.get() + 1));
        if depth == 0 {
            let inside = self.inside.fetch_add(1, Ordering::Relaxed) as usize;
            self.law(inside < self.max, || format!("MAX: task {id} is number {}", inside + 1));
        }
        work();
        if depth == 0 {
            self.inside.fetch_sub(1, Ordering::Relaxed);
        }
        DEPTH.with(|depth| depth.set(depth.get() - 1));
        self.note(id, |entry| entry.finished = true);
    }

    /// Notes what became of a submission.
    fn answered<H>(&self, id: usize, answer: Result<H, TrySpawnError<Job>>) -> Option<H> {
        match answer {
            Ok(handle) => {
                self.note(id, |entry| entry.accepted = true);
                Some(handle)
            }
            Err(refusal) => {
                self.note(id, |entry| entry.refused = true);
                drop(refusal);
                None
            }
        }
    }

    /// RESULT and PANIC.
    fn check(&self, id: usize, end: End, result: std::thread::Result<Proof>) {
        let own = match (&result, end) {
            (Ok(proof), End::Value) => proof.1 == id,
            (Err(payload), End::Panic) => payload.downcast_ref().is_some_and(|proof: &Proof| proof.1 == id),
            _ => false,
        };
        self.law(own, || format!("RESULT: task {id} ({end:?}) has another's"));
    }

    /// The tasks that are accepted by now.
    fn accepted(&self) -> Vec<usize> {
        let entries = self.entries.lock().unwrap();
        (0..entries.len()).filter(|&id| entries[id].accepted).collect()
    }

    fn all_finished(&self, tasks: &[usize], law: &str) {
        for &id in tasks {
            let finished = self.note(id, |entry| entry.finished);
            self.law(finished, || format!("{law}: task {id} has not finished"));
        }
    }

    /// WAIT.
    fn wait(&self, pool: &Pool) {
        let earlier = self.accepted();
        pool.wait();
        self.all_finished(&earlier, "WAIT");
    }

    /// ONCE, END, and whatever tasks have written down. To be called when the pool is gone.
    fn close_up(&self) {
        self.all_finished(&self.accepted(), "END");
        assert_eq!(*self.faults.lock().unwrap(), Vec::<String>::new());
        for (id, entry) in self.entries.lock().unwrap().iter().enumerate() {
            let Entry { accepted, refused, runs, captures_dropped, results_dropped, .. } = *entry;
            assert!(accepted != refused, "ONCE: task {id}: {entry:?}");
            assert_eq!(runs, u32::from(accepted), "ONCE: task {id}: {entry:?}");
            assert_eq!((captures_dropped, results_dropped), (1, runs), "ONCE: task {id}: {entry:?}");
        }
    }
}

/// A pool and its book; dropped with the last of those who call it, perhaps inside a task.
struct World {
    pool: Pool,
    book: Arc<Book>,
}

impl World {
    fn new(max: usize) -> Arc<World> {
        Arc::new(World { pool: Pool::new(max), book: Book::new(max) })
    }

    /// A task that waits for its turn, and its handle.
    fn spawn(&self, end: End) -> (usize, JoinHandle<Proof>) {
        let (id, job) = self.book.task(end, || ());
        let handle = self.book.answered(id, Ok(self.pool.spawn(job)));
        (id, handle.unwrap())
    }

    fn spawn_and_join(&self, end: End) {
        let (id, handle) = self.spawn(end);
        self.book.check(id, end, handle.join());
    }

    /// A thread that calls the pool.
    fn thread(self: &Arc<World>, f: impl FnOnce(&Arc<World>) + Send + 'static) -> thread::JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || f(&world))
    }

    /// A thread that submits tasks, each of which may wait for so long.
    fn submitter(self: &Arc<World>, limit: Duration, tasks: usize) -> thread::JoinHandle<()> {
        self.thread(move |world| {
            for _ in 0..tasks {
                let (id, job) = world.book.task(End::Value, || ());
                drop(world.book.answered(id, world.pool.spawn_timeout(limit, job)));
            }
        })
    }

    /// The pool is at rest, then dropped, and everything is accounted for.
    fn end(self: Arc<World>, threads: Vec<thread::JoinHandle<()>>) {
        for thread in threads {
            thread.join().unwrap();
        }
        self.book.wait(&self.pool);
        assert_eq!((self.pool.running(), self.pool.waiting()), (0, 0), "at rest");
        assert!(self.pool.threads() <= self.book.max, "MAX: too many threads");
        let book = self.book.clone();
        drop(self);
        book.settled();
    }
}

impl Book {
    /// Returns when the last task has let go of the book, and closes it.
    fn settled(self: Arc<Book>) {
        while Arc::strong_count(&self) > 1 {
            thread::yield_now();
        }
        self.close_up();
    }
}

// The scenarios.

#[test]
fn submitters_outnumber_permits() {
    // Goal: MAX, ONCE, RESULT, PANIC, WAKE. Method: four submitters of two tasks each, values and panics, on two
    // permits.
    let scenario =
        Exploration::of("4 submitters, max 2", "MAX ONCE RESULT PANIC WAKE END", "7 threads", || {
            let world = World::new(2);
            let submitter = |end| world.thread(move |world| (0..2).for_each(|_| world.spawn_and_join(end)));
            let threads = [End::Value, End::Panic, End::Value, End::Value].map(submitter);
            world.end(threads.into());
        });
    scenario.widely().saw(&["POP", "PUSH", "FILL", "COUNT", "TAKE", "INSTALL", "CLAIM"]);
}

#[test]
fn five_submitters_share_one_permit() {
    // Goal: WAKE, FIFO's ring under pressure: more submitters than positions. Method: five submitters of one or two
    // tasks on one permit; detached, so that only the pool's end waits for them.
    let scenario = Exploration::of("5 submitters, max 1", "MAX ONCE WAKE END", "7 threads", || {
        let world = World::new(1);
        let threads = (0..5)
            .map(|n| world.thread(move |world| (0..=n % 2).for_each(|_| drop(world.spawn(End::Value)))));
        let threads = threads.collect();
        world.end(threads);
    });
    scenario.widely().saw(&["COUNT", "TAKE", "INSTALL", "CLAIM"]);
}

#[test]
fn permit_is_back_when_join_returns() {
    // Goal: FREE. Method: one submitter, beside threads that only wait and look; after each join the one permit can
    // be had at once.
    let scenario = Exploration::of("join, try_spawn, max 1", "FREE RESULT", "4 threads", || {
        let world = World::new(1);
        let waiter = world.thread(|world| world.book.wait(&world.pool));
        let onlooker = world.thread(|world| {
            for _ in 0..3 {
                let running = world.pool.running();
                world.book.law(running <= 1, || format!("MAX: {running} run"));
            }
        });
        for end in [End::Value, End::Panic, End::Value] {
            let (id, job) = world.book.task(end, || ());
            let answer = world.book.answered(id, world.pool.try_spawn(job));
            let handle = answer.expect("FREE: join has returned, so the permit is free");
            world.book.check(id, end, handle.join());
        }
        world.end(vec![waiter, onlooker]);
    });
    scenario.widely().saw(&["POP", "FILL", "QUIET", "WATCH"]);
}

#[test]
fn waiters_are_answered() {
    // Goal: WAIT and WAKE. Method: two waiters, one twice, beside two submitters on two permits.
    let scenario = Exploration::of("2 waiters, 2 submitters, max 2", "WAIT WAKE", "7 threads", || {
        let world = World::new(2);
        let threads = vec![
            world.thread(|world| (0..2).for_each(|_| world.book.wait(&world.pool))),
            world.thread(|world| world.book.wait(&world.pool)),
            world.thread(|world| (0..2).for_each(|_| drop(world.spawn(End::Value)))),
            world.thread(|world| world.spawn_and_join(End::Value)),
        ];
        world.end(threads);
    });
    scenario.widely().saw(&["WATCH", "QUIET", "FILL"]);
}

#[test]
fn deadlines_and_close_strand_nobody() {
    // Goal: REFUSE, ONCE, WAKE, END. Method: three submitters, two of which may give up at any moment, beside a
    // closer, on one permit.
    let scenario =
        Exploration::of("3 submitters, deadlines, close, max 1", "REFUSE ONCE WAKE END", "6 threads", || {
            let world = World::new(1);
            let mut threads: Vec<_> =
                [SOON, SOON, Duration::MAX].map(|limit| world.submitter(limit, 2)).into();
            threads.push(world.thread(|world| {
                world.pool.close();
                let (id, job) = world.book.task(End::Value, || ());
                let answer = world.pool.try_spawn(job);
                let closed = matches!(answer, Err(TrySpawnError::Closed(_)));
                world.book.law(closed, || "REFUSE: a closed pool did not say so".into());
                drop(world.book.answered(id, answer));
            }));
            world.end(threads);
        });
    scenario.widely().saw(&["CLOSE", "WITHDRAW", "TAKE", "COUNT"]);
}

#[test]
fn worker_stopped_for_a_lap_strands_nobody() {
    // Goal: WAKE and ONCE where a worker is stopped between taking a position and claiming its cell while the
    // others go once round the ring: the cell is inherited, or sealed as a hole. Method: three submitters of five
    // tasks in all on two permits, by priorities.
    let mut scenario =
        Exploration::of("laps: 3 submitters, max 2", "WAKE ONCE PROGRESS", "6 threads", || {
            let world = World::new(2);
            let submitter = |tasks: usize| {
                world.thread(move |world| (0..tasks).for_each(|_| drop(world.spawn(End::Value))))
            };
            let threads = [2, 5, 3].map(submitter);
            world.end(threads.into());
        });
    let (n, seed) = (8 * scenario.schedules, number("ADMIT_SEED", 1) as u64);
    scenario.with("pct 3", CALM, PctScheduler::new_from_seed(seed, 3, n));
    scenario.with("pct 4", CALM, PctScheduler::new_from_seed(seed + 1, 4, n));
    scenario.with("pct 5", RESTLESS, PctScheduler::new_from_seed(seed + 2, 5, n));
    scenario.saw(&["INHERIT", "SEAL"]);
}

/// The system refuses the threads whose bits are set, the first attempt's lowest.
fn refuse(attempts: usize) {
    let mut attempts = attempts;
    probe::refusal::set(move || {
        let now = attempts & 1 == 1;
        attempts >>= 1;
        now
    });
}

#[test]
fn refused_threads_strand_nobody() {
    // Goal: REFUSE, WAKE, END when the system gives no second thread. Method: three submitters on two permits, one of
    // which may give up at any moment; which threads are refused is drawn with the schedule.
    let scenario = Exploration::of("refused threads, max 2", "REFUSE WAKE ONCE END", "6 threads", || {
        refuse(dice(16) & !1);
        let world = World::new(2);
        let mut threads: Vec<_> = [Duration::MAX, SOON].map(|limit| world.submitter(limit, 2)).into();
        threads.push(world.thread(|world| {
            let (id, job) = world.book.task(End::Value, || ());
            drop(world.book.answered(id, world.pool.try_spawn(job)));
        }));
        world.end(threads);
        refuse(0);
    });
    scenario.widely().saw(&["SHORT", "UNSHORT"]);
}

#[test]
fn refused_threads_and_close_strand_nobody() {
    // Goal: REFUSE, WAKE, END when the pool is closed while the system gives no thread: who has held a slot is admitted
    // all the same. Method: three submitters on two permits beside a closer; which threads are refused is drawn.
    let scenario = Exploration::of("refused threads, close", "REFUSE WAKE ONCE END", "6 threads", || {
        refuse(dice(16) & !1);
        let world = World::new(2);
        let mut threads: Vec<_> =
            [Duration::MAX, Duration::MAX, SOON].map(|limit| world.submitter(limit, 2)).into();
        threads.push(world.thread(|world| world.pool.close()));
        world.end(threads);
        refuse(0);
    });
    scenario.widely().saw(&["REPOP", "RECOUNT", "SHORT", "CLOSE"]);
}

#[test]
fn refused_submitter_does_not_keep_the_others_going_round() {
    // Goal: PROGRESS and REFUSE where there is no thread at all. Method: two submitters on one permit; the first
    // thread is refused, so that one of them gives its slot back and sends the other to the start. Whoever is sent
    // to the start again and again never ends.
    let scenario =
        Exploration::of("first thread refused, max 1", "REFUSE WAKE PROGRESS", "4 threads", || {
            refuse(1);
            let world = World::new(1);
            let threads = [Duration::MAX; 2].map(|limit| world.submitter(limit, 1));
            world.end(threads.into());
            refuse(0);
        });
    scenario.widely().saw(&[]);
}

/// The rows that a run of random programs must have made.
fn rows_but(rare: &[&str]) -> Vec<&'static str> {
    trace::events().into_iter().filter(|row| !rare.contains(row)).collect()
}

#[test]
fn random_programs_keep_every_law() {
    // Goal: MAX, ONCE, RESULT, PANIC, WAIT, NEST, REFUSE, END together. Method: programs of all operations, drawn
    // with the schedule.
    let scenario = Exploration::of(
        "random programs",
        "MAX ONCE RESULT PANIC WAKE WAIT NEST REFUSE END",
        "3-8 threads, max 1-3",
        || Script::draw(false).run(),
    );
    scenario.widely().saw(&rows_but(&["INHERIT", "SEAL", "SHORT", "UNSHORT", "REPOP", "RECOUNT"]));
}

#[test]
fn random_programs_keep_every_law_without_threads() {
    // Goal: the same when the system refuses threads after the first. Method: as above.
    let scenario = Exploration::of(
        "random programs, refused threads",
        "MAX ONCE RESULT PANIC WAKE WAIT NEST REFUSE END",
        "3-8 threads, max 1-3",
        || Script::draw(true).run(),
    );
    scenario.widely().saw(&rows_but(&["INHERIT", "SEAL"]));
}

// Random programs.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Spawn,
    TrySpawn,
    SpawnTimeout,
}

#[derive(Clone, Debug)]
enum Op {
    Submit(Way, Task),
    Join,
    JoinTimeout,
    Detach,
    IsFinished,
    Wait,
    WaitTimeout,
    Counts,
    Close,
}

#[derive(Clone, Debug)]
struct Task {
    end: End,
    /// Keeps the pool alive, and so may be the one that drops it.
    attached: bool,
    /// What the task submits to its own pool, and whether it joins it.
    child: Option<(Way, End, bool)>,
}

/// A program of all operations.
#[derive(Debug)]
struct Script {
    max: usize,
    threads: Vec<Vec<Op>>,
    /// The threads that the system refuses, one bit for each attempt.
    refused: usize,
    /// Whether the pool is dropped at once, and not after it has come to rest.
    abrupt: bool,
}

impl Script {
    fn draw(refuses: bool) -> Script {
        let closes = dice(4) == 0;
        let thread = |_| (0..1 + dice(4)).map(|_| Op::draw(closes)).collect();
        let max = 1 + dice(3);
        Script {
            max,
            threads: (0..2 + dice(3)).map(thread).collect(),
            refused: if refuses { dice(16) & !1 } else { 0 },
            abrupt: dice(3) == 0,
        }
    }

    fn run(self) {
        refuse(self.refused);
        let world = World::new(self.max);
        let thread = |ops: Vec<Op>| world.thread(move |world| perform(world, ops));
        let threads: Vec<_> = self.threads.into_iter().map(thread).collect();
        if self.abrupt {
            let book = world.book.clone();
            drop(world);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            book.settled();
        } else {
            // A task may still hold the world when it is at rest; then it drops the pool.
            world.end(threads);
        }
        refuse(0);
    }
}

impl Op {
    fn draw(closes: bool) -> Op {
        let way = || [Way::Spawn, Way::Spawn, Way::TrySpawn, Way::SpawnTimeout][dice(4)];
        let end = || [End::Value, End::Value, End::Panic][dice(3)];
        match dice(20) {
            0..=9 => {
                let child = (dice(4) == 0).then(|| (way(), end(), dice(2) == 0));
                // A closed pool answers `spawn` with a panic.
                let child = child.filter(|child| child.0 != Way::Spawn || !closes);
                Op::Submit(way(), Task { end: end(), attached: dice(3) == 0, child })
            }
            10..=11 => Op::Join,
            12 => Op::JoinTimeout,
            13 => Op::Detach,
            14 => Op::IsFinished,
            15..=16 => Op::Wait,
            17 => Op::WaitTimeout,
            18 => Op::Counts,
            _ if closes => Op::Close,
            _ => Op::Join,
        }
    }
}

const SOON: Duration = Duration::from_secs(1);

fn perform(world: &Arc<World>, ops: Vec<Op>) {
    let book = &world.book;
    let mut handles = VecDeque::new();
    for op in ops {
        match op {
            Op::Submit(way, task) => {
                let end = task.end;
                let (id, answer) = submit_task(world, way, task);
                handles.extend(book.answered(id, answer).map(|handle| (id, end, handle)));
            }
            Op::Join => {
                if let Some((id, end, handle)) = handles.pop_front() {
                    book.check(id, end, handle.join());
                }
            }
            Op::JoinTimeout => {
                if let Some((id, end, handle)) = handles.pop_front() {
                    match handle.join_timeout(SOON) {
                        Ok(result) => book.check(id, end, result),
                        Err(handle) => handles.push_back((id, end, handle)),
                    }
                }
            }
            Op::Detach => drop(handles.pop_front()),
            Op::IsFinished => {
                for (id, _, handle) in &handles {
                    let finished = handle.is_finished();
                    book.law(!finished || book.note(*id, |entry| entry.finished), || {
                        format!("RESULT: task {id} is said to be finished")
                    });
                }
            }
            Op::Wait => book.wait(&world.pool),
            Op::WaitTimeout => {
                let earlier = book.accepted();
                if world.pool.wait_timeout(SOON) {
                    book.all_finished(&earlier, "WAIT");
                }
            }
            Op::Counts => {
                let (running, threads) = (world.pool.running(), world.pool.threads());
                book.law(running <= book.max && threads <= book.max, || {
                    format!("MAX: {running} run, {threads} threads")
                });
            }
            Op::Close => world.pool.close(),
        }
    }
    for (id, end, handle) in handles {
        book.check(id, end, handle.join());
    }
}

type Answer = Result<JoinHandle<Proof>, TrySpawnError<Job>>;

fn submit_task(world: &Arc<World>, way: Way, task: Task) -> (usize, Answer) {
    let keeps = (task.attached || task.child.is_some()).then(|| world.clone());
    let (id, job) = world.book.task(task.end, move || {
        if let (Some(world), Some((way, end, joined))) = (&keeps, task.child) {
            submit_child(world, way, end, joined);
        }
        drop(keeps);
    });
    (id, submit(&world.pool, way, job))
}

fn submit(pool: &Pool, way: Way, job: Job) -> Answer {
    match way {
        // As `spawn`, but with a refusal for a panic.
        Way::Spawn => pool.spawn_timeout(Duration::MAX, job),
        Way::TrySpawn => pool.try_spawn(job),
        Way::SpawnTimeout => pool.spawn_timeout(SOON, job),
    }
}

fn submit_child(world: &Arc<World>, way: Way, end: End, joined: bool) {
    let (id, job) = world.book.task(end, || ());
    let answer = if way == Way::Spawn { Ok(world.pool.spawn(job)) } else { submit(&world.pool, way, job) };
    if let Some(handle) = world.book.answered(id, answer).filter(|_| joined) {
        world.book.check(id, end, handle.join());
    }
}

// Linearizability.

fn work(units: usize) {
    (0..units).for_each(|_| thread::yield_now());
}

face!(Pool, JoinHandle<()>, TrySpawnError, thread::JoinHandle<()>, thread::spawn, work);

#[test]
fn histories_are_linearizable() {
    // Goal: every answer is one that a sequential pool gives. Method: random programs under random schedules; each
    // history is searched for an explanation.
    static HISTORIES: Count = Count::new(0);
    let start = Instant::now();
    let scenario =
        Exploration::of("histories", "MAX ONCE FREE WAIT FIFO REFUSE", "3-6 threads, max 1-2", || {
            let history = run::<Pool>(&Program::draw(3, 3, &mut dice));
            HISTORIES.fetch_add(1, Relaxed);
            history.explain().unwrap_or_else(|why| panic!("{why}"));
        });
    scenario.widely().saw(&["POP", "FILL", "COUNT", "TAKE"]);
    let (histories, seconds) = (HISTORIES.load(Relaxed), start.elapsed().as_secs_f64());
    evidence::line(&format!(
        "linear\tpool/shuttle\tMAX ONCE FREE WAIT FIFO REFUSE\t3-6 threads, max 1-2\t{histories}\thistories\t{seconds:.1}"
    ));
}

#[test]
fn schedules_come_again() {
    // Goal: a failure can be replayed. Method: random programs, restless; each schedule twice, and shuttle compares.
    let mut scenario =
        Exploration::of("each schedule twice", "", "3-8 threads, max 1-3", || Script::draw(false).run());
    let random = RandomScheduler::new_from_seed(number("ADMIT_SEED", 1) as u64, scenario.schedules);
    scenario.with("random", RESTLESS, UncontrolledNondeterminismCheckScheduler::new(random));
    scenario.saw(&[]);
}

// Negative controls.

/// How many schedules it took until `body` failed.
fn fails_within(schedules: usize, scheduler: impl Scheduler + 'static, body: fn()) -> u64 {
    let count = Arc::new(Count::new(0));
    let counter = count.clone();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        Runner::new(Asleep(scheduler), config()).run(move || {
            counter.fetch_add(1, Relaxed);
            body();
        })
    }));
    assert!(caught.is_err(), "{schedules} schedules did not show the planted bug");
    count.load(Relaxed)
}

#[test]
fn planted_bugs_are_found() {
    // Goal: the schedulers can say no. Method: a sleep that does not look again after it has been announced, which
    // loses its wake-up; and a count of two steps, which lets two in at once.
    fn sleeps_without_looking() {
        let futex = Arc::new(Futex::new(0));
        let other = futex.clone();
        let waker = thread::spawn(move || {
            let before = other.word().swap(2, Ordering::Release);
            park::wake(&other, before);
        });
        if futex.word().load(Ordering::Acquire) == 0 {
            // The bit is set blindly, and the sleep is for whatever is there now.
            let now = futex.word().fetch_or(park::ASLEEP, Ordering::Relaxed) | park::ASLEEP;
            futex.sleep(now, Deadline::NEVER);
        }
        waker.join().unwrap();
    }
    fn counts_in_two_steps() {
        let inside = Arc::new(AtomicU32::new(0));
        let enter = |inside: &AtomicU32| {
            let seen = inside.load(Ordering::Acquire);
            inside.store(seen + 1, Ordering::Release);
        };
        let other = inside.clone();
        let thread = thread::spawn(move || enter(&other));
        enter(&inside);
        thread.join().unwrap();
        assert_eq!(inside.load(Ordering::Acquire), 2);
    }
    for (name, body) in [
        ("sleep without a second look", sleeps_without_looking as fn()),
        ("count in two steps", counts_in_two_steps),
    ] {
        let tries = [
            ("random", fails_within(1000, RandomScheduler::new_from_seed(1, 1000), body)),
            ("pct 3", fails_within(1000, PctScheduler::new_from_seed(1, 3, 1000), body)),
            ("dfs", fails_within(1000, DfsScheduler::new(Some(1000), false), body)),
        ];
        for (scheduler, tries) in tries {
            evidence::line(&format!("shuttle\tplanted: {name}/{scheduler}\t\tcaught\t{tries}\tschedules\t0"));
        }
    }
}
