//! One workload with its parameters: what a child process is told to measure.

use crate::pools::Contender;
use serde_json::{Map, Value};
use std::{fmt, time::Duration};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Empty,
    RoundTrip,
    Rested,
    Batch,
    Sleeps,
    Panic,
    BlockedInSpawn,
    BlockedInWait,
    BlockedInJoin,
    Idle,
    Fairness,
    Allocations,
    Create,
    CreateWithThreads,
    Floor,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Empty,
        Kind::RoundTrip,
        Kind::Rested,
        Kind::Batch,
        Kind::Sleeps,
        Kind::Panic,
        Kind::BlockedInSpawn,
        Kind::BlockedInWait,
        Kind::BlockedInJoin,
        Kind::Idle,
        Kind::Fairness,
        Kind::Allocations,
        Kind::Create,
        Kind::CreateWithThreads,
        Kind::Floor,
    ];

    /// The name of the workload, and what distinguishes this one from others of that name.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Empty => ("empty", ""),
            Kind::RoundTrip => ("round_trip", ""),
            Kind::Rested => ("rested", ""),
            Kind::Batch => ("batch", ""),
            Kind::Sleeps => ("sleeps", ""),
            Kind::Panic => ("panic", ""),
            Kind::BlockedInSpawn => ("blocked", "spawn"),
            Kind::BlockedInWait => ("blocked", "wait"),
            Kind::BlockedInJoin => ("blocked", "join"),
            Kind::Idle => ("blocked", "idle"),
            Kind::Fairness => ("fairness", ""),
            Kind::Allocations => ("allocations", ""),
            Kind::Create => ("create", ""),
            Kind::CreateWithThreads => ("create", "threads"),
            Kind::Floor => ("floor", ""),
        }
    }

    /// Its name on the command line.
    fn key(self) -> String {
        match self.names() {
            (workload, "") => workload.into(),
            (workload, what) => format!("{workload}-{what}"),
        }
    }

    fn is_blocked(self) -> bool {
        matches!(self, Kind::BlockedInSpawn | Kind::BlockedInWait | Kind::BlockedInJoin | Kind::Idle)
    }
}

/// What has no meaning for a workload is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) submitters: usize,
    pub(crate) max: usize,
    pub(crate) size: usize,
}

impl Cell {
    pub(crate) fn new(kind: Kind, submitters: usize, max: usize, size: usize) -> Cell {
        Cell { kind, submitters, max, size }
    }

    /// The inverse of `Display`.
    pub(crate) fn parse(text: &str) -> Option<Cell> {
        let mut parts = text.split('/');
        let key = parts.next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.key() == key)?;
        let mut number = |letter| parts.next()?.strip_prefix(letter)?.parse().ok();
        Some(Cell { kind, submitters: number("S")?, max: number("max")?, size: number("size")? })
    }

    /// The fields of a line that name the cell.
    pub(crate) fn describe(self, line: &mut Map<String, Value>) {
        line.insert("workload".into(), self.kind.names().0.into());
        for (name, number) in [("submitters", self.submitters), ("max", self.max), ("size", self.size)] {
            line.insert(name.into(), number.into());
        }
    }

    /// What `extra` says about the cell.
    pub(crate) fn extra(self, cores: usize) -> Map<String, Value> {
        let mut extra = Map::new();
        match self.kind {
            Kind::Batch => {
                let ideal = crate::workload::BATCH * self.size * 1000 / cores;
                extra.insert("ideal_ns".into(), ideal.into());
            }
            Kind::CreateWithThreads => {
                extra.insert("threads".into(), self.max.into());
            }
            kind if kind.is_blocked() => {
                extra.insert("what".into(), kind.names().1.into());
            }
            _ => {}
        }
        extra
    }

    /// Whether the pool can be asked this.
    pub(crate) fn suits(self, pool: &Contender) -> bool {
        match self.kind {
            Kind::BlockedInWait => pool.waits,
            Kind::Create => pool.lazy && self.max <= pool.most,
            Kind::Floor => false,
            _ => self.max <= pool.most,
        }
    }

    /// About how long a child process takes for it.
    pub(crate) fn takes(self, effort: Effort) -> Duration {
        let start = Duration::from_millis(8);
        start
            + match self.kind {
                Kind::Sleeps => Duration::from_micros((effort.sleeps_each() * self.size) as u64 * 1100),
                Kind::Allocations => effort.time / 4,
                Kind::Create => effort.time * 3 / 2,
                Kind::CreateWithThreads => effort.time * 3 / 2 + Duration::from_micros(self.max as u64 * 150),
                Kind::Rested => effort.time * 5,
                kind if kind.is_blocked() => effort.settle() + effort.blocked(),
                _ => effort.time * 3 / 2,
            }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell { kind, submitters, max, size } = self;
        write!(f, "{}/S{submitters}/max{max}/size{size}", kind.key())
    }
}

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Everything once and for a moment, to see that it runs.
    pub(crate) quick: bool,
    /// What one measurement is to take, after the warm-up.
    pub(crate) time: Duration,
}

impl Effort {
    /// How long threads are watched while they do nothing.
    pub(crate) fn blocked(self) -> Duration {
        Duration::from_millis(if self.quick { 10 } else { 400 })
    }

    /// How long they have before that to come to rest.
    pub(crate) fn settle(self) -> Duration {
        Duration::from_millis(if self.quick { 10 } else { 100 })
    }

    /// How many sleeps each worker has.
    pub(crate) fn sleeps_each(self) -> usize {
        if self.quick { 1 } else { 10 }
    }
}
