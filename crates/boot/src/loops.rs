//! The loops of a shell's text, and what they repeat.

use std::collections::BTreeSet;

use crate::condition::{self, Meaning};
use crate::simple::{Again, is_test};
use crate::words::{End, Word};

/// What is known of a loop once all of it is read.
#[derive(Default)]
pub(crate) struct Loop {
    pub(crate) sleeps: bool,
    /// How many `break`, `exit` and `return` end it early.
    pub(crate) exits: usize,
    /// How many of these run once something is gone.
    pub(crate) exits_when_gone: usize,
    /// True iff a `continue` may pass an exit over.
    pub(crate) continues: bool,
    /// True iff it goes through a list, or its condition compares numbers.
    pub(crate) counts: bool,
    /// How many commands of the condition of a `while` or `until` say more than `true`.
    pub(crate) asks: usize,
    pub(crate) background: bool,
    /// The variables that its condition looks at.
    pub(crate) looks_at: BTreeSet<String>,
    /// True iff its body sets one of them.
    pub(crate) sets: bool,
}

impl Loop {
    /// True iff it goes on for as long as what it asks says so.
    fn goes_on(&self) -> bool {
        self.sleeps || self.sets || (self.asks == 0 && !self.counts)
    }

    /// True iff nothing but that something is gone leaves it, besides its count.
    fn ends_when_gone(&self) -> bool {
        let by_itself = self.asks == 0 || self.counts;
        by_itself && !self.continues && self.exits != 0 && self.exits == self.exits_when_gone
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Body,
    /// The words that a `for` goes through.
    List,
    Until,
    While,
}

/// What of a command leaves the loop that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Nothing, or it cannot be told.
    Unclear,
    ByFailure,
    BySuccess,
}

/// A command with where it stands.
pub(crate) struct Raw {
    pub(crate) words: Vec<Word>,
    pub(crate) targets: Vec<Word>,
    /// The here-document that it reads.
    pub(crate) document: Option<Word>,
    /// True iff `!` stands in front of it, or of what encloses it, an odd number of times.
    pub(crate) negated: bool,
    pub(crate) background: bool,
    pub(crate) piped: bool,
    /// What follows it.
    pub(crate) then: End,
    pub(crate) leaves: Leaves,
    /// The loops around it, from the innermost, each with the part that it is in.
    pub(crate) within: Vec<(usize, Part)>,
}

impl Raw {
    pub(crate) fn line(&self) -> usize {
        self.words.iter().chain(&self.targets).map(|word| word.line).min().unwrap_or(1)
    }

    /// Its first word; empty for a redirection alone.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.text.as_str()))
    }

    pub(crate) fn is_in_background(&self, loops: &[Loop]) -> bool {
        self.background || self.within.iter().any(|(index, _)| loops[*index].background)
    }

    pub(crate) fn is_test(&self) -> bool {
        self.words.first().is_some_and(|word| is_test(&word.text))
    }

    /// Of a loop that is left by a command's success, any other way out bounds it.
    pub(crate) fn bounded(&self, again: Again, loops: &[Loop]) -> bool {
        let mut around = self.within.iter().map(|(index, _)| &loops[*index]);
        let is_in_body = self.within.first().is_some_and(|(_, part)| *part == Part::Body);
        let own_exits = usize::from(again == Again::Polled || (again == Again::UntilItFails && is_in_body));
        again == Again::No || around.any(|around| around.counts || own_exits < around.exits)
    }

    /// Notes that the loop is left where the command with its `!` has succeeded, or has failed.
    pub(crate) fn leaves_by(&mut self, success: bool) {
        self.leaves = if success == self.negated { Leaves::ByFailure } else { Leaves::BySuccess };
    }

    /// What it says about the thing that it asks for, where it leaves its loop.
    pub(crate) fn meaning(&self) -> Meaning {
        let success = match self.leaves {
            Leaves::Unclear => return Meaning::Unclear,
            Leaves::BySuccess => true,
            Leaves::ByFailure => false,
        };
        let of_test = self.is_test().then(|| condition::meaning(&self.words, success));
        match of_test {
            Some(Meaning::Unclear) | None if success => Meaning::There,
            Some(meaning) => meaning,
            // What feeds a pipe may end it by anything, and arithmetic may compare anything.
            None if self.piped || self.has(&["(("]) => Meaning::Unclear,
            None => Meaning::Gone,
        }
    }

    pub(crate) fn again(&self, loops: &[Loop]) -> Again {
        let meaning = self.meaning();
        let innermost = self.within.first().map(|(index, part)| (&loops[*index], *part));
        let own = match (innermost, meaning) {
            (Some((_, Part::Until | Part::While)), Meaning::There) => Again::UntilItSucceeds,
            (Some((around, Part::Until | Part::While)), Meaning::Gone) if around.asks != 0 => {
                Again::UntilItFails
            }
            // Of several commands in a condition the last one decides, perhaps on what an earlier one has left; and a
            // comparison may be with anything.
            (Some((around, Part::Until | Part::While)), Meaning::Unclear) if around.asks != 0 => {
                Again::Polled
            }
            (Some((around, Part::Body)), Meaning::Gone) if around.ends_when_gone() && around.goes_on() => {
                Again::UntilItFails
            }
            _ => Again::No,
        };
        // What a loop asks that goes on and ends in some other way: what it says about the other end, nobody knows.
        let polls = |(index, part): &(usize, Part)| {
            let around = &loops[*index];
            let ends = around.exits != 0 || around.asks != 0;
            let body = *part == Part::Body && ends && (meaning == Meaning::There || !self.has(&["!"]));
            around.goes_on() && (body || (around.asks != 0 && matches!(part, Part::Until | Part::While)))
        };
        if own == Again::No && self.within.iter().any(polls) { Again::Polled } else { own }
    }
}
