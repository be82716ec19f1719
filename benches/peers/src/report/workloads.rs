//! Each workload's pictures and tables.

use super::Made;
use super::lines::{Cell, Metric, Run, SETTINGS};
use super::plots::{Bar, BarPanel, Curves};
use super::sheet::{Figure, POOLS, Sheet, figure, folded, grid, with_ratio};
use super::units::Unit;
use std::collections::BTreeSet;
use std::fmt::Write;

pub struct Workload {
    pub name: &'static str,
    pub figures: &'static [Figure],
    pub draw: fn(&mut Sheet, &Workload) -> Made<String>,
}

pub const WORKLOADS: [Workload; 11] = [
    Workload { name: "empty", figures: &[figure(Metric::Ns, "time per task", Unit::Time)], draw: empty },
    Workload {
        name: "round_trip",
        figures: &[figure(Metric::Ns, "round trip", Unit::Time)],
        draw: by_setting,
    },
    Workload {
        name: "rested",
        figures: &[
            figure(Metric::Ns, "round trip", Unit::Time),
            figure(Metric::Cpu, "CPU per round trip", Unit::Time),
        ],
        draw: by_setting,
    },
    Workload { name: "batch", figures: &[figure(Metric::Ns, "time per batch", Unit::Time)], draw: batch },
    Workload { name: "sleeps", figures: &[figure(Metric::Ns, "time of all", Unit::Time)], draw: sleeps },
    Workload { name: "panic", figures: &[figure(Metric::Ns, "time per task", Unit::Time)], draw: by_setting },
    Workload {
        name: "blocked",
        figures: &[figure(Metric::Cpu, "CPU per second", Unit::Time)],
        draw: blocked,
    },
    Workload {
        name: "fairness",
        figures: &[
            figure(Metric::Ns, "time per task", Unit::Time),
            figure(Metric::Extra("longest_ns"), "longest spawn", Unit::Time),
            Figure { contest: false, ..figure(Metric::Extra("share_min"), "smallest share", Unit::Count) },
            figure(Metric::Extra("share_max"), "largest share", Unit::Count),
        ],
        draw: fairness,
    },
    Workload {
        name: "allocations",
        figures: &[
            figure(Metric::Extra("allocations"), "allocations", Unit::Count),
            figure(Metric::Extra("bytes"), "bytes", Unit::Bytes),
            figure(Metric::Extra("detached_allocations"), "handle dropped", Unit::Count),
        ],
        draw: allocations,
    },
    Workload {
        name: "create",
        figures: &[
            figure(Metric::Ns, "time", Unit::Time),
            Figure { contest: false, ..figure(Metric::Extra("bytes"), "memory", Unit::Bytes) },
        ],
        draw: create,
    },
    Workload { name: "floor", figures: &[], draw: floors },
];

pub fn distinct(values: impl Iterator<Item = u64>) -> Vec<u64> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

fn x_names(values: &[u64]) -> Vec<(f64, String)> {
    values.iter().map(|value| (*value as f64, value.to_string())).collect()
}

/// Pool size on one axis, and submitters on the other, and the other way round.
fn empty(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for setting in SETTINGS {
        let cells = sheet.run.cells("empty", Some(setting));
        if cells.is_empty() {
            continue;
        }
        let _ = writeln!(text, "### Empty tasks, {setting}\n");
        let over_max = empty_curves(sheet, workload, setting, "max", |cell| cell.max, |cell| cell.submitters);
        text += &sheet.curves(&format!("empty-{setting}-max"), &over_max)?;
        let over_submitters =
            empty_curves(sheet, workload, setting, "submitters", |cell| cell.submitters, |cell| cell.max);
        text += &sheet.curves(&format!("empty-{setting}-submitters"), &over_submitters)?;
        for s in distinct(cells.iter().map(|cell| cell.submitters)) {
            let line: Vec<Cell> = cells.iter().filter(|cell| cell.submitters == s).cloned().collect();
            text += &folded(&format!("Figures, {setting}, S={s}"), &empty_table(sheet, setting, &line));
        }
    }
    Ok(text)
}

/// A panel for each value of `kind`, with the cells along `x` in it.
fn empty_curves(
    sheet: &Sheet,
    workload: &Workload,
    setting: &str,
    x_title: &'static str,
    x: fn(&Cell) -> u64,
    kind: fn(&Cell) -> u64,
) -> Curves {
    let cells = sheet.run.cells("empty", Some(setting));
    let panel = |value| {
        let line = cells.iter().filter(|cell| kind(cell) == value);
        let line: Vec<_> = line.map(|cell| (x(cell) as f64, cell.clone())).collect();
        let title = match x_title {
            "max" => format!("{value} submitter{}", if value > 1 { "s" } else { "" }),
            _ => format!("max = {value}"),
        };
        sheet.curve_panel(title, setting, &workload.figures[0], &line)
    };
    Curves {
        title: format!("Empty tasks, {setting}: how the time per task grows with {x_title}"),
        panels: distinct(cells.iter().map(kind)).into_iter().map(panel).collect(),
        columns: 2,
        x_title,
        x_names: x_names(&distinct(cells.iter().map(x))),
        one_scale: true,
    }
}

fn empty_table(sheet: &Sheet, setting: &str, line: &[Cell]) -> String {
    let heads = line.iter().map(|cell| format!("max={}", cell.max)).collect();
    let mut rows = Vec::new();
    for pool in sheet.run.pools(&POOLS) {
        let shown = line.iter().map(|cell| {
            let mutex = sheet.run.median(setting, cell, "mutex", Metric::Ns);
            let stat = sheet.run.stat(setting, cell, pool, Metric::Ns);
            stat.map_or("-".into(), |stat| with_ratio(&stat, mutex, Unit::Time))
        });
        rows.push((sheet.marked(pool), shown.collect::<Vec<_>>()));
    }
    rows.retain(|(_, shown)| shown.iter().any(|shown| shown != "-"));
    grid("", heads, &rows)
}

/// Bars for each cell and each figure, the settings side by side.
fn by_setting(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    let cells = sheet.run.cells(workload.name, None);
    for cell in &cells {
        for (place, figure) in workload.figures.iter().enumerate() {
            let panels: Vec<BarPanel> = SETTINGS
                .iter()
                .map(|setting| {
                    let marks = if place == 0 { floor_marks(sheet.run, cell, setting) } else { Vec::new() };
                    sheet.bar_panel(setting, setting, cell, figure, marks)
                })
                .filter(|panel| !panel.bars.is_empty())
                .collect();
            let label = if cell.to_string().is_empty() { String::new() } else { format!(", {cell}") };
            let title = format!("{}: {}{label}", heading(workload.name), figure.name);
            let mut name = workload.name.to_string();
            if cells.len() > 1 {
                let _ = write!(name, "-{}", cell.max);
            }
            if figure.metric == Metric::Cpu {
                name += "-cpu";
            }
            text += &sheet.bars(&name, &title, &panels, true)?;
        }
        text += &sheet.table(cell, workload.figures);
    }
    Ok(text)
}

pub fn heading(workload: &str) -> &str {
    match workload {
        "empty" => "Empty tasks",
        "round_trip" => "Back to back",
        "rested" => "After a rest",
        "batch" => "Batches",
        "sleeps" => "Sleeps",
        "panic" => "Panics",
        "blocked" => "Blocked",
        "fairness" => "Fairness",
        "allocations" => "Allocations",
        "create" => "Making and dropping",
        _ => "Floors",
    }
}

/// What nobody who hands a task to another thread can beat.
fn floor_marks(run: &Run, cell: &Cell, setting: &str) -> Vec<(String, f64)> {
    let names: &[&str] = match (cell.workload.as_str(), setting) {
        ("round_trip", "pinned") => &["park, unpark on one core"],
        ("round_trip", _) => &["spinning hand-off", "park, unpark on two cores"],
        ("rested", "pinned") => &["park, unpark on one core"],
        ("rested", _) => &["park, unpark on two cores"],
        _ => &[],
    };
    // Beside the pools; or else with the other floors, perhaps in the free setting alone.
    let beside = |name: &&str| run.median(setting, cell, name, Metric::Ns);
    let floor =
        |name: &&str| beside(name).or_else(|| run.floor(setting, name)).or_else(|| run.floor("free", name));
    names.iter().filter_map(|name| Some((name.to_string(), floor(name)?))).collect()
}

/// The time as a multiple of the ideal, over the length of the tasks.
fn batch(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let figure =
        Figure { unit: Unit::Count, ..figure(Metric::OverIdeal, "time over the ideal", Unit::Count) };
    let all = sheet.run.cells("batch", None);
    let mut panels = Vec::new();
    let settings: Vec<&str> =
        SETTINGS.into_iter().filter(|setting| !sheet.run.cells("batch", Some(setting)).is_empty()).collect();
    for max in distinct(all.iter().map(|cell| cell.max)) {
        for setting in &settings {
            let cells = all.iter().filter(|cell| cell.max == max).cloned();
            let cells: Vec<_> = cells.map(|cell| (cell.size as f64, cell)).collect();
            let mut panel = sheet.curve_panel(format!("max = {max}, {setting}"), setting, &figure, &cells);
            panel.marks.push(("ideal".into(), 1.0));
            panels.push(panel);
        }
    }
    let spec = Curves {
        title: "Batches of 100 tasks: time as a multiple of the ideal".into(),
        panels,
        columns: settings.len(),
        x_title: "length of a task in µs",
        x_names: x_names(&distinct(all.iter().map(|cell| cell.size))),
        one_scale: true,
    };
    let mut text = sheet.curves("batch", &spec)?;
    for cell in &all {
        text += &sheet.table(cell, workload.figures);
    }
    Ok(text)
}

/// All ways to wait side by side.
fn blocked(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for setting in SETTINGS {
        let cells = sheet.run.cells("blocked", Some(setting));
        let panel =
            |cell: &Cell| sheet.bar_panel(&cell.what, setting, cell, &workload.figures[0], Vec::new());
        let panels: Vec<BarPanel> = cells.iter().map(panel).collect();
        let title = format!("CPU used per second of waiting, {setting}");
        text += &sheet.bars(&format!("blocked-{setting}"), &title, &panels, true)?;
    }
    for cell in sheet.run.cells("blocked", None) {
        text += &sheet.table(&cell, workload.figures);
    }
    Ok(text)
}

/// What is lost against the ideal.
fn sleeps(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for cell in sheet.run.cells("sleeps", None) {
        let figure = figure(Metric::OverIdeal, "over the ideal", Unit::Percent);
        let mut panels = Vec::new();
        for setting in SETTINGS {
            let mut panel = sheet.bar_panel(setting, setting, &cell, &figure, Vec::new());
            let percent = |value: f64| ((value - 1.0) * 100.0).max(0.0);
            for bar in &mut panel.bars {
                bar.value = percent(bar.value);
                bar.spread = bar.spread.map(|(low, high)| (percent(low), percent(high)));
            }
            if !panel.bars.is_empty() {
                panels.push(panel);
            }
        }
        let title = format!("Sleeps of {cell}: time above the ideal");
        text += &sheet.bars(&format!("sleeps-{}", cell.size), &title, &panels, true)?;
        text += &sheet.table(&cell, workload.figures);
    }
    Ok(text)
}

/// Shares as ranges from the smallest to the largest, beside time and longest wait.
fn fairness(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for cell in sheet.run.cells("fairness", None) {
        for setting in SETTINGS {
            let [time, longest, smallest, largest] = [0, 1, 2, 3].map(|place| &workload.figures[place]);
            let mut shares = sheet.bar_panel("shares of the submitters", setting, &cell, largest, Vec::new());
            for bar in &mut shares.bars {
                bar.from = sheet.run.median(setting, &cell, &bar.name, smallest.metric);
                bar.spread = None;
            }
            shares.marks.push(("fair".into(), 1.0));
            let panels = [
                sheet.bar_panel(time.name, setting, &cell, time, Vec::new()),
                sheet.bar_panel(longest.name, setting, &cell, longest, Vec::new()),
                shares,
            ];
            let title = format!("Fairness among 8 submitters, {setting}");
            text += &sheet.bars(&format!("fairness-{setting}"), &title, &panels, false)?;
        }
        text += &sheet.table(&cell, workload.figures);
    }
    Ok(text)
}

fn allocations(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for cell in sheet.run.cells("allocations", None) {
        let setting =
            SETTINGS.iter().find(|setting| sheet.run.cells("allocations", Some(setting)).contains(&cell));
        let Some(setting) = setting else { continue };
        let panel = |figure| sheet.bar_panel(figure_title(figure), setting, &cell, figure, Vec::new());
        let panels: Vec<BarPanel> = workload.figures.iter().map(panel).collect();
        let label = if cell.max > 0 { format!("-{}", cell.max) } else { String::new() };
        text += &sheet.bars(&format!("allocations{label}"), "Heap allocations per task", &panels, false)?;
        text += &sheet.table(&cell, workload.figures);
    }
    Ok(text)
}

fn figure_title(figure: &Figure) -> &'static str {
    match figure.name {
        "allocations" => "per spawn and join",
        "bytes" => "bytes per spawn and join",
        _ => "per spawn, handle dropped",
    }
}

fn create(sheet: &mut Sheet, workload: &Workload) -> Made<String> {
    let mut text = String::new();
    for setting in SETTINGS {
        let all = sheet.run.cells("create", Some(setting));
        let mut panels = Vec::new();
        for what in all.iter().map(|cell| &cell.what).collect::<BTreeSet<_>>() {
            for figure in workload.figures {
                let cells = all.iter().filter(|cell| cell.what == *what).cloned();
                let cells: Vec<_> = cells.map(|cell| (cell.max as f64, cell)).collect();
                let what = if what.is_empty() { "no threads yet" } else { what };
                panels.push(sheet.curve_panel(format!("{}, {what}", figure.name), setting, figure, &cells));
            }
        }
        panels.retain(|panel| !panel.curves.is_empty());
        let spec = Curves {
            title: format!("Making and dropping a pool, {setting}"),
            panels,
            columns: 2,
            x_title: "max",
            x_names: x_names(&distinct(all.iter().map(|cell| cell.max))),
            one_scale: false,
        };
        text += &sheet.curves(&format!("create-{setting}"), &spec)?;
    }
    for cell in sheet.run.cells("create", None) {
        text += &sheet.table(&cell, workload.figures);
    }
    Ok(text)
}

fn floors(sheet: &mut Sheet, _: &Workload) -> Made<String> {
    let run = sheet.run;
    let names = run.pools(&["floor"]);
    let panel = |setting: &str| {
        let bar = |name: &&str| {
            Some(Bar { name: name.to_string(), from: None, value: run.floor(setting, name)?, spread: None })
        };
        BarPanel {
            title: setting.into(),
            unit: Unit::Time,
            bars: names.iter().filter_map(bar).collect(),
            marks: Vec::new(),
        }
    };
    let panels: Vec<BarPanel> =
        SETTINGS.into_iter().map(panel).filter(|panel| !panel.bars.is_empty()).collect();
    let mut text = sheet.bars("floors", "Floors", &panels, true)?;
    let row = |name: &&str| {
        let shown = SETTINGS.iter().map(|setting| {
            let stat =
                run.cells("floor", None).iter().find_map(|cell| run.stat(setting, cell, name, Metric::Ns));
            stat.map_or("-".into(), |stat| with_ratio(&stat, None, Unit::Time))
        });
        (name.to_string(), shown.collect())
    };
    let rows: Vec<_> = names.iter().map(row).collect();
    text += &grid("floor", SETTINGS.map(String::from).to_vec(), &rows);
    Ok(text)
}
