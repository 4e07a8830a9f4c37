//! The way to an engine: its address, the dialer, the wire format, and waiting for what it shows.

mod connect;
mod connection;
mod error;
mod host;
mod ledger;
pub(crate) mod poll;
mod whole;
pub(crate) mod wire;

pub use connect::{ConnectError, Engine};
pub(crate) use connection::Answer;
pub use connection::Connection;
pub use error::{CallError, CallErrorKind};
pub use host::{Host, HostError};
pub(crate) use ledger::ObjectKind;
pub(crate) use poll::{Pace, poll, retry_while, wait_until};
pub use whole::{Missing, Whole};
