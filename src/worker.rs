//! The crew of a pool: how a thread comes into a slot, what it does there, and how it leaves.

use std::{io, ptr};

use crate::{
    admission::{Admission, Given},
    slots::Held,
    sync::{Arc, AtomicUsize, Ordering, spawn_thread, thread_local},
    task::Runner,
};

thread_local! {
    /// The crew that this thread belongs to, as an address that is only compared.
    // loom's macro knows no `const` initialisers.
    #[allow(clippy::missing_const_for_thread_local)]
    static OWN: std::cell::Cell<*const Crew> = std::cell::Cell::new(ptr::null());
}

/// What the pool and its workers share; freed with the last of them.
pub(crate) struct Crew {
    pub(crate) admission: Admission,
    thread_name: String,
    stack_size: Option<usize>,
    threads: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(max: u16, thread_name: String, stack_size: Option<usize>) -> Crew {
        Crew { admission: Admission::new(max), thread_name, stack_size, threads: AtomicUsize::new(0) }
    }

    /// Whether the calling thread is one of this crew, so the call comes from one of its tasks.
    pub(crate) fn is_own(&self) -> bool {
        OWN.with(|own| ptr::eq(own.get(), self))
    }

    /// How many threads there are, or are about to be.
    pub(crate) fn threads(&self) -> usize {
        // Acquire [THREADS]: who reads that a thread is gone sees what it did.
        self.threads.load(Ordering::Acquire)
    }

    /// Starts a thread in a vacant slot, for `job`.
    pub(crate) fn man(crew: &Arc<Crew>, held: Held, job: Runner) -> Result<(), (Held, Runner, io::Error)> {
        // Relaxed: counted before it exists, so that nobody believes the pool without workers meanwhile.
        crew.threads.fetch_add(1, Ordering::Relaxed);
        let own = Arc::clone(crew);
        let manned = crew.admission.slots().man(held, job, |number| {
            let name = format!("{}-{number}", crew.thread_name);
            spawn_thread(name, crew.stack_size, move || work(own, number))
        });
        if manned.is_err() {
            // Relaxed: there was no thread whose doings could be waited for.
            crew.threads.fetch_sub(1, Ordering::Relaxed);
        }
        manned
    }

    /// Does what a slot given back asks for.
    pub(crate) fn see_to(&self, given: Given) {
        if let Given::Over = given {
            self.dismiss(None);
        }
    }

    fn dismiss(&self, but: Option<u16>) {
        // SAFETY: closed and quiescent, and `Over` is said once: by the CAS that brought this about.
        unsafe { self.admission.slots().dismiss(but) };
    }
}

/// A worker's life in slot `number`.
fn work(crew: Arc<Crew>, number: u16) {
    OWN.with(|own| own.set(Arc::as_ptr(&crew)));
    // SAFETY: this is the thread that was started for the slot, and it asks once.
    let first = unsafe { crew.admission.slots().first_job(number) };
    let mut mail = Some(first);
    while let Some((held, job)) = mail {
        mail = match serve(&crew.admission, held, job) {
            Given::Over => {
                crew.dismiss(Some(number));
                None
            }
            _ => crew.admission.slots().receive(number),
        };
    }
    // Release [THREADS]: whatever this thread did is before its end.
    crew.threads.fetch_sub(1, Ordering::Release);
}

/// Runs `job`, and then whatever waits, until the slot is back.
fn serve(admission: &Admission, held: Held, job: Runner) -> Given {
    let mut held = held;
    let mut next = Some(job);
    loop {
        let finished = next.take().map(Runner::run);
        let given = admission.give(held);
        // The slot is given back or on: now, not before, `join` may return (FREE).
        if let Some(finished) = finished {
            finished.release();
        }
        match given {
            Given::On(slot, position) => {
                held = slot;
                next = admission.claim(position);
                if let Some(job) = &next {
                    job.admit();
                }
            }
            back => return back,
        }
    }
}
