//! What is asked of pvcheck, and what answers it beside the checks of the catalogue: the form of both halves of the table.

/// A requirement.
pub(crate) struct Requirement {
    pub(crate) number: u8,
    /// What is asked, in a few words.
    pub(crate) asked: &'static str,
    /// What answers it; which checks do is told by the catalogue.
    pub(crate) by: &'static [By],
}

/// What answers a requirement.
pub(crate) enum By {
    /// A test that breaks what is asked and sees that it is noticed: its file and its name.
    Test(&'static str, &'static str),
    /// It is nothing that software can check, for this reason.
    Elsewhere(&'static str),
}

/// A section: its letter, what it is about, and its requirements.
pub(crate) struct Section(pub(crate) char, pub(crate) &'static str, pub(crate) &'static [Requirement]);

pub(crate) const fn asked(number: u8, asked: &'static str, by: &'static [By]) -> Requirement {
    Requirement { number, asked, by }
}
