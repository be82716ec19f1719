//! The bound for pools that have none: a permit for each task, taken before the spawn and given back at the
//! task's end.

use super::{Outcome, bare::Bare};
use crate::workload::{Join, Variant};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// `P` with as many permits as threads.
pub(super) struct Behind<P> {
    pool: P,
    semaphore: Arc<Semaphore>,
}

impl<P: Bare> Variant for Behind<P> {
    const NAME: &'static str = P::BEHIND;
    const LAZY: bool = P::LAZY;
    const WAITS: bool = true;

    type Handle = P::Handle;

    fn with_max(max: usize) -> Self {
        Self { pool: P::with_max(max), semaphore: Semaphore::new(max) }
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        let permit = self.semaphore.acquire();
        self.pool.submit(move || {
            let _permit = permit;
            task();
        });
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let permit = self.semaphore.acquire();
        self.pool.spawn(move || {
            let _permit = permit;
            task()
        })
    }

    fn wait(&self) {
        self.semaphore.wait();
    }
}

/// A new thread for each task.
pub(super) struct ThreadPerTask {
    semaphore: Arc<Semaphore>,
}

impl Variant for ThreadPerTask {
    const NAME: &'static str = "thread per task + semaphore";
    const LAZY: bool = true;
    const WAITS: bool = true;

    type Handle = thread::JoinHandle<usize>;

    fn with_max(max: usize) -> Self {
        Self { semaphore: Semaphore::new(max) }
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        let permit = self.semaphore.acquire();
        thread::spawn(move || {
            let _permit = permit;
            task();
        });
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let permit = self.semaphore.acquire();
        thread::spawn(move || {
            let _permit = permit;
            task()
        })
    }

    fn wait(&self) {
        self.semaphore.wait();
    }
}

impl Join for thread::JoinHandle<usize> {
    fn join(self) -> Outcome {
        self.join()
    }
}

/// Rings only when somebody sleeps, since ringing for nobody is a system call.
struct Semaphore {
    max: usize,
    state: Mutex<State>,
    one_back: Condvar,
    all_back: Condvar,
}

struct State {
    permits: usize,
    /// Threads asleep for one permit, and for all.
    for_one: usize,
    for_all: usize,
}

impl Semaphore {
    fn new(max: usize) -> Arc<Self> {
        let state = Mutex::new(State { permits: max, for_one: 0, for_all: 0 });
        Arc::new(Self { max, state, one_back: Condvar::new(), all_back: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire(self: &Arc<Self>) -> Permit {
        let mut state = self.lock();
        while state.permits == 0 {
            state.for_one += 1;
            state = self.one_back.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.for_one -= 1;
        }
        state.permits -= 1;
        Permit { semaphore: self.clone() }
    }

    fn wait(&self) {
        let mut state = self.lock();
        while state.permits < self.max {
            state.for_all += 1;
            state = self.all_back.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.for_all -= 1;
        }
    }
}

struct Permit {
    semaphore: Arc<Semaphore>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.semaphore.lock();
        state.permits += 1;
        let one = state.for_one > 0;
        let all = state.for_all > 0 && state.permits == self.semaphore.max;
        drop(state);
        if one {
            self.semaphore.one_back.notify_one();
        }
        if all {
            self.semaphore.all_back.notify_all();
        }
    }
}
