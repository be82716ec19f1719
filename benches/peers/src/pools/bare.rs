//! Pools with a queue without bound, as their authors meant them: `spawn` never blocks.

use super::{Outcome, count::Count, outcome};
use crate::workload::{Join, Variant};
use std::sync::Arc;

/// A bare pool that can also stand behind a semaphore, where it has another name.
pub(super) trait Bare: Variant {
    const BEHIND: &'static str;

    /// Spawns a task that nobody counts.
    fn submit(&self, task: impl FnOnce() + Send + 'static) {
        self.spawn_detached(task);
    }
}

impl Bare for threadpool::ThreadPool {
    const BEHIND: &'static str = "threadpool + semaphore";
}

impl Variant for threadpool::ThreadPool {
    const NAME: &'static str = "threadpool";
    const WAITS: bool = true;

    type Handle = oneshot::Receiver<Outcome>;

    fn with_max(max: usize) -> Self {
        Self::new(max)
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        self.execute(task);
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = oneshot::channel();
        self.execute(move || drop(sender.send(outcome(task))));
        receiver
    }

    fn wait(&self) {
        self.join();
    }
}

impl Join for oneshot::Receiver<Outcome> {
    fn join(self) -> Outcome {
        self.recv().expect("every task answers")
    }
}

pub(super) struct Rayon {
    pool: rayon::ThreadPool,
    count: Arc<Count>,
}

impl Bare for Rayon {
    const BEHIND: &'static str = "rayon + semaphore";

    fn submit(&self, task: impl FnOnce() + Send + 'static) {
        self.pool.spawn(task);
    }
}

impl Variant for Rayon {
    const NAME: &'static str = "rayon";

    type Handle = oneshot::Receiver<Outcome>;

    fn with_max(max: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(max).build().expect("enough threads");
        Self { pool, count: Arc::default() }
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        self.submit(self.count.counted(task));
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = oneshot::channel();
        self.pool.spawn(move || drop(sender.send(outcome(task))));
        receiver
    }

    fn wait(&self) {
        self.count.wait();
    }
}

pub(super) struct RustyPool(Option<rusty_pool::ThreadPool>);

impl RustyPool {
    fn pool(&self) -> &rusty_pool::ThreadPool {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Bare for RustyPool {
    const BEHIND: &'static str = "rusty_pool + semaphore";
}

impl Variant for RustyPool {
    const NAME: &'static str = "rusty_pool";
    const LAZY: bool = true;
    const WAITS: bool = true;

    type Handle = rusty_pool::JoinHandle<usize>;

    fn with_max(max: usize) -> Self {
        Self(Some(rusty_pool::Builder::new().core_size(max).max_size(max).build()))
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        self.pool().execute(task);
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        self.pool().evaluate(task)
    }

    fn wait(&self) {
        self.pool().join();
    }
}

impl Drop for RustyPool {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.shutdown_join();
        }
    }
}

impl Join for rusty_pool::JoinHandle<usize> {
    /// What it tells of a panic is that there was one.
    fn join(self) -> Outcome {
        self.try_await_complete().map_err(|cancelled| Box::new(cancelled) as _)
    }
}

pub(super) struct Tokio {
    runtime: tokio::runtime::Runtime,
    count: Arc<Count>,
}

impl Bare for Tokio {
    const BEHIND: &'static str = "tokio + semaphore";

    fn submit(&self, task: impl FnOnce() + Send + 'static) {
        drop(self.runtime.spawn_blocking(task));
    }
}

impl Variant for Tokio {
    const NAME: &'static str = "tokio";
    const LAZY: bool = true;

    type Handle = TokioTask;

    fn with_max(max: usize) -> Self {
        // The pool for blocking tasks is the same under every kind of runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(max).build();
        Self { runtime: runtime.expect("a runtime without drivers"), count: Arc::default() }
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        self.submit(self.count.counted(task));
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        TokioTask { runtime: self.runtime.handle().clone(), task: self.runtime.spawn_blocking(task) }
    }

    fn wait(&self) {
        self.count.wait();
    }
}

pub(super) struct TokioTask {
    runtime: tokio::runtime::Handle,
    task: tokio::task::JoinHandle<usize>,
}

impl Join for TokioTask {
    fn join(self) -> Outcome {
        self.runtime.block_on(self.task).map_err(tokio::task::JoinError::into_panic)
    }
}
