//! A page of `docs/`, or a part of one, that is written from the code.

use std::fs;
use std::path::{Path, PathBuf};

/// True iff pages are to be written instead of compared.
fn blesses() -> bool {
    std::env::var_os("PVCHECK_BLESS").is_some_and(|value| !value.is_empty())
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a page with what is to stand there, or writes it.
pub(crate) fn holds(page: &str, expected: &str) {
    let path = root().join(page);
    if blesses() {
        return fs::write(&path, expected).expect("a page of the repository");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
    let line = differs.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    assert!(
        found == expected,
        "{page}:{}: `{}` is to be `{}`; write it with: cargo xtask test --only pages --bless",
        line + 1,
        found.lines().nth(line).unwrap_or_default(),
        expected.lines().nth(line).unwrap_or_default(),
    );
}

/// The page with this between the line that begins with `begins` and the line `end`.
pub(crate) fn with_part(page: &str, begins: &str, end: &str, part: &str) -> String {
    let text = fs::read_to_string(root().join(page)).expect("a page of the repository");
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with(begins)).expect("where the part begins");
    let last = lines.iter().position(|line| *line == end).expect("where the part ends");
    let (before, after) = (lines[..=first].join("\n"), lines[last..].join("\n"));
    format!("{before}\n{part}{after}\n")
}
