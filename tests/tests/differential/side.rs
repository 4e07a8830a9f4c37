//! One of the two engines: calls in, answers out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::operation::PREFIXES;

pub(crate) type Result<T> = std::result::Result<T, String>;

/// An answer of an engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) value: Value,
}

/// An engine as a client sees it.
pub(crate) trait Side {
    /// One call; the path has no version.
    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer>;

    /// Restarts the engine.
    fn restart(&mut self) -> Result<()>;

    /// Whether it takes time until a call has its effect.
    fn lags(&self) -> bool;

    /// Waits until the scheduler has said of every pending task of a service that no node fits. Scaling down writes tasks back
    /// as they were read, so one that the scheduler writes meanwhile is not removed, nor tried again (swarmkit
    /// `manager/orchestrator/replicated/services.go`, `setTasksDesiredState`).
    fn until_scheduled(&mut self, service: &str) -> Result<()>;

    /// Waits until the allocator has committed a network: one that is removed before that leaves lines in the log.
    fn until_allocated(&mut self, network: &str) -> Result<()>;

    /// Is told how many tasks of a removed service there were after the removal of a network.
    fn note_tasks_left(&mut self, count: usize);
}

/// The names and ids that one side has for the networks and services of a sequence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// In front of all names.
    pub(crate) prefix: String,
    /// Tells the subnets of one sequence from those of the next.
    pub(crate) number: u8,
    pub(crate) network_ids: BTreeMap<String, u8>,
    pub(crate) service_ids: BTreeMap<String, u8>,
}

impl Book {
    pub(crate) fn network(&self, number: u8) -> String {
        format!("{}n{number}", self.prefix)
    }

    pub(crate) fn service(&self, number: u8) -> String {
        format!("{}s{number}", self.prefix)
    }

    pub(crate) fn subnet(&self, network: u8) -> String {
        let prefix = PREFIXES[usize::from(network)];
        format!("10.{}.{}.0/{prefix}", 60 + network, self.number)
    }

    /// A text of an engine without what differs from sequence to sequence: ids and prefixes of names.
    pub(crate) fn plain(&self, text: &str) -> String {
        let text = if self.prefix.is_empty() { text.to_owned() } else { text.replace(&self.prefix, "") };
        let is_id = |word: &str| {
            word.len() == 25 && word.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        };
        let words = text.split(' ').map(|word| {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// An answer's status and, where it is an error, its text.
    pub(crate) fn told(&self, answer: &Answer) -> (u16, String) {
        let text = answer.value["message"].as_str().map(|text| self.plain(text.trim()));
        (answer.status, text.unwrap_or_default())
    }
}

/// A removal that the manager refuses for as long as it has not told the tasks of a removed service to stop.
pub(crate) fn in_use_by_a_task(answer: &Answer) -> bool {
    answer.status == 400
        && answer.value["message"].as_str().is_some_and(|text| text.contains("is in use by task"))
}
