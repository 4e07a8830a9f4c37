//! The commands of a shell's text, each with the loops that it stands in.

use crate::lexer::tokens;
use crate::loops::{Loop, Part, Raw};
use crate::simple::program;
use crate::words::{End, Token, Word};

/// How many loops around a command are looked at, from the innermost.
const LOOPS_LIMIT: usize = 8;

/// Conditions that ask for nothing.
const CONSTANT: [&str; 4] = [":", "false", "read", "true"];

#[derive(Default)]
pub(crate) struct Parser {
    pub(crate) loops: Vec<Loop>,
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
    pub(crate) joins: bool,
    /// True iff a quote or a document is left open, or a loop ends that did not begin.
    broken: bool,
    pub(crate) found: Vec<Raw>,
}

impl Parser {
    pub(crate) fn parse(text: &str) -> Self {
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

    pub(crate) fn is_whole(&self) -> bool {
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
