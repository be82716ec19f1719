//! Mixed programs: several submitters on one pool, with all operations, tasks that panic, explode, nest, and hold the
//! pool itself. The test crate's root says which pool that is, by a module `under_test`.
use std::{
    cell::Cell,
    fmt,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::{
    support::{
        BANG, Bomb, Dice, Gate, Meter, Tally, Track, eventually, message, number_from_env, quietly,
        watch_over,
    },
    under_test::{JoinHandle, Pool, TrySpawnError},
};

pub(crate) const SUBMITTERS: usize = 4;

/// What every program checks.
pub(crate) const LAWS: &str = "MAX ONCE RESULT PANIC WAKE WAIT NEST END REFUSE";

/// What the programs are like.
pub(crate) struct Settings {
    /// How many operations each submitter does on one pool.
    pub(crate) operations: usize,
    /// The system may refuse threads.
    pub(crate) refusals: bool,
    /// Called on every submitter's thread, and in every task, before anything else.
    pub(crate) on_thread: Box<dyn Fn() + Send + Sync>,
}

impl Settings {
    pub(crate) fn new() -> Settings {
        Settings { operations: 40, refusals: false, on_thread: Box::new(|| ()) }
    }
}

/// The seed that `ADMIT_SEED` asks for.
pub(crate) fn seed() -> Option<usize> {
    number_from_env("ADMIT_SEED")
}

/// What a task returns or panics with.
struct Load {
    id: usize,
    _counted: Track,
    _explosive: Option<Bomb>,
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the load of task {}", self.id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Panic,
    CaptureExplodes,
    ValueExplodes,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Spawn,
    Try,
    Within(Duration),
}

/// One pool, and what is known of its tasks. The ledger outlives the pool.
struct Round {
    pool: Pool,
    settings: Arc<Settings>,
    ledger: Arc<Ledger>,
}

struct Ledger {
    max: usize,
    next: AtomicUsize,
    /// For each task how often it ran or came back.
    fates: Vec<AtomicUsize>,
    meter: Arc<Meter>,
    tally: Tally,
    /// Broken laws: tasks count here, since their panics are caught.
    faults: AtomicUsize,
}

impl Ledger {
    fn law(&self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.faults.fetch_add(1, SeqCst);
            eprintln!("{}", broken());
        }
    }
}

struct Task {
    id: usize,
    end: End,
    handle: JoinHandle<Load>,
}

thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });

/// A way in. None that waits for ever inside a task, for such tasks would wait for each other.
fn way(dice: &mut Dice) -> Way {
    match dice.below(8) {
        0..4 => Way::Spawn,
        4..6 => Way::Try,
        6 if DEPTH.get() == 0 => Way::Within(Duration::MAX),
        _ => Way::Within(Duration::from_micros(dice.below(3) as u64 * 50)),
    }
}

fn submit(round: &Arc<Round>, dice: &mut Dice, children: usize) -> Option<Task> {
    let id = round.ledger.next.fetch_add(1, SeqCst);
    let end = match dice.below(10) {
        0..7 => End::Value,
        7 => End::Panic,
        8 => End::CaptureExplodes,
        _ => End::ValueExplodes,
    };
    let (way, pause, seed) = (way(dice), dice.below(8), dice.below(1 << 30));
    let tally = &round.ledger.tally;
    let explosive = |when| (end == when).then(|| tally.bomb());
    // Where a capture explodes, the compiler itself leaks a value that is being returned.
    let load = (end != End::CaptureExplodes).then(|| Load {
        id,
        _counted: tally.track(),
        _explosive: explosive(End::ValueExplodes),
    });
    let (captured, bomb, own) = (tally.track(), explosive(End::CaptureExplodes), round.clone());
    let closure = move || {
        let _captured = captured;
        own.perform(id, pause, seed, children);
        drop(own);
        drop(bomb);
        let load = load.expect("nothing has exploded");
        if end == End::Panic { resume_unwind(Box::new(load)) } else { load }
    };
    let submitted = match way {
        Way::Spawn => quietly(|| round.pool.spawn(closure)).map_err(|panic| {
            let message = message(&*panic);
            let refused = round.settings.refusals && message.contains("no thread");
            round.ledger.law(refused || message.contains("closed"), || format!("spawn: {message}"));
        }),
        Way::Try => round.pool.try_spawn(closure).map_err(|refused| take_back(round, refused)),
        Way::Within(limit) => {
            round.pool.spawn_timeout(limit, closure).map_err(|refused| take_back(round, refused))
        }
    };
    match submitted {
        Ok(handle) => Some(Task { id, end, handle }),
        Err(()) => {
            round.ledger.fates[id].fetch_add(1, SeqCst);
            None
        }
    }
}

fn take_back<F>(round: &Round, refused: TrySpawnError<F>) {
    let by_the_system = matches!(refused, TrySpawnError::Os(..));
    round.ledger.law(round.settings.refusals || !by_the_system, || format!("{refused:?}"));
    drop(quietly(|| drop(refused.into_inner())));
}

impl Round {
    fn perform(self: &Arc<Self>, id: usize, pause: usize, seed: usize, children: usize) {
        (self.settings.on_thread)();
        let depth = DEPTH.replace(DEPTH.get() + 1);
        let inside = (depth == 0).then(|| self.ledger.meter.enter());
        self.ledger.fates[id].fetch_add(1, SeqCst);
        match pause {
            0 => thread::yield_now(),
            1 => thread::sleep(Duration::from_micros(20)),
            _ => {}
        }
        let mut dice = Dice::new(seed);
        for _ in 0..children {
            match submit(self, &mut dice, 0) {
                Some(task) if dice.below(2) == 0 => drop(quietly(|| drop(task.handle))),
                Some(task) => self.check(task),
                None => {}
            }
        }
        drop(inside);
        DEPTH.set(depth);
    }

    /// RESULT and PANIC: joins `task` and looks whether the outcome is its own.
    fn check(&self, task: Task) {
        self.check_outcome(task.id, task.end, task.handle.join());
    }

    fn check_outcome(&self, id: usize, end: End, outcome: thread::Result<Load>) {
        let own = match (&outcome, end) {
            (Ok(load), End::Value | End::ValueExplodes) => load.id == id,
            (Err(payload), End::Panic) => payload.downcast_ref().is_some_and(|load: &Load| load.id == id),
            (Err(payload), End::CaptureExplodes) => payload.downcast_ref() == Some(&BANG),
            _ => false,
        };
        self.ledger.law(own, || format!("task {id}, {end:?}, gave {outcome:?}"));
        drop(quietly(|| drop(outcome)));
    }
}

/// One submitter.
fn act(round: &Arc<Round>, dice: &mut Dice, closes: bool) {
    (round.settings.on_thread)();
    let operations = round.settings.operations;
    let mut tasks: Vec<Task> = Vec::new();
    for n in 0..operations {
        match dice.below(32) {
            0..16 => {
                let children = dice.below(10).saturating_sub(7);
                tasks.extend(submit(round, dice, children));
            }
            16..20 if !tasks.is_empty() => round.check(tasks.swap_remove(dice.below(tasks.len()))),
            20..24 if !tasks.is_empty() => {
                let Task { id, end, handle } = tasks.swap_remove(dice.below(tasks.len()));
                match handle.join_timeout(Duration::from_micros(dice.below(3) as u64 * 40)) {
                    Ok(outcome) => round.check_outcome(id, end, outcome),
                    Err(handle) => tasks.push(Task { id, end, handle }),
                }
            }
            24..28 if !tasks.is_empty() => {
                let task = tasks.swap_remove(dice.below(tasks.len()));
                drop(quietly(|| drop(task.handle)));
            }
            28 => {
                round.pool.wait();
                let finished = tasks.iter().all(|task| task.handle.is_finished());
                round.ledger.law(finished, || "wait returned before a task was finished".to_owned());
            }
            29 => drop(round.pool.wait_timeout(Duration::from_micros(30))),
            30 => {
                let counted = [round.pool.running(), round.pool.threads()];
                let most = counted[0].max(counted[1]);
                round.ledger.law(most <= round.ledger.max, || format!("{counted:?} run, live"));
                let _ = format!("{:?}", round.pool);
            }
            _ if closes && n > operations / 2 => round.pool.close(),
            _ => {}
        }
    }
    // Half are joined, and half dropped, so that their tasks may be the last to hold the pool.
    for task in tasks {
        match dice.below(2) {
            0 => round.check(task),
            _ => drop(quietly(|| drop(task.handle))),
        }
    }
}

/// Every slot is there and can run a task, all at once.
fn check_slots(pool: &Pool, ledger: &Ledger) {
    pool.wait();
    let at_rest = [pool.running(), pool.waiting()];
    ledger.law(at_rest == [0, 0], || format!("{at_rest:?} run, wait at rest"));
    let gate = Gate::new();
    let tasks: Vec<_> = (0..pool.max())
        .map_while(|_| {
            let gate = gate.clone();
            pool.try_spawn(move || gate.pass()).ok()
        })
        .collect();
    ledger.law(tasks.len() == pool.max(), || format!("{} of {} slots are left", tasks.len(), pool.max()));
    gate.open();
    tasks.into_iter().for_each(|task| task.join().unwrap());
}

/// Runs program number `number` of `seed`: a pool from its making to its end. Returns how many tasks there were.
pub(crate) fn run(settings: &Arc<Settings>, seed: usize, number: usize) -> usize {
    let _watch = watch_over(format!("ADMIT_SEED={seed}, program {number}"));
    let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let max = 1 + dice.below(4);
    let pool = Pool::builder().max(max).thread_name("mixed").build().unwrap();
    // An operation makes up to three tasks.
    let most = SUBMITTERS * settings.operations * 3;
    let ledger = Arc::new(Ledger {
        max,
        next: AtomicUsize::new(0),
        fates: (0..most).map(|_| AtomicUsize::new(0)).collect(),
        meter: Meter::new(),
        tally: Tally::new(),
        faults: AtomicUsize::new(0),
    });
    let round = Arc::new(Round { pool, settings: settings.clone(), ledger: ledger.clone() });
    let closer = dice.below(2 * SUBMITTERS);
    let seeds: Vec<_> = (0..SUBMITTERS).map(|_| dice.below(1 << 30)).collect();
    let submitters = seeds.into_iter().enumerate().map(|(n, seed)| {
        let round = round.clone();
        thread::spawn(move || act(&round, &mut Dice::new(seed), n == closer))
    });
    let submitters: Vec<_> = submitters.collect();
    submitters.into_iter().for_each(|submitter| submitter.join().unwrap());
    if closer >= SUBMITTERS && dice.below(2) == 0 {
        check_slots(&round.pool, &ledger);
    }
    // Perhaps while tasks run; perhaps one of them has it last.
    drop(round);
    eventually("all values are dropped", || ledger.tally.made() == ledger.tally.dropped());
    let tasks = ledger.next.load(SeqCst);
    for (id, fate) in ledger.fates[..tasks].iter().enumerate() {
        let fate = fate.load(SeqCst);
        ledger.law(fate == 1, || format!("task {id} ran or came back {fate} times"));
    }
    ledger.law(ledger.meter.peak() <= max, || format!("{} of {max} ran at once", ledger.meter.peak()));
    assert_eq!(ledger.faults.load(SeqCst), 0, "ADMIT_SEED={seed}, program {number}");
    tasks
}
