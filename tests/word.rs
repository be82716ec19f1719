//! The word's transitions, over *all* states of a small configuration and at the edges of every field.
#![cfg(not(loom))]

#[path = "../src/word.rs"]
#[allow(dead_code, unreachable_pub)]
mod word;

use word::{Beneath, Position, State, VALUE_MAX, Word};

/// Every flag combination over `word`, with a few waves.
fn dressed(word: Word) -> impl Iterator<Item = Word> {
    (0..8_u32).flat_map(move |flags| {
        [0, 1, 4094, 4095].map(move |wave| {
            let mut dressed = word;
            for _ in 0..wave {
                dressed = dressed.with_watched().with_quiescence();
            }
            if flags & 1 != 0 {
                dressed = dressed.with_closed();
            }
            if flags & 2 != 0 {
                dressed = dressed.with_watched();
            }
            if flags & 4 != 0 {
                dressed = dressed.with_short();
            }
            dressed
        })
    })
}

const EDGES_16: [u16; 6] = [0, 1, 2, VALUE_MAX - 2, VALUE_MAX - 1, VALUE_MAX];
const EDGES_32: [u32; 6] = [0, 1, 1 << 31, u32::MAX - 1, u32::MAX, 65_536];

fn states() -> Vec<State> {
    let mut states = Vec::new();
    for value in EDGES_16 {
        for stamp in EDGES_32 {
            states.push(State::Idle { top: value, push: stamp });
            states.push(State::Busy { waiting: value, head: Position(stamp) });
        }
    }
    states
}

/// What every transition must leave alone.
fn frame(word: Word) -> (bool, bool, bool, u64) {
    (word.is_closed(), word.is_watched(), word.is_short(), word.wave())
}

#[test]
fn decoding_gives_back_what_was_encoded() {
    // Goal: no field overlaps another. Method: all edges of all fields, crossed.
    for state in states() {
        assert_eq!(frame(Word::new(state)), (false, false, false, 0), "a new word has every flag clear");
        for word in dressed(Word::new(state)) {
            assert_eq!(word.state(), state, "{word:?}");
        }
        let tail = match state {
            State::Busy { waiting, head } => Some(Position(head.0.wrapping_add(u32::from(waiting)))),
            State::Idle { .. } => None,
        };
        assert_eq!(state.tail(), tail);
    }
}

#[test]
fn every_transition_changes_what_it_names_and_nothing_else() {
    // Goal: no overflow into a neighbouring field. Method: every transition at all edges, crossed.
    for state in states() {
        for word in dressed(Word::new(state)) {
            if let State::Busy { waiting, head } = state {
                if waiting < VALUE_MAX {
                    let next = word.with_counted();
                    assert_eq!(next.state(), State::Busy { waiting: waiting + 1, head });
                    assert_eq!(frame(next), frame(word));
                }
                if waiting > 0 {
                    let next = word.with_taken();
                    assert_eq!(next.state(), State::Busy { waiting: waiting - 1, head: head.plus(1) });
                    assert_eq!(next.state().tail(), state.tail(), "WORD-2: a take moves no tail");
                    assert_eq!(frame(next), frame(word));
                }
            }
            if word.waiting() == 0 {
                let frees: &[u16] = if matches!(state, State::Idle { .. }) { &[1, 2, 65_534] } else { &[0] };
                for (slot, &free) in
                    EDGES_16.into_iter().flat_map(|slot| frees.iter().map(move |free| (slot, free)))
                {
                    let next = word.with_pushed(slot, 7);
                    let beneath = word.beneath(free);
                    assert_eq!(beneath.depth(), free + 1);
                    assert_eq!(next.state(), State::Idle { top: slot, push: 7 });
                    assert_eq!(frame(next), frame(word));
                    assert_eq!(next.with_popped(beneath), word, "popping brings back what lay beneath");
                }
            }
            let (closed, watched, short, wave) = frame(word);
            assert_eq!(frame(word.with_closed()), (true, watched, short, wave));
            assert_eq!(frame(word.with_watched()), (closed, true, short, wave));
            assert_eq!(frame(word.with_short()), (closed, watched, true, wave));
            assert_eq!(frame(word.without_short()), (closed, watched, false, wave));
            let next_wave = if watched { (wave + 1) % 4096 } else { wave };
            assert_eq!(frame(word.with_quiescence()), (closed, false, short, next_wave));
            for next in [word.with_closed(), word.with_watched(), word.with_short(), word.with_quiescence()] {
                assert_eq!(next.state(), state);
            }
        }
    }
}

#[test]
fn wrong_transitions_are_refused() {
    // Goal: an impossible step panics with the word in it instead of writing nonsense. Method: each, once.
    let idle = Word::new(State::Idle { top: 3, push: 1 });
    let busy = |waiting| Word::new(State::Busy { waiting, head: Position(9) });
    let wrong: [fn(Word) -> Word; 4] =
        [|w| w.with_popped(Beneath(0)), |w| w.with_pushed(0, 0), Word::with_counted, Word::with_taken];
    let on = [busy(0), busy(1), busy(VALUE_MAX), busy(0)];
    let names_the_word = |transition: fn(Word) -> Word, word| {
        let panic = std::panic::catch_unwind(|| transition(word)).unwrap_err();
        panic.downcast_ref::<String>().is_some_and(|text| text.contains("Word"))
    };
    for (transition, word) in wrong.into_iter().zip(on) {
        assert!(names_the_word(transition, word), "{word:?}");
    }
    assert!(names_the_word(Word::with_taken, idle));
}

#[test]
fn every_reachable_state_of_a_small_pool_keeps_the_books() {
    // Goal: MAX and the impossibility of an idle slot beside a waiting task. Method: all states reachable with
    // three slots and at most three waiting, through every transition.
    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct Model {
        word: u64,
        stack: Vec<(u16, u64)>,
        held: Vec<u16>,
        pushes: [u32; 3],
    }
    let mut word = Word::new(State::Busy { waiting: 0, head: Position(0) });
    let mut first = Model { word: 0, stack: Vec::new(), held: Vec::new(), pushes: [0; 3] };
    for slot in 0..3 {
        first.stack.push((slot, word.beneath(slot).0));
        word = word.with_pushed(slot, 0);
    }
    first.word = word.0;
    let mut seen = std::collections::HashSet::from([first.clone()]);
    let mut todo = vec![first];
    while let Some(model) = todo.pop() {
        let word = Word(model.word);
        let mut next = Vec::new();
        match word.state() {
            State::Idle { top, .. } => {
                let mut after = model.clone();
                let (slot, beneath) = after.stack.pop().expect("the stack is as the word says");
                assert_eq!(slot, top, "the word names the top of the stack");
                after.word = word.with_popped(Beneath(beneath)).0;
                after.held.push(slot);
                after.held.sort_unstable();
                next.push(after);
            }
            State::Busy { waiting, head } => {
                assert!(model.stack.is_empty(), "an idle slot beside {waiting} waiting");
                if waiting < 3 && head.0 < 3 {
                    next.push(Model { word: word.with_counted().0, ..model.clone() });
                }
                if waiting > 0 {
                    next.push(Model { word: word.with_taken().0, ..model.clone() });
                }
            }
        }
        if word.waiting() == 0 {
            for (n, &slot) in model.held.iter().enumerate() {
                let pushes = &mut model.pushes.clone();
                if pushes[usize::from(slot)] == 2 {
                    continue;
                }
                pushes[usize::from(slot)] += 1;
                let mut after = Model { pushes: *pushes, ..model.clone() };
                after.held.remove(n);
                after.stack.push((slot, word.beneath(model.stack.len() as u16).0));
                after.word = word.with_pushed(slot, pushes[usize::from(slot)]).0;
                next.push(after);
            }
        }
        for after in next {
            assert_eq!(after.stack.len() + after.held.len(), 3, "MAX: a slot was lost or doubled");
            if seen.insert(after.clone()) {
                todo.push(after);
            }
        }
    }
    assert!(seen.len() > 1000, "only {} states were reached", seen.len());
}

#[test]
fn the_word_is_the_one_that_was_proved() {
    // Goal: the bit-vector terms of docs/spec/proof_word.py are these functions. Method: every vector that was
    // evaluated from those terms, at the edges of every field and at pseudo-random words.
    let vectors = include_str!("../docs/spec/word_vectors.tsv");
    let mut operations = std::collections::BTreeMap::new();
    for line in vectors.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [word, operation, first, second, result] = fields[..] else { panic!("not a vector: {line}") };
        let number = |field: &str| {
            u64::from_str_radix(field.strip_prefix("0x").expect("hexadecimal"), 16).expect("a number")
        };
        let (bits, first, second) = (number(word), number(first), number(second));
        let word = Word(bits);
        let found = match operation {
            "waiting" => u64::from(word.waiting()),
            "tail" => u64::from(word.state().tail().expect("a busy word").0),
            "wave" => word.wave(),
            "beneath" => word.beneath(first as u16).0,
            "depth" => u64::from(Beneath(bits).depth()),
            "is_closed" => u64::from(word.is_closed()),
            "is_watched" => u64::from(word.is_watched()),
            "is_short" => u64::from(word.is_short()),
            "is_before" => u64::from(Position(bits as u32).is_before(Position(first as u32))),
            "with_popped" => word.with_popped(Beneath(first)).0,
            "with_pushed" => word.with_pushed(first as u16, second as u32).0,
            "with_counted" => word.with_counted().0,
            "with_taken" => word.with_taken().0,
            "with_closed" => word.with_closed().0,
            "with_watched" => word.with_watched().0,
            "with_quiescence" => word.with_quiescence().0,
            "with_short" => word.with_short().0,
            "without_short" => word.without_short().0,
            other => panic!("no such operation: {other}"),
        };
        assert_eq!(found, number(result), "{line}");
        *operations.entry(operation).or_insert(0) += 1;
    }
    assert_eq!(operations.len(), 18, "operations without a vector: {operations:?}");
    assert!(operations.values().all(|&vectors| vectors >= 10), "too few vectors: {operations:?}");
}

#[test]
fn positions_compare_across_the_wrap() {
    // Goal: WORD-2 across the wrap. Method: neighbours around the largest number.
    assert!(Position(u32::MAX).is_before(Position(0)));
    assert!(!Position(0).is_before(Position(u32::MAX)));
    assert!(!Position(5).is_before(Position(5)));
    assert_eq!(Position(u32::MAX).plus(2), Position(1));
}

#[test]
fn a_word_shows_its_fields() {
    // Goal: a panic over a wrong transition names the state. Method: the text of a word with every field set.
    let word = Word::new(State::Busy { waiting: 5, head: Position(9) });
    let text = format!("{:?}", word.with_watched().with_quiescence().with_closed().with_short());
    for part in ["waiting: 5", "Position(9)", "closed: true", "watched: false", "short: true", "wave: 1"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
