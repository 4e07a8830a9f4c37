//! The catalogue of checks: what each is about, needs, shows and answers. Nothing of it depends on a Swarm.

mod info;
mod kind;
mod rows;

pub use info::CheckInfo;
pub(crate) use kind::{Kind, Of, Stage};
pub(crate) use rows::ROWS;

use crate::digest::sha256;

/// SHA-256 of the catalogue, in hex: reports of the same catalogue can be compared.
pub(crate) fn digest() -> String {
    // Rows are texts, numbers and booleans, which are always JSON.
    sha256(&serde_json::to_string(&ROWS.as_slice()).unwrap_or_default())
}
