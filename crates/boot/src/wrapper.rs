//! Commands that run other ones: shells, and what stands in front of a command.

use std::time::Duration;

use crate::shell::program;
use crate::span::Span;

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

/// A file that a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File<'a> {
    /// Its absolute path.
    pub(crate) path: &'a str,
    /// True iff a shell is told to read it, so that its first line does not matter.
    pub(crate) given: bool,
    pub(crate) arguments: &'a [String],
}

/// The file that a command runs, if it names one by its absolute path.
pub(crate) fn file_run(words: &[String]) -> Option<File<'_>> {
    let (first, rest) = words.split_first()?;
    if is_shell(program(first)) {
        let at = rest.iter().position(|word| word.starts_with('/'))?;
        let file = File { path: &rest[at], given: true, arguments: &rest[at + 1..] };
        return shell_text(words).is_none().then_some(file);
    }
    let path = first.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    path.starts_with('/').then_some(File { path, given: false, arguments: rest })
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
        assert_eq!(file(&["/bin/sh", "-e", "/x.sh", "-c"]), Some(("/x.sh".to_owned(), true)));
        assert_eq!(file(&["-/opt/x.sh", "a"]), Some(("/opt/x.sh".to_owned(), false)));
        assert_eq!(file(&["/bin/sh", "-c", "/x.sh"]), None);
        assert_eq!(file(&["x.sh"]), None);
    }
}
