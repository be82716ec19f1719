//! House rules that a machine can check. See docs/ARCHITECTURE.md and docs/PROTOCOL.md.
#![cfg(not(loom))]

use std::{collections::BTreeSet, fs, path::Path};

/// The modules in reading order: each may use only those of lower layers (and `pool` is named by errors and
/// the builder, whose texts cite its limits).
const LAYERS: [&[&str]; 10] = [
    &["sync", "word", "unwind"],
    &["strangers", "arena", "cell"],
    &["look"],
    &["park"],
    &["task"],
    &["slots", "queue"],
    &["admission"],
    &["worker"],
    &["error", "handle", "submit"],
    &["pool", "builder"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_string(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 10, "the sources were not found");
    files
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap()
}

#[test]
fn modules_use_only_lower_layers() {
    // Goal: no circles. Method: every `crate::module` and every name in `use crate::{..}` against the layers.
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    for (module, text) in sources().iter().filter(|(module, _)| module != "lib") {
        let own = layer(module).unwrap_or_else(|| panic!("{module} has no layer"));
        let body: String = text.lines().map(code).collect::<Vec<_>>().join("\n");
        for other in LAYERS.concat().into_iter().filter(|other| other != module) {
            let used = body.contains(&format!("crate::{other}"))
                || body.split("use crate::{").nth(1).is_some_and(|list| {
                    let list = list.split("};").next().unwrap();
                    list.split([',', '\n', ' '])
                        .any(|name| name.starts_with(&format!("{other}::")) || name == other)
                });
            let level = layer(other).unwrap();
            assert!(
                !used || level < own || level == own && own == 8,
                "{module} uses {other}, which is not below it"
            );
        }
    }
}

#[test]
fn loom_is_known_to_sync_alone() {
    // Goal: one door to loom. Method: the word `loom` in code elsewhere.
    for (module, text) in sources().iter().filter(|(module, _)| module != "sync") {
        let named = text.lines().map(code).any(|line| line.contains("loom"));
        assert!(!named, "{module} knows of loom");
    }
}

#[test]
fn no_lock_and_no_sequential_consistency() {
    // Goal: no lock on any path, no SeqCst. Method: the words, outside loom's side of `sync`.
    for (module, text) in sources() {
        let text =
            if module == "sync" { text.split("#[cfg(loom)]").next().unwrap().to_string() } else { text };
        for word in ["Mutex", "RwLock", "Condvar", "mpsc", "SeqCst", "fence("] {
            assert!(!text.lines().map(code).any(|line| line.contains(word)), "{module} has {word}");
        }
    }
}

#[test]
fn every_ordering_has_its_reason_above() {
    // Goal: each atomic operation says why. Method: a comment that begins with an ordering's name within the
    // nine lines above each ordering in code.
    for (module, text) in sources().iter().filter(|(module, _)| module != "sync") {
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| code(line).contains("Ordering::")) {
            if code(line).trim_start().starts_with("use ") {
                continue;
            }
            let explained = lines[at.saturating_sub(9)..at].iter().any(|above| {
                let above = above.trim_start();
                ["Relaxed", "Acquire", "Release", "AcqRel"].iter().any(|name| {
                    above.starts_with(&format!("// {name}"))
                        || above.starts_with("//") && above.contains(&format!(". {name}"))
                })
            });
            assert!(explained, "{module}.rs:{}: no reason for {}", at + 1, line.trim());
        }
    }
}

#[test]
fn every_tag_has_a_row_and_every_row_is_used() {
    // Goal: both ends of each pair are named. Method: the tags in brackets against the table in PROTOCOL.md.
    let table = fs::read_to_string(root().join("docs/PROTOCOL.md")).unwrap();
    let table = table.split("## The pairs").nth(1).expect("the table of pairs");
    let rows: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|tag| tag.chars().all(char::is_uppercase))
        .collect();
    let mut used = BTreeSet::new();
    for (module, text) in sources() {
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            for name in ["Relaxed", "Acquire", "Release", "AcqRel"] {
                let Some(tag) = line.split(&format!("{name} [")).nth(1) else { continue };
                let tag = tag.split(']').next().unwrap().to_string();
                assert!(rows.contains(&*tag), "{module}: [{tag}] has no row in PROTOCOL.md");
                used.insert(tag);
            }
        }
    }
    for row in rows {
        assert!(used.contains(row), "the row {row} of PROTOCOL.md is named nowhere in the code");
    }
}

#[test]
fn files_and_functions_stay_small() {
    // Goal: one idea a file. Method: lengths.
    for (module, text) in sources() {
        assert!(text.lines().count() < 400, "{module} has {} lines", text.lines().count());
        let mut start = None;
        for (at, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if code(line).contains("fn ") && code(line).trim_end().ends_with('{') {
                start = Some((at, indent));
            }
            if let Some((from, depth)) = start.filter(|&(_, depth)| line.trim() == "}" && indent == depth) {
                assert!(at - from <= 50, "{module}.rs:{}: a function of {} lines", from + 1, at - from);
                let _ = depth;
                start = None;
            }
        }
    }
}
