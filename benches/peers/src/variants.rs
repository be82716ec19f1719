//! The pool with other constants: the same sources with one line changed.
//!
//! Each variant is a copy of what this package is built from, with its edits, built under `target/variants` and run in
//! place of this program. An edit whose text is not there exactly once is an error, so that a variant never measures
//! the unchanged pool.

use std::{env, error::Error, fs, io, path::Path, path::PathBuf, process::Command};

/// A file, a text in it, and what stands there instead.
type Edit = (&'static str, &'static str, &'static str);

/// A name and what is changed. Those without a change are the pool itself, which the curves pass through.
pub(crate) const VARIANTS: [(&str, &[Edit]); 11] = [
    (
        NO_SPINNING,
        &[("src/look.rs", "const LOOKING: bool = !EXPLORED;", "const LOOKING: bool = false && !EXPLORED;")],
    ),
    ("admit, bare 0", &[("src/look.rs", BARE, "most: 0,")]),
    ("admit, bare 20", &[("src/look.rs", BARE, "most: 20,")]),
    ("admit, bare 60", &[]),
    ("admit, bare 200", &[("src/look.rs", BARE, "most: 200,")]),
    ("admit, bare 1000", &[("src/look.rs", BARE, "most: 1000,")]),
    ("admit, turns 0", &[("src/look.rs", TURNS, "const TURNS: u32 = 0;")]),
    ("admit, turns 1", &[("src/look.rs", TURNS, "const TURNS: u32 = 1;")]),
    ("admit, turns 10", &[("src/look.rs", TURNS, "const TURNS: u32 = 10;")]),
    ("admit, turns 150", &[]),
    ("admit, turns 1000", &[("src/look.rs", TURNS, "const TURNS: u32 = 1000;")]),
];

pub(crate) const NO_SPINNING: &str = "admit, no spinning";
const BARE: &str = "most: 60,";
const TURNS: &str = "const TURNS: u32 = 150;";

/// Everything that the two packages are built from.
const SOURCES: [&str; 7] = ["Cargo.toml", "Cargo.lock", "src", "benches", "tests", "loom-tests", "examples"];

/// The program with `edits` made.
pub(crate) fn program(name: &str, edits: &[Edit]) -> Result<PathBuf, Box<dyn Error>> {
    if edits.is_empty() {
        return Ok(env::current_exe()?);
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.join("../..");
    let variants = package.join("target/variants");
    let copy = variants.join(name.replace([',', ' '], "-"));
    for (file, ..) in edits {
        fs::metadata(root.join(file)).map_err(|error| format!("{name} changes {file}: {error}"))?;
    }
    fs::create_dir_all(&copy)?;
    for source in SOURCES {
        let edited = |path: &Path| edited(path.strip_prefix(&root).unwrap_or(path), edits, fs::read(path)?);
        copy_all(&root.join(source), &copy.join(source), &edited)?;
    }
    let built = variants.join("built");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--locked", "--no-default-features", "--manifest-path"])
        .arg(copy.join("benches/peers/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &built)
        .status()?;
    if !status.success() {
        return Err(format!("{name} was not built: {status}").into());
    }
    // The next variant is built in the same place, so as not to build again what they have in common.
    let program = copy.join("program");
    fs::copy(built.join("release/peers"), &program)?;
    Ok(program)
}

/// Copies a file or a directory. What has not changed is not written, so that it is not built again.
fn copy_all(from: &Path, to: &Path, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> io::Result<()> {
    if !from.is_dir() {
        let text = read(from)?;
        return if fs::read(to).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(to, text) };
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if name != "target" {
            copy_all(&from.join(&name), &to.join(&name), read)?;
        }
    }
    Ok(())
}

fn edited(path: &Path, edits: &[Edit], text: Vec<u8>) -> io::Result<Vec<u8>> {
    edits.iter().filter(|(file, ..)| path == Path::new(file)).try_fold(text, |text, (file, old, new)| {
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        match text.matches(old).count() {
            1 => Ok(text.replace(old, new).into_bytes()),
            n => Err(io::Error::other(format!("{file} has {n} times, and should have once: {old}"))),
        }
    })
}
