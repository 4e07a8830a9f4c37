//! Which commands of a shell's text are repeated until they succeed.
//!
//! It is as much of the grammar as that takes: loops are followed, everything else is a list of commands. A function's
//! body counts where it is called, or where it stands if nothing calls it by its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::functions::{self, Function};
use crate::words::{End, Token, Word, tokens};

/// Variables whose values are known, by their names; the arguments of a script by their numbers.
pub(crate) type Variables = BTreeMap<String, String>;

/// How deep commands in commands are looked into.
pub(crate) const DEPTH_LIMIT: usize = 4;

/// The most calls of functions that are followed: functions that call functions must not grow without end.
const CALLS_LIMIT: usize = 256;

/// How many loops around a command are looked at, from the innermost.
const LOOPS_LIMIT: usize = 8;

/// The longest value of a variable that is filled in: values made of values must not grow without end.
const VALUE_LIMIT_BYTES: usize = 256;

/// Stands for a word that is not written out.
const COMPUTED: &str = "$(…)";

/// The prefixes of a command line (`systemd.service(5)`, "Special executable prefixes").
pub(crate) const PREFIXES: [char; 6] = ['@', '-', ':', '+', '!', '|'];

/// One command without the assignments in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Simple {
    /// The words, with variables that the text sets filled in.
    pub(crate) words: Vec<String>,
    /// The same words as they are written; [`COMPUTED`] where part of one is what a command prints.
    pub(crate) written: Vec<String>,
    /// Files that it is redirected from and to.
    pub(crate) targets: Vec<String>,
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
    /// Whether it is run again and again, and what for.
    pub(crate) again: Again,
    /// True iff something reads what it prints: a pipe or `$(…)`.
    pub(crate) is_read: bool,
    /// True iff it is not run again without end: the loop counts, or is left by something else than its success.
    pub(crate) bounded: bool,
}

/// Whether a command is run until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Again {
    No,
    /// It is in a loop that sleeps and that something ends, or in what decides on the end of one.
    Polled,
    /// Its success ends the loop: `until COMMAND`, `while ! COMMAND`.
    UntilItSucceeds,
}

impl Simple {
    /// The word behind which `rest` more stand, as it is written: what a variable is filled in with may be a secret, and so
    /// may any word that is not a plain name.
    pub(crate) fn shown(&self, rest: usize) -> &str {
        let word = self.written.iter().rev().nth(rest).map_or("", String::as_str);
        let word = word.trim_start_matches(PREFIXES);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./+-[:".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word } else { "a command" }
    }

    /// True iff the word behind which `rest` more stand is known: no variable is left in it, and no command prints it.
    pub(crate) fn is_known(&self, rest: usize) -> bool {
        let word = self.words.iter().rev().nth(rest);
        word.is_none_or(|word| !word.contains('$')) && !self.is_computed(rest)
    }

    /// True iff part of the word is what a command prints.
    pub(crate) fn is_computed(&self, rest: usize) -> bool {
        self.written.iter().rev().nth(rest).is_some_and(|word| word == COMPUTED)
    }
}

/// What is in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The commands in their order, those in `$(…)` after the one that holds them.
    pub(crate) commands: Vec<Simple>,
    /// The variables that were known before, and those that the text sets.
    pub(crate) variables: Variables,
    /// False iff part of it was taken for something that it is not.
    pub(crate) whole: bool,
}

/// The commands of a text, with `known` as what variables are before it runs.
pub(crate) fn read(text: &str, known: &Variables) -> Text {
    let mut reader = Reader { variables: known.clone(), whole: true, ..Reader::default() };
    // A function may leave something in the background, and what calls it wait for that.
    let outer = Outer { joins: Parser::parse(text).joins, ..Outer::default() };
    reader.read(text, At::From(1), outer, DEPTH_LIMIT);
    // One that is called by no name that can be seen, as `retry 5 NAME` does, counts all the same.
    let uncalled: Vec<Function> = reader
        .functions
        .iter()
        .filter(|(name, _)| !reader.called.contains(*name))
        .map(|(_, function)| function.clone())
        .collect();
    for function in uncalled {
        reader.positional(&[]);
        reader.read(&function.body, At::From(function.line), outer, DEPTH_LIMIT - 1);
    }
    Text { commands: reader.found, variables: reader.variables, whole: reader.whole }
}

/// The name of a program without its folder and the prefixes of a command line.
pub(crate) fn program(word: &str) -> &str {
    let path = word.trim_start_matches(PREFIXES);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[derive(Default)]
struct Reader {
    variables: Variables,
    functions: BTreeMap<String, Function>,
    called: BTreeSet<String>,
    calls: usize,
    found: Vec<Simple>,
    whole: bool,
}

/// Where a text stands in the one that is read.
#[derive(Clone, Copy)]
enum At {
    /// It begins on this line.
    From(usize),
    /// All of it is on this line: it is in a word.
    On(usize),
}

impl At {
    fn line(self, line: usize) -> usize {
        match self {
            Self::From(first) => first + line - 1,
            Self::On(all) => all,
        }
    }
}

/// What holds for all of a text because of what runs it.
#[derive(Clone, Copy)]
struct Outer {
    again: Again,
    is_read: bool,
    bounded: bool,
    /// True iff the script waits somewhere for what it runs in the background.
    joins: bool,
}

impl Default for Outer {
    fn default() -> Self {
        Self { again: Again::No, is_read: false, bounded: true, joins: false }
    }
}

impl Reader {
    fn read(&mut self, text: &str, at: At, outer: Outer, depth: usize) {
        let (text, functions) = functions::split(text);
        let moved = |function: Function| Function { line: at.line(function.line), ..function };
        self.functions.extend(functions.into_iter().map(|(name, function)| (name, moved(function))));
        let parser = Parser::parse(&text);
        self.whole &= parser.is_whole();
        for mut command in parser.found {
            // What runs in the background delays nothing, unless the text waits for it later.
            if !outer.joins && command.is_in_background(&parser.loops) {
                continue;
            }
            let again = command.again(&parser.loops);
            let own = Outer {
                again: again.max(outer.again),
                is_read: outer.is_read || command.piped,
                bounded: outer.bounded && command.bounded(again, &parser.loops),
                joins: outer.joins,
            };
            let line = at.line(command.line());
            let inner: Vec<String> =
                command.words.iter_mut().flat_map(|w| std::mem::take(&mut w.inner)).collect();
            self.add(&command, line, own, depth);
            // Of a command in `$(…)` it is not the success that ends the loop, but what it prints.
            let again = if own.again == Again::No { Again::No } else { Again::Polled };
            for text in inner.iter().filter(|_| depth != 0) {
                self.read(text, At::On(line), Outer { again, is_read: true, ..own }, depth - 1);
            }
        }
    }

    fn add(&mut self, command: &Raw, line: usize, outer: Outer, depth: usize) {
        let is_assignment = |word: &&Word| assignment(&word.text).is_some();
        let all = command.words.as_slice();
        let (set, words) = match all.first().map(|word| word.text.as_str()) {
            // They set variables too, behind options and among names, and run nothing.
            Some("declare" | "export" | "local" | "readonly" | "typeset") => (all, &[][..]),
            _ => all.split_at(all.iter().take_while(is_assignment).count()),
        };
        for word in set.iter().filter(|_| words.is_empty()) {
            let Some((name, value)) = assignment(&word.text) else { continue };
            let value = self.filled(value);
            // What comes out of a command is not known, nor is then what was known before.
            if word.computed || value.is_empty() || value.len() > VALUE_LIMIT_BYTES {
                self.variables.remove(name);
            } else {
                self.variables.insert(name.to_owned(), value);
            }
        }
        if words.is_empty() && command.targets.is_empty() {
            return;
        }
        let written = |word: &Word| if word.computed { COMPUTED.to_owned() } else { word.text.clone() };
        let written: Vec<String> = words.iter().map(written).collect();
        let words: Vec<String> = words.iter().map(|word| self.filled(&word.text)).collect();
        let targets = command.targets.iter().map(|word| self.filled(&word.text)).collect();
        let call = words.first().and_then(|name| Some((name.clone(), self.functions.get(name)?.clone())));
        if let Some((name, function)) = call.filter(|_| depth != 0 && self.calls < CALLS_LIMIT) {
            self.called.insert(name);
            self.calls += 1;
            let before = self.positional(&words[1..]);
            self.read(&function.body, At::From(function.line), outer, depth - 1);
            self.positional(&before);
            return;
        }
        let Outer { again, is_read, bounded, .. } = outer;
        self.found.push(Simple { words, written, targets, line, again, is_read, bounded });
    }

    /// Sets the arguments, and returns those that were set before.
    fn positional(&mut self, arguments: &[String]) -> Vec<String> {
        let before: Vec<String> =
            (1..10).map_while(|number| self.variables.remove(&number.to_string())).collect();
        self.variables.extend(positional(arguments));
        before
    }

    /// The text with `$NAME` and `${NAME}` replaced where they are known.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('$') {
            filled.push_str(plain);
            let braced = after.strip_prefix('{').and_then(|braced| braced.split_once('}'));
            let (name, behind) = braced.unwrap_or_else(|| {
                // `$12` is `$1` and a 2.
                let number = usize::from(after.starts_with(|c: char| c.is_ascii_digit()));
                let end = after.find(|c: char| !is_of_name(c)).unwrap_or(after.len());
                after.split_at(if number == 1 { 1 } else { end })
            });
            // `${NAME:-DEFAULT}` and `${NAME:?MESSAGE}` of a name that is known.
            let name = name.split_once([':', '-', '?']).map_or(name, |(name, _)| name);
            if let Some(value) = self.variables.get(name) {
                filled.push_str(value);
            } else {
                filled.push('$');
                filled.push_str(&after[..after.len() - behind.len()]);
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }
}

/// Arguments as the variables `1` to `9`.
pub(crate) fn positional(arguments: &[String]) -> impl Iterator<Item = (String, String)> {
    let numbered = arguments.iter().take(9).enumerate();
    numbered
        .filter(|(_, value)| value.len() <= VALUE_LIMIT_BYTES)
        .map(|(index, value)| ((index + 1).to_string(), value.clone()))
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
    /// How many `break`, `exit` and `return` end it early.
    exits: usize,
    /// True iff it goes through a list, or its condition compares numbers.
    counts: bool,
    /// How many commands of the condition of a `while` or `until` say more than `true`.
    asks: usize,
    background: bool,
}

/// Conditions that ask for nothing.
const CONSTANT: [&str; 4] = [":", "false", "read", "true"];

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
    piped: bool,
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

    /// Of a loop that is left by a command's success, any other way out bounds it.
    fn bounded(&self, again: Again, loops: &[Loop]) -> bool {
        let mut around = self.within.iter().map(|(index, _)| &loops[*index]);
        let own_exits = usize::from(again == Again::Polled);
        again == Again::No || around.any(|around| around.counts || own_exits < around.exits)
    }

    fn again(&self, loops: &[Loop]) -> Again {
        let until = match self.within.first().map(|(_, part)| *part) {
            Some(Part::Until) => !self.negated && !self.has(&["!"]),
            Some(Part::While) => self.negated || (self.is_test() && self.has(&["!", "!=", "-ne", "-z"])),
            Some(Part::Body | Part::List) | None => false,
        };
        // `while COMMAND` goes on for as long as it succeeds: what that says about the other end, nobody knows.
        let polls = |(index, part): &(usize, Part)| {
            let around = &loops[*index];
            let body = *part == Part::Body && (around.exits != 0 || around.asks != 0) && !self.has(&["!"]);
            around.sleeps && (body || (around.asks != 0 && matches!(part, Part::Until | Part::While)))
        };
        if until {
            Again::UntilItSucceeds
        } else if self.within.iter().any(polls) {
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
    /// How many `case` and how many brackets are open.
    cases: usize,
    brackets: usize,
    /// The loop that was closed last, until another command begins.
    closed: Option<usize>,
    /// True iff the text waits for what it runs in the background.
    joins: bool,
    /// True iff a quote or a document is left open, or a loop ends that did not begin.
    broken: bool,
    found: Vec<Raw>,
}

impl Parser {
    fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let mut parser = Self { broken: !tokens.whole, ..Self::default() };
        for token in tokens.list {
            match token {
                Token::Word(word) => parser.word(word),
                Token::Target(word) => parser.targets.push(word),
                Token::End(end) => parser.end(end),
            }
        }
        parser
    }

    fn is_whole(&self) -> bool {
        !self.broken && self.open.is_empty()
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
                self.broken |= self.closed.is_none();
            }
            "!" => self.negated = !self.negated,
            "case" => {
                self.cases += 1;
                self.words.push(word);
            }
            "esac" => self.cases = self.cases.saturating_sub(1),
            "if" | "elif" | "then" | "else" | "fi" | "{" | "}" | "time" => {}
            _ => self.words.push(word),
        }
    }

    fn enter(&mut self, part: Part) {
        self.open.push((self.loops.len(), part));
        self.loops.push(Loop { counts: part == Part::List, ..Loop::default() });
    }

    /// True iff what ends is a pattern of `case`, or `case WORD in` with its first one.
    fn is_pattern(&mut self, end: End) -> bool {
        match end {
            End::Opened => self.brackets += 1,
            End::Closed if self.cases != 0 && self.brackets == 0 => return true,
            End::Closed => self.brackets = self.brackets.saturating_sub(1),
            End::Background | End::Piped | End::Plain => {}
        }
        false
    }

    fn end(&mut self, end: End) {
        let (mut words, targets) = (std::mem::take(&mut self.words), std::mem::take(&mut self.targets));
        // What follows `case WORD` is the first pattern.
        if words.first().is_some_and(|word| !word.quoted && word.text == "case") {
            words.truncate(2);
        }
        if self.is_pattern(end) {
            // Of `a|b)` the first is taken for a command of a pipe until here.
            while self.found.pop_if(|raw| raw.piped && raw.words.len() == 1).is_some() {}
            return;
        }
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
        if let (Some((index, Part::Until | Part::While)), None) = (self.open.last(), words.first()) {
            self.loops[*index].asks += 1;
        }
        if let (Some((index, part)), Some(word)) = (self.open.last(), words.first()) {
            let state = &mut self.loops[*index];
            let compares = |word: &Word| matches!(word.text.as_str(), "-ge" | "-gt" | "-le" | "-lt" | "((");
            state.counts |= *part != Part::Body && words.iter().any(compares);
            state.asks += usize::from(*part != Part::Body && !CONSTANT.contains(&program(&word.text)));
            match program(&word.text) {
                "sleep" | "usleep" => state.sleeps = true,
                "break" | "exit" | "return" => state.exits += 1,
                _ => {}
            }
        }
        self.joins |= words.first().is_some_and(|word| word.text == "wait");
        let within = self.open.iter().rev().take(LOOPS_LIMIT).copied().collect();
        let piped = end == End::Piped;
        self.found.push(Raw { words, targets, negated, background, piped, within });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands(text: &str) -> Vec<Simple> {
        read(text, &Variables::new()).commands
    }

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
            ("while false; do sleep 1; done", &[]),
            ("until ! test -e /x; do sleep 1; done", &["test -e /x:1"]),
            ("until [ ! -e /x ]; do sleep 1; done", &["[ ! -e /x ]:1"]),
            ("while [ ! -e /x ]; do sleep 1; done", &["*[ ! -e /x ]:1"]),
            ("while nc -z h 1; do sleep 1; done", &["nc -z h 1:1"]),
            ("while nc -z h 1; do a; done", &[]),
            ("while [ $ok -eq 0 ]; do curl h && ok=1; sleep 1; done", &["[ $ok -eq 0 ]:1", "curl h:1"]),
            ("until [ $c = 200 ]; do c=$(curl h); sleep 1; done", &["*[ $c = 200 ]:1", "curl h:1"]),
            ("while [ \"$(curl h)\" = 000 ]; do sleep 1; done", &["[  = 000 ]:1", "curl h:1"]),
            ("a() { until b; do sleep 1; done & }; a; wait", &["*b:1"]),
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
        let text = "H=h.example U=https://$H/x\nP=$(port)\nA=1 curl \"$U\" ${H:-x}:$P $NONE ${NONE:-x}";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["port", "curl https://h.example/x h.example:$P $NONE ${NONE:-x}"]);
        let text = "U=http://h/\nU=\"http://$(host)/\"\nV=(a b)\ncurl $U $V";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["host", "curl $U $V"]);
    }

    #[test]
    fn functions_count_where_they_are_called_with_their_arguments() {
        let text = "wait_for() {\n  until curl -fs \"$1\"; do sleep 1; done\n}\nlater() {\n  b $1\n}\n\
                    wait_for http://h/\nwait_for \"http://$2/\"\n";
        let known = positional(&["x".to_owned(), "i".to_owned()]).collect();
        let found: Vec<_> = read(text, &known)
            .commands
            .iter()
            .map(|simple| format!("{}:{}", simple.words.join(" "), simple.line))
            .filter(|text| !text.starts_with("sleep"))
            .collect();
        assert_eq!(found, ["curl -fs http://h/:2", "curl -fs http://i/:2", "b $1:5"]);
        let endless = "a() { a; a; }\nb() { a; a; b; }\nb\n";
        assert!(commands(endless).len() < 2 * CALLS_LIMIT);
    }

    #[test]
    fn a_loop_that_counts_or_has_another_way_out_is_bounded() {
        for (text, bounded) in [
            ("until a; do sleep 1; done", false),
            ("while ! a; do sleep 1; [ $n -gt 9 ] && exit 1; done", true),
            ("while true; do a && break; sleep 1; done", false),
            ("while true; do a && break; test $n -gt 9 && exit 1; sleep 1; done", true),
            ("for i in 1 2; do a && break; sleep 1; done", true),
            ("while [ $i -lt 9 ]; do a && break; sleep 1; done", true),
            ("until [ \"$(a)\" = 200 ]; do sleep 1; done", false),
            ("f() { until a; do sleep 1; done; }\nf", false),
            ("a", true),
        ] {
            let found =
                commands(text).into_iter().find(|simple| simple.words.first().is_some_and(|w| w == "a"));
            assert_eq!(found.map(|simple| simple.bounded), Some(bounded), "{text}");
        }
    }

    #[test]
    fn patterns_are_no_commands() {
        let text = "case $1 in\n  start|go) a ;;\n  stop) (b); c ;;\n  *) d\nesac\ne";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["case $1", "a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_is_read_is_told_from_what_only_succeeds() {
        let read: Vec<bool> = commands("a | b; c $(d)").iter().map(|simple| simple.is_read).collect();
        assert_eq!(read, [true, false, false, true]);
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
