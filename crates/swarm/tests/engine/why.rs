//! Why something does not run, branch by branch.

use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, Loss, NoSuchSubject, Remedy, Snapshot, TaskState, Verdict, Why, why};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};

use crate::support::*;

/// Longer than any task needs for an address.
const LONG: Duration = Duration::from_secs(10);

async fn seen(model: Model) -> Snapshot {
    let sim = start(model);
    let snapshot = connect(&sim).await.snapshot().await.expect("a healthy engine");
    assert_eq!(writes(&sim), NOTHING);
    snapshot
}

async fn explained(mut model: Model, subject: &str) -> Why {
    model.advance(LONG);
    ask(&seen(model).await, subject)
}

fn ask(snapshot: &Snapshot, subject: &str) -> Why {
    why(snapshot, &AllocatorCounts::default(), subject).expect("it is there")
}

fn commands(why: &Why) -> Vec<String> {
    why.remedies.iter().filter_map(Remedy::command).collect()
}

/// The kinds of its findings, as JSON has them, each with its networks.
fn losses(why: &Why) -> Vec<(String, String)> {
    let kind = |loss: &Loss| {
        let written = serde_json::to_value(loss).expect("plain data");
        written["kind"].as_str().expect("a kind").to_owned()
    };
    why.findings.iter().filter_map(|f| f.loss()).map(|f| (kind(f), f.networks().join(" "))).collect()
}

fn assert_ends_at(why: &Why, subject: &str, state: &str) {
    let last = why.chain.last().expect("a chain");
    assert_eq!((last.subject.as_str(), last.state.as_str()), (subject, state), "{why:#?}");
    assert!(why.chain.iter().all(|l| !l.fact.is_empty() && !l.subject.is_empty()));
}

/// A /28 that six stacks fill, and a seventh that waits.
fn seven_on_a_28() -> Model {
    let mut model = with_shared("10.90.0.0/28");
    for n in 1..=7 {
        service(&mut model, ServiceDraft::new(&format!("s{n}_app")).stack(&format!("s{n}")).on("shared"));
    }
    model
}

/// A network `full` without a free address, all of them owned.
fn full(model: &mut Model) {
    network(model, "full", "10.91.0.0/29");
    service(model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
}

/// A network `lossy` without a free address, nine of 13 leaked.
fn lossy(model: &mut Model) {
    network(model, "lossy", "10.92.0.0/28");
    service(model, ServiceDraft::new("resident").on("lossy"));
    leak(model, "lossy", 9);
    service(model, ServiceDraft::new("last").on("lossy").replicas(0));
}

#[tokio::test]
async fn the_seventh_on_a_28() {
    let found = explained(seven_on_a_28(), "s7_app").await;
    assert_eq!(found.verdict, Verdict::Address);
    assert_ends_at(&found, "network shared", "full");
    assert!(found.chain.last().unwrap().since.is_some(), "since the first who waits");
    let network = found.network.as_ref().unwrap();
    assert_eq!((network.usable, network.owned, network.leaked, network.free), (13, 13, Some(0), Some(0)));
    assert_eq!((network.holders.len(), network.load_balancers), (6, 1));
    assert!(network.holders.iter().all(|h| (h.vips, h.tasks) == (1, 1)));
    assert_eq!(found.findings, [], "with one network nothing is lost");
    assert_eq!(
        commands(&found),
        [
            "pvcheck stack rm s1 --apply",
            "pvcheck stack rm s2 --apply",
            "pvcheck stack rm s3 --apply",
            "pvcheck plan-subnet --prefix 24 --name shared",
        ]
    );
}

#[tokio::test]
async fn the_json_is_what_scripts_rely_on() {
    let found = explained(seven_on_a_28(), "s7_app").await;
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!((&json["service"], &json["verdict"]), (&"s7_app".into(), &"address".into()));
    for key in ["subject", "state", "since", "fact"] {
        assert!(json["chain"][0].get(key).is_some(), "{key}");
    }
    for key in ["name", "usable", "owned", "leaked", "holders", "load_balancers"] {
        assert!(json["network"].get(key).is_some(), "{key}");
    }
    assert_eq!(json["network"]["holders"][0]["vips"], 1);
    assert_eq!(serde_json::from_value::<Why>(json).unwrap(), found);
    let words = [
        (Verdict::VipPending, "vip-pending"),
        (Verdict::NotAddress, "not-address"),
        (Verdict::Running, "running"),
        (Verdict::Unknown, "unknown"),
        (Verdict::Network, "network"),
    ];
    for (verdict, word) in words {
        assert_eq!(serde_json::to_value(verdict).unwrap(), word);
    }
}

#[tokio::test]
async fn what_has_no_owner_on_a_full_network_is_leaked() {
    for leaks in 0..=5 {
        let mut model = with_shared("10.90.0.0/28");
        service(&mut model, ServiceDraft::new("app").on("shared"));
        leak(&mut model, "shared", leaks);
        service(&mut model, ServiceDraft::new("fill").on("shared").replicas(14));
        let really = model.truth().network("shared").unwrap().leaked.len() as u64;
        assert_eq!(really, leaks);
        let found = explained(model, "fill").await;
        let network = found.network.as_ref().unwrap();
        assert_eq!((found.verdict, network.leaked), (Verdict::Address, Some(leaks)));
        assert_eq!(commands(&found).iter().any(|c| c == "pvcheck reclaim --apply"), 0 < leaks);
    }
}

#[tokio::test]
async fn several_nodes_hold_a_load_balancer_each() {
    let mut model = with_shared("10.90.0.0/27");
    model.add_node(true);
    model.add_node(false);
    service(&mut model, ServiceDraft::new("app").on("shared").replicas(6));
    leak(&mut model, "shared", 4);
    service(&mut model, ServiceDraft::new("fill").on("shared").dnsrr().replicas(30));
    let found = explained(model, "fill").await;
    let network = found.network.unwrap();
    assert_eq!((network.usable, network.load_balancers, network.leaked), (29, 3, Some(4)));
}

#[tokio::test]
async fn a_service_waits_as_a_whole() {
    let mut model = with_shared("10.90.0.0/24");
    full(&mut model);
    service(&mut model, ServiceDraft::new("app").on("shared").on("full"));
    let found = explained(model, "app").await;
    assert_eq!(found.verdict, Verdict::VipPending);
    assert_eq!(found.network.as_ref().unwrap().name, "full");
    assert_eq!(losses(&found), [("retries_lose_addresses".to_owned(), "shared".to_owned())]);
    assert_eq!(commands(&found)[0], "docker service rm app", "first, since each retry loses an address");
    assert!(
        commands(&found).iter().any(|c| c == "pvcheck census shared"),
        "at the end: {:?}",
        commands(&found)
    );
}

#[tokio::test]
async fn in_the_other_order_nothing_is_lost() {
    let mut model = with_shared("10.90.0.0/24");
    full(&mut model);
    service(&mut model, ServiceDraft::new("app").on("full").on("shared"));
    let found = explained(model, "app").await;
    assert_eq!((found.verdict, found.findings.len()), (Verdict::VipPending, 0));
    assert_eq!(commands(&found)[0], "docker service rm filler");
}

#[tokio::test]
async fn which_of_several_is_full_is_not_guessed() {
    let mut model = with_shared("10.90.0.0/24");
    lossy(&mut model);
    service(&mut model, ServiceDraft::new("app").on("shared").on("lossy"));
    let found = explained(model.clone(), "app").await;
    assert_eq!((found.verdict, found.network.is_none()), (Verdict::VipPending, true));
    let names: Vec<_> = found.candidates.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["shared", "lossy"]);
    assert!(found.candidates.iter().all(|n| (n.leaked, n.free) == (None, None)), "unknown is not 0");
    assert_eq!(
        commands(&found),
        [
            "pvcheck why app --probe",
            "pvcheck reclaim --apply",
            "docker service rm app",
            "pvcheck census shared",
            "pvcheck census lossy"
        ],
        "a census is refused while it waits, a probe is not"
    );
    // What waits on that one only is evidence.
    service(&mut model, ServiceDraft::new("other").on("lossy").replicas(0));
    let found = explained(model, "app").await;
    let network = found.network.unwrap();
    assert_eq!((network.name.as_str(), network.owned, network.leaked), ("lossy", 4, Some(9)));
    assert!(network.full_because.unwrap().to_string().contains("service other waits"));
}

#[tokio::test]
async fn a_task_waits_though_its_service_does_not() {
    let mut model = with_shared("10.90.0.0/28");
    service(&mut model, ServiceDraft::new("wide").on("shared").replicas(11));
    model.scale_service("wide", 12).unwrap();
    let found = explained(model, "wide").await;
    assert_eq!(found.verdict, Verdict::Address);
    assert!(
        found.remedies.iter().all(|m| !m.to_string().contains("service wide is not needed")),
        "{:?}",
        found.remedies
    );
}

#[tokio::test]
async fn a_network_without_a_subnet() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/16").json()).unwrap();
    service(&mut model, ServiceDraft::new("app").on("clash"));
    service(&mut model, ServiceDraft::new("tasks").on("clash").dnsrr());
    for subject in ["app", "tasks"] {
        let found = explained(model.clone(), subject).await;
        assert_eq!(found.verdict, Verdict::Network);
        assert_ends_at(&found, "network clash", "not allocated");
        let network = found.network.as_ref().unwrap();
        assert_eq!((network.usable, network.leaked, network.free), (0, None, None));
        assert!(commands(&found).iter().any(|c| c == "pvcheck plan-subnet --name clash"));
    }
}

#[tokio::test]
async fn an_update_that_adds_a_full_network_is_to_be_taken_back() {
    let mut model = with_shared("10.90.0.0/24");
    full(&mut model);
    service(&mut model, ServiceDraft::new("app").on("shared"));
    let both = serde_json::json!([{"Target": "shared"}, {"Target": "full"}]);
    model.change_service("app", |raw| raw["TaskTemplate"]["Networks"] = both).unwrap();
    let found = explained(model, "app").await;
    assert_eq!(found.verdict, Verdict::VipPending);
    let kinds: Vec<_> = losses(&found).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["retries_lose_addresses", "live_vip_freed"]);
    assert!(found.findings[1].to_string().contains("10.90.0.2 on shared"), "{}", found.findings[1]);
    assert_eq!(commands(&found)[0], "docker service update --network-rm full app");
}

#[tokio::test]
async fn a_full_ingress_holds_up_what_publishes() {
    let mut model = with_shared("10.90.0.0/24");
    // 253 usable: what publishes on the mesh takes a VIP, and each task an address; one more is the load balancer's.
    service(&mut model, ServiceDraft::new("mesh").replicas(252).publish(8080, 80, "ingress"));
    service(&mut model, ServiceDraft::new("app").on("shared").publish(8081, 80, "ingress"));
    let found = explained(model, "app").await;
    assert_eq!(found.verdict, Verdict::VipPending);
    assert_eq!(found.network.as_ref().unwrap().name, "ingress");
    assert_eq!(found.findings, [], "the mesh is asked first: nothing is lost elsewhere");
    assert!(found.remedies.iter().any(|m| m.to_string().contains("host mode")), "{:?}", found.remedies);
}

/// Its tasks stand in `preparing` for half a minute, and are rejected then.
#[tokio::test]
async fn a_node_without_its_load_balancer() {
    let mut model = with_shared("10.90.0.0/29");
    model.add_node(false);
    service(&mut model, ServiceDraft::new("spread").on("shared").dnsrr().replicas(4));
    model.advance(SETTLE);
    let mut snapshot = seen(model).await;
    for (state, word) in [(TaskState::Preparing, "preparing"), (TaskState::Rejected, "rejected")] {
        let task = snapshot.tasks.iter_mut().find(|t| t.state == TaskState::Preparing).expect("it waits");
        task.state = state;
        task.error = "node is missing network attachments, ip addresses may be exhausted".into();
        let id = task.id.to_string();
        for subject in ["spread", &id] {
            let found = ask(&snapshot, subject);
            assert_eq!(found.verdict, Verdict::Address, "{found:#?}");
            assert_eq!(found.network.as_ref().unwrap().name, "shared");
            let link =
                found.chain.iter().find(|l| l.fact.contains("load-balancer address")).expect("in the chain");
            assert_eq!(link.state, word, "{found:#?}");
        }
    }
}

/// A load balancer that may be wanting is not taken for granted.
#[tokio::test]
async fn what_leaked_is_unknown_while_a_load_balancer_may_be_wanting() {
    let mut model = with_shared("10.90.0.0/28");
    leak(&mut model, "shared", 2);
    // 11 are left: a VIP and ten tasks take them, before the node asks for its load balancer.
    service(&mut model, ServiceDraft::new("wide").on("shared").replicas(11));
    assert_eq!(model.truth().network("shared").unwrap().leaked.len(), 2);
    let found = explained(model, "wide").await;
    let network = found.network.expect("it is full");
    assert_eq!((network.owned, network.load_balancers_unsure, network.leaked), (12, 1, None));
}

#[tokio::test]
async fn it_is_not_an_address() {
    let mut model = with_shared("10.90.0.0/24");
    service(&mut model, ServiceDraft::new("nowhere").on("shared").constraint("node.labels.no==1"));
    let found = explained(model.clone(), "nowhere").await;
    assert_eq!((found.verdict, found.network.is_none()), (Verdict::NotAddress, true));
    assert!(found.summary.contains("no suitable node"), "{}", found.summary);
    assert!(found.chain.last().unwrap().fact.starts_with("it has its addresses"));

    service(&mut model, ServiceDraft::new("crashes").on("shared"));
    let mut snapshot = seen(model).await;
    let id = snapshot.service_named("crashes").unwrap().id.clone();
    let task = snapshot.tasks.iter_mut().find(|t| t.service.as_ref() == Some(&id)).unwrap();
    (task.state, task.error) = (TaskState::Failed, "task: non-zero exit (3)".into());
    let task = task.id.to_string();
    for subject in ["crashes", &task] {
        let found = ask(&snapshot, subject);
        assert_eq!(found.verdict, Verdict::NotAddress);
        assert!(found.summary.contains("non-zero exit (3)"), "{}", found.summary);
        assert!(commands(&found).iter().any(|c| c == "docker service logs --tail 50 crashes"));
    }
}

#[tokio::test]
async fn a_node_that_is_down() {
    let mut model = with_shared("10.90.0.0/24");
    let second = model.add_node(false).to_string();
    service(&mut model, ServiceDraft::new("everywhere").on("shared").global());
    model.set_node_down(&second, true).unwrap();
    let mut snapshot = seen(model).await;
    let host = snapshot.nodes.iter().find(|n| n.id.as_str() == second).unwrap().hostname.clone();
    let there = |t: &&pvcheck_audit::Task| t.node.as_ref().is_some_and(|n| n.as_str() == second);
    let task = snapshot.tasks.iter().find(there).unwrap().id.clone();
    let found = ask(&snapshot, task.as_str());
    assert_eq!(found.verdict, Verdict::NotAddress, "{found:#?}");
    assert!(found.summary.contains(&host), "{}", found.summary);
    // While the task's desired state is still running, its service does not run either.
    let position = snapshot.tasks.iter().position(|t| t.id == task).unwrap();
    snapshot.tasks[position].desired = TaskState::Running;
    assert_eq!(ask(&snapshot, "everywhere").verdict, Verdict::NotAddress);
    for node in &mut snapshot.nodes {
        node.state = "ready".into();
    }
    assert_eq!(ask(&snapshot, "everywhere").verdict, Verdict::Running);
}

#[tokio::test]
async fn nothing_is_wrong() {
    let mut model = with_shared("10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("shared").replicas(2));
    service(&mut model, ServiceDraft::new("none").on("shared").replicas(0));
    service(&mut model, ServiceDraft::new("plain"));
    service(&mut model, ServiceDraft::new("everywhere").global());
    let snapshot = seen(model).await;
    for service in &snapshot.services {
        let found = ask(&snapshot, &service.name);
        assert_eq!((found.verdict, found.remedies.len()), (Verdict::Running, 0), "{found:#?}");
    }
    for task in &snapshot.tasks {
        assert_eq!(ask(&snapshot, task.id.as_str()).verdict, Verdict::Running);
    }
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_unknown() {
    let mut model = seven_on_a_28();
    model.create_service(ServiceDraft::new("late").on("shared").json()).unwrap();
    model.advance(Duration::from_secs(1));
    let snapshot = seen(model).await;
    assert_eq!(ask(&snapshot, "late").verdict, Verdict::Unknown);
}

#[tokio::test]
async fn by_name_by_id_or_by_its_beginning() {
    let snapshot = seen(seven_on_a_28()).await;
    let service = snapshot.service_named("s7_app").unwrap();
    let task = snapshot.tasks.iter().find(|t| t.service.as_ref() == Some(&service.id)).unwrap();
    for subject in ["s7_app", service.id.as_str(), &service.id.as_str()[..20]] {
        assert_eq!(ask(&snapshot, subject).service.as_deref(), Some("s7_app"));
    }
    for subject in [task.id.as_str(), &task.id.as_str()[..20]] {
        assert_eq!(ask(&snapshot, subject).task, Some(task.id.clone()));
    }
    let missing = |asked: &str| why(&snapshot, &AllocatorCounts::default(), asked).unwrap_err();
    let near = missing("s7_ap");
    assert_one_line(&near);
    assert!(matches!(&near, NoSuchSubject::Unknown { near, .. } if near[0] == "s7_app"), "{near}");
    assert_one_line(&missing(""));
    assert_one_line(&missing("nothing like it at all"));
    assert!(missing("nothing like it at all").to_string().contains("docker service ls"));
    let mut twins = snapshot.clone();
    twins.tasks.push(pvcheck_audit::Task { id: pvcheck_audit::TaskId::new("zz1"), ..task.clone() });
    twins.tasks.push(pvcheck_audit::Task { id: pvcheck_audit::TaskId::new("zz2"), ..task.clone() });
    let both = why(&twins, &AllocatorCounts::default(), "zz").unwrap_err();
    assert!(matches!(&both, NoSuchSubject::Ambiguous { matches, .. } if matches.len() == 2), "{both}");
    assert_one_line(&both);
}

/// What stops gives its addresses back by itself: that is cheaper than anything else.
#[tokio::test]
async fn tasks_that_stop_are_waited_for_first() {
    let mut model = with_shared("10.90.0.0/28");
    for n in 1..=6 {
        let draft = ServiceDraft::new(&format!("s{n}")).on("shared").stops_in(Duration::from_hours(1));
        service(&mut model, draft);
    }
    model.remove_service("s1").unwrap();
    // The VIP of s1 is free at once, its task's address is not.
    service(&mut model, ServiceDraft::new("late").on("shared"));
    let found = explained(model, "late").await;
    assert_eq!(found.verdict, Verdict::Address, "{found:#?}");
    assert_eq!(found.remedies[0].command(), None);
    assert!(found.remedies[0].to_string().starts_with("wait: 1 of the tasks"), "{:?}", found.remedies[0]);
    assert_eq!(found.network.unwrap().stopping(), 1);
}
