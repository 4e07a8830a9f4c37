//! What can go wrong with a call.

use std::time::Duration;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer; the call has been carried out.
    Cut,
    /// The connection ends without an answer; the call is not carried out.
    Reset,
    /// The connection ends after this many bytes of the body.
    CutBody {
        /// Bytes that still come.
        after_bytes: usize,
    },
    /// The answer comes later; nothing else changes.
    Delay(Duration),
    /// The call is not carried out, and this status is answered with a message.
    Fail {
        /// The HTTP status; one that HTTP does not know becomes 500.
        status: u16,
    },
    /// The call is carried out, and this status is answered with a message all the same.
    FailAfter {
        /// The HTTP status; one that HTTP does not know becomes 500.
        status: u16,
    },
    /// The call is carried out, and this is answered with status 200 instead of the engine's answer.
    Answer {
        /// The whole body.
        body: &'static str,
    },
    /// The call is not carried out, and this is answered with status 200.
    Pretend {
        /// The whole body.
        body: &'static str,
    },
    /// Status 200, or this one, and a body that never ends. The call is carried out.
    Endless {
        /// The HTTP status.
        status: u16,
    },
    /// The body is whole for HTTP and not for JSON: the first half is sent as if it were all.
    Lie,
    /// The headers announce this length, whatever the body's is.
    WrongLength {
        /// Bytes that are announced.
        announced: u64,
    },
    /// A list lacks the second half of its items; of events, every other one. Other answers stay whole.
    Partial,
    /// The stream of events is open, and tells nothing. Only calls for events have this fault.
    LoseEvents,
    /// Headers and a part of the body come, then nothing more.
    StallBody {
        /// Bytes that still come.
        after_bytes: usize,
    },
    /// Nothing comes at all; the call has been carried out.
    StallHeaders,
    /// The Swarm has no leader: the call is not carried out, and a manager's 503 is answered.
    NoLeader,
    /// Another client was faster: the call is not carried out, and what swarmkit's store says then is answered.
    OutOfSequence,
    /// The engine restarts: this call is neither carried out nor answered, and neither is any other meanwhile. A model
    /// loses what only a running engine knows, such as leaks; a proxy leaves the engine behind it as it is.
    Restart {
        /// How long no call is answered.
        down: Duration,
    },
}

impl Fault {
    /// One of each kind, with small values.
    pub const EACH: [Self; 20] = [
        Self::Fail { status: 500 },
        Self::Fail { status: 503 },
        Self::Fail { status: 409 },
        Self::FailAfter { status: 500 },
        Self::Reset,
        Self::Cut,
        Self::StallHeaders,
        Self::StallBody { after_bytes: 1 },
        Self::Delay(Duration::from_millis(20)),
        Self::CutBody { after_bytes: 1 },
        Self::Lie,
        Self::WrongLength { announced: 1 },
        Self::Partial,
        Self::LoseEvents,
        Self::NoLeader,
        Self::OutOfSequence,
        Self::Restart { down: Duration::from_millis(40) },
        Self::Answer { body: "{}" },
        Self::Pretend { body: "" },
        Self::Endless { status: 200 },
    ];

    /// Whether it changes anything at such a call.
    pub fn matters_at(self, method: &str, target: &str) -> bool {
        match self {
            Self::LoseEvents => is_stream(method, target),
            Self::Partial => method == "GET",
            _ => true,
        }
    }

    /// True iff the call is carried out, whatever is then answered.
    pub fn is_carried_out(self) -> bool {
        match self {
            Self::Reset
            | Self::Fail { .. }
            | Self::Pretend { .. }
            | Self::NoLeader
            | Self::OutOfSequence
            | Self::Restart { .. } => false,
            Self::Cut
            | Self::CutBody { .. }
            | Self::Delay(_)
            | Self::FailAfter { .. }
            | Self::Answer { .. }
            | Self::Endless { .. }
            | Self::Lie
            | Self::WrongLength { .. }
            | Self::Partial
            | Self::LoseEvents
            | Self::StallBody { .. }
            | Self::StallHeaders => true,
        }
    }
}

/// True for a call whose answer has no end of its own: `/events`, with a version before it or a query behind it.
pub fn is_stream(method: &str, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    method == "GET" && path.rsplit('/').next() == Some("events") && path.matches('/').count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_have_no_end() {
        for (method, target, is) in [
            ("GET", "/events", true),
            ("GET", "/v1.41/events?filters=x", true),
            ("POST", "/events", false),
            ("GET", "/services/x/events", false),
            ("GET", "/tasks?x=/events", false),
        ] {
            assert_eq!(is_stream(method, target), is, "{method} {target}");
        }
    }
}
