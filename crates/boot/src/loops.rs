//! The loops of a shell's text, and what they repeat.

use crate::simple::Again;
use crate::words::Word;

/// What is known of a loop once all of it is read.
#[derive(Default)]
pub(crate) struct Loop {
    pub(crate) sleeps: bool,
    /// How many `break`, `exit` and `return` end it early.
    pub(crate) exits: usize,
    /// True iff it goes through a list, or its condition compares numbers.
    pub(crate) counts: bool,
    /// How many commands of the condition of a `while` or `until` say more than `true`.
    pub(crate) asks: usize,
    pub(crate) background: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Body,
    /// The words that a `for` goes through.
    List,
    Until,
    While,
}

/// A command with where it stands.
pub(crate) struct Raw {
    pub(crate) words: Vec<Word>,
    pub(crate) targets: Vec<Word>,
    pub(crate) negated: bool,
    pub(crate) background: bool,
    pub(crate) piped: bool,
    /// The loops around it, from the innermost, each with the part that it is in.
    pub(crate) within: Vec<(usize, Part)>,
}

impl Raw {
    pub(crate) fn line(&self) -> usize {
        self.words.iter().chain(&self.targets).map(|word| word.line).min().unwrap_or(1)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.text.as_str()))
    }

    pub(crate) fn is_in_background(&self, loops: &[Loop]) -> bool {
        self.background || self.within.iter().any(|(index, _)| loops[*index].background)
    }

    fn is_test(&self) -> bool {
        self.words.first().is_some_and(|word| matches!(word.text.as_str(), "[" | "[[" | "test"))
    }

    /// Of a loop that is left by a command's success, any other way out bounds it.
    pub(crate) fn bounded(&self, again: Again, loops: &[Loop]) -> bool {
        let mut around = self.within.iter().map(|(index, _)| &loops[*index]);
        let own_exits = usize::from(again == Again::Polled);
        again == Again::No || around.any(|around| around.counts || own_exits < around.exits)
    }

    pub(crate) fn again(&self, loops: &[Loop]) -> Again {
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
