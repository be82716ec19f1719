//! The targets of "The speed", each computed from the lines.

use super::lines::{Cell, MAXES, Metric, Run, SUBMITTERS, Stat};
use super::nearness::nearness;
use super::ratios::{Part, Ratio, Ratios, bold};
use super::sheet::grid;
use super::units::{Unit, digits, ratio_beside};
use std::collections::BTreeSet;

pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    pub parts: Vec<Part>,
    /// Every cell.
    pub detail: String,
}

impl Row {
    pub fn missed(&self) -> bool {
        self.parts.iter().any(|part| part.met == Some(false))
    }
}

pub const IDS: [&str; 11] = [
    "empty-mutex",
    "empty-best",
    "corner",
    "round-trip",
    "rested",
    "pinned",
    "busy",
    "batch",
    "sleeps",
    "allocations",
    "growth",
];

pub fn rows(run: &Run) -> Vec<Row> {
    vec![
        empty_mutex(run),
        empty_best(run),
        corner(run),
        round_trip(run),
        rested(run),
        pinned(run),
        busy(run),
        batch(run),
        sleeps(run),
        allocations(run),
        growth(run),
    ]
}

fn all_empty() -> Vec<Cell> {
    SUBMITTERS.iter().flat_map(|&s| MAXES.iter().map(move |&max| Cell::empty(s, max))).collect()
}

const CORNERS: [(u64, u64); 2] = [(1, 1), (8, 1)];

fn is_corner(cell: &Cell) -> bool {
    CORNERS.contains(&(cell.submitters, cell.max))
}

fn heads(maxes: &[u64]) -> Vec<String> {
    maxes.iter().map(|max| format!("max={max}")).collect()
}

/// Submitters down, `max` across; what is above its limit is bold.
fn empty_grid(ratios: &Ratios, limit: impl Fn(&Cell) -> f64) -> String {
    let row = |&s: &u64| {
        let shown = MAXES.iter().map(|&max| {
            let cell = Cell::empty(s, max);
            let ratio = ratios.list.iter().find(|ratio| ratio.cell == cell);
            ratio.map_or("-".into(), |ratio| {
                let limit = limit(&cell);
                bold(ratio_beside(ratio.value(), limit), ratio.value() > limit)
            })
        });
        (format!("S={s}"), shown.collect())
    };
    grid("", heads(&MAXES), &SUBMITTERS.iter().map(row).collect::<Vec<_>>())
}

fn empty_mutex(run: &Run) -> Row {
    let ratios = Ratios::new(run, "free", &all_empty(), Metric::Ns, &["mutex"]);
    Row {
        id: "empty-mutex",
        title: "Empty tasks, against the mutex variant",
        parts: vec![ratios.part("at most 0.15 of the mutex variant in every (S, max) cell", 0.15)],
        detail: empty_grid(&ratios, |_| 0.15) + &nearness(run),
    }
}

fn empty_best(run: &Run) -> Row {
    let inner: Vec<Cell> = all_empty().into_iter().filter(|cell| !is_corner(cell)).collect();
    let ratios = Ratios::new(run, "free", &inner, Metric::Ns, &run.rivals());
    let all = Ratios::new(run, "free", &all_empty(), Metric::Ns, &run.rivals());
    let limit = |cell: &Cell| if is_corner(cell) { 1.0 } else { 0.35 };
    Row {
        id: "empty-best",
        title: "Empty tasks, against the best other pool with the same admission",
        parts: vec![
            ratios.part(
                "at most 0.35 of the best, in every cell but the two that have a row of their own",
                0.35,
            ),
        ],
        detail: empty_grid(&all, limit) + &all.table(f64::INFINITY, Unit::Time),
    }
}

fn corner(run: &Run) -> Row {
    let cells = CORNERS.map(|(s, max)| Cell::empty(s, max));
    let ratios = Ratios::new(run, "free", &cells, Metric::Ns, &run.rivals());
    Row {
        id: "corner",
        title: "Empty tasks at (S=8, max=1) and (S=1, max=1)",
        parts: vec![ratios.part("at most 1.0 of the best other pool with the same admission", 1.0)],
        detail: ratios.table(1.0, Unit::Time),
    }
}

fn round_trip(run: &Run) -> Row {
    let cells: Vec<Cell> =
        run.cells("round_trip", Some("free")).into_iter().filter(|cell| cell.max == 1).collect();
    let ratios = Ratios::new(run, "free", &cells, Metric::Ns, &["spinning hand-off"]);
    Row {
        id: "round-trip",
        title: "Round trip back to back",
        parts: vec![ratios.part("at most 1.5 of the spinning hand-off", 1.5)],
        detail: ratios.table(1.5, Unit::Time),
    }
}

fn rested(run: &Run) -> Row {
    let cells = run.cells("rested", Some("free"));
    let time = Ratios::new(run, "free", &cells, Metric::Ns, &["mutex"]);
    let cpu = Ratios::new(run, "free", &cells, Metric::Cpu, &["mutex"]);
    Row {
        id: "rested",
        title: "Round trip after a rest",
        parts: vec![
            time.part("time at most 1.0 of the mutex variant", 1.0),
            cpu.part("CPU at most 1.3 of the mutex variant", 1.3),
        ],
        detail: format!("Time:\n\n{}CPU:\n\n{}", time.table(1.0, Unit::Time), cpu.table(1.3, Unit::Time)),
    }
}

/// Workloads whose time is the pool's own.
const TIMED: [&str; 6] = ["empty", "round_trip", "rested", "batch", "panic", "fairness"];

fn timed(run: &Run, setting: &'static str, pools: &[&str]) -> Ratios {
    let cells: Vec<Cell> = TIMED.iter().flat_map(|workload| run.cells(workload, Some(setting))).collect();
    let mut ratios = Ratios::new(run, setting, &cells, Metric::Ns, pools);
    // A workload without a single cell in this setting has not been measured.
    ratios.missing += TIMED.iter().filter(|workload| run.cells(workload, Some(setting)).is_empty()).count();
    ratios
}

fn pinned(run: &Run) -> Row {
    let time = timed(run, "pinned", &run.rivals());
    let mut parts = switches(run);
    parts.push(time.part("time at most 1.0 of every other pool with the same admission", 1.0));
    let pools = [&["admit"][..], &run.rivals()].concat();
    let row = |pool: &str| {
        let median = |max| run.median("pinned", &Cell::empty(1, max), pool, Metric::Switches);
        (pool.to_string(), MAXES.iter().map(|&max| median(max).map_or("-".into(), digits)).collect())
    };
    let rows: Vec<_> = pools.into_iter().map(row).collect();
    Row {
        id: "pinned",
        title: "Pinned to one core",
        parts,
        detail: format!(
            "Context switches per task, S=1:\n\n{}Time against the best other pool:\n\n{}",
            grid("", heads(&MAXES), &rows),
            time.table(1.0, Unit::Time)
        ),
    }
}

fn switches(run: &Run) -> Vec<Part> {
    let stat = |&max: &u64| Some((max, run.stat("pinned", &Cell::empty(1, max), "admit", Metric::Switches)?));
    let along: Vec<(u64, Stat)> = MAXES.iter().filter_map(stat).collect();
    let first = along.first().filter(|first| first.0 == 1).map(|first| first.1.median);
    let steps: Vec<String> =
        along.iter().map(|(max, stat)| format!("{} at max={max}", digits(stat.median))).collect();
    // Falling: never up by more than the spread, and lower at the end than at the start.
    let rises = along.windows(2).any(|pair| pair[0].1.below(&pair[1].1));
    let falls = match &along[..] {
        [first, .., last] => Some(!rises && last.1.median < first.1.median),
        _ => None,
    };
    vec![
        Part {
            target: "at most 1.0 context switches per task at (S=1, max=1)",
            reached: first.map_or("-".into(), |first| ratio_beside(first, 1.0)),
            met: first.map(|first| first <= 1.0),
        },
        Part {
            target: "context switches per task falling with max",
            reached: if steps.is_empty() { "-".into() } else { steps.join(", ") },
            met: falls,
        },
    ]
}

fn busy(run: &Run) -> Row {
    let ratios = timed(run, "busy", &["admit, no spinning"]);
    Row {
        id: "busy",
        title: "Beside busy processes",
        parts: vec![ratios.part("never slower than the same pool with spinning off by more than 10 %", 1.10)],
        detail: ratios.table(1.10, Unit::Time),
    }
}

fn batch(run: &Run) -> Row {
    let mut others = run.rivals();
    others.extend(run.pools(&["unbounded"]));
    let cells: Vec<Cell> =
        run.cells("batch", Some("free")).into_iter().filter(|cell| cell.size == 1).collect();
    let ratios = Ratios::new(run, "free", &cells, Metric::OverIdeal, &others);
    Row {
        id: "batch",
        title: "A batch of 1 µs tasks",
        parts: vec![
            ratios.part("nearest to the ideal of all: at most 1.0 of the best other pool of any kind", 1.0),
        ],
        detail: format!("Times as multiples of the ideal:\n\n{}", ratios.table(1.0, Unit::Count)),
    }
}

fn sleeps(run: &Run) -> Row {
    let cells = run.cells("sleeps", Some("free"));
    let ratios = Ratios::new(run, "free", &cells, Metric::Ns, &["thread per task + semaphore"]);
    Row {
        id: "sleeps",
        title: "Sleep demos",
        parts: vec![ratios.part(
            "at most 1.005 times what bare threads reach (a thread per task behind a semaphore)",
            1.005,
        )],
        detail: ratios.table(1.005, Unit::Time),
    }
}

fn allocations(run: &Run) -> Row {
    let most = |name| {
        let cells = run.cells("allocations", Some("free"));
        let medians = cells.iter().filter_map(|cell| run.median("free", cell, "admit", Metric::Extra(name)));
        medians.max_by(f64::total_cmp)
    };
    let part = |target, name, limit: f64| Part {
        target,
        reached: most(name).map_or("-".into(), digits),
        met: most(name).map(|most| most <= limit),
    };
    Row {
        id: "allocations",
        title: "Heap allocations",
        parts: vec![
            // A pool may make something now and then, which a mean over many tasks shows as a small fraction.
            part("one per spawn and join", "allocations", 1.001),
            part(
                "none for a small task whose handle is dropped at once, if that can be had simply",
                "detached_allocations",
                0.001,
            ),
        ],
        detail: String::new(),
    }
}

fn growth(run: &Run) -> Row {
    let measured = run.cells("empty", Some("free")).into_iter().map(|cell| cell.max);
    let maxes: Vec<u64> = measured.chain(MAXES).collect::<BTreeSet<_>>().into_iter().collect();
    let stat = |s, max| run.stat("free", &Cell::empty(s, max), "admit", Metric::Ns);
    let mut over_s = Ratios::default();
    for (&max, &s) in maxes.iter().flat_map(|max| SUBMITTERS[1..].iter().map(move |s| (max, s))) {
        let (cell, against) = (Cell::empty(s, max), "S=1".to_string());
        match (stat(s, max), stat(1, max)) {
            (Some(many), Some(one)) => {
                let (own, other) = (many.median, one.median);
                over_s.list.push(Ratio { setting: "free", cell, own, other, against });
            }
            _ => over_s.missing += 1,
        }
    }
    Row {
        id: "growth",
        title: "Growth of the time per task",
        parts: vec![growth_with_max(&stat, &maxes), over_s.part("at most 1.5 times from S=1 to S=8", 1.5)],
        detail: growth_table(&stat, &maxes),
    }
}

/// Judged by the steepest way up from a smaller pool to a larger one that is more than the spread.
fn growth_with_max(stat: &impl Fn(u64, u64) -> Option<Stat>, maxes: &[u64]) -> Part {
    let mut ways = Vec::new();
    let mut complete = true;
    for s in SUBMITTERS {
        for (place, &small) in maxes.iter().enumerate() {
            for &large in &maxes[place + 1..] {
                match (stat(s, small), stat(s, large)) {
                    (Some(less), Some(more)) if less.below(&more) => {
                        ways.push((more.median / less.median, s, small, large));
                    }
                    (Some(_), Some(_)) => {}
                    _ => complete = false,
                }
            }
        }
    }
    let (reached, met) = match ways.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((times, s, small, large)) => (
            format!("{} times (S={s}, from max={small} to max={large})", ratio_beside(times, 1.0)),
            Some(false),
        ),
        None if complete => (format!("no growth up to max={}", maxes[maxes.len() - 1]), Some(true)),
        None => ("-".into(), None),
    };
    Part { target: "does not grow with max by more than the spread", reached, met }
}

fn growth_table(stat: &impl Fn(u64, u64) -> Option<Stat>, maxes: &[u64]) -> String {
    let span = |medians: Vec<f64>| {
        let least = medians.iter().copied().reduce(f64::min);
        let most = medians.iter().copied().reduce(f64::max);
        least.zip(most).map_or("-".into(), |(least, most)| digits(most / least))
    };
    let median = |s, max| stat(s, max).map(|stat| stat.median);
    let row = |&s: &u64| {
        let shown = maxes.iter().map(|&max| median(s, max).map_or("-".into(), |ns| Unit::Time.show(ns)));
        let over_max = span(maxes.iter().filter_map(|&max| median(s, max)).collect());
        (format!("S={s}"), shown.chain([over_max]).collect())
    };
    let mut rows: Vec<_> = SUBMITTERS.iter().map(row).collect();
    let over_s = maxes.iter().map(|&max| span(SUBMITTERS.iter().filter_map(|&s| median(s, max)).collect()));
    let label = "largest over smallest".to_string();
    rows.push((label.clone(), over_s.chain([String::new()]).collect()));
    let heads = heads(maxes).into_iter().chain([label]).collect();
    grid("", heads, &rows)
}
