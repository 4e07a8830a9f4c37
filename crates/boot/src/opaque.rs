//! Commands of which it is not known what they wait for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::name::UnitName;
use crate::runs::Runs;
use crate::shell::program;
use crate::wrapper::{file_run, is_shell};

/// What a command of a unit's start runs and that was not read, so that it may wait for anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Opaque {
    /// The unit whose start it holds up.
    pub unit: UnitName,
    /// The program or file.
    pub runs: String,
    /// The command.
    pub evidence: Evidence,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.runs, self.evidence)
    }
}

/// What a file that can be run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// The folder that would hold it is here, and it is not: running it fails at once.
    Absent,
    /// It is not here, and where it would be was not read either.
    Missing,
    /// A script for something else than a shell, or no program at all.
    Other,
    /// A compiled program.
    Program,
    /// A script for a shell.
    Shell,
}

/// What of these was not read, with where it stands. `kind` says what a program or an absolute path is, and `read` which
/// script was read.
pub(crate) fn opaque(
    runs: &Runs,
    read: Option<&str>,
    kind: impl Fn(&str) -> FileKind,
) -> Vec<(String, Evidence)> {
    let mut found = Vec::new();
    for run in &runs.list {
        let Some(first) = run.words.first().filter(|first| !first.is_empty()) else { continue };
        let path = first.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        let name = program(path);
        let file = file_run(&run.words);
        let was_read = file.is_some_and(|file| Some(file.path) == read);
        if was_read || runs.functions.iter().any(|function| function == path) {
            continue;
        }
        let what = match file {
            Some(file) if file.given => Some(file.path),
            _ if KNOWN.contains(&name) || is_shell(name) => None,
            _ if INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter)) => Some(name),
            _ => (!matches!(kind(path), FileKind::Absent | FileKind::Program)).then_some(path),
        };
        let one = what.map(|what| (what.to_owned(), run.evidence.clone()));
        found.extend(one.filter(|one| !found.contains(one)));
    }
    found
}

/// Programs that run what they are given to read.
const INTERPRETERS: [&str; 8] = ["java", "lua", "node", "perl", "php", "pwsh", "python", "ruby"];

/// What a shell does itself, and programs whose waits are understood or that wait for nothing, for where no program can be
/// looked at.
const KNOWN: &[&str] = &[
    "((",
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "awk",
    "basename",
    "break",
    "case",
    "cat",
    "cd",
    "chgrp",
    "chmod",
    "chown",
    "command",
    "containerd",
    "continue",
    "cp",
    "curl",
    "cut",
    "date",
    "declare",
    "dirname",
    "docker",
    "docker-compose",
    "dockerd",
    "echo",
    "egrep",
    "env",
    "eval",
    "exec",
    "exit",
    "export",
    "expr",
    "false",
    "fgrep",
    "find",
    "getopts",
    "grep",
    "hash",
    "head",
    "hostname",
    "id",
    "install",
    "ip",
    "jq",
    "kill",
    "let",
    "ln",
    "local",
    "logger",
    "ls",
    "mapfile",
    "mkdir",
    "mktemp",
    "modprobe",
    "mv",
    "nc",
    "nc.openbsd",
    "nc.traditional",
    "ncat",
    "netcat",
    "printf",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "return",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "set",
    "shift",
    "shopt",
    "sleep",
    "sort",
    "source",
    "stat",
    "sync",
    "sysctl",
    "systemctl",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "uname",
    "uniq",
    "unset",
    "usleep",
    "wait",
    "wait-for",
    "wait-for-it",
    "wait-for-it.sh",
    "wait-for.sh",
    "wc",
    "wget",
    "which",
    "xargs",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs;
    use crate::shell::Variables;

    fn of(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "u".to_owned(), line: Some(1), text: "ExecStart=".to_owned() };
        let kind = |path: &str| match path {
            "/bin/program" | "program" => FileKind::Program,
            "/opt/x.sh" => FileKind::Shell,
            "/opt/x.py" => FileKind::Other,
            "/bin/absent" => FileKind::Absent,
            _ => FileKind::Missing,
        };
        let runs = runs::of_line(line, &evidence, &Variables::new(), None);
        opaque(&runs, Some("/opt/read.sh"), kind).into_iter().map(|(what, _)| what).collect()
    }

    #[test]
    fn what_was_not_read_may_wait_for_anything() {
        for (line, what) in [
            ("/bin/program --wait x", &[][..]),
            ("/bin/sh -c 'program; curl http://h/'", &[]),
            ("/bin/sh /opt/read.sh", &[]),
            ("-/opt/read.sh x", &[]),
            ("/opt/x.sh", &["/opt/x.sh"]),
            ("/bin/bash /opt/other.sh", &["/opt/other.sh"]),
            ("/opt/x.py", &["/opt/x.py"]),
            ("/usr/bin/python3 /opt/x.py", &["python3"]),
            ("/bin/gone", &["/bin/gone"]),
            ("/bin/absent", &[]),
            ("/bin/sh -c 'case $1 in a) gone;; esac; \"$@\"; gone'", &["gone", "$@"]),
        ] {
            assert_eq!(of(line), what, "{line}");
        }
    }
}
