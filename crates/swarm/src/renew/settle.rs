//! Whether services have settled on the networks that a step gave them: a pure function of what was read.

use std::fmt;

use pvcheck_audit::{EndpointMode, NetworkId, Service, ServiceMode, Task, UpdateState, UpdateStatus};

use super::member::Member;

/// What a service still lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lacking {
    /// It is not listed.
    Gone,
    /// Its specification has other networks.
    Networks,
    /// It has no VIP on a network that it joined, or still one on a network that it left.
    Vip,
    /// Not as many tasks run on the networks as ran before.
    Tasks { running: u64, wanted: u64 },
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
            Self::Tasks { running, wanted } => {
                write!(f, "has {running} of {wanted} tasks running on its networks")
            }
            Self::Stopping { tasks } => write!(f, "has {tasks} tasks that have not stopped yet"),
        }
    }
}

/// Whether the member has settled on `on` and is off `off`. Of a job only its VIPs are looked at: it runs in its own time.
pub(super) fn settled(
    member: &Member,
    services: &[Service],
    tasks: &[Task],
    on: &[NetworkId],
    off: &[NetworkId],
) -> Settled {
    let Some(service) = services.iter().find(|s| s.id == member.id) else {
        return Settled::NotYet(Lacking::Gone);
    };
    let listed = |id: &NetworkId| service.networks.contains(id);
    let moved = on.iter().all(listed) && !off.iter().any(listed);
    let failed = |update: &&UpdateStatus| update.is_paused() || (!moved && goes_back(update));
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
    let own = || tasks.iter().filter(|task| task.service.as_ref() == Some(&member.id));
    let placed = |task: &&Task| {
        on.iter().all(|id| task.is_attached_to(id)) && !off.iter().any(|id| task.is_attached_to(id))
    };
    let running = own().filter(|task| task.is_running()).filter(placed).count() as u64;
    let misplaced =
        own().filter(|task| task.is_wanted() && task.state.holds_addresses()).any(|task| !placed(&task));
    // Somebody may have scaled it down meanwhile.
    let wanted = match service.mode {
        ServiceMode::Replicated(replicas) => member.running.min(replicas),
        ServiceMode::Global | ServiceMode::Job(_) => member.running,
    };
    if running < wanted || misplaced {
        return Settled::NotYet(Lacking::Tasks { running, wanted });
    }
    let stopping = own().filter(|task| task.is_stopping()).count() as u64;
    if 0 < stopping {
        return Settled::NotYet(Lacking::Stopping { tasks: stopping });
    }
    Settled::Yes
}

/// True iff Swarm takes the update back, or has: the service has its former networks then.
fn goes_back(update: &UpdateStatus) -> bool {
    matches!(update.state, UpdateState::RollbackStarted | UpdateState::RollbackCompleted)
}

#[cfg(test)]
mod tests {
    use pvcheck_audit::{TaskState, Vip};

    use super::*;
    use crate::fixtures::{service, task};

    fn member(running: u64) -> Member {
        Member {
            id: pvcheck_audit::ServiceId::new("app"),
            name: "app".into(),
            networks: Vec::new(),
            pins: Vec::new(),
            publishes: false,
            host_ports: false,
            running,
            surge: 1,
            stop_grace_ms: 0,
            job: false,
            fingerprint: String::new(),
        }
    }

    fn id(name: &str) -> NetworkId {
        NetworkId::new(name)
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
        let tasks = |running| lacks(Lacking::Tasks { running, wanted: 1 });
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
            let found = settled(&member(1), &[with_vips(vips)], &listed, &[id("new")], &[id("old")]);
            assert_eq!(found, expected, "{vips:?}, {listed:?}");
        }
        let none = settled(&member(1), &[], &[], &[id("new")], &[]);
        assert_eq!(none, lacks(Lacking::Gone));
        let idle = settled(&member(0), &[with_vips(&["new"])], &[], &[id("new")], &[]);
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
            let found =
                settled(&member(1), &[service], std::slice::from_ref(&run), &[id("new")], &[id("old")]);
            let expected = Settled::Failed { message: "task failed".into() };
            assert_eq!(found, if failed { expected } else { Settled::Yes }, "{state:?} on {network}");
        }
    }
}
