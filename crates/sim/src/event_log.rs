//! The Swarm's events, as a manager streams them on `/events`.

use std::collections::VecDeque;

use serde_json::Value;

/// A bounded buffer of events. Each has a number that never repeats, so that a reader can go on where it stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventLog {
    events: VecDeque<Value>,
    dropped: u64,
}

/// Events that are kept for readers that are late.
const KEPT: usize = 20_000;

impl EventLog {
    pub(crate) fn push(&mut self, event: Value) {
        self.events.push_back(event);
        while KEPT < self.events.len() {
            self.events.pop_front();
            self.dropped += 1;
        }
    }

    /// The number of the event that comes next.
    pub(crate) fn end(&self) -> u64 {
        self.dropped + self.events.len() as u64
    }

    /// The events from number `from` on that are still kept.
    pub(crate) fn since(&self, from: u64) -> impl Iterator<Item = &Value> {
        let skip = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.events.iter().skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_goes_on_where_it_stopped_also_behind_what_was_dropped() {
        let mut log = EventLog::default();
        for n in 0..KEPT + 5 {
            log.push(json!(n));
        }
        let last = log.end() - 1;
        assert_eq!(log.since(last).collect::<Vec<_>>(), [&json!(KEPT + 4)]);
        assert_eq!(log.since(0).next(), Some(&json!(5)), "the oldest that is kept");
        assert_eq!(log.since(log.end()).count(), 0);
    }
}
