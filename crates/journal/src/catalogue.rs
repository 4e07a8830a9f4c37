//! The table of signatures, and the automaton that matches them.

mod added;
mod allocation;
mod lookup;
mod matcher;
mod quiet;
mod tasks;
mod upkeep;

pub use self::added::CatalogueError;
pub use self::lookup::{UnknownSignature, spelled_alike};
pub use self::matcher::Catalogue;
pub(crate) use self::quiet::CENSUS_NOISE;

#[cfg(test)]
mod tests;
