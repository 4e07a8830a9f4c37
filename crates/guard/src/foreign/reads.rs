//! Where a text reads an engine's log, and what becomes of a failure there.

use std::sync::LazyLock;

use pvcheck_journal::redact;
use regex::Regex;

use super::grep::Grep;
use super::lines::Line;
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
pattern!(SINCE, r#"\bjournalctl\b[^|]*?\s(?:--since[= ]\s*|-S\s*)(?:\\?"([^"\\]*)\\?"|'([^']*)'|([^\s)]+))"#);
pattern!(BOOT, r"\bjournalctl\b[^|]*?\s(?:-[A-Za-z]*b\b|--boot\b)");
pattern!(CURSOR, r"\bjournalctl\b[^|]*?\s--(?:after-cursor|cursor-file|cursor)\b");
pattern!(
    PRIORITY,
    r"\bjournalctl\b[^|]*?\s(?:-p\s*|--priority[= ])(?:[0-5]|emerg|alert|crit|err|warning|notice)\b"
);
pattern!(SPAN, r"^-?\s*(\d{1,6})\s*(s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?)(?:\s+ago)?$");
pattern!(START, r"ActiveEnterTimestamp|ExecMainStartTimestamp|StartedAt");
pattern!(DROPPED, r"(?:2|&)>\s*/dev/null");
pattern!(SWALLOWED, r"\|\|\s*(?:true\b|:|echo\b|printf\b)");
pattern!(STOPS, r"\|\|\s*(?:exit\b|return\b|die\b|fail\b|abort\b|\{)|\bif\s+!\s");
pattern!(ASSIGNED, r#"(?:^|[\s;])([A-Za-z_]\w*)=(?:"?\$\(|`)"#);
pattern!(COUNTS, r"\bjournalctl\b.*\|\s*(?:[ef]?grep|rg|wc|awk|sed|head|tail|tee|cat)\b");

/// Every read of the log. A line that reads it and looks for nothing is left out where another one looks for something: it
/// shows the log to a person.
pub(super) fn reads(lines: &[Line]) -> Vec<Read> {
    let whole: String = lines.iter().map(|line| line.text.clone() + "\n").collect();
    let all = lines.iter().filter(|line| JOURNALCTL.is_match(&line.text));
    let mut found: Vec<Read> = all.map(|line| read(line, lines, &whole)).collect();
    if found.iter().any(|read| !read.greps.is_empty()) {
        found.retain(|read| !read.greps.is_empty());
    }
    found
}

fn read(line: &Line, lines: &[Line], whole: &str) -> Read {
    let text = line.text.as_str();
    let variable = ASSIGNED.captures(text).map(|found| found[1].to_owned());
    let mut greps = Grep::all(text);
    if let (true, Some(name)) = (greps.is_empty(), &variable) {
        // What was read is searched further down.
        let later = lines.iter().filter(|later| line.number < later.number && uses(&later.text, name));
        greps.extend(later.flat_map(|later| Grep::all(&later.text)).take(1));
    }
    let remote =
        SSH.find(text).zip(JOURNALCTL.find(text)).is_some_and(|(ssh, log)| ssh.start() < log.start());
    let told = LogRead {
        line: line.number,
        text: shown(text),
        remote,
        looks: looks(text, whole),
        patterns: greps.iter().flat_map(|grep| grep.written.clone()).collect(),
    };
    let open = open(text, whole, remote, variable.as_deref());
    let (by_priority, drops_errors) = (PRIORITY.is_match(text), DROPPED.is_match(text));
    Read { told, greps, open, by_priority, drops_errors }
}

fn uses(text: &str, name: &str) -> bool {
    [format!("${name}"), format!("${{{name}")].iter().any(|used| text.contains(used.as_str()))
}

fn looks(text: &str, whole: &str) -> Looks {
    let since = SINCE.captures(text).map(|found| {
        (1..=3)
            .find_map(|n| found.get(n))
            .map_or_else(String::new, |m| m.as_str().trim_end_matches(['\'', '"']).to_owned())
    });
    match since {
        Some(since) if START.is_match(&since) => Looks::ToEngineStart,
        Some(since) => match seconds(&since) {
            Some(seconds) => Looks::Back { seconds },
            // A variable that is set to the engine's start elsewhere.
            None if since.starts_with('$') && START.is_match(whole) => Looks::ToEngineStart,
            None => Looks::Untold { since },
        },
        None if CURSOR.is_match(text) => Looks::ToLastTime,
        None if BOOT.is_match(text) => Looks::ToBoot,
        None => Looks::ToBeginning,
    }
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

/// The programs whose failure reads as nothing found.
fn open(text: &str, whole: &str, remote: bool, variable: Option<&str>) -> Vec<&'static str> {
    let mut open = Vec::new();
    let swallowed = SWALLOWED.is_match(text);
    let stops = STOPS.is_match(text) && !swallowed;
    let exits = whole.lines().any(|line| line.trim_start().starts_with("set -") && sets(line, 'e'));
    let pipefail = whole.contains("pipefail") || whole.contains("PIPESTATUS");
    let checked = variable.is_some_and(|name| is_checked(whole, name));
    // In a pipe the status is the last program's, and a search that is given nothing finds nothing.
    let piped = COUNTS.is_match(text);
    // A pipefail of this shell says nothing of the one at the other end of an ssh.
    let told = if piped {
        pipefail && !remote && !swallowed
    } else {
        stops || checked || (exits && variable.is_some() && !swallowed)
    };
    if !told {
        open.push("journalctl");
    }
    if remote && !(stops || checked || (exits && variable.is_some() && !swallowed)) {
        open.push("ssh");
    }
    open
}

/// True iff a `set` has this letter among its flags.
fn sets(line: &str, flag: char) -> bool {
    let words = line.split_whitespace().skip(1).take_while(|word| word.starts_with('-'));
    words.into_iter().any(|word| word.trim_start_matches('-').contains(flag))
}

/// True iff the text asks somewhere whether this variable is empty or a number.
fn is_checked(whole: &str, name: &str) -> bool {
    let named = |line: &&str| uses(line, name);
    let asks = |line: &str| {
        ["-z ", "=~ ^[0-9]", "*[!0-9]*", "-n "].iter().any(|test| line.contains(test))
            && !line.contains(&format!("{name}:-"))
    };
    whole.lines().filter(named).any(asks)
}

/// A line as it may be shown.
fn shown(text: &str) -> String {
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
            ("journalctl -ub docker | grep a", Looks::ToBoot),
            ("journalctl -u docker --cursor-file=x | grep a", Looks::ToLastTime),
            ("journalctl -u docker --since yesterday | grep a", Looks::Untold { since: "yesterday".into() }),
            ("journalctl -u docker --since 26 | grep a", Looks::Untold { since: "26".into() }),
            (
                "start=$(systemctl show -p ActiveEnterTimestamp --value docker)\njournalctl --since \"$start\" | grep a",
                Looks::ToEngineStart,
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
    }
}
