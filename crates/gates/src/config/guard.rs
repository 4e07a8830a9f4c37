//! `[guard]`: the lines that a team has for the day on which it happens again, such as a step of a runbook, and what
//! `pvcheck guard` may do by itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::forms::Pattern;
use super::hook::HookConfig;

/// The most patterns of one list.
const MOST_PATTERNS: usize = 32;

/// Where a team's guard is, what its file must have, and what pvcheck's own guard may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// The file that the team's guard stands in; empty where it has none.
    pub file: PathBuf,
    /// What it must have: a line of the file for each.
    pub contains: Vec<Pattern>,
    /// What no line of the file may have.
    pub absent: Vec<Pattern>,
    /// What `pvcheck guard --apply` may do.
    pub may: Vec<Rung>,
    /// How long it rests after a cure, in minutes.
    pub cooldown_minutes: u32,
    /// How many cures it may do in 24 hours.
    pub cures_a_day: u32,
    /// A network that will be full within this time is getting there, in days.
    pub horizon_days: u32,
    /// The shell command that restarts the engine.
    pub restart_command: String,
    /// How a person is called.
    pub page: Option<HookConfig>,
}

/// A rung of the guard's ladder, the gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// What earlier runs of pvcheck left is drained and removed.
    Drain,
    /// The leadership is handed over among three or more managers.
    HandOver,
    /// A second manager is borrowed for half a minute: it takes root, and both join tokens are rotated.
    Borrow,
    /// The engine is restarted, and all its containers with it.
    Restart,
}

impl Rung {
    /// All of them, the gentlest first.
    pub const ALL: [Self; 4] = [Self::Drain, Self::HandOver, Self::Borrow, Self::Restart];

    /// Its word in the configuration and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::HandOver => "hand-over",
            Self::Borrow => "borrow",
            Self::Restart => "restart",
        }
    }
}

impl Default for GuardConfig {
    /// What needs no root, rotates no token and restarts nothing; the rest only where the configuration names it.
    fn default() -> Self {
        Self {
            file: PathBuf::new(),
            contains: Vec::new(),
            absent: Vec::new(),
            may: vec![Rung::Drain, Rung::HandOver],
            cooldown_minutes: 360,
            cures_a_day: 2,
            horizon_days: 7,
            restart_command: "systemctl restart docker.service".to_owned(),
            page: None,
        }
    }
}

impl GuardConfig {
    /// True iff it is about a team's own guard, with a file.
    pub(crate) fn is_of_a_team(&self) -> bool {
        !self.file.as_os_str().is_empty()
    }

    /// How long the guard rests after a cure.
    pub fn cooldown(&self) -> Duration {
        Duration::from_mins(self.cooldown_minutes.into())
    }

    /// A network that will be full within this time is getting there.
    pub fn horizon(&self) -> Duration {
        Duration::from_hours(u64::from(self.horizon_days) * 24)
    }
}

/// What is wrong with a `[guard]`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GuardFault {
    /// It has patterns, and names no file.
    #[error("its `file` is empty; name the file that has the guard")]
    NoFile,
    /// It may do so many cures a day, or see so far ahead, as no limit would be.
    #[error("its `{field}` is {given}; give {least} to {most}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// What it is.
        given: u32,
        /// The least that it may be.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A person is to be called by a command that is empty.
    #[error("its `page` has an empty `command`; name a program, or leave `page` out")]
    NoPager,
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
    let has_patterns = !guard.contains.is_empty() || !guard.absent.is_empty();
    if has_patterns && !guard.is_of_a_team() {
        found.push(GuardFault::NoFile);
    }
    if guard.is_of_a_team() && guard.contains.is_empty() {
        found.push(GuardFault::NoPattern);
    }
    // A cooldown below what a cure takes would be none, and a cap of hundreds would be no cap.
    let bounds = [
        ("cooldown_minutes", guard.cooldown_minutes, 5, 10_080),
        ("cures_a_day", guard.cures_a_day, 1, 24),
        ("horizon_days", guard.horizon_days, 1, 3_650),
    ];
    let outside = bounds.into_iter().filter(|(_, given, least, most)| !(least..=most).contains(&given));
    found.extend(outside.map(|(field, given, least, most)| GuardFault::OutOfBounds {
        field,
        given,
        least,
        most,
    }));
    if guard.page.as_ref().is_some_and(|page| page.command.first().is_none_or(String::is_empty)) {
        found.push(GuardFault::NoPager);
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
    use super::*;
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
    fn what_takes_root_or_restarts_is_done_only_where_it_is_named() {
        let default = GuardConfig::default();
        assert_eq!(default.may, [Rung::Drain, Rung::HandOver]);
        let named =
            read("may = [\"borrow\", \"restart\"]\ncures_a_day = 1").expect("sound").guard.expect("a guard");
        assert_eq!((named.may.as_slice(), named.cures_a_day), ([Rung::Borrow, Rung::Restart].as_slice(), 1));
        assert!(!named.is_of_a_team(), "it has no file, so that there is nothing to check in one");
        for rung in Rung::ALL {
            assert_eq!(serde_json::to_value(rung).expect("a word"), rung.as_str());
        }
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
            ("file = \"x\"", "pvcheck.toml: [guard]: ", "its `contains` is empty"),
            ("contains = ['a']", "pvcheck.toml: [guard]: ", "`file` is empty"),
            ("may = [\"pray\"]", "pvcheck.toml:5:", "unknown variant `pray`"),
            ("cures_a_day = 0", "pvcheck.toml: [guard]: ", "give 1 to 24"),
            ("cooldown_minutes = 1", "pvcheck.toml: [guard]: ", "give 5 to 10080"),
            ("page = { command = [] }", "pvcheck.toml: [guard]: ", "empty `command`"),
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
