use super::super::{Verdict, why};
use crate::seen::{AllocatorCounts, NodeId, NodeState, Service, ServiceMode, Snapshot, Task, TaskState};
use crate::testing::{NOW, at, network, service, task, world};

/// A service `app` with an address for itself and these tasks, each with one of its own.
fn app(mode: ServiceMode, tasks: Vec<Task>) -> Snapshot {
    let mut snapshot = world();
    snapshot.networks.push(network("a", "10.2.0.0/24"));
    snapshot.services.push(Service { mode, ..service("app", &[("a", "10.2.0.2")]) });
    snapshot.tasks = tasks;
    snapshot
}

fn one(state: TaskState) -> Task {
    task("t", "app", state, &[("a", "10.2.0.3")])
}

fn said(snapshot: &Snapshot, subject: &str) -> (Verdict, String, String) {
    let found = why(snapshot, &AllocatorCounts::default(), subject).expect("it is there");
    let fact = found.chain.last().map(|l| l.fact.clone()).unwrap_or_default();
    (found.verdict, found.summary, fact)
}

#[test]
fn a_task_by_its_own_state() {
    let stopping = |state| Task { desired: TaskState::Shutdown, ..one(state) };
    for (task, verdict, summary) in [
        (one(TaskState::Running), Verdict::Running, "task t of app runs"),
        (
            stopping(TaskState::Running),
            Verdict::Running,
            "task t of app is stopping, as wanted, and holds its addresses until it has",
        ),
        (
            Task { desired: TaskState::Complete, ..one(TaskState::Running) },
            Verdict::Running,
            "task t of app runs",
        ),
        (
            stopping(TaskState::Shutdown),
            Verdict::Running,
            "task t of app has ended, as wanted, and holds no address",
        ),
        (
            Task { error: "exit 3".into(), ..stopping(TaskState::Failed) },
            Verdict::NotAddress,
            "task t of app does not run, and not for want of an address: its last task failed: exit 3",
        ),
        (
            stopping(TaskState::Rejected),
            Verdict::NotAddress,
            "task t of app does not run, and not for want of an address: its last task rejected: it left no error",
        ),
    ] {
        let (found, words, _) = said(&app(ServiceMode::Replicated(1), vec![task]), "t");
        assert_eq!((found, words.as_str()), (verdict, summary));
    }
}

/// How long a task may be in a state before that is worth a word, and what is said then.
#[test]
fn a_task_on_its_way() {
    use TaskState::{Assigned, Pending, Preparing, Ready};
    for (state, waited, verdict, fact) in [
        (Pending, 4, Verdict::Unknown, "it is on its way"),
        (Pending, 5, Verdict::NotAddress, "it has its addresses, and the scheduler has found no node for it"),
        (Assigned, 29, Verdict::Unknown, "it is on its way"),
        (Preparing, 30, Verdict::NotAddress, "it has its addresses, and its node is still at it"),
        (Ready, 30, Verdict::NotAddress, "it is prepared, and waits to be started"),
    ] {
        let task = Task { since: Some(at(NOW - waited)), ..one(state) };
        let (found, _, words) = said(&app(ServiceMode::Replicated(1), vec![task]), "app");
        assert_eq!(found, verdict, "{state:?} for {waited} s");
        assert!(words.starts_with(fact), "{words}");
    }
    let ready = Task { since: Some(at(0)), ..one(Ready) };
    let older = Task { desired: TaskState::Shutdown, ..task("older", "app", TaskState::New, &[]) };
    let (_, _, words) = said(&app(ServiceMode::Replicated(1), vec![ready, older]), "app");
    assert!(words.starts_with("it is prepared, and waits for the task before it"), "{words}");
}

/// Only one that never had an address never stops, and only one of the same slot is waited for.
#[test]
fn a_task_that_is_prepared_does_not_wait_for_every_other() {
    let stops = |state| Task { desired: TaskState::Shutdown, ..task("other", "app", state, &[]) };
    let ready = Task { since: Some(at(0)), ..one(TaskState::Ready) };
    for other in [
        stops(TaskState::Running),
        Task { service: Some(crate::ServiceId::new("elsewhere")), ..stops(TaskState::New) },
        Task { slot: Some(2), ..stops(TaskState::New) },
    ] {
        let (_, _, words) = said(&app(ServiceMode::Replicated(1), vec![ready.clone(), other]), "app");
        assert!(words.starts_with("it is prepared, and waits to be started"), "{words}");
    }
}

/// The steps to another subnet are for the network that overlaps, and for the error that says so.
#[test]
fn a_subnet_that_a_node_has_already_is_changed_where_it_is_known_which() {
    let ask = |subnet: &str, error: &str| {
        let failed = Task { error: error.into(), ..one(TaskState::Rejected) };
        let mut snapshot = app(ServiceMode::Replicated(1), vec![failed]);
        snapshot.networks.push(network("b", "10.3.0.0/24"));
        snapshot.networks.push(network("other", subnet));
        snapshot.services[0].networks.push(crate::NetworkId::new("b"));
        snapshot.services[0].endpoint = crate::EndpointMode::Dnsrr;
        let found = why(&snapshot, &AllocatorCounts::default(), "app").expect("it is there");
        found.remedies.iter().find_map(crate::Remedy::command).unwrap_or_default()
    };
    let overlaps = "Pool overlaps with other one on this address space";
    let look = "docker service ps --no-trunc app";
    assert_eq!(ask("10.3.0.0/16", overlaps), "pvcheck plan-subnet --name b", "the narrower one");
    assert_eq!(ask("10.3.0.128/25", overlaps), "pvcheck plan-subnet --name b", "the wider one");
    assert_eq!(ask("10.9.0.0/24", overlaps), look, "the lists do not show which");
    assert_eq!(ask("10.3.0.0/16", "exit 1"), look);
}

#[test]
fn a_service_that_has_what_it_wants_runs() {
    let running = |id: &str| Task { id: crate::TaskId::new(id), ..one(TaskState::Running) };
    let global = ServiceMode::Global;
    for (mode, tasks, verdict, summary) in [
        (ServiceMode::Replicated(0), vec![], Verdict::Running, "service app wants no task"),
        (ServiceMode::Replicated(1), vec![running("t")], Verdict::Running, "service app runs: 1 of 1 tasks"),
        (
            global,
            vec![running("t"), running("u")],
            Verdict::Running,
            "service app runs: 2 tasks, one per node",
        ),
        (
            ServiceMode::Replicated(2),
            vec![],
            Verdict::Unknown,
            "service app has no task that is wanted; ask again in some seconds",
        ),
        (
            global,
            vec![],
            Verdict::Unknown,
            "service app has no task that is wanted; ask again in some seconds",
        ),
    ] {
        let (found, words, _) = said(&app(mode, tasks), "app");
        assert_eq!((found, words.as_str()), (verdict, summary));
    }
}

#[test]
fn a_node_that_is_down_is_the_cause_before_everything_else() {
    let mut snapshot = app(ServiceMode::Replicated(1), vec![one(TaskState::Running)]);
    snapshot.tasks[0].node = Some(NodeId::new("n2"));
    for (state, verdict) in [
        (NodeState::Down, Verdict::NotAddress),
        (NodeState::Ready, Verdict::Running),
        (NodeState::Disconnected, Verdict::Running),
    ] {
        snapshot.nodes[1].state = state.clone();
        for subject in ["t", "app"] {
            let (found, summary, _) = said(&snapshot, subject);
            assert_eq!(found, verdict, "{state}: {summary}");
            assert_eq!(summary.contains("host-n2 is down"), verdict == Verdict::NotAddress, "{summary}");
        }
    }
}
