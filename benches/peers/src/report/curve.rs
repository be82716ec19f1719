//! The curve that chose how long to spin: for each of the two numbers, what each value of it would cost.

use super::Made;
use super::lines::{Cell, Metric, Run, SETTINGS};
use super::plots::{Curve, CurvePanel, Curves};
use super::sheet::{Sheet, folded, grid, with_ratio};
use super::units::Unit;
use super::workloads::{distinct, heading};

pub fn curve(sheet: &mut Sheet) -> Made<String> {
    let mut text = String::new();
    for knob in ["bare", "turns"] {
        let pools = sheet.run.pools(&["curve"]).into_iter();
        let values = pools.filter_map(|pool| pool.strip_prefix(&format!("admit, {knob} "))?.parse().ok());
        text += &section(sheet, knob, &distinct(values))?;
    }
    Ok(if text.is_empty() { "-\n".into() } else { text })
}

fn section(sheet: &mut Sheet, knob: &str, values: &[u64]) -> Made<String> {
    let run = sheet.run;
    let (mut panels, mut rows) = (Vec::new(), Vec::new());
    for (cell, metric, title) in measures(run) {
        let curve = |setting: &str| {
            let point =
                |&value: &u64| Some((x(value), run.median(setting, &cell, &pool(knob, value), metric)?));
            Curve { name: setting.into(), points: values.iter().filter_map(point).collect() }
        };
        let curves: Vec<Curve> =
            SETTINGS.into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
        if curves.is_empty() {
            continue;
        }
        let shipped = |setting: &str| run.median(setting, &cell, "admit", metric);
        for Curve { name: setting, .. } in &curves {
            let stats = values.iter().map(|&value| run.stat(setting, &cell, &pool(knob, value), metric));
            let shown = stats.map(|stat| stat.map_or("-".into(), |stat| with_ratio(&stat, None, Unit::Time)));
            let shipped = shipped(setting).map_or("-".into(), |ns| Unit::Time.show(ns));
            rows.push((format!("{title}, {setting}"), shown.chain([shipped]).collect()));
        }
        let marks = curves.iter().filter_map(|curve| Some((curve.name.clone(), shipped(&curve.name)?)));
        panels.push(CurvePanel { title, unit: Unit::Time, marks: marks.collect(), curves });
    }
    if panels.is_empty() {
        return Ok(String::new());
    }
    let spec = Curves {
        title: format!("What the number of {knob} looks costs; level lines: as shipped"),
        panels,
        columns: 2,
        x_title: "looks",
        x_names: values.iter().map(|&value| (x(value), value.to_string())).collect(),
        one_scale: false,
    };
    let heads = values.iter().map(|value| format!("{knob} {value}")).chain(["as shipped".into()]);
    let table = grid("", heads.collect(), &rows);
    Ok(sheet.curves(&format!("curve-{knob}"), &spec)? + &folded(&format!("Figures, {knob}"), &table))
}

/// What tells whether threads look for too short or too long.
fn measures(run: &Run) -> Vec<(Cell, Metric, String)> {
    let mut measures = Vec::new();
    for workload in ["round_trip", "rested", "empty", "batch"] {
        for cell in run.cells(workload, None) {
            let title = format!("{} {cell}", heading(workload));
            if workload == "rested" {
                measures.push((cell.clone(), Metric::Cpu, format!("{title}: CPU")));
            }
            measures.push((cell, Metric::Ns, format!("{title}: time")));
        }
    }
    measures
}

fn pool(knob: &str, value: u64) -> String {
    format!("admit, {knob} {value}")
}

/// Zero has no logarithm; it stands where a half would.
fn x(value: u64) -> f64 {
    if value == 0 { 0.5 } else { value as f64 }
}
