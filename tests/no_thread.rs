//! What happens when the operating system gives no thread. The crate's sources are compiled into this test,
//! whose `probe::refusal` decides for the calling thread which thread creations are refused.
#![cfg(not(loom))]

#[path = "support/internals.rs"]
mod internals;
use internals::*;
mod support;

use std::{
    cell::RefCell,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use crate::{
    admission::{Admission, Entry, Given, Waited},
    probe::{before_every_step, go_freely, refusal},
    slots::Held,
    sync::Deadline,
    task,
    worker::Crew,
};
use support::{eventually, rounds};

/// All slots of a pool that has not been used, in the caller's hands.
fn all_slots<const MAX: usize>(admission: &Admission) -> [Held; MAX] {
    [(); MAX].map(|()| match admission.enter(false) {
        Entry::Slot(held) => held,
        _ => panic!("{MAX} slots are free"),
    })
}

/// Every slot of `pool` is there and can run a task, all at once.
fn all_slots_are_there(pool: &Pool) {
    refusal::set(|| false);
    pool.wait();
    assert_eq!((pool.running(), pool.waiting()), (0, 0));
    let together = Arc::new(Barrier::new(pool.max()));
    let tasks: Vec<_> = (0..pool.max())
        .map(|_| {
            let together = together.clone();
            pool.try_spawn(move || together.wait()).expect("a slot is lost")
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
}

#[test]
fn without_any_worker_the_closure_comes_back() {
    // Goal: REFUSE with no worker at all. Method: every thread is refused.
    let pool = Pool::new(2);
    let tracked = Arc::new(());
    refusal::set(|| true);
    let inside = tracked.clone();
    let refused = pool.try_spawn(move || Arc::strong_count(&inside)).unwrap_err();
    assert!(matches!(refused, TrySpawnError::Os(..)), "{refused:?}");
    assert_eq!(refused.into_inner()(), 2);
    let refused = pool.spawn_timeout(Duration::MAX, || 7).unwrap_err();
    assert!(matches!(refused, TrySpawnError::Os(..)), "{refused:?}");
    let reason = refused.source().expect("the system said why").to_string();
    assert!(refused.to_string().contains(&reason), "{refused} without {reason}");
    assert_eq!(refused.into_inner()(), 7);
    let inside = tracked.clone();
    let spawned = catch_unwind(AssertUnwindSafe(|| drop(pool.spawn(move || drop(inside)))));
    let message = *spawned.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no thread"), "{message}");
    assert_eq!(Arc::strong_count(&tracked), 1, "the closure was leaked");
    assert_eq!((pool.running(), pool.threads()), (0, 0));
    all_slots_are_there(&pool);
}

#[test]
fn with_a_worker_spawn_waits_for_it_in_line() {
    // Goal: REFUSE and FIFO where a worker exists. Method: one worker held busy, three submitters refused a
    // thread one after the other; then the worker runs all three, in their order.
    let pool = Arc::new(Pool::new(4));
    let (open, gate) = channel::<()>();
    let first = pool.spawn(move || gate.recv().unwrap());
    refusal::set(|| true);
    assert!(matches!(pool.try_spawn(|| ()), Err(TrySpawnError::Os(..))));
    assert!(matches!(pool.spawn_timeout(Duration::ZERO, || ()), Err(TrySpawnError::Full(_))));
    assert_eq!(pool.waiting(), 0);
    let (order, arrivals) = channel();
    let mut submitters = Vec::new();
    for n in 0..3 {
        let (submitter, order) = (pool.clone(), order.clone());
        submitters.push(thread::spawn(move || {
            refusal::set(|| true);
            submitter.spawn(move || order.send(n).unwrap()).join().unwrap();
        }));
        eventually("the submitter waits in line", || pool.waiting() == n + 1);
        assert_eq!(pool.running(), 1, "a slot without a thread runs nothing");
    }
    open.send(()).unwrap();
    first.join().unwrap();
    for submitter in submitters {
        submitter.join().unwrap();
    }
    drop(order);
    assert_eq!(arrivals.iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(pool.threads(), 1);
    all_slots_are_there(&pool);
}

#[test]
fn nested_spawn_runs_inline_when_no_thread_is_given() {
    // Goal: NEST where the OS refuses. Method: a task on a pool of two spawns while threads are refused.
    let pool = Arc::new(Pool::new(2));
    let inside = pool.clone();
    let outer = pool.spawn(move || {
        refusal::set(|| true);
        let me = thread::current().id();
        inside.spawn(move || thread::current().id() == me).join().unwrap()
    });
    assert!(outer.join().unwrap(), "the nested task did not run inline");
    // The worker's thread still has its rule; this thread's is its own.
    all_slots_are_there(&pool);
}

#[test]
fn a_waiter_is_not_stranded_by_another_submitters_refusal() {
    // Goal: WAKE where the only submitter with a slot is refused. Method: its refusal is held back until a
    // second one waits; then the second must get the slot.
    let pool = Arc::new(Pool::new(1));
    let (refuse, verdict) = channel::<()>();
    let refused = {
        let pool = pool.clone();
        thread::spawn(move || {
            refusal::set(move || verdict.recv().is_ok());
            pool.try_spawn(|| ()).map(drop).map_err(|error| error.to_string())
        })
    };
    eventually("the task runs", || pool.running() == 1);
    let second = {
        let pool = pool.clone();
        thread::spawn(move || pool.spawn(|| 7).join().unwrap())
    };
    eventually("the submitter waits in line", || pool.waiting() == 1);
    refuse.send(()).unwrap();
    assert!(refused.join().unwrap().is_err());
    assert_eq!(second.join().unwrap(), 7);
    all_slots_are_there(&pool);
}

#[test]
fn every_nth_refusal_loses_nothing() {
    // Goal: ONCE, WAKE, MAX and END under refusals. Method: three submitters, every n-th thread refused, with
    // time-outs among them, on fresh pools; whatever was accepted runs once, and every slot is there at the end.
    for round in 0..rounds(300) {
        let pool = Arc::new(Pool::new(1 + round % 4));
        let (ran, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let submitters: Vec<_> = (0..3_usize)
            .map(|submitter| {
                let (pool, ran, accepted) = (pool.clone(), ran.clone(), accepted.clone());
                thread::spawn(move || {
                    let mut attempts = round + submitter;
                    refusal::set(move || {
                        attempts += 1;
                        !attempts.is_multiple_of(3)
                    });
                    for n in 0..6 {
                        let ran = ran.clone();
                        let task = move || _ = ran.fetch_add(1, Ordering::Relaxed);
                        let spawned = match n % 3 {
                            0 => pool.try_spawn(task),
                            1 => pool.spawn_timeout(Duration::from_micros(50), task),
                            _ => pool.spawn_timeout(Duration::MAX, task),
                        };
                        if spawned.is_ok() {
                            accepted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        pool.wait();
        assert_eq!(ran.load(Ordering::Relaxed), accepted.load(Ordering::Relaxed), "round {round}");
        all_slots_are_there(&pool);
    }
}

#[test]
fn refused_submitters_do_not_keep_the_worker_from_their_tasks() {
    // Goal: WAKE, PROGRESS: a worker that puts slots back stops as soon as tasks wait. Method: two submitters,
    // always refused a thread, keep the only worker of a pool of two busy; all their tasks run.
    let (pool, each) = (Arc::new(Pool::new(2)), rounds(10_000));
    pool.spawn(|| ()).join().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let submitters: Vec<_> = (0..2)
        .map(|_| {
            let (pool, ran) = (pool.clone(), ran.clone());
            thread::spawn(move || {
                refusal::set(|| true);
                for _ in 0..each {
                    let ran = ran.clone();
                    drop(pool.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed)));
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.join().unwrap();
    }
    pool.wait();
    assert_eq!(ran.load(Ordering::Relaxed), 2 * each);
    all_slots_are_there(&pool);
}

#[test]
fn slots_aside_come_back_when_all_who_waited_gave_up() {
    // Goal: REFUSE changes nothing. Method: a refused submitter gives up while another waits, then that one
    // gives up too, while the only worker stays busy; the second slot is free again.
    let pool = Arc::new(Pool::new(2));
    let (open, gate) = channel::<()>();
    let busy = pool.spawn(move || gate.recv().unwrap());
    let spawn = |refused: bool, millis: u64| {
        let pool = pool.clone();
        thread::spawn(move || {
            refusal::set(move || refused);
            pool.spawn_timeout(Duration::from_millis(millis), || ()).map(drop).is_err()
        })
    };
    let first = spawn(true, 200);
    eventually("the first waits or is refused", || pool.waiting() == 1 || first.is_finished());
    let second = spawn(false, 400);
    assert!(first.join().unwrap(), "no worker was free");
    // The second one may have found the slot aside and a thread for it: both are right.
    let _ = second.join().unwrap();
    eventually("the slot is back", || pool.try_spawn(|| ()).is_ok());
    open.send(()).unwrap();
    busy.join().unwrap();
    all_slots_are_there(&pool);
}

#[test]
fn a_parked_worker_is_found_beneath_a_vacant_slot() {
    // Goal: a task that a worker could run is not refused. Method: the worker goes idle at the very moment of
    // the refusal, so that the vacant slot is given back on top of it.
    let pool = Arc::new(Pool::new(2));
    let (open, gate) = channel::<()>();
    let mut busy = Some(pool.spawn(move || gate.recv().unwrap()));
    refusal::set(move || {
        if let Some(task) = busy.take() {
            open.send(()).unwrap();
            task.join().unwrap();
        }
        true
    });
    for _ in 0..3 {
        pool.try_spawn(|| ()).expect("the worker is parked").join().unwrap();
    }
    assert_eq!(pool.threads(), 1);
    all_slots_are_there(&pool);
}

#[test]
fn a_pool_closed_during_a_refusal_still_ends() {
    // Goal: END where a slot lies aside. Method: the worker goes idle and the pool is closed at the very moment of
    // the refusal, so that nobody but the refused submitter is left to put the slot back; then drop has to end.
    let pool = Arc::new(Pool::new(2));
    let (open, gate) = channel::<()>();
    let mut last = Some((pool.spawn(move || gate.recv().unwrap()), pool.clone()));
    refusal::set(move || {
        if let Some((task, pool)) = last.take() {
            open.send(()).unwrap();
            task.join().unwrap();
            pool.close();
        }
        true
    });
    pool.try_spawn(|| 7).expect("it was admitted before the close").join().unwrap();
    let dropper = thread::spawn(move || drop(pool));
    eventually("the pool has ended", || dropper.is_finished());
    dropper.join().unwrap();
}

#[test]
fn a_task_that_waited_when_the_pool_was_closed_runs() {
    // Goal: REFUSE, END: `close` lets go on what waits. Method: both slots of a pool without threads are held by
    // submitters that ask for a thread, a third task waits, the pool is closed. The first submitter is refused and passes
    // its slot to the third; now the second gets its thread; the third is refused one, and has to wait for that worker.
    let pool = Arc::new(Pool::new(2));
    let submitter = |verdict: Receiver<bool>, ends: Receiver<()>| {
        let pool = pool.clone();
        thread::spawn(move || {
            refusal::set(move || verdict.recv().unwrap());
            let task = move || _ = ends.recv();
            pool.spawn_timeout(Duration::MAX, task)
                .map(|task| task.join().unwrap())
                .map_err(|e| e.to_string())
        })
    };
    let (first, a) = channel();
    let (second, b) = channel();
    let (third, c) = channel();
    let (end, ends) = channel();
    let nothing = || channel().1;
    let first_submitter = submitter(a, nothing());
    eventually("the first has a slot", || pool.running() == 1);
    let second_submitter = submitter(b, ends);
    eventually("the second has a slot", || pool.running() == 2);
    let third_submitter = submitter(c, nothing());
    eventually("the third waits", || pool.waiting() == 1);
    pool.close();
    first.send(true).unwrap();
    assert!(first_submitter.join().unwrap().unwrap_err().contains("no thread"));
    eventually("the third has been passed the slot", || pool.waiting() == 0);
    second.send(false).unwrap();
    eventually("the second has its thread", || pool.threads() == 1);
    third.send(true).unwrap();
    eventually("the third waits for that worker", || pool.waiting() == 1 || third_submitter.is_finished());
    assert_eq!(pool.running(), 1, "a slot without a thread runs nothing");
    end.send(()).unwrap();
    assert_eq!(second_submitter.join().unwrap(), Ok(()));
    assert_eq!(third_submitter.join().unwrap(), Ok(()));
    let dropper = thread::spawn(move || drop(pool));
    eventually("the pool has ended", || dropper.is_finished());
    dropper.join().unwrap();
}

#[test]
fn a_submitter_that_was_refused_a_thread_finds_slots_until_the_pool_is_over() {
    // Goal: END. Method: the word of a closed pool of two, looked at by a newcomer and by one that is admitted, while a
    // slot is held, and when none is any more.
    let admission = Admission::new(2);
    let Entry::Slot(held) = admission.enter(false) else { panic!("a slot is free") };
    assert!(matches!(admission.close(), Given::Back));
    assert!(matches!(admission.enter(false), Entry::Closed));
    let Entry::Slot(another) = admission.enter(true) else { panic!("a slot is free") };
    assert!(matches!(admission.enter(true), Entry::Full));
    assert!(matches!(admission.give(another), Given::Back));
    assert!(matches!(admission.give(held), Given::Over));
    assert!(
        matches!(admission.enter(true), Entry::Closed),
        "a slot was taken of a pool whose workers are gone"
    );
}

#[test]
fn a_worker_that_finds_nothing_waiting_puts_back_what_lies_aside() {
    // Goal: PROGRESS where the submitter that was refused a thread is stopped. Method: a slot is put aside and
    // nothing more is done; the only worker gives its own back, and both are free.
    let crew = Crew::new(2, String::new(), None);
    let admission = &crew.admission;
    let [vacant, held] = all_slots(admission);
    admission.put_aside(vacant);
    let snapshot = admission.snapshot();
    assert_eq!((snapshot.running, snapshot.waiting), (1, 0));
    assert!(admission.has_idle_aside() && !admission.wait(Deadline::after(Duration::ZERO)));
    crew.see_to(admission.give(held));
    assert!(!admission.has_idle_aside() && admission.wait(Deadline::after(Duration::ZERO)));
    assert_eq!(admission.snapshot().running, 0);
}

#[test]
fn a_worker_gives_its_own_slot_back_before_those_that_lie_aside() {
    // Goal: PROGRESS of a submitter that was refused a thread. Method: its slot lies aside, the only worker gives its own
    // back and has done no more: whoever comes now finds that one. (Of those aside, popped in between, it could get
    // none with a thread, and make the worker settle once more: so they could go round for ever.)
    let admission = Admission::new(2);
    let [vacant, held] = all_slots(&admission);
    admission.put_aside(vacant);
    let own = held.into_number();
    // SAFETY: passed on by the line above.
    assert!(matches!(admission.give(unsafe { admission.slots.hold(own) }), Given::Short));
    let Entry::Slot(found) = admission.enter(true) else { panic!("the worker's slot is free") };
    assert_eq!(found.into_number(), own);
    assert!(matches!(admission.enter(true), Entry::Full), "a vacant slot was put back first");
}

#[test]
fn settling_leaves_nothing_to_do() {
    // Goal: what was put aside costs nobody anything once it is put back. Method: a slot is put aside and put back; the next
    // that is given back need not settle.
    let admission = Admission::new(2);
    let [vacant, held] = all_slots(&admission);
    admission.put_aside(vacant);
    assert!(matches!(admission.settle(), Given::Back));
    assert_eq!(admission.snapshot().running, 1);
    assert!(matches!(admission.give(held), Given::Back));
}

#[test]
fn settling_ends_though_others_put_slots_aside() {
    // Goal: PROGRESS of who settles: it puts back one more than it found, and leaves the rest to those who put it aside.
    // Method: before every step, somebody puts a slot aside if none is.
    let admission = Arc::new(Admission::new(8));
    let mut held = Vec::from(all_slots::<8>(&admission));
    let others = admission.clone();
    let mut put_aside = move || {
        if !others.has_idle_aside()
            && let Some(vacant) = held.pop()
        {
            others.put_aside(vacant);
        }
    };
    put_aside();
    before_every_step(move |_| put_aside());
    assert!(matches!(admission.settle(), Given::Back));
    go_freely();
    let free =
        std::iter::repeat_with(|| admission.enter(true)).take_while(|entry| matches!(entry, Entry::Slot(_)));
    assert_eq!(free.count(), 2);
}

/// What others do while a thread settles.
struct Others {
    crew: Arc<Crew>,
    /// Of a submitter that was refused a thread.
    vacant: Option<Held>,
    /// Of the workers.
    held: Vec<Held>,
    waiter: Option<thread::JoinHandle<()>>,
    /// How many of the three things are done.
    done: usize,
}

impl Others {
    /// The next of three things.
    fn go_on(&mut self) {
        let admission = &self.crew.admission;
        self.done += 1;
        match self.done {
            1 => admission.put_aside(self.vacant.take().unwrap()),
            2 => {
                if let Entry::Slot(slot) = admission.enter(false) {
                    self.held.push(slot);
                }
                let crew = self.crew.clone();
                let waiter = thread::spawn(move || {
                    let (task, joiner) = task::new(|| ());
                    match crew.admission.wait_in_line(task, &joiner, Deadline::NEVER, false) {
                        Waited::Changed(task) => task.run().release(),
                        waited => assert!(matches!(waited, Waited::Admitted)),
                    }
                    joiner.join().unwrap();
                });
                eventually("the task waits", || admission.snapshot().waiting == 1 || waiter.is_finished());
                self.waiter = Some(waiter);
                self.crew.see_to(admission.settle());
            }
            _ => {
                for held in self.held.drain(..) {
                    let mut given = admission.give(held);
                    while let Given::On(slot, position) = given {
                        if let Some(task) = admission.claim(position) {
                            task.admit();
                            task.run().release();
                        }
                        given = admission.give(slot);
                    }
                    self.crew.see_to(given);
                }
                self.waiter.take().unwrap().join().unwrap();
            }
        }
    }
}

#[test]
fn a_settler_that_puts_a_slot_aside_again_looks_once_more() {
    // Goal: WAIT, END: no slot lies aside when all calls are over and nothing runs. Method: while a thread settles, others
    // (1) put a slot aside, (2) take one that has been put back, let a task wait, and settle too, (3) run the task, and give back
    // what they have: before every three of its steps. Then all slots are free.
    let triples = (1..).flat_map(|c| (1..=c).flat_map(move |b| (1..=b).map(move |a| [a, b, c])));
    let mut most = 0;
    // An interpreter is too slow for all of them.
    for stops in triples.step_by(if cfg!(miri) { 97 } else { 1 }) {
        let crew = Arc::new(Crew::new(3, String::new(), None));
        let [first, second, third] = all_slots(&crew.admission);
        crew.admission.put_aside(first);
        let others =
            Others { crew: crew.clone(), vacant: Some(second), held: vec![third], waiter: None, done: 0 };
        let others = Rc::new(RefCell::new((others, 0)));
        let hook = others.clone();
        before_every_step(move |_| {
            let (others, steps) = &mut *hook.borrow_mut();
            *steps += 1;
            while stops.get(others.done) == Some(&*steps) {
                others.go_on();
            }
        });
        crew.see_to(crew.admission.settle());
        go_freely();
        let (others, steps) = &mut *others.borrow_mut();
        most = most.max(*steps);
        while others.done < stops.len() {
            others.go_on();
        }
        assert!(crew.admission.wait(Deadline::after(Duration::ZERO)), "a slot is left aside: {stops:?}");
        if stops[0] > most {
            break;
        }
    }
    assert!(most > 10, "{most} steps");
}
