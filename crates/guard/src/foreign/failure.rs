//! Whether a text stops where a read of the log fails, or takes the failure for nothing found.

use std::sync::LazyLock;

use regex::Regex;

use super::lines::{Line, bare, uses};

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a pattern of this file, which its tests compile"));
    };
}

pattern!(PIPED, r"\bjournalctl\b.*\|\s*(?:[ef]?grep|rg|wc|awk|sed|head|tail|tee|cat)\b");
pattern!(SWALLOWED, r"\|\|\s*(?:true\b|:|echo\b|printf\b|(?:exit|return)\s+0)");
// Where a command of a list ends.
pattern!(ENDS, r"[;\n]|\|\||&&");
// Where a command of a list begins.
pattern!(BEGINS, r"[;\n]|\{\s|\|\||&&|\b(?:then|do|else)\b");
// The status of these is their own, whatever a substitution in them ended with (bash(1), SIMPLE COMMAND EXPANSION).
pattern!(DECLARES, r"^\s*(?:local|export|declare|readonly|typeset)\b");
pattern!(ASKS, r"^\s*(?:if|elif|while|until|!)\s");
pattern!(ASKS_NOT, r"^\s*(?:if|elif)\s+!\s");
// An end that is told as a failure.
pattern!(LEAVES, r"(?:^|[\s;{(&|])(?:(?:exit|return)\s+[1-9]|(?:die|fail|abort)\b)");
// The same as the very next command: without a number the status is that of what failed.
pattern!(LEAVES_NOW, r#"^\s*(?:(?:exit|return)(?:\s+[1-9]|\s+"?\$\?|\s*(?:$|[;\n}]))|(?:die|fail|abort)\b)"#);
pattern!(THEN, r"^[^;\n|&]*;?\s*then\b");
pattern!(BLOCK_ENDS, r"(?:^|[;\s])(?:fi|else|elif|esac|done)\b|;;");
pattern!(NUMBER, r"=~\s*\^\[0-9\]|=~\s*\^\[\[:digit:\]\]");
pattern!(NO_NUMBER, r"\*\[!0-9\]\*\)");

/// The lines of a text as one, and the same without what is quoted or substituted.
pub(super) struct Script {
    raw: String,
    bare: String,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Script {
    pub(super) fn of(lines: &[Line]) -> Self {
        let (mut raw, mut own, mut starts) = (String::new(), String::new(), Vec::new());
        for line in lines {
            starts.push(raw.len());
            raw.extend([&line.text, "\n"]);
            own.extend([&bare(&line.text), "\n"]);
        }
        Self { raw, bare: own, starts }
    }

    /// The programs whose failure reads as nothing found, of the journalctl at this place of this line.
    pub(super) fn open(
        &self,
        line: usize,
        at: usize,
        remote: bool,
        variable: Option<&str>,
    ) -> Vec<&'static str> {
        let begin = self.starts[line];
        let text = self.raw[begin..].lines().next().unwrap_or_default();
        let swallowed = SWALLOWED.is_match(text);
        let stops = !swallowed && self.stops(begin + at, variable.is_some());
        let checked = variable.is_some_and(|name| self.is_checked(name));
        let pipefail = self.raw.contains("pipefail") || self.raw.contains("PIPESTATUS");
        // In a pipe the status is the last program's, and a search that is given nothing finds nothing. A pipefail of this shell
        // says nothing of the one at the other end of an ssh.
        let told = if PIPED.is_match(text) { pipefail && !remote && !swallowed } else { stops || checked };
        let mut open = Vec::new();
        if !told {
            open.push("journalctl");
        }
        if remote && !(stops || checked) {
            open.push("ssh");
        }
        open
    }

    /// True iff the text ends as failed where the command at this place fails.
    fn stops(&self, at: usize, assigns: bool) -> bool {
        let head = &self.bare[..at];
        let head = &head[BEGINS.find_iter(head).last().map_or(0, |found| found.end())..];
        let end = ENDS.find_at(&self.bare, at).map_or(self.bare.len(), |found| found.start());
        let then = &self.bare[end..];
        if DECLARES.is_match(head) {
            return false;
        }
        if ASKS_NOT.is_match(head) {
            return leaves_in_then(then);
        }
        if let Some(then) = then.strip_prefix("||") {
            return !ASKS.is_match(head) && leaves(then);
        }
        // What is asked, or followed by more on success, does not end a shell with `set -e` (bash(1), set).
        assigns && self.exits() && !ASKS.is_match(head) && !then.starts_with("&&")
    }

    /// True iff it is a shell that ends at a failure.
    fn exits(&self) -> bool {
        let sets = |mark: char| {
            let of = |line: &str| {
                let mut words = line.split_whitespace();
                words.next() == Some("set")
                    && words.take_while(|word| word.starts_with(mark)).any(|word| word[1..].contains('e'))
            };
            self.raw.lines().any(of)
        };
        sets('-') && !sets('+')
    }

    /// True iff the text ends as failed where this variable is empty, or no number.
    fn is_checked(&self, name: &str) -> bool {
        let empty = Regex::new(&format!(r#"-z\s+"?\$\{{?{name}\}}?"?\s*\]*"#));
        let lines = self.raw.lines().zip(&self.starts);
        let named = lines.filter(|(line, _)| uses(line, name));
        let after = |at: usize| &self.bare[at..];
        named.into_iter().any(|(line, begin)| {
            let is_not = |at: usize| line[..at].trim_end().trim_end_matches(['[', ' ']).ends_with('!');
            let empty = empty.as_ref().ok().and_then(|empty| empty.find(line));
            let number = NUMBER.find(line).zip(line.find("]]"));
            let no_number = NO_NUMBER.find(line);
            empty.is_some_and(|found| {
                let then = after(begin + found.end());
                !is_not(found.start())
                    && (leaves_in_then(then) || then.trim_start().strip_prefix("&&").is_some_and(leaves))
            }) || number.is_some_and(|(_, end)| {
                let then = after(begin + end + 2);
                if ASKS_NOT.is_match(line) {
                    leaves_in_then(then)
                } else {
                    then.trim_start().strip_prefix("||").is_some_and(leaves)
                }
            }) || no_number.is_some_and(|found| in_block(after(begin + found.end())))
        })
    }
}

/// True iff what comes next ends the text as failed: the next command, or a block of them.
fn leaves(then: &str) -> bool {
    match then.trim_start().strip_prefix('{') {
        Some(block) => LEAVES.is_match(block.split('}').next().unwrap_or(block)),
        None => LEAVES_NOW.is_match(then),
    }
}

/// True iff a `then` follows whose block ends the text as failed.
fn leaves_in_then(text: &str) -> bool {
    THEN.find(text).is_some_and(|then| in_block(&text[then.end()..]))
}

fn in_block(text: &str) -> bool {
    let end = BLOCK_ENDS.find(text).map_or(text.len(), |found| found.start());
    LEAVES.is_match(&text[..end])
}
