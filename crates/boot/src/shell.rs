//! Which commands of a shell's text are repeated until they succeed.
//!
//! It is as much of the grammar as that takes: loops are followed, everything else is a list of commands. A function's
//! body counts where it stands.

use std::collections::BTreeMap;

use crate::words::{End, Token, Word, tokens};

/// How deep commands in commands are looked into.
pub(crate) const DEPTH_LIMIT: usize = 4;

/// How many loops around a command are looked at, from the innermost.
const LOOPS_LIMIT: usize = 8;

/// The longest value of a variable that is filled in: values made of values must not grow without end.
const VALUE_LIMIT_BYTES: usize = 256;

/// One command without the assignments in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Simple {
    /// The words, with variables that the text sets filled in.
    pub(crate) words: Vec<String>,
    /// Files that it is redirected from and to.
    pub(crate) targets: Vec<String>,
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
    /// Whether it is run again and again, and what for.
    pub(crate) again: Again,
}

/// Whether a command is run until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Again {
    No,
    /// It is in a loop that sleeps and that something ends early, or in what decides on the end of one.
    Polled,
    /// Its success ends the loop: `until COMMAND`, `while ! COMMAND`.
    UntilItSucceeds,
}

/// The commands of a text in their order, those in `$(…)` after the one that holds them.
pub(crate) fn commands(text: &str) -> Vec<Simple> {
    let mut reader = Reader { variables: BTreeMap::new(), found: Vec::new() };
    reader.read(text, None, Again::No, DEPTH_LIMIT);
    reader.found
}

/// The name of a program without its folder and the prefixes of `systemd.service(5)`, "Special executable prefixes".
pub(crate) fn program(word: &str) -> &str {
    let path = word.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

struct Reader {
    variables: BTreeMap<String, String>,
    found: Vec<Simple>,
}

impl Reader {
    /// `line` is that of the word that holds the text, where one does.
    fn read(&mut self, text: &str, line: Option<usize>, outer: Again, depth: usize) {
        let parser = Parser::parse(text);
        for mut command in parser.found {
            // What runs in the background delays nothing, unless the text waits for it later.
            if !parser.joins && command.is_in_background(&parser.loops) {
                continue;
            }
            let again = command.again(&parser.loops).max(outer);
            let line = line.unwrap_or_else(|| command.line());
            let inner: Vec<String> =
                command.words.iter_mut().flat_map(|w| std::mem::take(&mut w.inner)).collect();
            self.add(&command, line, again);
            // Of a command in `$(…)` it is not the success that ends the loop, but what it prints.
            let again = if again == Again::No { Again::No } else { Again::Polled };
            for text in inner.iter().filter(|_| depth != 0) {
                self.read(text, Some(line), again, depth - 1);
            }
        }
    }

    fn add(&mut self, command: &Raw, line: usize, again: Again) {
        let is_assignment = |word: &&Word| assignment(&word.text).is_some();
        let assignments = command.words.iter().take_while(is_assignment).count();
        let (set, words) = command.words.split_at(assignments);
        for (name, value) in set.iter().filter_map(|word| assignment(&word.text)) {
            // What comes out of a command is not known.
            if words.is_empty() && !value.is_empty() {
                let value = self.filled(value);
                if value.len() <= VALUE_LIMIT_BYTES {
                    self.variables.insert(name.to_owned(), value);
                }
            }
        }
        if words.is_empty() && command.targets.is_empty() {
            return;
        }
        let words = words.iter().map(|word| self.filled(&word.text)).collect();
        let targets = command.targets.iter().map(|word| self.filled(&word.text)).collect();
        self.found.push(Simple { words, targets, line, again });
    }

    /// The text with `$NAME` and `${NAME}` replaced where the text sets them.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('$') {
            filled.push_str(plain);
            let braced = after.strip_prefix('{').and_then(|braced| braced.split_once('}'));
            let (name, behind) = braced.unwrap_or_else(|| {
                after.split_at(after.find(|c: char| !is_of_name(c)).unwrap_or(after.len()))
            });
            match self.variables.get(name) {
                Some(value) => filled.push_str(value),
                None => {
                    filled.push('$');
                    filled.push_str(&after[..after.len() - behind.len()]);
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_of_name);
    valid.then_some((name, value))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What is known of a loop once all of it is read.
#[derive(Default)]
struct Loop {
    sleeps: bool,
    /// True iff `break`, `exit` or `return` ends it early.
    left: bool,
    background: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Body,
    /// The words that a `for` goes through.
    List,
    Until,
    While,
}

/// A command with where it stands.
struct Raw {
    words: Vec<Word>,
    targets: Vec<Word>,
    negated: bool,
    background: bool,
    /// The loops around it, from the innermost, each with the part that it is in.
    within: Vec<(usize, Part)>,
}

impl Raw {
    fn line(&self) -> usize {
        self.words.iter().chain(&self.targets).map(|word| word.line).min().unwrap_or(1)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.text.as_str()))
    }

    fn is_in_background(&self, loops: &[Loop]) -> bool {
        self.background || self.within.iter().any(|(index, _)| loops[*index].background)
    }

    fn is_test(&self) -> bool {
        self.words.first().is_some_and(|word| matches!(word.text.as_str(), "[" | "[[" | "test"))
    }

    fn again(&self, loops: &[Loop]) -> Again {
        let until = match self.within.first().map(|(_, part)| *part) {
            Some(Part::Until) => !self.negated && !self.has(&["!"]),
            Some(Part::While) => self.negated || (self.is_test() && self.has(&["!", "!=", "-ne", "-z"])),
            Some(Part::Body | Part::List) | None => false,
        };
        let polls =
            |(index, part): &(usize, Part)| *part == Part::Body && loops[*index].sleeps && loops[*index].left;
        if until {
            Again::UntilItSucceeds
        } else if self.within.iter().any(polls) && !self.has(&["!"]) {
            Again::Polled
        } else {
            Again::No
        }
    }
}

#[derive(Default)]
struct Parser {
    loops: Vec<Loop>,
    /// Loops that are not closed yet, with the part that is being read.
    open: Vec<(usize, Part)>,
    words: Vec<Word>,
    targets: Vec<Word>,
    negated: bool,
    /// The loop that was closed last, until another command begins.
    closed: Option<usize>,
    /// True iff the text waits for what it runs in the background.
    joins: bool,
    found: Vec<Raw>,
}

impl Parser {
    fn parse(text: &str) -> Self {
        let mut parser = Self::default();
        for token in tokens(text) {
            match token {
                Token::Word(word) => parser.word(word),
                Token::Target(word) => parser.targets.push(word),
                Token::End(end) => parser.end(end),
            }
        }
        parser
    }

    fn word(&mut self, word: Word) {
        if !self.words.is_empty() || word.quoted {
            return self.words.push(word);
        }
        match word.text.as_str() {
            "until" => self.enter(Part::Until),
            "while" => self.enter(Part::While),
            "for" | "select" => self.enter(Part::List),
            "do" => {
                if let Some((_, part)) = self.open.last_mut() {
                    *part = Part::Body;
                }
            }
            "done" => {
                self.closed = self.open.pop().map(|(index, _)| index);
            }
            "!" => self.negated = !self.negated,
            "if" | "elif" | "then" | "else" | "fi" | "esac" | "{" | "}" | "time" => {}
            _ => self.words.push(word),
        }
    }

    fn enter(&mut self, part: Part) {
        self.open.push((self.loops.len(), part));
        self.loops.push(Loop::default());
    }

    fn end(&mut self, end: End) {
        let (words, targets) = (std::mem::take(&mut self.words), std::mem::take(&mut self.targets));
        // `!` is for all of a pipeline.
        let negated = self.negated;
        self.negated &= end == End::Piped;
        let background = end == End::Background;
        if words.is_empty() {
            // `done &`, `done >FILE &` and `(… done) &`.
            if let Some(index) = self.closed.filter(|_| background) {
                self.loops[index].background = true;
            }
            if targets.is_empty() {
                return;
            }
        } else {
            self.closed = None;
        }
        if self.open.last().is_some_and(|(_, part)| *part == Part::List) {
            return;
        }
        if let (Some((index, _)), Some(word)) = (self.open.last(), words.first()) {
            let state = &mut self.loops[*index];
            match program(&word.text) {
                "sleep" | "usleep" => state.sleeps = true,
                "break" | "exit" | "return" => state.left = true,
                _ => {}
            }
        }
        self.joins |= words.first().is_some_and(|word| word.text == "wait");
        let within = self.open.iter().rev().take(LOOPS_LIMIT).copied().collect();
        self.found.push(Raw { words, targets, negated, background, within });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The commands that are run again, `*` in front of those whose success ends the loop, with their lines.
    fn again(text: &str) -> Vec<String> {
        let again = commands(text).into_iter().filter(|simple| simple.again != Again::No);
        let shown = again.map(|simple| {
            let mark = if simple.again == Again::UntilItSucceeds { "*" } else { "" };
            format!("{mark}{}:{}", simple.words.join(" "), simple.line)
        });
        shown.filter(|text| !text.starts_with("sleep")).collect()
    }

    #[test]
    fn loops_repeat_what_decides_on_their_end() {
        for (text, expected) in [
            ("until curl -fs http://h/; do sleep 1; done; a", &["*curl -fs http://h/:1"][..]),
            ("while ! nc -z h 1\ndo\n sleep 1\ndone", &["*nc -z h 1:1"]),
            ("while true; do sleep 1; done; curl http://h/", &[]),
            ("while read x; do curl $x; sleep 1; done", &[]),
            ("until ! test -e /x; do sleep 1; done", &[]),
            ("until [ ! -e /x ]; do sleep 1; done", &[]),
            ("while [ ! -e /x ]; do sleep 1; done", &["*[ ! -e /x ]:1"]),
            ("while nc -z h 1; do sleep 1; done", &[]),
            ("while ! a | b; do :; done", &["*a:1", "*b:1"]),
            ("a\nuntil [ \"$(b c)\" = 200 ]; do :; done", &["*[  = 200 ]:2", "b c:2"]),
            ("for i in 1 2; do\n curl h && break\n sleep 1\ndone", &["curl h:2", "break:2"]),
            ("for i in 1 2; do curl h; sleep 1; done", &[]),
            ("for i in 1 2; do curl h && break; done", &[]),
            ("until a; do for x in 1; do b; done; done; done; c", &["*a:1"]),
            ("until a; do sleep 1; done &\nb", &[]),
            ("(until a; do sleep 1; done) >/dev/null 2>&1 &\nb", &[]),
            ("until a; do sleep 1; done &\nb; wait", &["*a:1"]),
            ("until a; do b & done", &["*a:1"]),
        ] {
            assert_eq!(again(text), expected, "{text}");
        }
    }

    #[test]
    fn what_runs_in_the_background_is_left_out() {
        let words =
            |text: &str| commands(text).into_iter().flat_map(|simple| simple.words).collect::<Vec<_>>();
        assert_eq!(words("a & b && c"), ["b", "c"]);
        assert_eq!(words("a & b; wait"), ["a", "b", "wait"]);
    }

    #[test]
    fn variables_of_the_text_are_filled_in() {
        let text = "H=h.example U=https://$H/x\nP=$(port)\nA=1 curl \"$U\" ${H}:$P $NONE ${NONE:-x}";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["port", "curl https://h.example/x h.example:$P $NONE ${NONE:-x}"]);
    }

    proptest! {
        #[test]
        fn never_panics(
            text in any::<String>(),
            likely in "(until|while|for|do|done|!|if|a=\\$b|\\$\\(|\\)|sleep 1|break|curl|[;|&\n'\"`]| ){0,40}",
        ) {
            commands(&text);
            commands(&likely);
        }
    }
}
