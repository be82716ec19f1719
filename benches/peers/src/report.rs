//! The report: from the raw lines of a run to a document with pictures.
//!
//! `lines` reads and sums up, `targets` judges by `ratios`, `workloads` says what is drawn and tabled for each workload, `plots`
//! draws. The prose is in `template.md`, and in the `misses.md` of the run, whose figures `quotes` fills in. The same lines always give the same bytes.

mod curve;
mod lines;
mod losses;
mod nearness;
mod palette;
mod plots;
mod quotes;
mod ratios;
mod scale;
mod sheet;
mod targets;
#[cfg(test)]
mod tests;
mod units;
mod workloads;

use lines::Run;
use sheet::{Sheet, folded};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use targets::Row;
use workloads::{WORKLOADS, heading};

const REBUILD: &str = "cargo run --release --manifest-path benches/peers/Cargo.toml -- report";
/// More than this share of the cores' time used by others is called noise.
const NOISY: f64 = 0.10;

type Made<T = ()> = Result<T, Box<dyn Error>>;

/// Writes the document and its pictures. Explanations of misses are taken from `misses.md` beside the pictures.
pub fn report(jsonl: &Path, out_md: &Path, svg_dir: &Path) -> Made {
    let named = |path: &Path| format!("{}: ", path.display());
    let text = fs::read_to_string(jsonl).map_err(|error| format!("{}{error}", named(jsonl)))?;
    let run = Run::parse(&text).map_err(|error| format!("{}{error}", named(jsonl)))?;
    let misses = svg_dir.join("misses.md");
    let misses = if misses.exists() { fs::read_to_string(misses)? } else { String::new() };
    let folder = out_md.parent().and_then(|parent| svg_dir.strip_prefix(parent).ok()).unwrap_or(svg_dir);
    let (document, pictures) = document(&run, &misses, &folder.display().to_string())?;

    fs::create_dir_all(svg_dir)?;
    for (file, svg) in pictures {
        fs::write(svg_dir.join(file), svg)?;
    }
    Ok(fs::write(out_md, document)?)
}

/// The text of the document, and the files that it shows.
fn document(run: &Run, misses: &str, folder: &str) -> Made<(String, Vec<(String, String)>)> {
    for measure in &run.measures {
        let known = |name: &str| WORKLOADS.iter().any(|workload| workload.name == name);
        if !known(&measure.workload) {
            return Err(format!("the report does not know the workload {:?}", measure.workload).into());
        }
    }
    let why = explanations(&quotes::quoted(run, misses)?)?;
    let mut sheet = Sheet { run, pictures: Vec::new(), folder: folder.into() };
    let mut values = BTreeMap::new();
    let rows = targets::rows(run);
    values.insert("rebuild", REBUILD.to_string());
    values.insert("warnings", warnings(run));
    values.insert("machine", machine(run));
    values.insert("noise", noise(run));
    values.insert("targets", target_table(&rows, &why));
    values.insert("details", details(&rows));
    values.insert("losses", losses(&sheet, &why));
    for workload in &WORKLOADS {
        values.insert(workload.name, sheet.section(workload)?);
    }
    values.insert("curve", curve::curve(&mut sheet)?);
    Ok((fill(include_str!("report/template.md"), &values)?, sheet.pictures))
}

/// Puts values into the places of the template. Each place has a value and each value a place.
fn fill(template: &str, values: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut unused: Vec<&&str> = values.keys().collect();
    let text = filled(template, |name| {
        unused.retain(|unused| **unused != name);
        let value = values.get(name).ok_or(format!("nothing to put in the place of {name}"))?;
        Ok(value.trim_end().to_string())
    })?;
    if !unused.is_empty() {
        return Err(format!("the template has no place for {unused:?}"));
    }
    Ok(text)
}

/// `text` with what `put` gives for each of its places, `{{...}}`.
fn filled(text: &str, mut put: impl FnMut(&str) -> Result<String, String>) -> Result<String, String> {
    let mut parts = text.split("{{");
    let mut done = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (asked, after) = part.split_once("}}").ok_or("a place in a text has no end")?;
        done += &put(asked)?;
        done += after;
    }
    Ok(done)
}

/// `## id` and what follows it: why a target was missed (its id), or why a workload is lost (`lose-` and its name).
fn explanations(misses: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for part in format!("\n{misses}").split("\n## ").skip(1) {
        let (id, text) = part.split_once('\n').unwrap_or((part, ""));
        let id = id.trim();
        let lost =
            |id: &str| WORKLOADS.iter().any(|workload| Some(workload.name) == id.strip_prefix("lose-"));
        if !targets::IDS.contains(&id) && !lost(id) {
            return Err(format!("misses.md explains {id:?}, which is the name of nothing"));
        }
        found.insert(id.to_string(), text.trim().to_string());
    }
    Ok(found)
}

fn machine(run: &Run) -> String {
    let machine = &run.machine;
    let processes = run.measures.len();
    let mut text = String::from("| | |\n|---|---|\n");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("date", &machine.date);
    row("commit", &machine.commit);
    row("processor", &machine.cpu);
    row("cores", &machine.cores.to_string());
    row("kernel", &machine.kernel);
    row("rustc", &machine.rustc);
    row("rounds", &format!("{} ({})", machine.rounds, machine.effort));
    row("command", &format!("`{}`", machine.command));
    row("measurements", &processes.to_string());
    text + "\n"
}

/// What a reader has to know before any figure.
fn warnings(run: &Run) -> String {
    let mut text = String::new();
    if run.machine.effort != "full" {
        let _ = writeln!(text, "**This was a {} run: its figures mean little.**\n", run.machine.effort);
    }
    if run.machine.commit.ends_with("-dirty") {
        text += "**The tree that was measured had changes that are in no commit.**\n\n";
    }
    let noisy = run.measures.iter().filter(|measure| measure.noise() > NOISY).count();
    if noisy > 0 {
        let all = run.measures.len();
        let limit = units::Unit::Percent.tick(NOISY * 100.0);
        let _ = writeln!(
            text,
            "**A noisy run: in {noisy} of {all} measurements, others used more than {limit} of the machine.**\n"
        );
    }
    text
}

fn noise(run: &Run) -> String {
    let percent = |share: f64| units::Unit::Percent.show(share * 100.0);
    let sum = |name: &str, share: fn(&lines::Measure) -> f64| {
        let shares: Vec<f64> = run.measures.iter().map(share).collect();
        let worst = run.measures.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
        let median = lines::Stat::of(shares).map_or(0.0, |stat| stat.median);
        worst.map_or(String::new(), |worst| {
            let place =
                format!("{}, {}, {}", worst.setting, heading(&worst.workload).to_lowercase(), worst.pool);
            format!("{name}: median {}, worst {} ({place})", percent(median), percent(share(worst)))
        })
    };
    format!(
        "Share of all cores' time. {}. {}.",
        sum("Used by other processes", |measure| measure.foreign),
        sum("Taken by other guests (steal)", |measure| measure.steal)
    )
}

fn target_table(rows: &[Row], why: &BTreeMap<String, String>) -> String {
    let mut text = String::from("| id | what | target | reached | |\n|---|---|---|---|---|\n");
    for row in rows {
        for (place, part) in row.parts.iter().enumerate() {
            let verdict = match part.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "not measured",
            };
            let (id, title) = if place == 0 { (row.id, row.title) } else { ("", "") };
            let _ = writeln!(text, "| {id} | {title} | {} | {} | {verdict} |", part.target, part.reached);
        }
    }
    text += "\n";
    for row in rows.iter().filter(|row| row.missed()) {
        let explained = why.get(row.id).map_or("**not explained yet**", String::as_str);
        let _ = writeln!(text, "**Why `{}` is missed:** {explained}\n", row.id);
    }
    text
}

fn details(rows: &[Row]) -> String {
    let told = rows.iter().filter(|row| !row.detail.is_empty());
    told.map(|row| folded(&format!("{}: {}", row.id, row.title), &row.detail)).collect()
}

fn losses(sheet: &Sheet, why: &BTreeMap<String, String>) -> String {
    let lost = losses::losses(sheet);
    if lost.is_empty() {
        return "None.\n\n".into();
    }
    let mut text =
        String::from("| setting | cell | figure | admit | who is ahead |\n|---|---|---|---|---|\n");
    for (_, row) in &lost {
        let _ = writeln!(text, "{row}");
    }
    text += "\n";
    for workload in WORKLOADS.iter().filter(|workload| lost.iter().any(|(name, _)| *name == workload.name)) {
        let explained = why.get(&format!("lose-{}", workload.name));
        let explained = explained.map_or("**not explained yet**", String::as_str);
        let _ = writeln!(text, "**{}:** {explained}\n", heading(workload.name));
    }
    text
}
