//! The catalogue of checks: what each is about, needs, shows and answers. Nothing of it depends on a Swarm.

mod info;
mod kind;
mod rows;

pub use info::CheckInfo;
pub(crate) use kind::{Kind, Of, Stage};
pub(crate) use rows::ROWS;
