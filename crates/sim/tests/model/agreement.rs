//! What real engines were seen to do and the model did otherwise: shortest sequences that the differential test found
//! (`tests/tests/differential.rs`; 20.10.24 unless a test says more), with the place in the source.

use pvcheck_sim::{Engine, Model, ServiceDraft, Settings};
use serde_json::{Value, json};

use crate::support::{SECOND, call, force_update, get, in_state, logged, network, refused, truth};

/// Tasks that no node can run.
fn nowhere(name: &str) -> ServiceDraft {
    ServiceDraft::new(name).constraint("node.labels.pvcheck==none")
}

/// An update replaces all tasks at once.
fn at_once(draft: ServiceDraft) -> Value {
    let mut body = draft.json();
    body["UpdateConfig"] = json!({"Parallelism": 0});
    body
}

fn create(model: &mut Model, body: Value) {
    model.create_service(body).expect("a fresh service");
    model.advance(SECOND);
}

fn update_state(model: &mut Model, service: &str) -> Value {
    get(model, &format!("/services/{service}"))["UpdateStatus"]["State"].clone()
}

/// moby `daemon/cluster/services.go`, `populateNetworkID`: before swarmkit compares names.
#[test]
fn a_missing_network_is_told_before_a_taken_name() {
    let mut model = Model::new();
    create(&mut model, nowhere("web").json());
    let again = model.create_service(nowhere("web").on("gone").json());
    assert_eq!(refused(again), (500, "network gone not found".to_owned()));
}

/// moby #42789; swarmkit PR 3112 came after 20.10. A new leader deletes them (`taskinit/init.go`, `CheckTasks`).
#[test]
fn tasks_of_a_removed_job_stay_with_their_addresses_on_20_10_until_the_leader_changes() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/28");
    create(&mut model, nowhere("job").on("net").replicated_job(2, 3).json());
    model.remove_service("job").expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "pending").len(), 2);
    assert_eq!((truth(&model, "net").owners.len(), truth(&model, "net").free), (2, Some(11)));
    model.rebuild_allocator();
    model.advance(SECOND);
    assert_eq!((truth(&model, "net").owners.len(), truth(&model, "net").free), (0, Some(13)));
}

#[test]
fn tasks_of_a_removed_job_go_with_it_on_26_1() {
    let mut model = Model::with_settings(Settings { engine: Engine::V26_1, ..Settings::default() });
    network(&mut model, "net", "10.90.0.0/28");
    create(&mut model, nowhere("job").on("net").replicated_job(2, 3).json());
    model.remove_service("job").expect("there");
    model.advance(SECOND);
    assert_eq!(truth(&model, "net").free, Some(13));
}

/// swarmkit `manager/controlapi/service.go`, `UpdateService`: "Reset update status".
#[test]
fn every_update_forgets_the_status_of_the_one_before() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/28");
    create(&mut model, at_once(nowhere("web").on("net").replicas(2)));
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    assert_eq!(update_state(&mut model, "web"), "updating");
    model.scale_service("web", 0).expect("there");
    model.advance(SECOND);
    assert_eq!(update_state(&mut model, "web"), Value::Null);
}

/// swarmkit `manager/scheduler/scheduler.go`, `noSuitableNode`: the scheduler ends the old tasks, long after the allocator
/// has tried the new ones.
#[test]
fn old_tasks_without_a_node_hold_their_addresses_while_new_ones_ask_for_theirs() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/29");
    create(&mut model, at_once(nowhere("web").on("net").replicas(3)));
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    // Five usable: the VIP, three old tasks, and one left for three new ones.
    assert_eq!(logged(&model, "task allocation failure"), 2);
    assert_eq!(in_state(&mut model, "pending").len(), 3);
    assert!(truth(&model, "net").leaked.is_empty());
}

/// swarmkit `manager/orchestrator/update/updater.go`, `Run`: a new leader's updater counts only outdated slots.
#[test]
fn a_new_leader_goes_on_with_the_next_slot_of_a_rollout_that_waits() {
    let mut model = Model::new();
    create(&mut model, nowhere("web").replicas(3).json());
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "shutdown").len(), 1);
    model.rebuild_allocator();
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "shutdown").len(), 2);
    assert_eq!(update_state(&mut model, "web"), "updating");
}

#[test]
fn a_new_leader_ends_a_rollout_without_outdated_slots_though_no_task_ever_ran() {
    let mut model = Model::new();
    create(&mut model, nowhere("web").json());
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    assert_eq!(update_state(&mut model, "web"), "updating");
    model.rebuild_allocator();
    model.advance(SECOND);
    assert_eq!(update_state(&mut model, "web"), "completed");
}

/// swarmkit `manager/allocator/network.go`, `doTaskAlloc`: also for a task that has ended long ago.
#[test]
fn the_deletion_of_ended_tasks_without_a_node_is_logged() {
    let mut model = Model::new();
    create(&mut model, at_once(nowhere("web")));
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    model.scale_service("web", 0).expect("there");
    model.advance(SECOND);
    let before = logged(&model, "error reallocating node ");
    model.remove_service("web").expect("there");
    model.advance(SECOND);
    assert!(before < logged(&model, "error reallocating node "));
}

/// swarmkit `manager/orchestrator/taskreaper/task_reaper.go`, `tick`: live tasks count too.
#[test]
fn a_slot_keeps_five_records_with_that_of_its_live_task() {
    let mut model = Model::new();
    create(&mut model, at_once(nowhere("web").replicas(2)));
    for number in 1..8 {
        force_update(&mut model, "web", number);
        model.advance(SECOND);
    }
    assert_eq!((in_state(&mut model, "pending").len(), in_state(&mut model, "shutdown").len()), (2, 8));
}

/// swarmkit `manager/orchestrator/replicated/services.go`, `reconcile`: dead slots are deleted at the next look at the
/// service.
#[test]
fn the_history_of_a_slot_that_was_scaled_away_goes_at_the_next_change_or_with_the_leader() {
    for leader_changes in [false, true] {
        let mut model = Model::new();
        create(&mut model, at_once(nowhere("web").replicas(3)));
        force_update(&mut model, "web", 1);
        model.advance(SECOND);
        model.scale_service("web", 1).expect("there");
        model.advance(SECOND);
        assert_eq!(in_state(&mut model, "shutdown").len(), 3);
        if leader_changes {
            model.rebuild_allocator();
        } else {
            force_update(&mut model, "web", 2);
        }
        model.advance(SECOND);
        let left = if leader_changes { 1 } else { 2 };
        assert_eq!(in_state(&mut model, "shutdown").len(), left);
    }
}

/// moby `cnmallocator/networkallocator.go`, `IsServiceAllocated`: a service that has lost its last network needs nothing,
/// so the change to `dnsrr` is never written to its endpoint, and every new task takes the old one over (`network.go`,
/// `allocateTask`; swarmkit `orchestrator/task.go`, `IsTaskDirty`).
#[test]
fn a_service_that_left_its_networks_and_then_its_virtual_addresses_replaces_its_tasks_at_every_update() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    create(&mut model, nowhere("web").on("net").json());
    model.change_service("web", |raw| raw["TaskTemplate"]["Networks"] = json!([])).expect("there");
    model.advance(SECOND);
    model.change_service("web", |raw| raw["EndpointSpec"] = json!({"Mode": "dnsrr"})).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "shutdown").len(), 2);
    model.rebuild_allocator();
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "shutdown").len(), 2, "the same version of the specification");
    model.scale_service("web", 3).expect("there");
    model.advance(SECOND);
    assert_eq!((in_state(&mut model, "pending").len(), in_state(&mut model, "shutdown").len()), (3, 3));
}

/// swarmkit `manager/allocator/network.go`, `allocateTask`: what a new leader restores takes its service's endpoint over, after
/// the orchestrator has looked which tasks are outdated.
#[test]
fn tasks_that_a_new_leader_restores_are_not_outdated_by_their_endpoint() {
    let mut model = Model::new();
    network(&mut model, "net", "10.90.0.0/24");
    create(&mut model, nowhere("web").on("net").replicas(4).json());
    model.change_service("web", |raw| raw["EndpointSpec"] = json!({"Mode": "dnsrr"})).expect("there");
    model.advance(SECOND);
    assert_eq!(in_state(&mut model, "shutdown").len(), 1);
    model.rebuild_allocator();
    model.advance(SECOND);
    assert_eq!(
        (in_state(&mut model, "shutdown").len(), update_state(&mut model, "web")),
        (2, json!("updating"))
    );
    model.scale_service("web", 5).expect("there");
    model.advance(SECOND);
    assert_eq!((in_state(&mut model, "shutdown").len(), update_state(&mut model, "web")), (2, Value::Null));
}

/// swarmkit `manager/allocator/network.go`, `updatePortsInHostPublishMode`: a service that needs no address has its new ports
/// written to its endpoint all the same. Its tasks would else differ from it for ever, and go with every update.
#[test]
fn new_ports_of_a_service_without_addresses_replace_its_tasks_once() {
    let mut model = Model::new();
    create(&mut model, nowhere("web").dnsrr().publish(80, 8080, "host").json());
    model
        .change_service("web", |raw| raw["EndpointSpec"]["Ports"][0]["PublishedPort"] = json!(81))
        .expect("there");
    model.advance(SECOND);
    assert_eq!(get(&mut model, "/services/web")["Endpoint"]["Ports"][0]["PublishedPort"], 81);
    assert_eq!(in_state(&mut model, "shutdown").len(), 1);
    model.scale_service("web", 2).expect("there");
    model.advance(SECOND);
    assert_eq!((in_state(&mut model, "pending").len(), in_state(&mut model, "shutdown").len()), (2, 1));
}

/// swarmkit `manager/orchestrator/task.go`, `IsTaskDirty` goes by the version of the specification first, and a rollback
/// (`manager/orchestrator/update/updater.go`, `rollbackUpdate`) goes back to the former one: tasks that the update had not
/// reached are not outdated by it.
#[test]
fn a_rollback_leaves_the_tasks_that_the_update_had_not_reached() {
    let mut model = Model::new();
    let mut body = nowhere("web").replicas(3).json();
    body["UpdateConfig"] = json!({"Parallelism": 1, "Delay": 3_600_000_000_000_u64});
    create(&mut model, body);
    let before = in_state(&mut model, "pending");
    force_update(&mut model, "web", 1);
    model.advance(SECOND);
    let updated = in_state(&mut model, "pending");
    assert_eq!(before.iter().filter(|id| updated.contains(id)).count(), 2, "one is replaced");
    let index = get(&mut model, "/services/web")["Version"]["Index"].clone();
    let spec = get(&mut model, "/services/web")["PreviousSpec"].clone();
    let (status, told) =
        call(&mut model, "POST", &format!("/services/web/update?version={index}&rollback=previous"), &spec);
    assert_eq!(status, 200, "{told}");
    model.advance(SECOND);
    let after = in_state(&mut model, "pending");
    assert_eq!((after.len(), before.iter().filter(|id| after.contains(id)).count()), (3, 2));
}
