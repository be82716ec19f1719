//! What the sections have in common: the list of pictures, panels made from the lines, tables.

use super::Made;
use super::lines::{Cell, Metric, Run, SETTINGS, Stat};
use super::plots::{Bar, BarPanel, Curve, CurvePanel, Curves, bars, curves};
use super::units::{Unit, digits};
use super::workloads::Workload;
use std::fmt::Write;

/// One kind of figure that a workload yields.
pub struct Figure {
    pub metric: Metric,
    pub name: &'static str,
    pub unit: Unit,
    /// Whether having less of it than another pool is a win.
    pub contest: bool,
}

pub const fn figure(metric: Metric, name: &'static str, unit: Unit) -> Figure {
    Figure { metric, name, unit, contest: true }
}

/// What has been drawn so far.
pub struct Sheet<'a> {
    pub run: &'a Run,
    /// File names and what goes into them.
    pub pictures: Vec<(String, String)>,
    /// From the document to the folder of the pictures.
    pub folder: String,
}

/// All pools that tasks are given to.
pub const POOLS: [&str; 4] = ["admit", "mutex", "same", "unbounded"];

impl Sheet<'_> {
    pub fn section(&mut self, workload: &Workload) -> Made<String> {
        if self.run.cells(workload.name, None).is_empty() {
            return Ok("-\n".into());
        }
        (workload.draw)(self, workload)
    }

    pub fn picture(&mut self, name: &str, title: &str, svg: String) -> String {
        let file = format!("{}.svg", name.replace('_', "-"));
        let link = format!("![{title}]({}/{file})\n\n", self.folder);
        self.pictures.push((file, svg));
        link
    }

    pub fn bars(&mut self, name: &str, title: &str, panels: &[BarPanel], one_scale: bool) -> Made<String> {
        if panels.iter().all(|panel| panel.bars.is_empty()) {
            return Ok(String::new());
        }
        Ok(self.picture(name, title, bars(title, panels, one_scale)?))
    }

    pub fn curves(&mut self, name: &str, spec: &Curves) -> Made<String> {
        if spec.panels.iter().all(|panel| panel.curves.is_empty()) {
            return Ok(String::new());
        }
        Ok(self.picture(name, &spec.title, curves(spec)?))
    }

    pub fn bar_panel(
        &self,
        title: &str,
        setting: &str,
        cell: &Cell,
        figure: &Figure,
        marks: Vec<(String, f64)>,
    ) -> BarPanel {
        let pools = self.run.pools(&POOLS).into_iter();
        let bar = |pool: &str| {
            let stat = self.run.stat(setting, cell, pool, figure.metric)?;
            Some(Bar {
                name: pool.into(),
                from: None,
                value: stat.median,
                spread: Some((stat.low, stat.high)),
            })
        };
        BarPanel { title: title.into(), unit: figure.unit, bars: pools.filter_map(bar).collect(), marks }
    }

    /// One curve a pool, through the cells that have an x.
    pub fn curve_panel(
        &self,
        title: String,
        setting: &str,
        figure: &Figure,
        cells: &[(f64, Cell)],
    ) -> CurvePanel {
        let run = self.run;
        let curve = |pool: &str| {
            let point = |(x, cell): &(f64, Cell)| Some((*x, run.median(setting, cell, pool, figure.metric)?));
            Curve { name: pool.into(), points: cells.iter().filter_map(point).collect() }
        };
        let curves =
            run.pools(&POOLS).into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
        CurvePanel { title, unit: figure.unit, curves, marks: Vec::new() }
    }

    /// The figures of all pools in one cell, folded away: the picture above has shown what matters.
    pub fn table(&self, cell: &Cell, figures: &[Figure]) -> String {
        let run = self.run;
        let settings: Vec<&str> = SETTINGS
            .into_iter()
            .filter(|setting| run.cells(&cell.workload, Some(setting)).contains(cell))
            .collect();
        let label = if cell.to_string().is_empty() { String::new() } else { format!(", {cell}") };
        let columns: Vec<(&str, &Figure)> = settings
            .iter()
            .flat_map(|setting| figures.iter().map(move |figure| (*setting, figure)))
            .collect();
        let heads = columns.iter().map(|(setting, figure)| format!("{}, {setting}", figure.name)).collect();
        let mut rows = Vec::new();
        for pool in run.pools(&POOLS) {
            let shown = columns.iter().map(|(setting, figure)| {
                let stat = run.stat(setting, cell, pool, figure.metric);
                let mutex = run.median(setting, cell, "mutex", figure.metric);
                stat.map_or("-".into(), |stat| with_ratio(&stat, mutex, figure.unit))
            });
            rows.push((self.marked(pool), shown.collect()));
        }
        rows.retain(|(_, shown): &(String, Vec<String>)| shown.iter().any(|shown| shown != "-"));
        folded(&format!("Figures{label}"), &grid("", heads, &rows))
    }

    /// Pools with an unbounded queue have another contract, and a mark that says so.
    pub fn marked(&self, pool: &str) -> String {
        let unbounded = self.run.group(pool) == "unbounded";
        format!("{pool}{}", if unbounded { " †" } else { "" })
    }
}

pub fn with_ratio(stat: &Stat, mutex: Option<f64>, unit: Unit) -> String {
    let Stat { low, median, high } = *stat;
    let mut shown = unit.show(median);
    if low != high {
        let _ = write!(shown, " ({} to {})", unit.show(low), unit.show(high));
    }
    if let Some(mutex) = mutex.filter(|mutex| *mutex > 0.0) {
        let _ = write!(shown, ", {} x", digits(median / mutex));
    }
    shown
}

/// A table of Markdown.
pub fn grid(corner: &str, heads: Vec<String>, rows: &[(String, Vec<String>)]) -> String {
    let mut text = format!("| {corner} | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (name, shown) in rows {
        let _ = writeln!(text, "| {name} | {} |", shown.join(" | "));
    }
    text + "\n"
}

pub fn folded(summary: &str, text: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{text}</details>\n\n")
}
