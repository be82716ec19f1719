//! How every model is run: under loom without regard to its environment variables, in every mode; under shuttle in every
//! schedule. Both are counted.
//!
//! The counts are compared with `loom-tests/manifest.tsv` (or `wide.tsv`; `states.tsv` under shuttle). A model whose count has fallen fails: it explores
//! less than it did. `ADMIT_MANIFEST=update` writes the manifest anew; `ignore` is for planted bugs, which
//! have to be caught by the model itself.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

#[cfg(loom)]
pub(crate) use crate::Pool;
#[cfg(shuttle)]
pub(crate) use crate::states::Pool;
use crate::{evidence, trace};
#[cfg(loom)]
use crate::{
    probe::{ALL_RMW, FUSSY},
    sync::{GLANCES, RESTLESS},
};
#[cfg(shuttle)]
use crate::{
    shuttled::{Asleep, config},
    states::{EverySchedule, Seen},
};

/// What of a model's executions is explored.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each checker reads its own part")]
pub(crate) struct Bounds {
    /// How many preemptions an execution may have in every test run: as shipped, and all-RMW. `None` is as many as there are:
    /// to the end.
    quick: [Option<usize>; 2],
    /// The same in the wide run (`ADMIT_WIDE=1`).
    wide: [Option<usize>; 2],
    /// Whether a thread looks once before it sleeps.
    glances: bool,
    /// Where every schedule is explored.
    schedules: Schedules,
}

#[derive(Clone, Copy)]
enum Schedules {
    Always,
    /// In the wide run.
    Wide,
    /// Nowhere: no search of this model has come to an end.
    TooMany,
}

/// Every execution.
pub(crate) const TO_THE_END: Bounds =
    Bounds { quick: [None; 2], wide: [None; 2], glances: true, schedules: Schedules::Always };

/// Every execution, but within `quick` preemptions in a quick all-RMW run.
pub(crate) const fn to_the_end_or(quick: usize) -> Bounds {
    Bounds { quick: [None, Some(quick)], ..TO_THE_END }
}

/// As many preemptions as said; all-RMW one more, since there are far fewer executions where no load is stale.
pub(crate) const fn within(quick: usize, wide: usize) -> Bounds {
    Bounds { quick: [Some(quick), Some(quick + 1)], wide: [Some(wide), Some(wide + 1)], ..TO_THE_END }
}

/// As many preemptions as said, as shipped and all-RMW alike.
pub(crate) const fn within_both(quick: usize, wide: usize) -> Bounds {
    Bounds { quick: [Some(quick); 2], wide: [Some(wide); 2], ..TO_THE_END }
}

impl Bounds {
    /// In the wide run every execution, as shipped.
    pub(crate) const fn to_the_end_if_wide(self) -> Bounds {
        Bounds { wide: [None, self.wide[1]], ..self }
    }

    /// Every schedule in the wide run only.
    pub(crate) const fn schedules_if_wide(self) -> Bounds {
        Bounds { schedules: Schedules::Wide, ..self }
    }

    /// No attempt to explore every schedule.
    pub(crate) const fn too_many_schedules(self) -> Bounds {
        Bounds { schedules: Schedules::TooMany, ..self }
    }

    /// No thread looks before it sleeps; it may look any number of times. A look may read any stale value, and each of
    /// them is one execution more of all that follows. What is seen by looking is explored in the parts and in one model of the pool, which do look.
    pub(crate) const fn without_looks(self) -> Bounds {
        Bounds { glances: false, ..self }
    }
}

/// How a model is run.
#[cfg(loom)]
struct Mode {
    name: &'static str,
    /// The first sleep on each word ends for nothing, so that no ordering is borrowed from the sleep, and the first
    /// weak CAS on each fails for nothing. Else a sleeper really sleeps.
    restless: bool,
    /// Loads and stores are RMWs: strong in memory, but complete in schedules, for a load hides nothing then. Else
    /// as shipped: weak in memory.
    rmw: bool,
}

#[cfg(loom)]
const MODES: [Mode; 4] = [
    Mode { name: "asleep", restless: false, rmw: false },
    Mode { name: "restless", restless: true, rmw: false },
    Mode { name: "asleep, rmw", restless: false, rmw: true },
    Mode { name: "restless, rmw", restless: true, rmw: true },
];

static MANIFEST: Mutex<()> = Mutex::new(());

const UNIT: &str = if cfg!(loom) { "executions" } else { "states" };

pub(crate) fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}

/// A call that leaves nothing behind but what it has `told`, where states are compared.
pub(crate) fn call<R>(f: impl FnOnce() -> R, told: impl FnOnce(&R) -> Option<u64>) -> R {
    #[cfg(shuttle)]
    return crate::states::call(f, told);
    #[cfg(loom)]
    {
        let _ = told;
        f()
    }
}

/// Explores every schedule of `model`, which checks the guarantees named, in sequentially consistent memory.
#[cfg(shuttle)]
pub(crate) fn check(name: &str, guarantees: &str, bounds: Bounds, model: fn()) {
    let wanted = match bounds.schedules {
        Schedules::Always => true,
        Schedules::Wide => is_set("ADMIT_WIDE"),
        Schedules::TooMany => false,
    };
    if wanted {
        let (Seen { states, confirmed, .. }, seconds) = explore(model);
        assert!(confirmed > 0, "{name}: no step was ever compared");
        record("states.tsv", name, "none", states, seconds);
        evidence::line(&format!(
            "states\t{name}\t{guarantees}\tevery schedule\t{states}\tstates\t{seconds:.1}"
        ));
    }
}

/// With fewer states than this every step is taken from every state as well; in the wide run with four times as many.
#[cfg(shuttle)]
const FEW: u64 = 100_000;

/// Explores every schedule of `model`.
#[cfg(shuttle)]
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) -> (Seen, f64) {
    let model = Arc::new(model);
    let (seen, seconds) = search(true, model.clone());
    if seen.states < if is_set("ADMIT_WIDE") { 4 * FEW } else { FEW } {
        let all = search(false, model).0;
        assert_eq!(all.states, seen.states, "a step that was left off led elsewhere");
    }
    (seen, seconds)
}

/// With `naps`, steps are left off that come to what has been explored.
#[cfg(shuttle)]
fn search(naps: bool, model: Arc<impl Fn() + Send + Sync + 'static>) -> (Seen, f64) {
    let (start, seen) = (Instant::now(), Arc::new(Mutex::default()));
    shuttle::Runner::new(Asleep(EverySchedule::new(seen.clone(), naps)), config()).run(move || {
        trace::begin();
        model();
    });
    trace::end();
    let seen = *seen.lock().unwrap();
    (seen, start.elapsed().as_secs_f64())
}

/// Explores `model`, which checks the guarantees named, within the bounds, in every mode. `ADMIT_MODE` picks
/// one. Every change of the word and the ring is looked up in the table of transitions meanwhile.
#[cfg(loom)]
pub(crate) fn check(name: &str, guarantees: &str, bounds: Bounds, model: fn()) {
    let within = if is_set("ADMIT_WIDE") { bounds.wide } else { bounds.quick };
    GLANCES.set(bounds.glances);
    let wanted = std::env::var("ADMIT_MODE").ok();
    let modes = || MODES.iter().filter(|mode| wanted.as_ref().is_none_or(|wanted| wanted == mode.name));
    assert!(modes().next().is_some(), "no such mode: {wanted:?}");
    for mode in modes() {
        let bound = within[usize::from(mode.rmw)];
        RESTLESS.set(mode.restless);
        FUSSY.set(mode.restless);
        ALL_RMW.set(mode.rmw);
        let (executions, seconds) = explore(bound, move || {
            trace::begin();
            model();
        });
        RESTLESS.set(false);
        FUSSY.set(false);
        ALL_RMW.set(false);
        let events = trace::end();
        let bound = bound.map_or("none".to_string(), |bound| bound.to_string());
        let within = if bound == "none" { "to the end".to_string() } else { format!("{bound} preemptions") };
        let name = format!("{name}/{}", mode.name);
        evidence::line(&format!(
            "loom\t{name}\t{guarantees}\t{within}\t{executions}\texecutions\t{seconds:.1}"
        ));
        record(
            if is_set("ADMIT_WIDE") { "wide.tsv" } else { "manifest.tsv" },
            &name,
            &bound,
            executions,
            seconds,
        );
        for (event, count) in events {
            evidence::line(&format!("trace\t{event}\t{guarantees}\t{name}\t{count}\tevents\t0"));
        }
    }
}

/// Explores `model` once, as the canaries do; how many executions there were.
#[cfg(loom)]
pub(crate) fn explore(bound: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> (u64, f64) {
    use std::sync::atomic::{AtomicU64, Ordering};

    let executions = Arc::new(AtomicU64::new(0));
    let counter = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.max_threads = 5;
    builder.max_branches = 1_000_000;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = bound;
    builder.checkpoint_file = None;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;
    let start = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    (executions.load(Ordering::Relaxed), start.elapsed().as_secs_f64())
}

/// Compares the count of a model with what is recorded for it, in the same `bound`.
fn record(manifest: &str, name: &str, bound: &str, count: u64, seconds: f64) {
    // Another model's failure is no reason to fail.
    let _guard = MANIFEST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("loom-tests").join(manifest);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut rows: BTreeMap<String, String> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, rest)| (name.to_string(), rest.to_string()))
        .collect();
    let recorded = rows.get(name).cloned();
    let wish = std::env::var("ADMIT_MANIFEST").unwrap_or_default();
    if wish == "ignore" {
        return;
    }
    if wish == "update" {
        rows.insert(name.to_string(), format!("{bound}\t{count}\t{seconds:.1}"));
        let body: String = rows.iter().map(|(name, rest)| format!("{name}\t{rest}\n")).collect();
        fs::write(&path, format!("model\tbound\t{UNIT}\tseconds\n{body}")).unwrap();
        return;
    }
    compare(name, recorded.as_deref(), bound, count);
}

/// Fails if no such model is recorded, or one that explored more, or within another bound.
pub(crate) fn compare(name: &str, recorded: Option<&str>, bound: &str, count: u64) {
    let recorded = recorded.unwrap_or_else(|| panic!("{name} is not in the manifest"));
    let mut fields = recorded.split('\t');
    assert_eq!(fields.next(), Some(bound), "{name} is recorded with another bound");
    let least: u64 = fields.next().unwrap().parse().unwrap();
    assert!(count >= least, "{name} explored {count} {UNIT}, fewer than {least}");
}
