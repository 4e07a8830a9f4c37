//! Faults on demand: what goes wrong with a call, which calls it is for, and what is then answered.
//!
//! The decision is pure: a [`FaultRule`] counts the calls that fit and rolls its own dice, so the same calls have the same
//! faults. What the answer becomes is decided here too, for the model behind [`crate::Sim`] and for a proxy in front of a
//! real engine alike.

mod body;
mod kind;
mod rule;
mod spoil;
mod text;

pub use body::Body;
pub use kind::{Fault, is_stream};
pub use rule::{FaultRule, Faults};
pub use spoil::{spoil, spoil_stream};
pub use text::{FaultError, FaultProblem};
