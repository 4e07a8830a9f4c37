//! What the command lines of a unit do to other units.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::name::UnitName;

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
    /// The command line.
    pub line: String,
    /// Where it is set, without the line itself.
    pub evidence: Evidence,
}

impl Command {
    /// The units that the command starts and whose start it waits for: `systemctl start X` returns when the job of X is
    /// done, so X has started then. With `--no-block` it returns at once, and `--user` talks to another manager
    /// (`systemctl(1)`).
    pub(crate) fn starts(&self) -> Vec<UnitName> {
        let plain: String = self.line.chars().map(|c| if "'\"".contains(c) { ' ' } else { c }).collect();
        let mut found = Vec::new();
        // A shell's line holds several commands; each of them may be the one that waits.
        for part in plain.split([';', '&', '|', '\n', '(', ')', '`', '{', '}']) {
            let mut words = part.split_whitespace();
            if words.any(is_systemctl) {
                found.extend(started_by(&words.collect::<Vec<_>>()));
            }
        }
        found
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

fn is_systemctl(word: &str) -> bool {
    program(word) == "systemctl"
}

/// The name of a program without its folder and the prefixes of `systemd.service(5)`, "Special executable prefixes".
fn program(word: &str) -> &str {
    let path = word.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn started_by(arguments: &[&str]) -> Vec<UnitName> {
    let has = |option: &str| arguments.contains(&option);
    if has("--no-block") || has("--user") {
        return Vec::new();
    }
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    let waits = match words.next() {
        Some(&"start" | &"restart" | &"reload-or-restart") => true,
        Some(&"enable" | &"reenable") => has("--now"),
        _ => false,
    };
    let named = words.filter_map(|word| unit_named(word));
    named.filter(|_| waits).collect()
}

/// `systemctl` takes a name without a suffix as that of a service.
fn unit_named(word: &str) -> Option<UnitName> {
    word.parse().or_else(|_| format!("{word}.service").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "a.service".to_owned(), line: Some(1), text: String::new() };
        let command = Command { stage: Stage::ExecStart, line: line.to_owned(), evidence };
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
