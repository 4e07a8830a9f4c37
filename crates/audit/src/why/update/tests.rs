use crate::seen::{
    AllocatorCounts, Service, ServiceMode, Snapshot, Task, TaskState, UpdateOrder, UpdateState, UpdateStatus,
};
use crate::testing::{network, service, task, world};
use crate::why::{Remedy, Verdict, Why, why};

const NO_PORT: &str = "no suitable node (host-mode port already in use on 1 node)";

fn ask(snapshot: &Snapshot) -> Why {
    why(snapshot, &AllocatorCounts::default(), "app").expect("it is there")
}

/// `app` with an update in this state, a task of before that runs, and these tasks.
fn updated(state: UpdateState, order: UpdateOrder, replicas: u64, tasks: Vec<Task>) -> Snapshot {
    let mut snapshot = world();
    snapshot.networks.push(network("a", "10.2.0.0/24"));
    let message = "as the Swarm says it".to_owned();
    snapshot.services.push(Service {
        mode: ServiceMode::Replicated(replicas),
        update_order: order,
        update: Some(UpdateStatus { state, started: None, message }),
        ..service("app", &[("a", "10.2.0.2")])
    });
    snapshot.tasks.push(task("old", "app", TaskState::Running, &[("a", "10.2.0.3")]));
    snapshot.tasks.extend(tasks);
    snapshot
}

fn new(state: TaskState, error: &str) -> Task {
    Task { error: error.into(), ..task("new", "app", state, &[("a", "10.2.0.4")]) }
}

fn commands(found: &Why) -> Vec<String> {
    found.remedies.iter().filter_map(Remedy::command).collect()
}

#[test]
fn an_update_that_waits_for_a_task_is_not_running_although_as_many_run_as_are_wanted() {
    let hanging = |replicas, order| {
        let mut snapshot =
            updated(UpdateState::Updating, order, replicas, vec![new(TaskState::Pending, NO_PORT)]);
        snapshot.tasks.extend((1..replicas).map(|n| {
            let held = format!("10.2.0.{}", 10 + n);
            task(&format!("t{n}"), "app", TaskState::Running, &[("a", &held)])
        }));
        ask(&snapshot)
    };
    let (back, stop_first) =
        ("docker service rollback app", "docker service update --update-order stop-first --force app");
    for (replicas, order, expected) in [
        (1, UpdateOrder::StartFirst, &[stop_first, back][..]),
        (3, UpdateOrder::StartFirst, &[back, stop_first]),
        (1, UpdateOrder::StopFirst, &[back]),
    ] {
        let found = hanging(replicas, order);
        assert_eq!(found.verdict, Verdict::NotAddress);
        assert!(
            found.summary.contains(NO_PORT) && found.summary.contains("waits for it"),
            "{}",
            found.summary
        );
        assert_eq!(&commands(&found)[..expected.len()], expected);
        assert_eq!(
            (found.chain[1].subject.as_str(), found.chain[1].state.as_str()),
            ("update of app", "updating")
        );
        assert_eq!(found.errors.iter().map(|e| e.text.as_str()).collect::<Vec<_>>(), [NO_PORT]);
    }
}

#[test]
fn an_update_that_gave_up_or_went_back_is_part_of_the_answer() {
    let failed = Task { desired: TaskState::Shutdown, ..new(TaskState::Rejected, "No such image: x:1") };
    for (state, verdict, words) in [
        (UpdateState::Paused, Verdict::NotAddress, "its last update is paused: as the Swarm says it"),
        (UpdateState::RollbackPaused, Verdict::NotAddress, "its last rollback is paused"),
        (UpdateState::RollbackCompleted, Verdict::Running, "its last update failed and was rolled back"),
        (UpdateState::RollbackStarted, Verdict::Running, "it is being rolled back"),
        (UpdateState::Updating, Verdict::Running, "an update is under way"),
        (UpdateState::Completed, Verdict::Running, "service app runs: 1 of 1 tasks"),
    ] {
        let found = ask(&updated(state.clone(), UpdateOrder::StartFirst, 1, vec![failed.clone()]));
        assert_eq!(found.verdict, verdict, "{state}");
        assert!(found.summary.contains(words), "{state}: {}", found.summary);
        let shown = (verdict == Verdict::NotAddress).then(|| crate::TaskId::new("new"));
        assert_eq!(found.task, shown, "the task that made it pause");
        assert_eq!(found.update.is_some(), state != UpdateState::Completed);
        assert_eq!(found.errors.is_empty(), verdict == Verdict::Running);
        assert_eq!(
            commands(&found).contains(&"docker service rollback app".to_owned()),
            verdict != Verdict::Running
        );
    }
}

/// Start-first needs a second address: on a full network the new task waits for ever, and the old one runs.
#[test]
fn an_update_that_waits_for_an_address_can_be_ended_before_anything_is_freed() {
    let mut snapshot = updated(UpdateState::Updating, UpdateOrder::StartFirst, 1, Vec::new());
    snapshot.networks[0] = network("a", "10.2.0.0/29");
    let filler = (4..=6).map(|n| {
        let held = format!("10.2.0.{n}");
        task(&format!("f{n}"), "filler", TaskState::Running, &[("a", held.as_str())])
    });
    snapshot.tasks.extend(filler);
    snapshot.tasks.push(task("new", "app", TaskState::New, &[]));
    let found = ask(&snapshot);
    assert_eq!((found.verdict, found.network.map(|n| n.name)), (Verdict::Address, Some("a".into())));
    let first = found.remedies.iter().filter_map(Remedy::command).take(2).collect::<Vec<_>>();
    assert_eq!(first, ["docker service update --update-order stop-first app", "docker service rollback app"]);
}
