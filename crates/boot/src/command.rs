//! The commands of a unit's start.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::found::{self, Found, Script};
use crate::name::UnitName;
use crate::place::Place;
use crate::shell::program;

/// At which point of a start a command runs (`systemd.service(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Stage {
    /// `ExecCondition=`.
    ExecCondition,
    /// `ExecStartPre=`.
    ExecStartPre,
    /// `ExecStart=`.
    ExecStart,
    /// `ExecStartPost=`.
    ExecStartPost,
}

impl Stage {
    /// The stage of a key such as `ExecStartPre`; `None` for keys that have no part in a start.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ExecCondition" => Self::ExecCondition,
            "ExecStartPre" => Self::ExecStartPre,
            "ExecStart" => Self::ExecStart,
            "ExecStartPost" => Self::ExecStartPost,
            _ => return None,
        })
    }
}

/// One command line of a start. It may hold secrets: kept out of JSON, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// When it runs.
    pub stage: Stage,
    /// The command line, with the specifiers filled in that depend on the unit's name alone.
    pub line: String,
    /// Where it is set, without the line itself.
    pub evidence: Evidence,
    /// The shell script that it runs, where that was read.
    pub script: Option<Script>,
}

impl Command {
    /// What the command waits for, by itself or by its script.
    pub(crate) fn waits(&self) -> Vec<Found> {
        let mut found = found::in_line(&self.line, &self.evidence);
        found.extend(self.script.iter().flat_map(found::in_script));
        found
    }

    /// The units that the command starts and whose start it waits for.
    pub(crate) fn starts(&self) -> Vec<UnitName> {
        let started = self.waits().into_iter().filter(|found| found.starts);
        let unit = |found: Found| match found.place {
            Place::Unit(unit) => Some(unit),
            _ => None,
        };
        started.filter_map(unit).collect()
    }

    /// True iff it runs a single program that waits for nothing, such as `mkdir`.
    pub(crate) fn is_harmless(&self) -> bool {
        self.line.split_whitespace().next().is_some_and(|first| HARMLESS.contains(&program(first)))
    }
}

/// Programs that end at once, whatever is up.
const HARMLESS: [&str; 17] = [
    "[", "chmod", "chown", "cp", "echo", "false", "install", "ip", "ln", "mkdir", "modprobe", "mv", "rm",
    "sysctl", "test", "touch", "true",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "a.service".to_owned(), line: Some(1), text: String::new() };
        let command = Command { stage: Stage::ExecStart, line: line.to_owned(), evidence, script: None };
        command.starts().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn systemctl_start_waits_for_its_units() {
        for (line, units) in [
            ("/usr/bin/systemctl start migrate.service", &["migrate.service"][..]),
            ("-/bin/systemctl --quiet restart a b.socket", &["a.service", "b.socket"]),
            ("/bin/sh -c 'sleep 1; systemctl start a && echo done'", &["a.service"]),
            ("/bin/sh -c \"systemctl enable --now a\"", &["a.service"]),
            ("/bin/systemctl start --no-block a", &[]),
            ("/bin/systemctl --user start a", &[]),
            ("/bin/systemctl stop a", &[]),
            ("/bin/systemctl enable a", &[]),
            ("/bin/echo start a", &[]),
        ] {
            assert_eq!(starts(line), units, "{line}");
        }
    }
}
