//! How long a thread looks before it sleeps: the policy in `src/look.rs` and `src/strangers.rs` on a machine that is made up,
//! whose cores, clock and price of giving way are the test's. What the numbers are good for is measured, in docs/BENCHMARKS.md.
#![cfg(not(any(loom, shuttle)))]

#[path = "../src/look.rs"]
#[allow(unreachable_pub)]
mod look;
#[path = "../src/strangers.rs"]
#[allow(unreachable_pub)]
mod strangers;

use std::{cell::Cell, time::Duration};

/// The door to the made-up machine, one for each thread.
mod sync {
    use super::{MACHINE, nothing};
    use std::time::Duration;

    pub(crate) use std::{sync::atomic::Ordering, thread_local};

    pub(crate) const EXPLORED: bool = false;

    pub(crate) fn glances() -> bool {
        unreachable!("schedules are not explored here");
    }

    pub(crate) fn cores() -> u32 {
        MACHINE.with(|machine| machine.cores.get())
    }

    pub(crate) fn spin_loop() {
        MACHINE.with(|machine| {
            machine.spins.set(machine.spins.get() + 1);
            machine.pass(Duration::from_nanos(27));
        });
    }

    pub(crate) fn yield_now() {
        MACHINE.with(|machine| {
            machine.turns.set(machine.turns.get() + 1);
            machine.pass(machine.price.get());
        });
        // What other threads of this machine do meanwhile.
        MACHINE.with(|machine| machine.meanwhile.replace(nothing))();
    }

    pub(crate) fn milliseconds() -> u64 {
        MACHINE.with(|machine| machine.now.get().as_millis() as u64)
    }

    /// Shared by all threads of a machine, which are the one that tests.
    pub(crate) struct Shared;

    impl Shared {
        pub(crate) const fn new(_: u64) -> Shared {
            Shared
        }

        pub(crate) fn load(&self, _: Ordering) -> u64 {
            MACHINE.with(|machine| machine.shared.get())
        }

        pub(crate) fn compare_exchange(
            &self,
            old: u64,
            new: u64,
            _: Ordering,
            _: Ordering,
        ) -> Result<u64, u64> {
            MACHINE.with(|machine| {
                assert_eq!(machine.shared.get(), old, "there is no other thread");
                machine.shared.set(new);
            });
            Ok(old)
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Deadline(Duration);

    impl Deadline {
        pub(crate) fn after(d: Duration) -> Deadline {
            Deadline(MACHINE.with(|machine| machine.now.get()) + d)
        }

        pub(crate) fn has_passed(self) -> bool {
            MACHINE.with(|machine| machine.now.get()) >= self.0
        }
    }
}

struct Machine {
    cores: Cell<u32>,
    now: Cell<Duration>,
    /// What giving way costs.
    price: Cell<Duration>,
    turns: Cell<u32>,
    spins: Cell<u32>,
    /// What all threads share, and what another one does while this one gives way the next time.
    shared: Cell<u64>,
    meanwhile: Cell<fn()>,
}

std::thread_local! {
    static MACHINE: Machine = const {
        Machine {
            cores: Cell::new(2),
            now: Cell::new(Duration::ZERO),
            price: Cell::new(TURN),
            turns: Cell::new(0),
            spins: Cell::new(0),
            shared: Cell::new(0),
            meanwhile: Cell::new(nothing),
        }
    };
}

fn nothing() {}

/// Among friends, and beside strangers.
const TURN: Duration = Duration::from_nanos(400);
const SLICE: Duration = Duration::from_millis(3);

impl Machine {
    fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }
}

/// What a wait came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wait {
    answered: bool,
    turns: u32,
    spins: u32,
}

const NOTHING: Wait = Wait { answered: true, turns: 0, spins: 0 };

/// Waits once; `answer` is asked with what the wait has taken so far.
fn wait(answer: impl Fn(Wait) -> bool) -> Wait {
    spent(|so_far| look::for_an_answer(|| answer(so_far())))
}

fn spent(look: impl FnOnce(&dyn Fn() -> Wait) -> bool) -> Wait {
    let taken = || MACHINE.with(|machine| (machine.turns.get(), machine.spins.get()));
    let (turns, spins) = taken();
    let so_far = |answered| Wait { answered, turns: taken().0 - turns, spins: taken().1 - spins };
    let answered = look(&|| so_far(false));
    so_far(answered)
}

/// Nobody answers, and the sleep takes its time.
fn in_vain() -> Wait {
    let wait = wait(|_| false);
    assert!(!wait.answered);
    MACHINE.with(|machine| machine.pass(Duration::from_micros(50)));
    wait
}

fn on(cores: u32) {
    MACHINE.with(|machine| machine.cores.set(cores));
}

fn giving_way_costs(price: Duration) {
    MACHINE.with(|machine| machine.price.set(price));
}

#[test]
fn an_answer_that_is_there_costs_nothing() {
    // Goal: SLEEP at no price where nothing has to be awaited. Method: an answer from before the wait, after all
    // kinds of waits.
    for cores in [1, 2] {
        on(cores);
        for _ in 0..1000 {
            assert_eq!(wait(|_| true), NOTHING);
            in_vain();
            assert_eq!(wait(|_| true), NOTHING);
            wait(|so_far| so_far.turns == 3);
        }
    }
}

#[test]
fn an_answer_from_a_thread_that_runs_takes_no_turn() {
    // Goal: bare looks first. Method: answers that come within some of them.
    for spins in 1..60 {
        assert_eq!(wait(|so_far| so_far.spins >= spins), Wait { spins, ..NOTHING });
    }
}

#[test]
fn on_a_single_core_nobody_looks_without_giving_way() {
    // Goal: no look that cannot see anything new. Method: all kinds of waits.
    on(1);
    for turn in 1..1000 {
        assert_eq!(in_vain().spins, 0);
        assert_eq!(wait(|so_far| so_far.turns == turn % 40).spins, 0);
        assert_eq!(
            spent(|_| {
                look::for_a_worker(false, turn as usize % 20, || false);
                false
            })
            .spins,
            0
        );
    }
}

#[test]
fn a_thread_is_ready_to_wait_twice_as_long_as_the_last_time_and_half_as_long_after_none() {
    // Goal: turns as many as pay. Method: an answer after each number of turns, and then none: the second and the third
    // such wait are in hope.
    for cores in [1, 2] {
        on(cores);
        for turns in 1..20 {
            std::thread::spawn(move || {
                on(cores);
                assert_eq!(wait(|so_far| so_far.turns == turns).turns, turns);
                assert_eq!(in_vain().turns, 2 * turns + 1);
                assert!(in_vain().turns > 2 * turns + 1 && in_vain().turns > 2 * turns + 1);
                assert_eq!(in_vain().turns, turns / 4);
            })
            .join()
            .unwrap();
        }
    }
}

#[test]
fn no_wait_takes_more_turns_than_the_first_in_hope() {
    // Goal: a bound. Method: answers that come ever later.
    in_vain();
    let most = in_vain().turns;
    for turns in 1..2 * most {
        assert!(wait(|so_far| so_far.turns == turns).turns <= most);
    }
}

#[test]
fn who_is_never_answered_sleeps_at_once_and_hopes_ever_more_seldom() {
    // Goal: SLEEP costs nothing in the long run, but two threads that have both come to sleep find each other again.
    // Method: a thousand waits in vain.
    for cores in [1, 2] {
        std::thread::spawn(move || {
            on(cores);
            let waits: Vec<Wait> = (0..=1024).map(|_| in_vain()).collect();
            // After the 16th nothing is left of the turns that it began with.
            let (most, spins) = (waits[16].turns, waits[0].spins);
            assert!(most > waits[0].turns && waits[0].turns > waits[3].turns, "{waits:?}");
            for (n, wait) in waits.iter().enumerate().skip(16) {
                let hoped = Wait { answered: false, turns: most, spins };
                let hope = n.is_power_of_two();
                assert_eq!(
                    *wait,
                    if hope { hoped } else { Wait { answered: false, ..NOTHING } },
                    "the {n}th"
                );
            }
            assert_eq!(spins > 0, cores > 1);
        })
        .join()
        .unwrap();
    }
}

#[test]
fn an_answer_brings_hope_back() {
    // Goal: what was learned is learned anew. Method: waits in vain, then answers of one kind, then none.
    let first = in_vain();
    for _ in 0..100 {
        in_vain();
    }
    // The 102nd: no turns are left, and no bare looks.
    assert_eq!(in_vain(), Wait { answered: false, turns: 0, spins: 0 });
    for _ in 0..26 {
        in_vain();
    }
    // The 129th is one in hope.
    assert!(wait(|so_far| so_far.spins == 5).answered);
    assert_eq!(in_vain().spins, first.spins);
}

#[test]
fn beside_strangers_giving_way_costs_one_percent() {
    // Goal: who loses time slices sleeps rather than lose more. Method: slices until it knows, then waits for ten
    // seconds in which each turn costs a slice, some answered; then strangers go, and turns are cheap again.
    for cores in [1, 2] {
        std::thread::spawn(move || {
            on(cores);
            assert_eq!(slices_until_strangers(0), Some(10));
            giving_way_costs(SLICE);
            let start = MACHINE.with(|machine| machine.now.get());
            let seconds = || MACHINE.with(|machine| machine.now.get() - start).as_secs_f64();
            let (mut lost, mut looked) = (0.0, false);
            while seconds() < 10.0 {
                let wait = wait(|so_far| so_far.turns == 1 || so_far.spins == 70);
                lost += f64::from(wait.turns) * SLICE.as_secs_f64();
                looked |= wait.spins == 70;
                MACHINE.with(|machine| machine.pass(Duration::from_micros(50)));
            }
            assert!(lost > 0.0 && lost < 0.011 * seconds(), "{lost} s");
            assert_eq!(looked, cores > 1, "where others want the core, turns are bare looks");
            giving_way_costs(TURN);
            MACHINE.with(|machine| machine.pass(Duration::from_secs(1)));
            assert!((0..2048).any(|_| in_vain().turns > 100));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_thread_that_gives_way_sleeps_now_and_then_where_it_could_be_moved() {
    // Goal: no two threads share a core for good beside an idle one. Method: answers that always come with the
    // second turn.
    let rounds = || (0..10_000).map(|_| wait(|so_far| so_far.turns == 2)).collect::<Vec<Wait>>();
    let alike = rounds();
    let sleeps: Vec<usize> = (0..alike.len()).filter(|&n| !alike[n].answered).collect();
    assert!(sleeps.len() > 20 && sleeps.len() < 200, "{sleeps:?}");
    assert!(sleeps.windows(2).all(|two| two[1] - two[0] == sleeps[1] - sleeps[0]), "{sleeps:?}");
    for &n in &sleeps {
        assert_eq!(alike[n].turns, 0);
        assert!(alike[n + 1].spins > 0, "wherever it wakes up, it hopes for a second core");
    }
    std::thread::spawn(move || {
        on(1);
        assert!((0..10_000).all(|_| wait(|so_far| so_far.turns == 2).answered));
    })
    .join()
    .unwrap();
}

/// As `in_vain`, with a sleep of this many microseconds.
fn sleeps_for(micros: u64) -> Wait {
    let wait = wait(|_| false);
    let sleep = look::Sleep::begin();
    MACHINE.with(|machine| machine.pass(Duration::from_micros(micros)));
    sleep.end();
    wait
}

#[test]
fn a_short_sleep_teaches_a_few_turns() {
    // Goal: two threads that wake each other soon find out that they need not sleep. Method: waits in vain until no turns are
    // left, then long sleeps, and short ones.
    let first = in_vain();
    for _ in 0..40 {
        in_vain();
    }
    assert_eq!(sleeps_for(300).turns, 0);
    assert_eq!(sleeps_for(5).turns, 0);
    assert_eq!(wait(|so_far| so_far.turns == 1).turns, 1);
    // Who has been answered since then needs no lesson.
    assert_eq!(in_vain().turns, 3);
    for _ in 0..40 {
        in_vain();
    }
    sleeps_for(30);
    let lesson = in_vain();
    assert_eq!(lesson.turns, first.turns);
    assert!(in_vain().turns > lesson.turns, "and it hopes for more");
}

/// Turns are bare looks for a while.
fn meets_strangers() {
    assert!(slices_until_strangers(0).is_some());
}

#[test]
fn beside_strangers_no_wait_takes_more_than_a_few_looks() {
    // Goal: others that want the core are not kept from it. Method: answers after the most turns; then slices are lost, and whatever
    // answers come late, or sleeps are short, no wait is longer than a new thread's first.
    let few = in_vain();
    for turns in 1..100 {
        wait(|so_far| so_far.turns == turns);
    }
    assert!(in_vain().turns > 100);
    meets_strangers();
    let most = (0..100).map(|n| if n % 2 == 0 { sleeps_for(5) } else { wait(|so_far| so_far.spins >= 300) });
    let most = most.map(|wait| (wait.turns, wait.spins)).max().unwrap();
    assert_eq!(most.0, 0);
    assert!(most.1 > 250 && most.1 <= few.spins + 15 * few.turns, "{most:?} and {few:?}");
    for _ in 0..40 {
        in_vain();
    }
    sleeps_for(30);
    assert_eq!(
        in_vain(),
        Wait { answered: false, ..NOTHING },
        "not even a short sleep would have been spared"
    );
    sleeps_for(5);
    assert!(in_vain().spins > 0);
}

#[test]
fn beside_strangers_a_short_sleep_teaches_less() {
    // Goal: as above, where few sleeps are worth sparing. Method: the same sleep, after as many waits in vain, without strangers and
    // with them; what the next two waits take.
    let lesson = || {
        for _ in 0..40 {
            in_vain();
        }
        sleeps_for(5);
        [in_vain(), in_vain()]
    };
    let before = lesson();
    meets_strangers();
    let beside = lesson();
    assert!(before[0].turns < before[1].turns, "it hopes for more");
    assert!(beside[0].spins > 0 && beside[0].spins < 15 * before[0].turns / 2, "{before:?} {beside:?}");
    assert!(beside[1].spins < beside[0].spins, "and there it does not: {beside:?}");
}

/// Looks for a worker that does not come back.
fn for_a_worker(there: bool, at_work: usize) -> Wait {
    spent(|_| {
        look::for_a_worker(there, at_work, || false);
        false
    })
}

#[test]
fn a_submitter_looks_for_workers_that_come_back() {
    // Goal: a wake-up is spared where one would come back; after some looks in vain nobody waits for it. Method: looks
    // in vain, then a worker that is there.
    let looks: Vec<u32> =
        (0..100).map(|_| for_a_worker(false, 1)).map(|look| look.spins + look.turns).collect();
    let long = looks[0];
    let patient = looks.iter().position(|&look| look == 0).unwrap();
    assert!(long > 100 && (2..20).contains(&patient), "{looks:?}");
    for n in patient..100 {
        assert_eq!(looks[n], if n.is_power_of_two() { long } else { 0 }, "the {n}th of {looks:?}");
    }
    assert_eq!(for_a_worker(true, 1), Wait { answered: false, ..NOTHING });
    assert_eq!(for_a_worker(false, 1), Wait { answered: false, turns: 0, spins: long });
    // One that comes back ends the look, and brings hope back.
    for _ in 0..30 {
        for_a_worker(false, 1);
    }
    for _ in 0..40 {
        let look = spent(|so_far| {
            look::for_a_worker(false, 1, || so_far().spins == 9);
            true
        });
        assert!(look.spins == 9 || look.spins == 0, "{look:?}");
    }
    assert_eq!(for_a_worker(false, 1).spins, long);
}

#[test]
fn looks_for_a_worker_are_further_apart_than_those_for_an_answer() {
    // Goal: who comes back writes to what is looked at, and is not kept from it. Method: the looks of one wait of each kind.
    let looks = Cell::new(0);
    let seen = || {
        looks.set(looks.get() + 1);
        false
    };
    let for_a_worker = spent(|_| {
        look::for_a_worker(false, 1, seen);
        false
    });
    assert_eq!(for_a_worker.spins, 3 * looks.take());
    let for_an_answer = spent(|_| look::for_an_answer(seen));
    assert!((1..=looks.take()).contains(&for_an_answer.spins), "{for_an_answer:?}");
}

#[test]
fn beside_strangers_a_submitter_has_less_patience() {
    // Goal: as above. Method: looks in vain for workers, before and after slices are lost.
    let looks = || -> Vec<u32> {
        for_a_worker(true, 1);
        (0..).map(|_| for_a_worker(false, 1).spins).take_while(|&spins| spins > 0).collect()
    };
    let before = looks();
    meets_strangers();
    let beside = looks();
    assert!((1..before.len() / 2).contains(&beside.len()), "{before:?} {beside:?}");
    assert!(beside[0] < before[0] / 2, "{before:?} {beside:?}");
}

#[test]
fn on_a_single_core_a_submitter_gives_way_to_a_crowd() {
    // Goal: workers are woken until some have a task, and then get the core. Method: each number at work.
    on(1);
    let turns: Vec<u32> = (0..100).map(|at_work| for_a_worker(false, at_work).turns).collect();
    let crowd = turns.iter().position(|&turns| turns > 0).unwrap();
    assert!((2..=16).contains(&crowd), "{turns:?}");
    assert!(turns.iter().enumerate().all(|(n, &turns)| turns == u32::from(n >= crowd)), "{turns:?}");
    assert_eq!(for_a_worker(true, 100).turns, 0);
    // Nor to strangers.
    giving_way_costs(SLICE);
    let lost: u32 = (0..50).map(|_| for_a_worker(false, 100).turns).sum();
    assert_eq!(lost, 10);
}

/// Loses slices, with that many cheap turns after each, until it has found strangers; how many slices it took.
fn slices_until_strangers(cheap: u32) -> Option<u32> {
    (1..=100).find(|_| {
        loses_a_slice();
        for _ in 0..cheap {
            strangers::give_way();
        }
        strangers::are_there()
    })
}

fn loses_a_slice() {
    giving_way_costs(SLICE);
    strangers::give_way();
    giving_way_costs(TURN);
}

/// Another thread gives way while this one does, and comes back first.
fn two_lose_a_slice() {
    MACHINE.with(|machine| machine.meanwhile.set(loses_a_slice));
    loses_a_slice();
}

#[test]
fn strangers_are_told_from_friends_by_the_price_of_giving_way() {
    // Goal: slices lost to the pool itself do not count, and strangers are found out soon. Method: slices, with few turns and
    // with more after each.
    assert_eq!(slices_until_strangers(5), None);
    assert_eq!(slices_until_strangers(3), Some(10));
}

#[test]
fn a_slice_is_lost_once_however_many_threads_lose_it() {
    // Goal: a crowd that waits for one friend is not a crowd of strangers. Method: two lose each slice.
    for _ in 1..10 {
        two_lose_a_slice();
        assert!(!strangers::are_there());
    }
    two_lose_a_slice();
    assert!(strangers::are_there());
}

#[test]
fn a_slice_weighs_as_much_as_threads_have_lost_it() {
    // Goal: many threads beside strangers take many turns, too. Method: two lose each slice; turns that are too few for two are too many
    // for one.
    for _ in 1..=10 {
        assert!(!strangers::are_there());
        two_lose_a_slice();
        (0..7).for_each(|_| strangers::give_way());
    }
    assert!(strangers::are_there());
}

#[test]
fn strangers_who_have_gone_are_forgotten() {
    // Goal: what was found out is found out anew: it ends, begins again with the next lost slice, and after some
    // thousand cheap turns is forgotten.
    let long = Duration::from_millis(299);
    for _ in 0..10_000 {
        loses_a_slice();
    }
    for _ in 0..10 {
        assert!(strangers::are_there());
        MACHINE.with(|machine| machine.pass(long));
        assert!(strangers::are_there());
        MACHINE.with(|machine| machine.pass(Duration::from_millis(1)));
        assert!(!strangers::are_there());
        strangers::give_way();
        assert!(!strangers::are_there());
        loses_a_slice();
    }
    MACHINE.with(|machine| machine.pass(long * 2));
    (0..5000).for_each(|_| strangers::give_way());
    assert_eq!(slices_until_strangers(0), Some(10));
}
