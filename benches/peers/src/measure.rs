//! The run: a fresh process for each pool, cell and round, in turns.
//!
//! A round goes through all cells of a setting, and the rounds through the whole time that the setting takes: how far its cores
//! are from each other, say, changes on a virtual machine from one minute to the next, and is to meet all cells alike. Within a
//! round the pools of a cell follow each other, and from round to round the order turns around and another one is first, so that
//! what the one before leaves behind meets all of them alike, too.
//! What other processes used is told for a round as a whole, since the kernel counts it in hundredths of a second.

use crate::{
    plan::{Entrant, Setting, Step, plan},
    pools::Group,
    system::{Machine, Usage, cores, cpu_of},
    variants::{self, VARIANTS},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

type Line = Map<String, Value>;

/// Runs the plan. A complete run replaces docs/bench/results.jsonl once it has ended well; a run of parts, and a quick
/// one, goes to stdout.
pub(crate) fn measure(quick: bool, parts: &[String]) -> Result<(), Box<dyn Error>> {
    let mut steps = plan(quick, parts);
    if quick {
        // Building the curve's variants would take longer than all the rest.
        for step in &mut steps {
            step.entrants.retain(|entrant| entrant.group != Group::Curve);
        }
    }
    let programs = programs(&steps)?;
    let expected: Duration = steps.iter().map(Step::takes).sum();
    eprintln!("about {:.1} minutes", expected.as_secs_f64() / 60.0);

    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unfinished = package.join("target/results.jsonl");
    let complete = parts.is_empty() && !quick;
    let mut out: Box<dyn Write> =
        if complete { Box::new(fs::File::create(&unfinished)?) } else { Box::new(io::stdout()) };
    writeln!(out, "{}", machine(quick, parts, &steps))?;

    let mut run =
        Run { programs, expected, start: Instant::now(), done: Duration::ZERO, failures: BTreeMap::new() };
    for steps in steps.chunk_by(|one, next| one.setting == next.setting) {
        let busy = (steps[0].setting == Setting::Busy).then(|| Busy::start(&run.programs[""]));
        let rounds = steps.iter().map(Step::rounds).max().unwrap_or(0);
        for round in 0..rounds {
            run.report(steps[0].setting, round, rounds);
            for step in steps {
                run.round(step, round, rounds, busy.as_ref(), &mut out)?;
            }
            out.flush()?;
        }
    }
    eprintln!("{:.1} minutes", run.start.elapsed().as_secs_f64() / 60.0);
    if !run.failures.is_empty() {
        let list = run.failures.iter().map(|(name, failure)| format!("{name}: {failure}"));
        return Err(format!("{} failed:\n{}", run.failures.len(), list.collect::<Vec<_>>().join("\n")).into());
    }
    if complete {
        let results = package.join("../../docs/bench/results.jsonl");
        fs::create_dir_all(results.parent().expect("a directory"))?;
        fs::copy(unfinished, &results)?;
        eprintln!("written: docs/bench/results.jsonl");
    }
    Ok(())
}

/// The program to be run for each variant that takes part, and for everybody else, under the empty name.
fn programs(steps: &[Step]) -> Result<BTreeMap<&'static str, PathBuf>, Box<dyn Error>> {
    let mut programs = BTreeMap::from([("", env::current_exe()?)]);
    for (name, edits) in VARIANTS {
        if steps.iter().flat_map(|step| &step.entrants).any(|entrant| entrant.name == name) {
            if !edits.is_empty() {
                eprintln!("building {name}");
            }
            programs.insert(name, variants::program(name, edits)?);
        }
    }
    Ok(programs)
}

/// The first line: where, when and of what.
fn machine(quick: bool, parts: &[String], steps: &[Step]) -> Value {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let says = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(package).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let commit = Some(says("git", &["rev-parse", "--short", "HEAD"])).filter(|hash| !hash.is_empty());
    let commit = commit.unwrap_or_else(|| "unknown".into());
    let dirty = if says("git", &["status", "--porcelain"]).is_empty() { "" } else { "-dirty" };
    let rustc = says("rustc", &["--version"]);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let mut command = vec!["cargo run --release --manifest-path benches/peers/Cargo.toml -- measure"];
    command.extend(quick.then_some("quick"));
    command.extend(parts.iter().map(String::as_str));
    json!({
        "kind": "machine",
        "date": says("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "commit": commit + dirty,
        "cpu": cpu.trim_start_matches([' ', '\t', ':']),
        "cores": cores(),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "rustc": rustc.split(' ').nth(1),
        "rounds": steps.iter().map(Step::rounds).max(),
        "command": command.join(" "),
        "effort": if quick { "quick" } else { "full" },
    })
}

struct Run {
    programs: BTreeMap<&'static str, PathBuf>,
    expected: Duration,
    start: Instant,
    /// What was expected of what has been measured.
    done: Duration,
    /// Who failed, and how. It has no more turns.
    failures: BTreeMap<String, String>,
}

impl Run {
    /// How far the run has come.
    fn report(&self, setting: Setting, round: usize, rounds: usize) {
        let percent = 100.0 * self.done.as_secs_f64() / self.expected.as_secs_f64();
        let seconds = self.start.elapsed().as_secs();
        eprintln!("{percent:3.0} % {seconds:4} s  {}, round {} of {rounds}", setting.name(), round + 1);
    }

    /// Measures one round of one cell and writes its lines.
    fn round(
        &mut self,
        step: &Step,
        round: usize,
        rounds: usize,
        busy: Option<&Busy>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut turns: Vec<_> =
            step.entrants.iter().filter(|entrant| entrant.has_turn(round, rounds)).collect();
        if turns.is_empty() {
            return Ok(());
        }
        let first = round % turns.len();
        turns.rotate_left(first);
        if round % 2 == 1 {
            turns.reverse();
        }
        let ours = || {
            let own = Usage::own().cpu + Usage::children().cpu;
            own + busy.map_or(Duration::ZERO, Busy::cpu)
        };
        let (machine, before) = (Machine::now(), ours());
        let mut lines = Vec::new();
        for entrant in turns {
            self.done += step.cell.takes(step.effort);
            let name = format!("{}/{}/{}", step.setting.name(), step.cell, entrant.name);
            if self.failures.contains_key(&name) {
                continue;
            }
            match self.child(step, entrant) {
                Ok(measured) => lines.push(line(step, entrant, round, measured)),
                Err(failure) => {
                    eprintln!("FAILED {name}: {failure}");
                    self.failures.insert(name, failure);
                }
            }
        }
        let (foreign, steal) = Machine::now().shares_since(machine, ours() - before);
        for mut line in lines {
            let extra = line.shift_remove("extra");
            line.insert("foreign".into(), rounded(foreign));
            line.insert("steal".into(), rounded(steal));
            line.extend(extra.map(|extra| ("extra".to_owned(), extra)));
            writeln!(out, "{}", Value::Object(line))?;
        }
        Ok(())
    }

    /// Runs one measurement in a process of its own.
    fn child(&self, step: &Step, entrant: &Entrant) -> Result<Line, String> {
        let program = self.programs.get(entrant.name).unwrap_or(&self.programs[""]);
        let effort = if step.effort.quick { "quick" } else { "full" };
        let child = Command::new(program)
            .args(["one", step.setting.name(), entrant.run_as, &step.cell.to_string(), effort])
            .arg(step.effort.time.as_millis().to_string())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| error.to_string())?;
        if child.status.signal() == Some(libc::SIGALRM) {
            return Err(format!("hangs: not over after {} s", crate::LIMIT));
        }
        if !child.status.success() {
            return Err(child.status.to_string());
        }
        serde_json::from_slice(&child.stdout).map_err(|error| error.to_string())
    }
}

fn line(step: &Step, entrant: &Entrant, round: usize, measured: Line) -> Line {
    let mut line = Map::new();
    line.insert("kind".into(), "measure".into());
    line.insert("setting".into(), step.setting.name().into());
    step.cell.describe(&mut line);
    line.insert("pool".into(), entrant.name.into());
    line.insert("group".into(), entrant.group.name().into());
    line.insert("round".into(), round.into());
    // Nobody can read a thousandth of a nanosecond.
    line.extend(measured.into_iter().map(|(name, value)| {
        let value = value.as_f64().filter(|_| value.is_f64()).map_or(value, rounded);
        (name, value)
    }));
    line
}

fn rounded(value: f64) -> Value {
    ((value * 1e4).round() / 1e4).into()
}

/// One process on each core that does nothing but run. They end with this.
struct Busy(Vec<Child>);

impl Busy {
    fn start(program: &Path) -> Busy {
        let start = |core: usize| {
            let child = Command::new(program).args(["spin", &core.to_string()]).spawn();
            child.expect("this program can be run")
        };
        Busy((0..cores()).map(start).collect())
    }

    fn cpu(&self) -> Duration {
        self.0.iter().map(|child| cpu_of(child.id())).sum()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
