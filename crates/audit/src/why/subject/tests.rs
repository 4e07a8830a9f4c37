use super::*;
use crate::seen::{ServiceId, TaskId, TaskState};
use crate::testing::{service, task, world};

fn snapshot() -> Snapshot {
    let mut world = world();
    for (name, id) in [("shop_app", "s1abc"), ("shop_web", "s1abd"), ("t2", "s2")] {
        world.services.push(Service { id: ServiceId::new(id), ..service(name, &[]) });
    }
    for id in ["t1abc", "t1abd", "t2"] {
        world.tasks.push(Task { id: TaskId::new(id), ..task(id, "s1abc", TaskState::Running, &[]) });
    }
    world
}

#[test]
fn full_names_and_ids_go_before_beginnings_and_services_before_tasks() {
    let snapshot = snapshot();
    for (asked, expected) in [
        ("shop_app", "service s1abc"),
        ("s1abc", "service s1abc"),
        ("s1abd", "service s1abd"),
        ("t2", "service s2"),
        ("s2", "service s2"),
        ("t1abc", "task t1abc"),
    ] {
        let found = match subject(&snapshot, asked).expect("one of them") {
            Subject::Service(s) => format!("service {}", s.id),
            Subject::Task(t) => format!("task {}", t.id),
        };
        assert_eq!(found, expected, "{asked}");
    }
}

#[test]
fn what_matches_nothing_or_several_is_an_error_that_helps() {
    let snapshot = snapshot();
    for (asked, expected) in [
        ("shop_ap", "there is no service or task `shop_ap`; did you mean shop_app?"),
        ("SHOP_APPS", "there is no service or task `SHOP_APPS`; did you mean shop_app?"),
        ("shop", "there is no service or task `shop`; did you mean shop_app, shop_web?"),
        ("xyz", "there is no service or task `xyz`; `docker service ls` lists the services"),
        // A third of its letters may differ, which is none of two.
        ("t9", "there is no service or task `t9`; `docker service ls` lists the services"),
        ("", "there is no service or task ``; `docker service ls` lists the services"),
        (
            "s1",
            "`s1` is the beginning of several ids: service s1abc (shop_app), service s1abd (shop_web); give more of it",
        ),
        ("t1", "`t1` is the beginning of several ids: task t1abc, task t1abd; give more of it"),
    ] {
        let Err(error) = subject(&snapshot, asked) else { panic!("{asked} is one thing") };
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn distances() {
    for (a, b, far) in
        [("", "", 0), ("a", "", 1), ("shop_app", "shop_ap", 1), ("web", "wbe", 2), ("web", "app", 3)]
    {
        assert_eq!((distance(a, b), distance(b, a)), (far, far), "{a} {b}");
    }
}
