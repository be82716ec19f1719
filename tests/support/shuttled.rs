//! shuttle's face of `src/sync.rs`: all threads run on one OS thread, one at a time, and switch only before an
//! atomic operation, or where one is here.

use std::{any::type_name, cell::RefCell, ops::Deref};

use shuttle::{
    Config, MaxSteps,
    scheduler::{Schedule, Scheduler, Task, TaskId},
};

pub(crate) use shuttle::{
    hint::spin_loop,
    sync::atomic,
    thread::{self, JoinHandle, yield_now, yield_now as nap},
    thread_local,
};

use crate::{
    cell::Header,
    probe, states,
    sync::{AtomicU32, Deadline, Ordering},
    task::Runner,
};

/// Its count is part of the state; who lets it go last knows that.
pub(crate) struct Arc<T> {
    id: u64,
    shared: std::sync::Arc<T>,
}

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Arc<T> {
        Arc { id: probe::named(Some(1)), shared: std::sync::Arc::new(value) }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        let shared = self.shared.clone();
        states::holds(self.id, Some(std::sync::Arc::strong_count(&shared) as u64));
        Arc { id: self.id, shared }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        match std::sync::Arc::strong_count(&self.shared) as u64 {
            1 => states::lets_go(self.id),
            count => states::holds(self.id, Some(count - 1)),
        }
    }
}

/// A cell whose content is part of the state. Who is in it together with another is for loom to see.
pub(crate) struct UnsafeCell<T> {
    id: u64,
    content: std::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell { id: probe::named(None), content: std::cell::UnsafeCell::new(value) }
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        states::learns(self.id);
        let answer = f(self.content.get());
        states::holds(self.id, self.value());
        answer
    }

    /// What is too small to hold a pointer is known by its value, and a task by its name.
    fn value(&self) -> Option<u64> {
        let content = self.content.get();
        match size_of::<T>() {
            8 => task_in(content),
            // SAFETY: nobody else runs, and what the crate keeps in a cell of this size is a flag.
            1 => Some(u64::from(unsafe { content.cast::<u8>().read() })),
            // SAFETY: as above, a number.
            4 => Some(u64::from(unsafe { content.cast::<u32>().read() })),
            _ => None,
        }
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        states::gone(self.id);
    }
}

/// The name of the task in a place that holds one or none, if that is what it is for.
pub(crate) fn task_in<T>(place: *const T) -> Option<u64> {
    let is = type_name::<T>();
    (is == type_name::<*mut Header>() || is == type_name::<Option<Runner>>()).then(|| {
        // SAFETY: either is a pointer to a task, or null.
        let task = unsafe { place.cast::<*const Header>().read() };
        // SAFETY: what is put in such a place is the putter's, so the task is there.
        unsafe { task.as_ref() }.map_or(0, |header| header.state.word().id())
    })
}

pub(crate) struct Futex {
    word: AtomicU32,
    sleepers: Queue,
}

/// Those who sleep on one word, and their names.
struct Queue {
    id: u64,
    threads: RefCell<Vec<(u64, thread::Thread)>>,
}

// SAFETY: all threads run on one OS thread, and no borrow is held where they switch.
unsafe impl Sync for Queue {}
// SAFETY: as above.
unsafe impl Send for Queue {}

impl Queue {
    fn change<R>(&self, f: impl FnOnce(&mut Vec<(u64, thread::Thread)>) -> R) -> R {
        states::learns(self.id);
        let mut threads = self.threads.borrow_mut();
        let answer = f(&mut threads);
        let names = threads.iter().fold(0, |all, &(name, _)| states::joint(all, name));
        states::holds(self.id, Some(names));
        answer
    }

    fn holds(&self, thread: &thread::Thread) -> bool {
        states::learns(self.id);
        self.threads.borrow().iter().any(|(_, sleeper)| sleeper.id() == thread.id())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        states::gone(self.id);
    }
}

impl Futex {
    pub(crate) fn new(value: u32) -> Futex {
        let sleepers = Queue { id: probe::named(Some(0)), threads: RefCell::default() };
        Futex { word: AtomicU32::new(value), sleepers }
    }

    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.word
    }

    pub(crate) fn sleep(&self, expected: u32, deadline: Deadline) -> bool {
        let woken_by_nothing = probe::woken_by_nothing();
        if woken_by_nothing || deadline.finite {
            // As under loom: a finite deadline may pass at any moment.
            return woken_by_nothing;
        }
        // Nobody else runs between this look and the first park.
        if self.word.load(Ordering::Relaxed) == expected {
            let me = thread::current();
            self.sleepers.change(|threads| threads.push((states::me(), me.clone())));
            while self.sleepers.holds(&me) {
                states::alone();
                thread::park();
            }
        }
        true
    }

    pub(crate) fn wake_one(&self) {
        self.wake_all();
    }

    pub(crate) fn wake_all(&self) {
        // The waker may be stopped here.
        self.word.bare().load(Ordering::Relaxed);
        // Each has blocked since, so that these steps change who can run, and are alone for that, too.
        for (_, sleeper) in self.sleepers.change(std::mem::take) {
            states::alone();
            sleeper.unpark();
        }
    }
}

/// A scheduler for which threads sleep until they are woken: shuttle would let it wake a parked one for nothing, and takes to
/// park for a wish to be scheduled less.
pub(crate) struct Asleep<S>(pub(crate) S);

impl<S: Scheduler> Scheduler for Asleep<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(&mut self, tasks: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        let awake: Vec<&Task> = tasks.iter().copied().filter(|task| task.runnable()).collect();
        let yields = yields && awake.iter().any(|task| Some(task.id()) == current);
        self.0.next_task(&awake, current, yields)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// How everything is run.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 0x1_0000;
    config.silence_warnings = true;
    // A hundred times what any schedule here needs: who takes more goes round in circles.
    config.max_steps = MaxSteps::FailAfter(50_000);
    config
}
