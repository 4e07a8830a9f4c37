//! The commands of a shell's text, each with the loops that it stands in.

use crate::condition::Meaning;
use crate::frames::{Frames, Kind, LIST_LIMIT};
use crate::lexer::tokens;
use crate::loops::{Leaves, Loop, Part, Raw};
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
    frames: Frames,
    words: Vec<Word>,
    targets: Vec<Word>,
    document: Option<Word>,
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
                Token::Document(document) => parser.document = Some(document),
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
            "do" => self.enter_body(),
            "done" => {
                self.closed = self.open.pop().map(|(index, _)| index);
                self.broken |= self.closed.is_none();
                self.frames.close(|kind| *kind == Kind::Loop);
            }
            "!" => self.negated = !self.negated,
            "case" => {
                self.cases += 1;
                self.words.push(word);
            }
            "esac" => self.cases = self.cases.saturating_sub(1),
            "if" => self.frames.open(Kind::Condition, false, self.found.len()),
            "elif" => self.frames.turn(Kind::Condition, self.found.len()),
            "then" if self.frames.kind() == Some(&Kind::Condition) => {
                let guards = self.deciding();
                self.frames.turn(Kind::Branch(guards, true), self.found.len());
            }
            "else" => {
                if let Some(Kind::Branch(guards, _)) = self.frames.kind().cloned() {
                    self.frames.turn(Kind::Branch(guards, false), self.found.len());
                }
            }
            "fi" => {
                self.frames.close(|kind| matches!(kind, Kind::Branch(..) | Kind::Condition));
            }
            "{" => {
                let negated = std::mem::take(&mut self.negated);
                self.frames.open(Kind::Braces, negated, self.found.len());
            }
            "}" => self.frames.close_group(&Kind::Braces, self.found.len()),
            "then" | "time" => {}
            _ => self.words.push(word),
        }
    }

    fn enter(&mut self, part: Part) {
        self.open.push((self.loops.len(), part));
        self.loops.push(Loop { counts: part == Part::List, ..Loop::default() });
        self.negated = false;
        self.frames.open(Kind::Loop, false, self.found.len());
    }

    /// What the condition of a `while` or `until` ends by leaves the loop.
    fn enter_body(&mut self) {
        let Some((_, part)) = self.open.last_mut() else { return };
        let success = match std::mem::replace(part, Part::Body) {
            Part::Until => true,
            Part::While => false,
            Part::Body | Part::List => return,
        };
        for number in self.deciding() {
            self.found[number].leaves_by(success);
        }
    }

    /// The commands of the condition that was read last whose status is its own: those of its last list.
    fn deciding(&self) -> Vec<usize> {
        let innermost = |open: &[(usize, Part)]| open.first().map(|(index, _)| *index);
        let own = self.open.last().map(|(index, _)| *index);
        let mut deciding = Vec::new();
        let mut is_last = true;
        for (number, raw) in self.found.iter().enumerate().skip(self.frames.first()).rev() {
            let goes_on = matches!(raw.then, End::And | End::Or | End::Piped);
            if deciding.len() == LIST_LIMIT || (!is_last && !goes_on) {
                break;
            }
            // A redirection of a group is no command of its own.
            is_last &= raw.words.is_empty();
            if innermost(&raw.within) == own {
                deciding.push(number);
            }
        }
        deciding
    }

    /// True iff what ends is a pattern of `case`, or `case WORD in` with its first one.
    fn is_pattern(&mut self, end: End) -> bool {
        match end {
            End::Opened => self.brackets += 1,
            End::Closed if self.cases != 0 && self.brackets == 0 => return true,
            End::Closed => self.brackets = self.brackets.saturating_sub(1),
            End::And | End::Background | End::Or | End::Piped | End::Plain => {}
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
        self.command(words, targets, negated, end);
        match end {
            // `!` in front of a group is not for its first command alone.
            End::Opened => self.frames.open(Kind::Brackets, negated, self.found.len()),
            End::Closed => self.frames.close_group(&Kind::Brackets, self.found.len()),
            _ => self.frames.end(end),
        }
    }

    fn command(&mut self, words: Vec<Word>, targets: Vec<Word>, negated: bool, end: End) {
        let (background, document) = (end == End::Background, self.document.take());
        if words.is_empty() {
            // `done &`, `done >FILE &` and `(… done) &`.
            if let Some(index) = self.closed.filter(|_| background) {
                self.loops[index].background = true;
            }
            // What follows a group follows its last command.
            if let Some(last) = self.found.last_mut().filter(|_| end != End::Opened) {
                last.then = end;
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
        self.count(words.as_slice());
        self.joins |= words.first().is_some_and(|word| word.text == "wait");
        let within = self.open.iter().rev().take(LOOPS_LIMIT).copied().collect();
        let (piped, negated) = (end == End::Piped, negated != self.frames.negated());
        self.frames.command(self.found.len());
        let leaves = Leaves::Unclear;
        self.found.push(Raw {
            words,
            targets,
            document,
            negated,
            background,
            piped,
            then: end,
            leaves,
            within,
        });
    }

    /// Notes what a command means for the loop that it is in.
    fn count(&mut self, words: &[Word]) {
        let Some((index, part)) = self.open.last().copied() else { return };
        let state = &mut self.loops[index];
        let is_condition = matches!(part, Part::Until | Part::While);
        let Some(word) = words.first() else {
            state.asks += usize::from(is_condition);
            return;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if is_condition {
            // `$NAME` and `${NAME`.
            let texts = words.iter().flat_map(|word| word.text.split('$').skip(1));
            let names = texts.map(|text| text.trim_start_matches('{'));
            let names = names.map(|text| text.split(|c| !is_name(c)).next().unwrap_or_default());
            let names = names.filter(|name| name.starts_with(|c: char| !c.is_ascii_digit()));
            state.looks_at.extend(names.map(str::to_owned));
        }
        let compares = |word: &Word| matches!(word.text.as_str(), "-ge" | "-gt" | "-le" | "-lt" | "((");
        state.counts |= is_condition && words.iter().any(compares);
        let is_constant =
            [word.text.as_str(), program(&word.text)].iter().any(|name| CONSTANT.contains(name));
        state.asks += usize::from(is_condition && !is_constant);
        let name = program(&word.text);
        // It goes through what it reads.
        state.counts |= is_condition && name == "read";
        let sleeps = words.iter().any(|word| matches!(program(&word.text), "sleep" | "usleep"))
            || (name == "read" && words.iter().any(|word| word.text.starts_with("-t")));
        let set = word.text.split_once('=').map(|(name, _)| name);
        for (around, _) in &self.open {
            let around = &mut self.loops[*around];
            around.sleeps |= sleeps;
            around.sets |= set.is_some_and(|name| around.looks_at.contains(name));
        }
        match name {
            "continue" => self.loops[index].continues = true,
            "break" | "exit" | "return" => {
                self.loops[index].exits += 1;
                let is_by_what_is_gone = self.leave();
                self.loops[index].exits_when_gone += usize::from(is_by_what_is_gone);
            }
            _ => {}
        }
    }

    /// The loop is left here: true iff this is where something is gone.
    fn leave(&mut self) -> bool {
        let Some((guards, success)) = self.frames.guards() else { return false };
        let mut gone = false;
        for number in guards {
            let Some(raw) = self.found.get_mut(number) else { continue };
            let before = raw.leaves;
            raw.leaves_by(success);
            // Left either way.
            if before != Leaves::Unclear && before != raw.leaves {
                raw.leaves = Leaves::Unclear;
            }
            gone |= raw.meaning() == Meaning::Gone;
        }
        gone
    }
}
