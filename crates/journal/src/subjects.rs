//! Which networks, services, tasks and nodes a record names.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::ids::{NetworkId, NodeId, ServiceId, TaskId};
use crate::record::Record;

/// What a record is about, as far as it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subjects {
    /// Networks, by id or, where the engine writes it, by name.
    pub(crate) networks: BTreeSet<NetworkId>,
    /// Services.
    pub(crate) services: BTreeSet<ServiceId>,
    /// Tasks.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Nodes. The `node.id` field is not among them: it names the engine that logged.
    pub(crate) nodes: BTreeSet<NodeId>,
}

impl Subjects {
    /// Takes the ids out of a record's message, its error, and the fields that swarmkit and libnetwork use for them.
    pub(crate) fn of(record: &Record) -> Self {
        let mut subjects = Self::default();
        for text in [Some(&record.message), record.error.as_ref()].into_iter().flatten() {
            subjects.read(text);
        }
        for (key, value) in &record.fields {
            subjects.take(key, value);
        }
        subjects
    }

    fn read(&mut self, text: &str) {
        // An id is 25 characters of base 36, or 64 hex digits for what is local to a node. `node  cannot` has none.
        static NAMED: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?i)\b(service|task|network|node)(?: ID)?:? \(?([0-9a-z]{25}|[0-9a-f]{64})\b")
                .expect("tested")
        });
        static NAME: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\bnetwork (\S+)(?: \S+)? (?:remove failed|is in use by|has active endpoints|id \S+ has active)")
                .expect("tested")
        });
        for found in NAMED.captures_iter(text) {
            let id = &found[2];
            match found[1].to_ascii_lowercase().as_str() {
                "service" => drop(self.services.insert(id.into())),
                "task" => drop(self.tasks.insert(id.into())),
                "network" => drop(self.networks.insert(id.into())),
                _ => drop(self.nodes.insert(id.into())),
            }
        }
        if let Some(found) = NAME.captures(text) {
            self.networks.insert(found[1].into());
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        // A task without a service, as an attached container's, has `service.id=`.
        match key {
            _ if value.is_empty() => {}
            "service.id" => drop(self.services.insert(value.into())),
            "task.id" => drop(self.tasks.insert(value.into())),
            "vip.network" | "network" | "network.id" | "nid" => drop(self.networks.insert(value.into())),
            _ => {}
        }
    }
}
