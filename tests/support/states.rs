//! Every schedule of a scenario, to the end: depth first, leaving off wherever an execution comes to a state in which
//! one has been before. So much fewer executions than schedules are needed that parts with four threads, and small pools,
//! are explored without a bound on preemptions. Memory is sequentially consistent.
//!
//! **What a state is.** The crate's own code runs, so its threads' stacks cannot be compared. But what a thread does next
//! depends only on where it began and on what it has read since: so its *history*, a hash of that and of how often it was
//! scheduled or blocked, stands for its stack. A state is the histories of all threads, which of them can run, and what is
//! in every atomic and every shared cell. An integer stands for itself; a task, and a chunk of memory, for its name; what else lies in
//! a cell, for the history of the thread that put it there, and reading it takes that over. Objects and threads are named by
//! their maker and how many it made before, since neither addresses nor numbers are the same in two executions.
//! (M. Musuvathi and S. Qadeer, *Partial-order reduction for context-bounded state exploration*, 2007, compare what
//! happened before what; values merge more.)
//!
//! **What is forgotten.** A history may drop what its thread keeps no more:
//! - a loop over the word that fails at its CAS begins anew with what it began with ([`failed`]), and one that succeeds
//!   keeps the slot it popped or the position it took ([`succeeded`]);
//! - a thread on its way to sleep keeps the value that it goes by ([`tries`]);
//! - a worker that takes its mail keeps its slot ([`swapped`]);
//! - a call keeps what it returns ([`call`]).
//!
//! **What is left off.** Two steps of two threads commute if neither changes what the other touches. Where one has been explored,
//! it is not taken again after the other, for it would come to the same: the thread is *asleep* until a step is taken that does
//! not commute with its own (P. Godefroid's sleep sets, 1996). A step at which a thread blocks, ends, starts or wakes another
//! commutes with none. All states are reached nevertheless: with a state it is kept who was asleep there, and who is not
//! when it is reached again takes that step then. For that the states must have no rounds; one would be a schedule in which nobody
//! gets anywhere, and fails.
//!
//! **What checks this.** Whenever an execution takes a step from a state that another has taken before, it has to come to
//! the same state again: a dependence that the histories miss shows there (`loom-tests/canary.rs`). One step in sixteen
//! of those that could be left off is taken, and has to lead to a state that has been seen; and models with few states are
//! explored a second time with nobody asleep, which has to find as many. Hashes have 128 bits.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    ops::Deref,
    panic::Location,
    sync::{Arc, Mutex},
    time::Duration,
};

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

use crate::{
    JoinHandle, TrySpawnError, pool,
    word::{State, Word},
};

type Hash = u128;

const fn mix(a: Hash, b: Hash) -> Hash {
    let mut x =
        a.wrapping_mul(0x2d35_8dcc_aa6c_78a5_8bb8_4b93_962e_acc9).wrapping_add(b) ^ 0x9e37_79b9_7f4a_7c15;
    x ^= x >> 67;
    x = x.wrapping_mul(0xda94_2042_e4dd_58b5_9fb2_1c65_1e98_df25);
    x ^= x >> 61;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93_a0b4_28db_2f9c_7d4d);
    x ^ (x >> 65)
}

/// Hashes are hashed already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are stored");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Stored = BuildHasherDefault<AsItIs>;

// What an execution has come to.

/// A thread.
struct Strand {
    name: Hash,
    /// What its maker knew.
    birth: Hash,
    history: Hash,
    /// How many objects and threads it has made.
    made: Hash,
    /// Its history before its last look at the pool's word, and at a word that it may sleep on.
    mark: Hash,
    glance: Hash,
}

/// What a step has touched, and whether it has changed it.
#[derive(Clone, Default)]
struct Footprint {
    touched: Vec<(u64, bool)>,
    /// It comes before or after every other step.
    alone: bool,
}

impl Footprint {
    /// Whether the two steps, of two threads, come to the same in either order.
    fn commutes_with(&self, other: &Footprint) -> bool {
        let meet = |&(a, changed): &(u64, bool)| {
            other.touched.iter().any(|&(b, changes)| a == b && (changed || changes))
        };
        !self.alone && !other.alone && !self.touched.iter().any(meet)
    }
}

#[derive(Default)]
struct Execution {
    /// By the numbers of their tasks.
    strands: Vec<Option<Strand>>,
    running: Option<TaskId>,
    /// Of the running thread's step.
    footprint: Footprint,
    objects: HashMap<u64, Hash, Stored>,
    /// The hash of all objects.
    memory: Hash,
}

/// What happens to a thread, told apart from all that it may read.
const fn event(number: u128) -> Hash {
    number << 100
}

/// The name of the thread that nobody has made.
const MAIN: Hash = mix(0, event(13));

const SPAWNED: Hash = event(1);
const STEP: Hash = event(2);
const BLOCKED: Hash = event(3);
const TAKES: Hash = event(4);
const SLEEPS: Hash = event(5);
const RETURNS: Hash = event(6);

thread_local! {
    static EXECUTION: RefCell<Option<Execution>> = const { RefCell::new(None) };
}

fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    // A thread that is ending has no locals left.
    EXECUTION.try_with(|execution| execution.borrow_mut().as_mut().map(f)).ok().flatten()
}

/// The same for the running thread alone.
fn with_strand<R>(f: impl FnOnce(&mut Strand) -> R) -> Option<R> {
    with(|execution| f(execution.strand()))
}

impl Strand {
    /// A name for what it makes.
    fn new_name(&mut self) -> Hash {
        self.made += 1;
        mix(self.name, self.made)
    }
}

impl Execution {
    fn strand(&mut self) -> &mut Strand {
        let running = self.running.expect("a thread runs");
        self.strands[usize::from(running)].as_mut().expect("it is known")
    }

    fn put(&mut self, object: u64, content: Option<Hash>) {
        self.footprint.touched.push((object, true));
        let name = Hash::from(object);
        let before = match content {
            Some(content) => {
                self.memory = self.memory.wrapping_add(mix(name, content));
                self.objects.insert(object, content)
            }
            None => self.objects.remove(&object),
        };
        if let Some(before) = before {
            self.memory = self.memory.wrapping_sub(mix(name, before));
        }
    }

    fn state(&self, runnable: &[&Task]) -> Hash {
        let can_run = |id: usize| runnable.iter().any(|task| usize::from(task.id()) == id);
        let threads = self.strands.iter().enumerate().filter_map(|(id, strand)| {
            let strand = strand.as_ref()?;
            Some(mix(mix(strand.name, strand.history), 2 * strand.made + Hash::from(can_run(id))))
        });
        threads.fold(mix(self.memory, 0), Hash::wrapping_add)
    }

    /// Makes the acquaintance of threads that have been spawned.
    fn meet(&mut self, tasks: &[&Task]) {
        for task in tasks {
            let id = usize::from(task.id());
            if self.strands.len() <= id {
                self.strands.resize_with(id + 1, || None);
            }
            if self.strands[id].is_none() {
                let parent = task.parent_task_id().and_then(|id| self.strands[usize::from(id)].as_mut());
                let (name, birth) = parent.map_or((MAIN, 0), |parent| (parent.new_name(), parent.history));
                let birth = mix(mix(birth, name), SPAWNED);
                self.strands[id] =
                    Some(Strand { name, birth, history: birth, made: 0, mark: birth, glance: birth });
            }
        }
    }

    /// What the thread that ran could not take or await at once, it has learned of, too.
    fn note_block(&mut self, runnable: &[&Task]) {
        if let Some(running) = self.running
            && runnable.iter().all(|task| task.id() != running)
        {
            let strand = self.strand();
            strand.history = mix(strand.history, BLOCKED);
        }
    }

    /// All threads, in the order of their names.
    fn names(&self) -> Vec<(Hash, TaskId)> {
        let known = self.strands.iter().enumerate();
        let mut names: Vec<_> =
            known.filter_map(|(id, strand)| Some((strand.as_ref()?.name, TaskId::from(id)))).collect();
        names.sort_unstable_by_key(|&(name, _)| name);
        names
    }

    fn step(&mut self, next: TaskId) {
        self.running = Some(next);
        self.footprint.touched.clear();
        self.footprint.alone = false;
        let strand = self.strand();
        strand.history = mix(strand.history, STEP);
    }
}

/// A name for an object that the running thread makes; none where no states are compared.
pub(crate) fn name() -> Option<u64> {
    with_strand(|strand| strand.new_name() as u64)
}

/// One number for two.
pub(crate) fn joint(a: u64, b: u64) -> u64 {
    mix(a.into(), b.into()) as u64
}

/// The name of the last object that it has made.
pub(crate) fn last_name() -> Option<u64> {
    with_strand(|strand| mix(strand.name, strand.made) as u64)
}

/// The name of the running thread; 0 where no states are compared.
pub(crate) fn me() -> u64 {
    with_strand(|strand| strand.name as u64).unwrap_or(0)
}

/// An object holds `value` now; or something whose meaning is known by who put it there.
pub(crate) fn holds(object: u64, value: Option<u64>) {
    with(|execution| {
        let strand = execution.strand();
        let content = value.map_or(mix(strand.history, strand.made), Hash::from);
        execution.put(object, Some(content));
    });
}

/// What an object holds decides what happens, but is not kept.
fn reads(object: u64) {
    with(|execution| execution.footprint.touched.push((object, false)));
}

/// The running thread learns what an object holds.
pub(crate) fn learns(object: u64) {
    reads(object);
    with(|execution| {
        let content = execution.objects.get(&object).copied().unwrap_or(0);
        let strand = execution.strand();
        strand.history = mix(strand.history, content);
    });
}

/// The order of this step and any other matters.
pub(crate) fn alone() {
    with(|execution| execution.footprint.alone = true);
}

/// Stands for how often threads have been asked for, in a model that refuses some.
const ASKED: u64 = 0;

/// The running thread asks for a thread, and learns how often that has been done. The order of this step and any other
/// matters: what comes of it is not the crate's.
pub(crate) fn asks_for_a_thread() {
    alone();
    let before = with(|execution| execution.objects.get(&ASKED).map_or(0, |&times| times as u64));
    changed(ASKED, before.map(|before| before + 1));
}

/// The running thread was the last to have an object.
pub(crate) fn lets_go(object: u64) {
    learns(object);
    gone(object);
}

/// An object is gone.
pub(crate) fn gone(object: u64) {
    with(|execution| execution.put(object, None));
}

/// Both: an RMW.
pub(crate) fn changed(object: u64, value: Option<u64>) {
    learns(object);
    holds(object, value);
}

fn is_in(file: &str, at: &Location<'_>) -> bool {
    at.file().ends_with(file)
}

/// The running thread is about to load something.
pub(crate) fn begins(at: &Location<'_>) {
    with_strand(|strand| {
        if is_in("src/admission.rs", at) {
            strand.mark = strand.history;
        } else if is_in("src/park.rs", at) {
            strand.glance = strand.history;
        }
    });
}

/// It is about to try a CAS from `from`; in `sleep_until`, after a glance at the same word.
pub(crate) fn tries(at: &Location<'_>, from: u64) {
    if is_in("src/park.rs", at) {
        with_strand(|strand| strand.history = mix(mix(strand.glance, SLEEPS), from.into()));
    }
}

/// The CAS has failed. In a loop over the word, the next round begins; but for one in `settle`, which only ever changes a
/// word that is short.
pub(crate) fn failed(at: &Location<'_>, object: u64, from: u64) {
    if is_in("src/admission.rs", at) && !Word(from).is_short() {
        with_strand(|strand| strand.history = strand.mark);
        reads(object);
    } else {
        learns(object);
    }
}

/// The CAS has succeeded. Where only slots and positions change, and the pool is not closed, what comes of it is known by
/// them.
pub(crate) fn succeeded(at: &Location<'_>, object: u64, from: u64, value: Option<u64>) {
    learns(object);
    if is_in("src/admission.rs", at) {
        let (from, to) = (Word(from), Word(value.expect("the word is a number")));
        let flags = |word: Word| (word.is_closed(), word.is_watched(), word.is_short(), word.wave());
        let digest = match (from.state(), to.state()) {
            (before, after) if before == after || from.is_closed() || flags(from) != flags(to) => None,
            (State::Busy { head, .. }, State::Busy { head: next, .. }) if head != next => {
                Some(mix(event(7), head.0.into()))
            }
            (State::Busy { .. }, State::Busy { .. }) => Some(event(8)),
            (State::Busy { .. }, State::Idle { .. }) => Some(event(9)),
            (State::Idle { top, .. }, State::Busy { .. }) => Some(mix(event(10), top.into())),
            (State::Idle { top, .. }, State::Idle { top: next, .. }) => {
                Some(mix(mix(event(11), top.into()), next.into()))
            }
        };
        if let Some(digest) = digest {
            // Who pushes onto a word that is short settles.
            let digest = mix(digest, from.is_short().into());
            with_strand(|strand| strand.history = mix(strand.mark, digest));
        }
    }
    holds(object, value);
}

/// It has put `value` in the place of what was there. Only a worker that takes its mail puts 0 into a slot.
pub(crate) fn swapped(at: &Location<'_>, object: u64, value: Option<u64>) {
    if is_in("src/slots.rs", at) && value == Some(0) {
        with_strand(|strand| strand.history = mix(strand.birth, TAKES));
    } else {
        learns(object);
    }
    holds(object, value);
}

/// A call, after which nothing is left of what happened in it but what it has `told`; all of it, if that is `None`.
pub(crate) fn call<R>(f: impl FnOnce() -> R, told: impl FnOnce(&R) -> Option<u64>) -> R {
    let before = with_strand(|strand| strand.history);
    let answer = f();
    if let (Some(before), Some(told)) = (before, told(&answer)) {
        with_strand(|strand| strand.history = mix(mix(before, RETURNS), told.into()));
    }
    answer
}

/// The pool, as the models call it.
pub(crate) struct Pool(pool::Pool);

impl Pool {
    pub(crate) fn new(max: usize) -> Pool {
        Pool(pool::Pool::new(max))
    }

    pub(crate) fn spawn<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        call(|| self.0.spawn(f), |_| Some(0))
    }

    pub(crate) fn try_spawn<T, F>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        call(|| self.0.try_spawn(f), told)
    }

    pub(crate) fn spawn_timeout<T, F>(&self, d: Duration, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        call(|| self.0.spawn_timeout(d, f), told)
    }

    pub(crate) fn wait(&self) {
        call(|| self.0.wait(), |()| Some(0));
    }

    pub(crate) fn close(&self) {
        call(|| self.0.close(), |()| Some(0));
    }
}

impl Deref for Pool {
    type Target = pool::Pool;

    fn deref(&self) -> &pool::Pool {
        &self.0
    }
}

fn told<T, F>(answer: &Result<JoinHandle<T>, TrySpawnError<F>>) -> Option<u64> {
    match answer {
        Ok(_) => Some(0),
        Err(TrySpawnError::Full(_)) => Some(1),
        Err(TrySpawnError::Closed(_)) => Some(2),
        Err(TrySpawnError::Os(..)) => Some(3),
    }
}

// The search.

/// What a search has seen.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) states: u64,
    pub(crate) executions: u64,
    /// Steps that were taken a second time, and led where they had led before.
    pub(crate) confirmed: u64,
}

/// How many steps from known states are compared in each execution that has come to one.
const KNOWN: usize = 4;

/// One thread in sixteen.
fn sample(state: Hash) -> u8 {
    (state >> 64 & state >> 72 & state >> 80 & state >> 88) as u8
}

/// One decision on the path that is being explored.
struct Decision {
    state: Hash,
    /// Who could run.
    runnable: Vec<TaskId>,
    taken: TaskId,
    footprint: Footprint,
    left: Vec<TaskId>,
    /// Those whose step comes to what has been explored elsewhere, before a step that commutes with it.
    asleep: Vec<(TaskId, Footprint)>,
    /// Those whose step has been explored from here.
    explored: Vec<(TaskId, Footprint)>,
}

/// The scheduler.
pub(crate) struct EverySchedule {
    /// Whether steps are left off.
    naps: bool,
    path: Vec<Decision>,
    depth: usize,
    /// How many steps ago this execution came where one was before. It is only brought to its end.
    known: usize,
    /// The states, and whose steps have not been taken from there: a bit for each thread, by the order of their names.
    states: HashMap<(u64, u64), u8, Stored>,
    /// Where a step from a state led.
    steps: HashMap<u64, u64, Stored>,
    last: Option<u64>,
    /// When each thread was last scheduled.
    turns: Vec<u64>,
    clock: u64,
    seen: Arc<Mutex<Seen>>,
    counts: Seen,
}

impl EverySchedule {
    /// With `naps`, steps are left off that come to what has been explored; else every step is taken from every state.
    pub(crate) fn new(seen: Arc<Mutex<Seen>>, naps: bool) -> EverySchedule {
        EverySchedule {
            naps,
            path: Vec::new(),
            depth: 0,
            known: 0,
            states: HashMap::default(),
            steps: HashMap::default(),
            last: None,
            turns: Vec::new(),
            clock: 0,
            seen,
            counts: Seen::default(),
        }
    }

    /// The state at the end of the path; and that the last step led there before, if it was taken before.
    fn arrive(&mut self, runnable: &[&Task]) -> Hash {
        let state = with(|execution| execution.state(runnable)).expect("an execution has begun");
        if let Some(step) = self.last.take()
            && let Some(before) = self.steps.insert(step, state as u64)
        {
            assert_eq!(before, state as u64, "the same step from the same state led elsewhere");
            self.counts.confirmed += 1;
        }
        state
    }

    fn leave(&mut self, state: Hash, next: TaskId) {
        let name = |execution: &mut Execution| {
            execution.strands[usize::from(next)].as_ref().map(|strand| strand.name)
        };
        self.last = with(name).flatten().map(|name| mix(state, name) as u64);
    }

    /// Who is asleep after the last step on the path; and whether that step could have been left off itself.
    fn sleepers(&mut self, runnable: &[TaskId]) -> (Vec<(TaskId, Footprint)>, bool) {
        let Some(last) = self.path.last_mut().filter(|_| self.naps) else {
            return (Vec::new(), false);
        };
        last.footprint = with(|execution| execution.footprint.clone()).expect("an execution has begun");
        last.footprint.alone |= last.runnable != runnable;
        let still = |&&(id, ref other): &&(TaskId, Footprint)| {
            id != last.taken && other.commutes_with(&last.footprint)
        };
        let asleep = last.asleep.iter().chain(&last.explored).filter(still).cloned().collect();
        (asleep, last.asleep.iter().any(|&(id, _)| id == last.taken))
    }

    /// Whose steps are to be explored in `state`, where those of `asleep` sleep.
    fn wanted(&mut self, state: Hash, asleep: u8, expected: bool) -> u8 {
        match self.states.entry(((state >> 64) as u64, state as u64)) {
            Entry::Vacant(place) => {
                assert!(!expected, "a step that could be left off led to a state that had not been seen");
                self.counts.states += 1;
                place.insert(asleep);
                !asleep | sample(state)
            }
            Entry::Occupied(mut place) => {
                let round = self.path.iter().any(|decision| decision.state == state);
                assert!(!round, "threads go round in circles, and come to nothing");
                let left = *place.get() & !asleep;
                *place.get_mut() &= asleep;
                left
            }
        }
    }

    /// The decision to be made in `state`, at the end of the path, if a step is left to be explored there.
    fn decision(&mut self, state: Hash, runnable: &[&Task]) -> Option<Decision> {
        let runnable: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let (asleep, expected) = self.sleepers(&runnable);
        let names = with(|execution| execution.names())?;
        assert!(names.len() <= u8::BITS as usize, "too many threads");
        let bit = |id: TaskId| 1 << names.iter().position(|&(_, other)| other == id).expect("it is known");
        let mask = asleep.iter().fold(0, |mask, &(id, _)| mask | bit(id));
        let wanted = self.wanted(state, mask, expected);
        let mut left: Vec<TaskId> = runnable.iter().copied().filter(|&id| wanted & bit(id) != 0).collect();
        let taken = left.pop()?;
        let footprint = Footprint { alone: true, ..Footprint::default() };
        Some(Decision { state, runnable, taken, footprint, left, asleep, explored: Vec::new() })
    }

    fn choose(&mut self, runnable: &[&Task]) -> TaskId {
        if let Some(&Decision { state, taken, .. }) = self.path.get(self.depth) {
            self.depth += 1;
            if self.depth == self.path.len() {
                self.leave(state, taken);
            }
            return taken;
        }
        if self.known < KNOWN {
            let state = self.arrive(runnable);
            if self.known == 0
                && let Some(decision) = self.decision(state, runnable)
            {
                let taken = decision.taken;
                self.path.push(decision);
                self.depth += 1;
                self.leave(state, taken);
                return taken;
            }
            self.known += 1;
            let next = self.longest_waiting(runnable);
            self.leave(state, next);
            return next;
        }
        self.longest_waiting(runnable)
    }

    /// With this choice everything ends.
    fn longest_waiting(&self, runnable: &[&Task]) -> TaskId {
        let waited = |task: &&&Task| self.turns.get(usize::from(task.id())).copied().unwrap_or(0);
        runnable.iter().min_by_key(waited).expect("somebody can run").id()
    }
}

impl Scheduler for EverySchedule {
    fn new_execution(&mut self) -> Option<Schedule> {
        EXECUTION.set(None);
        *self.seen.lock().unwrap() = self.counts;
        if self.counts.executions > 0 {
            while self.path.last().is_some_and(|decision| decision.left.is_empty()) {
                self.path.pop();
            }
            let decision = self.path.last_mut()?;
            let next = decision.left.pop().expect("some are left");
            let taken = std::mem::replace(&mut decision.taken, next);
            decision.explored.push((taken, std::mem::take(&mut decision.footprint)));
            decision.footprint.alone = true;
        }
        self.counts.executions += 1;
        (self.depth, self.known, self.last) = (0, 0, None);
        self.turns.clear();
        EXECUTION.set(Some(Execution::default()));
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], _current: Option<TaskId>, _yields: bool) -> Option<TaskId> {
        with(|execution| {
            execution.meet(runnable);
            execution.note_block(runnable);
        });
        let next = self.choose(runnable);
        self.clock += 1;
        let id = usize::from(next);
        self.turns.resize(self.turns.len().max(id + 1), 0);
        self.turns[id] = self.clock;
        with(|execution| execution.step(next));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("nothing is left to chance");
    }
}
