//! What a single command of a shell waits for.

use std::time::Duration;

use crate::name::UnitName;
use crate::place::Place;
use crate::shell::{Again, Simple, program};
use crate::span::Span;
use crate::systemctl::{self, Call};

/// How long `wait-for-it` and `wait-for` wait where nothing else is said (their own help).
const WAIT_FOR_IT_DEFAULT: Duration = Duration::from_secs(15);

/// What a command waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) place: Place,
    /// After this time it gives up.
    pub(crate) limit: Option<Duration>,
    /// True iff it starts the unit that it waits for.
    pub(crate) starts: bool,
}

impl Probe {
    fn of(place: Place) -> Self {
        Self { place, limit: None, starts: false }
    }
}

/// The words without what only runs them, such as `env A=1` and `timeout 60`, and the time that they are given.
pub(crate) fn unwrapped(words: &[String]) -> (&[String], Option<Duration>) {
    let (mut words, mut limit): (_, Option<Duration>) = (words, None);
    while let Some((first, rest)) = words.split_first() {
        let taken = match program(first) {
            "command" | "env" | "exec" | "nice" | "nohup" | "sudo" => front(rest, &["-n", "-u"]),
            "timeout" => {
                let options = front(rest, &["-k", "-s"]);
                let Some(time) = rest.get(options).and_then(|word| span(word)) else { break };
                limit = limit.min(Some(time)).or(Some(time));
                options + 1
            }
            _ => break,
        };
        words = &rest[taken..];
    }
    (words, limit)
}

/// How many words in front are options, values of these options, or assignments.
fn front(words: &[String], with_value: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-') || word.contains('=')) {
        at += if with_value.contains(&word.as_str()) { 2 } else { 1 };
    }
    at.min(words.len())
}

/// The text that a shell is given with `-c`.
pub(crate) fn shell_text(words: &[String]) -> Option<&str> {
    let (first, rest) = words.split_first()?;
    let mut words = rest.iter().filter(|_| is_shell(program(first)));
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-')?;
        if letters.starts_with('-') {
            continue;
        }
        if letters.contains('c') {
            return words.next().map(String::as_str);
        }
        // `-o pipefail`.
        if letters.ends_with('o') {
            words.next();
        }
    }
    None
}

/// The file that a command line runs first, and whether it is given to a shell.
pub(crate) fn file_run(words: &[String]) -> Option<(&str, bool)> {
    let (first, rest) = words.split_first()?;
    if is_shell(program(first)) {
        let file = rest.iter().find(|word| word.starts_with('/'))?;
        return shell_text(words).is_none().then_some((file.as_str(), true));
    }
    let path = first.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    path.starts_with('/').then_some((path, false))
}

/// True iff it is a shell whose texts are understood.
pub(crate) fn is_shell(name: &str) -> bool {
    matches!(name, "ash" | "bash" | "dash" | "ksh" | "sh")
}

/// Everything that the command waits for: by itself, or because it is repeated until it succeeds.
pub(crate) fn probes(words: &[String], simple: &Simple) -> Vec<Probe> {
    let repeated = simple.again != Again::No;
    let mut found: Vec<Probe> =
        simple.targets.iter().filter(|_| repeated).filter_map(|t| device(t)).collect();
    let Some((first, rest)) = words.split_first() else { return found };
    let name = program(first);
    match name {
        "systemctl" => found.extend(of_systemctl(rest, repeated)),
        "curl" if repeated || (has(rest, "--retry") && retries_refused(rest)) => found.extend(of_curl(rest)),
        "wget" if repeated || has(rest, "--retry-connrefused") => found.extend(urls(rest).map(Probe::of)),
        "nc" | "nc.openbsd" | "nc.traditional" | "ncat" | "netcat" if repeated => found.extend(of_nc(rest)),
        "wait-for" | "wait-for-it" | "wait-for-it.sh" | "wait-for.sh" => found.extend(of_wait_for_it(rest)),
        "[" | "[[" | "test" if repeated => found.extend(of_test(rest)),
        "docker" | "docker-compose" => found.extend(of_docker(name, rest)),
        _ => {}
    }
    // Such as `curl "$URL"`, where the text does not set the URL: a wait, and nothing says for what.
    let asks = repeated && matches!(name, "curl" | "nc" | "ncat" | "netcat" | "wget");
    let asks = asks || (simple.again == Again::UntilItSucceeds && !QUIET.contains(&name));
    let unknown = found.is_empty() && asks;
    // Its arguments may hold a secret.
    found.extend(unknown.then(|| command(&[name])).flatten());
    found
}

/// Commands whose success says nothing about another unit, or only in what they were given to read.
const QUIET: &[&str] = &[
    "((",
    ".",
    ":",
    "[",
    "[[",
    "awk",
    "cat",
    "cut",
    "echo",
    "egrep",
    "eval",
    "expr",
    "false",
    "fgrep",
    "grep",
    "head",
    "jq",
    "kill",
    "let",
    "mkdir",
    "pgrep",
    "printf",
    "read",
    "sed",
    "sleep",
    "systemctl",
    "tail",
    "test",
    "tr",
    "true",
];

fn has(words: &[String], option: &str) -> bool {
    words
        .iter()
        .any(|word| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')))
}

/// Without one of these curl takes a refused connection for final (`curl(1)`, `--retry`).
fn retries_refused(words: &[String]) -> bool {
    has(words, "--retry-all-errors") || has(words, "--retry-connrefused")
}

/// What follows one of the options, as the next word, after `=`, or for a letter in the same word.
fn value<'a>(words: &'a [String], options: &[&str]) -> Option<&'a str> {
    for (index, word) in words.iter().enumerate() {
        for option in options {
            match word.strip_prefix(*option) {
                Some("") => return words.get(index + 1).map(String::as_str),
                Some(rest) if option.starts_with("--") => {
                    if let Some(value) = rest.strip_prefix('=') {
                        return Some(value);
                    }
                }
                Some(rest) => return Some(rest),
                None => {}
            }
        }
    }
    None
}

fn span(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(Span::Finite(time)) if !time.is_zero() => Some(time),
        _ => None,
    }
}

fn urls(words: &[String]) -> impl Iterator<Item = Place> {
    let urls = words.iter().filter(|word| word.starts_with("http://") || word.starts_with("https://"));
    urls.filter_map(|word| word.parse().ok())
}

fn of_curl(words: &[String]) -> Vec<Probe> {
    let socket = value(words, &["--unix-socket", "--abstract-unix-socket"]);
    match socket {
        Some(path) => format!("unix://{path}").parse().ok().map(Probe::of).into_iter().collect(),
        None => urls(words).map(Probe::of).collect(),
    }
}

/// The last two words that are neither options nor their values are host and port.
fn of_nc(words: &[String]) -> Option<Probe> {
    let with_value = ["-i", "-p", "-q", "-s", "-w", "-G", "-X", "-x"];
    let mut plain = Vec::new();
    let mut words_left = words.iter();
    while let Some(word) = words_left.next() {
        if with_value.contains(&word.as_str()) {
            words_left.next();
        } else if !word.starts_with('-') {
            plain.push(word.as_str());
        }
    }
    let unix =
        words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('U'));
    let place = match plain[..] {
        [.., path] if unix => format!("unix://{path}"),
        [host, port] => format!("tcp://{host}:{port}"),
        _ => return None,
    };
    place.parse().ok().map(Probe::of)
}

/// `HOST:PORT`, `-h HOST -p PORT` or `--host=HOST --port=PORT`; what follows `--` runs afterwards.
fn of_wait_for_it(words: &[String]) -> Option<Probe> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let words = &words[..end];
    let place = match (value(words, &["--host", "-h"]), value(words, &["--port", "-p"])) {
        (Some(host), Some(port)) => format!("tcp://{host}:{port}").parse().ok()?,
        _ => {
            let word = words.iter().find(|word| !word.starts_with('-') && word.contains(':'))?;
            let text = if word.contains("://") { word.clone() } else { format!("tcp://{word}") };
            text.parse().ok()?
        }
    };
    let limit = match value(words, &["--timeout", "-t"]) {
        Some(text) => span(text),
        None => Some(WAIT_FOR_IT_DEFAULT),
    };
    Some(Probe { limit, ..Probe::of(place) })
}

fn of_test(words: &[String]) -> Option<Probe> {
    let place = words.windows(2).find_map(|pair| match pair[0].as_str() {
        "-S" => format!("unix://{}", pair[1]).parse().ok(),
        "-d" | "-e" | "-f" | "-r" | "-s" if pair[1].starts_with('/') => pair[1].parse().ok(),
        _ => None,
    });
    place.map(Probe::of)
}

/// `/dev/tcp/HOST/PORT` of bash.
fn device(target: &str) -> Option<Probe> {
    let (host, port) = target.strip_prefix("/dev/tcp/")?.split_once('/')?;
    format!("tcp://{host}:{port}").parse().ok().map(Probe::of)
}

fn of_systemctl(words: &[String], repeated: bool) -> Vec<Probe> {
    let asks = repeated || has(words, "--wait");
    match systemctl::call(words) {
        Some(Call::Starts(units)) => {
            let starts = |unit: UnitName| Probe { starts: true, ..Probe::of(Place::Unit(unit)) };
            units.into_iter().map(starts).collect()
        }
        Some(Call::Asks(units)) if asks => {
            units.into_iter().map(|unit| Probe::of(Place::Unit(unit))).collect()
        }
        Some(Call::AsksBoot) if asks => vec![Probe::of(Place::BootFinished)],
        _ => Vec::new(),
    }
}

/// `docker wait` returns once containers have stopped, `docker compose up --wait` once they are healthy; which they are
/// is in the names of the former and in a file for the latter.
fn of_docker(name: &str, words: &[String]) -> Option<Probe> {
    let plain: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let first = *plain.first()?;
    let compose = name == "docker-compose" || first == "compose";
    let at = plain.iter().position(|word| matches!(*word, "up" | "wait"))?;
    let mut shown = vec!["docker"];
    shown.extend(compose.then_some("compose"));
    match plain[at] {
        "wait" if at == 0 || compose || first == "container" => {
            shown.push("wait");
            shown.extend(plain.get(at + 1));
        }
        "up" if compose && has(words, "--wait") => shown.extend(["up", "--wait"]),
        _ => return None,
    }
    command(&shown)
}

fn command(words: &[&str]) -> Option<Probe> {
    format!("command:{}", words.join(" ")).parse().ok().map(Probe::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, again: Again) -> Vec<String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let simple = Simple { words: words.clone(), targets: Vec::new(), line: 1, again };
        let (words, limit) = unwrapped(&words);
        let shown = probes(words, &simple).into_iter().map(|probe| {
            let limit = limit.or(probe.limit).map(|limit| format!(" {}s", limit.as_secs()));
            format!(
                "{}{}{}",
                if probe.starts { "start " } else { "" },
                probe.place,
                limit.unwrap_or_default()
            )
        });
        shown.collect()
    }

    #[test]
    fn what_is_repeated_until_it_succeeds_is_waited_for() {
        for (text, place) in [
            ("curl -fsS --max-time 5 -o /dev/null https://h.example/x?t=s3cret", "https://h.example/x"),
            ("curl -f --unix-socket /run/docker.sock http://localhost/_ping", "unix:///run/docker.sock"),
            ("wget -qO- http://h:81/", "http://h:81/"),
            ("nc -z -w 2 db 5432", "tcp://db:5432"),
            ("nc -zU /run/x.sock", "unix:///run/x.sock"),
            ("test -e /run/ready", "/run/ready"),
            ("[ -S /run/x.sock ]", "unix:///run/x.sock"),
            ("[[ -f /run/ready ]]", "/run/ready"),
            ("systemctl is-active --quiet docker", "docker.service"),
            ("systemctl is-system-running", "boot:finished"),
            ("curl -fs $URL", "command:curl"),
            ("docker info", "command:docker"),
            ("timeout 5 /usr/bin/pg_isready --password s3cret", "command:pg_isready 5s"),
        ] {
            assert_eq!(found(text, Again::UntilItSucceeds), [place], "{text}");
        }
        for text in ["[ -n x ]", "grep -q x", "sleep 1", "test -e relative", "systemctl status a"] {
            assert_eq!(found(text, Again::UntilItSucceeds), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn some_commands_wait_by_themselves() {
        for (text, place) in [
            ("curl --retry 30 --retry-connrefused http://h/", "http://h/"),
            ("wget --retry-connrefused http://h/", "http://h/"),
            ("/opt/wait-for-it.sh db:5432 -t 30 -- run x:1", "tcp://db:5432 30s"),
            ("wait-for-it -h db -p 5432", "tcp://db:5432 15s"),
            ("wait-for-it --host=db --port=5432 --timeout=0", "tcp://db:5432"),
            ("systemctl start a", "start a.service"),
            ("systemctl is-system-running --wait", "boot:finished"),
            ("systemctl is-active --wait a", "a.service"),
            ("docker wait migrate", "command:docker wait migrate"),
            ("docker-compose wait db", "command:docker compose wait db"),
            ("docker compose -f x.yml up -d --wait", "command:docker compose up --wait"),
            ("env A=1 timeout -k 5 60 systemctl start a", "start a.service 60s"),
        ] {
            assert_eq!(found(text, Again::No), [place], "{text}");
        }
        for text in [
            "curl http://h/",
            "curl --retry 3 http://h/",
            "wget http://h/",
            "nc -z h 1",
            "test -e /x",
            "systemctl is-active a",
            "docker run x wait",
            "mytool",
        ] {
            assert_eq!(found(text, Again::No), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_shells_text_and_file_are_told_apart() {
        let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(shell_text(&words(&["-/bin/bash", "-e", "-uc", "a b"])), Some("a b"));
        assert_eq!(shell_text(&words(&["/bin/bash", "-euo", "pipefail", "-c", "a b"])), Some("a b"));
        assert_eq!(shell_text(&words(&["/bin/sh", "/x.sh", "-c", "a"])), None);
        assert_eq!(shell_text(&words(&["/bin/x", "-c", "a"])), None);
        assert_eq!(file_run(&words(&["/bin/sh", "-e", "/x.sh", "-c"])), Some(("/x.sh", true)));
        assert_eq!(file_run(&words(&["-/opt/x.sh", "a"])), Some(("/opt/x.sh", false)));
        assert_eq!(file_run(&words(&["/bin/sh", "-c", "/x.sh"])), None);
        assert_eq!(file_run(&words(&["x.sh"])), None);
    }
}
