//! How every model is run: without regard to loom's environment variables, in every mode, counted.
//!
//! The counts are compared with `loom-tests/manifest.tsv`. A model whose count has fallen fails: it explores
//! less than it did. `ADMIT_MANIFEST=update` writes the manifest anew; `ignore` is for planted bugs, which
//! have to be caught by the model itself.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::sync::RESTLESS;

/// How sleeping is modelled: with a thread that really sleeps, and with one that is always woken by nothing,
/// so that no ordering is borrowed from the sleep.
const MODES: [(&str, bool); 2] = [("asleep", false), ("restless", true)];

static MANIFEST: Mutex<()> = Mutex::new(());

/// Explores `model` to the end, or up to `bound` preemptions, in every mode.
pub(crate) fn check(name: &str, bound: Option<usize>, model: fn()) {
    for (mode, restless) in MODES {
        RESTLESS.set(restless);
        let (executions, seconds) = explore(bound, model);
        RESTLESS.set(false);
        record(&format!("{name}/{mode}"), bound, executions, seconds);
    }
}

/// Explores `model` once, as the canaries do; how many executions there were.
pub(crate) fn explore(bound: Option<usize>, model: fn()) -> (u64, f64) {
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

fn record(name: &str, bound: Option<usize>, executions: u64, seconds: f64) {
    let bound = bound.map_or("none".to_string(), |bound| bound.to_string());
    println!("{name}: bound {bound}, {executions} executions, {seconds:.1} s");
    // Another model's failure is no reason to fail.
    let _guard = MANIFEST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("loom-tests/manifest.tsv");
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
        rows.insert(name.to_string(), format!("{bound}\t{executions}\t{seconds:.1}"));
        let body: String = rows.iter().map(|(name, rest)| format!("{name}\t{rest}\n")).collect();
        fs::write(&path, format!("model\tbound\texecutions\tseconds\n{body}")).unwrap();
        return;
    }
    let recorded = recorded.unwrap_or_else(|| panic!("{name} is not in the manifest"));
    let mut fields = recorded.split('\t');
    assert_eq!(fields.next(), Some(&*bound), "{name} is recorded with another bound");
    let least: u64 = fields.next().unwrap().parse().unwrap();
    assert!(executions >= least, "{name} explored {executions} executions, fewer than {least}");
}
