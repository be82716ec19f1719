//! Threads that receive from a channel without room: a send returns when a worker takes the task.

use super::{Outcome, count::Count, outcome};
use crate::workload::{Join, Variant};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// What the workers receive from.
trait Jobs: Clone + Send + 'static {
    /// The next job; none once all senders are gone.
    fn next(&self) -> Option<Job>;
}

fn work(jobs: impl Jobs) {
    while let Some(job) = jobs.next() {
        job();
    }
}

/// A pool on the channels of `$channel`, and results through a channel of the same kind with room for one.
macro_rules! rendezvous {
    ($pool:ident, $name:literal, $channel:ident, $share:expr) => {
        pub(super) struct $pool {
            sender: Option<$channel::Sender<Job>>,
            threads: Vec<thread::JoinHandle<()>>,
            count: Arc<Count>,
        }

        impl $pool {
            fn send(&self, job: Job) {
                let sender = self.sender.as_ref().expect("it is there until the pool is dropped");
                assert!(sender.send(job).is_ok(), "the workers receive until the pool is dropped");
            }
        }

        impl Variant for $pool {
            const NAME: &'static str = $name;

            type Handle = $channel::Receiver<Outcome>;

            fn with_max(max: usize) -> Self {
                let (sender, receiver) = $channel::bounded(0);
                let jobs = $share(receiver);
                let start = |_| {
                    let jobs = Clone::clone(&jobs);
                    thread::spawn(|| work(jobs))
                };
                let threads = (0..max).map(start).collect();
                Self { sender: Some(sender), threads, count: Arc::default() }
            }

            fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
                self.send(Box::new(self.count.counted(task)));
            }

            fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
                let (sender, receiver) = $channel::bounded(1);
                self.send(Box::new(move || drop(sender.send(outcome(task)))));
                receiver
            }

            fn wait(&self) {
                self.count.wait();
            }
        }

        impl Drop for $pool {
            fn drop(&mut self) {
                drop(self.sender.take());
                for thread in self.threads.drain(..) {
                    thread.join().expect("no task panics");
                }
            }
        }

        impl Join for $channel::Receiver<Outcome> {
            fn join(self) -> Outcome {
                self.recv().expect("every task answers")
            }
        }
    };
}

/// std's names in the fashion of the others.
mod std_channel {
    pub(super) use std::sync::mpsc::{Receiver, SyncSender as Sender, sync_channel as bounded};
}

rendezvous!(Kanal, "kanal", kanal, |jobs| jobs);
rendezvous!(Flume, "flume", flume, |jobs| jobs);
rendezvous!(Crossbeam, "crossbeam", crossbeam_channel, |jobs| jobs);
rendezvous!(SyncChannel, "sync_channel", std_channel, |jobs| Arc::new(Mutex::new(jobs)));

impl Jobs for kanal::Receiver<Job> {
    fn next(&self) -> Option<Job> {
        self.recv().ok()
    }
}

impl Jobs for flume::Receiver<Job> {
    fn next(&self) -> Option<Job> {
        self.recv().ok()
    }
}

impl Jobs for crossbeam_channel::Receiver<Job> {
    fn next(&self) -> Option<Job> {
        self.recv().ok()
    }
}

/// Only one thread can receive from std's channel; the others wait for the lock.
impl Jobs for Arc<Mutex<mpsc::Receiver<Job>>> {
    fn next(&self) -> Option<Job> {
        self.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }
}

/// Not built on a channel by us, but with the same admission: without a queue, `execute` blocks until a worker
/// takes the task.
pub(super) struct Threadfin {
    /// Taken when the pool is dropped.
    pool: Option<threadfin::ThreadPool>,
    count: Arc<Count>,
}

impl Threadfin {
    fn pool(&self) -> &threadfin::ThreadPool {
        self.pool.as_ref().expect("it is there until the drop")
    }
}

impl Variant for Threadfin {
    const NAME: &'static str = "threadfin";

    type Handle = threadfin::Task<usize>;

    fn with_max(max: usize) -> Self {
        let pool = threadfin::builder().size(max).queue_limit(0).build();
        Self { pool: Some(pool), count: Arc::default() }
    }

    fn spawn_detached(&self, task: impl FnOnce() + Send + 'static) {
        drop(self.pool().execute(self.count.counted(task)));
    }

    fn spawn(&self, task: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        self.pool().execute(task)
    }

    fn wait(&self) {
        self.count.wait();
    }
}

impl Drop for Threadfin {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.join();
        }
    }
}

impl Join for threadfin::Task<usize> {
    /// Its own join passes a panic on by panicking.
    fn join(self) -> Outcome {
        outcome(|| self.join())
    }
}
