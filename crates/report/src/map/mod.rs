//! The address map of an overlay: every address a cell, what each is, and who holds it.

mod drawing;
mod holders;
mod layout;
mod section;
mod words;

pub(crate) use self::drawing::PATTERNS;
pub(crate) use self::section::section;
