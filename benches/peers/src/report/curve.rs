//! The curve that chose how long to spin.

use super::Made;
use super::lines::{Cell, Metric, SETTINGS};
use super::plots::{Curve, CurvePanel, Curves};
use super::sheet::{Sheet, folded, grid, with_ratio};
use super::units::Unit;
use super::workloads::{distinct, heading};
use std::collections::BTreeSet;

/// The curve that chose the policy: for each of its two numbers, what each value of it would cost.
pub fn curve(sheet: &mut Sheet) -> Made<String> {
    let run = sheet.run;
    let measured: BTreeSet<Cell> = ["round_trip", "rested", "empty", "batch"]
        .iter()
        .flat_map(|workload| run.cells(workload, None))
        .filter(|cell| cell.workload != "empty" || (cell.submitters, cell.max) == (1, 1))
        .collect();
    let values = |knob: &str| -> Vec<u64> {
        let pools = run.pools(&["curve"]).into_iter();
        distinct(pools.filter_map(|pool| pool.strip_prefix(&format!("admit, {knob} "))?.parse().ok()))
    };
    let mut text = String::new();
    for knob in ["bare", "turns"] {
        let values = values(knob);
        let mut panels = Vec::new();
        let mut rows = Vec::new();
        for cell in &measured {
            for (metric, name) in [(Metric::Ns, "time"), (Metric::Cpu, "CPU")] {
                if metric == Metric::Cpu && cell.workload != "rested" {
                    continue;
                }
                let title = format!("{} {cell}: {name}", heading(&cell.workload));
                let pool = |value: u64| format!("admit, {knob} {value}");
                let curve = |setting: &str| {
                    let points = values.iter().filter_map(|&value| {
                        // Zero has no logarithm; it stands where a half would.
                        let x = if value == 0 { 0.5 } else { value as f64 };
                        Some((x, run.median(setting, cell, &pool(value), metric)?))
                    });
                    Curve { name: setting.into(), points: points.collect() }
                };
                let curves: Vec<Curve> =
                    SETTINGS.into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
                if curves.is_empty() {
                    continue;
                }
                let level = |curve: &Curve| {
                    Some((curve.name.clone(), run.median(&curve.name, cell, "admit", metric)?))
                };
                let marks = curves.iter().filter_map(level).collect();
                for curve in &curves {
                    let shown = values.iter().map(|&value| {
                        run.stat(&curve.name, cell, &pool(value), metric)
                            .map_or("-".into(), |stat| with_ratio(&stat, None, Unit::Time))
                    });
                    let own = run.median(&curve.name, cell, "admit", metric);
                    let own = own.map_or("-".into(), |own| Unit::Time.show(own));
                    rows.push((format!("{title}, {}", curve.name), shown.chain([own]).collect()));
                }
                panels.push(CurvePanel { title, unit: Unit::Time, curves, marks });
            }
        }
        let spec = Curves {
            title: format!("What the number of {knob} looks costs; level lines: as shipped"),
            panels,
            columns: 2,
            x_title: "looks",
            x_names: values.iter().map(|&v| (if v == 0 { 0.5 } else { v as f64 }, v.to_string())).collect(),
            one_scale: false,
        };
        text += &sheet.curves(&format!("curve-{knob}"), &spec)?;
        let heads =
            values.iter().map(|value| format!("{knob} {value}")).chain(["as shipped".into()]).collect();
        if !rows.is_empty() {
            text += &folded(&format!("Figures, {knob}"), &grid("", heads, &rows));
        }
    }
    Ok(if text.is_empty() { "-\n".into() } else { text })
}
