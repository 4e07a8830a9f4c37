//! The connection to an engine: address, calls, errors, wire format, and polling.

mod connect;
mod connection;
mod error;
mod events;
mod host;
mod ledger;
pub(crate) mod poll;
mod whole;
pub(crate) mod wire;

pub(crate) use connect::PATIENCE;
pub use connect::{ConnectError, Engine};
pub(crate) use connection::Answer;
pub use connection::Connection;
pub use error::{CallError, CallErrorKind};
pub(crate) use events::Events;
pub use events::{ChangedObject, SwarmChange};
pub use host::{Host, HostError};
pub(crate) use ledger::ObjectKind;
pub(crate) use poll::{Pace, poll, retry_while, wait_until};
pub use whole::{Missing, Whole};
