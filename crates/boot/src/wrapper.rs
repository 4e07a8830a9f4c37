//! Commands that run other ones: shells, and what stands in front of a command.

use std::time::Duration;

use crate::script::Language;
use crate::simple::{PREFIXES, program};
use crate::span::Span;

/// The words without what only runs them, such as `env A=1` and `timeout 60`, and the time that they are given.
pub(crate) fn unwrapped(words: &[String]) -> (&[String], Option<Duration>) {
    let (mut words, mut limit): (_, Option<Duration>) = (words, None);
    while let Some((first, rest)) = words.split_first() {
        let (taken, own) = match program(first) {
            // It only says where the command is.
            "command" if rest.first().is_some_and(|word| matches!(word.as_str(), "-V" | "-v")) => break,
            "busybox" | "command" | "env" | "exec" | "nice" | "nohup" | "setsid" | "sudo" => {
                (front(rest, &["-n", "-u"]), None)
            }
            // The file that is locked is the first word.
            "flock" => (front(rest, &["-E", "-w", "--conflict-exit-code", "--timeout", "--wait"]) + 1, None),
            "ionice" => (front(rest, &["-c", "-n", "--class", "--classdata"]), None),
            "stdbuf" => (front(rest, &["-e", "-i", "-o", "--error", "--input", "--output"]), None),
            "timeout" => {
                let options = front(rest, &["-k", "-s", "--kill-after", "--signal"]);
                // A time that cannot be read, such as `"$WAIT"`, may be any.
                (options + 1, rest.get(options).and_then(|word| span(word)))
            }
            "xargs" => (front(rest, &["-E", "-I", "-L", "-P", "-a", "-d", "-n", "-s"]), None),
            _ => break,
        };
        // Without a command behind it the wrapper is the command.
        let Some(behind) = rest.get(taken..).filter(|behind| !behind.is_empty()) else { break };
        limit = limit.into_iter().chain(own).min();
        words = behind;
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

/// Where the file stands that a shell is told to read; `None` if it is given its text otherwise.
fn operand(words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(letters) = word.strip_prefix(['-', '+']) else { return Some(at) };
        let long = letters.starts_with('-');
        if !long && letters.contains(['c', 's']) {
            return None;
        }
        let with_value =
            matches!(letters, "-init-file" | "-rcfile") || (!long && letters.ends_with(['o', 'O']));
        at += if with_value { 2 } else { 1 };
    }
    None
}

/// A file that a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File<'a> {
    /// Its absolute path.
    pub(crate) path: &'a str,
    /// What reads it, where that is told to, so that its first line does not matter.
    pub(crate) given: Option<Language>,
    pub(crate) arguments: &'a [String],
}

/// The file that a command runs, if it names one by its absolute path.
pub(crate) fn file_run(words: &[String]) -> Option<File<'_>> {
    let (first, rest) = words.split_first()?;
    if is_shell(program(first)) {
        let file =
            |at: usize| File { path: &rest[at], given: Some(Language::Shell), arguments: &rest[at + 1..] };
        return operand(rest).filter(|at| rest[*at].starts_with('/')).map(file);
    }
    if let Some(Python::File(path, arguments)) = python(words) {
        let file = File { path, given: Some(Language::Python), arguments };
        return path.starts_with('/').then_some(file);
    }
    let path = first.trim_start_matches(PREFIXES);
    path.starts_with('/').then_some(File { path, given: None, arguments: rest })
}

/// What Python is told to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Python<'a> {
    /// This file, with arguments.
    File(&'a str, &'a [String]),
    /// What it is given to read.
    Input,
    /// This text.
    Text(&'a str),
}

/// What Python runs (`python3 --help`); `None` for another program, and for a module, `-m`.
pub(crate) fn python(words: &[String]) -> Option<Python<'_>> {
    let (first, mut rest) = words.split_first().filter(|(first, _)| is_python(program(first)))?;
    while let Some((word, behind)) = rest.split_first() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Some(if word == "-" { Python::Input } else { Python::File(word, behind) });
        };
        // Letters without a value stand in front of one that has one.
        let letters =
            letters.trim_start_matches(['B', 'E', 'I', 'O', 'P', 'b', 'd', 'q', 's', 'S', 'u', 'v', 'x']);
        rest = match letters {
            "" => behind,
            "W" | "X" => behind.get(1..)?,
            "c" => return behind.first().map(|text| Python::Text(text)),
            _ => return None,
        };
    }
    (!first.is_empty()).then_some(Python::Input)
}

/// True iff it is Python, of whatever version.
pub(crate) fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python");
    version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// True iff it is a shell whose texts are understood.
pub(crate) fn is_shell(name: &str) -> bool {
    matches!(name, "ash" | "bash" | "dash" | "ksh" | "sh")
}

/// The time that a text names; `None` for no limit.
pub(crate) fn span(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(Span::Finite(time)) if !time.is_zero() => Some(time),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shells_text_and_file_are_told_apart() {
        let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(shell_text(&words(&["-/bin/bash", "-e", "-uc", "a b"])), Some("a b"));
        assert_eq!(shell_text(&words(&["/bin/bash", "-euo", "pipefail", "-c", "a b"])), Some("a b"));
        assert_eq!(shell_text(&words(&["/bin/sh", "/x.sh", "-c", "a"])), None);
        assert_eq!(shell_text(&words(&["/bin/x", "-c", "a"])), None);
        let file = |text: &[&str]| file_run(&words(text)).map(|file| (file.path.to_owned(), file.given));
        assert_eq!(
            file(&["/bin/sh", "-e", "/x.sh", "-c"]),
            Some(("/x.sh".to_owned(), Some(Language::Shell)))
        );
        assert_eq!(file(&["-/opt/x.sh", "a"]), Some(("/opt/x.sh".to_owned(), None)));
        assert_eq!(file(&["/bin/sh", "-c", "/x.sh"]), None);
        assert_eq!(file(&["x.sh"]), None);
        assert_eq!(file(&["sh", "x.sh", "/y.sh"]), None);
        assert_eq!(file(&["sh", "-s", "/y.sh"]), None);
        assert_eq!(
            file(&["sh", "-eo", "pipefail", "/y.sh"]),
            Some(("/y.sh".to_owned(), Some(Language::Shell)))
        );
        let python = Some(("/y.py".to_owned(), Some(Language::Python)));
        assert_eq!(file(&["python3", "-uB", "-W", "error", "/y.py", "-c"]), python);
        assert_eq!(file(&["python3", "-c", "/y.py"]), None);
        assert_eq!(file(&["python3", "-m", "/y.py"]), None);
    }

    #[test]
    fn what_only_runs_a_command_is_taken_away() {
        for (text, expected, limit) in [
            ("env A=1 timeout -k 5 60 a b", "a b", Some(60)),
            ("timeout --signal KILL --kill-after 5 600 bash -c x", "bash -c x", Some(600)),
            ("timeout $WAIT a", "a", None),
            ("timeout 60 timeout $WAIT a", "a", Some(60)),
            ("timeout 60 timeout 5 a", "a", Some(5)),
            ("flock -w 5 /run/x.lock setsid ionice -c 3 a", "a", None),
            ("busybox sh -c x", "sh -c x", None),
            ("stdbuf -oL a", "a", None),
            ("xargs -n1 -P 4 a", "a", None),
            ("flock 9", "flock 9", None),
            ("command -v a", "command -v a", None),
            ("exec", "exec", None),
            ("runuser -u x -- a", "runuser -u x -- a", None),
        ] {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let (behind, found) = unwrapped(&words);
            assert_eq!(
                (behind.join(" ").as_str(), found),
                (expected, limit.map(Duration::from_secs)),
                "{text}"
            );
        }
    }
}
