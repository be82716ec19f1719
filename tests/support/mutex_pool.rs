//! The mutex variant: the contract of `admit::Pool` on `Mutex` and `Condvar`.
//!
//! It is the reference that property tests compare with and the baseline of the benchmarks, so it
//! is written to be obviously right first and as quick as a lock allows second:
//!
//! - One lock guards the pool's counts; no user code runs and no other thread is awaited under it.
//! - Every sleeper has a condvar of its own, so an event wakes only the thread that it concerns,
//!   and a condvar is rung only when somebody is known to sleep on it: ringing an empty one is a
//!   system call for nothing.
//! - A finishing worker takes the oldest waiting task along and runs it: the job changes hands and
//!   the permit does not.
//!
//! PROGRESS is the one guarantee a lock cannot give: a thread stopped under it stops the others.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test and benchmark that includes this file uses a different part of it"
)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use std::{error, fmt, io, mem, ptr};

thread_local! {
    /// The address of the pool whose worker this thread is, or 0. The worker owns a share of that
    /// pool, so the address cannot come to mean another one.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}

/// A bounded pool of worker threads.
pub struct MutexPool {
    shared: Arc<Shared>,
}

impl MutexPool {
    /// The largest accepted `max`.
    pub const MAX: usize = 16_383;

    pub fn new(max: usize) -> Self {
        assert!(
            (1..=Self::MAX).contains(&max),
            "max must be at least 1 and at most {}, but is {max}",
            Self::MAX,
        );
        let (state, quiet) = Default::default();
        let shared = Arc::new(Shared { max, state, quiet });
        Self { shared }
    }

    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let when_full = if self.is_own_worker() { WhenFull::RunHere } else { WhenFull::WaitUntil(None) };
        self.submit(f, when_full).unwrap_or_else(|refusal| {
            let reason = refusal.to_string();
            drop_quietly(refusal.into_inner());
            panic!("{reason}");
        })
    }

    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit(f, WhenFull::Refuse)
    }

    pub fn spawn_timeout<F, T>(&self, timeout: Duration, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.submit(f, WhenFull::WaitUntil(deadline(timeout)))
    }

    pub fn wait(&self) {
        self.wait_until(None);
    }

    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline(timeout))
    }

    pub fn close(&self) {
        lock(&self.shared.state).closed = true;
    }

    pub fn max(&self) -> usize {
        self.shared.max
    }

    pub fn running(&self) -> usize {
        lock(&self.shared.state).running
    }

    pub fn waiting(&self) -> usize {
        lock(&self.shared.state).queue.len()
    }

    pub fn threads(&self) -> usize {
        lock(&self.shared.state).threads.len()
    }

    fn is_own_worker(&self) -> bool {
        WORKER_OF.get() == Arc::as_ptr(&self.shared).addr()
    }

    fn submit<F, T>(&self, f: F, when_full: WhenFull) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // The allocation comes before the lock, since almost every call needs it.
        let task = Arc::new(Task::new(f));
        let mut state = lock(&self.shared.state);
        if state.closed {
            return Err(TrySpawnError::Closed(task.reclaim()));
        }
        let refuses = matches!(when_full, WhenFull::Refuse);
        let worker = match self.shared.take_worker(&mut state) {
            Err(error) if refuses || state.threads.is_empty() => {
                return Err(TrySpawnError::Os(task.reclaim(), error));
            }
            worker => worker.ok().flatten(),
        };
        match (worker, when_full) {
            (Some(worker), _) => {
                drop(state);
                worker.post(Mail::Job(task.clone()));
            }
            (None, WhenFull::Refuse) => return Err(TrySpawnError::Full(task.reclaim())),
            (None, WhenFull::RunHere) => {
                drop(state);
                task.run();
                task.release();
            }
            (None, WhenFull::WaitUntil(deadline)) => {
                state.queue.push_back(task.clone());
                drop(state);
                let started = task.wait_for(Mark::Started, deadline).is_some();
                if !started && self.shared.revoke(&*task) {
                    return Err(TrySpawnError::Full(task.reclaim()));
                }
            }
        }
        Ok(JoinHandle { task })
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        assert!(!self.is_own_worker(), "a task cannot wait for its own pool");
        let mut state = lock(&self.shared.state);
        // The wave shows a quiescence that is over again when this thread gets the lock.
        let wave = state.wave;
        let mut in_time = true;
        while in_time && state.running > 0 && state.wave == wave {
            state.watched = true;
            (state, in_time) = sleep(&self.shared.quiet, state, deadline);
        }
        in_time
    }
}

impl Drop for MutexPool {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        state.dropped = true;
        let idle = mem::take(&mut state.idle);
        let threads = mem::take(&mut state.threads);
        drop(state);
        for worker in idle {
            worker.post(Mail::Exit);
        }
        // A worker cannot join itself: from inside a task the threads are left to end on their own.
        if !self.is_own_worker() {
            for thread in threads {
                thread.join().expect("a worker never panics");
            }
        }
    }
}

/// What a submitter does when no worker is to be had.
enum WhenFull {
    Refuse,
    RunHere,
    WaitUntil(Option<Instant>),
}

struct Shared {
    max: usize,
    state: Mutex<State>,
    /// Rung for `wait` when nothing runs any more.
    quiet: Condvar,
}

/// A queued task implies that no worker is idle and that one is running: that one will take it.
#[derive(Default)]
struct State {
    closed: bool,
    dropped: bool,
    running: usize,
    /// Counts how often `running` has become 0.
    wave: u64,
    /// Somebody sleeps in `wait`.
    watched: bool,
    /// Last in, first out, so that the worker with the warmest cache goes first.
    idle: Vec<Arc<Worker>>,
    /// The tasks of blocked submitters, the oldest in front.
    queue: VecDeque<Arc<dyn Job>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Shared {
    /// Admits one task: counts it as running and gives the worker that has to get it. Tasks that
    /// wait already go first; beside them there can be a free place only if the system refused a
    /// thread before.
    fn take_worker(self: &Arc<Self>, state: &mut State) -> io::Result<Option<Arc<Worker>>> {
        loop {
            let worker = match state.idle.pop() {
                Some(worker) => worker,
                None if state.threads.len() == self.max => return Ok(None),
                None => self.start_worker(state)?,
            };
            state.running += 1;
            match state.queue.pop_front() {
                Some(job) => worker.post(Mail::Job(job)),
                None => return Ok(Some(worker)),
            }
        }
    }

    /// Starts a thread under the lock. That happens at most `max` times in the life of a pool, and
    /// it makes the number of threads exact when the system refuses one.
    fn start_worker(self: &Arc<Self>, state: &mut State) -> io::Result<Arc<Worker>> {
        let worker = Arc::new(Worker::default());
        let (shared, me) = (self.clone(), worker.clone());
        let thread = thread::Builder::new()
            .name(format!("mutex-{}", state.threads.len()))
            .spawn(move || shared.work(me))?;
        state.threads.push(thread);
        Ok(worker)
    }

    /// The life of a worker thread.
    fn work(self: Arc<Self>, me: Arc<Worker>) {
        WORKER_OF.set(Arc::as_ptr(&self).addr());
        let mut next = me.receive();
        while let Some(job) = next {
            let wanted = job.run();
            // FREE: the place is given back or on before `join` may return.
            let taken_along = self.finish_one(&me);
            if wanted {
                job.release();
            }
            drop(job);
            next = taken_along.or_else(|| me.receive());
        }
    }

    /// Takes the oldest waiting task along, or gives the place back.
    fn finish_one(&self, me: &Arc<Worker>) -> Option<Arc<dyn Job>> {
        let mut state = lock(&self.state);
        if let Some(job) = state.queue.pop_front() {
            return Some(job);
        }
        if state.dropped {
            me.post(Mail::Exit);
        } else {
            state.idle.push(me.clone());
        }
        state.running -= 1;
        if state.running == 0 {
            state.wave += 1;
            if mem::take(&mut state.watched) {
                drop(state);
                self.quiet.notify_all();
            }
        }
        None
    }

    /// Takes a task back out of the queue; `false` says that a worker has it already.
    fn revoke<J: Job>(&self, task: *const J) -> bool {
        let mut state = lock(&self.state);
        let place = state.queue.iter().position(|job| ptr::addr_eq(Arc::as_ptr(job), task));
        place.is_some_and(|place| state.queue.remove(place).is_some())
    }
}

/// A worker's mailbox, with a lock of its own to keep the pool's lock out of the hand-over.
#[derive(Default)]
struct Worker {
    mail: Mutex<Mail>,
    bell: Condvar,
}

#[derive(Default)]
enum Mail {
    #[default]
    Nothing,
    /// The worker sleeps.
    Asleep,
    Job(Arc<dyn Job>),
    Exit,
}

impl Worker {
    /// Only who took this worker out of the idle ones may write, so no letter is overwritten.
    fn post(&self, letter: Mail) {
        let before = mem::replace(&mut *lock(&self.mail), letter);
        if matches!(before, Mail::Asleep) {
            self.bell.notify_one();
        }
    }

    /// Sleeps until a job comes, or `None` for the order to exit.
    fn receive(&self) -> Option<Arc<dyn Job>> {
        let mut mail = lock(&self.mail);
        loop {
            match mem::take(&mut *mail) {
                Mail::Nothing | Mail::Asleep => *mail = Mail::Asleep,
                Mail::Job(job) => return Some(job),
                Mail::Exit => return None,
            }
            (mail, _) = sleep(&self.bell, mail, None);
        }
    }
}

/// The worker's side of a task.
trait Job: Send + Sync {
    /// Runs the closure and publishes its result; `false` says that the handle is gone.
    fn run(&self) -> bool;
    /// Lets `join` return.
    fn release(&self);
}

/// The handle's side of a task.
trait Outcome<T>: Send + Sync {
    fn is_finished(&self) -> bool;
    /// Takes the result as soon as the task has come to `mark`.
    fn join(&self, mark: Mark, deadline: Option<Instant>) -> Option<thread::Result<T>>;
    fn detach(&self);
}

/// How far a task has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Queued,
    Started,
    Finished,
    Released,
}

struct Task<F, T> {
    cell: Mutex<TaskCell<F, T>>,
    /// One thread at most sleeps here: first the blocked submitter, later the joiner.
    bell: Condvar,
}

struct TaskCell<F, T> {
    mark: Mark,
    closure: Option<F>,
    result: Option<thread::Result<T>>,
    /// The mark for which somebody sleeps.
    awaited: Option<Mark>,
    detached: bool,
}

type Guard<'a, F, T> = MutexGuard<'a, TaskCell<F, T>>;

impl<F, T> Task<F, T> {
    fn new(f: F) -> Self {
        let cell =
            TaskCell { mark: Mark::Queued, closure: Some(f), result: None, awaited: None, detached: false };
        Self { cell: Mutex::new(cell), bell: Condvar::new() }
    }

    fn lock(&self) -> Guard<'_, F, T> {
        lock(&self.cell)
    }

    fn reclaim(&self) -> F {
        let closure = self.lock().closure.take();
        closure.expect("a closure is taken once")
    }

    /// Sleeps until the task has come to `mark`; `None` says that the deadline came first.
    fn wait_for(&self, mark: Mark, deadline: Option<Instant>) -> Option<Guard<'_, F, T>> {
        let (mut cell, mut in_time) = (self.lock(), true);
        while in_time && cell.mark < mark {
            cell.awaited = Some(mark);
            (cell, in_time) = sleep(&self.bell, cell, deadline);
        }
        in_time.then_some(cell)
    }

    fn advance(&self, mut cell: Guard<'_, F, T>, mark: Mark) {
        cell.mark = mark;
        let sleeper = cell.awaited.take_if(|awaited| *awaited <= mark);
        drop(cell);
        if sleeper.is_some() {
            self.bell.notify_one();
        }
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Job for Task<F, T> {
    fn run(&self) -> bool {
        let mut cell = self.lock();
        let closure = cell.closure.take().expect("a closure is taken once");
        self.advance(cell, Mark::Started);
        let result = catch_unwind(AssertUnwindSafe(closure));
        let mut cell = self.lock();
        if cell.detached {
            drop(cell);
            drop_quietly(result);
            return false;
        }
        cell.result = Some(result);
        self.advance(cell, Mark::Finished);
        true
    }

    fn release(&self) {
        self.advance(self.lock(), Mark::Released);
    }
}

impl<F: Send, T: Send> Outcome<T> for Task<F, T> {
    fn is_finished(&self) -> bool {
        self.lock().mark >= Mark::Finished
    }

    fn join(&self, mark: Mark, deadline: Option<Instant>) -> Option<thread::Result<T>> {
        self.wait_for(mark, deadline)?.result.take()
    }

    fn detach(&self) {
        let mut cell = self.lock();
        cell.detached = true;
        let unwanted = cell.result.take();
        drop(cell);
        drop(unwanted);
    }
}

/// The right to the result of one task; dropping it detaches the task.
pub struct JoinHandle<T> {
    task: Arc<dyn Outcome<T>>,
}

impl<T> JoinHandle<T> {
    pub fn join(self) -> thread::Result<T> {
        let result = self.task.join(Mark::Released, None);
        result.expect("a sleep without a deadline ends with the task")
    }

    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    pub fn join_timeout(self, timeout: Duration) -> Result<thread::Result<T>, Self> {
        self.task.join(Mark::Finished, deadline(timeout)).ok_or(self)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.task.detach();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinHandle(finished: {})", self.is_finished())
    }
}

/// A refusal that hands the closure back.
pub enum TrySpawnError<F> {
    Full(F),
    Closed(F),
    Os(F, io::Error),
}

impl<F> TrySpawnError<F> {
    pub fn into_inner(self) -> F {
        match self {
            Self::Full(f) | Self::Closed(f) | Self::Os(f, _) => f,
        }
    }
}

impl<F> error::Error for TrySpawnError<F> {}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrySpawnError({self})")
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the pool is full"),
            Self::Closed(_) => f.write_str("the pool is closed"),
            Self::Os(_, error) => write!(f, "the system refused a thread: {error}"),
        }
    }
}

/// Sleeps once; `false` says that the deadline has passed.
fn sleep<'a, S>(
    bell: &Condvar,
    guard: MutexGuard<'a, S>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, S>, bool) {
    let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
    if left.is_zero() {
        return (guard, false);
    }
    let woken = bell.wait_timeout(guard, left).expect(NEVER_POISONED);
    (woken.0, true)
}

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().expect(NEVER_POISONED)
}

const NEVER_POISONED: &str = "nothing panics under a lock";

/// The end of a time-out; one that the clock cannot express lasts for ever.
fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// Drops a value and swallows a panic of that drop. The payload gets the same chance; one that
/// panics in turn is leaked, since it could go on so without end.
fn drop_quietly<V>(value: V) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        catch_unwind(AssertUnwindSafe(|| drop(payload))).unwrap_or_else(mem::forget);
    }
}
