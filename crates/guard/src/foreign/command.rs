//! A journalctl as it is written: its options, and what comes after it in its pipe.

use std::sync::LazyLock;

use regex::Regex;

use super::lines::{Within, rest_of};

static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|"(?:[^"$\\]|\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$|\\.)*"|'[^']*'|\\.|[^\s|;&<>()"'\\])+"#)
        .expect("a pattern of this file, which its tests compile")
});
static REDIRECTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\d?(?:>>?|<)(?:&\d|\s*[^\s|;&<>()]+)")
        .expect("a pattern of this file, which its tests compile")
});

/// Programs that choose among lines in a way of their own.
static CHOOSES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\|\s*((?:[gmn]?awk|sed|head|tail|perl|python3?)\b)")
        .expect("a pattern of this file, which its tests compile")
});

/// Short options of journalctl that take a word (journalctl(1)); that of `-n` may be left out.
const WITH_WORD: &str = "uUSpotgcDMFTn";

/// A journalctl of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// What stands after `--since`, without quotes.
    pub(super) since: Option<String>,
    /// True iff it reads since a boot.
    pub(super) boot: bool,
    /// True iff it goes on where it stopped the last time.
    pub(super) cursor: bool,
    /// What keeps lines of the engine's from it, or may.
    pub(super) narrowed: Option<String>,
    /// True iff it stands between `'`, so that a variable in it is that of the other end.
    pub(super) is_literal: bool,
}

impl Command {
    /// The journalctl at this place of a line.
    pub(super) fn at(line: &str, at: usize) -> Self {
        let (rest, within) = rest_of(line, at);
        // One in a quote has its own quotes escaped.
        let unescaped = rest.replace("\\\"", "\"");
        let (words, piped) = words(&unescaped);
        let mut command = Self {
            since: None,
            boot: false,
            cursor: false,
            narrowed: chooses(piped).or_else(|| chooses(&line[at + rest.len()..])),
            is_literal: within == Some(Within::Single),
        };
        let mut units: Vec<String> = Vec::new();
        let mut words = words.into_iter().skip(1).peekable();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
                let takes = matches!(
                    name,
                    "since"
                        | "until"
                        | "unit"
                        | "user-unit"
                        | "identifier"
                        | "lines"
                        | "grep"
                        | "priority"
                        | "output"
                );
                let takes = takes
                    && value.is_none()
                    && words.peek().is_some_and(|next| !next.starts_with('-') || name == "since");
                let value = value.or_else(|| if takes { words.next() } else { None });
                command.take(name, value, &mut units);
            } else if let Some(flags) = word.strip_prefix('-') {
                for (place, flag) in flags.char_indices() {
                    let name = long(flag);
                    if !WITH_WORD.contains(flag) {
                        command.take(name, None, &mut units);
                        continue;
                    }
                    let here = &flags[place + flag.len_utf8()..];
                    let next = here.is_empty()
                        && (flag != 'n'
                            || words
                                .peek()
                                .is_some_and(|next| next.bytes().all(|byte| byte.is_ascii_digit())));
                    let value = if next { words.next() } else { Some(here.to_owned()) };
                    command.take(name, value, &mut units);
                    break;
                }
            } else if let Some((field, value)) = word.split_once('=')
                && matches!(field, "_SYSTEMD_UNIT" | "UNIT" | "SYSLOG_IDENTIFIER" | "_COMM")
            {
                units.push(value.to_owned());
            }
        }
        if let Some(other) = units.first().filter(|_| !units.iter().any(|unit| is_engine(unit))) {
            command.narrowed = Some(other.clone());
        }
        command
    }

    fn take(&mut self, name: &str, value: Option<String>, units: &mut Vec<String>) {
        match name {
            "since" => self.since = Some(value.unwrap_or_default()),
            "boot" => self.boot = true,
            "cursor" | "after-cursor" | "cursor-file" => self.cursor = true,
            "unit" | "identifier" => units.extend(value),
            "until" | "lines" | "dmesg" | "user" | "user-unit" | "field" => {
                self.narrowed.get_or_insert_with(|| format!("--{name}"));
            }
            _ => {}
        }
    }
}

/// A program of the pipe that chooses among the lines, or among their counts.
pub(super) fn chooses(text: &str) -> Option<String> {
    CHOOSES.captures(text).map(|found| format!("| {}", &found[1]))
}

fn long(flag: char) -> &'static str {
    match flag {
        'u' => "unit",
        'U' => "until",
        'S' => "since",
        't' => "identifier",
        'n' => "lines",
        'b' => "boot",
        'k' => "dmesg",
        'F' => "field",
        'c' => "cursor",
        _ => "",
    }
}

/// True iff this is the unit of the engine, or the name under which it logs.
fn is_engine(unit: &str) -> bool {
    matches!(unit.trim_end_matches(".service"), "docker" | "dockerd" | "snap.docker.dockerd")
}

/// The words of a command, without their quotes, and what comes after it; where it is written to is no word.
fn words(text: &str) -> (Vec<String>, &str) {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    loop {
        if let Some(redirected) = REDIRECTED.find(rest) {
            rest = rest[redirected.end()..].trim_start();
        } else if let Some(word) = WORD.find(rest) {
            found.push(word.as_str().replace(['"', '\''], ""));
            rest = rest[word.end()..].trim_start();
        } else {
            return (found, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Command {
        Command::at(line, line.find("journalctl").expect("it has one"))
    }

    #[test]
    fn options_are_read_as_journalctl_reads_them() {
        for (line, since) in [
            ("journalctl -u docker --since -1h | x", "-1h"),
            ("journalctl -qu docker -S-1h", "-1h"),
            (
                "journalctl -u docker --since $(systemctl show x | sed s/a//) | x",
                "$(systemctl show x | sed s/a//)",
            ),
            (
                r#"n="$(journalctl --since "$(systemctl show -p A docker)" -u docker | x -n 3)""#,
                "$(systemctl show -p A docker)",
            ),
            (
                r#"n=$(ssh h 'journalctl 2>/dev/null --since \"1 day ago\" -u docker | grep -n x')"#,
                "1 day ago",
            ),
            (r#"ssh h "journalctl -g 'a|b' -u docker.service --since '$s'" | grep -n "x""#, "$s"),
        ] {
            let command = of(line);
            assert_eq!((command.since.as_deref(), command.narrowed), (Some(since), None), "{line}");
        }
        assert!(of("journalctl -b -u docker").boot && !of("journalctl -ub").boot);
        assert!(of("journalctl --cursor-file=x").cursor && of("ssh h 'journalctl'").is_literal);
    }

    #[test]
    fn what_keeps_lines_from_it_is_told() {
        for (line, narrowed) in [
            ("journalctl -u kubelet | x", "kubelet"),
            ("journalctl -ukubelet", "kubelet"),
            ("journalctl --unit=containerd", "containerd"),
            ("journalctl _SYSTEMD_UNIT=kubelet.service", "kubelet.service"),
            ("journalctl -u docker --until \"$s\"", "--until"),
            ("journalctl -u docker -n 1", "--lines"),
            ("journalctl -u docker -n1", "--lines"),
            ("journalctl -u docker --lines=5", "--lines"),
            ("journalctl -k", "--dmesg"),
            ("journalctl -u docker | grep -c x | awk '$1>500'", "| awk"),
            ("ssh h 'journalctl -u docker' | head -5", "| head"),
        ] {
            assert_eq!(of(line).narrowed.as_deref(), Some(narrowed), "{line}");
        }
        assert_eq!(of("journalctl -u containerd -u docker -o cat").narrowed, None);
    }
}
