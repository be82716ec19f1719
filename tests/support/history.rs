//! Histories of a pool, and a search for their explanation: linearizability, after J. Wing and C. Gong (1993) with
//! G. Lowe's memory of states met (2017).
//!
//! A history says when each call began and returned and when each task's body began and ended, by one clock that
//! all threads share. Explaining it is to give each call one moment (or two) between its begin and its return
//! such that a sequential pool, which does one thing after the other, gives the same answers:
//!
//! | moment | of | when | is possible | change |
//! |---|---|---|---|---|
//! | direct admission | `try_spawn`, `spawn`, `spawn_timeout` | from the call to its return and the body's begin | open, running < max, queue empty | runs |
//! | queueing | `spawn`, `spawn_timeout` | as above | open, running = max or queue not empty | last in the queue |
//! | admission | the first in the queue | as above | running < max | runs |
//! | leaving | a `spawn_timeout` that was refused | until its return | in the queue | out of the queue |
//! | release | a task | from the body's end to the return of `join` | it runs | runs no longer |
//! | `Full` | `try_spawn`, `spawn_timeout` | in the call | open, running = max or queue not empty | |
//! | `Closed` | any of the three | in the call | closed | |
//! | rest | `wait` | in the call | running = 0, queue empty | |
//! | count | `running` | in the call | running = the answer | |
//! | close | `close` | in the call | | closed |
//!
//! `wait` of a task, nested calls, panics and refused threads are not in the histories; the other tests have them.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::{
    collections::{HashSet, VecDeque},
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// What a task's closure is here.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Why there is no handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// A pool whose histories are taken, and the threads it is called from.
pub(crate) trait Face: Send + Sync + Sized + 'static {
    type Handle: Send + 'static;
    type Thread;
    fn new(max: usize) -> Self;
    fn submit(&self, way: Way, job: Job) -> Result<Self::Handle, Refused>;
    fn join(handle: Self::Handle) -> thread::Result<()>;
    fn wait(&self);
    fn close(&self);
    fn running(&self) -> usize;
    fn start(f: impl FnOnce() + Send + 'static) -> Self::Thread;
    fn finish(thread: Self::Thread);
    /// What a task does for so many units.
    fn work(units: usize);
}

/// How a task is submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Spawn,
    TrySpawn,
    SpawnTimeout,
}

/// How long a `spawn_timeout` waits.
pub(crate) const LIMIT: Duration = Duration::from_micros(20);

/// Implements [`Face`] for a pool with the crate's interface.
macro_rules! face {
    ($pool:ty, $handle:ty, $($refusal:ident)::+, $thread:ty, $start:path, $work:expr) => {
        impl crate::history::Face for $pool {
            type Handle = $handle;
            type Thread = $thread;

            fn new(max: usize) -> Self {
                <$pool>::new(max)
            }

            fn submit(
                &self,
                way: crate::history::Way,
                job: crate::history::Job,
            ) -> Result<Self::Handle, crate::history::Refused> {
                let answer = match way {
                    // As `spawn`, but without its panic on a closed pool.
                    crate::history::Way::Spawn => self.spawn_timeout(std::time::Duration::MAX, job),
                    crate::history::Way::TrySpawn => self.try_spawn(job),
                    crate::history::Way::SpawnTimeout => self.spawn_timeout(crate::history::LIMIT, job),
                };
                answer.map_err(|refusal| match refusal {
                    $($refusal)::+::Full(_) => crate::history::Refused::Full,
                    $($refusal)::+::Closed(_) => crate::history::Refused::Closed,
                    $($refusal)::+::Os(..) => panic!("no thread from the system"),
                })
            }

            fn join(handle: Self::Handle) -> std::thread::Result<()> {
                handle.join()
            }

            fn wait(&self) {
                self.wait();
            }

            fn close(&self) {
                self.close();
            }

            fn running(&self) -> usize {
                self.running()
            }

            fn start(f: impl FnOnce() + Send + 'static) -> Self::Thread {
                $start(f)
            }

            fn finish(thread: Self::Thread) {
                thread.join().unwrap();
            }

            fn work(units: usize) {
                $work(units)
            }
        }
    };
}
pub(crate) use face;

/// One step of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// The way, and how long the task's body takes.
    Submit(Way, usize),
    /// Joins the thread's oldest handle.
    Join,
    Wait,
    Close,
    Running,
}

/// What each thread does, one step after the other; then it joins what it has left.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) max: usize,
    threads: Vec<Vec<Op>>,
}

impl Program {
    /// Draws a program for up to `threads` threads and `steps` steps each; `dice` gives numbers below its argument.
    pub(crate) fn draw(threads: usize, steps: usize, dice: &mut dyn FnMut(usize) -> usize) -> Program {
        let max = 1 + dice(2);
        let threads = 2 + dice(threads - 1);
        let mut thread = || {
            let steps = 1 + dice(steps);
            (0..steps).map(|_| op(dice)).collect()
        };
        Program { max, threads: (0..threads).map(|_| thread()).collect() }
    }
}

fn op(dice: &mut dyn FnMut(usize) -> usize) -> Op {
    let way = match dice(20) {
        0..=4 => Way::Spawn,
        5..=8 => Way::TrySpawn,
        9..=10 => Way::SpawnTimeout,
        11..=14 => return Op::Join,
        15..=16 => return Op::Wait,
        17..=18 => return Op::Running,
        _ => return Op::Close,
    };
    Op::Submit(way, dice(3))
}

/// Something that was seen, with its moments: the call, and the return.
#[derive(Clone, Debug)]
struct Event {
    kind: Kind,
    from: u64,
    to: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The call that submitted this task, and its answer.
    Submit(usize, Way, Option<Refused>),
    /// The body of this task.
    Body(usize),
    Join(usize),
    Wait,
    Close,
    Running(usize),
}

/// What happened in one run.
#[derive(Clone, Default)]
pub(crate) struct History {
    max: usize,
    events: Vec<Event>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.from);
        let mut text = format!("max {}\n", self.max);
        for Event { kind, from, to } in events {
            writeln!(text, "{from:4} to {to:4}  {kind:?}")?;
        }
        f.write_str(&text)
    }
}

/// Writes histories down.
#[derive(Default)]
struct Recorder {
    clock: AtomicU64,
    events: Mutex<Vec<Event>>,
    tasks: AtomicU64,
}

impl Recorder {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst)
    }

    /// Calls `f` and writes down what `kind` makes of its answer.
    fn during<R>(&self, f: impl FnOnce() -> R, kind: impl FnOnce(&R) -> Kind) -> R {
        let from = self.now();
        let answer = f();
        let to = self.now();
        self.events.lock().unwrap().push(Event { kind: kind(&answer), from, to });
        answer
    }
}

/// Runs `program` on a new pool and returns what was seen.
pub(crate) fn run<P: Face>(program: &Program) -> History {
    let pool = Arc::new(P::new(program.max));
    let recorder = Arc::new(Recorder::default());
    let threads: Vec<_> = program
        .threads
        .iter()
        .map(|ops| {
            let (pool, recorder, ops) = (pool.clone(), recorder.clone(), ops.clone());
            P::start(move || perform(&*pool, &recorder, &ops))
        })
        .collect();
    for thread in threads {
        P::finish(thread);
    }
    // At rest every permit is free.
    let rest = [Op::Wait, Op::Running].into_iter();
    let rest: Vec<_> = rest.chain((0..program.max).map(|_| Op::Submit(Way::TrySpawn, 0))).collect();
    perform(&*pool, &recorder, &rest);
    drop(pool);
    let events = recorder.events.lock().unwrap().drain(..).collect();
    History { max: program.max, events }
}

fn perform<P: Face>(pool: &P, recorder: &Arc<Recorder>, ops: &[Op]) {
    let mut handles = VecDeque::new();
    let join = |(task, handle)| recorder.during(|| P::join(handle).unwrap(), |()| Kind::Join(task));
    for &op in ops {
        match op {
            Op::Submit(way, units) => {
                let task = recorder.tasks.fetch_add(1, SeqCst) as usize;
                let inside = recorder.clone();
                let job = move || inside.during(|| P::work(units), |()| Kind::Body(task));
                let answer = recorder.during(
                    || pool.submit(way, Box::new(job)),
                    |answer| Kind::Submit(task, way, answer.as_ref().err().copied()),
                );
                handles.extend(answer.ok().map(|handle| (task, handle)));
            }
            Op::Join => handles.pop_front().into_iter().for_each(join),
            Op::Wait => recorder.during(|| pool.wait(), |()| Kind::Wait),
            Op::Close => recorder.during(|| pool.close(), |()| Kind::Close),
            Op::Running => _ = recorder.during(|| pool.running(), |&running| Kind::Running(running)),
        }
    }
    handles.into_iter().for_each(join);
}

// The search.

/// A moment to be found between two others.
#[derive(Debug)]
struct Point {
    what: What,
    from: u64,
    to: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// A task is admitted, perhaps out of the queue.
    Admit(Way),
    /// A task is refused, perhaps out of the queue.
    Full(Way),
    Closed,
    Release,
    Rest,
    Close,
    Running(usize),
}

/// What the sequential pool is like after some of the points.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Sequential {
    /// The points that lie behind, one bit each.
    done: u128,
    running: usize,
    /// The tasks that wait, by their points.
    queue: VecDeque<usize>,
    closed: bool,
}

impl History {
    /// How many calls and bodies it has.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    fn points(&self) -> Vec<Point> {
        let find = |kind| self.events.iter().find(|event| event.kind == kind);
        let (body, join) = (|task| find(Kind::Body(task)), |task| find(Kind::Join(task)));
        let point = |event: &Event| {
            let (what, from, to) = match event.kind {
                Kind::Submit(task, way, None) => {
                    let to = body(task).map_or(event.to, |body| event.to.min(body.from));
                    (What::Admit(way), event.from, to)
                }
                Kind::Body(task) => (What::Release, event.to, join(task).map_or(u64::MAX, |join| join.to)),
                Kind::Submit(_, way, Some(Refused::Full)) => (What::Full(way), event.from, event.to),
                Kind::Submit(_, _, Some(Refused::Closed)) => (What::Closed, event.from, event.to),
                Kind::Wait => (What::Rest, event.from, event.to),
                Kind::Close => (What::Close, event.from, event.to),
                Kind::Running(running) => (What::Running(running), event.from, event.to),
                Kind::Join(_) => return None,
            };
            Some(Point { what, from, to })
        };
        self.events.iter().filter_map(point).collect()
    }

    /// Whether a sequential pool explains the history; if not, the history to print.
    pub(crate) fn explain(&self) -> Result<(), String> {
        let bodies = self.events.iter().filter_map(|event| match event.kind {
            Kind::Body(task) => Some(task),
            _ => None,
        });
        let mut seen = HashSet::new();
        for task in bodies {
            let submitted =
                self.events.iter().any(|event| matches!(event.kind, Kind::Submit(id, _, None) if id == task));
            if !submitted || !seen.insert(task) {
                return Err(format!("task {task} was refused or ran twice\n{self:?}"));
            }
        }
        let points = self.points();
        let search = Search { max: self.max, points };
        if search.run() { Ok(()) } else { Err(format!("no sequential pool does this\n{self:?}")) }
    }
}

struct Search {
    max: usize,
    points: Vec<Point>,
}

impl Search {
    fn run(&self) -> bool {
        assert!(self.points.len() <= 128, "too long for the set of points");
        let all = if self.points.len() == 128 { u128::MAX } else { (1 << self.points.len()) - 1 };
        let mut met = HashSet::new();
        let mut todo = vec![Sequential::default()];
        while let Some(state) = todo.pop() {
            if state.done == all {
                return true;
            }
            if met.insert(state.clone()) {
                self.steps(&state, &mut todo);
            }
        }
        false
    }

    /// All that may come next.
    fn steps(&self, now: &Sequential, todo: &mut Vec<Sequential>) {
        let open = |&at: &usize| now.done & (1 << at) == 0;
        let bound = (0..self.points.len()).filter(open).map(|at| self.points[at].to).min().unwrap_or(0);
        for at in (0..self.points.len()).filter(open).filter(|&at| self.points[at].from < bound) {
            let full = now.running == self.max || !now.queue.is_empty();
            let place = now.queue.iter().position(|&other| other == at);
            let mut next = now.clone();
            next.done |= 1 << at;
            let possible = match self.points[at].what {
                What::Admit(way) => {
                    next.running += 1;
                    match place {
                        Some(0) => {
                            next.queue.pop_front();
                            now.running < self.max
                        }
                        Some(_) => false,
                        None => {
                            self.queue(now, at, way, full, todo);
                            !full && !now.closed
                        }
                    }
                }
                What::Full(way) => match place {
                    Some(place) => next.queue.remove(place).is_some(),
                    None => {
                        self.queue(now, at, way, full, todo);
                        full && !now.closed
                    }
                },
                What::Closed => now.closed,
                What::Release => {
                    next.running = now.running.wrapping_sub(1);
                    now.running > 0
                }
                What::Rest => now.running == 0 && now.queue.is_empty(),
                What::Close => {
                    next.closed = true;
                    true
                }
                What::Running(running) => running == now.running,
            };
            if possible {
                todo.push(next);
            }
        }
    }

    /// The task at this point takes a place in the queue, if it may.
    fn queue(&self, now: &Sequential, at: usize, way: Way, full: bool, todo: &mut Vec<Sequential>) {
        if way != Way::TrySpawn && full && !now.closed {
            let mut next = now.clone();
            next.queue.push_back(at);
            todo.push(next);
        }
    }
}
