//! What a scan cannot know from the log alone: what pvcheck itself caused, and which networks were removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// Which networks were removed when: without it `could not find network allocator state` counts as the trace of a
/// leak, with it only where the network was removed shortly before. No command uses this yet; it is meant for
/// `pvcheck journal scan` with the removals that are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedNetworks {
    /// Each network with the time of its removal.
    pub networks: BTreeMap<NetworkId, Timestamp>,
    /// How long after its removal a line about a network still is the trace of it.
    #[serde(rename = "within_ms", with = "millis")]
    pub within: Duration,
}

impl RemovedNetworks {
    /// With ten minutes, which is longer than any task takes to stop (`stop_grace_period` is 10 s unless it is set).
    pub fn new(networks: impl IntoIterator<Item = (NetworkId, Timestamp)>) -> Self {
        Self { networks: networks.into_iter().collect(), within: Duration::from_mins(10) }
    }

    /// True iff the record names networks and none of them was removed shortly before it. The clocks of the engine
    /// and of the machine that recorded the removal may differ by a minute.
    pub(crate) fn are_old(&self, record: &Record, named: &BTreeSet<NetworkId>) -> bool {
        !named.is_empty() && !named.iter().any(|network| self.is_recent(record, network))
    }

    fn is_recent(&self, record: &Record, network: &NetworkId) -> bool {
        let Some(removed) = self.networks.get(network) else { return false };
        let Some(at) = record.at else { return true };
        let after = at.duration_since(*removed);
        let within = SignedDuration::try_from(self.within).unwrap_or(SignedDuration::MAX);
        SignedDuration::from_secs(-60) <= after && after <= within
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
