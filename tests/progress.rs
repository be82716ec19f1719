//! PROGRESS on the code that is shipped: a thread is stopped before its k-th step (an atomic operation, a call that
//! sleeps or wakes, a thread about to be made), for every k until what it does ends without being stopped. While it
//! stands still, three others use the same pool and have to finish, but for those whom docs/PROTOCOL.md excepts; then
//! it goes on, and everything has to add up. The many looks at one word before a sleep, and the tries to mark it, count as
//! one step each.
#![cfg(not(any(loom, shuttle)))]

#[path = "support/evidence.rs"]
mod evidence;
#[path = "support/internals.rs"]
mod internals;
mod support;
use internals::*;

use std::{
    cell::{Cell, RefCell},
    panic::Location,
    rc::Rc,
    sync::{
        Arc, Barrier, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::probe::{Step, before_every_step, go_freely, refusal};
use support::{Flag, Gate, LIMIT, Tally, Track, eventually, quietly, watch};

/// How many others use the pool while the thread stands still.
const CROWD: usize = 3;

// The thread that is stopped.

/// What one attempt does to its thread.
#[derive(Clone, Copy)]
struct Plan {
    /// It is stopped before this step.
    stop: usize,
    /// Before this one, the role's event happens.
    event: Option<usize>,
}

/// What is known of the thread that is to be stopped.
#[derive(Clone, Copy, Default)]
struct Seen {
    stopped: Option<&'static Location<'static>>,
    slept: bool,
    ended: bool,
    event: bool,
    released: bool,
}

/// Stops one thread, on std's condition variable, which no probe sees.
#[derive(Clone, Default)]
struct Brake(Arc<(Mutex<Seen>, Condvar)>);

impl Brake {
    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn seen(&self) -> Seen {
        *self.0.0.lock().unwrap()
    }

    fn wait_until(&self, what: impl Fn(&Seen) -> bool) -> Seen {
        let seen = self.0.0.lock().unwrap();
        *self.0.1.wait_while(seen, |seen| !what(seen)).unwrap()
    }

    fn stand_still(&self, at: &'static Location<'static>) {
        self.note(|seen| seen.stopped = Some(at));
        self.wait_until(|seen| seen.released);
    }
}

thread_local! {
    /// The worker whose steps are counted: its operation ends with its next task, or with the thread.
    static WORKER: Cell<Option<Ending>> = const { Cell::new(None) };
}

/// Says that the operation has ended when it is dropped.
struct Ending(Brake);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.note(|seen| seen.ended = true);
    }
}

/// Counts the steps of the calling thread from now on, and stops it as its plan says.
fn arm(world: &Arc<World>) {
    struct Count {
        steps: usize,
        last: Option<&'static Location<'static>>,
    }
    let count = Rc::new(RefCell::new(Count { steps: 0, last: None }));
    let (brake, plan, event) = (world.brake.clone(), world.plan, world.role.event);
    let shared = Arc::downgrade(world);
    let pass = Rc::new(move |at: &'static Location<'static>, sleeps: bool| {
        {
            let mut count = count.borrow_mut();
            let looks_again = count.last == Some(at) && at.file().ends_with("src/park.rs");
            count.last = Some(at);
            if looks_again {
                return;
            }
            count.steps += 1;
        }
        if sleeps {
            brake.note(|seen| seen.slept = true);
        }
        let steps = count.borrow().steps;
        if plan.event == Some(steps) {
            event.expect("the role has an event")(&shared.upgrade().expect("the world is there"));
            brake.note(|seen| seen.event = true);
        }
        if plan.stop == steps {
            brake.stand_still(at);
        }
    });
    let (refused, mut refused_once) = (world.role.refused, world.role.refused_once);
    let here = Location::caller();
    let before = pass.clone();
    refusal::set(move || {
        pass(here, false);
        refused || std::mem::take(&mut refused_once)
    });
    before_every_step(move |Step { at, sleeps }| before(at, sleeps));
}

fn disarm() {
    go_freely();
    refusal::set(|| false);
}

// The pool around it.

/// Who is stopped, and what is there before.
struct Role {
    name: &'static str,
    max: usize,
    /// Workers that are parked when it begins.
    parked: usize,
    /// Tasks that run, until the gate opens.
    occupants: usize,
    /// A submitter waits in line before it begins.
    ahead: bool,
    /// Somebody sleeps in `join` on its task,
    joined: bool,
    /// and somebody in `wait`, before it begins.
    watched: bool,
    /// A submitter begins to wait while it stands still.
    behind: bool,
    /// How many slots it may hold back,
    held: usize,
    /// and how many of the others: those whose task is in its hands, or whom it was about to wake.
    sleepers: usize,
    /// The system refuses it every thread.
    refused: bool,
    /// The system refuses it the first thread.
    refused_once: bool,
    /// Somebody closes the pool.
    closes: bool,
    prepare: fn(&Arc<World>),
    act: fn(&Arc<World>),
    /// What happens when it sleeps.
    asleep: fn(&Arc<World>),
    /// What happens before one of its earlier steps, in a sweep over all pairs of steps.
    event: Option<fn(&World)>,
}

const ROLE: Role = Role {
    name: "",
    max: 1,
    parked: 0,
    occupants: 0,
    ahead: false,
    joined: false,
    watched: false,
    behind: false,
    held: 0,
    sleepers: 0,
    refused: false,
    refused_once: false,
    closes: false,
    prepare: |_| (),
    act: |_| (),
    asleep: |world| world.gate.open(),
    event: None,
};

struct World {
    role: &'static Role,
    plan: Plan,
    pool: Pool,
    /// A lock around every submission: planted in the negative control.
    lock: Option<Mutex<()>>,
    brake: Brake,
    /// Occupants run until it opens.
    gate: Gate,
    /// A worker that is to be stopped begins when it opens.
    go: Gate,
    tally: Tally,
    /// For each closure how often it ran or came back.
    fates: Mutex<Vec<Arc<AtomicUsize>>>,
    handles: Mutex<Vec<JoinHandle<Track>>>,
    /// Threads that stand still as long as the one that is stopped.
    companions: Mutex<Vec<thread::JoinHandle<()>>>,
}

#[derive(Clone, Copy)]
enum Way {
    Spawn,
    Try,
    Within(Duration),
}

impl World {
    fn new(role: &'static Role, plan: Plan, lock: bool) -> World {
        World {
            role,
            plan,
            pool: Pool::new(role.max),
            lock: lock.then(Mutex::default),
            brake: Brake::default(),
            gate: Gate::new(),
            go: Gate::new(),
            tally: Tally::new(),
            fates: Mutex::default(),
            handles: Mutex::default(),
            companions: Mutex::default(),
        }
    }

    /// Submits a task that does `body`; none if it was refused.
    fn submit(&self, way: Way, body: impl FnOnce() + Send + 'static) -> Option<JoinHandle<Track>> {
        let fate = Arc::new(AtomicUsize::new(0));
        self.fates.lock().unwrap().push(fate.clone());
        let (captured, result, ran) = (self.tally.track(), self.tally.track(), fate.clone());
        let closure = move || {
            let _captured = captured;
            ran.fetch_add(1, SeqCst);
            if let Some(ending) = WORKER.take() {
                disarm();
                drop(ending);
            }
            body();
            result
        };
        let lock = self.lock.as_ref().map(|lock| lock.lock().unwrap());
        let submitted = match way {
            Way::Spawn => quietly(|| self.pool.spawn(closure)).map_err(drop),
            Way::Try => self.pool.try_spawn(closure).map_err(drop),
            Way::Within(limit) => self.pool.spawn_timeout(limit, closure).map_err(drop),
        };
        drop(lock);
        if submitted.is_err() {
            fate.fetch_add(1, SeqCst);
        }
        submitted.ok()
    }

    fn keep(&self, handle: Option<JoinHandle<Track>>) {
        self.handles.lock().unwrap().extend(handle);
    }

    /// Starts a task that runs until the gate opens, and returns once it runs.
    fn occupy(&self) {
        let (gate, runs) = (self.gate.clone(), Flag::new());
        let started = runs.clone();
        let handle = self.submit(Way::Spawn, move || {
            started.raise();
            gate.pass();
        });
        self.keep(handle);
        runs.await_up("an occupant runs");
    }

    /// Makes as many workers, and lets them go to sleep.
    fn park(&self, workers: usize) {
        let together = Arc::new(Barrier::new(workers));
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let together = together.clone();
                self.submit(Way::Spawn, move || _ = together.wait()).unwrap()
            })
            .collect();
        tasks.into_iter().for_each(|task| drop(task.join().unwrap()));
        // So that most find them asleep; either way is right.
        thread::sleep(Duration::from_millis(1));
    }

    /// What the others do.
    fn use_pool(&self) {
        let may_refuse = self.role.closes;
        for _ in 0..3 {
            for way in [Way::Spawn, Way::Within(Duration::MAX)] {
                match self.submit(way, || ()) {
                    Some(handle) => drop(handle.join().unwrap()),
                    None => assert!(may_refuse, "an open pool refused"),
                }
            }
            if let Some(handle) = self.submit(Way::Try, || ()) {
                drop(handle.join_timeout(Duration::MAX).unwrap().unwrap());
            }
            let detached = self.submit(Way::Spawn, || ());
            assert!(detached.is_some() || may_refuse, "an open pool refused");
            drop(self.submit(Way::Within(Duration::from_micros(20)), || ()));
            let _ = self.pool.wait_timeout(Duration::from_micros(20));
        }
    }

    /// Whether `n` tasks run at one moment, within `limit`.
    fn run_together(&self, n: usize, limit: Duration) -> Result<(), String> {
        let (inside, gate) = (Arc::new(AtomicUsize::new(0)), Gate::new());
        let mut accepted = 0;
        let start = Instant::now();
        while inside.load(SeqCst) < n && start.elapsed() < limit {
            let (count, pass) = (inside.clone(), gate.clone());
            let task = move || {
                count.fetch_add(1, SeqCst);
                pass.pass();
            };
            match (accepted < self.pool.max()).then(|| self.submit(Way::Try, task)).flatten() {
                Some(handle) => {
                    accepted += 1;
                    self.keep(Some(handle));
                }
                None => thread::sleep(Duration::from_micros(200)),
            }
        }
        gate.open();
        let inside = inside.load(SeqCst);
        if inside < n {
            Err(format!("{inside} tasks run together, not {n}: {:?}", self.pool))
        } else {
            Ok(())
        }
    }
}

/// The threads that use the pool meanwhile.
struct Crowd {
    threads: Vec<thread::JoinHandle<()>>,
    done: mpsc::Sender<()>,
    finished: mpsc::Receiver<()>,
}

impl Crowd {
    fn new() -> Crowd {
        let (done, finished) = mpsc::channel();
        Crowd { threads: Vec::new(), done, finished }
    }

    fn add(&mut self, world: &Arc<World>) {
        self.add_after(world, |_| ());
    }

    /// One more, that does something else first.
    fn add_after(&mut self, world: &Arc<World>, first: impl FnOnce(&World) + Send + 'static) {
        let (world, done) = (world.clone(), self.done.clone());
        self.threads.push(thread::spawn(move || {
            first(&world);
            world.use_pool();
            drop(world);
            let _ = done.send(());
        }));
    }

    /// One more that sleeps first. (So that most do; either way is right.)
    fn add_sleeping(&mut self, world: &Arc<World>, sleep: impl FnOnce(&World) + Send + 'static) {
        self.add_after(world, sleep);
        thread::sleep(Duration::from_millis(1));
    }

    /// One more that waits in line. (Its task may also be admitted at once, or refused.)
    fn add_waiting(&mut self, world: &Arc<World>, limit: Duration) -> Result<(), String> {
        self.add(world);
        let own = self.threads.last().unwrap();
        let start = Instant::now();
        while world.pool.waiting() == 0 && !own.is_finished() {
            if start.elapsed() > limit {
                return Err(format!("nobody is counted: {:?}", world.pool));
            }
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn await_all_but(&self, excepted: usize, limit: Duration) -> Result<(), String> {
        for n in 0..self.threads.len() - excepted {
            let done = self.finished.recv_timeout(limit);
            done.map_err(|_| format!("only {n} of {} others finish", self.threads.len()))?;
        }
        Ok(())
    }
}

/// One attempt. How far it came, or what is wrong.
fn attempt(role: &'static Role, plan: Plan, lock: bool, limit: Duration) -> Result<Seen, String> {
    let world = Arc::new(World::new(role, plan, lock));
    if role.parked > 0 {
        world.park(role.parked);
    }
    (0..role.occupants).for_each(|_| world.occupy());
    (role.prepare)(&world);
    let mut crowd = Crowd::new();
    if role.ahead {
        crowd.add_waiting(&world, limit)?;
    }
    if role.joined {
        let handle = world.handles.lock().unwrap().pop().expect("the worker's task is the last");
        crowd.add_sleeping(&world, |_| drop(handle.join().unwrap()));
    }
    if role.watched {
        crowd.add_sleeping(&world, |world| world.pool.wait());
    }
    let actor = {
        let world = world.clone();
        thread::spawn(move || (role.act)(&world))
    };
    let mut seen = world.brake.wait_until(|seen| seen.stopped.is_some() || seen.slept || seen.ended);
    if seen.stopped.is_none() && !seen.ended {
        (role.asleep)(&world);
        seen = world.brake.wait_until(|seen| seen.stopped.is_some() || seen.ended);
    }
    let mut verdict = Ok(());
    if let Some(at) = seen.stopped {
        verdict = meanwhile(&world, &mut crowd, limit)
            .map_err(|wrong| format!("{}, stopped at step {} ({at}): {wrong}", role.name, plan.stop));
    }
    world.brake.note(|seen| seen.released = true);
    world.gate.open();
    world.go.open();
    actor.join().expect("the thread that was stopped");
    seen.event = world.brake.seen().event;
    let companions = std::mem::take(&mut *world.companions.lock().unwrap());
    for thread in crowd.threads.into_iter().chain(companions) {
        thread.join().expect("one of the others");
    }
    let afterwards = add_up(world).map_err(|wrong| format!("{}, step {}: {wrong}", role.name, plan.stop));
    verdict.and(afterwards).map(|()| seen)
}

/// What the others have to bring about while the thread stands still.
fn meanwhile(world: &Arc<World>, crowd: &mut Crowd, limit: Duration) -> Result<(), String> {
    let role = world.role;
    if role.behind && world.plan.event.is_none() {
        crowd.add_waiting(world, limit)?;
    }
    world.gate.open();
    while crowd.threads.len() < CROWD {
        crowd.add(world);
    }
    crowd.await_all_but(role.sleepers, limit)?;
    if !role.closes {
        world.run_together(role.max - role.held, limit)?;
    }
    if role.held + role.sleepers == 0 {
        let (returned, answer) = mpsc::channel();
        let pool = world.clone();
        let waiter = thread::spawn(move || {
            pool.pool.wait();
            drop(pool);
            let _ = returned.send(());
        });
        answer.recv_timeout(limit).map_err(|_| format!("wait does not return: {:?}", world.pool))?;
        waiter.join().unwrap();
    }
    Ok(())
}

/// Nobody stands still any more: every closure has one fate, every slot is there, nothing is left over.
fn add_up(world: Arc<World>) -> Result<(), String> {
    let join_all = || {
        let handles = std::mem::take(&mut *world.handles.lock().unwrap());
        handles.into_iter().for_each(|handle| drop(handle.join().unwrap()));
    };
    join_all();
    world.pool.wait();
    let at_rest = (world.pool.running(), world.pool.waiting());
    if at_rest != (0, 0) {
        return Err(format!("at rest {:?}", world.pool));
    }
    if !world.role.closes {
        world.run_together(world.role.max, LIMIT)?;
        join_all();
    }
    let world = Arc::into_inner(world).expect("nobody else is left");
    drop(world.pool);
    let fates: Vec<_> = world.fates.lock().unwrap().iter().map(|fate| fate.load(SeqCst)).collect();
    if fates.iter().any(|&fate| fate != 1) {
        return Err(format!("closures that ran or came back so often: {fates:?}"));
    }
    let (made, dropped) = (world.tally.made(), world.tally.dropped());
    if made == dropped { Ok(()) } else { Err(format!("{made} values were made, {dropped} dropped")) }
}

/// Attempts every step, or every pair of an event and a later step.
#[track_caller]
fn sweep(role: &'static Role) {
    let _watch = watch();
    let start = Instant::now();
    let mut stops = 0;
    let attempt = |stop, event| {
        attempt(role, Plan { stop, event }, false, LIMIT).unwrap_or_else(|wrong| panic!("{wrong}"))
    };
    for first in 1.. {
        let event = role.event.map(|_| first);
        let mut happened = false;
        for stop in first + usize::from(event.is_some()).. {
            assert!(stop < 1_000, "{} never ends", role.name);
            let seen = attempt(stop, event);
            happened |= seen.event;
            if seen.stopped.is_none() {
                break;
            }
            stops += 1;
        }
        if event.is_none() || !happened {
            break;
        }
    }
    assert!(stops > 1, "{} was hardly ever stopped: {stops}", role.name);
    let setting = format!("max {}, slots held <= {}, others held <= {}", role.max, role.held, role.sleepers);
    let seconds = start.elapsed().as_secs_f64();
    evidence::line(&format!("progress\t{}\tPROGRESS\t{setting}\t{stops}\tstops\t{seconds:.1}", role.name));
}

// What the threads do that are stopped.

/// The calling thread's steps are counted in `operation`.
fn stoppable(world: &Arc<World>, operation: impl FnOnce()) {
    arm(world);
    operation();
    disarm();
    world.brake.note(|seen| seen.ended = true);
}

fn spawns(world: &Arc<World>) {
    let mut handle = None;
    stoppable(world, || handle = world.submit(Way::Spawn, || ()));
    world.keep(handle);
}

fn tries(world: &Arc<World>) {
    let mut handle = None;
    stoppable(world, || handle = world.submit(Way::Try, || ()));
    world.keep(handle);
}

fn gives_up(world: &Arc<World>) {
    let mut handle = None;
    stoppable(world, || handle = world.submit(Way::Within(Duration::from_millis(1)), || ()));
    world.keep(handle);
}

fn gives_up_at_once(world: &Arc<World>) {
    let mut handle = None;
    stoppable(world, || handle = world.submit(Way::Within(Duration::ZERO), || ()));
    world.keep(handle);
}

/// Takes the handle of the first task.
fn first_handle(world: &World) -> JoinHandle<Track> {
    world.handles.lock().unwrap().remove(0)
}

/// Starts a task whose worker is counted from the end of the task on.
fn start_worker(world: &Arc<World>) {
    start_worker_with(world, |_| ());
}

fn start_worker_with(world: &Arc<World>, last: fn(&Arc<World>)) {
    let runs = Flag::new();
    submit_counted(world, &runs, last);
    runs.await_up("the worker that is to be stopped runs");
}

/// Submits a task that says when it runs, and whose worker is counted from its end on.
fn submit_counted(world: &Arc<World>, runs: &Flag, last: fn(&Arc<World>)) {
    let (own, started) = (world.clone(), runs.clone());
    let handle = world.submit(Way::Spawn, move || {
        started.raise();
        own.go.pass();
        last(&own);
        arm(&own);
        WORKER.set(Some(Ending(own.brake.clone())));
    });
    world.keep(handle);
}

/// The same with a task whose submitter is refused a thread and then stands still itself, as it goes to sleep in line: what
/// it put aside is left to the worker.
fn start_worker_that_settles(world: &Arc<World>) {
    let (runs, waits) = (Flag::new(), Flag::new());
    let (own, started, sleeps) = (world.clone(), runs.clone(), waits.clone());
    let submitter = thread::spawn(move || {
        let (brake, mut slept) = (own.brake.clone(), false);
        refusal::set(|| true);
        before_every_step(move |step| {
            if slept {
                brake.wait_until(|seen| seen.released);
            } else if step.sleeps {
                slept = true;
                sleeps.raise();
            }
        });
        submit_counted(&own, &started, |_| ());
    });
    world.companions.lock().unwrap().push(submitter);
    waits.await_up("the refused submitter waits in line");
    world.gate.open();
    runs.await_up("the occupant's worker has its task");
}

/// Starts a submitter that does not wait, and returns once it has a slot and asks for a thread; `refused` says what it hears
/// the first time, and then it is refused. It calls `then` when its call has returned.
fn start_asking(
    world: &Arc<World>,
    task: impl FnOnce() + Send + 'static,
    refused: impl FnOnce() -> bool + Send + 'static,
    then: impl FnOnce() + Send + 'static,
) {
    let (own, asks) = (world.clone(), Flag::new());
    let asked = asks.clone();
    let submitter = thread::spawn(move || {
        let mut first = Some(refused);
        refusal::set(move || {
            asked.raise();
            first.take().is_none_or(|refused| refused())
        });
        // None if it was refused, whether there is a worker by then or not.
        let handle = own.submit(Way::Try, task);
        own.keep(handle);
        then();
    });
    asks.await_up("the submitter has a slot, and asks for a thread");
    world.companions.lock().unwrap().push(submitter);
}

/// Fills the pool with submitters that ask for threads, and are refused them when the thread that is stopped stands still.
fn start_submitters_to_be_refused(world: &Arc<World>) {
    for _ in 0..world.role.max {
        let brake = world.brake.clone();
        let refused = move || {
            brake.wait_until(|seen| seen.stopped.is_some() || seen.ended);
            true
        };
        start_asking(world, || (), refused, || ());
    }
}

/// Fills a pool of three with submitters that ask for threads. When the thread that is to be stopped waits in line, the first
/// of them is refused, and sees that there is no worker; then the second gets one, and the third, refused as well, puts its
/// slot aside; then the first gives its slot on, to the one that waits, and stands still itself before it settles.
fn start_submitters_to_bounce(world: &Arc<World>) {
    let (looked, has_worker, aside) = (Flag::new(), Flag::new(), Flag::new());
    let brake = world.brake.clone();
    let (looks, lies_aside) = (looked.clone(), aside.clone());
    let refused = move || {
        brake.wait_until(|seen| seen.slept || seen.stopped.is_some() || seen.ended);
        let (looked, aside, mut steps, mut bounced) = (looks, lies_aside, 0, false);
        before_every_step(move |step| {
            steps += 1;
            bounced |= step.at.file().ends_with("src/task.rs");
            // The first step was the look.
            if steps == 2 {
                looked.raise();
                aside.await_up("the third submitter has put its slot aside");
            } else if bounced && step.at.file().ends_with("src/admission.rs") {
                brake.wait_until(|seen| seen.released);
            }
        });
        true
    };
    start_asking(world, || (), refused, || ());
    let (gate, has) = (world.gate.clone(), has_worker.clone());
    let refused = move || {
        looked.await_up("the first submitter has looked for workers");
        false
    };
    start_asking(world, move || gate.pass(), refused, move || has.raise());
    let refused = move || {
        has_worker.await_up("the second submitter has a worker");
        true
    };
    start_asking(world, || (), refused, move || aside.raise());
}

fn let_go(world: &Arc<World>) {
    world.go.open();
}

/// Gives the sleeping worker a task, which ends its operation.
fn wake_worker(world: &Arc<World>) {
    let handle = world.submit(Way::Spawn, || ());
    world.keep(handle);
}

/// Gives a task to every worker, until the counted one has its own.
fn wake_workers(world: &Arc<World>) {
    for _ in 0..world.role.max {
        let brake = world.brake.clone();
        let until = move |seen: &Seen| seen.ended || seen.stopped.is_some();
        let handle = world.submit(Way::Try, move || _ = brake.wait_until(until));
        world.keep(handle);
    }
}

/// Opens the gate and returns when nothing runs any more.
fn pool_goes_idle(world: &World) {
    world.gate.open();
    eventually("the pool goes idle", || world.pool.running() == 0 && world.pool.waiting() == 0);
}

/// Ends what runs, without awaiting it.
fn gate_opens(world: &World) {
    world.gate.open();
}

fn pool_closes(world: &World) {
    world.pool.close();
}

/// Closes the pool and returns when nobody but the stopped thread has a slot.
fn pool_closes_and_ends(world: &World) {
    world.pool.close();
    world.gate.open();
    eventually("the pool comes to its end", || world.pool.running() <= 1);
}

// The roles.

macro_rules! roles {
    ($($test:ident, $goal:literal: { $($field:ident: $value:expr),* $(,)? })*) => {
        $(
            #[doc = $goal]
            #[test]
            fn $test() {
                static STOPPED: Role = Role { $($field: $value,)* ..ROLE };
                sweep(&STOPPED);
            }
        )*
    };
}

// Goal of each: PROGRESS, and then ONCE, MAX, WAKE, FREE, END. Method: see the head of this file.
roles! {
    submitter_that_makes_a_thread, "With a vacant slot in hand, it holds back that slot.": {
        name: "submitter, makes a thread", max: 2, held: 1, act: spawns,
    }
    submitter_that_wakes_a_worker, "With a parked worker's slot in hand, it holds back that slot.": {
        name: "submitter, wakes a worker", max: 2, parked: 2, held: 1, act: spawns,
    }
    submitter_in_line, "It holds nobody back, whether its entry is counted or not.": {
        name: "submitter, waits in line", occupants: 1, behind: true, act: spawns,
    }
    submitter_behind_another, "It holds neither back who came before it nor who comes after.": {
        name: "submitter, second in line", occupants: 1, ahead: true, behind: true, act: spawns,
    }
    submitter_of_a_pool_that_goes_idle, "Its entry at the tail of an idle pool is passed; then it has a slot.": {
        name: "submitter, pool goes idle meanwhile", max: 2, occupants: 2, held: 1, act: spawns,
        event: Some(pool_goes_idle),
    }
    submitter_of_a_pool_that_closes, "Its entry is dead or served.": {
        name: "submitter, pool closes meanwhile", max: 1, occupants: 1, closes: true, act: spawns,
        event: Some(pool_closes),
    }
    try_spawn_on_a_free_pool, "As for spawn.": {
        name: "try_spawn, free pool", max: 2, parked: 1, held: 1, act: tries,
    }
    try_spawn_on_a_full_pool, "It has nothing to hold back.": {
        name: "try_spawn, full pool", occupants: 1, behind: true, act: tries,
    }
    canceller, "Its dead entry is passed by others.": {
        name: "spawn_timeout, gives up", occupants: 1, behind: true, act: gives_up, asleep: |_| (),
    }
    canceller_at_once, "As above, without a sleep.": {
        name: "spawn_timeout, gives up at once", occupants: 1, behind: true, act: gives_up_at_once, asleep: |_| (),
    }
    canceller_behind_another, "Its dead entry lies behind a live one.": {
        name: "spawn_timeout, second in line, gives up", occupants: 1, ahead: true, behind: true,
        act: gives_up_at_once, asleep: |_| (),
    }
    canceller_against_a_finisher, "Whether its entry is withdrawn or claimed first.": {
        name: "spawn_timeout, gives up while a task ends", max: 2, occupants: 2, held: 1, act: gives_up_at_once,
        asleep: |_| (), event: Some(gate_opens),
    }
    canceller_against_refused_submitters, "They give their slots to its entry, dead or alive, or back.": {
        name: "spawn_timeout, gives up while others are refused", max: 2, held: 1, act: gives_up_at_once,
        asleep: |_| (), prepare: start_submitters_to_be_refused,
    }
    canceller_against_close, "Its entry is dead, and so is the pool.": {
        name: "spawn_timeout, gives up while the pool closes", occupants: 1, closes: true, act: gives_up_at_once,
        asleep: |_| (), event: Some(pool_closes),
    }
    finisher_with_somebody_in_line, "It holds back its slot and the submitter of the task it takes.": {
        name: "worker, takes a waiting task", max: 2, occupants: 1, ahead: true, held: 1, sleepers: 1,
        prepare: start_worker, act: let_go,
    }
    finisher_with_a_joiner, "It holds back the joiner of the task that it has run, and the submitter of the next.": {
        name: "worker, wakes a joiner, takes a waiting task", max: 2, occupants: 1, ahead: true, joined: true, held: 1,
        sleepers: 2, prepare: start_worker, act: let_go,
    }
    worker_that_makes_the_pool_quiescent, "It holds back who sleeps in `wait`, and whose task is handed to it.": {
        name: "worker, wakes a waiter, goes idle", max: 2, watched: true, held: 1, sleepers: 2,
        prepare: start_worker, act: let_go, asleep: wake_worker,
    }
    worker_that_goes_idle, "It holds back its slot and a task that is handed to it.": {
        name: "worker, goes idle and is woken", max: 2, held: 1, sleepers: 1,
        prepare: start_worker, act: let_go, asleep: wake_worker,
    }
    worker_that_goes_idle_after_another, "As above, on a pool with another worker.": {
        name: "worker, goes idle beside another", max: 2, parked: 2, held: 1, sleepers: 1,
        prepare: start_worker, act: let_go, asleep: wake_worker,
    }
    worker_that_settles, "It holds back its slot with a task that is handed to it, or the one that it puts back, or both.": {
        name: "worker, settles", max: 3, occupants: 1, held: 2, sleepers: 1,
        prepare: start_worker_that_settles, act: let_go, asleep: wake_workers,
    }
    worker_that_ends_a_closed_pool, "It keeps others from nothing: they are refused.": {
        name: "worker, sends the others home", max: 2, parked: 2, held: 1, closes: true,
        prepare: |world| start_worker_with(world, |world| world.pool.close()), act: let_go,
    }
    waiter, "It holds nobody back.": {
        name: "wait", occupants: 1, behind: true, act: |world| stoppable(world, || world.pool.wait()),
    }
    waiter_of_a_quiescent_pool, "As above.": {
        name: "wait, quiescent pool", parked: 1,
        act: |world| stoppable(world, || world.pool.wait()),
    }
    waiter_while_the_pool_goes_idle, "As above.": {
        name: "wait, pool goes idle meanwhile", occupants: 1, event: Some(pool_goes_idle),
        act: |world| stoppable(world, || world.pool.wait()),
    }
    waiter_that_gives_up, "As above.": {
        name: "wait_timeout, gives up", occupants: 1, behind: true, asleep: |_| (),
        act: |world| stoppable(world, || _ = world.pool.wait_timeout(Duration::from_millis(1))),
    }
    joiner, "As above.": {
        name: "join", occupants: 1, behind: true,
        act: |world| {
            let handle = first_handle(world);
            stoppable(world, || drop(handle.join().unwrap()));
        },
    }
    joiner_while_the_task_ends, "As above.": {
        name: "join, task ends meanwhile", occupants: 1, event: Some(pool_goes_idle),
        act: |world| {
            let handle = first_handle(world);
            stoppable(world, || drop(handle.join().unwrap()));
        },
    }
    joiner_that_gives_up, "As above.": {
        name: "join_timeout, gives up", occupants: 1, behind: true, asleep: |_| (),
        act: |world| {
            let handle = first_handle(world);
            let mut back = None;
            stoppable(world, || back = handle.join_timeout(Duration::from_millis(1)).err());
            world.keep(back);
        },
    }
    dropper_of_a_handle, "As above; the task runs all the same.": {
        name: "handle dropped", occupants: 1, behind: true, event: Some(pool_goes_idle),
        act: |world| {
            let handle = first_handle(world);
            stoppable(world, || drop(handle));
        },
    }
    closer, "Others are served before its step and refused after it.": {
        name: "close, a task runs", max: 2, occupants: 1, parked: 2, closes: true,
        act: |world| stoppable(world, || world.pool.close()),
    }
    closer_of_a_quiescent_pool, "As above; the workers it has not yet sent home sleep.": {
        name: "close, quiescent pool", max: 2, parked: 2, closes: true,
        act: |world| stoppable(world, || world.pool.close()),
    }
    closer_with_somebody_in_line, "Who waits is served.": {
        name: "close, somebody waits", occupants: 1, ahead: true, closes: true,
        act: |world| stoppable(world, || world.pool.close()),
    }
    nested_submitter, "On a full pool it runs its task itself, on the slot that it works in.": {
        name: "spawn inside a task, full pool", max: 2, occupants: 1, held: 1,
        prepare: |world| {
            let (own, runs) = (world.clone(), Flag::new());
            let started = runs.clone();
            let handle = world.submit(Way::Spawn, move || {
                started.raise();
                own.go.pass();
                let mut nested = None;
                stoppable(&own, || nested = own.submit(Way::Spawn, || ()));
                own.keep(nested);
            });
            world.keep(handle);
            runs.await_up("the task that is to be stopped runs");
        },
        act: let_go,
    }
    refused_submitter_without_a_worker, "It holds back the slot that it carries.": {
        name: "submitter, refused, no worker", max: 2, held: 1, refused: true, act: tries,
    }
    refused_submitter_beside_a_worker, "It holds back one slot, though it puts two aside.": {
        name: "submitter, refused, settles", max: 3, occupants: 1, held: 1, refused: true, act: tries,
    }
    refused_submitter_of_a_pool_that_closes, "Its slot may be the last that the end of the pool needs.": {
        name: "submitter, refused, pool closes meanwhile",
        max: 2,
        occupants: 1,
        held: 1,
        refused: true,
        closes: true,
        act: tries,
        event: Some(pool_closes_and_ends),
    }
    bounced_submitter, "It holds back the slot that comes with its closure, and puts back what lies aside afterwards.": {
        name: "submitter, bounced", max: 3, held: 1, act: spawns, asleep: |_| (), prepare: start_submitters_to_bounce,
    }
    refused_submitter_in_line, "As above, and others pass it while it waits.": {
        name: "submitter, refused, waits and settles", max: 3, occupants: 1, held: 1, refused: true, act: spawns,
    }
}

#[test]
fn a_refusal_leaves_no_task_waiting_beside_a_free_slot() {
    // Goal: WAKE and REFUSE. Method: on a pool of two with one task that does not end, a `try_spawn` that is refused
    // its thread once is stopped before every step, and somebody else spawns, whom the system refuses nothing. When
    // the refused call has returned, the other's task must run beside the first one.
    static REFUSED: Role =
        Role { name: "refused submitter", max: 2, occupants: 1, refused_once: true, act: tries, ..ROLE };
    let _watch = watch();
    for stop in 1.. {
        let world = Arc::new(World::new(&REFUSED, Plan { stop, event: None }, false));
        world.occupy();
        let stopped = {
            let world = world.clone();
            thread::spawn(move || tries(&world))
        };
        let seen = world.brake.wait_until(|seen| seen.stopped.is_some() || seen.ended);
        let ran = Flag::new();
        let other = {
            let (world, ran) = (world.clone(), ran.clone());
            thread::spawn(move || world.keep(world.submit(Way::Spawn, move || ran.raise())))
        };
        eventually("the other waits or runs", || world.pool.waiting() > 0 || ran.is_up());
        world.brake.note(|seen| seen.released = true);
        stopped.join().unwrap();
        let start = Instant::now();
        while !ran.is_up() {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "step {stop}, {:?}: the refused call has returned, and {:?}",
                seen.stopped,
                world.pool
            );
            thread::yield_now();
        }
        world.gate.open();
        other.join().unwrap();
        add_up(world).unwrap();
        if seen.stopped.is_none() {
            break;
        }
    }
}

#[test]
fn a_lock_around_submission_is_found() {
    // Goal: the harness sees what is not lock-free. Method: a lock around every submission; with a thread stopped
    // inside, the others do not finish.
    static LOCKED: Role = Role { name: "planted lock", max: 2, parked: 2, held: 1, act: spawns, ..ROLE };
    let _watch = watch();
    let start = Instant::now();
    let plan = Plan { stop: 1, event: None };
    assert!(attempt(&LOCKED, plan, false, LIMIT).is_ok());
    let wrong = attempt(&LOCKED, plan, true, Duration::from_secs(1)).err().expect("nobody was held back");
    assert!(wrong.contains("only 0 of 3 others finish"), "{wrong}");
    let seconds = start.elapsed().as_secs_f64();
    evidence::line(&format!("progress\tplanted lock\tPROGRESS\tfound\t1\tstops\t{seconds:.1}"));
}
