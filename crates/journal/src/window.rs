//! Spans of time, and where a scan begins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A span of time, both ends included; `None` is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Window {
    /// The first moment inside.
    pub from: Option<Timestamp>,
    /// The last moment inside.
    pub to: Option<Timestamp>,
}

impl Window {
    /// All of time.
    pub const OPEN: Self = Self { from: None, to: None };

    /// From one moment to another, both included.
    pub const fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from: Some(from), to: Some(to) }
    }

    /// From a moment onwards.
    pub const fn since(from: Timestamp) -> Self {
        Self { from: Some(from), to: None }
    }

    /// True iff the moment is inside. An unknown moment is inside of the open window only.
    pub fn contains(&self, at: Option<Timestamp>) -> bool {
        match at {
            Some(at) => self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to),
            // A line without a time may be from any day: counted in a bounded window it could turn an old exhaustion
            // into a new one.
            None => *self == Self::OPEN,
        }
    }
}

/// Where a scan begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// At the first record.
    #[default]
    Beginning,
    /// At a moment.
    At(Timestamp),
    /// At the last engine start in the records.
    EngineStart,
    /// At the last engine start or change of leadership, whichever is later. The leader's allocator was rebuilt then,
    /// so every earlier leak is healed.
    AllocatorStart,
}

impl Since {
    /// True iff the beginning must be found in the records.
    pub(crate) fn is_sought(self) -> bool {
        matches!(self, Self::EngineStart | Self::AllocatorStart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_inside_and_the_unknown_is_in_the_open_only() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window::between(at(10), at(20));
        let inside = [9, 10, 20, 21].map(|second| window.contains(Some(at(second))));
        assert_eq!(inside, [false, true, true, false]);
        assert!(!window.contains(None) && !Window::since(at(1)).contains(None));
        assert!(Window::OPEN.contains(None) && Window::OPEN.contains(Some(at(0))));
    }
}
