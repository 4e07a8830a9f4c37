//! Jobs: what swarmkit's `manager/orchestrator/jobs` does with them, and what they hold meanwhile.

use std::time::Duration;

use pvcheck_sim::{Availability, Engine, Model, OwnerKind, ServiceDraft, Settings};
use serde_json::{Value, json};

use crate::support::{SECOND, filtered, get, in_state, network, tasks, truth, world};

/// A service on `net`.
fn service(model: &mut Model, draft: ServiceDraft) {
    crate::support::service(model, draft.on("net"));
}

fn count(model: &Model, kind: OwnerKind) -> usize {
    crate::support::count(model, "net", kind)
}

#[test]
fn tasks_are_desired_complete_from_the_start_and_hold_addresses_while_they_run() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 5));
    let all = tasks(&mut model);
    assert_eq!(all.len(), 2, "MaxConcurrent");
    for task in &all {
        assert_eq!(
            (&task["DesiredState"], &task["Status"]["State"]),
            (&json!("complete"), &json!("running"))
        );
    }
    assert_eq!((count(&model, OwnerKind::Vip), count(&model, OwnerKind::Task)), (1, 2));
    model.advance(Duration::from_hours(1));
    assert_eq!(count(&model, OwnerKind::Task), 2, "they run until they end");
}

#[test]
fn a_finished_task_gives_its_address_back_and_shows_it_still() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(1, 1));
    let task = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&task));
    assert!(!model.finish_task(&task), "it has ended");
    let shown = get(&mut model, &format!("/tasks/{task}"));
    assert_eq!((&shown["Status"]["State"], &shown["DesiredState"]), (&json!("complete"), &json!("complete")));
    assert_eq!(shown["Status"]["Message"], "finished");
    assert!(shown["NetworksAttachments"][0]["Addresses"][0].is_string());
    assert_eq!(count(&model, OwnerKind::Task), 0);
    let net = truth(&model, "net");
    assert_eq!(net.in_use, Some(3 + 1), "the VIP stays as long as the service");
    assert!(net.leaked.is_empty());
}

#[test]
fn a_replicated_job_never_exceeds_its_concurrency_and_ends_with_its_completions() {
    for (at_once, total) in [(1, 1), (1, 4), (2, 5), (3, 3), (5, 2), (0, 3), (2, 0)] {
        let mut model = world();
        service(&mut model, ServiceDraft::new("job").replicated_job(at_once, total));
        let mut ended = 0;
        loop {
            let running = in_state(&mut model, "running");
            assert_eq!(
                running.len() as u64,
                at_once.min(total - ended),
                "{at_once} of {total}, {ended} done"
            );
            let Some(task) = running.first() else { break };
            assert!(model.finish_task(task));
            ended += 1;
            model.advance(SECOND);
        }
        assert_eq!(ended, if at_once == 0 { 0 } else { total });
        assert_eq!(in_state(&mut model, "complete").len() as u64, ended, "all stay in the store");
    }
}

#[test]
fn each_completion_has_a_slot_of_its_own_from_zero_on() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 4).finishes_in(SECOND));
    model.advance(Duration::from_mins(1));
    let all = tasks(&mut model);
    assert!(all.iter().all(|task| task["Status"]["State"] == "complete"), "{all:?}");
    // Slot 0 is left out of the JSON.
    let mut slots: Vec<u64> = all.iter().map(|task| task["Slot"].as_u64().unwrap_or(0)).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2, 3]);
    assert_eq!(all.iter().filter(|task| task.get("Slot").is_none()).count(), 1);
}

#[test]
fn a_failed_task_is_tried_again_in_its_slot_and_no_history_is_trimmed() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(1, 2));
    for _ in 0..8 {
        let running = in_state(&mut model, "running");
        assert_eq!(running.len(), 1, "one at a time");
        assert!(model.fail_task(&running[0], "exit 1"));
        model.advance(SECOND);
    }
    assert_eq!(in_state(&mut model, "failed").len(), 8, "the reaper leaves jobs alone");
    let failed: Vec<Value> =
        tasks(&mut model).into_iter().filter(|task| task["Status"]["State"] == "failed").collect();
    assert!(failed.iter().all(|task| task["DesiredState"] == "shutdown" && task.get("Slot").is_none()));
    assert_eq!(count(&model, OwnerKind::Task), 1, "only the last one holds an address");
}

#[test]
fn a_global_job_runs_once_per_node_and_hears_of_no_new_node() {
    let mut model = world();
    model.add_node(false);
    service(&mut model, ServiceDraft::new("job").global_job());
    assert_eq!(in_state(&mut model, "running").len(), 2);
    model.add_node(false);
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 2, "the jobs orchestrator watches no nodes");
    let task = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&task));
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 2, "the end of a task reconciles the job");
    for task in in_state(&mut model, "running") {
        assert!(model.finish_task(&task));
    }
    model.advance(SECOND);
    assert_eq!((in_state(&mut model, "complete").len(), tasks(&mut model).len()), (3, 3), "no second round");
}

#[test]
fn draining_stops_a_global_jobs_task_when_it_is_reconciled_and_leaves_a_replicated_jobs() {
    let mut model = world();
    let worker = model.add_node(false);
    let on_worker = "node.role==worker";
    service(&mut model, ServiceDraft::new("global").global_job().constraint(on_worker));
    service(&mut model, ServiceDraft::new("counted").replicated_job(1, 1).constraint(on_worker));
    model.set_availability(worker.as_str(), Availability::Drain).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "running").len(), 2, "nothing has reconciled the jobs yet");
    model.rebuild_allocator();
    model.advance(SECOND);
    let running = in_state(&mut model, "running");
    assert_eq!(running.len(), 1);
    let left = get(&mut model, &format!("/tasks/{}", running[0]));
    assert_eq!(left["ServiceID"], get(&mut model, "/services/counted")["ID"]);
    assert_eq!(in_state(&mut model, "shutdown").len(), 1);
}

#[test]
fn an_update_is_another_execution() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 3));
    let done = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&done));
    model.advance(SECOND);
    assert_eq!(
        get(&mut model, "/services/job")["JobStatus"]["JobIteration"],
        json!({}),
        "index 0 is left out"
    );
    let before = in_state(&mut model, "running");
    model.change_service("job", |_| {}).expect("an update that changes nothing");
    let shown = get(&mut model, "/services/job");
    assert_eq!(shown["JobStatus"]["JobIteration"], json!({"Index": 1}));
    assert!(shown.get("UpdateStatus").is_none(), "no rolling update");
    for task in &before {
        let task = get(&mut model, &format!("/tasks/{task}"));
        assert_eq!((&task["DesiredState"], &task["JobIteration"]), (&json!("remove"), &json!({})));
    }
    model.advance(SECOND);
    let running = in_state(&mut model, "running");
    assert_eq!(running.len(), 2, "from the beginning");
    assert!(before.iter().all(|old| model.task_id(old.as_str()).is_err()), "the old ones are gone");
    assert_eq!(in_state(&mut model, "complete"), [done], "but what had ended is kept");
    let task = get(&mut model, &format!("/tasks/{}", running[0]));
    assert_eq!(task["JobIteration"], json!({"Index": 1}));
}

#[test]
fn removing_a_job_removes_all_its_tasks() {
    let mut model = world();
    // 20.10 leaves them.
    model.settings_mut().engine = Engine::V26_1;
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 5));
    let first = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&first));
    model.advance(SECOND);
    model.remove_service("job").expect("there");
    assert!(tasks(&mut model).iter().all(|task| task["DesiredState"] == "remove"));
    model.advance(SECOND);
    assert_eq!(tasks(&mut model), Vec::<Value>::new());
    assert_eq!(truth(&model, "net").in_use, Some(3));
}

#[test]
fn removing_a_job_and_its_network_at_once_leaks_like_any_stack() {
    let mut model = world();
    // 20.10 leaves them.
    model.settings_mut().engine = Engine::V26_1;
    network(&mut model, "private", "10.91.0.0/24");
    service(&mut model, ServiceDraft::new("job").replicated_job(3, 3).on("private"));
    model.remove_service("job").expect("there");
    model.remove_network("private").expect("stopping tasks are no obstacle");
    model.advance(SECOND);
    assert_eq!(model.truth().leaked("net").map(<[_]>::len), Some(3));
}

#[test]
fn a_job_without_vip_has_none() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(1, 1).dnsrr());
    assert_eq!((count(&model, OwnerKind::Vip), count(&model, OwnerKind::Task)), (0, 1));
}

#[test]
fn a_new_leader_restores_running_tasks_of_jobs() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 4));
    let first = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&first));
    model.advance(SECOND);
    let before = model.truth();
    model.rebuild_allocator();
    assert_eq!(model.truth(), before, "two running, one ended");
    model.advance(SECOND);
    assert_eq!(tasks(&mut model).len(), 3, "and nothing was started");
}

#[test]
fn an_end_on_a_down_node_is_reported_when_the_node_is_back() {
    let mut model = world();
    let worker = model.add_node(false);
    let job = ServiceDraft::new("job").replicated_job(1, 1).constraint("node.role==worker");
    service(&mut model, job.finishes_in(Duration::from_mins(1)));
    model.set_node_down(worker.as_str(), true).expect("there");
    model.advance(Duration::from_hours(1));
    assert_eq!(in_state(&mut model, "running").len(), 1, "the manager knows no better");
    assert_eq!(count(&model, OwnerKind::Task), 1);
    model.set_node_down(worker.as_str(), false).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "complete").len(), 1);
    assert_eq!(count(&model, OwnerKind::Task), 0);
}

#[test]
fn a_task_lost_with_its_node_is_tried_on_another() {
    let mut model = world();
    let worker = model.add_node(false);
    service(&mut model, ServiceDraft::new("job").replicated_job(2, 2));
    model.set_node_down(worker.as_str(), true).expect("there");
    model.advance(Duration::from_hours(1));
    assert_eq!(tasks(&mut model).len(), 2, "a replicated job does not replace what is out of reach");
    model.advance(Duration::from_hours(24));
    assert_eq!(in_state(&mut model, "orphaned").len(), 1);
    assert_eq!(in_state(&mut model, "running").len(), 2);
}

#[test]
fn services_that_exit_without_error_are_replaced() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("app").replicas(1));
    let task = in_state(&mut model, "running").remove(0);
    assert!(model.finish_task(&task));
    model.advance(SECOND);
    let running = in_state(&mut model, "running");
    assert_eq!(running.len(), 1);
    assert_ne!(running[0], task);
}

#[test]
fn jobs_are_listed_by_mode_and_unknown_to_old_clients() {
    let mut model = world();
    service(&mut model, ServiceDraft::new("counted").replicated_job(1, 1));
    service(&mut model, ServiceDraft::new("everywhere").global_job());
    service(&mut model, ServiceDraft::new("plain"));
    for (mode, names) in
        [("replicated-job", ["counted"]), ("global-job", ["everywhere"]), ("replicated", ["plain"])]
    {
        let list = get(&mut model, &filtered("/services", &json!({"mode": [mode]})));
        let found: Vec<&str> =
            list.as_array().expect("a list").iter().filter_map(|one| one["Spec"]["Name"].as_str()).collect();
        assert_eq!(found, names, "{mode}");
    }
    assert!(get(&mut model, "/services/plain").get("JobStatus").is_none());
    assert_eq!(get(&mut model, "/services/everywhere")["Spec"]["Mode"], json!({"GlobalJob": {}}));
    let body = ServiceDraft::new("old").replicated_job(2, 2).json().to_string();
    assert_eq!(model.respond("POST", "/v1.40/services/create", body.as_bytes()).status, 201);
    assert_eq!(get(&mut model, "/services/old")["Spec"]["Mode"], json!({"Replicated": {"Replicas": 1}}));
}

#[test]
fn the_kind_of_mode_cannot_change() {
    let mut model = Model::with_settings(Settings { engine: Engine::V29_7, ..Settings::default() });
    for (draft, name) in
        [(ServiceDraft::new("job").replicated_job(1, 1), "job"), (ServiceDraft::new("app"), "app")]
    {
        model.create_service(draft.json()).expect("fresh");
        let refused = model.change_service(name, |raw| raw["Mode"] = json!({"GlobalJob": {}})).unwrap_err();
        assert_eq!(refused.status(), 501);
        assert_eq!(
            refused.to_string(),
            "rpc error: code = Unimplemented desc = service mode change is not allowed"
        );
    }
    let grown = |raw: &mut Value| raw["Mode"]["ReplicatedJob"]["TotalCompletions"] = json!(3);
    model.change_service("job", grown).expect("its numbers may change");
}
