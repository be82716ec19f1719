//! How a check says what it has seen, for the table that `.ci/evidence` makes.

use std::{fs::OpenOptions, io::Write};

/// Reports `count` cases of the check `name`: prints a line, and appends it to the file named by
/// `ADMIT_EVIDENCE`, since a passing test's output is not shown.
pub(crate) fn report(
    method: &str,
    name: &str,
    guarantees: &str,
    bound: &str,
    count: u64,
    unit: &str,
    seconds: f64,
) {
    let line = format!("evidence\t{method}\t{name}\t{guarantees}\t{bound}\t{count}\t{unit}\t{seconds:.1}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("ADMIT_EVIDENCE") {
        // One write for each line, so that lines of several threads do not mix.
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
