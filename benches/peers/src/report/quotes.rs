//! Figures of the run within the explanations of misses: `misses.md` names them, so that no text quotes an older run.
//!
//! `{{setting, cell | pool | what}}`, as the tables write them: `{{free, empty tasks S=1, max=4 | kanal | time}}`. With two pools,
//! `admit / kanal`, it is their ratio; with `| quartiles` behind it, the range between these.

use super::filled;
use super::lines::{Cell, Metric, Run, SETTINGS, Stat};
use super::ratios::place;
use super::units::{Unit, digits};
use super::workloads::WORKLOADS;

/// `text` with its figures.
pub fn quoted(run: &Run, text: &str) -> Result<String, String> {
    filled(text, |asked| {
        figure(run, asked).ok_or_else(|| format!("misses.md asks for {asked:?}, which the run has not"))
    })
}

fn figure(run: &Run, asked: &str) -> Option<String> {
    // It may go over the end of a line.
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let asked: Vec<&str> = asked.split(" | ").collect();
    let (setting, cell) = cell(run, asked.first()?)?;
    let (metric, unit) = match *asked.get(2)? {
        "time" => (Metric::Ns, Unit::Time),
        "CPU" => (Metric::Cpu, Unit::Time),
        "switches" => (Metric::Switches, Unit::Count),
        _ => return None,
    };
    let stat = |pool| run.stat(setting, &cell, pool, metric);
    match (asked[1].split_once(" / "), &asked[3..]) {
        (Some((own, other)), []) => Some(digits(stat(own)?.median / stat(other)?.median)),
        (None, []) => Some(unit.show(stat(asked[1])?.median)),
        (None, ["quartiles"]) => {
            let Stat { low, high, .. } = stat(asked[1])?;
            Some(format!("{} to {}", unit.show(low), unit.show(high)))
        }
        _ => None,
    }
}

/// The cell that the tables call so.
fn cell(run: &Run, name: &str) -> Option<(&'static str, Cell)> {
    SETTINGS.into_iter().find_map(|setting| {
        let mut cells = WORKLOADS.iter().flat_map(|workload| run.cells(workload.name, Some(setting)));
        cells.find(|cell| place(setting, cell) == name).map(|cell| (setting, cell))
    })
}
