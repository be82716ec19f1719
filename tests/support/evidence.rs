//! How a check says what it has seen, for the table that `.ci/evidence` makes.

use std::{fs::OpenOptions, io::Write};

/// Reports one check: method, name, guarantees, bound, count, unit and seconds, with tabs between them. Prints the line,
/// and appends it to the file named by `ADMIT_EVIDENCE`, since a passing test's output is not shown.
pub(crate) fn line(fields: &str) {
    debug_assert_eq!(fields.split('\t').count(), 7, "{fields}");
    let line = format!("evidence\t{fields}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("ADMIT_EVIDENCE") {
        // One write for each line, so that lines of several threads do not mix.
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
