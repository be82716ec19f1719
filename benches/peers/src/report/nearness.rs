//! What the price of empty tasks has to do with how far a cache line has to go to the other core.

use super::lines::{Cell, Run, SUBMITTERS, Stat};
use super::sheet::grid;
use super::units::{Unit, digits};
use std::collections::BTreeMap;

/// Nanoseconds there and back from which on the cores count as far.
const FAR: f64 = 150.0;

/// Whose times tell about a round.
const TOLD: [&str; 3] = ["cache line there and back", "admit", "mutex"];

/// Ours and the mutex variant's time, apart for the rounds in which the cores were near and in which they were far.
pub fn nearness(run: &Run) -> String {
    let mut rounds = BTreeMap::<(Cell, u64), [Option<f64>; 3]>::new();
    for measure in run.measures.iter().filter(|line| line.setting == "free" && line.workload == "empty") {
        if let Some(place) = TOLD.iter().position(|name| *name == measure.pool) {
            rounds.entry((measure.cell(), measure.round)).or_default()[place] = measure.ns;
        }
    }
    let told: Vec<Told> = rounds
        .into_iter()
        .filter_map(|((cell, _), [line, own, mutex])| {
            Some(Told { submitters: cell.submitters, line: line?, own: own?, mutex: mutex? })
        })
        .collect();
    if told.is_empty() {
        return String::new();
    }
    let row = |&s: &u64| {
        let shown = [false, true].into_iter().flat_map(|far| {
            let ours = || told.iter().filter(|told| told.submitters == s && (told.line >= FAR) == far);
            let median =
                |value: fn(&Told) -> f64| Stat::of(ours().map(value).collect()).map(|stat| stat.median);
            let time = |ns: Option<f64>| ns.map_or("-".into(), |ns| Unit::Time.show(ns));
            let ratio = median(|told| told.own / told.mutex).map_or("-".into(), digits);
            [ours().count().to_string(), time(median(|told| told.line)), time(median(|told| told.own)), ratio]
        });
        (format!("S={s}"), shown.collect())
    };
    let heads = ["rounds with near cores", "cache line", "admit", "of mutex"].into_iter().chain([
        "rounds with far cores",
        "cache line",
        "admit",
        "of mutex",
    ]);
    format!(
        "Every round of every cell, by how far the other core was when it was measured (near: a cache line there and back in \
         less than {}):\n\n{}",
        Unit::Time.show(FAR),
        grid("", heads.map(String::from).collect(), &SUBMITTERS.iter().map(row).collect::<Vec<_>>())
    )
}

/// One round of one cell.
struct Told {
    submitters: u64,
    line: f64,
    own: f64,
    mutex: f64,
}
