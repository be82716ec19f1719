//! The pool beside what its users would pick instead, and beside what the machine can do at best.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- measure [quick] [PARTS OF NAMES...]
//! ```
//!
//! measures everything and replaces docs/bench/results.jsonl; with parts of names only what contains all of them
//! (`free/empty/S1/max4/size0/admit` is a whole name), printed. `quick` runs everything once for a moment, to see that
//! it runs.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- report
//! ```
//!
//! makes docs/BENCHMARKS.md and its pictures from what was measured.
//!
//! The program runs itself: `one` measures one pool in one cell, `spin` keeps a core busy.

mod allocator;
mod cell;
mod figures;
mod floors;
mod measure;
mod plan;
mod pools;
#[cfg(feature = "report")]
mod report;
mod system;
mod variants;
#[path = "../../workload/mod.rs"]
mod workload;

use cell::{Cell, Effort};
use plan::Setting;
use std::{env, error::Error, hint, process::ExitCode, time::Duration};

/// No measurement takes longer than so many seconds, unless it hangs.
const LIMIT: u32 = 60;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["measure", "quick", ..] => measure::measure(true, &arguments[2..]),
        ["measure", ..] => measure::measure(false, &arguments[1..]),
        #[cfg(feature = "report")]
        ["report"] => report(),
        ["one", setting, pool, cell, effort, millis] => one(setting, pool, cell, effort, millis),
        ["spin", core] => spin(core),
        _ => Err("measure [quick] [PARTS OF NAMES...] | report".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the document and its pictures of what was measured last.
#[cfg(feature = "report")]
fn report() -> Result<(), Box<dyn Error>> {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let bench = docs.join("bench");
    report::report(&bench.join("results.jsonl"), &docs.join("BENCHMARKS.md"), &bench)
}

/// A child's work: prints the measured fields of a line.
fn one(setting: &str, pool: &str, cell: &str, effort: &str, millis: &str) -> Result<(), Box<dyn Error>> {
    system::limit(LIMIT);
    system::end_with_parent();
    let setting = Setting::parse(setting).ok_or("no such setting")?;
    if setting == Setting::Pinned {
        // The last core: the first has more interrupts to serve.
        system::pin(system::cores() - 1);
    }
    let cell = Cell::parse(cell).ok_or("no such cell")?;
    let effort = Effort { quick: effort == "quick", time: Duration::from_millis(millis.parse()?) };
    let figures = match pools::all().find(|known| known.name == pool) {
        Some(pool) => (pool.measure)(cell, effort),
        None => floors::figures(pool, effort).ok_or("no such pool")?,
    };
    println!("{}", serde_json::Value::Object(figures::finish(cell, figures)));
    Ok(())
}

fn spin(core: &str) -> Result<(), Box<dyn Error>> {
    system::end_with_parent();
    system::pin(core.parse()?);
    loop {
        hint::spin_loop();
    }
}
