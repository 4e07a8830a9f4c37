//! Commands of which it is not known what they wait for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::name::UnitName;
use crate::runs::{Run, Runs, joined};
use crate::simple::{PREFIXES, program};
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
    /// No program, such as a list of settings.
    Data,
    /// It is not here, and where it would be was not read either.
    Missing,
    /// A script for something else than a shell or Python, or a file that can be run and is none of these.
    Other,
    /// A compiled program.
    Program,
    /// A script for Python.
    Python,
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
    let mut found: Vec<(String, Evidence)> = Vec::new();
    let texts = runs.unclear.iter().map(|evidence| ("a text that is not understood".to_owned(), evidence));
    let unread = runs.list.iter().filter_map(|run| Some((what(run, read, &kind)?.to_owned(), &run.evidence)));
    for (what, evidence) in unread.chain(texts) {
        let one = (what, evidence.clone());
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// What the command runs and that was not read. Only what is known to wait for nothing, or whose waits are understood, is
/// let pass.
fn what<'a>(run: &'a Run, read: Option<&str>, kind: &impl Fn(&str) -> FileKind) -> Option<&'a str> {
    let (first, rest) = run.words.split_first()?;
    let shown = run.simple.shown(rest.len());
    if !run.simple.is_known(rest.len()) {
        return Some(shown);
    }
    let path = first.trim_start_matches(PREFIXES);
    let (name, file) = (program(path), file_run(&run.words));
    let was_read = file.is_some_and(|file| Some(file.path) == read);
    if path.is_empty() || was_read {
        return None;
    }
    match name {
        "." | "source" => {
            let file = rest.first().and_then(|file| joined(run.folder.as_deref(), file));
            let was_read = file.is_some() && file.as_deref() == read;
            return (!was_read).then(|| run.simple.shown(rest.len().saturating_sub(1)));
        }
        _ if is_shell(name) => {
            let given = file.map(|file| run.simple.shown(file.arguments.len()));
            return Some(given.unwrap_or(name_of(shown)));
        }
        "docker" | "docker-compose" if runs_inside(rest) && rest.iter().any(|word| runs_texts(word)) => {
            return Some(name_of(shown));
        }
        "find" if rest.iter().any(|word| runs_texts(word)) => return Some(name_of(shown)),
        "eval" => return Some(name_of(shown)),
        _ if RUNNERS.contains(&name) || is_interpreter(name) => return Some(name_of(shown)),
        _ if KNOWN.contains(&name) => return None,
        _ => {}
    }
    match kind(path) {
        FileKind::Absent => None,
        // What a program is given may be what it runs.
        FileKind::Program => {
            rest.iter().any(|word| runs_texts(word) || is_script(word, kind)).then_some(shown)
        }
        FileKind::Data | FileKind::Missing | FileKind::Other | FileKind::Python | FileKind::Shell => {
            Some(shown)
        }
    }
}

fn name_of(shown: &str) -> &str {
    shown.rsplit_once('/').map_or(shown, |(_, name)| name)
}

fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter))
}

fn runs_texts(word: &str) -> bool {
    let name = program(word);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    is_shell(name) || INTERPRETERS.contains(&bare)
}

fn is_script(word: &str, kind: &impl Fn(&str) -> FileKind) -> bool {
    word.starts_with('/') && matches!(kind(word), FileKind::Other | FileKind::Python | FileKind::Shell)
}

/// True iff docker is told to run a command in a container and to wait for its end.
fn runs_inside(words: &[String]) -> bool {
    let detached = words.iter().any(|word| matches!(word.as_str(), "--detach" | "-d" | "-dt" | "-itd"));
    words.iter().any(|word| matches!(word.as_str(), "exec" | "run")) && !detached
}

/// Programs that run what they are given to read.
const INTERPRETERS: [&str; 8] = ["java", "lua", "node", "perl", "php", "pwsh", "python", "ruby"];

/// Programs that run commands which are not looked at: as another user, in another root, on another host.
const RUNNERS: [&str; 14] = [
    "chroot",
    "expect",
    "make",
    "nsenter",
    "parallel",
    "runuser",
    "script",
    "setpriv",
    "ssh",
    "su",
    "systemd-run",
    "timeout",
    "unshare",
    "watch",
];

/// What a shell does itself, and programs whose waits are understood or that wait for nothing, for where no program can be
/// looked at.
const KNOWN: &[&str] = &[
    "((",
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
    "stat",
    "sync",
    "sysctl",
    "systemctl",
    "tail",
    "tee",
    "test",
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
    use crate::variables::Variables;

    fn of(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "u".to_owned(), line: Some(1), text: "ExecStart=".to_owned() };
        let kind = |path: &str| match path {
            "/bin/program" | "program" => FileKind::Program,
            "/opt/x.sh" => FileKind::Shell,
            "/opt/x.conf" => FileKind::Data,
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
            ("/bin/sh -c 'case $1 in a) gone;; esac; \"$@\"; gone'", &["gone", "a command"]),
            ("/bin/sh -c '$(cat /opt/x) a'", &["a command"]),
            ("/bin/sh -c \"echo $(cat /opt/x)\"", &["a text that is not understood"]),
            ("/bin/sh -c 'X=s3cret; \"$X\" a'", &["a command"]),
            ("/bin/sh -c 'X=s3cret; sh -c \"$X a\"'", &["a command"]),
            ("/bin/sh -c 'cd /opt && bash inner.sh'", &["bash"]),
            ("/bin/sh -c 'curl http://h/ | sh'", &["sh"]),
            ("/bin/sh -c '. /opt/inner.sh'", &["/opt/inner.sh"]),
            ("/bin/sh -c 'source /opt/read.sh'", &[]),
            ("/bin/sh -c 'eval \"$1\"'", &["eval"]),
            ("/bin/sh -c 'eval gone; eval cat x'", &["gone"]),
            ("/bin/sh -c 'trap gone EXIT; trap - INT'", &["gone"]),
            ("/bin/sh -c 'f() { f; }; f'", &["f"]),
            ("timeout --signal KILL 600 gone", &["gone"]),
            ("timeout $WAIT gone", &["gone"]),
            ("/bin/program -x bash -c gone", &["/bin/program"]),
            ("/bin/program -x /opt/x.py", &["/bin/program"]),
            ("/bin/program -x /opt/x.conf", &[]),
            ("flock /run/x.lock setsid bash -c gone", &["gone"]),
            ("su - u -c gone", &["su"]),
            ("systemd-run --wait program", &["systemd-run"]),
            ("docker exec a sh -c gone", &["docker"]),
            ("docker run -d a sh", &[]),
            ("/bin/sh -c 'let m=1<<8\ngone'", &["a text that is not understood"]),
        ] {
            assert_eq!(of(line), what, "{line}");
        }
    }

    #[test]
    fn the_fifth_shell_in_a_shell_is_not_read() {
        let nested = |depth: usize| {
            let escaped = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
            let of = |inner: String, _| format!("sh -c \"{}\"", escaped(&inner));
            (0..depth).fold("gone".to_owned(), of)
        };
        assert_eq!(of(&nested(4)), ["gone"]);
        assert_eq!(of(&nested(5)), ["sh"]);
    }
}
