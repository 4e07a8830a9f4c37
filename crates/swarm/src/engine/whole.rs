//! What an answer must have to count as one.
//!
//! The wire types take what is absent for empty, so that no field of an old or a new engine breaks a read. Read like that
//! alone, `{}`, or an object without its id, would count as an answer: a Swarm with less in it than there is. So every
//! type that is read has its required fields here, and [`super::Connection::get`] takes no type that has none.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire;

/// A list of anything but tasks. A service comes to 2 KB and more with long labels, so this has 20,000 of them.
const LIST_BYTES: usize = 64 << 20;
/// A list of tasks: 100,000 come to about 150 MB.
const TASKS_BYTES: usize = 192 << 20;
/// One object. A network lists the endpoints of its node, which may be some thousands.
const OBJECT_BYTES: usize = 8 << 20;
/// What a creation answers: an id and warnings.
const CREATED_BYTES: usize = 1 << 20;

/// A type that an answer is read into, and what it must have.
pub trait Whole: DeserializeOwned {
    /// The largest answer that is read, in bytes.
    const MOST_BYTES: usize = OBJECT_BYTES;
    /// The largest list of these that is read, in bytes.
    const MOST_LIST_BYTES: usize = LIST_BYTES;
    /// True iff every engine has at least one of these, so that an empty list is no answer.
    const NEVER_NONE: bool = false;

    /// The first required part that is absent; `None` if the answer is whole.
    fn missing(&self) -> Option<Missing>;
}

/// A part that an answer lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A field, by its name in the API.
    Field(&'static str),
    /// A field of an entry of a list.
    OfEntry {
        /// The entry's place in the list, from 1.
        entry: usize,
        /// The field.
        field: &'static str,
    },
    /// Every entry of a list that always has some.
    Entries,
    /// Nothing: there is a text where engines answer with none.
    Nothing,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "it has no {field}"),
            Self::OfEntry { entry, field } => write!(f, "its entry {entry} has no {field}"),
            Self::Entries => f.write_str("it is an empty list"),
            Self::Nothing => f.write_str("it has a text where there is none"),
        }
    }
}

impl<T: Whole> Whole for Vec<T> {
    const MOST_BYTES: usize = T::MOST_LIST_BYTES;

    fn missing(&self) -> Option<Missing> {
        if T::NEVER_NONE && self.is_empty() {
            return Some(Missing::Entries);
        }
        let of_entry = |(at, entry): (usize, &T)| match entry.missing()? {
            Missing::Field(field) => Some(Missing::OfEntry { entry: at + 1, field }),
            other => Some(other),
        };
        self.iter().enumerate().find_map(of_entry)
    }
}

/// The first of these that is not there.
fn first(required: &[(bool, &'static str)]) -> Option<Missing> {
    required.iter().find(|(there, _)| !there).map(|(_, field)| Missing::Field(field))
}

/// True iff the text is there.
fn has(text: &str) -> bool {
    !text.is_empty()
}

impl Whole for wire::Info {
    fn missing(&self) -> Option<Missing> {
        let swarm = &self.swarm;
        let active = swarm.local_node_state == "active";
        // A manager without a leader has no cluster to show and says why (moby `daemon/cluster/swarm.go`, `Info`).
        let has_cluster = swarm.cluster.as_ref().is_some_and(|c| has(&c.id)) || has(&swarm.error);
        first(&[
            (has(&self.server_version), "ServerVersion"),
            (self.system_time.parse::<Timestamp>().is_ok(), "SystemTime"),
            (has(&swarm.local_node_state), "Swarm.LocalNodeState"),
            (!active || has(&swarm.node_id), "Swarm.NodeID"),
            (!active || !swarm.control_available || has_cluster, "Swarm.Cluster.ID"),
        ])
    }
}

impl Whole for wire::Node {
    const NEVER_NONE: bool = true;

    fn missing(&self) -> Option<Missing> {
        // A description comes with the node's first report only (swarmkit `manager/dispatcher`).
        first(&[
            (has(&self.id), "ID"),
            (has(&self.spec.role), "Spec.Role"),
            (has(&self.spec.availability), "Spec.Availability"),
            (has(&self.status.state), "Status.State"),
        ])
    }
}

impl Whole for wire::Swarm {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "ID"), (self.spec.is_some(), "Spec")])
    }
}

impl Whole for wire::SwarmTokens {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.join_tokens.manager), "JoinTokens.Manager")])
    }
}

impl Whole for wire::Network {
    // `none` and `host` cannot be removed (moby `daemon/network.go`).
    const NEVER_NONE: bool = true;

    fn missing(&self) -> Option<Missing> {
        // A network that is not allocated yet has no driver.
        first(&[
            (has(&self.id), "Id"),
            (has(&self.name), "Name"),
            (has(&self.scope), "Scope"),
            (self.ipam.is_some(), "IPAM"),
        ])
    }
}

impl Whole for wire::NetworkStatus {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "Id")])
    }
}

impl Whole for wire::Service {
    fn missing(&self) -> Option<Missing> {
        // `Mode` and `Endpoint` are structs in moby (`api/types/swarm/service.go`), so they are there even when empty.
        first(&[
            (has(&self.id), "ID"),
            (has(&self.created_at), "CreatedAt"),
            (has(&self.spec.name), "Spec.Name"),
            (self.spec.mode.is_some(), "Spec.Mode"),
            (self.endpoint.is_some(), "Endpoint"),
        ])
    }
}

impl Whole for wire::Task {
    const MOST_LIST_BYTES: usize = TASKS_BYTES;

    fn missing(&self) -> Option<Missing> {
        // No service, where a container was attached by hand; no node and no address before they are given.
        first(&[
            (has(&self.id), "ID"),
            (has(&self.created_at), "CreatedAt"),
            (has(&self.status.state), "Status.State"),
            (has(&self.desired_state), "DesiredState"),
        ])
    }
}

impl Whole for wire::Stored {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "ID"), (has(&self.spec.name), "Spec.Name")])
    }
}

impl Whole for wire::Versioned {
    fn missing(&self) -> Option<Missing> {
        first(&[
            (has(&self.id), "ID"),
            (self.version.index.is_some(), "Version.Index"),
            (self.spec.as_object().is_some_and(|spec| !spec.is_empty()), "Spec"),
        ])
    }
}

impl Whole for wire::Raw {
    fn missing(&self) -> Option<Missing> {
        let text = |key: &str| self.0[key].as_str().is_some_and(has);
        first(&[
            (text("Id"), "Id"),
            (text("Name"), "Name"),
            (text("Scope"), "Scope"),
            (self.0["IPAM"].is_object(), "IPAM"),
        ])
    }
}

impl Whole for wire::ListedContainer {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "Id")])
    }
}

impl Whole for wire::Container {
    fn missing(&self) -> Option<Missing> {
        first(&[
            (has(&self.id), "Id"),
            (has(&self.name), "Name"),
            (has(&self.state.status), "State.Status"),
            (self.network_settings.is_some(), "NetworkSettings"),
        ])
    }
}

impl Whole for wire::Identified {
    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "ID")])
    }
}

impl Whole for wire::Created {
    const MOST_BYTES: usize = CREATED_BYTES;

    fn missing(&self) -> Option<Missing> {
        first(&[(has(&self.id), "ID")])
    }
}

/// Any JSON, for reads of an embedder's own; nothing is required of it. This crate reads none.
impl Whole for Value {
    const MOST_BYTES: usize = LIST_BYTES;

    fn missing(&self) -> Option<Missing> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Whole>(json: &str) -> Option<Missing> {
        serde_json::from_str::<T>(json).expect("it fits the type").missing()
    }

    #[test]
    fn an_empty_object_is_no_answer_of_any_type() {
        for missing in [
            read::<wire::Info>("{}"),
            read::<wire::Node>("{}"),
            read::<wire::Swarm>("{}"),
            read::<wire::SwarmTokens>("{}"),
            read::<wire::Network>("{}"),
            read::<wire::NetworkStatus>("{}"),
            read::<wire::Service>("{}"),
            read::<wire::Task>("{}"),
            read::<wire::Stored>("{}"),
            read::<wire::Versioned>("{}"),
            read::<wire::Raw>("{}"),
            read::<wire::ListedContainer>("{}"),
            read::<wire::Container>("{}"),
            read::<wire::Identified>("{}"),
            read::<wire::Created>("{}"),
        ] {
            assert!(matches!(missing, Some(Missing::Field(_))), "{missing:?}");
        }
    }

    #[test]
    fn the_entry_and_its_field_are_named() {
        let ok = r#"{"ID":"a","Spec":{"Name":"x"}}"#;
        assert_eq!(read::<Vec<wire::Stored>>(&format!("[{ok}]")), None);
        let missing = read::<Vec<wire::Stored>>(&format!(r#"[{ok},{{"ID":"b","Spec":null}}]"#));
        let missing = missing.expect("the second has no name");
        assert_eq!(missing.to_string(), "its entry 2 has no Spec.Name");
    }

    #[test]
    fn only_a_list_that_may_be_empty_is_one_when_it_is() {
        assert_eq!(read::<Vec<wire::Node>>("[]"), Some(Missing::Entries));
        assert_eq!(read::<Vec<wire::Network>>("[]"), Some(Missing::Entries));
        assert_eq!(read::<Vec<wire::Task>>("[]"), None);
        assert_eq!(read::<Vec<wire::Service>>("[]"), None);
    }

    #[test]
    fn what_engines_leave_out_is_not_missed() {
        let time = r#""ServerVersion":"20.10.24","SystemTime":"2026-01-01T00:00:00Z""#;
        for swarm in [
            r#"{"LocalNodeState":"inactive","NodeID":""}"#,
            r#"{"LocalNodeState":"active","NodeID":"n","ControlAvailable":false}"#,
            r#"{"LocalNodeState":"active","NodeID":"n","ControlAvailable":true,"Cluster":{"ID":"c"}}"#,
            r#"{"LocalNodeState":"active","NodeID":"n","ControlAvailable":true,"Error":"no leader"}"#,
        ] {
            assert_eq!(read::<wire::Info>(&format!("{{{time},\"Swarm\":{swarm}}}")), None, "{swarm}");
        }
        let lacks = r#"{"LocalNodeState":"active","NodeID":"n","ControlAvailable":true}"#;
        let missing = read::<wire::Info>(&format!("{{{time},\"Swarm\":{lacks}}}"));
        assert_eq!(missing, Some(Missing::Field("Swarm.Cluster.ID")));
        let pending = r#"{"ID":"t","CreatedAt":"x","Status":{"State":"new"},"DesiredState":"running"}"#;
        assert_eq!(read::<wire::Task>(pending), None);
    }
}
