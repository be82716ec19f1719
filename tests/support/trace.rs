//! Ties the code to the models of the protocol: every change of the word and of a ring cell has to be a row of
//! docs/spec/transitions.tsv, the table that the TLA+ specification and the proofs read as well.
//!
//! The checkers that run one thread at a time (loom, shuttle) call [`begin`] before each execution; from then
//! on every successful RMW is looked up when it happens. Besides the table: a pop brings back exactly the state
//! that the slot was pushed onto, and no push of a slot has the number of an earlier one; and a change of a cell is made by
//! the function that may make it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    panic::Location,
};

use crate::{
    sync::ROOM,
    word::{State, Word},
};

const TABLE: &str = include_str!("../../docs/spec/transitions.tsv");

const QUEUE: &str = include_str!("../../src/queue.rs");

/// The functions of the queue, and the rows that they make.
const MAKERS: [(&str, &[&str]); 3] =
    [("install", &["INSTALL"]), ("withdraw", &["WITHDRAW"]), ("claim", &["CLAIM", "SEAL", "INHERIT"])];

/// For each line of the queue's source, the function in which it stands.
fn functions() -> Vec<&'static str> {
    let name = |line: &'static str| line.split_once("fn ")?.1.split(['(', '<']).next();
    let named = |current: &mut &'static str, line: &'static str| {
        if !line.contains("//") {
            *current = name(line).unwrap_or(*current);
        }
        Some(*current)
    };
    QUEUE.lines().scan("", named).collect()
}

/// Stands for a maximum that has not shown itself yet.
const MANY: i64 = 1 << 20;

/// What the table speaks of: the word first, then a cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Vars {
    free: i64,
    waiting: i64,
    head: i64,
    closed: i64,
    watched: i64,
    wave: i64,
    short: i64,
    max: i64,
    room: i64,
    at: i64,
    seat: i64,
    p: i64,
    mine: i64,
}

impl Vars {
    fn place(&mut self, name: &str) -> &mut i64 {
        match name {
            "free" => &mut self.free,
            "waiting" => &mut self.waiting,
            "head" => &mut self.head,
            "closed" => &mut self.closed,
            "watched" => &mut self.watched,
            "wave" => &mut self.wave,
            "short" => &mut self.short,
            "max" => &mut self.max,
            "room" => &mut self.room,
            "at" => &mut self.at,
            "seat" => &mut self.seat,
            "p" => &mut self.p,
            "mine" => &mut self.mine,
            _ => panic!("{name} in the table"),
        }
    }
}

struct Row {
    object: &'static str,
    event: &'static str,
    guard: Vec<(&'static str, &'static str, &'static str)>,
    change: Vec<(&'static str, &'static str)>,
}

/// What is known about one word.
#[derive(Default)]
struct Shadow {
    out: HashSet<u16>,
    beneath: HashMap<u16, State>,
    pushes: HashMap<u16, u32>,
    max: Option<i64>,
    head: Option<i64>,
}

struct Trace {
    rows: Vec<Row>,
    shadows: HashMap<u64, Shadow>,
    /// The rows that allow a change, as far as they have been looked up.
    known: HashMap<(&'static str, Vars, Vars), Vec<usize>>,
    /// The functions of the queue, by line.
    functions: Vec<&'static str>,
    /// A row that is taken to be missing.
    dropped: Option<&'static str>,
    /// How often each row was.
    seen: Vec<u64>,
    /// Whether every change is printed, for the eye.
    loud: bool,
}

std::thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// A new execution begins on this OS thread.
pub(crate) fn begin() {
    TRACE.with_borrow_mut(|trace| {
        trace.get_or_insert_with(|| {
            let rows = rows();
            Trace {
                seen: vec![0; rows.len()],
                rows,
                shadows: HashMap::new(),
                known: HashMap::new(),
                functions: functions(),
                dropped: None,
                loud: std::env::var_os("ADMIT_REPLAY").is_some(),
            }
        });
        trace.as_mut().unwrap().shadows.clear();
    });
}

/// How often each event was seen on this OS thread since the last call of `end`, which stops the tracing.
pub(crate) fn end() -> BTreeMap<&'static str, u64> {
    let mut seen = BTreeMap::new();
    for (row, count) in TRACE.take().iter().flat_map(|trace| trace.rows.iter().zip(&trace.seen)) {
        if *count > 0 {
            *seen.entry(row.event).or_default() += count;
        }
    }
    seen
}

/// The names of all rows.
pub(crate) fn events() -> Vec<&'static str> {
    rows().into_iter().map(|row| row.event).collect()
}

/// The word in atomic number `id` was changed.
pub(crate) fn changed_word(id: u64, from: Word, to: Word) {
    TRACE.with_borrow_mut(|trace| trace.as_mut().expect("begin() was called").word(id, from, to));
}

/// A cell of the ring was changed by this function.
pub(crate) fn changed_cell(from: u64, to: u64, by: &'static str) {
    TRACE.with_borrow_mut(|trace| trace.as_mut().expect("begin() was called").cell(from, to, by));
}

/// From now on it is as if the table had no such row.
pub(crate) fn drop_row(event: &'static str) {
    TRACE.with_borrow_mut(|trace| trace.as_mut().expect("begin() was called").dropped = Some(event));
}

/// Atomic number `id` was changed.
pub(crate) fn changed(at: &Location<'_>, id: u64, from: u64, to: u64) {
    // A thread that is ending has no locals left.
    let _ = TRACE.try_with(|trace| {
        if let Some(trace) = &mut *trace.borrow_mut() {
            if at.file().ends_with("src/admission.rs") {
                if trace.loud {
                    eprintln!("{}:{}: {:?} to {:?}", at.file(), at.line(), Word(from), Word(to));
                }
                trace.word(id, Word(from), Word(to));
            } else if at.file().ends_with("src/queue.rs") && to >> 32 != 0 {
                if trace.loud {
                    eprintln!("{}:{}: {from:x} to {to:x}", at.file(), at.line());
                }
                trace.cell(from, to, trace.functions[at.line() as usize - 1]);
            }
        }
    });
}

fn rows() -> Vec<Row> {
    let conjuncts = |text: &'static str| text.split(", ").filter(|part| !part.is_empty());
    let row = |line: &'static str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().expect("five columns");
        let (object, event) = (next(), next());
        let guard = conjuncts(next()).map(|part| {
            let operator =
                [" < ", " > ", " = "].into_iter().find(|o| part.contains(o)).expect("a comparison");
            let (left, right) = part.split_once(operator).unwrap();
            (left, operator.trim(), right)
        });
        let guard = guard.collect();
        let change = conjuncts(next()).map(|part| part.split_once(" := ").expect("a change")).collect();
        Row { object, event, guard, change }
    };
    TABLE.lines().skip(1).map(row).collect()
}

/// A sum of names and numbers.
fn value(mut vars: Vars, text: &str) -> i64 {
    let mut sum = 0;
    let mut sign = 1;
    for token in text.split(' ') {
        match token {
            "+" => sign = 1,
            "-" => sign = -1,
            _ => sum += sign * token.parse().unwrap_or_else(|_| *vars.place(token)),
        }
    }
    sum
}

impl Row {
    fn is_enabled(&self, vars: Vars) -> bool {
        self.guard.iter().all(|&(left, operator, right)| {
            let (left, right) = (value(vars, left), value(vars, right));
            match operator {
                "<" => left < right,
                ">" => left > right,
                _ => left == right,
            }
        })
    }

    fn applied(&self, vars: Vars) -> Vars {
        let mut after = vars;
        for &(name, expression) in &self.change {
            let width = match name {
                "wave" => 1 << 12,
                "head" => 1 << 32,
                _ => 1 << 40,
            };
            *after.place(name) = value(vars, expression) % width;
        }
        after
    }
}

impl Trace {
    /// Finds the rows that allow `before` to become `after`, by whom they are made: `word`, or a function of the queue.
    fn look_up(&mut self, by: &'static str, before: Vars, after: Vars) {
        let rows = self.known.entry((by, before, after)).or_insert_with(|| {
            let made = |row: &Row| match MAKERS.iter().find(|(name, _)| *name == by) {
                Some((_, events)) => row.object == "cell" && events.contains(&row.event),
                None => row.object == by,
            };
            let is_there = |row: &Row| self.dropped != Some(row.event);
            let allows = |row: &Row| {
                made(row) && is_there(row) && row.is_enabled(before) && row.applied(before) == after
            };
            (0..self.rows.len()).filter(|&row| allows(&self.rows[row])).collect()
        });
        assert!(!rows.is_empty(), "not in the table: {by} {before:?} -> {after:?}");
        rows.iter().for_each(|&row| self.seen[row] += 1);
    }

    fn word(&mut self, id: u64, from: Word, to: Word) {
        let shadow = self.shadows.entry(id).or_default();
        let before = shadow.vars(from);
        shadow.follow(from, to);
        let after = shadow.vars(to);
        // The maximum may have shown itself just now.
        let before = if before.max == after.max { before } else { shadow.lowered(before) };
        self.look_up("word", before, after);
    }

    fn cell(&mut self, from: u64, to: u64, by: &'static str) {
        let (at, seat) = ((from >> 32) as u32, (from & 0xffff_ffff) as i64);
        let (p, now) = ((to >> 32) as u32, (to & 0xffff_ffff) as i64);
        // Positions are serial numbers: told relative to the new one.
        let at = i64::from(at.wrapping_sub(p) as i32);
        let mine = if now > 0 { now } else { seat };
        let vars = |at, seat| Vars { at, seat, mine, ..Vars::default() };
        self.look_up(by, vars(at, seat), vars(0, now));
    }
}

impl Shadow {
    fn vars(&mut self, word: Word) -> Vars {
        let (waiting, idle) = match word.state() {
            State::Busy { waiting, head } => {
                let first = *self.head.insert(i64::from(head.0));
                assert_eq!(first, i64::from(head.0));
                self.max.get_or_insert(self.out.len() as i64);
                (i64::from(waiting), false)
            }
            State::Idle { .. } => (0, true),
        };
        let max = self.max.unwrap_or(MANY);
        let free = max - self.out.len() as i64;
        assert_eq!(idle, free > 0, "{word:?} with {} of {max} slots out", self.out.len());
        Vars {
            free,
            waiting,
            head: self.head.unwrap_or(0),
            closed: word.is_closed().into(),
            watched: word.is_watched().into(),
            wave: word.wave() as i64,
            short: word.is_short().into(),
            max,
            room: ROOM.into(),
            ..Vars::default()
        }
    }

    /// What was seen of a word when its maximum was not known yet.
    fn lowered(&self, vars: Vars) -> Vars {
        let max = self.max.unwrap_or(MANY);
        Vars { free: vars.free - MANY + max, max, head: self.head.unwrap_or(0), ..vars }
    }

    /// Keeps track of which slots are out, and checks what only the slots know.
    fn follow(&mut self, from: Word, to: Word) {
        match (from.state(), to.state()) {
            (before, after) if before == after => {}
            (before, State::Idle { top, push }) if self.out.contains(&top) => {
                self.out.remove(&top);
                self.beneath.insert(top, before);
                let earlier = self.pushes.insert(top, push);
                assert!(
                    earlier.is_none_or(|earlier| push > earlier),
                    "slot {top}: push {push} after {earlier:?}"
                );
            }
            (State::Idle { top, .. }, after) => {
                assert!(self.out.insert(top), "slot {top} was taken twice");
                if let Some(beneath) = self.beneath.get(&top) {
                    assert_eq!(after, *beneath, "slot {top} was pushed onto another state");
                }
            }
            _ => {}
        }
    }
}
