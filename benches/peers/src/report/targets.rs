//! The targets of "The speed", each computed from the lines.

use super::lines::{Cell, MAXES, Metric, Run, SUBMITTERS};
use super::sheet::grid;
use super::units::{Unit, digits, ratio_beside};
use super::workloads::heading;
use std::fmt::Write;

/// One line of the table: a figure and what it had to reach.
pub struct Part {
    pub target: &'static str,
    pub reached: String,
    /// Nothing if not all that the target speaks of has been measured.
    pub met: Option<bool>,
}

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

/// A figure of ours over another one.
struct Ratio {
    setting: &'static str,
    cell: Cell,
    own: f64,
    other: f64,
    /// Whose the other one is.
    against: String,
}

impl Ratio {
    fn value(&self) -> f64 {
        self.own / self.other
    }
}

/// Ratios over many cells, and how many cells have none.
#[derive(Default)]
struct Ratios {
    list: Vec<Ratio>,
    missing: usize,
}

impl Ratios {
    /// Ours over the least median of `pools`, in each of `cells`.
    fn new(run: &Run, setting: &'static str, cells: &[Cell], metric: Metric, pools: &[&str]) -> Ratios {
        let mut ratios = Ratios::default();
        for cell in cells {
            let own = run.median(setting, cell, "admit", metric);
            match (own, run.best(setting, cell, metric, pools)) {
                (Some(own), Some((against, other))) => {
                    let against = against.to_string();
                    ratios.list.push(Ratio { setting, cell: cell.clone(), own, other, against });
                }
                _ => ratios.missing += 1,
            }
        }
        ratios
    }

    fn worst(&self) -> Option<&Ratio> {
        self.list.iter().max_by(|a, b| a.value().total_cmp(&b.value()))
    }

    /// Judged by the worst cell. A miss is a miss; to be met, every cell must have been measured.
    fn part(&self, target: &'static str, limit: f64) -> Part {
        let Some(worst) = self.worst() else { return Part { target, reached: "-".into(), met: None } };
        let over = self.list.iter().filter(|ratio| ratio.value() > limit).count();
        let mut reached = format!("at most {}", ratio_beside(worst.value(), limit));
        let _ = write!(reached, " ({}, against {})", place(worst), worst.against);
        if self.list.len() > 1 {
            let _ = write!(reached, "; {} of {} cells met", self.list.len() - over, self.list.len());
        }
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

    fn table(&self, limit: f64, unit: Unit) -> String {
        let heads = ["admit", "other", "which", "ratio"].map(String::from).to_vec();
        let row = |ratio: &Ratio| {
            let shown = bold(ratio_beside(ratio.value(), limit), ratio.value() > limit);
            (place(ratio), vec![unit.show(ratio.own), unit.show(ratio.other), ratio.against.clone(), shown])
        };
        grid("cell", heads, &self.list.iter().map(row).collect::<Vec<_>>())
    }
}

fn place(ratio: &Ratio) -> String {
    let workload = heading(&ratio.cell.workload).to_lowercase();
    format!("{}, {workload} {}", ratio.setting, ratio.cell).trim_end().to_string()
}

fn bold(text: String, strong: bool) -> String {
    if strong { format!("**{text}**") } else { text }
}

fn all_empty() -> Vec<Cell> {
    SUBMITTERS.iter().flat_map(|&s| MAXES.iter().map(move |&max| Cell::empty(s, max))).collect()
}

const CORNERS: [(u64, u64); 2] = [(1, 1), (8, 1)];

fn is_corner(cell: &Cell) -> bool {
    CORNERS.contains(&(cell.submitters, cell.max))
}

/// Submitters down, `max` across; what is above its limit is bold.
fn empty_grid(ratios: &Ratios, limit: impl Fn(&Cell) -> f64) -> String {
    let heads = MAXES.iter().map(|max| format!("max={max}")).collect();
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
    grid("", heads, &SUBMITTERS.iter().map(row).collect::<Vec<_>>())
}

fn empty_mutex(run: &Run) -> Row {
    let ratios = Ratios::new(run, "free", &all_empty(), Metric::Ns, &["mutex"]);
    Row {
        id: "empty-mutex",
        title: "Empty tasks, against the mutex variant",
        parts: vec![ratios.part("at most 0.15 of the mutex variant in every (S, max) cell", 0.15)],
        detail: empty_grid(&ratios, |_| 0.15),
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
    let mut ratios = Ratios::default();
    for cell in cells {
        let own = run.median("free", &cell, "admit", Metric::Ns);
        let against = "spinning hand-off".to_string();
        match (own, run.floor("free", &against)) {
            (Some(own), Some(other)) => {
                ratios.list.push(Ratio { setting: "free", cell, own, other, against })
            }
            _ => ratios.missing += 1,
        }
    }
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

fn timed(run: &Run, setting: &'static str, workloads: &[&str], pools: &[&str]) -> Ratios {
    let cells: Vec<Cell> = workloads.iter().flat_map(|workload| run.cells(workload, Some(setting))).collect();
    let mut ratios = Ratios::new(run, setting, &cells, Metric::Ns, pools);
    // A workload without a single cell in this setting has not been measured.
    ratios.missing +=
        workloads.iter().filter(|workload| run.cells(workload, Some(setting)).is_empty()).count();
    ratios
}

fn pinned(run: &Run) -> Row {
    let switches = |max| run.stat("pinned", &Cell::empty(1, max), "admit", Metric::Switches);
    let first = switches(1);
    let mut along = Vec::new();
    for max in MAXES {
        along.extend(switches(max).map(|stat| (max, stat)));
    }
    let steps: Vec<String> =
        along.iter().map(|(max, stat)| format!("{} at max={max}", digits(stat.median))).collect();
    // Falling: never up by more than the spread, and lower at the end than at the start.
    let rises = along.windows(2).any(|pair| pair[0].1.below(&pair[1].1));
    let falls = match (along.first(), along.last()) {
        (Some(first), Some(last)) if first.0 < last.0 => Some(!rises && last.1.median < first.1.median),
        _ => None,
    };
    let time = timed(run, "pinned", &TIMED, &run.rivals());
    let mut table = Vec::new();
    for pool in [&["admit"][..], &run.rivals()].concat() {
        let shown = MAXES.iter().map(|&max| {
            run.median("pinned", &Cell::empty(1, max), pool, Metric::Switches).map_or("-".into(), digits)
        });
        table.push((pool.to_string(), shown.collect()));
    }
    let heads = MAXES.iter().map(|max| format!("max={max}")).collect();
    Row {
        id: "pinned",
        title: "Pinned to one core",
        parts: vec![
            Part {
                target: "at most 1.0 context switches per task at (S=1, max=1)",
                reached: first.map_or("-".into(), |stat| ratio_beside(stat.median, 1.0)),
                met: first.map(|stat| stat.median <= 1.0),
            },
            Part {
                target: "context switches per task falling with max",
                reached: if steps.is_empty() { "-".into() } else { steps.join(", ") },
                met: falls,
            },
            time.part("time at most 1.0 of every other pool with the same admission", 1.0),
        ],
        detail: format!(
            "Context switches per task, S=1:\n\n{}Time against the best other pool:\n\n{}",
            grid("", heads, &table),
            time.table(1.0, Unit::Time)
        ),
    }
}

fn busy(run: &Run) -> Row {
    let workloads = [&TIMED[..], &["sleeps"]].concat();
    let ratios = timed(run, "busy", &workloads, &["admit, no spinning"]);
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
    let stat = |s, max| run.stat("free", &Cell::empty(s, max), "admit", Metric::Ns);
    let maxes: Vec<u64> = {
        let mut maxes = MAXES.to_vec();
        maxes.extend(run.cells("empty", Some("free")).iter().map(|cell| cell.max));
        maxes.sort();
        maxes.dedup();
        maxes
    };
    // The steepest way up from a smaller pool to a larger one that is more than the spread.
    let (mut steepest, mut missing): (Option<(f64, String)>, _) = (None, 0);
    let mut rows = Vec::new();
    for s in SUBMITTERS {
        let line: Vec<_> = maxes.iter().filter_map(|&max| Some((max, stat(s, max)?))).collect();
        missing += MAXES.iter().filter(|&&max| stat(s, max).is_none()).count();
        for (place, (small, less)) in line.iter().enumerate() {
            for (large, more) in &line[place + 1..] {
                let times = more.median / less.median;
                if less.below(more) && steepest.as_ref().is_none_or(|(most, _)| times > *most) {
                    steepest = Some((times, format!("S={s}, from max={small} to max={large}")));
                }
            }
        }
        let medians = line.iter().map(|(_, stat)| stat.median);
        let (least, most) = (medians.clone().reduce(f64::min), medians.reduce(f64::max));
        let shown =
            maxes.iter().map(|&max| stat(s, max).map_or("-".into(), |stat| Unit::Time.show(stat.median)));
        let span = least.zip(most).map_or("-".into(), |(least, most)| digits(most / least));
        rows.push((format!("S={s}"), shown.chain([span]).collect()));
    }
    let mut over_s = Ratios::default();
    let mut spans = Vec::new();
    for &max in &maxes {
        let medians: Vec<f64> = SUBMITTERS.iter().filter_map(|&s| Some(stat(s, max)?.median)).collect();
        let least = medians.iter().copied().reduce(f64::min);
        let most = medians.iter().copied().reduce(f64::max);
        spans.push(least.zip(most).map_or("-".into(), |(least, most)| digits(most / least)));
        for &s in &SUBMITTERS[1..] {
            match (stat(1, max), stat(s, max)) {
                (Some(one), Some(many)) => over_s.list.push(Ratio {
                    setting: "free",
                    cell: Cell::empty(s, max),
                    own: many.median,
                    other: one.median,
                    against: "S=1".into(),
                }),
                _ => over_s.missing += 1,
            }
        }
    }
    rows.push(("largest over smallest".into(), spans.into_iter().chain([String::new()]).collect()));
    let heads =
        maxes.iter().map(|max| format!("max={max}")).chain(["largest over smallest".into()]).collect();
    Row {
        id: "growth",
        title: "Growth of the time per task",
        parts: vec![
            Part {
                target: "does not grow with max by more than the spread",
                reached: steepest.as_ref().map_or_else(
                    || if missing == 0 { "does not grow".into() } else { "-".into() },
                    |(times, way)| format!("grows {} times ({way})", ratio_beside(*times, 1.0)),
                ),
                met: if steepest.is_some() { Some(false) } else { (missing == 0).then_some(true) },
            },
            over_s.part("at most 1.5 times from S=1 to S=8", 1.5),
        ],
        detail: grid("", heads, &rows),
    }
}
