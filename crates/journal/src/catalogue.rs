//! The table of signatures, and the automaton that matches them.

mod added;
mod entry;
mod lookup;
mod matcher;

pub use self::added::CatalogueError;
pub use self::lookup::{UnknownSignature, spelled_alike};
pub(crate) use self::matcher::CENSUS_NOISE;
pub use self::matcher::Catalogue;

#[cfg(test)]
mod tests;
