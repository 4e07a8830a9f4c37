//! Where a text reads an engine's log, and what becomes of a failure there.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pvcheck_journal::redact;
use regex::Regex;

use super::command::{Command, chooses};
use super::failure::Script;
use super::grep::Grep;
use super::lines::{Line, bare, uses};
use super::report::{LogRead, Looks};

/// The most characters of a line that are told.
const MOST_CHARS: usize = 240;

/// A read of the log, with its greps.
pub(super) struct Read {
    pub(super) told: LogRead,
    /// Each must find a line for the guard to fire on it.
    pub(super) greps: Vec<Grep>,
    /// The programs whose failure reads as nothing found.
    pub(super) open: Vec<&'static str>,
    /// What keeps lines of the engine's from it, or may.
    pub(super) narrowed: Option<String>,
    pub(super) by_priority: bool,
    pub(super) drops_errors: bool,
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a pattern of this file, which its tests compile"));
    };
}

pattern!(JOURNALCTL, r"\bjournalctl\b");
pattern!(SSH, r"\bssh\s");
pattern!(
    PRIORITY,
    r"\bjournalctl\b[^|]*?\s(?:-p\s*|--priority[= ])(?:[0-5]|emerg|alert|crit|err|warning|notice)\b"
);
pattern!(SPAN, r"^-?\s*(\d{1,6})\s*(s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?)(?:\s+ago)?$");
pattern!(START, r"\bsystemctl\s.*(?:ActiveEnterTimestamp|ExecMainStartTimestamp)");
pattern!(ENGINE, r"\bdocker(?:\.service)?(?:[^\w.-]|$)");
pattern!(VARIABLE, r"^\$\{?([A-Za-z_]\w*)\}?$");
pattern!(DROPPED, r"(?:2|&)>\s*/dev/null");
pattern!(ASSIGNED, r#"(?:^|[\s;])([A-Za-z_]\w*)=(?:"?\$\(|`)"#);
pattern!(SETS, r"(?:^|[\s;])([A-Za-z_]\w*)=");

/// Every read of the log. A line that reads it and looks for nothing is left out where another one looks for something: it
/// shows the log to a person.
pub(super) fn reads(lines: &[Line]) -> Vec<Read> {
    let script = Script::of(lines);
    let read = |(which, line): (usize, &Line)| {
        JOURNALCTL.find(&line.text).map(|log| read(which, log.start(), lines, &script))
    };
    let mut found: Vec<Read> = lines.iter().enumerate().filter_map(read).collect();
    if found.iter().any(|read| !read.greps.is_empty()) {
        found.retain(|read| !read.greps.is_empty());
    }
    found
}

/// The read at this place of this line.
fn read(which: usize, at: usize, lines: &[Line], script: &Script) -> Read {
    let line = &lines[which];
    let text = line.text.as_str();
    let command = Command::at(text, at);
    let variable = ASSIGNED.captures(text).map(|found| found[1].to_owned());
    let (mut greps, mut narrowed) = (Grep::all(text), command.narrowed.clone());
    if let (true, Some(name)) = (greps.is_empty(), &variable) {
        // What was read is searched further down.
        let mut later = lines[which + 1..].iter().filter(|later| uses(&later.text, name));
        if let Some((found, later)) =
            later.find_map(|later| Some((Grep::all(&later.text).into_iter().next()?, later)))
        {
            narrowed = narrowed.or_else(|| chooses(&later.text));
            greps.push(found);
        }
    }
    let remote = SSH.find(text).is_some_and(|ssh| ssh.start() < at);
    let told = LogRead {
        line: line.number,
        text: shown(text),
        remote,
        looks: looks(&command, which, lines),
        patterns: greps.iter().flat_map(|grep| &grep.written).map(|pattern| shown(pattern)).collect(),
    };
    let open = script.open(which, at, remote, variable.as_deref());
    let narrowed = narrowed.map(|words| shown(&words));
    let (by_priority, drops_errors) = (PRIORITY.is_match(text), DROPPED.is_match(text));
    Read { told, greps, open, narrowed, by_priority, drops_errors }
}

/// The names of all that holds what was read, or what was made of it.
pub(super) fn holders(lines: &[Line]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in lines {
        if JOURNALCTL.is_match(&line.text) || names.iter().any(|name: &String| uses(&line.text, name)) {
            names.extend(SETS.captures_iter(&bare(&line.text)).map(|found| found[1].to_owned()));
        }
    }
    names
}

fn looks(command: &Command, which: usize, lines: &[Line]) -> Looks {
    match &command.since {
        Some(since) if is_start(since) => Looks::ToEngineStart,
        Some(since) => match seconds(since) {
            Some(seconds) => Looks::Back { seconds },
            None if is_set_to_start(command, since, which, lines) => Looks::ToEngineStart,
            None => Looks::Untold { since: shown(since) },
        },
        None if command.cursor => Looks::ToLastTime,
        None if command.boot => Looks::ToBoot,
        None => Looks::ToBeginning,
    }
}

/// True iff this asks systemd when the engine was started.
fn is_start(text: &str) -> bool {
    START.is_match(text) && ENGINE.is_match(text)
}

/// True iff this is a variable that is set to the engine's start, and to nothing else.
fn is_set_to_start(command: &Command, since: &str, which: usize, lines: &[Line]) -> bool {
    let Some(name) = VARIABLE.captures(since).map(|found| found[1].to_owned()) else { return false };
    // Between `'` it is a variable of the other end, which only the same line can set.
    let lines = if command.is_literal { &lines[which..=which] } else { lines };
    let values: Vec<&str> = lines.iter().filter_map(|line| value(&line.text, &name)).collect();
    !values.is_empty() && values.into_iter().all(is_start)
}

/// What this line sets the variable to, with what follows.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut all = SETS.captures_iter(text).filter_map(|found| found.get(1));
    let at = all.find(|found| found.as_str() == name)?.end() + 1;
    text.get(at..)
}

/// A span of time before now, as systemd reads it (systemd.time(7)); `None` for anything else.
fn seconds(since: &str) -> Option<u64> {
    let found = SPAN.captures(since)?;
    // `26` alone, or without a sign and `ago`, is no time before now.
    if !since.starts_with('-') && !since.ends_with("ago") {
        return None;
    }
    let unit = match found[2].chars().next()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => 604_800,
    };
    Some(found[1].parse::<u64>().ok()? * unit)
}

/// A text of the file as it may be shown.
pub(super) fn shown(text: &str) -> String {
    let clean = redact(text);
    let mut chars = clean.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = chars.by_ref().take(MOST_CHARS).collect();
    if chars.next().is_some() { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::lines::lines;

    fn of(text: &str) -> Read {
        let mut found = reads(&lines(text));
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0)
    }

    #[test]
    fn how_far_it_looks_back() {
        for (command, expected) in [
            ("journalctl -u docker --since \"26 hours ago\" | grep a", Looks::Back { seconds: 93_600 }),
            ("journalctl -u docker --since=-26h | grep a", Looks::Back { seconds: 93_600 }),
            ("journalctl -u docker -S '1 day ago' | grep a", Looks::Back { seconds: 86_400 }),
            ("journalctl -u docker | grep a", Looks::ToBeginning),
            ("journalctl -b -u docker | grep a", Looks::ToBoot),
            ("journalctl -bu docker | grep a", Looks::ToBoot),
            ("journalctl -u docker --cursor-file=x | grep a", Looks::ToLastTime),
            ("journalctl -u docker --since yesterday | grep a", Looks::Untold { since: "yesterday".into() }),
            ("journalctl -u docker --since 26 | grep a", Looks::Untold { since: "26".into() }),
            (
                "start=$(systemctl show -p ActiveEnterTimestamp --value docker)\njournalctl --since \"$start\" | grep a",
                Looks::ToEngineStart,
            ),
            (
                "journalctl -u docker --since \"$(systemctl show -p ActiveEnterTimestamp --value docker)\" | grep a",
                Looks::ToEngineStart,
            ),
            (
                "S=yesterday\nT=$(systemctl show -p ActiveEnterTimestamp docker)\njournalctl -u docker --since \"$S\" | grep a",
                Looks::Untold { since: "$S".into() },
            ),
            (
                "S=$(systemctl show -p ActiveEnterTimestamp --value nginx)\njournalctl -u docker --since \"$S\" | grep a",
                Looks::Untold { since: "$S".into() },
            ),
            (
                "S=$(systemctl show -p ActiveEnterTimestamp --value docker)\nssh h 'journalctl -u docker --since \"$S\" | grep a'",
                Looks::Untold { since: "$S".into() },
            ),
        ] {
            assert_eq!(of(command).told.looks, expected, "{command}");
        }
    }

    #[test]
    fn where_a_failure_reads_as_nothing_found() {
        let original = r#"N=$(ssh host 'journalctl -u docker --since "26 hours ago" | grep -c "x"')"#;
        for (text, expected) in [
            (original.to_owned(), vec!["journalctl", "ssh"]),
            (format!("{original} || exit 3"), vec!["journalctl"]),
            (format!("{original} || true"), vec!["journalctl", "ssh"]),
            (format!("set -eu\n{original}"), vec!["journalctl"]),
            (format!("{original}\n[ -z \"$N\" ] && exit 3"), vec!["journalctl"]),
            ("N=$(journalctl -u docker | grep -c x)".to_owned(), vec!["journalctl"]),
            ("set -o pipefail\nN=$(journalctl -u docker | grep -c x)".to_owned(), vec![]),
            ("LOG=$(journalctl -u docker) || exit 3\ngrep -c x <<< \"$LOG\"".to_owned(), vec![]),
            ("LOG=$(journalctl -u docker)\ngrep -c x <<< \"$LOG\"".to_owned(), vec!["journalctl"]),
            ("if journalctl -q -u docker -g x; then".to_owned(), vec!["journalctl"]),
            (format!("{original}\nif [ -n \"$N\" ]; then exit 3; fi"), vec!["journalctl", "ssh"]),
            (format!("{original}\n[ -z \"$N\" ] && exit 0"), vec!["journalctl", "ssh"]),
            (format!("{original}\n[ -z \"$N\" ] || exit 3"), vec!["journalctl", "ssh"]),
            (format!("{original}\nif [ -z \"$N\" ]; then\n  echo blind\n  exit 3\nfi"), vec!["journalctl"]),
            (format!("{original}\n[[ $N =~ ^[0-9]+$ ]] || exit 3"), vec!["journalctl"]),
            (format!("{original}\n[[ $N =~ ^[0-9]+$ ]] && exit 3"), vec!["journalctl", "ssh"]),
            (format!("{original}\ncase $N in ''|*[!0-9]*) exit 3 ;; esac"), vec!["journalctl"]),
            (format!("{original}\ncase $N in ''|*[!0-9]*) N=0 ;; esac\nexit 3"), vec!["journalctl", "ssh"]),
            (format!("{original} || exit 0"), vec!["journalctl", "ssh"]),
            (format!("set -e\n{original} || exit 0"), vec!["journalctl", "ssh"]),
            (format!("{original} || exit"), vec!["journalctl"]),
            (format!("{original} || {{ echo blind; exit 3; }}"), vec!["journalctl"]),
            (format!("{original} || {{ echo blind; }}\nexit 3"), vec!["journalctl", "ssh"]),
            (format!("if ! {original}; then\n  exit 3\nfi"), vec!["journalctl"]),
            (format!("if ! {original}; then\n  N=0\nfi\nexit 3"), vec!["journalctl", "ssh"]),
            (format!("{original}; true || exit 3"), vec!["journalctl", "ssh"]),
            (format!("set -e\nlocal {original}"), vec!["journalctl", "ssh"]),
            ("LOG=$(journalctl -u docker || exit 3)\ngrep -c x <<< \"$LOG\"".to_owned(), vec!["journalctl"]),
        ] {
            assert_eq!(of(&text).open, expected, "{text}");
        }
    }

    #[test]
    fn what_is_read_into_a_variable_is_searched_further_down() {
        let read = of("LOG=$(journalctl -u docker)\necho hi\ngrep -c 'two words' <<< \"$LOG\"\n");
        assert_eq!((read.told.patterns.as_slice(), read.told.line), (["two words".to_owned()].as_slice(), 1));
        let shown = of("see journalctl -u docker\n");
        assert!(shown.greps.is_empty() && !shown.told.remote);
    }

    #[test]
    fn no_secret_of_a_line_is_told() {
        let read = of("TOKEN=canary-4c1 journalctl -u docker | grep x");
        assert!(!read.told.text.contains("canary"), "{}", read.told.text);
        let read = of(
            "journalctl -u docker --since \"https://u:pv-canary3@h\" | grep -e x -e \"SWMTKN-1-pvcanary5\" -e password=s3cretcanary",
        );
        let told = format!("{:?}", read.told);
        assert!(!told.contains("canary") && read.told.patterns.len() == 3, "{told}");
        assert_eq!(read.greps[0].finds("password=s3cretcanary"), Some(true), "it is tried as it is written");
    }
}
