//! Everything at once, for `ADMIT_SOAK` seconds (2 if it is not set): four submitters on one pool after another, with
//! all operations, tasks that panic, explode, nest, and hold the pool itself. No test harness, so that the sanitizers
//! see nothing but the pool. `ADMIT_SEED` chooses the numbers; the order in which threads come is the system's.

#[cfg(not(any(loom, shuttle)))]
mod support;

#[cfg(any(loom, shuttle))]
fn main() {}

#[cfg(not(any(loom, shuttle)))]
fn main() {
    soak::run();
}

#[cfg(not(any(loom, shuttle)))]
mod soak {
    use std::{
        cell::Cell,
        env, fmt,
        panic::resume_unwind,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
        time::{Duration, Instant},
    };

    use admit::{JoinHandle, Pool, TrySpawnError};

    use crate::support::{BANG, Bomb, Dice, Meter, Tally, Track, eventually, message, quietly, watch_over};

    const SUBMITTERS: usize = 4;

    /// What each does on one pool.
    const OPERATIONS: usize = 200;

    /// An operation makes up to three tasks.
    const TASKS: usize = SUBMITTERS * OPERATIONS * 3;

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
                round.ledger.law(message(&*panic).contains("closed"), || format!("spawn: {panic:?}"));
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
        round.ledger.law(!matches!(refused, TrySpawnError::Os(..)), || format!("{refused:?}"));
        drop(quietly(|| drop(refused.into_inner())));
    }

    impl Round {
        fn perform(self: &Arc<Self>, id: usize, pause: usize, seed: usize, children: usize) {
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
        let mut tasks: Vec<Task> = Vec::new();
        for n in 0..OPERATIONS {
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
                _ if closes && n > OPERATIONS / 2 => round.pool.close(),
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

    /// A pool from its making to its end; returns how many tasks there were.
    fn live_once(seed: usize, number: usize) -> usize {
        let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let max = 1 + dice.below(4);
        let pool = Pool::builder().max(max).thread_name("soak").build().unwrap();
        let ledger = Arc::new(Ledger {
            max,
            next: AtomicUsize::new(0),
            fates: (0..TASKS).map(|_| AtomicUsize::new(0)).collect(),
            meter: Meter::new(),
            tally: Tally::new(),
            faults: AtomicUsize::new(0),
        });
        let round = Arc::new(Round { pool, ledger: ledger.clone() });
        let closer = dice.below(2 * SUBMITTERS);
        let seeds: Vec<_> = (0..SUBMITTERS).map(|_| dice.below(1 << 30)).collect();
        let submitters = seeds.into_iter().enumerate().map(|(n, seed)| {
            let round = round.clone();
            thread::spawn(move || act(&round, &mut Dice::new(seed), n == closer))
        });
        let submitters: Vec<_> = submitters.collect();
        submitters.into_iter().for_each(|submitter| submitter.join().unwrap());
        // Perhaps while tasks run; perhaps one of them has it last.
        drop(round);
        eventually("all values are dropped", || ledger.tally.made() == ledger.tally.dropped());
        let tasks = ledger.next.load(SeqCst);
        for (id, fate) in ledger.fates[..tasks].iter().enumerate() {
            let fate = fate.load(SeqCst);
            ledger.law(fate == 1, || format!("task {id} ran or came back {fate} times"));
        }
        ledger.law(ledger.meter.peak() <= max, || format!("{} of {max} ran at once", ledger.meter.peak()));
        assert_eq!(ledger.faults.load(SeqCst), 0, "ADMIT_SEED={seed}, pool {number}");
        tasks
    }

    fn number(name: &str, default: usize) -> usize {
        env::var(name).map_or(default, |text| text.parse().expect("a number"))
    }

    #[cfg(target_os = "linux")]
    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").expect("/proc is mounted").count()
    }

    #[cfg(not(target_os = "linux"))]
    fn threads() -> usize {
        0
    }

    pub(crate) fn run() {
        // Goal: MAX, ONCE, RESULT, PANIC, WAKE, WAIT, NEST, END, REFUSE over a long time. Method: see the head.
        let (seconds, seed) = (number("ADMIT_SOAK", 2), number("ADMIT_SEED", 1));
        let start = Instant::now();
        let (mut tasks, mut pools) = (0, 0);
        let before = threads();
        while pools == 0 || start.elapsed() < Duration::from_secs(seconds as u64) {
            let watch = watch_over(format!("ADMIT_SEED={seed}, pool {pools}"));
            tasks += live_once(seed, pools);
            pools += 1;
            drop(watch);
        }
        eventually("as many threads as at the beginning", || threads() == before);
        println!(
            "evidence\tsoak\tmixed\tMAX ONCE RESULT PANIC WAKE WAIT NEST END REFUSE\t{SUBMITTERS} submitters, {pools} pools\t{tasks}\ttasks\t{:.1}",
            start.elapsed().as_secs_f64()
        );
    }
}
