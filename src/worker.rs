//! The crew of a pool: how a thread comes into a slot, what it does there, and how it leaves.

use std::{cell::Cell, io};

use crate::{
    admission::{Admission, Entry, Given},
    slots::Held,
    sync::{Arc, AtomicIsize, Ordering, spawn_thread, thread_local, unique},
    task::{self, Runner},
};

thread_local! {
    /// The number of the crew that this thread belongs to, 0 for none. It stays to the thread's end, so that a
    /// pool dropped by the destructor of a thread-local of its own worker does not wait for that worker.
    // loom's macro knows no `const` initialisers.
    #[allow(clippy::missing_const_for_thread_local)]
    static OWN: Cell<u64> = Cell::new(0);
}

/// What the pool and its workers share; freed with the last of them.
pub(crate) struct Crew {
    pub(crate) admission: Admission,
    number: u64,
    thread_name: String,
    stack_size: Option<usize>,
    threads: AtomicIsize,
}

impl Crew {
    pub(crate) fn new(max: u16, thread_name: String, stack_size: Option<usize>) -> Crew {
        Crew {
            admission: Admission::new(max),
            number: unique(),
            thread_name,
            stack_size,
            threads: AtomicIsize::new(0),
        }
    }

    /// Whether the calling thread is one of this crew: the call comes from one of its tasks (or, when all is over, from the
    /// destructor of a thread-local).
    pub(crate) fn is_own(&self) -> bool {
        OWN.with(|own| own.get() == self.number)
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        // Acquire [THREADS]: who reads that a thread is gone sees what it did. A thread may end before its
        // maker has counted it, so for a moment the sum may be below zero.
        self.threads.load(Ordering::Acquire).max(0) as usize
    }

    /// Starts a thread in a vacant slot, for `job`.
    pub(crate) fn man(crew: &Arc<Crew>, held: Held, job: Runner) -> Result<(), (Held, Runner, io::Error)> {
        let own = Arc::clone(crew);
        crew.admission.slots.man(held, job, |number| {
            let name = format!("{}-{number}", crew.thread_name);
            let thread = spawn_thread(name, crew.stack_size, move || work(own, number))?;
            // Relaxed: counted once it is made and not before, so that nobody relies on a worker that never
            // comes; a call that begins after this one sees it.
            crew.threads.fetch_add(1, Ordering::Relaxed);
            Ok(thread)
        })
    }

    /// Tries once more to get a thread for a slot that lies aside while tasks wait, for those who queued up while
    /// its submitter held it: with a task that does nothing, after which the worker takes the first that waits.
    pub(crate) fn try_again(crew: &Arc<Crew>) {
        let Some(vacant) = crew.admission.take_aside() else { return };
        let (nothing, joiner) = task::new(|| ());
        drop(joiner);
        if let Err((vacant, nothing, _)) = Crew::man(crew, vacant, nothing) {
            nothing.run().release();
            crew.admission.put_aside(vacant);
            crew.see_to(crew.admission.settle());
        }
    }

    /// What a submitter finds as it comes. Slots that lie aside although nothing waits are put back first: here, and not
    /// in every round of a call, or two that queue up could do so for each other's sake for ever.
    pub(crate) fn enter(&self) -> Entry {
        match self.admission.enter(false) {
            Entry::Full if self.admission.has_idle_aside() => {
                self.see_to(self.admission.settle());
                self.admission.enter(false)
            }
            entry => entry,
        }
    }

    /// Gives a vacant slot back where there is no worker at all, or on to whoever waits first: that one starts over
    /// with it, and hears for itself whether there is a thread.
    pub(crate) fn surrender(&self, vacant: Held) {
        let mut held = vacant;
        loop {
            match self.admission.give(held) {
                Given::On(slot, position) => match self.admission.claim(position) {
                    Some(task) => return task.bounce(slot.into_number()),
                    None => held = slot,
                },
                given => return self.see_to(given),
            }
        }
    }

    /// Does what a slot given back asks for: settles; or, if the pool is over, sends all workers home, the caller perhaps
    /// among them.
    pub(crate) fn see_to(&self, given: Given) {
        let given = if let Given::Short = given { self.admission.settle() } else { given };
        if let Given::Over = given {
            // SAFETY: closed and quiescent, and `Over` is said once: by the CAS that brought this about.
            unsafe { self.admission.slots.dismiss() };
        }
    }
}

/// A worker's life in slot `number`.
fn work(crew: Arc<Crew>, number: u16) {
    OWN.with(|own| own.set(crew.number));
    // SAFETY: this is the thread that was started for the slot, and it asks once.
    let first = unsafe { crew.admission.slots.first_job(number) };
    let mut mail = Some(first);
    while let Some((held, job)) = mail {
        crew.see_to(serve(&crew.admission, held, job));
        mail = crew.admission.slots.receive(number);
    }
    // Release [THREADS]: whatever this thread did is before its end.
    crew.threads.fetch_sub(1, Ordering::Release);
}

/// Runs `job`, and then whatever waits, until the slot is back.
fn serve(admission: &Admission, held: Held, job: Runner) -> Given {
    let mut held = held;
    let mut finished = job.run();
    loop {
        // Once the slot is given back, or on to a task that lives, and not before, `join` may return (FREE).
        match admission.give(held) {
            Given::On(slot, position) => {
                held = slot;
                if let Some(job) = admission.claim(position) {
                    finished.release();
                    job.admit();
                    finished = job.run();
                }
            }
            back => {
                finished.release();
                return back;
            }
        }
    }
}
