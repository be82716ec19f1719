//! The whole pool, within a bound.

use std::time::Duration;

use crate::{
    check::{self, Bounds, Pool, check},
    parts::Guarded,
    sync::{Arc, AtomicU32, Ordering, thread},
};

/// The whole pool is explored without looks before sleeping, but for one model.
const fn within(quick: usize, wide: usize) -> Bounds {
    check::within(quick, wide).without_looks()
}

const fn within_both(quick: usize, wide: usize) -> Bounds {
    check::within_both(quick, wide).without_looks()
}

#[test]
fn result_comes_back() {
    // Goal: RESULT, FREE, END. Method: spawn, join, try_spawn at once, drop; and every sleeper looks first.
    check("pool: spawn, join, try_spawn", "MAX RESULT WAKE", check::within(2, 3), || {
        let pool = Pool::new(1);
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
        let again = pool.try_spawn(|| 2).expect("FREE: join has returned, so the permit is free");
        assert_eq!(again.join().unwrap(), 2);
    });
}

#[test]
fn panic_comes_back_and_the_worker_lives_on() {
    // Goal: PANIC. Method: a panic, then a value from the same worker.
    check("pool: panic", "PANIC", within(2, 3), || {
        let pool = Pool::new(1);
        let bad = pool.spawn(|| -> u32 { std::panic::resume_unwind(Box::new("no")) });
        let good = pool.spawn(|| 7_u32);
        assert_eq!(*bad.join().unwrap_err().downcast::<&str>().unwrap(), "no");
        assert_eq!(good.join().unwrap(), 7);
        assert_eq!(pool.threads(), 1);
    });
}

#[test]
fn never_more_than_max_of_one() {
    // Goal: MAX, WAKE. Method: two submitters on a pool of one; both tasks touch the same memory.
    check("pool: 2 submitters, max 1", "MAX WAKE ONCE", within_both(2, 3).schedules_if_wide(), || {
        let pool = Arc::new(Pool::new(1));
        let inside = Arc::new(Guarded::new());
        let (other, theirs) = (pool.clone(), inside.clone());
        let submitter = thread::spawn(move || drop(other.spawn(move || theirs.touch())));
        let mine = inside.clone();
        pool.spawn(move || mine.touch()).join().unwrap();
        submitter.join().unwrap();
        drop(pool);
        assert_eq!(inside.touch(), 2, "ONCE");
    });
}

#[test]
fn never_more_than_max_of_two() {
    // Goal: MAX and ONCE in a cold pool: a slot has one worker. Method: two submitters at once on a pool of two.
    check("pool: 2 submitters, max 2", "MAX WAKE ONCE", within_both(2, 3).too_many_schedules(), || {
        let pool = Arc::new(Pool::new(2));
        let ran = [Arc::new(Guarded::new()), Arc::new(Guarded::new())];
        let [mine, theirs] = ran.clone();
        let other = pool.clone();
        let submitter = thread::spawn(move || drop(other.spawn(move || theirs.touch())));
        drop(pool.spawn(move || mine.touch()));
        submitter.join().unwrap();
        drop(pool);
        assert!(ran.iter().all(|task| task.touch() == 1), "ONCE");
    });
}

#[test]
fn wait_returns_when_all_is_done() {
    // Goal: WAIT. Method: two tasks, then wait: both handles are finished.
    check("pool: wait", "WAIT", within(2, 3), || {
        let pool = Pool::new(1);
        let tasks = [pool.spawn(|| ()), pool.spawn(|| ())];
        pool.wait();
        assert!(tasks.iter().all(|task| task.is_finished()));
    });
}

#[test]
fn wait_returns_beside_a_submitter() {
    // Goal: WAIT while others go on. Method: a waiter beside a submitter of two tasks.
    check("pool: wait beside submitter", "WAIT", within(1, 2).schedules_if_wide(), || {
        let pool = Arc::new(Pool::new(1));
        let first = pool.spawn(|| ());
        let other = pool.clone();
        let submitter = thread::spawn(move || drop(other.spawn(|| ())));
        pool.wait();
        assert!(first.is_finished());
        submitter.join().unwrap();
    });
}

#[test]
fn timed_out_task_comes_back() {
    // Goal: REFUSE and ONCE. Method: spawn_timeout on a full pool, whose deadline may pass at any moment.
    check("pool: spawn_timeout", "REFUSE ONCE", within(2, 3), || {
        let pool = Pool::new(1);
        let first = pool.spawn(|| ());
        match pool.spawn_timeout(Duration::from_secs(1), || 7) {
            Ok(task) => assert_eq!(task.join().unwrap(), 7),
            Err(refused) => assert_eq!(refused.into_inner()(), 7),
        }
        first.join().unwrap();
        assert_eq!(pool.waiting(), 0);
    });
}

#[test]
fn close_lets_accepted_tasks_finish() {
    // Goal: REFUSE, ONCE. Method: close beside a spawn.
    check("pool: close", "REFUSE END", within_both(2, 3).schedules_if_wide(), || {
        let pool = Arc::new(Pool::new(1));
        let first = pool.spawn(|| 1);
        let other = pool.clone();
        let closer = thread::spawn(move || other.close());
        match pool.spawn_timeout(Duration::MAX, || 2) {
            Ok(task) => assert_eq!(task.join().unwrap(), 2),
            Err(refused) => assert_eq!(refused.into_inner()(), 2),
        }
        assert_eq!(first.join().unwrap(), 1);
        closer.join().unwrap();
        assert!(pool.try_spawn(|| ()).is_err());
    });
}

#[test]
fn join_gives_the_permit_back_past_a_dead_position() {
    // Goal: FREE behind a submitter that has given up. Method: a spawn_timeout beside join; after both, try_spawn
    // has a permit.
    check("pool: dead position", "FREE REFUSE", within(1, 2).too_many_schedules(), || {
        let pool = Arc::new(Pool::new(1));
        let first = pool.spawn(|| ());
        let other = pool.clone();
        let impatient =
            thread::spawn(move || other.spawn_timeout(Duration::from_secs(1), || ()).map(drop).is_ok());
        first.join().unwrap();
        // If the other task was not accepted, nothing runs any more.
        let free = pool.try_spawn(|| ()).is_ok();
        assert!(impatient.join().unwrap() || free, "FREE: the pool was full of nothing");
    });
}

#[test]
fn drop_inside_its_own_task_ends_the_pool() {
    // Goal: END. Method: the last reference to the pool is dropped by one of its tasks.
    check("pool: drop inside its own task", "END", within(2, 3), || {
        let pool = Arc::new(Pool::new(2));
        let inside = pool.clone();
        let task = pool.spawn(move || drop(inside));
        drop(pool);
        task.join().unwrap();
    });
}

#[test]
fn nested_spawn_never_hangs() {
    // Goal: NEST. Method: a task spawns on its own pool of one and joins.
    check("pool: nested", "NEST", within(2, 3), || {
        let pool = Arc::new(Pool::new(1));
        let inside = pool.clone();
        let task = pool.spawn(move || inside.spawn(|| 7).join().unwrap());
        assert_eq!(task.join().unwrap(), 7);
    });
}

#[test]
fn drop_finishes_what_was_accepted() {
    // Goal: END, ONCE. Method: two detached tasks, then drop.
    check("pool: drop", "END", within(2, 3).schedules_if_wide(), || {
        let count = Arc::new(AtomicU32::new(0));
        let pool = Pool::new(2);
        for _ in 0..2 {
            let count = count.clone();
            drop(pool.spawn(move || count.fetch_add(1, Ordering::Relaxed)));
        }
        drop(pool);
        assert_eq!(count.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn what_a_thread_did_is_before_its_end() {
    // Goal: whoever reads in `threads` that a thread is gone sees what it did. Method: memory that the only task
    // touches, touched by one who has seen that no thread is left.
    check("pool: threads", "END", within(2, 3), || {
        let pool = Pool::new(1);
        let page = Arc::new(Guarded::new());
        let written = page.clone();
        drop(pool.spawn(move || written.touch()));
        pool.close();
        assert!(pool.threads() > 0 || page.touch() == 1);
    });
}

#[test]
fn refused_thread_strands_nobody() {
    // Goal: WAKE and END when the OS gives no thread. Method: two submitters; the first thread that either of
    // them asks for is refused.
    check("pool: thread refused, max 1", "REFUSE WAKE", within(2, 3).schedules_if_wide(), || {
        refused_thread(1, 0)
    });
    check("pool: thread refused, max 2", "REFUSE WAKE", within(1, 2).too_many_schedules(), || {
        refused_thread(2, 1)
    });
}

fn refused_thread(max: usize, refused: u32) {
    let mut attempts = 0;
    crate::probe::refusal::set(move || {
        attempts += 1;
        attempts == refused + 1
    });
    let pool = Arc::new(Pool::new(max));
    let other = pool.clone();
    let submitter = thread::spawn(move || other.try_spawn(|| ()).is_ok());
    let mine = pool.spawn_timeout(Duration::MAX, || ()).map(|task| task.join().unwrap());
    let theirs = submitter.join().unwrap();
    pool.wait();
    assert!(mine.is_ok() || theirs || max == 1, "a worker existed or could be had");
    assert_eq!(pool.running(), 0);
}

#[test]
fn refused_thread_and_close_strand_nobody() {
    // Goal: END when a slot lies aside at close. Method: a submitter that is refused a thread while the only
    // worker finishes and another thread closes the pool; then drop has to end.
    check("pool: thread refused, close", "REFUSE END", within(1, 2).too_many_schedules(), || {
        let mut attempts = 0;
        crate::probe::refusal::set(move || {
            attempts += 1;
            attempts > 1
        });
        let pool = Arc::new(Pool::new(2));
        drop(pool.spawn(|| ()));
        let other = pool.clone();
        let closer = thread::spawn(move || other.close());
        drop(pool.spawn_timeout(Duration::MAX, || ()));
        closer.join().unwrap();
    });
}

#[test]
fn spawn_returns_while_its_task_runs() {
    // Goal: WAKE for admission itself, and that a permit brings what was done on it before. Method: a task that waits
    // in line and, once it runs, does not end before its spawn has returned; then the first has ended, and loom sees
    // whether that happens before.
    check("pool: admission", "WAKE FREE", within(2, 3), || {
        let pool = Pool::new(1);
        let shared = Arc::new(Guarded::new());
        let inside = shared.clone();
        let first = pool.spawn(move || _ = inside.touch());
        let returned = Arc::new(crate::sync::Futex::new(0));
        let seen = returned.clone();
        let second = pool.spawn(move || {
            let _ = crate::park::sleep_until(&seen, crate::sync::Deadline::NEVER, |value| value == 2);
        });
        // The submitter knows what the first one did, and that its task waits no more.
        assert_eq!(shared.touch(), 1);
        assert_eq!(pool.waiting(), 0);
        let before = returned.word().swap(2, Ordering::Release);
        crate::park::wake(&returned, before);
        second.join().unwrap();
        first.join().unwrap();
    });
}
