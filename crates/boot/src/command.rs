//! The commands of a unit's start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deploys::{Deployment, deployment};
use crate::evidence::Evidence;
use crate::found::{self, Found};
use crate::name::UnitName;
use crate::place::Place;
use crate::runs::{self, Runs, joined};
use crate::script::{Language, Script};
use crate::simple::{Again, program};
use crate::variables::{Variables, positional};
use crate::wrapper::file_run;

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
    /// The unit's `Environment=`.
    pub environment: BTreeMap<String, String>,
    /// The unit's `WorkingDirectory=`.
    pub folder: Option<String>,
    /// The shell script that it runs, where that was read.
    pub script: Option<Script>,
    /// The stack files that it deploys, where those were read.
    pub stacks: Vec<Script>,
    /// What it runs and what it deploys that was not read, with where it stands.
    pub(crate) opaque: Vec<(String, Evidence)>,
}

/// What a command deploys.
#[derive(Clone, Debug)]
pub(crate) struct Deploys {
    pub(crate) deployment: Deployment,
    /// The absolute paths of its files.
    pub(crate) files: Vec<Option<String>>,
    /// The variables that its files may name.
    pub(crate) variables: Variables,
    pub(crate) evidence: Evidence,
}

impl Command {
    pub(crate) fn new(stage: Stage, line: String, evidence: Evidence) -> Self {
        Self {
            stage,
            line,
            evidence,
            environment: BTreeMap::new(),
            folder: None,
            script: None,
            stacks: Vec::new(),
            opaque: Vec::new(),
        }
    }

    /// Everything that it runs, by itself or by its script.
    pub(crate) fn runs(&self) -> Runs {
        let folder = self.folder.as_deref();
        let mut runs = runs::of_line(&self.line, &self.evidence, &self.environment, folder);
        if let Some(script) = &self.script {
            let mut known = self.environment.clone();
            let file = runs.list.first().and_then(|run| file_run(&run.words));
            known.extend(positional(file.map_or(&[], |file| file.arguments)));
            let own = runs::of_script(script, &known, folder, runs.list.first());
            // What was read says itself what it is that has to be gone.
            if let Some(run) = runs.list.first_mut().filter(|run| run.simple.again == Again::UntilItFails) {
                run.simple.again = Again::No;
            }
            runs.list.extend(own.list);
            runs.asked.extend(own.asked);
            runs.unclear.extend(own.unclear);
            runs.variables = own.variables;
        }
        runs
    }

    /// The path of the file that it runs first, and what is told to read it.
    pub(crate) fn file(&self) -> Option<(String, Option<Language>)> {
        let runs = runs::of_line(&self.line, &self.evidence, &self.environment, None);
        let file = file_run(&runs.list.first()?.words)?;
        Some((file.path.to_owned(), file.given))
    }

    /// What the command waits for, by itself or by its script.
    pub(crate) fn waits(&self) -> Vec<Found> {
        found::waits(&self.runs())
    }

    /// What the command deploys, by itself or by its script.
    pub(crate) fn deploys(&self) -> Vec<Deploys> {
        let runs = self.runs();
        let deploys = runs.list.iter().filter_map(|run| {
            let mut deployment = deployment(&run.words)?;
            if let Deployment::Single { whole, .. } = &mut deployment {
                *whole &= !(0..run.words.len()).any(|rest| run.simple.is_computed(rest));
            }
            let files = match &deployment {
                Deployment::Files { files, .. } => files.as_slice(),
                Deployment::Single { .. } => &[],
            };
            let files = files.iter().map(|file| joined(run.folder.as_deref(), file)).collect();
            let (variables, evidence) = (runs.variables.clone(), run.evidence.clone());
            Some(Deploys { deployment, files, variables, evidence })
        });
        deploys.collect()
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
        let command = Command::new(Stage::ExecStart, line.to_owned(), evidence);
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

    #[test]
    fn the_file_of_a_command_line_is_found() {
        let file = |line: &str| {
            let evidence = Evidence { source: "a.service".to_owned(), line: Some(1), text: String::new() };
            Command::new(Stage::ExecStart, line.to_owned(), evidence).file()
        };
        assert_eq!(file("-/opt/x.sh a"), Some(("/opt/x.sh".to_owned(), None)));
        assert_eq!(
            file("/usr/bin/env A=1 /bin/sh -e /opt/x.sh"),
            Some(("/opt/x.sh".to_owned(), Some(Language::Shell)))
        );
        assert_eq!(file("/bin/sh -c true"), None);
        assert_eq!(file(""), None);
    }
}
