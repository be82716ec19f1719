//! The report over lines that a small generator makes up: every workload, setting and pool of the schema.

use super::palette::UNBOUNDED;
use super::*;
use lines::{MAXES, SETTINGS, SUBMITTERS};
use serde_json::{Value, json};

const SAME: [&str; 10] = [
    "kanal",
    "flume",
    "crossbeam",
    "sync_channel",
    "threadfin",
    "threadpool + semaphore",
    "rayon + semaphore",
    "rusty_pool + semaphore",
    "tokio + semaphore",
    "thread per task + semaphore",
];
const FLOORS: [(&str, f64); 9] = [
    ("cas", 6.0),
    ("cas, 2 threads", 45.0),
    ("cache line there and back", 160.0),
    ("park, unpark on one core", 5_000.0),
    ("park, unpark on two cores", 28_000.0),
    ("futex wake", 900.0),
    ("allocation", 22.0),
    ("thread spawn and join", 21_000.0),
    ("spinning hand-off", 280.0),
];
/// The workloads of the schema, written down once more: one that the report forgets must not go unnoticed.
const SCHEMA: [&str; 11] = [
    "empty",
    "round_trip",
    "rested",
    "batch",
    "sleeps",
    "panic",
    "blocked",
    "fairness",
    "allocations",
    "create",
    "floor",
];

/// Each pool with its group and how many times slower than the first one it is made to be.
fn pools() -> Vec<(&'static str, &'static str, f64)> {
    let mut pools =
        vec![("admit", "admit", 1.0), ("admit, no spinning", "admit", 5.0), ("mutex", "mutex", 16.0)];
    pools.extend(SAME.iter().zip(4..).map(|(pool, n)| (*pool, "same", f64::from(n))));
    pools.extend(UNBOUNDED.iter().zip(1..).map(|(pool, n)| (*pool, "unbounded", 0.6 * f64::from(n))));
    pools
}

/// The cells of a workload, each with the time of the fastest pool.
fn cells(workload: &str) -> Vec<Value> {
    match workload {
        "empty" => SUBMITTERS
            .iter()
            .flat_map(|s| MAXES.iter().map(move |max| (*s, *max)))
            .map(|(s, max)| {
                let ns = 250.0 + 20.0 * (s as f64).log2() - 10.0 * (max as f64).log10();
                json!({"submitters": s, "max": max, "ns": ns, "switches": 0.5 / max as f64})
            })
            .collect(),
        "round_trip" => [1, 4].map(|max| json!({"max": max, "ns": 400.0})).to_vec(),
        "rested" => vec![json!({"max": 1, "ns": 30_000.0, "cpu_ns": 9_000.0})],
        "batch" => [1, 10, 100]
            .iter()
            .flat_map(|size| [2, 100].map(|max| (*size, max)))
            .map(|(size, max)| {
                let ideal = 100.0 * f64::from(size) * 500.0;
                json!({"size": size, "max": max, "ns": ideal + 9000.0, "extra": {"ideal_ns": ideal}})
            })
            .collect(),
        "sleeps" => [(100, 100, 1e9), (10, 1000, 1e8)]
            .map(|(size, max, ideal)| json!({"size": size, "max": max, "ns": ideal * 1.001, "extra": {"ideal_ns": ideal}}))
            .to_vec(),
        "panic" => vec![json!({"max": 1, "ns": 2_000.0})],
        "blocked" => ["spawn", "wait", "join", "idle"]
            .map(|what| json!({"max": 1, "cpu_ns": 20_000.0, "extra": {"what": what}}))
            .to_vec(),
        "fairness" => vec![json!({"submitters": 8, "max": 1, "ns": 300.0,
            "extra": {"share_min": 0.9, "share_max": 1.2, "longest_ns": 80_000.0}})],
        "allocations" => {
            vec![json!({"max": 1, "extra": {"allocations": 1.0, "bytes": 96.0, "detached_allocations": 0.0}})]
        }
        "create" => {
            let pools = [1, 100, 10_000, 65_535];
            let bare = pools.map(|max| json!({"max": max, "ns": 90.0 * f64::from(max), "extra": {"bytes": 64 * max}}));
            let made = [1, 100, 1000].map(|max| {
                json!({"max": max, "ns": 20_000.0 * f64::from(max), "extra": {"bytes": 900 * max, "threads": max}})
            });
            bare.into_iter().chain(made).collect()
        }
        other => panic!("no cells for {other}"),
    }
}

fn machine() -> Value {
    json!({"kind": "machine", "date": "2026-01-02T03:04:05Z", "commit": "abc1234", "cpu": "a processor", "cores": 2,
        "kernel": "6.1", "rustc": "1.95.0", "rounds": 3, "command": "measure", "effort": "full"})
}

/// Figures of a cell, with each time made `times` longer and a little different in every round.
fn measure(
    setting: &str,
    workload: &str,
    pool: &str,
    group: &str,
    round: u64,
    times: f64,
    cell: &Value,
) -> Value {
    let mut line = json!({"kind": "measure", "setting": setting, "workload": workload, "pool": pool, "group": group,
        "round": round, "foreign": 0.01, "steal": 0.0});
    let wobble = 1.0 + 0.01 * round as f64;
    for (key, value) in cell.as_object().unwrap() {
        let value = match (key.as_str(), value.as_f64()) {
            ("ns", Some(ns)) if workload == "sleeps" => json!(ns * (1.0 + 0.001 * times * wobble)),
            ("ns" | "cpu_ns", Some(ns)) => json!(ns * times * wobble),
            _ => value.clone(),
        };
        line[key] = value;
    }
    line
}

fn lines() -> Vec<Value> {
    let mut lines = vec![machine()];
    for round in 0..3 {
        for (floor, ns) in FLOORS {
            lines.push(measure("free", "floor", floor, "floor", round, 1.0, &json!({"ns": ns})));
        }
        for (workload, floor, ns) in
            [("round_trip", "spinning hand-off", 300.0), ("empty", "cache line there and back", 200.0)]
        {
            for mut cell in cells(workload) {
                cell["ns"] = json!(if round == 0 { ns / 2.0 } else { ns });
                lines.push(measure("free", workload, floor, "floor", round, 1.0, &cell));
            }
        }
        for setting in SETTINGS {
            for workload in SCHEMA.iter().filter(|workload| **workload != "floor") {
                for (cell, (pool, group, times)) in cells(workload)
                    .iter()
                    .flat_map(|cell| pools().into_iter().map(move |pool| (cell.clone(), pool)))
                {
                    lines.push(measure(setting, workload, pool, group, round, times, &cell));
                }
            }
            for knob in ["bare", "turns"] {
                for value in [0, 10, 100, 1000] {
                    let times = 1.0 + (f64::from(value) / 100.0 - 1.0).abs();
                    for workload in ["empty", "round_trip", "rested", "batch"] {
                        let cell = &cells(workload)[0];
                        let pool = format!("admit, {knob} {value}");
                        lines.push(measure(setting, workload, &pool, "curve", round, times, cell));
                    }
                }
            }
        }
    }
    lines
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn made(lines: &[Value]) -> (String, Vec<(String, String)>) {
    document(&Run::parse(&text(lines)).unwrap(), "", "bench").unwrap()
}

/// The part of the document under the heading that belongs to a workload.
fn section<'a>(document: &'a str, workload: &str) -> &'a str {
    let before = include_str!("template.md").split_once(&format!("{{{{{workload}}}}}")).unwrap().0;
    let title = before.rsplit("\n## ").next().unwrap().lines().next().unwrap();
    let after = document.split_once(&format!("\n## {title}\n")).unwrap().1;
    after.split("\n## ").next().unwrap()
}

/// Goal: nothing of the schema is left out. Each workload has a picture that exists and shows every pool, and a table.
#[test]
fn every_workload_is_drawn() {
    let (document, pictures) = made(&lines());
    for workload in SCHEMA {
        let section = section(&document, workload);
        let linked: Vec<&str> =
            section.split("](bench/").skip(1).map(|rest| rest.split_once(')').unwrap().0).collect();
        assert!(!linked.is_empty(), "{workload} has no picture");
        assert!(section.contains("|---|"), "{workload} has no table");
        let names: Vec<&str> = match workload {
            "floor" => FLOORS.iter().map(|floor| floor.0).collect(),
            _ => pools().iter().map(|pool| pool.0).collect(),
        };
        for file in linked {
            let svg = &pictures.iter().find(|(name, _)| name == file).unwrap().1;
            for name in &names {
                assert!(
                    svg.contains(&format!("\n{name}\n")) || svg.contains(&format!("\n{name} †\n")),
                    "{name} is not in {file}"
                );
            }
            assert!(svg.len() < 60_000, "{file} has {} bytes", svg.len());
        }
    }
    assert!(section(&document, "curve").contains("curve-bare.svg"));
    assert!(!document.contains("{{") && !document.contains("NaN") && !document.contains("inf"));
}

/// Goal: the document can be checked by rebuilding it.
#[test]
fn same_lines_give_same_bytes() {
    assert!(made(&lines()) == made(&lines()));
}

/// Goal: no run is too small or too broken to be shown. Method: drop each workload, each setting, each pool, in turn.
#[test]
fn what_is_missing_is_a_gap() {
    let mut all = lines();
    all.retain(|line| line["round"].as_u64().unwrap_or(0) == 0);
    let keys = ["workload", "setting", "pool"];
    for key in keys {
        let values: std::collections::BTreeSet<&str> =
            all.iter().filter_map(|line| line[key].as_str()).collect();
        for value in values {
            let rest: Vec<Value> = all.iter().filter(|line| line[key] != value).cloned().collect();
            made(&rest);
            let alone = |line: &&Value| line["kind"] == "machine" || line[key] == value;
            let alone: Vec<Value> = all.iter().filter(alone).cloned().collect();
            made(&alone);
        }
    }
    let one = made(&all[..2]).0;
    assert!(one.contains("| empty-mutex | Empty tasks, against the mutex variant | at most 0.15 of the mutex variant in every (S, max) cell | - | not measured |"));
}

/// Goal: a target is met only if each of its cells is there and within it.
#[test]
fn one_cell_makes_a_miss() {
    let row = |lines: &[Value]| {
        let document = made(lines).0;
        document.lines().find(|line| line.starts_with("| empty-mutex |")).unwrap().to_string()
    };
    let mut lines = lines();
    assert!(row(&lines).ends_with("| met |"));

    let cell = |line: &&mut Value| {
        let names = [&line["setting"], &line["workload"], &line["pool"], &line["submitters"], &line["max"]];
        names == [&json!("free"), &json!("empty"), &json!("admit"), &json!(4), &json!(16)]
    };
    for line in lines.iter_mut().filter(cell) {
        line["ns"] = json!(1000.0);
    }
    let missed = row(&lines);
    assert!(missed.ends_with("| **missed** |") && missed.contains("S=4, max=16"), "{missed}");
    let document = made(&lines).0;
    assert!(document.contains("**Why `empty-mutex` is missed:** **not explained yet**"));
    let explained =
        super::document(&Run::parse(&text(&lines)).unwrap(), "## empty-mutex\n\nIt rained.\n", "bench");
    assert!(explained.unwrap().0.contains("**Why `empty-mutex` is missed:** It rained."));

    lines.retain(|line| line["submitters"] != 4 || line["max"] != 16);
    assert!(row(&lines).ends_with("| not measured |"));
}

/// Goal: what explains a miss quotes the run that it explains, or nothing.
#[test]
fn explanations_quote_the_run() {
    let run = Run::parse(&text(&lines())).unwrap();
    let quoted = |asked: &str| quotes::quoted(&run, asked);
    let cell = "free, empty tasks S=1, max=1";
    assert_eq!(quoted(&format!("({{{{{cell} | admit\n| time}}}})")).unwrap(), "(252 ns)");
    assert_eq!(quoted(&format!("{{{{{cell} | mutex / admit | time}}}}")).unwrap(), "16.0");
    assert_eq!(quoted(&format!("{{{{{cell} | admit | time | quartiles}}}}")).unwrap(), "251 ns to 254 ns");
    assert_eq!(quoted("{{free, panics max=1 | admit | time}}").unwrap(), "2.02 µs");
    for wrong in
        ["{{free, empty tasks S=3, max=1 | admit | time}}", "{{free, panics max=1 | admit}}", "{{no end"]
    {
        assert!(quoted(wrong).is_err(), "{wrong}");
    }
}

/// Goal: where another pool is ahead, the document says so, with the ratio and with what is another contract.
#[test]
fn losses_are_listed() {
    let mut lines = lines();
    for line in lines.iter_mut().filter(|line| line["pool"] == "kanal" && line["workload"] == "panic") {
        line["ns"] = json!(1000.0);
    }
    let document = made(&lines).0;
    assert!(
        document
            .contains("| free | Panics max=1 | time per task | 2.02 µs | 0.495 kanal; 0.600 threadpool † |")
    );
    assert!(document.contains("**Panics:** **not explained yet**"));
}

/// Goal: a round counts as near or far by the cache line of that very round, and the floor beside a pool is the one that counts.
#[test]
fn floors_are_taken_where_they_were_measured() {
    let document = made(&lines()).0;
    // One round of three is near, in each of the five cells of a line.
    assert!(document.contains("| S=1 | 5 | 100 ns | "), "near rounds");
    let row = document.lines().find(|line| line.starts_with("| round-trip |")).unwrap();
    // 404 ns of ours over 303, not over the 280 of the floors.
    assert!(row.contains("1.33"), "{row}");
}

/// Goal: what spoils a run stands above its figures.
#[test]
fn a_spoiled_run_says_so() {
    let clean = made(&lines()).0;
    assert!(!clean.contains("noisy") && !clean.contains("in no commit") && !clean.contains("mean little"));
    let mut lines = lines();
    lines[1]["foreign"] = json!(0.4);
    lines[0]["effort"] = json!("quick");
    lines[0]["commit"] = json!("abc1234-dirty");
    let spoiled = made(&lines).0;
    let top = spoiled.split("## The run").next().unwrap();
    assert!(top.contains("noisy") && top.contains("in no commit") && top.contains("a quick run"));
}

/// Goal: what the report cannot show is refused, not left out in silence.
#[test]
fn unknown_is_refused() {
    let refused = |text: &str| {
        let run = Run::parse(text);
        run.and_then(|run| document(&run, "", "bench")).err().unwrap().to_string()
    };
    assert!(refused("").contains("has anything been measured"));
    assert!(refused(&text(&[machine()])).contains("no measurements"));
    assert!(refused(&format!("{}\nrubbish\n", machine())).contains("line 2"));
    let cell = json!({"ns": 1.0});
    assert!(
        refused(&text(&[machine(), measure("free", "juggling", "admit", "admit", 0, 1.0, &cell)]))
            .contains("juggling")
    );
    assert!(
        refused(&text(&[machine(), measure("frozen", "panic", "admit", "admit", 0, 1.0, &cell)]))
            .contains("frozen")
    );
    assert!(explanations("## corners\n\nWrong name.\n").is_err());
}

/// Goal: the quartiles are those of the textbook.
#[test]
fn quartiles_are_interpolated() {
    let stat = lines::Stat::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
    assert_eq!((stat.low, stat.median, stat.high), (1.75, 2.5, 3.25));
}

/// Goal: figures are read without counting zeros.
#[test]
fn figures_have_three_digits() {
    let shown = [0.4, 203.14, 999.7, 28_000.0, 1.5e6, 2e9].map(|ns| units::Unit::Time.show(ns));
    assert_eq!(shown, ["0.400 ns", "203 ns", "1.00 µs", "28.0 µs", "1.50 ms", "2.00 s"]);
    assert_eq!(units::ratio_beside(0.15004, 0.15), "0.1500");
    assert_eq!([0.0434, 0.00012].map(units::digits), ["0.043", "0.00012"]);
}

/// Writes the made-up lines where `LINES` says, to look at what the report makes of them.
#[test]
#[ignore = "for the eye"]
fn write_lines() {
    fs::write(std::env::var("LINES").unwrap(), text(&lines())).unwrap();
}
