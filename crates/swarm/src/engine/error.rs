//! Calls that did not give what they should.

use std::io;
use std::time::Duration;

use http::{Method, StatusCode};
use thiserror::Error;

use super::whole::Missing;

/// A call to the engine that did not give what it should.
#[derive(Debug, Error)]
#[error("{method} {path} on {host}: {kind}")]
pub struct CallError {
    /// The engine's address.
    pub host: String,
    /// The HTTP method.
    pub method: Method,
    /// The path as it was asked for, without its version.
    pub path: String,
    /// What went wrong.
    pub kind: CallErrorKind,
}

/// What went wrong with a call.
#[derive(Debug, Error)]
pub enum CallErrorKind {
    /// The socket could not be opened.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The engine did not finish its answer in time.
    #[error("no complete answer within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The engine broke the connection or spoke no HTTP.
    #[error("broken answer: {0}")]
    Transport(String),
    /// The engine answered with an error.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer was not what the API promises.
    #[error("the answer is not the JSON expected: {0}")]
    Decode(serde_json::Error),
    /// The answer is JSON of the right form and lacks what every engine's has: something else answered.
    #[error("not an engine's answer: {0}")]
    Incomplete(Missing),
    /// The answer was longer than any of its kind.
    #[error("the answer has more than {} KiB and was not read further", .most_bytes >> 10)]
    TooLarge {
        /// How much of it was read, in bytes.
        most_bytes: usize,
    },
    /// A removal was answered as if it were done, or as if there were nothing to remove, and the object is there.
    #[error("it is still there, although the engine answered that it is gone")]
    StillThere,
}

impl CallError {
    /// The HTTP status that the engine answered with, if it answered at all.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            CallErrorKind::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// True iff the engine says that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND.as_u16())
    }

    /// True iff the engine has understood the call and will not do it: nothing was changed. A 404 does not count, and
    /// neither does a failure of the engine, after which the call may have had its effect.
    pub(crate) fn is_refusal(&self) -> bool {
        self.status()
            .is_some_and(|status| (400..500).contains(&status) && status != StatusCode::NOT_FOUND.as_u16())
    }

    /// The engine's own words, empty if it did not answer.
    pub fn message(&self) -> &str {
        match &self.kind {
            CallErrorKind::Refused { message, .. } => message,
            _ => "",
        }
    }
}
