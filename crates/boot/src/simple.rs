//! One command of a shell's text, and what is known of how it is run.

/// Stands for a word that is not written out.
pub(crate) const COMPUTED: &str = "$(…)";

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
    /// The here-document that it reads, where all of that is known.
    pub(crate) document: Option<String>,
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
    /// Whether it is run again and again, and what for.
    pub(crate) again: Again,
    /// True iff `!` stands in front of it.
    pub(crate) negated: bool,
    /// True iff something reads what it prints: a pipe or `$(…)`.
    pub(crate) is_read: bool,
    /// True iff it is not run again without end: the loop counts, or is left by something else than its success.
    pub(crate) bounded: bool,
}

/// Whether a command is run until it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Again {
    No,
    /// Its failure ends the loop: `while COMMAND`. What it asks for need not be there.
    UntilItFails,
    /// It is in a loop that sleeps and that something ends, or in what decides on the end of one.
    Polled,
    /// Its success ends the loop: `until COMMAND`, `while ! COMMAND`.
    UntilItSucceeds,
}

impl Again {
    /// True iff it is run again for as long as what it asks for is not there.
    pub(crate) fn is_wait(self) -> bool {
        matches!(self, Self::Polled | Self::UntilItSucceeds)
    }

    /// What it means for a command of a text that is run so. `plain` says that there is but this one, and no test: of
    /// several any may decide, by success or failure, and a test may fail because something is there.
    pub(crate) fn inside(self, plain: bool, negated: bool) -> Self {
        match self {
            Self::UntilItFails if !plain => Self::Polled,
            Self::UntilItFails if negated => Self::UntilItSucceeds,
            Self::UntilItSucceeds if plain && negated => Self::UntilItFails,
            again => again,
        }
    }
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

    /// True iff it is `[ … ]`, `[[ … ]]` or `test …`.
    pub(crate) fn is_test(&self) -> bool {
        self.words.first().is_some_and(|word| is_test(word))
    }

    /// True iff part of the word is what a command prints.
    pub(crate) fn is_computed(&self, rest: usize) -> bool {
        self.written.iter().rev().nth(rest).is_some_and(|word| word == COMPUTED)
    }
}

/// True iff a command of this name is a test.
pub(crate) fn is_test(name: &str) -> bool {
    matches!(name, "[" | "[[" | "test")
}

/// True iff a program of this name asks for an address of the network, and for nothing else.
pub(crate) fn is_network(name: &str) -> bool {
    matches!(name, "curl" | "nc" | "nc.openbsd" | "nc.traditional" | "ncat" | "netcat" | "wget")
}

/// The name of a program without its folder and the prefixes of a command line.
pub(crate) fn program(word: &str) -> &str {
    let path = word.trim_start_matches(PREFIXES);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
