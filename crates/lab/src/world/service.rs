//! One service of a world.

use serde_json::{Value, json};

/// The shared overlay.
pub(crate) const PROXY: &str = "proxy";

/// One service of a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) stack: &'static str,
    pub(crate) task: &'static str,
    /// True iff it is on the shared overlay.
    pub(crate) overlay: bool,
    /// Its stack's own network, by its short name.
    pub(crate) private: Option<&'static str>,
    pub(crate) work: Work,
    pub(crate) place: Place,
}

/// What the tasks of a service do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Answers `/` on port 80 with a status.
    Answer(u16),
    /// Routes.
    Route,
}

/// How many tasks a service has, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One, on the first node.
    First,
    /// As many, on any node, and replaced as a service is that must not be away: the new task first, and the old one goes
    /// on answering for a while after it was told to stop, until routers have noticed.
    Anywhere(u64),
    /// One on each node.
    Each,
}

impl Service {
    /// The Swarm service's name.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.stack, self.task)
    }

    /// How many tasks it has on so many nodes.
    pub(crate) fn tasks(&self, nodes: u64) -> u64 {
        match self.place {
            Place::First => 1,
            Place::Anywhere(tasks) => tasks,
            Place::Each => nodes,
        }
    }

    /// The names of its networks.
    pub(crate) fn networks(&self) -> Vec<String> {
        // The shared overlay first. When a later network is full, the earlier ones lose an address (L2 in
        // docs/leaks.md), so the order is part of the world.
        let shared = self.overlay.then(|| PROXY.to_owned());
        shared.into_iter().chain(self.private.map(|short| format!("{}_{short}", self.stack))).collect()
    }
}

/// The labels of whatever belongs to a stack.
pub(crate) fn stack_label(stack: &str) -> Value {
    json!({"com.docker.stack.namespace": stack})
}
