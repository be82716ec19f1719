//! The SHA-256 digest of every file in a directory tree, computed by a bounded pool.
//!
//! `cargo run --release --example checksum -- [--threads N] [PATH]`
//!
//! The lines come in the order of the paths and in the format of `sha256sum`, so that
//! `sha256sum --check` can verify them. Without a path it reads the sources of this crate. A file
//! that cannot be read is reported on stderr and skipped; the exit code is 1 then.

#[cfg(not(loom))]
use admit::{JoinHandle, Pool};
#[cfg(not(loom))]
use indicatif::{ProgressBar, ProgressStyle};
#[cfg(not(loom))]
use sha2::{Digest, Sha256};
#[cfg(not(loom))]
use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};
#[cfg(not(loom))]
use walkdir::WalkDir;

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() -> ExitCode {
    let options = match Options::parse(env::args_os().skip(1)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}\nusage: checksum [--threads N] [PATH]");
            return ExitCode::from(2);
        }
    };
    match print_checksums(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("checksum: {failures} could not be read");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("checksum: cannot write the result: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(loom))]
struct Options {
    threads: usize,
    root: PathBuf,
}

#[cfg(not(loom))]
impl Options {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut threads = thread::available_parallelism().map_or(1, usize::from);
        let mut root = None;
        while let Some(argument) = arguments.next() {
            if argument == "--threads" {
                threads = arguments
                    .next()
                    .and_then(|number| number.to_str()?.parse().ok())
                    .filter(|number| (1..=Pool::MAX).contains(number))
                    .ok_or_else(|| format!("--threads needs a number from 1 to {}", Pool::MAX))?;
            } else if argument.as_encoded_bytes().starts_with(b"--") {
                return Err(format!("unknown option {}", argument.to_string_lossy()));
            } else if root.replace(PathBuf::from(argument)).is_some() {
                return Err("more than one path".to_owned());
            }
        }
        let own_sources = || Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        Ok(Self { threads, root: root.unwrap_or_else(own_sources) })
    }
}

/// Prints a line for each file and returns how many could not be read.
#[cfg(not(loom))]
fn print_checksums(options: &Options) -> io::Result<usize> {
    let pool = Pool::new(options.threads);
    let mut report = Report::new(&options.root);
    // The window bounds the memory, whatever the size of the tree. It is wider than the pool so
    // that one large file does not keep the others waiting.
    let width = 8 * options.threads;
    let mut window = VecDeque::new();
    for entry in walk(&options.root) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                window.push_back(Pending::start(&pool, entry.into_path()));
                if window.len() > width {
                    let oldest = window.pop_front().expect("the window is not empty");
                    report.settle(oldest)?;
                }
            }
            Ok(_) => {}
            Err(error) => report.failure(&error.to_string()),
        }
    }
    for pending in window {
        report.settle(pending)?;
    }
    report.bar.finish_and_clear();
    Ok(report.failures)
}

/// Every entry of the tree in the order of the paths. Symbolic links below the root are skipped.
#[cfg(not(loom))]
fn walk(root: &Path) -> walkdir::IntoIter {
    WalkDir::new(root).sort_by_file_name().into_iter()
}

/// A file whose digest is on its way.
#[cfg(not(loom))]
struct Pending {
    path: PathBuf,
    digest: JoinHandle<io::Result<String>>,
}

#[cfg(not(loom))]
impl Pending {
    fn start(pool: &Pool, path: PathBuf) -> Self {
        let file = path.clone();
        let digest = pool.spawn(move || sha256(&file));
        Self { path, digest }
    }
}

#[cfg(not(loom))]
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hexadecimal(&hasher.finalize())),
            Ok(length) => hasher.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(not(loom))]
fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the results go: lines to stdout, failures and the progress bar to stderr.
#[cfg(not(loom))]
struct Report {
    bar: ProgressBar,
    failures: usize,
}

#[cfg(not(loom))]
impl Report {
    fn new(root: &Path) -> Self {
        let bar = ProgressBar::new(0);
        // Counting costs a walk of its own, so it is done only for a bar that somebody sees.
        if !bar.is_hidden() {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left");
            bar.set_style(style.expect("the template is well formed"));
            let is_file = |entry: &walkdir::DirEntry| entry.file_type().is_file();
            bar.set_length(walk(root).flatten().filter(is_file).count() as u64);
        }
        Self { bar, failures: 0 }
    }

    /// Waits for one digest and prints it. A task that panicked is one failure more.
    fn settle(&mut self, pending: Pending) -> io::Result<()> {
        let Pending { path, digest } = pending;
        self.bar.inc(1);
        match digest.join() {
            Ok(Ok(digest)) => {
                let line = line(&digest, &path);
                return self.bar.suspend(|| io::stdout().write_all(&line));
            }
            Ok(Err(error)) => self.failure(&format!("{}: {error}", path.display())),
            Err(_panic) => self.failure(&format!("{}: the task panicked", path.display())),
        }
        Ok(())
    }

    fn failure(&mut self, what: &str) {
        self.failures += 1;
        self.bar.suspend(|| eprintln!("checksum: {what}"));
    }
}

/// One line as `sha256sum` writes it: it marks a name with a line break or a backslash in it by a
/// backslash at the front and escapes them.
#[cfg(not(loom))]
fn line(digest: &str, path: &Path) -> Vec<u8> {
    let mut name = Vec::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' => name.extend(br"\\"),
            b'\n' => name.extend(br"\n"),
            b'\r' => name.extend(br"\r"),
            _ => name.push(byte),
        }
    }
    let escaped = name.len() > path.as_os_str().len();
    let mark = if escaped { "\\" } else { "" };
    [mark.as_bytes(), digest.as_bytes(), b"  ", &name, b"\n"].concat()
}
