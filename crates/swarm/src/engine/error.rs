//! Failed calls to an engine.

use std::io;
use std::time::Duration;

use http::{Method, StatusCode};
use thiserror::Error;

use super::whole::Missing;

/// A call that failed. Its text names method, path, engine and cause.
#[derive(Debug, Error)]
#[error("{method} {path} on {host}: {kind}")]
pub struct CallError {
    /// The engine's address.
    pub host: String,
    /// The HTTP method.
    pub method: Method,
    /// The path and query, without the API version.
    pub path: String,
    /// The cause.
    pub kind: CallErrorKind,
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum CallErrorKind {
    /// The socket could not be opened.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The engine did not complete its answer within this time.
    #[error("no complete answer within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The connection broke, or the answer is not HTTP.
    #[error("broken answer: {0}")]
    Transport(String),
    /// The engine answered with a status that is no success.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The engine's message.
        message: String,
    },
    /// The body is not the JSON that the API documents.
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
    /// The leader still answers and no longer reaches a majority of the managers: for some 20 s, until it steps down, it tells
    /// what it last knew, as if every node were still there (seen on 20.10.24 and two managers).
    #[error(
        "the Swarm has no quorum: {unreachable} of {managers} managers cannot be reached, so what this one says may be old; \
         bring them back"
    )]
    NoQuorum {
        /// Managers that the leader does not reach.
        unreachable: usize,
        /// All managers.
        managers: usize,
    },
}

impl CallError {
    /// The HTTP status of a refusal; `None` if the call failed in any other way.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            CallErrorKind::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// True iff the engine answered 404: the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND.as_u16())
    }

    /// True iff the engine has understood the call and will not do it: nothing was changed. A 404 does not count, and
    /// neither does a failure of the engine, after which the call may have had its effect.
    pub(crate) fn is_refusal(&self) -> bool {
        self.status()
            .is_some_and(|status| (400..500).contains(&status) && status != StatusCode::NOT_FOUND.as_u16())
    }

    /// The engine's message; empty if the call failed in any other way than a refusal.
    pub fn message(&self) -> &str {
        match &self.kind {
            CallErrorKind::Refused { message, .. } => message,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: CallErrorKind) -> CallError {
        CallError { host: "unix:///x".into(), method: Method::GET, path: "/nodes/n1".into(), kind }
    }

    #[test]
    fn only_a_refusal_has_a_status_and_a_message() {
        let refused = |status| failed(CallErrorKind::Refused { status, message: "no such node".into() });
        assert_eq!((refused(404).status(), refused(404).message()), (Some(404), "no such node"));
        assert!(refused(404).is_not_found() && !refused(500).is_not_found());
        let io = || io::Error::from(io::ErrorKind::NotFound);
        for kind in [
            CallErrorKind::Connect(io()),
            CallErrorKind::Deadline(Duration::from_secs(30)),
            CallErrorKind::Transport("404".into()),
            CallErrorKind::Decode(serde_json::from_str::<u8>("x").unwrap_err()),
        ] {
            let error = failed(kind);
            assert_eq!((error.status(), error.message(), error.is_not_found()), (None, "", false), "{error}");
        }
    }

    #[test]
    fn the_text_names_call_engine_and_cause() {
        let refused = CallErrorKind::Refused { status: 503, message: "no leader".into() };
        for (kind, cause) in [
            (refused, "the engine answered 503: no leader"),
            (CallErrorKind::Deadline(Duration::from_millis(1500)), "no complete answer within 1.5 s"),
            (CallErrorKind::Transport("connection reset".into()), "broken answer: connection reset"),
        ] {
            assert_eq!(failed(kind).to_string(), format!("GET /nodes/n1 on unix:///x: {cause}"));
        }
    }
}
