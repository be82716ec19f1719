//! What a whole run measures, in which setting, how often.

use crate::{
    cell::{Cell, Effort, Kind},
    floors::{CACHE_LINE, FLOORS, HAND_OFF},
    pools::{self, Group},
    system::cores,
    variants::{NO_SPINNING, VARIANTS},
    workload::Pool,
};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Free,
    /// The process and all its threads on one core.
    Pinned,
    /// One busy process on each core beside it.
    Busy,
}

impl Setting {
    const ALL: [Setting; 3] = [Setting::Free, Setting::Pinned, Setting::Busy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Setting::Free => "free",
            Setting::Pinned => "pinned",
            Setting::Busy => "busy",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Setting> {
        Setting::ALL.into_iter().find(|setting| setting.name() == text)
    }
}

/// One pool, or floor, that is measured in a cell.
#[derive(Clone, Copy)]
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// The name that the measuring program knows it by.
    pub(crate) run_as: &'static str,
    pub(crate) rounds: usize,
}

impl Entrant {
    /// Whether it takes part in this one of so many rounds. Its own are spread over all of them.
    pub(crate) fn has_turn(&self, round: usize, of: usize) -> bool {
        let before = |round: usize| round * self.rounds / of;
        before(round) < before(round + 1)
    }
}

/// One cell in one setting, and all who take turns there.
pub(crate) struct Step {
    pub(crate) setting: Setting,
    pub(crate) cell: Cell,
    pub(crate) entrants: Vec<Entrant>,
    pub(crate) effort: Effort,
}

impl Step {
    pub(crate) fn rounds(&self) -> usize {
        self.entrants.iter().map(|entrant| entrant.rounds).max().unwrap_or(0)
    }

    /// About how long it takes.
    pub(crate) fn takes(&self) -> Duration {
        let children: usize = self.entrants.iter().map(|entrant| entrant.rounds).sum();
        self.cell.takes(self.effort) * children as u32
    }
}

/// The steps whose names contain all of `parts`.
pub(crate) fn plan(quick: bool, parts: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    for setting in Setting::ALL {
        for cell in cells(setting, quick) {
            let effort = Effort {
                quick,
                time: if quick { Duration::from_millis(2) } else { time(setting, cell.kind) },
            };
            let entrants = entrants(setting, cell).into_iter().filter(|entrant| {
                let name = format!("{}/{cell}/{}", setting.name(), entrant.name);
                parts.iter().all(|part| name.contains(part))
            });
            let rounds = |entrant: Entrant| Entrant {
                rounds: if quick { 1 } else { rounds(setting, cell.kind, entrant.group) },
                ..entrant
            };
            let entrants: Vec<_> = entrants.map(rounds).collect();
            if !entrants.is_empty() {
                steps.push(Step { setting, cell, entrants, effort });
            }
        }
    }
    steps
}

/// How long a measurement lasts.
fn time(setting: Setting, kind: Kind) -> Duration {
    Duration::from_millis(match (setting, kind) {
        (Setting::Free, _) => 60,
        // So that what happens once, when it begins and ends, weighs little.
        (Setting::Pinned, _) => 120,
        // For many time slices, and some dozens of batches.
        (Setting::Busy, Kind::Batch) => 240,
        (Setting::Busy, _) => 120,
    })
}

/// Odd, so that the median is one of the measured values.
fn rounds(setting: Setting, kind: Kind, group: Group) -> usize {
    match (kind, setting, group) {
        // The counts do not vary.
        (Kind::Allocations, ..) => 1,
        (Kind::Sleeps | Kind::CreateWithThreads, ..) => 3,
        (Kind::BlockedInSpawn | Kind::BlockedInWait | Kind::BlockedInJoin | Kind::Idle, ..) => 3,
        (_, Setting::Free, Group::Unbounded) | (_, _, Group::Curve) => 5,
        // Short, and decided by how the threads meet.
        (Kind::RoundTrip, Setting::Free, Group::Admit | Group::Mutex | Group::Floor) => 21,
        // Decided by how soon a core wakes up.
        (Kind::Rested, Setting::Free, Group::Admit | Group::Mutex) => 41,
        (_, Setting::Free, Group::Admit | Group::Mutex | Group::Floor) => 11,
        (_, Setting::Free, Group::Same) => 7,
        // Decided by whose time slice ends when.
        (Kind::Batch, Setting::Busy, Group::Admit | Group::Mutex) => 21,
        (_, Setting::Busy, Group::Admit | Group::Mutex) => 5,
        _ => 3,
    }
}

fn cells(setting: Setting, quick: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |kind, submitters, max, size| cells.push(Cell::new(kind, submitters, max, size));
    if setting == Setting::Free {
        add(Kind::Floor, 0, 0, 0);
    }
    for submitters in [1, 2, 4, 8] {
        for max in [1, 2, 4, 16, 100] {
            add(Kind::Empty, submitters, max, 0);
        }
    }
    for max in [1, 4] {
        add(Kind::RoundTrip, 1, max, 0);
    }
    add(Kind::Rested, 1, 1, 0);
    for max in [cores(), 100] {
        for size in [1, 10, 100] {
            add(Kind::Batch, 1, max, size);
        }
    }
    add(Kind::Panic, 1, 1, 0);
    add(Kind::Fairness, 8, 1, 0);
    if setting == Setting::Free {
        add(Kind::Sleeps, 1, 100, 100);
        add(Kind::Sleeps, 1, 1000, 10);
        for kind in [Kind::BlockedInSpawn, Kind::BlockedInWait, Kind::BlockedInJoin, Kind::Idle] {
            add(kind, 0, 4, 0);
        }
        add(Kind::Allocations, 1, 1, 0);
        for max in [1, 100, 10_000, Pool::MAX] {
            add(Kind::Create, 0, max, 0);
        }
        // Rayon takes seconds for a thousand.
        for max in [1, 100, 1000].into_iter().filter(|max| !quick || *max < 1000) {
            add(Kind::CreateWithThreads, 0, max, 0);
        }
    }
    cells
}

fn entrants(setting: Setting, cell: Cell) -> Vec<Entrant> {
    let floor = |name| Entrant { name, group: Group::Floor, run_as: name, rounds: 0 };
    if cell.kind == Kind::Floor {
        return FLOORS.iter().map(|&(name, _)| floor(name)).collect();
    }
    let pools = pools::all().filter(|pool| cell.suits(pool) && takes_part(setting, cell, pool.group));
    let pools =
        pools.map(|pool| Entrant { name: pool.name, group: pool.group, run_as: pool.name, rounds: 0 });
    let [itself, others @ ..] = &pools.collect::<Vec<_>>()[..] else { return Vec::new() };
    let variants = VARIANTS.iter().map(|&(name, _)| {
        let group = if name == NO_SPINNING { Group::Admit } else { Group::Curve };
        Entrant { name, group, ..*itself }
    });
    let variants = variants.filter(|variant| takes_part(setting, cell, variant.group));
    let beside = beside(setting, cell.kind).into_iter().map(floor);
    [*itself].into_iter().chain(beside).chain(variants).chain(others.iter().copied()).collect()
}

/// The floor that takes its turns beside the pool, since how near the cores are changes from one moment to the next: the
/// one that the target speaks of, or the one that tells what the machine was like.
fn beside(setting: Setting, kind: Kind) -> Option<&'static str> {
    match (setting, kind) {
        (Setting::Free, Kind::RoundTrip) => Some(HAND_OFF),
        (Setting::Free, Kind::Empty) => Some(CACHE_LINE),
        _ => None,
    }
}

fn takes_part(setting: Setting, cell: Cell, group: Group) -> bool {
    let is_timed_only =
        matches!(cell.kind, Kind::Empty | Kind::RoundTrip | Kind::Rested | Kind::Batch | Kind::Panic);
    match group {
        Group::Admit | Group::Mutex => true,
        // Beside busy processes everything takes long, and the corners tell.
        Group::Same if setting == Setting::Busy && cell.kind == Kind::Empty => {
            matches!((cell.submitters, cell.max), (1 | 8, 1 | 100))
        }
        Group::Same => true,
        Group::Unbounded => setting == Setting::Free && is_timed_only,
        Group::Curve => setting != Setting::Pinned && is_on_the_curve(cell),
        Group::Floor => false,
    }
}

/// What shows whether threads look for too short or too long.
fn is_on_the_curve(cell: Cell) -> bool {
    match cell.kind {
        Kind::Empty => matches!((cell.submitters, cell.max), (1, 1) | (2, 2)),
        Kind::RoundTrip => cell.max == 1,
        Kind::Rested => true,
        Kind::Batch => (cell.max, cell.size) == (cores(), 1),
        _ => false,
    }
}
