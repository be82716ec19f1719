#![cfg(not(loom))]
//! Random programs of operations, run from several threads against the pool and against the mutex
//! variant. Whatever the schedule, the same laws hold for both.
//!
//! `PROPTEST_CASES` sets the number of programs.

#[path = "support/mutex_pool.rs"]
mod mutex_pool;
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{BANG, Bomb, Meter, Tally, Track, eventually, message, quietly, watch_over};

// The programs.

#[derive(Clone, Debug)]
struct Program {
    max: usize,
    threads: Vec<Vec<Op>>,
    ending: Ending,
}

/// What is done when all threads are through.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// `wait`, look at the pool at rest, drop it.
    Wait,
    /// Drop the last share at once: perhaps while tasks run, perhaps inside one of them.
    Drop,
}

#[derive(Clone, Debug)]
enum Op {
    Submit(Way, Task),
    /// Joins one of the thread's handles. The number is taken modulo how many there are.
    Join(usize),
    JoinTimeout(usize, Limit),
    DropHandle(usize),
    IsFinished(usize),
    Wait,
    WaitTimeout(Limit),
    Counts,
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Spawn,
    TrySpawn,
    SpawnTimeout(Limit),
}

/// Microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit(u64);

impl Limit {
    fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

#[derive(Clone, Debug)]
struct Task {
    /// Unique in its program; set by [`Program::numbered`].
    id: usize,
    pause: Pause,
    children: Vec<Child>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum Pause {
    None,
    Yield,
    Sleep(Limit),
}

/// A task that another task submits, and may join.
#[derive(Clone, Debug)]
struct Child {
    way: Way,
    task: Task,
    joined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Panic,
    CaptureExplodes,
    ValueExplodes,
    PayloadExplodes,
}

impl Program {
    /// Gives every task its number, and returns how many there are.
    fn numbered(mut self) -> (Program, usize) {
        let mut next = 0;
        for op in self.threads.iter_mut().flatten() {
            if let Op::Submit(_, task) = op {
                task.number(&mut next);
            }
        }
        (self, next)
    }
}

impl Task {
    fn number(&mut self, next: &mut usize) {
        self.id = *next;
        *next += 1;
        for child in &mut self.children {
            child.task.number(next);
        }
    }

    /// How many tasks this one is, all its descendants included.
    fn size(&self) -> usize {
        1 + self.children.iter().map(|child| child.task.size()).sum::<usize>()
    }

    /// How many of them have given their permits back when this one is joined.
    fn size_joined(&self) -> usize {
        let joined = self.children.iter().filter(|child| child.joined);
        1 + joined.map(|child| child.task.size_joined()).sum::<usize>()
    }
}

fn programs() -> impl Strategy<Value = Program> {
    let ending = prop_oneof![3 => Just(Ending::Wait), 1 => Just(Ending::Drop)];
    (1..=3_usize, vec(vec(ops(), 1..14), 1..=3), ending).prop_map(|(max, threads, ending)| Program {
        max,
        threads,
        ending,
    })
}

fn ops() -> impl Strategy<Value = Op> {
    let which = 0..8_usize;
    prop_oneof![
        18 => (ways(), tasks()).prop_map(|(way, task)| Op::Submit(way, task)),
        6 => which.clone().prop_map(Op::Join),
        3 => (which.clone(), limits()).prop_map(|(which, limit)| Op::JoinTimeout(which, limit)),
        4 => which.clone().prop_map(Op::DropHandle),
        3 => which.prop_map(Op::IsFinished),
        3 => Just(Op::Wait),
        2 => limits().prop_map(Op::WaitTimeout),
        2 => Just(Op::Counts),
        1 => Just(Op::Close),
    ]
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Spawn),
        3 => Just(Way::TrySpawn),
        3 => limits().prop_map(Way::SpawnTimeout),
    ]
}

fn limits() -> impl Strategy<Value = Limit> {
    prop_oneof![Just(Limit(0)), (1..300_u64).prop_map(Limit)]
}

fn tasks() -> impl Strategy<Value = Task> {
    leaves().prop_recursive(2, 4, 2, |inner| {
        let child = (ways(), inner, any::<bool>());
        let children = vec(child.prop_map(|(way, task, joined)| Child { way, task, joined }), 0..3);
        (leaves(), children).prop_map(|(leaf, children)| Task { children, ..leaf })
    })
}

fn leaves() -> impl Strategy<Value = Task> {
    let pause = prop_oneof![
        4 => Just(Pause::None),
        1 => Just(Pause::Yield),
        2 => (1..200_u64).prop_map(|limit| Pause::Sleep(Limit(limit))),
    ];
    let end = prop_oneof![
        5 => Just(End::Value),
        2 => Just(End::Panic),
        1 => Just(End::CaptureExplodes),
        1 => Just(End::ValueExplodes),
        1 => Just(End::PayloadExplodes),
    ];
    (pause, end).prop_map(|(pause, end)| Task { id: 0, pause, children: Vec::new(), end })
}

// The two pools behind one face.

type Job = Box<dyn FnOnce() -> Load + Send>;

/// Why a job was refused. The job comes along where the pool hands it back.
enum Refused {
    Full(Job),
    Closed(Option<Job>),
    Os,
}

trait Face: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    type Handle: Handle;
    fn new(max: usize) -> Self;
    fn submit(&self, way: Way, job: Job) -> Result<Self::Handle, Refused>;
    fn wait(&self);
    fn wait_timeout(&self, limit: Duration) -> bool;
    fn close(&self);
    /// How many run, wait, and how many threads there are.
    fn counts(&self) -> [usize; 3];
}

trait Handle: Send + Sized {
    fn join(self) -> thread::Result<Load>;
    fn join_timeout(self, limit: Duration) -> Result<thread::Result<Load>, Self>;
    fn is_finished(&self) -> bool;
}

macro_rules! face {
    ($name:literal, $pool:ty, $handle:ty, $refusal:ident in $($home:ident)::+) => {
        impl Face for $pool {
            const NAME: &'static str = $name;
            type Handle = $handle;

            fn new(max: usize) -> Self {
                <$pool>::new(max)
            }

            fn submit(&self, way: Way, job: Job) -> Result<Self::Handle, Refused> {
                let submitted = match way {
                    Way::Spawn => {
                        return quietly(|| self.spawn(job)).map_err(|panic| {
                            assert!(message(&*panic).contains("closed"), "spawn: {panic:?}");
                            Refused::Closed(None)
                        });
                    }
                    Way::TrySpawn => self.try_spawn(job),
                    Way::SpawnTimeout(limit) => self.spawn_timeout(limit.duration(), job),
                };
                submitted.map_err(|refusal| match refusal {
                    $($home)::+::$refusal::Full(job) => Refused::Full(job),
                    $($home)::+::$refusal::Closed(job) => Refused::Closed(Some(job)),
                    $($home)::+::$refusal::Os(..) => Refused::Os,
                })
            }

            fn wait(&self) {
                self.wait();
            }

            fn wait_timeout(&self, limit: Duration) -> bool {
                self.wait_timeout(limit)
            }

            fn close(&self) {
                self.close();
            }

            fn counts(&self) -> [usize; 3] {
                [self.running(), self.waiting(), self.threads()]
            }
        }

        impl Handle for $handle {
            fn join(self) -> thread::Result<Load> {
                self.join()
            }

            fn join_timeout(self, limit: Duration) -> Result<thread::Result<Load>, Self> {
                self.join_timeout(limit)
            }

            fn is_finished(&self) -> bool {
                self.is_finished()
            }
        }
    };
}

face!("the pool", admit::Pool, admit::JoinHandle<Load>, TrySpawnError in admit);
face!(
    "the mutex variant",
    mutex_pool::MutexPool,
    mutex_pool::JoinHandle<Load>,
    TrySpawnError in mutex_pool
);

// Running a program.

/// What a task returns or panics with: a counted value that knows whose it is.
#[derive(Debug)]
#[allow(dead_code, reason = "the counted values are there to be dropped")]
enum Load {
    Safe(usize, Track),
    Explosive(usize, Bomb),
    /// Where a capture explodes: the compiler itself leaks a value that is being returned then.
    Nothing,
}

/// What is known of one task.
#[derive(Default)]
struct Record {
    accepted: AtomicBool,
    runs: AtomicUsize,
    finished: AtomicBool,
}

/// What is known of a run. Outlives the pool.
struct Ledger {
    records: Vec<Record>,
    tally: Tally,
    meter: Arc<Meter>,
    /// A `close` may have begun.
    closing: AtomicBool,
    /// A `close` has returned.
    closed: AtomicBool,
    /// Broken laws. Tasks write here, since their panics are caught.
    faults: Mutex<Vec<String>>,
}

impl Ledger {
    fn law(&self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.faults.lock().unwrap().push(broken());
        }
    }

    fn accepted(&self) -> Vec<usize> {
        let is_accepted = |id: &usize| self.records[*id].accepted.load(SeqCst);
        (0..self.records.len()).filter(is_accepted).collect()
    }
}

struct World<P> {
    pool: P,
    max: usize,
    ledger: Arc<Ledger>,
}

thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });

/// A stay inside a task on this thread.
struct Stay;

impl Stay {
    /// Returns how many tasks were on this thread already.
    fn begin() -> (Stay, usize) {
        (Stay, DEPTH.replace(DEPTH.get() + 1))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl<P: Face> World<P> {
    /// Submits `task`, checks the answer against the laws, and returns the handle if there is one.
    fn submit(self: &Arc<Self>, way: Way, task: &Task) -> Result<P::Handle, Answer> {
        let ledger = &self.ledger;
        let was_closed = ledger.closed.load(SeqCst);
        let record = &ledger.records[task.id];
        let refused = match self.pool.submit(way, self.job(way, task)) {
            Ok(handle) => {
                record.accepted.store(true, SeqCst);
                ledger.law(!was_closed, || format!("{task:?} was accepted after close"));
                return Ok(handle);
            }
            Err(refused) => refused,
        };
        let ran = record.runs.load(SeqCst);
        ledger.law(ran == 0, || format!("{task:?} was refused, yet it ran"));
        match refused {
            Refused::Full(job) => {
                ledger.law(!was_closed, || format!("{task:?}: a closed pool said Full"));
                drop(quietly(|| drop(job)));
                Err(Answer::Full)
            }
            Refused::Closed(job) => {
                let closing = ledger.closing.load(SeqCst);
                ledger.law(closing, || format!("{task:?}: an open pool said Closed"));
                drop(quietly(|| drop(job)));
                Err(Answer::Closed)
            }
            Refused::Os => panic!("the system gave no thread"),
        }
    }

    fn job(self: &Arc<Self>, way: Way, task: &Task) -> Job {
        let (world, task) = (Arc::clone(self), task.clone());
        let tally = &self.ledger.tally;
        let (safe, explosive) =
            (|| Load::Safe(task.id, tally.track()), || Load::Explosive(task.id, tally.bomb()));
        let (capture, load) = match task.end {
            End::Value | End::Panic => (safe(), safe()),
            End::CaptureExplodes => (explosive(), Load::Nothing),
            End::ValueExplodes | End::PayloadExplodes => (safe(), explosive()),
        };
        Box::new(move || {
            let _captured = &capture;
            world.perform(way, &task);
            match task.end {
                End::Panic | End::PayloadExplodes => resume_unwind(Box::new(load)),
                _ => load,
            }
        })
    }

    /// The body of `task`, up to its end.
    fn perform(self: &Arc<Self>, way: Way, task: &Task) {
        let ledger = &self.ledger;
        let (_stay, depth) = Stay::begin();
        let _inside = (depth == 0).then(|| ledger.meter.enter());
        let inline_is_due = depth == 0 || way == Way::Spawn;
        ledger.law(inline_is_due, || format!("{task:?} runs inside another task"));
        ledger.records[task.id].runs.fetch_add(1, SeqCst);
        match task.pause {
            Pause::None => (),
            Pause::Yield => thread::yield_now(),
            Pause::Sleep(limit) => thread::sleep(limit.duration()),
        }
        for child in &task.children {
            match self.submit(child.way, &child.task) {
                Ok(handle) if child.joined => self.check_result(&child.task, handle.join()),
                Ok(handle) => drop(quietly(|| drop(handle))),
                Err(_) => (),
            }
        }
        ledger.records[task.id].finished.store(true, SeqCst);
    }

    /// RESULT and PANIC: the outcome of `task` is its own.
    fn check_result(&self, task: &Task, result: thread::Result<Load>) {
        let own = match (task.end, &result) {
            (End::Value, Ok(Load::Safe(id, _))) => *id == task.id,
            (End::ValueExplodes, Ok(Load::Explosive(id, _))) => *id == task.id,
            (End::Panic | End::PayloadExplodes, Err(payload)) => match payload.downcast_ref() {
                Some(Load::Safe(id, _)) => *id == task.id && task.end == End::Panic,
                Some(Load::Explosive(id, _)) => *id == task.id && task.end != End::Panic,
                _ => false,
            },
            (End::CaptureExplodes, Err(payload)) => payload.downcast_ref() == Some(&BANG),
            _ => false,
        };
        self.ledger.law(own, || format!("{task:?} gave {result:?}"));
        drop(quietly(|| drop(result)));
    }

    /// WAIT: calls `wait`, and if that says that the pool came to rest, checks that everything
    /// accepted before has finished.
    fn check_wait<'a>(
        &self,
        wait: impl FnOnce(&P) -> bool,
        handles: impl Iterator<Item = &'a P::Handle>,
    ) -> bool {
        let earlier = self.ledger.accepted();
        if !wait(&self.pool) {
            return false;
        }
        for id in earlier {
            let finished = self.ledger.records[id].finished.load(SeqCst);
            self.ledger.law(finished, || format!("wait returned before task {id}"));
        }
        for handle in handles {
            self.ledger.law(handle.is_finished(), || "a handle is not finished".to_owned());
        }
        true
    }
}

/// Why there is no handle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Full,
    Closed,
}

/// One thread of a program.
struct Actor<'a, P: Face> {
    world: &'a Arc<World<P>>,
    handles: Vec<Held<'a, P>>,
    /// Nobody else submits, so that the answers can be foretold.
    alone: bool,
    /// At most so many permits are taken. Kept only when alone.
    taken: usize,
    closed: bool,
}

/// A handle, and how many permits are certainly free once it is joined.
struct Held<'a, P: Face> {
    task: &'a Task,
    handle: P::Handle,
    frees: usize,
}

impl<'a, P: Face> Actor<'a, P> {
    fn act(&mut self, op: &'a Op) {
        let world = self.world;
        match op {
            Op::Submit(way, task) => self.submit(*way, task),
            Op::Join(which) => {
                if let Some(held) = self.take(*which) {
                    world.check_result(held.task, held.handle.join());
                    self.taken -= held.frees;
                }
            }
            Op::JoinTimeout(which, limit) => self.join_timeout(*which, limit.duration()),
            Op::IsFinished(which) => {
                if self.handles.is_empty() {
                    return;
                }
                let which = which % self.handles.len();
                if self.handles[which].handle.is_finished() {
                    self.join_timeout(which, Duration::ZERO);
                }
            }
            Op::DropHandle(which) => drop(quietly(|| drop(self.take(*which)))),
            Op::Wait => self.wait(|pool| {
                pool.wait();
                true
            }),
            Op::WaitTimeout(limit) => self.wait(|pool| pool.wait_timeout(limit.duration())),
            Op::Counts => {
                let [running, _, threads] = world.pool.counts();
                let counted = format!("{running} run on {threads} threads");
                world.ledger.law(running.max(threads) <= world.max, || counted);
            }
            Op::Close => {
                world.ledger.closing.store(true, SeqCst);
                world.pool.close();
                world.ledger.closed.store(true, SeqCst);
                self.closed = true;
            }
        }
    }

    fn submit(&mut self, way: Way, task: &'a Task) {
        let submitted = self.world.submit(way, task);
        if self.alone {
            self.check_answer(way, task, submitted.as_ref().err().copied());
        }
        if let Ok(handle) = submitted {
            let frees = task.size_joined();
            self.handles.push(Held { task, handle, frees });
            self.taken += task.size();
        }
    }

    /// The sequential model: closed or not is certain, and so is room where permits are left.
    fn check_answer(&self, way: Way, task: &Task, answer: Option<Answer>) {
        let foreseen = match answer {
            _ if self.closed => answer == Some(Answer::Closed),
            None => true,
            Some(Answer::Full) => way != Way::Spawn && self.taken >= self.world.max,
            Some(Answer::Closed) => false,
        };
        let wrong = || format!("{task:?} by {way:?}: {answer:?} with {} taken", self.taken);
        self.world.ledger.law(foreseen, wrong);
    }

    fn join_timeout(&mut self, which: usize, limit: Duration) {
        let Some(held) = self.take(which) else { return };
        let was_finished = held.handle.is_finished();
        match held.handle.join_timeout(limit) {
            // The permit is not promised back yet: the task stays counted.
            Ok(result) => self.world.check_result(held.task, result),
            Err(handle) => {
                let broken = || format!("{:?} is finished, and kept its result", held.task);
                self.world.ledger.law(!was_finished, broken);
                self.handles.push(Held { handle, ..held });
            }
        }
    }

    fn wait(&mut self, wait: impl FnOnce(&P) -> bool) {
        let handles = self.handles.iter().map(|held| &held.handle);
        if self.world.check_wait(wait, handles) {
            self.taken = 0;
            self.handles.iter_mut().for_each(|held| held.frees = 0);
        }
    }

    fn take(&mut self, which: usize) -> Option<Held<'a, P>> {
        let len = self.handles.len();
        (len > 0).then(|| self.handles.swap_remove(which % len))
    }

    /// Joins every other handle that is left, and drops the rest.
    fn leave(mut self) {
        for (i, held) in self.handles.drain(..).enumerate() {
            match i % 2 {
                0 => self.world.check_result(held.task, held.handle.join()),
                _ => drop(quietly(|| drop(held.handle))),
            }
        }
    }
}

/// Runs the program and returns which tasks of its only thread `spawn` accepted, if there is only
/// one.
fn run<P: Face>(program: &Program, tasks: usize) -> Option<Vec<usize>> {
    let ledger = Arc::new(Ledger {
        records: (0..tasks).map(|_| Record::default()).collect(),
        tally: Tally::new(),
        meter: Meter::new(),
        closing: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        faults: Mutex::default(),
    });
    let world = World { pool: P::new(program.max), max: program.max, ledger: Arc::clone(&ledger) };
    let world = Arc::new(world);
    let alone = program.threads.len() == 1;
    let start = Barrier::new(program.threads.len());
    thread::scope(|scope| {
        for ops in &program.threads {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                let handles = Vec::new();
                let mut actor = Actor { world, handles, alone, taken: 0, closed: false };
                start.wait();
                ops.iter().for_each(|op| actor.act(op));
                actor.leave();
            });
        }
    });
    end(program.ending, world, &ledger);
    check_ledger(&ledger, program.max, P::NAME);
    alone.then(|| spawned(program, &ledger))
}

/// The end of a program: the pool is at rest or gone, and nothing is left over.
fn end<P: Face>(ending: Ending, world: Arc<World<P>>, ledger: &Ledger) {
    let all_dropped = || ledger.tally.made() == ledger.tally.dropped();
    match ending {
        Ending::Wait => {
            world.check_wait(
                |pool| {
                    pool.wait();
                    true
                },
                std::iter::empty(),
            );
            let [running, waiting, threads] = world.pool.counts();
            ledger.law((running, waiting) == (0, 0), || format!("{running}, {waiting} at rest"));
            ledger.law(threads <= world.max, || format!("{threads} threads"));
            ledger.law(all_dropped(), || format!("left over at rest: {:?}", ledger.tally));
        }
        Ending::Drop => {
            drop(world);
            eventually("all values are dropped", all_dropped);
        }
    }
}

/// ONCE and MAX, and all that was noted on the way.
fn check_ledger(ledger: &Ledger, max: usize, name: &str) {
    for (id, record) in ledger.records.iter().enumerate() {
        let due = usize::from(record.accepted.load(SeqCst));
        let runs = record.runs.load(SeqCst);
        ledger.law(runs == due, || format!("task {id} ran {runs} times instead of {due}"));
    }
    let peak = ledger.meter.peak();
    ledger.law(peak <= max, || format!("{peak} tasks ran at once, {max} may"));
    let faults = ledger.faults.lock().unwrap();
    assert!(faults.is_empty(), "{name}: {faults:#?}");
}

fn spawned(program: &Program, ledger: &Ledger) -> Vec<usize> {
    let by_spawn = program.threads[0].iter().filter_map(|op| match op {
        Op::Submit(Way::Spawn, task) => Some(task.id),
        _ => None,
    });
    by_spawn.filter(|id| ledger.records[*id].accepted.load(SeqCst)).collect()
}

fn cases(default: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases: default, ..config },
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn random_programs_keep_every_law(program in programs()) {
        // Goal: MAX, ONCE, RESULT, PANIC, WAIT, FREE, NEST, END, REFUSE in any combination. Method:
        // see the head of this file; programs of one thread must give both pools the same answers.
        let (program, tasks) = program.numbered();
        let _watch = watch_over(format!("{program:?}"));
        let [pool, mutex] = [run::<admit::Pool>, run::<mutex_pool::MutexPool>]
            .map(|run| run(&program, tasks));
        prop_assert_eq!(pool, mutex);
    }
}
