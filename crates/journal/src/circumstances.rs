//! What a scan cannot know from the log alone: what pvcheck itself caused, and which networks were removed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalogue::CENSUS_NOISE;
use crate::ids::{NetworkId, ServiceId, TaskId};
use crate::record::Record;
use crate::signature::Signature;
use crate::subjects::Subjects;
use crate::window::Window;

/// What pvcheck's own censuses cause in the log, counted apart from findings.
///
/// A record is ours iff it names one of our services or tasks, at any time, or if it is the line without an id that
/// each address of a bulk census leaves (`error reallocating node`, 256 of them for a /24) and falls into one of our
/// spans. A line that names only a *task* (`failed to allocate network IP for task …`) is recognised by `tasks`
/// alone: give the ids of the census' tasks, not only of its services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnNoise {
    /// When our censuses ran, from creating the first service until its tasks were gone.
    pub spans: Vec<Window>,
    /// Our services.
    pub services: BTreeSet<ServiceId>,
    /// Our services' tasks.
    #[serde(default)]
    pub tasks: BTreeSet<TaskId>,
}

impl OwnNoise {
    /// Nothing in the log is ours.
    pub fn none() -> Self {
        Self::default()
    }

    /// One census: when it ran, and its services.
    pub fn of(from: Timestamp, to: Timestamp, services: impl IntoIterator<Item = ServiceId>) -> Self {
        let services = services.into_iter().collect();
        Self { spans: vec![Window::between(from, to)], services, tasks: BTreeSet::new() }
    }

    /// Adds the tasks of these services.
    #[must_use]
    pub fn with_tasks(mut self, tasks: impl IntoIterator<Item = TaskId>) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.spans.extend(other.spans);
        self.services.extend(other.services);
        self.tasks.extend(other.tasks);
        self
    }

    pub(crate) fn owns(&self, record: &Record, signature: Option<&Signature>, subjects: &Subjects) -> bool {
        // The time alone is not enough for any other line: a service of the user's may fail during a census too.
        let nameless = signature.is_some_and(|signature| signature.id == CENSUS_NOISE);
        (nameless && self.spans.iter().any(|span| span.contains(record.at)))
            || !self.services.is_disjoint(&subjects.services)
            || !self.tasks.is_disjoint(&subjects.tasks)
    }
}

/// Networks that are known to have been removed, and when: a line that names only such, long after, is of something that still
/// refers to them, and no trace of a leak. A network that is not among them may have been removed just then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedNetworks(BTreeMap<NetworkId, Timestamp>);

impl RemovedNetworks {
    /// How long after its removal a line about a network still is the trace of it: longer than any task takes to stop
    /// (`stop_grace_period` is 10 s unless it is set).
    const TRACED: SignedDuration = SignedDuration::from_mins(10);

    /// These, each with the time of its removal.
    pub fn new(networks: impl IntoIterator<Item = (NetworkId, Timestamp)>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// True iff the record names networks, and all of them were removed long before it.
    pub(crate) fn are_old(&self, record: &Record, named: &BTreeSet<NetworkId>) -> bool {
        let is_old = |network| {
            let removed = self.0.get(network).zip(record.at);
            removed.is_some_and(|(removed, at)| Self::TRACED < at.duration_since(*removed))
        };
        !named.is_empty() && named.iter().all(is_old)
    }
}
