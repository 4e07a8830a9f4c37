//! Whether services have settled on the networks that a step gave them: a pure function of what was read.

use std::collections::BTreeSet;
use std::fmt;

use pvcheck_audit::{
    EndpointMode, NetworkId, Node, NodeAvailability, NodeState, Service, ServiceMode, Task, TaskId,
    TaskState, UpdateState, UpdateStatus,
};

use super::error::RenewalError;
use super::member::Member;

/// What is looked at, read at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) tasks: Vec<Task>,
    pub(super) services: Vec<Service>,
    pub(super) nodes: Vec<Node>,
}

impl Lists {
    /// True iff the task's node is down, so that its end is not seen (swarmkit `manager/dispatcher`, 24 h).
    pub(super) fn is_down(&self, task: &Task) -> bool {
        let node = task.node.as_ref().and_then(|id| self.nodes.iter().find(|node| node.id == *id));
        node.is_some_and(is_down)
    }

    /// The host names of the nodes that are down.
    pub(super) fn down(&self) -> Vec<&str> {
        self.nodes.iter().filter(|node| is_down(node)).map(|node| node.hostname.as_str()).collect()
    }

    /// The members whose update is under way.
    ///
    /// # Errors
    /// If an update has stopped at a failure.
    pub(super) fn updating<'a>(&self, members: &'a [Member]) -> Result<Vec<&'a Member>, RenewalError> {
        let stopped = |member| self.update(member).filter(|update| update.is_paused()).map(|u| (member, u));
        match members.iter().find_map(stopped) {
            Some((Member { name, .. }, update)) => {
                Err(RenewalError::UpdateFailed { service: name.clone(), message: update.message.clone() })
            }
            None => Ok(self.under_way(members)),
        }
    }

    /// The members whose update is under way, whatever has become of the others'.
    pub(super) fn under_way<'a>(&self, members: &'a [Member]) -> Vec<&'a Member> {
        let goes_on = |member: &&Member| self.update(member).is_some_and(UpdateStatus::is_under_way);
        members.iter().filter(goes_on).collect()
    }

    fn update(&self, member: &Member) -> Option<&UpdateStatus> {
        self.services.iter().find(|service| service.id == member.id)?.update.as_ref()
    }

    /// How many tasks a member must have running: those that ran before, unless it was scaled down meanwhile, or a node of a
    /// global service went.
    fn wanted(&self, member: &Member, service: &Service) -> u64 {
        match service.mode {
            ServiceMode::Replicated(replicas) => member.running.min(replicas),
            ServiceMode::Global if !member.nodes.is_empty() => {
                let there = |node: &&Node| {
                    member.nodes.contains(&node.id)
                        && !is_down(node)
                        && node.availability != NodeAvailability::Drain
                };
                self.nodes.iter().filter(there).count() as u64
            }
            ServiceMode::Global | ServiceMode::Job(_) => member.running,
        }
    }
}

fn is_down(node: &Node) -> bool {
    // One that the leader does not know yet, after a change of leader, may be up.
    matches!(node.state, NodeState::Down | NodeState::Disconnected)
}

/// What a service still lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lacking {
    /// It is not listed.
    Gone,
    /// Its specification has other networks.
    Networks,
    /// It has no VIP on a network that it joined, or still one on a network that it left.
    Vip,
    /// Not as many tasks run on the networks as ran before; and what the last one that failed there says.
    Tasks { running: u64, wanted: u64, failed: Option<String> },
    /// Tasks of before still stop.
    Stopping { tasks: u64 },
}

/// How far a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Yes,
    NotYet(Lacking),
    /// Its update has stopped at a failure.
    Failed {
        message: String,
    },
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("is not there"),
            Self::Networks => f.write_str("has other networks in its specification"),
            Self::Vip => f.write_str("has not the VIPs of its networks"),
            Self::Tasks { running, wanted, failed } => {
                write!(f, "has {running} of {wanted} tasks running on its networks")?;
                failed.as_ref().map_or(Ok(()), |why| write!(f, " (the last one failed: {why})"))
            }
            Self::Stopping { tasks } => write!(f, "has {tasks} tasks that have not stopped yet"),
        }
    }
}

/// Whether the member has settled on `on` and is off `off`. Of a job only its VIPs are looked at: it runs in its own time.
/// Where it is on none of them its tasks need not run: some do not without their network, and an update that stops at such a
/// task has left the networks all the same, unless a task of before is still there.
pub(super) fn settled(member: &Member, lists: &Lists, on: &[NetworkId], off: &[NetworkId]) -> Settled {
    let Some(service) = lists.services.iter().find(|s| s.id == member.id) else {
        return Settled::NotYet(Lacking::Gone);
    };
    let listed = |id: &NetworkId| service.networks.contains(id);
    let moved = on.iter().all(listed) && !off.iter().any(listed);
    let own = || lists.tasks.iter().filter(|task| task.service.as_ref() == Some(&member.id));
    let placed = |task: &&Task| {
        on.iter().all(|id| task.is_attached_to(id)) && !off.iter().any(|id| task.is_attached_to(id))
    };
    let misplaced =
        own().filter(|task| task.is_wanted() && task.state.holds_addresses()).any(|task| !placed(&task));
    let stops = |update: &UpdateStatus| update.is_paused() && (!on.is_empty() || misplaced);
    let failed = |update: &&UpdateStatus| stops(update) || (!moved && goes_back(update));
    if let Some(update) = service.update.as_ref().filter(failed) {
        return Settled::Failed { message: update.message.clone() };
    }
    if !moved {
        return Settled::NotYet(Lacking::Networks);
    }
    let has_vip = |id: &NetworkId| service.vips.iter().any(|vip| vip.network == *id && vip.is_given());
    let wants_vip = service.endpoint == EndpointMode::Vip;
    if (wants_vip && !on.iter().all(has_vip)) || off.iter().any(has_vip) {
        return Settled::NotYet(Lacking::Vip);
    }
    if member.job {
        return Settled::Yes;
    }
    let running = own().filter(|task| task.is_running()).filter(placed).count() as u64;
    let wanted = if on.is_empty() { 0 } else { lists.wanted(member, service) };
    if running < wanted || misplaced {
        let ended = own().filter(|task| matches!(task.state, TaskState::Failed | TaskState::Rejected));
        let last = ended.filter(placed).max_by_key(|task| task.since);
        let failed = last.map(|task| task.error.clone()).filter(|error| !error.is_empty());
        return Settled::NotYet(Lacking::Tasks { running, wanted, failed });
    }
    // The end of one on a node that is down is not seen; before a network is removed it counts (`drain.rs`).
    let stopping = own().filter(|task| task.is_stopping() && !lists.is_down(task)).count() as u64;
    if 0 < stopping {
        return Settled::NotYet(Lacking::Stopping { tasks: stopping });
    }
    Settled::Yes
}

/// The tasks of the member that run on these networks, if one has failed there: others may be about to fail too, and between
/// two failures a task runs for a moment.
pub(super) fn doubtful(member: &Member, lists: &Lists, on: &[NetworkId]) -> Option<BTreeSet<TaskId>> {
    let own = || {
        let own = lists.tasks.iter().filter(|task| task.service.as_ref() == Some(&member.id));
        own.filter(|task| on.iter().all(|id| task.is_attached_to(id)))
    };
    let failed = !member.job && own().any(|t| matches!(t.state, TaskState::Failed | TaskState::Rejected));
    failed.then(|| own().filter(|task| task.is_running()).map(|task| task.id.clone()).collect())
}

/// True iff Swarm takes the update back, or has: the service has its former networks then.
fn goes_back(update: &UpdateStatus) -> bool {
    matches!(update.state, UpdateState::RollbackStarted | UpdateState::RollbackCompleted)
}

#[cfg(test)]
mod tests {
    use pvcheck_audit::{NodeId, Vip};

    use super::super::member::example;
    use super::*;
    use crate::fixtures::{node, on_node, service, task};

    fn member(running: u64) -> Member {
        Member { running, ..example("app") }
    }

    fn id(name: &str) -> NetworkId {
        NetworkId::new(name)
    }

    fn lists(services: &[Service], tasks: &[Task]) -> Lists {
        Lists { tasks: tasks.to_vec(), services: services.to_vec(), nodes: Vec::new() }
    }

    /// On network `new`, with VIPs on these.
    fn with_vips(on: &[&str]) -> Service {
        let vip = |name: &&str| Vip { network: id(name), address: Some([10, 0, 0, 2].into()), ipv6: None };
        Service {
            vips: on.iter().map(vip).collect(),
            endpoint: EndpointMode::Vip,
            ..service("app", &["new"])
        }
    }

    #[test]
    fn a_service_has_settled_when_vips_and_tasks_are_on_the_new_network_alone() {
        use TaskState::{Running, Shutdown};
        let run = |on: &[&str]| task(Some("app"), on, Running, Running);
        let stops = |on: &[&str]| task(Some("app"), on, Running, Shutdown);
        let ended = |on: &[&str]| task(Some("app"), on, Shutdown, Shutdown);
        let yes = Settled::Yes;
        let lacks = |what| Settled::NotYet(what);
        let tasks = |running| lacks(Lacking::Tasks { running, wanted: 1, failed: None });
        for (vips, listed, expected) in [
            (&["new"][..], vec![run(&["new"]), ended(&["old"])], yes),
            (&["new"], vec![run(&["old"])], tasks(0)),
            (&["new"], vec![run(&["new", "old"])], tasks(0)),
            (&["new"], vec![], tasks(0)),
            (&["new"], vec![run(&["new"]), stops(&["old"])], lacks(Lacking::Stopping { tasks: 1 })),
            (&["new"], vec![run(&["new"]), run(&["old"])], tasks(1)),
            (&["new", "old"], vec![run(&["new"])], lacks(Lacking::Vip)),
            (&[], vec![run(&["new"])], lacks(Lacking::Vip)),
        ] {
            let found = settled(&member(1), &lists(&[with_vips(vips)], &listed), &[id("new")], &[id("old")]);
            assert_eq!(found, expected, "{vips:?}, {listed:?}");
        }
        let none = settled(&member(1), &lists(&[], &[]), &[id("new")], &[]);
        assert_eq!(none, lacks(Lacking::Gone));
        let idle = settled(&member(0), &lists(&[with_vips(&["new"])], &[]), &[id("new")], &[]);
        assert_eq!(idle, Settled::Yes, "a service at 0 replicas has its VIP");
    }

    #[test]
    fn an_update_that_stops_or_takes_the_networks_back_has_failed() {
        use UpdateState::{Completed, Paused, RollbackCompleted, RollbackPaused, RollbackStarted, Updating};
        let run = task(Some("app"), &["new"], TaskState::Running, TaskState::Running);
        // Its state, the network in its specification, and whether that is a failure.
        for (state, network, failed) in [
            (Paused, "new", true),
            (RollbackPaused, "new", true),
            (RollbackStarted, "old", true),
            (RollbackCompleted, "old", true),
            // That was before: the networks are those of the step.
            (RollbackCompleted, "new", false),
            (Updating, "new", false),
            (Completed, "new", false),
        ] {
            let update = UpdateStatus { state: state.clone(), started: None, message: "task failed".into() };
            let service =
                Service { update: Some(update), networks: vec![id(network)], ..with_vips(&["new"]) };
            let found = settled(
                &member(1),
                &lists(&[service], std::slice::from_ref(&run)),
                &[id("new")],
                &[id("old")],
            );
            let expected = Settled::Failed { message: "task failed".into() };
            assert_eq!(found, if failed { expected } else { Settled::Yes }, "{state:?} on {network}");
        }
    }

    #[test]
    fn off_every_network_its_tasks_need_not_run_but_none_of_before_may_be_there() {
        use TaskState::{Failed, Running, Shutdown};
        let run = |desired| task(Some("app"), &["old"], Running, desired);
        let ended = task(Some("app"), &[], Failed, Shutdown);
        let stopped =
            UpdateStatus { state: UpdateState::Paused, started: None, message: "task failed".into() };
        let found = |listed: &[Task]| {
            let service = Service { update: Some(stopped.clone()), networks: Vec::new(), ..with_vips(&[]) };
            settled(&member(2), &lists(&[service], listed), &[], &[id("old")])
        };
        assert_eq!(found(std::slice::from_ref(&ended)), Settled::Yes);
        let stopping = Settled::NotYet(Lacking::Stopping { tasks: 1 });
        assert_eq!(found(&[ended.clone(), run(Shutdown)]), stopping);
        // The update has stopped before it came to this one.
        let failed = Settled::Failed { message: "task failed".into() };
        assert_eq!(found(&[ended, run(Running)]), failed);
    }

    #[test]
    fn a_global_service_needs_no_task_on_a_node_that_went() {
        use TaskState::{Running, Shutdown};
        let nodes = ["a", "b", "c"].map(NodeId::new);
        let member = Member { nodes: nodes.to_vec(), ..member(3) };
        let service = Service { mode: ServiceMode::Global, ..with_vips(&["new"]) };
        let on = |node: &NodeId, desired| Task {
            node: Some(node.clone()),
            ..task(Some("app"), &["new"], Running, desired)
        };
        let tasks = vec![on(&nodes[0], Running), on(&nodes[1], Running), on(&nodes[2], Shutdown)];
        let found = |state: NodeState, availability: NodeAvailability| {
            let last = Node { availability, ..node("c", state) };
            let nodes = vec![node("a", NodeState::Ready), node("b", NodeState::Ready), last];
            let lists = Lists { tasks: tasks.clone(), services: vec![service.clone()], nodes };
            settled(&member, &lists, &[id("new")], &[id("old")])
        };
        assert_eq!(found(NodeState::Down, NodeAvailability::Active), Settled::Yes);
        let lacking = Lacking::Tasks { running: 2, wanted: 3, failed: None };
        assert_eq!(found(NodeState::Ready, NodeAvailability::Active), Settled::NotYet(lacking.clone()));
        assert_eq!(found(NodeState::Unknown, NodeAvailability::Active), Settled::NotYet(lacking));
        let stopping = Settled::NotYet(Lacking::Stopping { tasks: 1 });
        assert_eq!(found(NodeState::Ready, NodeAvailability::Drain), stopping);
    }

    #[test]
    fn what_the_last_failed_task_says_is_told() {
        let failed = Task {
            error: "task: non-zero exit (1)".into(),
            ..on_node(task(Some("app"), &["new"], TaskState::Failed, TaskState::Shutdown))
        };
        let found =
            settled(&member(1), &lists(&[with_vips(&["new"])], &[failed]), &[id("new")], &[id("old")]);
        let Settled::NotYet(lacking) = found else { panic!("{found:?}") };
        assert_eq!(
            lacking.to_string(),
            "has 0 of 1 tasks running on its networks (the last one failed: task: non-zero exit (1))"
        );
    }
}
