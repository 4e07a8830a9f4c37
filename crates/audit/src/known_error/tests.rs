use super::*;
use crate::seen::{JobMode, ServiceId};
use crate::testing::{at, service, task, world};

fn failed(id: &str, error: &str, second: i64) -> Task {
    let since = Some(at(second));
    Task { error: error.into(), since, ..task(id, "app", TaskState::Failed, &[]) }
}

#[test]
fn distinct_errors_are_counted_and_the_newest_come_first() {
    let tasks = [
        failed("1", "old", 10),
        failed("2", "new", 30),
        failed("3", "old", 20),
        task("4", "app", TaskState::Running, &[]),
        failed("5", "old", 15),
    ];
    let found = errors_of(Some("app"), tasks.iter());
    let seen: Vec<_> = found.iter().map(|e| (e.text.as_str(), e.tasks, e.last)).collect();
    assert_eq!(seen, [("new", 1, Some(at(30))), ("old", 3, Some(at(20)))]);
    assert!(found.iter().all(|e| e.service.as_deref() == Some("app") && e.known.is_none()));
}

#[test]
fn no_more_than_five_are_listed() {
    let tasks: Vec<Task> = (1..=7).map(|n| failed(&n.to_string(), &format!("error {n}"), n)).collect();
    let found = errors_of(None, tasks.iter());
    assert_eq!(found.len(), LISTED);
    assert_eq!(found[0].text, "error 7");
}

/// One service of this mode with tasks in these states, the first of which shows an error.
fn errors_with(mode: ServiceMode, states: &[TaskState]) -> usize {
    let mut world = world();
    world.services.push(Service { mode, ..service("app", &[]) });
    world.services.push(service("other", &[]));
    world.tasks.push(task("o", "other", TaskState::Running, &[]));
    world.tasks.push(Task { desired: TaskState::Shutdown, ..failed("e", "no", 1) });
    for (n, state) in states.iter().enumerate() {
        world.tasks.push(task(&format!("t{n}"), "app", *state, &[]));
    }
    let found = errors_of_short(&world, &world.lookup());
    assert!(found.iter().all(|e| e.service.as_deref() == Some("app")), "{found:?}");
    found.len()
}

#[test]
fn only_a_service_that_runs_too_little_shows_its_errors() {
    use TaskState::{Complete, Pending, Running};
    for (mode, states, expected) in [
        (ServiceMode::Replicated(1), &[] as &[TaskState], 1),
        (ServiceMode::Replicated(1), &[Running], 0),
        (ServiceMode::Replicated(2), &[Running], 1),
        (ServiceMode::Replicated(1), &[Running, Running], 0),
        // As many as are wanted run, and one more is to run: an update that starts first.
        (ServiceMode::Replicated(1), &[Running, Pending], 1),
        (ServiceMode::Global, &[Running], 0),
        (ServiceMode::Global, &[Running, Pending], 1),
        (ServiceMode::Job(JobMode::Global), &[Complete], 0),
    ] {
        assert_eq!(errors_with(mode, states), expected, "{mode:?} {states:?}");
    }
}

#[test]
fn tasks_of_a_service_that_is_gone_are_no_service_s() {
    let mut world = world();
    world.tasks.push(Task { service: Some(ServiceId::new("gone")), ..failed("e", "no", 1) });
    assert_eq!(errors_of_short(&world, &world.lookup()), []);
}
