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
        let own = self.way_of_loops(line);
        let Some(function) = self.function_around(line).filter(|_| own == Way::Once) else { return own };
        if !self.tells_success(function) {
            return Way::Unclear;
        }
        let name = defines(&self.lines[function]).unwrap_or_default();
        let callers = (0..self.lines.len()).filter(|at| *at != function && self.lines[*at].has(name));
        let ways: Vec<Way> = callers
            .map(|caller| match self.way_of_loops(caller) {
                // Who calls the caller is not looked at.
                Way::Once if self.function_around(caller).is_some() => Way::Unclear,
                way => way,
            })
            .collect();
        let is_unclear = ways.contains(&Way::Unclear);
        let repeated = ways.into_iter().find(|way| *way != Way::Once);
        if is_unclear { Way::Unclear } else { repeated.unwrap_or(Way::Once) }
    }

    fn keyword(&self, line: usize) -> &str {
        self.lines[line].keyword()
    }

    /// The loops around the line in its own function, the innermost first; a `while` is its own, since its condition is asked
    /// again.
    fn loops_around(&self, line: usize) -> impl Iterator<Item = usize> {
        let own = Some(line).filter(|line| self.keyword(*line) == "while");
        let inner =
            self.around[line].iter().take_while(|outer| !matches!(self.keyword(**outer), "class" | "def"));
        let inner = inner.copied().filter(|outer| matches!(self.keyword(*outer), "for" | "while"));
        own.into_iter().chain(inner)
    }

    /// True iff the two lines are in the same loop of the same function.
    pub(crate) fn is_repeated_with(&self, line: usize, other: usize) -> bool {
        let place = |line: usize| (self.loops_around(line).next(), self.function_around(line));
        place(line) == place(other)
    }

    /// What the innermost loop makes of a call that does not leave it to the one around it.
    fn way_of_loops(&self, line: usize) -> Way {
        let mut ways = self.loops_around(line).map(|around| self.way_out(around));
        ways.find(|way| *way != Way::Once).unwrap_or(Way::Once)
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
        let lines = || inside.iter().copied().chain([around]).map(|line| &self.lines[line]);
        let sleeps = lines().any(|line| line.has("sleep"));
        let calls_own = lines().any(|line| line.names().any(|name| self.functions.contains(name)));
        // What it calls may end it or sleep, and a condition may look at what is asked in any way.
        found.unclear |= !found.success && (is_while || sleeps || calls_own);
        found.unclear |= !is_while && !sleeps && calls_own;
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
    let mut at = (0..line.parts.len()).filter(|at| matches!(line.name(*at), Some("SystemExit" | "exit")));
    let Some(first) = at.next() else { return line.has("raise").then_some(Exit::Failed) };
    // `exit(0) if x else exit(1)`.
    Some(if at.next().is_some() { Exit::Unclear } else { exit_at(line, first) })
}

fn exit_at(line: &Line, at: usize) -> Exit {
    match (line.name(at + 2), line.text(at + 2)) {
        _ if !line.is_mark(at + 1, '(') || line.is_mark(at + 2, ')') => Exit::Well,
        // `exit(0 if x else 1)`.
        _ if !line.is_mark(at + 3, ')') => Exit::Unclear,
        (Some("0"), _) => Exit::Well,
        (Some(number), _) if number.bytes().all(|digit| digit.is_ascii_digit()) => Exit::Failed,
        (_, Some(_)) => Exit::Failed,
        _ => Exit::Unclear,
    }
}

/// True iff the line may end the program by a failure that is none of a call's, or take one for a success.
pub(crate) fn decides(line: &Line) -> bool {
    let handles = matches!(line.keyword(), "except" | "finally");
    handles
        || line.has("assert")
        || line.has("connect_ex")
        || exit(line).is_some_and(|exit| exit != Exit::Well)
}

fn is_negated(line: &Line) -> bool {
    line.has("not") || line.has_marks('!', '=')
}
