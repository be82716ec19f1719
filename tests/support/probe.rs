//! A probe around every atomic of the crate, for tests that compile its sources: `sync` takes its atomics
//! from here under `cfg(test)`. What a probe does is switched on by the test:
//!
//! | switch | what happens | used by |
//! |---|---|---|
//! | [`ALL_RMW`] | loads and stores become RMWs | `loom-tests/check.rs`: closes loom's hole |
//! | `ADMIT_WEAKEN` | one ordering in the sources is replaced | `loom-tests/orderings.py` |
//! | [`trace`](crate::trace) | every change of the word and the ring is checked against the table | models, schedules |
//! | [`before_every_step`] | what the test likes; it may stop the thread | `tests/progress.rs`, `no_thread.rs` |
//! | [`disturb`] | delays, weak CASes that fail and sleeps that end for nothing | `tests/disturbed.rs`, models |
//! | [`refusal`] | the operating system refuses threads | `tests/no_thread.rs`, `progress.rs`, `disturbed.rs`, `schedules.rs`, models |

use std::{
    cell::{Cell, RefCell, UnsafeCell},
    panic::Location,
    sync::{OnceLock, atomic as plain},
};

#[cfg(shuttle)]
use crate::states;
use crate::{
    sync::{Ordering, atomic as bare, unique},
    trace,
};

std::thread_local! {
    /// Whether loads and stores are made RMWs, in the models that this OS thread runs.
    pub(crate) static ALL_RMW: Cell<bool> = const { Cell::new(false) };

    /// Whether the first weak CAS on each atomic fails for nothing, in the same.
    pub(crate) static FUSSY: Cell<bool> = const { Cell::new(false) };
}

/// An atomic, and what a probe keeps beside it. The whole is in a cell, for an operation may be the last thing that its
/// thread does before another frees the memory, and a `&self` to more than a cell would have to stay good until the
/// method returns. The bare atomics are cells themselves.
struct Probed<A> {
    bare: A,
    id: u64,
    /// Its next weak CAS fails for nothing.
    fussy: plain::AtomicBool,
}

#[cfg(shuttle)]
impl<A> Drop for Probed<A> {
    fn drop(&mut self) {
        states::gone(self.id);
    }
}

/// A name for an object that is made, and its first content.
pub(crate) fn named(content: Option<u64>) -> u64 {
    #[cfg(shuttle)]
    if let Some(name) = states::name() {
        states::holds(name, content);
        return name;
    }
    let _ = content;
    unique()
}

macro_rules! probed {
    ($name:ident$(<$t:ident>)?, $value:ty, $zero:expr, $bits:expr, $content:expr, $($arithmetic:ident)*) => {
        pub(crate) struct $name$(<$t>)?(UnsafeCell<Probed<bare::$name$(<$t>)?>>);

        // SAFETY: what is in the cell is only ever shared: an atomic, a number that never changes, an atomic.
        unsafe impl$(<$t>)? Sync for $name$(<$t>)? {}

        impl$(<$t>)? std::fmt::Debug for $name$(<$t>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl$(<$t>)? $name$(<$t>)? {
            pub(crate) fn new(value: $value) -> Self {
                Self(UnsafeCell::new(Probed {
                    bare: bare::$name::new(value),
                    id: named(($content)(value)),
                    fussy: plain::AtomicBool::new(FUSSY.get()),
                }))
            }

            pub(crate) fn bare(&self) -> &bare::$name$(<$t>)? {
                // SAFETY: nobody writes to it but through atomics.
                unsafe { &(*self.0.get()).bare }
            }

            pub(crate) fn id(&self) -> u64 {
                // SAFETY: nobody writes to it.
                unsafe { (*self.0.get()).id }
            }

            fn fussy(&self) -> &plain::AtomicBool {
                // SAFETY: nobody writes to it but through atomics.
                unsafe { &(*self.0.get()).fussy }
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                let at = Location::caller();
                step();
                let order = chosen(at, "only", order);
                if ALL_RMW.get() {
                    return self.bare().compare_exchange($zero, $zero, order, order).unwrap_or_else(|now| now);
                }
                #[cfg(shuttle)]
                states::begins(at);
                let now = self.bare().load(order);
                #[cfg(shuttle)]
                states::learns(self.id());
                now
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                let at = Location::caller();
                step();
                let order = chosen(at, "only", order);
                if ALL_RMW.get() {
                    self.bare().swap(value, order);
                } else {
                    self.bare().store(value, order);
                    #[cfg(shuttle)]
                    states::holds(self.id(), ($content)(value));
                }
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                let at = Location::caller();
                step();
                // Read now: after its change this memory may be anybody's.
                let id = self.id();
                let before = self.bare().swap(value, chosen(at, "only", order));
                #[cfg(shuttle)]
                states::swapped(at, id, ($content)(value));
                trace::changed(at, id, ($bits)(before), ($bits)(value));
                before
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let at = Location::caller();
                step();
                let (success, failure) = (chosen(at, "success", success), chosen(at, "failure", failure));
                // Read now: after its change this memory may be anybody's.
                let id = self.id();
                #[cfg(shuttle)]
                states::tries(at, ($bits)(from));
                let answer = self.bare().compare_exchange(from, to, success, failure);
                #[cfg(shuttle)]
                match answer {
                    Ok(_) => states::succeeded(at, id, ($bits)(from), ($content)(to)),
                    Err(_) => states::failed(at, id, ($bits)(from)),
                }
                if answer.is_ok() {
                    trace::changed(at, id, ($bits)(from), ($bits)(to));
                }
                answer
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if self.fussy().swap(false, Ordering::Relaxed) || unlucky(4) {
                    step();
                    return Err(self.bare().load(chosen(Location::caller(), "failure", failure)));
                }
                self.compare_exchange(from, to, success, failure)
            }

            $(
                #[track_caller]
                pub(crate) fn $arithmetic(&self, value: $value, order: Ordering) -> $value {
                    let at = Location::caller();
                    step();
                    let before = self.bare().$arithmetic(value, chosen(at, "only", order));
                    #[cfg(shuttle)]
                    // SAFETY: shuttle runs nobody else between two steps.
                    states::changed(self.id(), ($content)(unsafe { self.bare().raw_load() }));
                    before
                }
            )*
        }
    };
}

probed!(AtomicU32, u32, 0, u64::from, |bits| Some(u64::from(bits)), fetch_add fetch_sub fetch_or fetch_and);
probed!(AtomicU64, u64, 0, |bits: u64| bits, Some,);
probed!(AtomicIsize, isize, 0, |bits: isize| bits as u64, |bits| Some(bits as u64), fetch_add fetch_sub);
probed!(AtomicPtr<T>, *mut T, std::ptr::null_mut(), |_| 0, meaning,);

/// An address means nothing in another execution, nor to the table of transitions. A task has a name; all else that a
/// pointer leads to is a chunk, which is put into its arena by the thread that has just made it.
fn meaning<T>(place: *mut T) -> Option<u64> {
    #[cfg(shuttle)]
    if !place.is_null() {
        return crate::shuttled::task_in(&raw const place).or_else(states::last_name);
    }
    place.is_null().then_some(0)
}

impl Default for AtomicU32 {
    fn default() -> AtomicU32 {
        AtomicU32::new(0)
    }
}

impl Default for AtomicU64 {
    fn default() -> AtomicU64 {
        AtomicU64::new(0)
    }
}

/// One ordering in the sources: file, line and column of the call, and which of its orderings.
struct Site {
    file: String,
    line: u32,
    column: u32,
    role: String,
}

/// The ordering to use instead of `order` at this site.
fn chosen(at: &'static Location<'static>, role: &'static str, order: Ordering) -> Ordering {
    static WEAKENED: OnceLock<Option<(Site, Ordering)>> = OnceLock::new();
    // `file:line:column:role=Ordering`
    let weakened = WEAKENED.get_or_init(|| {
        let wish = std::env::var("ADMIT_WEAKEN").ok()?;
        let (site, order) = wish.split_once('=').expect("site=Ordering");
        let fields: Vec<_> = site.split(':').collect();
        let order = match order {
            "Relaxed" => Ordering::Relaxed,
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            other => panic!("{other} weakens nothing"),
        };
        let number = |field: &str| field.parse().expect("a number");
        let (line, column) = (number(fields[1]), number(fields[2]));
        Some((Site { file: fields[0].into(), line, column, role: fields[3].into() }, order))
    });
    match weakened {
        Some((site, weaker))
            if (site.line, site.column) == (at.line(), at.column())
                && site.role == role
                && at.file().ends_with(&site.file) =>
        {
            *weaker
        }
        _ => order,
    }
}

type Before = Box<dyn FnMut(Step)>;

/// What a thread is about to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Where in the sources.
    pub(crate) at: &'static Location<'static>,
    /// It is on its way to sleep. (The system call is a step of its own.)
    pub(crate) sleeps: bool,
}

std::thread_local! {
    static BEFORE: RefCell<Option<Before>> = const { RefCell::new(None) };
}

#[cfg(not(shuttle))]
std::thread_local! {
    static DICE: Cell<u64> = const { Cell::new(0) };
}

/// From now on, on this thread, `before` is called before every step.
pub(crate) fn before_every_step(before: impl FnMut(Step) + 'static) {
    BEFORE.set(Some(Box::new(before)));
}

/// No longer.
pub(crate) fn go_freely() {
    BEFORE.set(None);
}

/// Something is about to happen that other threads can see: an atomic operation, or a call that sleeps or wakes.
#[track_caller]
pub(crate) fn step() {
    announce(Step { at: Location::caller(), sleeps: false });
    if cfg!(shuttle) {
        // The scheduler delays threads.
        return;
    }
    match roll(64) {
        Some(0) => std::thread::sleep(std::time::Duration::from_micros(50)),
        Some(1..=4) => std::thread::yield_now(),
        Some(5..=8) => (0..200).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

fn announce(step: Step) {
    // A thread that is ending has no locals left, and nobody who wants to stop it.
    let before = BEFORE.try_with(|before| before.borrow_mut().take());
    if let Ok(Some(mut before)) = before {
        before(step);
        BEFORE.set(Some(before));
    }
}

/// 0 where nobody is disturbed.
#[cfg(not(shuttle))]
static DISTURBANCE: plain::AtomicU64 = plain::AtomicU64::new(0);

/// From now on all threads are delayed here and there, weak CASes fail and sleeps end for nothing, as `seed` (0:
/// not at all) and the order in which threads come will have it.
#[cfg(not(shuttle))]
pub(crate) fn disturb(seed: u64) {
    DISTURBANCE.store(seed, Ordering::Relaxed);
}

#[cfg(shuttle)]
std::thread_local! {
    static RESTLESS: Cell<bool> = const { Cell::new(false) };
}

/// From now on, in the schedules that this OS thread runs, weak CASes fail and sleeps end for nothing (`seed` 0:
/// they do not). When they do is part of the schedule, so that a failure replays.
#[cfg(shuttle)]
pub(crate) fn disturb(seed: u64) {
    RESTLESS.set(seed != 0);
}

/// A number below `sides`, from the schedule; none where nobody is disturbed.
#[cfg(shuttle)]
fn roll(sides: u64) -> Option<u64> {
    use shuttle::rand::RngCore;
    RESTLESS.get().then(|| shuttle::rand::thread_rng().next_u64() % sides)
}

/// A number below `sides`; none where nobody is disturbed.
#[cfg(not(shuttle))]
fn roll(sides: u64) -> Option<u64> {
    let seed = DISTURBANCE.load(Ordering::Relaxed);
    if seed == 0 {
        return None;
    }
    // xorshift, one generator a thread.
    let roll = DICE.try_with(|dice| {
        let mut bits =
            if dice.get() == 0 { seed ^ unique().wrapping_mul(0x9e37_79b9_7f4a_7c15) } else { dice.get() };
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        dice.set(bits);
        bits % sides
    });
    roll.ok()
}

fn unlucky(one_in: u64) -> bool {
    roll(one_in) == Some(0)
}

/// Whether a sleep ends as if woken by nothing.
#[track_caller]
pub(crate) fn woken_by_nothing() -> bool {
    announce(Step { at: Location::caller(), sleeps: true });
    unlucky(4)
}

/// Makes the operating system refuse threads.
pub(crate) mod refusal {
    use std::{cell::RefCell, io};

    type Rule = Box<dyn FnMut() -> bool>;

    std::thread_local! {
        static RULE: RefCell<Option<Rule>> = const { RefCell::new(None) };
    }

    /// From now on, on this OS thread, a thread is refused whenever `rule` says so.
    pub(crate) fn set(rule: impl FnMut() -> bool + 'static) {
        RULE.set(Some(Box::new(rule)));
    }

    pub(crate) fn check() -> io::Result<()> {
        let refused = RULE.with_borrow_mut(|rule| {
            rule.as_mut().is_some_and(|rule| {
                // The rule may count.
                #[cfg(shuttle)]
                crate::states::asks_for_a_thread();
                rule()
            })
        });
        if refused { Err(io::Error::from(io::ErrorKind::WouldBlock)) } else { Ok(()) }
    }
}
