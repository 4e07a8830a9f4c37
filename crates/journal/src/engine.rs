//! Whose record it is: what only dockerd writes, and what a log says about the role of its engine.

use crate::coverage::Role;
use crate::record::{Form, Origin, Record};
use crate::signature::{Class, Place, Signature};

/// Beginnings of messages that dockerd writes and no other program is known to (moby `daemon/`, `cmd/dockerd/`,
/// `libnetwork/`, `libcontainerd/`, engines 17.12 to 29). Another program that logs with logrus has the same form, so the form
/// alone proves nothing.
const TEXTS: &[&str] = &[
    "API listen on ",
    "Attempting next endpoint for p",
    "CDI directory does not exist",
    "Completed buildkit initialization",
    "Container failed to exit within ",
    "Creating a containerd client",
    "Daemon has completed initialization",
    "Daemon shutdown complete",
    "Default bridge (docker0) is assigned",
    "Docker daemon",
    "Failed to get event: rpc error",
    "Firewalld running",
    "Firewalld: docker zone",
    "Graph migration to content-addressability",
    "Handler for ",
    "Initializing Libnetwork Agent",
    "Initializing buildkit",
    "Loading containers: ",
    "NetworkDB stats ",
    "No non-localhost DNS nameservers are left",
    "Node join event for ",
    "Not continuing with pull after error",
    "Processing signal '",
    "Pull session cancelled",
    "Removing stale sandbox ",
    "Restoring containers: ",
    "Starting daemon with containerd snapshotter",
    "Swarm initialized global default address pool",
    "There are old running containers",
    "There are running containers, updated network",
    "[graphdriver] ",
    "[resolver] ",
    "bulk sync to node ",
    "containerd not running, starting managed containerd",
    "detected 127.0.0.53 nameserver",
    "got events, but not ready",
    "ignoring event",
    "initialized VXLAN UDP port",
    "libcontainerd: ",
    "manager selected by agent for new session",
    "memberlist: ",
    "received task-delete event from containerd",
    "sbJoin: gwep4 ",
    "started new containerd process",
];

/// True iff dockerd wrote the record for certain: its envelope says so, or it says what only dockerd says.
pub(crate) fn is_dockerds(record: &Record, signature: Option<&Signature>) -> bool {
    if record.origin != Origin::Engine {
        return false;
    }
    if record.by_name {
        return true;
    }
    // A stack trace or a torn line may stand in any file; a crash is of any Go program.
    let is_known =
        |signature: &Signature| !signature.is_added && !matches!(signature.class, Class::Crash | Class::Gap);
    matches!(record.form, Form::Text | Form::Json)
        && (signature.is_some_and(is_known) || has_fields(record) || has_text(record))
}

/// Swarmkit's module and node, libcontainerd's module, and the namespace that dockerd uses in containerd.
fn has_fields(record: &Record) -> bool {
    let field = |key: &str| record.fields.get(key).map(String::as_str);
    let module = field("module").unwrap_or_default();
    matches!(module, "node" | "raft" | "libcontainerd")
        || module.starts_with("node/")
        || record.fields.contains_key("node.id")
        || matches!(field("namespace"), Some("moby" | "plugins.moby"))
}

fn has_text(record: &Record) -> bool {
    TEXTS.iter().any(|text| record.message.starts_with(text))
}

/// What a record says of its engine's role from then on; `None` if it says nothing.
///
/// Raft's own lines decide (etcd `raft.go` becomeLeader, becomeFollower; `node.go` "elected leader"). A line that only the
/// leader's allocator writes decides as well.
pub(crate) fn role(record: &Record, signature: Option<&Signature>) -> Option<Role> {
    if record.origin != Origin::Engine {
        return None;
    }
    let message = record.message.as_str();
    // One look at the many lines that are no raft's.
    if message.contains(" at term ")
        && let Some(role) = of_raft(message)
    {
        return Some(role);
    }
    match signature {
        // A new engine is whatever raft says next; a worker's never says anything.
        Some(signature) if signature.class == Class::EngineStart => Some(Role::Unknown),
        // A task's error names what the leader refused, and is logged by the node.
        Some(signature)
            if signature.place == Place::Leader
                && !signature.is_added
                && !record.message.starts_with("fatal task error") =>
        {
            Some(Role::Leader)
        }
        _ => None,
    }
}

fn of_raft(message: &str) -> Option<Role> {
    if message.contains(" became leader at term ") {
        return Some(Role::Leader);
    }
    if message.contains(" became follower at term ") || message.contains(" became candidate at term ") {
        return Some(Role::Follower);
    }
    elected(message)
}

/// `raft.node: A elected leader B at term 2`, `raft.node: A changed leader from C to B at term 2`: A is the node that logs.
fn elected(message: &str) -> Option<Role> {
    let (head, tail) = message.split_once(" elected leader ").or_else(|| {
        let (head, tail) = message.split_once(" changed leader from ")?;
        Some((head, tail.split_once(" to ")?.1))
    })?;
    let own = head.rsplit(' ').next().filter(|id| !id.is_empty())?;
    let leader = tail.split(' ').next()?;
    tail.contains(" at term ").then_some(if own == leader { Role::Leader } else { Role::Follower })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn record(text: &str) -> Record {
        Record::parse_line(text.as_bytes())
    }

    fn is_ours(text: &str) -> bool {
        let record = record(text);
        is_dockerds(&record, Catalogue::builtin().classify(&record))
    }

    fn role_of(message: &str) -> Option<Role> {
        let record = record(&format!("level=info msg={message:?} module=raft node.id=x"));
        role(&record, Catalogue::builtin().classify(&record))
    }

    #[test]
    fn dockerd_is_known_by_its_name_its_fields_and_its_texts() {
        for text in [
            "Jun 13 05:38:00 host dockerd[812]: anything",
            "level=info msg=\"anything\" module=node/agent node.id=x",
            "level=info msg=\"anything\" namespace=moby",
            "level=info msg=\"NetworkDB stats host1(5bdcab994fd0) - netID:n1 leaving:false netPeers:5\"",
            "level=info msg=\"Starting up\"",
            "level=warning msg=\"error reading the kernel parameter net.ipv4.vs.x\"",
        ] {
            assert!(is_ours(text), "{text}");
        }
    }

    #[test]
    fn what_any_program_may_write_is_not_dockerds() {
        for text in [
            "root:x:0:0:root:/root:/bin/bash",
            "level=info msg=\"Configuration loaded\"",
            "level=info msg=\"loading plugin\" type=io.containerd.content.v1",
            "Jun 13 05:38:00 host traefik[812]: level=info msg=\"API listen on /x\" module=node",
            "panic: runtime error: index out of range",
            "Starting up",
            "Jun 13 05:38:00 host containerd[812]: level=info msg=\"containerd successfully booted\"",
        ] {
            assert!(!is_ours(text), "{text}");
        }
    }

    #[test]
    fn the_last_word_of_raft_is_the_role() {
        for (message, expected) in [
            ("38f174ddaf85df23 became leader at term 2", Some(Role::Leader)),
            ("38f174ddaf85df23 became follower at term 2", Some(Role::Follower)),
            ("raft.node: 38f1 elected leader 38f1 at term 2", Some(Role::Leader)),
            ("raft.node: 38f1 elected leader 7abc at term 2", Some(Role::Follower)),
            ("raft.node: 38f1 changed leader from 7abc to 38f1 at term 3", Some(Role::Leader)),
            ("raft.node: 38f1 changed leader from 38f1 to 7abc at term 3", Some(Role::Follower)),
            ("Starting up", Some(Role::Unknown)),
            ("error reallocating node ", Some(Role::Leader)),
            ("it elected leader", None),
            ("anything", None),
        ] {
            assert_eq!(role_of(message), expected, "{message}");
        }
    }
}
