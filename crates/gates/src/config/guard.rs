//! `[guard]`: the lines that a team has for the day on which it happens again, such as a step of a runbook.

use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

use super::forms::Pattern;

/// The most patterns of one list.
const MOST_PATTERNS: usize = 32;

/// Where a team's guard is, and what its file must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// The file that it stands in.
    pub file: PathBuf,
    /// What it must have: a line of the file for each.
    pub contains: Vec<Pattern>,
    /// What no line of the file may have.
    #[serde(default)]
    pub absent: Vec<Pattern>,
}

/// What is wrong with a `[guard]`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GuardFault {
    /// It names no file.
    #[error("its `file` is empty; name the file that has the guard")]
    NoFile,
    /// A file that is empty would be a guard.
    #[error("its `contains` is empty; give at least one pattern, or leave [guard] out")]
    NoPattern,
    /// It has more patterns than anyone reads.
    #[error("its `{field}` has {given} patterns; give at most {MOST_PATTERNS}")]
    TooMany {
        /// The list.
        field: &'static str,
        /// How many it has.
        given: usize,
    },
    /// A pattern that no line could match.
    #[error("its `{field}` has a pattern with a line break; write one for each line")]
    SeveralLines {
        /// The list.
        field: &'static str,
    },
    /// A pattern that an empty line matches.
    #[error("its `{field}` has `{pattern}`, which matches an empty line too; name what stands in the line")]
    EmptyLine {
        /// The list.
        field: &'static str,
        /// The pattern.
        pattern: String,
    },
}

/// What the types of the table leave open.
pub(super) fn faults(guard: &GuardConfig) -> Vec<GuardFault> {
    let mut found = Vec::new();
    if guard.file.as_os_str().is_empty() {
        found.push(GuardFault::NoFile);
    }
    if guard.contains.is_empty() {
        found.push(GuardFault::NoPattern);
    }
    for (field, patterns) in [("contains", &guard.contains), ("absent", &guard.absent)] {
        if MOST_PATTERNS < patterns.len() {
            found.push(GuardFault::TooMany { field, given: patterns.len() });
        }
        found.extend(patterns.iter().filter_map(|pattern| unfit(field, pattern)));
    }
    found
}

/// Each line is matched by itself, and one that may be empty shows nothing.
fn unfit(field: &'static str, pattern: &Pattern) -> Option<GuardFault> {
    if pattern.as_str().contains(['\n', '\r']) {
        return Some(GuardFault::SeveralLines { field });
    }
    pattern.matches("").then(|| GuardFault::EmptyLine { field, pattern: pattern.to_string() })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(lines: &str) -> Result<Config, String> {
        let text = format!("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[guard]\n{lines}\n");
        Config::parse("pvcheck.toml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_guard_is_a_file_with_patterns_that_must_and_may_not_be_there() {
        let config = read("file = \"run.sh\"\ncontains = ['a+', 'b']\nabsent = ['c']").expect("sound");
        let guard = config.guard.expect("a guard");
        assert_eq!((guard.contains.len(), guard.absent.len()), (2, 1));
        assert!(guard.contains[0].matches("xaay") && !guard.contains[1].matches("a"));
        let plain = read("file = \"run.sh\"\ncontains = ['a']").expect("sound").guard.expect("a guard");
        assert!(plain.absent.is_empty());
        let none = Config::parse("x", "[overlay]\nname = \"p\"\nsubnet = \"10.10.0.0/24\"\n").expect("sound");
        assert!(none.guard.is_none());
    }

    #[test]
    fn as_many_patterns_as_are_let_are_taken() {
        let lines = |n: usize| format!("file = \"x\"\ncontains = [{}]", "'a', ".repeat(n));
        assert!(read(&lines(32)).is_ok());
        let error = read(&lines(33)).expect_err("too many");
        assert_eq!(error, "pvcheck.toml: [guard]: its `contains` has 33 patterns; give at most 32");
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_the_place() {
        for (lines, begins, words) in [
            ("file = \"x\"\ncontains = ['a', '(']", "pvcheck.toml:6:", "not a regular expression"),
            ("file = \"x\"\ncontains = ['a']\nabsent = ['[']", "pvcheck.toml:7:", "not a regular expression"),
            ("file = \"x\"\ncontains = 'a'", "pvcheck.toml:6:", "expected a sequence"),
            ("file = \"x\"\ncontain = ['a']", "pvcheck.toml:6:1: ", "contain"),
            ("file = \"x\"", "pvcheck.toml:", "missing field `contains`"),
            ("contains = ['a']", "pvcheck.toml:", "missing field `file`"),
            ("file = \"\"\ncontains = ['a']", "pvcheck.toml: [guard]: ", "`file` is empty"),
            ("file = \"x\"\ncontains = []", "pvcheck.toml: [guard]: ", "at least one pattern"),
            ("file = \"x\"\ncontains = ['']", "pvcheck.toml: [guard]: ", "has ``, which"),
            (
                "file = \"x\"\ncontains = ['a*']",
                "pvcheck.toml: [guard]: ",
                "`a*`, which matches an empty line",
            ),
            (
                "file = \"x\"\ncontains = ['a']\nabsent = ['^']",
                "pvcheck.toml: [guard]: ",
                "its `absent` has `^`",
            ),
            ("file = \"x\"\ncontains = [\"a\\nb\"]", "pvcheck.toml: [guard]: ", "with a line break"),
        ] {
            let error = read(lines).expect_err(lines);
            assert!(
                error.starts_with(begins) && error.contains(words) && !error.contains('\n'),
                "{lines}: {error}"
            );
        }
    }
}
