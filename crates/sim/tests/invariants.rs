//! Whatever is done in whatever order: no panic, and every address is accounted for.

use std::time::Duration;

use proptest::prelude::*;
use pvcheck_sim::{Availability, Model, NetworkDraft, ServiceDraft, TaskId};
use serde_json::{Value, json};

/// Networks that come and go; small ones, so that they fill up.
const NETWORKS: [(&str, &str); 4] =
    [("n0", "10.90.0.0/28"), ("n1", "10.91.0.0/29"), ("n2", "10.92.0.0/24"), ("n3", "10.90.0.0/29")];

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Attach(usize),
    Availability(usize, Availability),
    CreateJob {
        number: usize,
        on: Vec<usize>,
        /// MaxConcurrent and TotalCompletions; a global job without.
        counts: Option<(u64, u64)>,
        finish_ms: Option<u64>,
    },
    CreateNetwork(usize),
    CreateService {
        number: usize,
        on: Vec<usize>,
        replicas: u64,
        dnsrr: bool,
        publish: bool,
        stuck: bool,
    },
    Demote,
    Detach(usize),
    Down(usize, bool),
    Fail(usize),
    Finish(usize),
    MoveService {
        number: usize,
        on: Vec<usize>,
    },
    Rebuild,
    RemoveNetwork(usize),
    RemoveService(usize),
    Restart,
    /// An update that changes nothing: of a job, one more execution.
    RunAgain(usize),
    Scale(usize, u64),
    /// The service, and at once its networks: what `docker stack rm` does.
    StackRemove {
        number: usize,
        networks: Vec<usize>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let on = || prop::collection::vec(0..4_usize, 1..3);
    prop_oneof![
        6 => (0..600_u64).prop_map(Step::Advance),
        1 => (0..4_usize).prop_map(Step::Attach),
        1 => (0..3_usize, prop::sample::select(vec![Availability::Active, Availability::Drain, Availability::Pause]))
            .prop_map(|(node, availability)| Step::Availability(node, availability)),
        4 => (0..6_usize, on(), prop::option::of((0..4_u64, 0..6_u64)), prop::option::of(0..900_u64)).prop_map(
            |(number, on, counts, finish_ms)| Step::CreateJob { number, on, counts, finish_ms }),
        8 => (0..4_usize).prop_map(Step::CreateNetwork),
        6 => (0..6_usize, on(), 0..5_u64, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(number, on, replicas, dnsrr, publish, stuck)| Step::CreateService { number, on, replicas, dnsrr, publish, stuck }),
        1 => Just(Step::Demote),
        1 => (0..3_usize).prop_map(Step::Detach),
        1 => (0..3_usize, any::<bool>()).prop_map(|(node, down)| Step::Down(node, down)),
        1 => (0..9_usize).prop_map(Step::Fail),
        2 => (0..9_usize).prop_map(Step::Finish),
        2 => (0..6_usize).prop_map(Step::RunAgain),
        6 => (0..6_usize, on()).prop_map(|(number, on)| Step::MoveService { number, on }),
        1 => Just(Step::Rebuild),
        1 => (0..4_usize).prop_map(Step::RemoveNetwork),
        2 => (0..6_usize).prop_map(Step::RemoveService),
        4 => (0..6_usize, on()).prop_map(|(number, networks)| Step::StackRemove { number, networks }),
        1 => Just(Step::Restart),
        3 => (0..6_usize, 0..9_u64).prop_map(|(number, replicas)| Step::Scale(number, replicas)),
    ]
}

/// Refusals are part of life here; what counts is what the model is like afterwards.
fn act(model: &mut Model, step: &Step, attached: &mut Vec<TaskId>) {
    let node = |at: usize| format!("node{}", at + 1);
    match step {
        Step::Advance(ms) => model.advance(Duration::from_millis(*ms)),
        Step::Attach(at) => attached.extend(model.attach_container("hand", NETWORKS[*at].0, "self").ok()),
        Step::Availability(at, availability) => drop(model.set_availability(&node(*at), *availability)),
        Step::CreateNetwork(at) => {
            let (name, subnet) = NETWORKS[*at];
            drop(model.create_network(&NetworkDraft::overlay(name).subnet(subnet).attachable().json()));
        }
        Step::CreateJob { .. } | Step::CreateService { .. } => {
            if let Some(draft) = draft_of(step) {
                drop(model.create_service(draft.json()));
            }
        }
        Step::Demote => {
            drop(model.set_manager("node1", false));
            drop(model.set_manager("node1", true));
        }
        Step::Detach(at) => {
            if *at < attached.len() {
                model.detach_container(&attached.remove(*at));
            }
        }
        Step::Down(at, down) => drop(model.set_node_down(&node(*at), *down)),
        Step::Fail(at) => {
            if let Some(id) = running(model, *at) {
                assert!(model.fail_task(&id, "exit 1"));
            }
        }
        Step::Finish(at) => {
            if let Some(id) = running(model, *at) {
                assert!(model.finish_task(&id));
            }
        }
        Step::RunAgain(number) => drop(model.change_service(&format!("s{number}"), |_| {})),
        Step::MoveService { number, on } => {
            let targets: Vec<Value> = on.iter().map(|at| json!({"Target": NETWORKS[*at].0})).collect();
            let change = |raw: &mut Value| raw["TaskTemplate"]["Networks"] = json!(targets);
            drop(model.change_service(&format!("s{number}"), change));
        }
        Step::Rebuild => model.rebuild_allocator(),
        Step::RemoveNetwork(at) => drop(model.remove_network(NETWORKS[*at].0)),
        Step::RemoveService(number) => drop(model.remove_service(&format!("s{number}"))),
        Step::Restart => model.restart_engine(),
        Step::Scale(number, replicas) => drop(model.scale_service(&format!("s{number}"), *replicas)),
        Step::StackRemove { number, networks } => {
            drop(model.remove_service(&format!("s{number}")));
            for at in networks {
                drop(model.remove_network(NETWORKS[*at].0));
            }
        }
    }
}

/// The service that a step creates; `None` if it creates none.
fn draft_of(step: &Step) -> Option<ServiceDraft> {
    let named = |number: &usize, on: &[usize]| {
        let draft = ServiceDraft::new(&format!("s{number}"));
        on.iter().fold(draft, |draft, at| draft.on(NETWORKS[*at].0))
    };
    match step {
        Step::CreateJob { number, on, counts, finish_ms } => {
            let draft = named(number, on);
            let draft = match counts {
                Some((at_once, total)) => draft.replicated_job(*at_once, *total),
                None => draft.global_job(),
            };
            Some(match finish_ms {
                Some(ms) => draft.finishes_in(Duration::from_millis(*ms)),
                None => draft,
            })
        }
        Step::CreateService { number, on, replicas, dnsrr, publish, stuck } => {
            let mut draft = named(number, on).replicas(*replicas);
            if *dnsrr {
                draft = draft.dnsrr();
            } else if *publish {
                draft = draft.publish(0, 80, "ingress");
            }
            Some(if *stuck { draft.constraint("node.labels.none==1") } else { draft })
        }
        _ => None,
    }
}

/// One of the running tasks, if there are that many.
fn running(model: &mut Model, at: usize) -> Option<TaskId> {
    let tasks = model.respond("GET", "/tasks", b"").value();
    let running = tasks.as_array().into_iter().flatten().filter(|task| task["Status"]["State"] == "running");
    let id = running.filter_map(|task| task["ID"].as_str()).nth(at);
    id.and_then(|id| model.task_id(id).ok())
}

/// Jobs keep their bounds: of the present execution never more tasks under way than MaxConcurrent, never more
/// completed than TotalCompletions, and all of them with the desired state `complete` or on their way out.
fn check_jobs(model: &mut Model) -> Result<(), TestCaseError> {
    let tasks = model.respond("GET", "/tasks", b"").value();
    let tasks = tasks.as_array().cloned().unwrap_or_default();
    for service in model.respond("GET", "/services", b"").value().as_array().into_iter().flatten() {
        let of_job = tasks.iter().filter(|task| task["ServiceID"] == service["ID"]);
        let Some(job) = service.get("JobStatus") else {
            prop_assert!(of_job.clone().all(|task| task.get("JobIteration").is_none()));
            continue;
        };
        let present = of_job.clone().filter(|task| task["JobIteration"] == job["JobIteration"]);
        let state = |task: &Value| task["Status"]["State"].as_str().unwrap_or_default().to_owned();
        let live = ["new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"];
        let under_way = present
            .clone()
            .filter(|task| task["DesiredState"] == "complete" && live.contains(&state(task).as_str()));
        let completed = present.filter(|task| state(task) == "complete");
        for task in of_job {
            let desired = task["DesiredState"].as_str().unwrap_or_default();
            prop_assert!(["complete", "shutdown", "remove"].contains(&desired), "{}", task);
        }
        let counts = &service["Spec"]["Mode"]["ReplicatedJob"];
        if let (Some(at_once), Some(total)) =
            (counts["MaxConcurrent"].as_u64(), counts["TotalCompletions"].as_u64())
        {
            prop_assert!(under_way.count() as u64 <= at_once, "{}", service);
            prop_assert!(completed.count() as u64 <= total, "{}", service);
        }
    }
    Ok(())
}

/// Several nodes, and all networks.
fn world(nodes: usize) -> Model {
    let mut model = Model::new();
    // 20.10 leaves the tasks of removed jobs.
    model.settings_mut().engine = pvcheck_sim::Engine::V26_1;
    for number in 1..nodes {
        model.add_node(number == 1);
    }
    for at in 0..NETWORKS.len() {
        act(&mut model, &Step::CreateNetwork(at), &mut Vec::new());
    }
    model
}

/// Every address in use is owned or leaked, and none is owned twice or given away under its owner unless one of the
/// engine's own two faults did it: a failed update (L3), or a new leader that passed over a live task.
fn check(model: &Model) -> Result<(), TestCaseError> {
    let truth = model.truth();
    let sound = truth.failed_updates == 0 && truth.unrestored_tasks == 0;
    for network in &truth.networks {
        let Some(in_use) = network.in_use else {
            prop_assert!(network.subnet.is_none());
            continue;
        };
        let mut owned: Vec<_> = network.owners.iter().map(|owner| owner.addr).collect();
        owned.dedup();
        let held = owned.len() - network.lost.len() + network.leaked.len();
        prop_assert_eq!(in_use, 3 + held as u64, "{}", network.name);
        let size = network.subnet.map_or(0, pvcheck_ipam::Subnet::size_addrs);
        prop_assert_eq!(in_use + network.free.unwrap_or(0), size);
        prop_assert!(!sound || (network.duplicates.is_empty() && network.lost.is_empty()), "{:?}", network);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_address_is_accounted_for(steps in prop::collection::vec(step(), 1..80), nodes in 1..4_usize) {
        let mut model = world(nodes);
        let mut attached = Vec::new();
        for step in &steps {
            act(&mut model, step, &mut attached);
            check(&model)?;
            check_jobs(&mut model)?;
        }
        // With everything removed in the right order and a new leader, nothing is left but the ingress.
        for at in 0..3 {
            drop(model.set_node_down(&format!("node{}", at + 1), false));
        }
        for number in 0..6 {
            drop(model.remove_service(&format!("s{number}")));
        }
        for id in attached {
            model.detach_container(&id);
        }
        model.advance(Duration::from_mins(1));
        prop_assert_eq!(model.respond("GET", "/tasks", b"").value(), json!([]));
        // Leaks may be left; a new leader takes them back.
        model.rebuild_allocator();
        check(&model)?;
        for network in model.truth().networks {
            let fresh = if network.name == "ingress" { 3 + nodes as u64 } else { 3 };
            prop_assert!(network.in_use.is_none_or(|in_use| in_use == fresh), "{:?}", network);
        }
    }

    #[test]
    fn the_size_of_the_steps_does_not_matter(steps in prop::collection::vec(step(), 1..25), slice in 1..50_u64) {
        let (mut whole, mut sliced) = (world(2), world(2));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for step in &steps {
            act(&mut whole, step, &mut first);
            if let Step::Advance(ms) = step {
                let end = sliced.now() + Duration::from_millis(*ms);
                while sliced.now() < end {
                    sliced.advance_to(end.min(sliced.now() + Duration::from_millis(slice)));
                }
            } else {
                act(&mut sliced, step, &mut second);
            }
        }
        prop_assert_eq!(whole.truth(), sliced.truth());
        prop_assert!(whole.log().eq(sliced.log()));
    }
}
