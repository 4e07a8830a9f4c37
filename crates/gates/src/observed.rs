//! An observation: what was seen or why not, when, and how long it took.

use std::fmt::Display;
use std::time::Instant;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cause::Unseen;

/// Seen, or not and why.
///
/// In JSON `{"known": …}`, or `{"unknown": "text", "kind": …, "data": …}`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Saved<T>"))]
pub enum Seen<T> {
    /// What was seen.
    Known(T),
    /// Why it could not be seen, and what to do.
    Unknown(Unseen),
}

/// An observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observed<T> {
    /// What was asked: the engine API, the routes, the engine's log.
    pub source: String,
    /// When it ended, by this machine's clock.
    pub at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What was seen.
    pub seen: Seen<T>,
}

impl<T> Observed<T> {
    /// Waits for `asked`, and records its result, the time and the duration. An error is recorded, not returned.
    pub(crate) async fn of<E: Display>(
        source: impl Into<String>,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Self {
        let began = Instant::now();
        let seen = match Box::pin(asked).await {
            Ok(value) => Seen::Known(value),
            Err(error) => Seen::Unknown(Unseen::Failed { error: error.to_string() }),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { source: source.into(), at: Timestamp::now(), elapsed_ms, seen }
    }

    /// Something that is seen at this moment.
    pub(crate) fn now(source: impl Into<String>, value: T) -> Self {
        Self { source: source.into(), at: Timestamp::now(), elapsed_ms: 0, seen: Seen::Known(value) }
    }

    /// Something that was not asked for, and why not.
    pub fn not_asked(source: impl Into<String>, why: Unseen) -> Self {
        Self { source: source.into(), at: Timestamp::now(), elapsed_ms: 0, seen: Seen::Unknown(why) }
    }

    /// The same observation of another value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        let seen = match self.seen {
            Seen::Known(value) => Seen::Known(change(value)),
            Seen::Unknown(why) => Seen::Unknown(why),
        };
        Observed { source: self.source, at: self.at, elapsed_ms: self.elapsed_ms, seen }
    }

    /// What the facts of an earlier version have of something that it did not observe.
    pub(crate) fn not_recorded() -> Self {
        // The same file must give the same report at any time, so that the time is not that of reading it.
        let (at, source) = (Timestamp::UNIX_EPOCH, "facts of an earlier version".to_owned());
        Self { source, at, elapsed_ms: 0, seen: Seen::Unknown(Unseen::NotRecorded) }
    }

    /// What was seen, if anything. It may be a part only: what is whole is for `coverage.rs` to say.
    pub fn known(&self) -> Option<&T> {
        self.sight().ok()
    }

    /// What was seen, or why nothing was.
    pub(crate) fn sight(&self) -> Result<&T, &Unseen> {
        match &self.seen {
            Seen::Known(value) => Ok(value),
            Seen::Unknown(why) => Err(why),
        }
    }
}

/// [`Seen`] as it is saved. Versions before kinds wrote `unknown` alone, and their files must still replay.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Saved<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    #[serde(flatten)]
    why: Option<Unseen>,
}

impl<T: Serialize> Serialize for Seen<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let saved = match self {
            Self::Known(value) => Saved { known: Some(value), unknown: None, why: None },
            Self::Unknown(why) => {
                Saved { known: None, unknown: Some(why.to_string()), why: Some(why.clone()) }
            }
        };
        saved.serialize(to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Seen<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Saved::deserialize(from)? {
            Saved { known: Some(value), .. } => Ok(Self::Known(value)),
            Saved { why: Some(why), .. } => Ok(Self::Unknown(why)),
            Saved { unknown: Some(text), .. } => Ok(Self::Unknown(Unseen::Recorded(text))),
            Saved { .. } => Err(D::Error::custom("neither `known` nor `unknown`")),
        }
    }
}
