//! The loops of a text of Python, and whether what is asked in one ends it by its success.

use std::collections::BTreeSet;

use crate::python_lines::Line;

/// What the loop around a call makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// There is none, or what is asked does not end it.
    Once,
    /// It goes on until the call succeeds.
    Success {
        /// True iff something else ends it as well.
        bounded: bool,
    },
    /// It may go on until the call fails.
    Unclear,
}

/// The blocks of a text.
pub(crate) struct Blocks<'a> {
    lines: &'a [Line],
    /// The lines that begin the blocks around each line, the innermost first.
    around: Vec<Vec<usize>>,
    functions: BTreeSet<&'a str>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(lines: &'a [Line]) -> Self {
        let mut open: Vec<usize> = Vec::new();
        let mut around = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            while open.pop_if(|outer| line.indent <= lines[*outer].indent).is_some() {}
            around.push(open.iter().rev().copied().collect());
            if !line.keyword().is_empty() {
                open.push(number);
            }
        }
        let functions = lines.iter().filter_map(defines).collect();
        Self { lines, around, functions }
    }

    /// The names of the functions that the text defines.
    pub(crate) fn functions(&self) -> &BTreeSet<&'a str> {
        &self.functions
    }

    /// What becomes of a call on this line.
    pub(crate) fn way(&self, line: usize) -> Way {
        if let Some(around) = self.loop_around(line) {
            return self.way_out(around);
        }
        let Some(function) = self.function_around(line) else { return Way::Once };
        if !self.tells_success(function) {
            return Way::Unclear;
        }
        let name = defines(&self.lines[function]).unwrap_or_default();
        let callers = (0..self.lines.len()).filter(|at| *at != function && self.lines[*at].has(name));
        let ways: Vec<Way> = callers
            .map(|caller| match self.loop_around(caller) {
                Some(around) => self.way_out(around),
                // Who calls the caller is not looked at.
                None if self.function_around(caller).is_some() => Way::Unclear,
                None => Way::Once,
            })
            .collect();
        let is_unclear = ways.contains(&Way::Unclear);
        let repeated = ways.into_iter().find(|way| *way != Way::Once);
        if is_unclear { Way::Unclear } else { repeated.unwrap_or(Way::Once) }
    }

    fn keyword(&self, line: usize) -> &str {
        self.lines[line].keyword()
    }

    /// The innermost loop of the line's own function; a `while` is its own, since its condition is asked again.
    fn loop_around(&self, line: usize) -> Option<usize> {
        let own = Some(line).filter(|line| self.keyword(*line) == "while");
        let inner =
            self.around[line].iter().take_while(|outer| !matches!(self.keyword(**outer), "class" | "def"));
        own.or_else(|| inner.copied().find(|outer| matches!(self.keyword(*outer), "for" | "while")))
    }

    fn function_around(&self, line: usize) -> Option<usize> {
        self.around[line].iter().copied().find(|outer| self.keyword(*outer) == "def")
    }

    /// True iff the function returns nothing or something false where an exception was raised, and nothing that is negated.
    fn tells_success(&self, function: usize) -> bool {
        let inside = (0..self.lines.len()).filter(|line| self.around[*line].contains(&function));
        let mut returns = inside.filter(|line| self.lines[*line].has("return"));
        returns.all(|line| {
            let text = &self.lines[line];
            let fails = self.path(line, function).any(|outer| self.keyword(outer) == "except");
            let is_false = matches!(text.name(text.parts.len() - 1), Some("0" | "False" | "None" | "return"));
            !is_negated(text) && (!fails || is_false)
        })
    }

    /// The line itself, if it has a block, and what is around it up to `outer`.
    fn path(&self, line: usize, outer: usize) -> impl Iterator<Item = usize> {
        let own = Some(line).filter(|line| !self.keyword(*line).is_empty() && *line != outer);
        let around = self.around[line].iter().copied().take_while(move |at| *at != outer);
        own.into_iter().chain(around)
    }

    fn way_out(&self, around: usize) -> Way {
        let header = &self.lines[around];
        let is_while = header.keyword() == "while";
        let mut found = Exits { bounded: !is_while, ..Exits::default() };
        if is_while {
            let compares =
                (0..header.parts.len()).any(|at| header.is_mark(at, '<') || header.is_mark(at, '>'));
            found.bounded |= compares;
            found.success |= is_negated(header);
            let endless = matches!(header.name(1), Some("1" | "True"));
            found.unclear |= !endless && !compares && !is_negated(header);
        }
        let inside: Vec<usize> =
            (around..self.lines.len()).filter(|line| self.around[*line].contains(&around)).collect();
        for line in inside.iter().copied().chain([around]) {
            self.exits(line, around, &mut found);
        }
        let sleeps = header.has("sleep") || inside.iter().any(|line| self.lines[*line].has("sleep"));
        // What it calls may end it.
        found.unclear |= !found.success && matches!(header.name(1), Some("1" | "True"));
        match found {
            Exits { unclear: true, .. } => Way::Unclear,
            Exits { success: true, bounded, .. } if is_while || sleeps => Way::Success { bounded },
            Exits { .. } => Way::Once,
        }
    }

    /// Notes how a line leaves the loop.
    fn exits(&self, line: usize, around: usize, found: &mut Exits) {
        let text = &self.lines[line];
        let path: Vec<usize> = self.path(line, around).collect();
        let is_in_loop = path.iter().any(|outer| matches!(self.keyword(*outer), "for" | "while"));
        let exit = exit(text);
        let leaves = text.has("return") || (text.has("break") && !is_in_loop) || exit == Some(Exit::Well);
        let fails = path.iter().any(|outer| self.is_of_failure(*outer));
        if leaves {
            found.success |= !fails;
            found.unclear |= fails;
        } else if let Some(exit) = exit {
            found.bounded = true;
            found.unclear |= exit == Exit::Unclear;
        }
        // What goes on where nothing has failed ends elsewhere.
        found.unclear |= text.has("continue") && !is_in_loop && !fails;
    }

    /// True iff the block is run where something has failed, or may be.
    fn is_of_failure(&self, line: usize) -> bool {
        match self.keyword(line) {
            "except" | "finally" => true,
            "elif" | "if" => is_negated(&self.lines[line]),
            // Of `try` it runs where nothing was raised.
            "else" => {
                let indent = self.lines[line].indent;
                let mut before = (0..line).rev().filter(|at| self.lines[*at].indent == indent);
                before.next().is_none_or(|at| self.keyword(at) != "except")
            }
            _ => false,
        }
    }
}

#[derive(Default)]
struct Exits {
    success: bool,
    bounded: bool,
    unclear: bool,
}

fn defines(line: &Line) -> Option<&str> {
    let at = usize::from(line.name(0) == Some("async"));
    line.name(at + 1).filter(|_| line.name(at) == Some("def"))
}

/// How a line ends the program, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Failed,
    Unclear,
    Well,
}

fn exit(line: &Line) -> Option<Exit> {
    let at = (0..line.parts.len()).find(|at| matches!(line.name(*at), Some("SystemExit" | "exit")));
    let Some(at) = at else { return line.has("raise").then_some(Exit::Failed) };
    let status = (line.name(at + 2), line.text(at + 2));
    Some(match status {
        _ if !line.is_mark(at + 1, '(') || line.is_mark(at + 2, ')') => Exit::Well,
        (Some("0"), _) => Exit::Well,
        (Some(number), _) if number.bytes().all(|digit| digit.is_ascii_digit()) => Exit::Failed,
        (_, Some(_)) => Exit::Failed,
        _ => Exit::Unclear,
    })
}

fn is_negated(line: &Line) -> bool {
    line.has("not") || line.has_marks('!', '=')
}
