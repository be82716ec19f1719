//! Our figures over those of others, judged by the worst.

use super::lines::{Cell, Metric, Run};
use super::sheet::grid;
use super::units::{Unit, ratio_beside};
use super::workloads::heading;
use std::fmt::Write;

/// One line of the table: a figure and what it had to reach.
pub struct Part {
    pub target: &'static str,
    pub reached: String,
    /// Nothing if not all that the target speaks of has been measured.
    pub met: Option<bool>,
}

/// A figure of ours over another one.
pub struct Ratio {
    pub setting: &'static str,
    pub cell: Cell,
    pub own: f64,
    pub other: f64,
    /// Whose the other one is.
    pub against: String,
}

impl Ratio {
    pub fn value(&self) -> f64 {
        self.own / self.other
    }
}

/// Ratios over many cells, and how many cells have none.
#[derive(Default)]
pub struct Ratios {
    pub list: Vec<Ratio>,
    pub missing: usize,
}

impl Ratios {
    /// Ours over the least median of `pools`, in each of `cells`.
    pub fn new(run: &Run, setting: &'static str, cells: &[Cell], metric: Metric, pools: &[&str]) -> Ratios {
        let mut ratios = Ratios::default();
        for cell in cells {
            let own = run.median(setting, cell, "admit", metric);
            match (own, run.best(setting, cell, metric, pools)) {
                (Some(own), Some((against, other))) if other > 0.0 => {
                    let against = against.to_string();
                    ratios.list.push(Ratio { setting, cell: cell.clone(), own, other, against });
                }
                _ => ratios.missing += 1,
            }
        }
        ratios
    }

    pub fn worst(&self) -> Option<&Ratio> {
        self.list.iter().max_by(|a, b| a.value().total_cmp(&b.value()))
    }

    /// Judged by the worst cell. A miss is a miss; to be met, every cell must have been measured.
    pub fn part(&self, target: &'static str, limit: f64) -> Part {
        let Some(worst) = self.worst() else { return Part { target, reached: "-".into(), met: None } };
        let over = self.list.iter().filter(|ratio| ratio.value() > limit).count();
        let mut reached = ratio_beside(worst.value(), limit);
        let all = self.list.len();
        if all > 1 {
            let _ = write!(reached, " at worst, {} of {all} cells met", all - over);
        }
        let _ = write!(reached, " ({}, against {})", place(worst.setting, &worst.cell), worst.against);
        if self.missing > 0 {
            let _ = write!(reached, "; {} not measured", self.missing);
        }
        let met = match (over, self.missing) {
            (0, 0) => Some(true),
            (0, _) => None,
            _ => Some(false),
        };
        Part { target, reached, met }
    }

    pub fn table(&self, limit: f64, unit: Unit) -> String {
        let heads = ["admit", "other", "which", "ratio"].map(String::from).to_vec();
        let row = |ratio: &Ratio| {
            let shown = bold(ratio_beside(ratio.value(), limit), ratio.value() > limit);
            (
                place(ratio.setting, &ratio.cell),
                vec![unit.show(ratio.own), unit.show(ratio.other), ratio.against.clone(), shown],
            )
        };
        grid("cell", heads, &self.list.iter().map(row).collect::<Vec<_>>())
    }
}

/// What the tables call a cell.
pub fn place(setting: &str, cell: &Cell) -> String {
    let workload = heading(&cell.workload).to_lowercase();
    format!("{setting}, {workload} {cell}").trim_end().to_string()
}

pub fn bold(text: String, strong: bool) -> String {
    if strong { format!("**{text}**") } else { text }
}
