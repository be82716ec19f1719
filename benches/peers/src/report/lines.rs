//! The raw lines: reading them, and asking them for medians and quartiles.

use super::palette::rank;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

pub const SETTINGS: [&str; 3] = ["free", "pinned", "busy"];
pub const SUBMITTERS: [u64; 4] = [1, 2, 4, 8];
pub const MAXES: [u64; 5] = [1, 2, 4, 16, 100];

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Machine(Machine),
    Measure(Measure),
}

#[derive(Deserialize)]
pub struct Machine {
    pub date: String,
    pub commit: String,
    pub cpu: String,
    pub cores: u64,
    pub kernel: String,
    pub rustc: String,
    pub rounds: u64,
    pub command: String,
    pub effort: String,
}

#[derive(Deserialize)]
pub struct Measure {
    pub setting: String,
    pub workload: String,
    #[serde(default)]
    pub submitters: u64,
    #[serde(default)]
    pub max: u64,
    #[serde(default)]
    pub size: u64,
    pub pool: String,
    pub group: String,
    #[serde(default)]
    pub round: u64,
    pub ns: Option<f64>,
    pub cpu_ns: Option<f64>,
    pub switches: Option<f64>,
    #[serde(default)]
    pub foreign: f64,
    #[serde(default)]
    pub steal: f64,
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
}

/// What of a measurement a table or picture shows.
#[derive(Clone, Copy, PartialEq)]
pub enum Metric {
    Ns,
    Cpu,
    Switches,
    /// The time as a multiple of the ideal time.
    OverIdeal,
    Extra(&'static str),
}

impl Measure {
    fn get(&self, metric: Metric) -> Option<f64> {
        let extra = |name: &str| self.extra.get(name).and_then(Value::as_f64);
        match metric {
            Metric::Ns => self.ns,
            Metric::Cpu => self.cpu_ns,
            Metric::Switches => self.switches,
            Metric::OverIdeal => Some(self.ns? / extra("ideal_ns")?),
            Metric::Extra(name) => extra(name),
        }
    }

    pub fn cell(&self) -> Cell {
        let what = match self.extra.get("what") {
            Some(Value::String(what)) => what.clone(),
            _ if self.extra.get("threads").and_then(Value::as_u64).is_some_and(|n| n > 0) => {
                "with its threads".into()
            }
            _ => String::new(),
        };
        let workload = self.workload.clone();
        Cell { workload, what, size: self.size, submitters: self.submitters, max: self.max }
    }

    /// The larger of what other processes and what other guests took.
    pub fn noise(&self) -> f64 {
        self.foreign.max(self.steal)
    }
}

/// One case of a workload.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub workload: String,
    pub what: String,
    pub size: u64,
    pub submitters: u64,
    pub max: u64,
}

impl Cell {
    pub fn empty(submitters: u64, max: u64) -> Cell {
        Cell { workload: "empty".into(), what: String::new(), size: 0, submitters, max }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match self.workload.as_str() {
            "batch" => parts.push(format!("{} µs", self.size)),
            "sleeps" => parts.push(format!("{} ms", self.size)),
            _ => {}
        }
        if self.workload == "empty" {
            parts.push(format!("S={}", self.submitters));
        }
        if self.max > 0 {
            parts.push(format!("max={}", self.max));
        }
        if !self.what.is_empty() {
            parts.push(self.what.clone());
        }
        f.write_str(&parts.join(", "))
    }
}

#[derive(Clone, Copy)]
pub struct Stat {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Stat {
    pub fn of(mut values: Vec<f64>) -> Option<Stat> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let below = values[place.floor() as usize];
            below + (values[place.ceil() as usize] - below) * place.fract()
        };
        Some(Stat { low: at(0.25), median: at(0.5), high: at(0.75) })
    }

    /// Smaller by more than the spread: the ranges between the quartiles do not touch.
    pub fn below(&self, other: &Stat) -> bool {
        self.median < other.median && self.high < other.low
    }
}

pub struct Run {
    pub machine: Machine,
    pub measures: Vec<Measure>,
    /// The places in `measures`, by setting, cell and pool.
    index: BTreeMap<&'static str, BTreeMap<Cell, BTreeMap<String, Vec<usize>>>>,
    groups: BTreeMap<String, String>,
    /// Those of the groups, in the order of the palette.
    order: Vec<String>,
}

impl Run {
    /// The last run in `text`: what follows its last line about the machine.
    pub fn parse(text: &str) -> Result<Run, Box<dyn Error>> {
        let (mut machine, mut measures) = (None, Vec::new());
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))? {
                Line::Machine(new) => {
                    machine = Some(new);
                    measures.clear();
                }
                Line::Measure(measure) => measures.push(measure),
            }
        }
        let machine = machine.ok_or("no line tells of the machine: has anything been measured?")?;
        if measures.is_empty() {
            return Err("the run has no measurements".into());
        }
        let mut index = BTreeMap::<_, BTreeMap<_, BTreeMap<_, Vec<usize>>>>::new();
        let mut groups = BTreeMap::new();
        for (place, measure) in measures.iter().enumerate() {
            let known = SETTINGS.into_iter().find(|setting| *setting == measure.setting);
            let setting =
                known.ok_or(format!("the report does not know the setting {:?}", measure.setting))?;
            let cells = index.entry(setting).or_default();
            let pools = cells.entry(measure.cell()).or_default();
            pools.entry(measure.pool.clone()).or_default().push(place);
            groups.insert(measure.pool.clone(), measure.group.clone());
        }
        let mut order: Vec<String> = groups.keys().cloned().collect();
        order.sort_by_key(|pool| rank(pool));
        Ok(Run { machine, measures, index, groups, order })
    }

    pub fn stat(&self, setting: &str, cell: &Cell, pool: &str, metric: Metric) -> Option<Stat> {
        let places = self.index.get(setting)?.get(cell)?.get(pool)?;
        Stat::of(places.iter().filter_map(|&place| self.measures[place].get(metric)).collect())
    }

    pub fn median(&self, setting: &str, cell: &Cell, pool: &str, metric: Metric) -> Option<f64> {
        self.stat(setting, cell, pool, metric).map(|stat| stat.median)
    }

    /// The cells of a workload in one setting, or in all of them, in which any pool but those of the curve was measured.
    pub fn cells(&self, workload: &str, setting: Option<&str>) -> Vec<Cell> {
        let settings = self.index.iter().filter(|(name, _)| setting.is_none_or(|setting| setting == **name));
        let cells = settings.flat_map(|(_, cells)| cells);
        let wanted = cells.filter(|(cell, pools)| {
            cell.workload == workload && pools.keys().any(|pool| self.group(pool) != "curve")
        });
        wanted.map(|(cell, _)| cell.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub fn group(&self, pool: &str) -> &str {
        self.groups.get(pool).map_or("", String::as_str)
    }

    /// All pools of these groups.
    pub fn pools(&self, groups: &[&str]) -> Vec<&str> {
        self.order.iter().map(String::as_str).filter(|pool| groups.contains(&self.group(pool))).collect()
    }

    /// The other pools that admit at most `max` and let `spawn` block: the peers, and the mutex variant.
    pub fn rivals(&self) -> Vec<&str> {
        self.pools(&["mutex", "same"])
    }

    /// The one of `pools` with the least median.
    pub fn best<'a>(
        &self,
        setting: &str,
        cell: &Cell,
        metric: Metric,
        pools: &[&'a str],
    ) -> Option<(&'a str, f64)> {
        let medians =
            pools.iter().filter_map(|&pool| Some((pool, self.median(setting, cell, pool, metric)?)));
        medians.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub fn floor(&self, setting: &str, name: &str) -> Option<f64> {
        self.cells("floor", Some(setting))
            .iter()
            .find_map(|cell| self.median(setting, cell, name, Metric::Ns))
    }
}
