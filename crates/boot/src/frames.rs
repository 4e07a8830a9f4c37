//! What encloses a command of a shell's text, and the list that it is part of. Commands are named by their numbers.

use crate::words::End;

/// The most commands of a list that are looked at: of a longer one it is not known what it ends.
pub(crate) const LIST_LIMIT: usize = 64;

/// The commands of a list with `&&` and `||` so far.
#[derive(Default)]
struct List {
    commands: Vec<usize>,
    /// Whether the next one runs where these succeed, or where they fail; `None` where it begins a list.
    joined: Option<bool>,
}

/// What encloses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{ … }`.
    Braces,
    /// `( … )`.
    Brackets,
    /// The condition of an `if`.
    Condition,
    /// What runs where these commands succeed, or where they fail.
    Branch(Vec<usize>, bool),
    Loop,
}

struct Frame {
    kind: Kind,
    /// True iff `!` stands in front of it, or of what is around it up to a loop, an odd number of times.
    negated: bool,
    /// True iff it is `(…)`, or in one that is in the same loop.
    in_subshell: bool,
    /// The number of its first command.
    first: usize,
    /// The list that it is part of.
    list: List,
}

/// All that encloses the command that is read.
#[derive(Default)]
pub(crate) struct Frames {
    open: Vec<Frame>,
    list: List,
}

impl Frames {
    pub(crate) fn open(&mut self, kind: Kind, negated: bool, first: usize) {
        let list = std::mem::take(&mut self.list);
        let is_loop = kind == Kind::Loop;
        let negated = !is_loop && negated != self.negated();
        let in_subshell = !is_loop && (kind == Kind::Brackets || self.in_subshell());
        self.open.push(Frame { kind, negated, in_subshell, first, list });
    }

    /// Closes the innermost one if it is one of these, and returns the number of its first command.
    pub(crate) fn close(&mut self, is: impl Fn(&Kind) -> bool) -> Option<usize> {
        let frame = self.open.pop_if(|frame| is(&frame.kind))?;
        self.list = frame.list;
        Some(frame.first)
    }

    /// As [`Self::close`], of `(…)` or `{…}`. A single command in it stands for it.
    pub(crate) fn close_group(&mut self, kind: &Kind, next: usize) {
        if let Some(first) = self.close(|open| open == kind)
            && first + 1 == next
        {
            self.command(first);
        }
    }

    /// Changes what the innermost one is if it is of an `if`: what follows `first` belongs to it.
    pub(crate) fn turn(&mut self, kind: Kind, first: usize) {
        if let Some(frame) = self.open.last_mut()
            && matches!(frame.kind, Kind::Branch(..) | Kind::Condition)
        {
            (frame.kind, frame.first) = (kind, first);
        }
    }

    /// The first command of the innermost one.
    pub(crate) fn first(&self) -> usize {
        self.open.last().map_or(0, |frame| frame.first)
    }

    /// What the innermost one is.
    pub(crate) fn kind(&self) -> Option<&Kind> {
        self.open.last().map(|frame| &frame.kind)
    }

    /// True iff `!` stands in front of an odd number of groups, up to the innermost loop.
    pub(crate) fn negated(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.negated)
    }

    fn in_subshell(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.in_subshell)
    }

    /// Takes the next command of the list.
    pub(crate) fn command(&mut self, number: usize) {
        if self.list.commands.len() < LIST_LIMIT {
            self.list.commands.push(number);
        }
    }

    /// Takes what follows a command or a group.
    pub(crate) fn end(&mut self, end: End) {
        match end {
            End::And => self.list.joined = Some(true),
            End::Or => self.list.joined = Some(false),
            End::Background | End::Plain => self.list = List::default(),
            End::Closed | End::Opened | End::Piped => {}
        }
    }

    /// The commands whose success, or failure, is what the next command runs upon, if that is all that it depends on there.
    pub(crate) fn guards(&self) -> Option<(Vec<usize>, bool)> {
        // What is left in a subshell is the subshell.
        if self.in_subshell() {
            return None;
        }
        if let Some(success) = self.list.joined {
            return Some((self.list.commands.clone(), success));
        }
        let frame = self.open.last()?;
        match &frame.kind {
            Kind::Branch(commands, success) => Some((commands.clone(), *success)),
            Kind::Braces => Some((frame.list.commands.clone(), frame.list.joined?)),
            Kind::Brackets | Kind::Condition | Kind::Loop => None,
        }
    }
}
