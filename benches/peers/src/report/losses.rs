//! Where other pools are ahead.

use super::lines::{SETTINGS, Stat};
use super::palette::rank;
use super::sheet::Sheet;
use super::units::ratio_beside;
use super::workloads::{WORKLOADS, heading};

/// Every cell in which another pool has a median below ours by more than the spread.
pub fn losses(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let run = sheet.run;
    let others = run.pools(&["mutex", "same", "unbounded"]);
    let mut lost = Vec::new();
    for workload in &WORKLOADS {
        for setting in SETTINGS {
            for cell in run.cells(workload.name, Some(setting)) {
                for figure in workload.figures.iter().filter(|figure| figure.contest) {
                    let Some(own) = run.stat(setting, &cell, "admit", figure.metric) else { continue };
                    let stat = |pool| Some((pool, run.stat(setting, &cell, pool, figure.metric)?));
                    let mut ahead: Vec<_> = others
                        .iter()
                        .copied()
                        .filter_map(stat)
                        .filter(|(_, stat)| stat.below(&own))
                        .collect();
                    ahead.sort_by(|a, b| a.1.median.total_cmp(&b.1.median).then(rank(a.0).cmp(&rank(b.0))));
                    if ahead.is_empty() {
                        continue;
                    }
                    let show = |(pool, stat): &(&str, Stat)| {
                        format!("{} {}", ratio_beside(stat.median / own.median, 1.0), sheet.marked(pool))
                    };
                    let ahead: Vec<String> = ahead.iter().map(show).collect();
                    let row = format!(
                        "| {setting} | {} | {} | {} | {} |",
                        [heading(workload.name), &cell.to_string()].join(" ").trim_end(),
                        figure.name,
                        figure.unit.show(own.median),
                        ahead.join("; ")
                    );
                    lost.push((workload.name, row));
                }
            }
        }
    }
    lost
}
