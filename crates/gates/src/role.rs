//! Whose log it is, and which of several is read.

use pvcheck_audit::{Node, NodeId, Snapshot};
use pvcheck_journal::{Role, Source};

use crate::cause::Unseen;
use crate::config::{Config, LogPlace, NodeLog, unit_source};

/// The role of the engine that was asked, which decides what its log can prove: only the leader logs that addresses run out.
/// [`Role::Unknown`] where no node of the snapshot leads, as during an election.
pub fn engine_role(snapshot: &Snapshot) -> Role {
    role_of(snapshot, &snapshot.engine.node)
}

/// The role of the node whose log was read: this one, or where none was named that of the engine that was asked.
pub(crate) fn log_role(snapshot: &Snapshot, node: Option<&NodeId>) -> Role {
    role_of(snapshot, node.unwrap_or(&snapshot.engine.node))
}

fn role_of(snapshot: &Snapshot, node: &NodeId) -> Role {
    match leader(snapshot) {
        Some(leader) if leader.id == *node => Role::Leader,
        Some(_) => Role::Follower,
        None => Role::Unknown,
    }
}

fn leader(snapshot: &Snapshot) -> Option<&Node> {
    snapshot.nodes.iter().find(|node| node.leader)
}

/// The log that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChosenLog {
    pub(crate) source: Source,
    /// The node that wrote it, where the configuration says so.
    pub(crate) node: Option<NodeId>,
    /// What the observation of it is called.
    pub(crate) name: String,
}

impl ChosenLog {
    /// The log of the engine that is asked: that of the configuration, or of the unit `docker.service`.
    pub(crate) fn of_engine(config: Option<&Config>) -> Self {
        let source = config.map_or_else(|| unit_source(None), Config::log_source);
        Self { source, node: None, name: "engine log".to_owned() }
    }
}

/// The configuration's log; where it has those of several nodes, that of the node that leads.
///
/// # Errors
/// If none of them is the leader's, or no node leads.
pub(crate) fn choose_log(config: &Config, snapshot: &Snapshot) -> Result<ChosenLog, Unseen> {
    let logs = &config.journal.nodes;
    if logs.is_empty() {
        return Ok(ChosenLog::of_engine(Some(config)));
    }
    let leader = leader(snapshot).ok_or(Unseen::NoLeader)?;
    let is_of = |log: &&NodeLog, node: &Node| log.node == node.hostname || log.node == node.id.as_str();
    let found = logs.iter().find(|log| log.node == leader.id.as_str());
    // A host name that two nodes have names neither.
    let is_unique = snapshot.nodes.iter().filter(|node| node.hostname == leader.hostname).count() == 1;
    let found = found.or_else(|| logs.iter().find(|log| is_unique && is_of(log, leader)));
    let log = found.ok_or_else(|| Unseen::LogOfLeaderNotConfigured {
        leader: if is_unique { leader.hostname.clone() } else { leader.id.to_string() },
        nodes: logs.iter().map(|log| log.node.clone()).collect(),
    })?;
    if matches!(log.place, LogPlace::Unit(_)) && leader.id != snapshot.engine.node {
        return Err(Unseen::LogOfOtherHost { leader: log.node.clone() });
    }
    let (source, node) = (config.source_of(log), Some(leader.id.clone()));
    Ok(ChosenLog { source, node, name: format!("engine log of {}", log.node) })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::testing::snapshot;

    /// A Swarm of these managers, by id and host name, of which this one leads.
    fn swarm(managers: &[(&str, &str)], leader: &str) -> Snapshot {
        let of = |(id, name): &(&str, &str)| {
            serde_json::json!({
                "id": id, "hostname": name, "manager": true, "leader": *id == leader, "availability": "active",
                "state": "ready", "engine_version": "28.5.2"
            })
        };
        let nodes = managers.iter().map(|node| serde_json::from_value(of(node)).expect("a saved node"));
        Snapshot { nodes: nodes.collect(), ..snapshot() }
    }

    fn chosen(nodes: &[&str], snapshot: &Snapshot) -> Result<PathBuf, Unseen> {
        let log = |node: &&str| format!("[[journal.node]]\nnode = \"{node}\"\nfile = \"{node}.log\"\n");
        let text = nodes.iter().map(log).collect::<String>() + "[[service]]\nname = \"a\"\n";
        let config = Config::parse("x.toml", &text).expect("sound");
        choose_log(&config, snapshot).map(|log| match log.source {
            Source::File(file) => file,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_log_is_the_leader_s_by_its_host_name_or_its_id() {
        let three = [("i1", "m1"), ("i2", "m2"), ("i3", "m3")];
        assert_eq!(chosen(&["m1", "m2"], &swarm(&three, "i2")), Ok("m2.log".into()));
        assert_eq!(chosen(&["i1", "i3"], &swarm(&three, "i3")), Ok("i3.log".into()));
        let lacking = chosen(&["m1", "m2"], &swarm(&three, "i3")).expect_err("the leader's is missing");
        assert!(lacking.to_string().starts_with("m3 leads, and only the leader"), "{lacking}");
        assert_eq!(chosen(&["m1"], &swarm(&three, "none")), Err(Unseen::NoLeader));
    }

    #[test]
    fn the_journal_here_is_that_of_the_engine_asked_alone() {
        let text = "[[journal.node]]\nnode = \"m1\"\nunit = \"docker.service\"\n\
                    [[journal.node]]\nnode = \"m2\"\nunit = \"docker.service\"\n[[service]]\nname = \"a\"\n";
        let config = Config::parse("x.toml", text).expect("sound");
        let two = [("n", "m1"), ("i2", "m2")];
        assert!(choose_log(&config, &swarm(&two, "n")).is_ok(), "the engine that is asked leads");
        let elsewhere = choose_log(&config, &swarm(&two, "i2"));
        assert_eq!(elsewhere, Err(Unseen::LogOfOtherHost { leader: "m2".into() }));
    }

    #[test]
    fn a_host_name_that_two_nodes_have_names_neither() {
        let twins = swarm(&[("i1", "m"), ("i2", "m")], "i2");
        let lacking = chosen(&["m"], &twins).expect_err("which of the two is not said");
        assert!(lacking.to_string().ends_with("add the log of i2"), "{lacking}");
        assert_eq!(chosen(&["m", "i2"], &twins), Ok("i2.log".into()));
    }

    #[test]
    fn the_role_is_that_of_the_node_whose_log_it_is() {
        let seen = swarm(&[("n", "asked"), ("i2", "m2")], "i2");
        assert_eq!((engine_role(&seen), log_role(&seen, None)), (Role::Follower, Role::Follower));
        assert_eq!(log_role(&seen, Some(&NodeId::new("i2"))), Role::Leader);
        assert_eq!(log_role(&swarm(&[("n", "asked")], "none"), None), Role::Unknown);
    }
}
