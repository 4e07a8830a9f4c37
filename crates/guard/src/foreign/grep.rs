//! What a grep would find: its pattern in the syntax that it is in, as a regular expression of this program.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// A grep: a line is found iff one of the patterns matches it.
#[derive(Clone, Debug)]
pub(super) struct Grep {
    /// The patterns as they are written.
    pub(super) written: Vec<String>,
    /// The patterns; `None` for one that cannot be told without running it, such as one with a variable.
    patterns: Vec<Option<Regex>>,
    inverted: bool,
}

static GREP: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"\b(?P<name>[ef]?grep|rg)\b(?P<words>(?:\s+(?:--?[A-Za-z][\w=-]*|"[^"]*"|'[^']*'|[^\s|;&<>()'"`]+))+)"#,
    )
});
static WORD: LazyLock<Regex> = LazyLock::new(|| compiled(r#""([^"]*)"|'([^']*)'|(\S+)"#));
static JOURNAL_GREP: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"\bjournalctl\b[^|]*?\s(?:-g\s*|--grep[= ])(?:"([^"]*)"|'([^']*)'|(\S+))"#));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file, which its tests compile")
}

impl Grep {
    /// Every grep of a line, in order, journalctl's own among them.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let own = JOURNAL_GREP.captures(text).map(|found| {
            let written =
                (1..=3).find_map(|n| found.get(n)).map_or_else(String::new, |m| m.as_str().to_owned());
            // Without a capital letter it ignores case (journalctl(1), --grep).
            let ignores_case = !written.chars().any(char::is_uppercase);
            Self::of(vec![written], Syntax::Extended, ignores_case, false)
        });
        own.into_iter()
            .chain(GREP.captures_iter(text).filter_map(|found| Self::read(&found["name"], &found["words"])))
            .collect()
    }

    fn read(name: &str, words: &str) -> Option<Self> {
        let mut syntax = if name == "grep" { Syntax::Basic } else { Syntax::Extended };
        if name == "fgrep" {
            syntax = Syntax::Fixed;
        }
        let (mut ignores_case, mut inverted, mut patterns) = (false, false, Vec::new());
        let mut words = WORD.captures_iter(words).map(|word| {
            let quoted = word.get(1).or_else(|| word.get(2));
            (quoted.is_some(), quoted.or_else(|| word.get(3)).map_or("", |m| m.as_str()).to_owned())
        });
        let mut first = None;
        while let Some((is_quoted, word)) = words.next() {
            if let Some(flags) = word.strip_prefix('-').filter(|_| !is_quoted) {
                if let Some(pattern) = flags.strip_prefix("-regexp=") {
                    patterns.push(pattern.to_owned());
                } else if !flags.starts_with('-') {
                    ignores_case |= flags.contains('i');
                    inverted |= flags.contains('v');
                    if flags.contains('F') {
                        syntax = Syntax::Fixed;
                    } else if flags.contains(['E', 'P']) {
                        syntax = Syntax::Extended;
                    }
                    if flags.ends_with('e') {
                        patterns.extend(words.next().map(|(_, pattern)| pattern));
                    }
                }
            } else if first.is_none() {
                first = Some(word);
            }
        }
        if patterns.is_empty() {
            patterns.extend(first);
        }
        (!patterns.is_empty()).then(|| Self::of(patterns, syntax, ignores_case, inverted))
    }

    fn of(written: Vec<String>, syntax: Syntax, ignores_case: bool, inverted: bool) -> Self {
        let patterns = written.iter().map(|pattern| syntax.regex(pattern, ignores_case)).collect();
        Self { written, patterns, inverted }
    }

    /// True iff it finds this line; `None` if that cannot be told.
    pub(super) fn finds(&self, line: &str) -> Option<bool> {
        let known =
            self.patterns.iter().map(|pattern| pattern.as_ref().map(|pattern| pattern.is_match(line)));
        let known: Vec<Option<bool>> = known.collect();
        let found = if known.contains(&Some(true)) {
            Some(true)
        } else if known.contains(&None) {
            None
        } else {
            Some(false)
        };
        found.map(|found| found != self.inverted)
    }
}

/// The syntax of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Basic,
    Extended,
    Fixed,
}

impl Syntax {
    fn regex(self, pattern: &str, ignores_case: bool) -> Option<Regex> {
        // In double quotes the shell fills a variable in.
        if pattern.contains("$(") || pattern.contains("${") || has_variable(pattern) {
            return None;
        }
        let text = match self {
            Self::Fixed => regex::escape(pattern),
            Self::Extended => pattern.to_owned(),
            Self::Basic => basic(pattern),
        };
        RegexBuilder::new(&text).case_insensitive(ignores_case).build().ok()
    }
}

fn has_variable(pattern: &str) -> bool {
    pattern.char_indices().any(|(at, c)| {
        c == '$' && pattern[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_')
    })
}

/// A basic regular expression: what has a backslash there has none here, and the other way round (grep(1)).
fn basic(pattern: &str) -> String {
    let (mut text, mut chars) = (String::new(), pattern.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(special @ ('|' | '(' | ')' | '{' | '}' | '+' | '?')) => text.push(special),
                Some(other) => text.extend(['\\', other]),
                None => text.push_str("\\\\"),
            },
            '|' | '(' | ')' | '{' | '}' | '+' | '?' => text.extend(['\\', c]),
            plain => text.push(plain),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(command: &str, line: &str) -> Option<bool> {
        let all = Grep::all(command);
        assert_eq!(all.len(), 1, "{command}: {all:?}");
        all[0].finds(line)
    }

    #[test]
    fn a_pattern_is_read_in_its_own_syntax() {
        for (command, line, expected) in [
            (
                "grep -c 'available IP while allocating VIP'",
                "no available IP while allocating VIP",
                Some(true),
            ),
            (r#"grep "a\|b""#, "xbx", Some(true)),
            ("grep 'a|b'", "xbx", Some(false)),
            ("grep -E 'a|b'", "xbx", Some(true)),
            ("egrep 'a|b'", "xbx", Some(true)),
            ("grep -F 'a.b'", "axb", Some(false)),
            ("grep a.b /var/log/x", "axb", Some(true)),
            ("grep -qi AVAILABLE", "available", Some(true)),
            ("grep -e one -e two", "two", Some(true)),
            ("grep -v one", "two", Some(true)),
            (r#"grep "$PATTERN""#, "two", None),
            ("grep 'gone$'", "gone", Some(true)),
            ("journalctl -u docker -g 'available ip'", "Available IP", Some(true)),
            ("journalctl --grep='Available' -u docker", "available", Some(false)),
        ] {
            assert_eq!(finds(command, line), expected, "{command}");
        }
    }

    #[test]
    fn each_of_several_is_found() {
        let all = Grep::all("journalctl -u docker | grep one | grep -v 'two three' | wc -l");
        let written: Vec<&str> = all.iter().map(|grep| grep.written[0].as_str()).collect();
        assert_eq!(written, ["one", "two three"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            for grep in Grep::all(&text).into_iter().chain(Grep::all(&format!("grep {text}"))) {
                let _ = grep.finds(&text);
            }
        }
    }
}
