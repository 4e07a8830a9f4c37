//! The audit: its JSON, and what it finds.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, Audit, AuditedNetwork, Cause, TaskState, audit, audit_with};
use pvcheck_ipam::{Pressure, Threshold, Thresholds};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};
use serde_json::Value;

use crate::support::*;

/// Longer than any task needs for an address.
const LONG: Duration = Duration::from_secs(10);

async fn audited(model: Model) -> Audit {
    let sim = start(model);
    let report = audit(&connect(&sim).await.snapshot().await.expect("a healthy engine"));
    assert_eq!(writes(&sim), NOTHING);
    report
}

fn on<'a>(report: &'a Audit, name: &str) -> &'a AuditedNetwork {
    report.networks.iter().find(|n| n.name == name).expect("a network of the test")
}

/// A /28 that six services fill, and a seventh that waits.
fn seven_on_a_28() -> Model {
    let mut model = with_shared("10.90.0.0/28");
    for n in 1..=7 {
        service(&mut model, ServiceDraft::new(&format!("s{n}")).on("shared"));
    }
    model.advance(LONG);
    model
}

/// A network `full` without a free address.
fn full(model: &mut Model) {
    network(model, "full", "10.91.0.0/29");
    service(model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn assert_has(value: &Value, promised: &[&str]) {
    for key in promised {
        assert!(keys(value).contains(key), "`{key}` is promised: {value}");
    }
}

#[tokio::test]
async fn the_json_is_what_scripts_rely_on() {
    let report = serde_json::to_value(audited(seven_on_a_28()).await).unwrap();
    assert_has(&report, &["swarm", "networks"]);
    let swarm = &report["swarm"];
    assert_eq!((&swarm["version"], &swarm["api"]), (&"20.10.24".into(), &"1.41".into()));
    assert_eq!((&swarm["managers"], &swarm["nodes"]), (&1.into(), &1.into()));
    let networks = report["networks"].as_array().unwrap();
    assert_eq!(networks[0]["name"], "ingress", "ingress comes first");
    for network in networks {
        let promised = [
            "name",
            "id",
            "subnets",
            "usable",
            "owned",
            "in_use",
            "leaked",
            "free",
            "pressure",
            "duplicates",
            "stuck",
        ];
        assert_has(network, &promised);
        assert!(network["name"].is_string() && network["id"].is_string());
        assert!(network["usable"].is_u64() && network["subnets"].is_array());
        for owned in ["vips", "tasks", "load_balancers", "attachments"] {
            assert!(network["owned"][owned].is_u64(), "{owned}");
        }
        // Nothing is free where a service waits; elsewhere the lists do not show it.
        let waited_on = network["name"] == "shared";
        for (key, known) in [("in_use", 13), ("leaked", 0), ("free", 0)] {
            assert_eq!(network[key], if waited_on { known.into() } else { Value::Null }, "{key}: {network}");
        }
        assert!(["ok", "high", "full", "unknown"].contains(&network["pressure"].as_str().unwrap()));
    }
    let stuck = &networks[1]["stuck"][0];
    assert_has(stuck, &["service", "task", "state", "since", "reason", "cause"]);
    assert_eq!((&stuck["service"], &stuck["state"]), (&"s7".into(), &"new".into()));
    assert!(stuck["since"].as_str().unwrap().ends_with('Z'), "RFC 3339 in UTC: {stuck}");
}

#[tokio::test]
async fn an_audit_reads_back_from_json() {
    let report = audited(seven_on_a_28()).await;
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Audit>(&text).unwrap(), report);
}

#[tokio::test]
async fn the_ci_host_is_healthy_and_not_called_ok() {
    let report = audited(cc_ci()).await;
    for network in &report.networks {
        assert_eq!((network.stuck.len(), network.duplicates.len()), (0, 0), "{}", network.name);
        assert_eq!(network.missing_vips, NOTHING, "{}", network.name);
        assert_eq!(network.pressure, Pressure::Unknown, "leaks are not seen, so nothing is known to be well");
    }
    let proxy = on(&report, "proxy");
    assert_eq!(
        (proxy.usable, proxy.owned.vips, proxy.owned.tasks, proxy.owned.load_balancers),
        (253, 5, 6, 1)
    );
}

#[tokio::test]
async fn a_service_that_waits_is_named_with_its_task() {
    let report = audited(seven_on_a_28()).await;
    let shared = on(&report, "shared");
    assert_eq!(shared.pressure, Pressure::Full);
    assert_eq!(shared.missing_vips, ["s7"]);
    assert_eq!(shared.stuck.len(), 1);
    assert_eq!(
        (shared.stuck[0].service.as_str(), &shared.stuck[0].cause),
        ("s7", &Cause::VipPending { network: "shared".into(), here: true })
    );
    assert_eq!(on(&report, "ingress").stuck, []);
}

#[tokio::test]
async fn a_task_without_an_address_is_stuck_though_its_service_has_a_vip() {
    let mut model = with_shared("10.90.0.0/28");
    // 13 usable: a VIP, a load balancer, and eleven of the twelve tasks.
    service(&mut model, ServiceDraft::new("wide").on("shared").replicas(11));
    model.scale_service("wide", 12).unwrap();
    model.advance(LONG);
    let report = audited(model).await;
    let shared = on(&report, "shared");
    assert_eq!((shared.pressure, shared.missing_vips.len()), (Pressure::Full, 0));
    assert_eq!(shared.stuck.len(), 1);
    assert_eq!(
        (shared.stuck[0].service.as_str(), &shared.stuck[0].cause),
        ("wide", &Cause::NetworkFull { network: "shared".into() })
    );
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_not_stuck_yet() {
    let mut model = with_shared("10.90.0.0/28");
    service(&mut model, ServiceDraft::new("wide").on("shared").replicas(11));
    model.scale_service("wide", 12).unwrap();
    model.advance(Duration::from_secs(1));
    assert_eq!(on(&audited(model).await, "shared").stuck, []);
}

#[tokio::test]
async fn three_quarters_are_high() {
    for (replicas, pressure) in [(7, Pressure::Unknown), (8, Pressure::High), (11, Pressure::Full)] {
        let mut model = with_shared("10.90.0.0/28");
        service(&mut model, ServiceDraft::new("wide").on("shared").replicas(replicas));
        assert_eq!(on(&audited(model).await, "shared").pressure, pressure, "{replicas} + 2 of 13");
    }
}

#[tokio::test]
async fn thresholds_may_be_set_in_per_cent_or_as_a_number_that_is_free() {
    let mut model = with_shared("10.90.0.0/28");
    service(&mut model, ServiceDraft::new("wide").on("shared").replicas(6));
    let snapshot = connect(&start(model)).await.snapshot().await.unwrap();
    // 8 of 13 are owned: 61 per cent, 5 at most are free.
    for (used_percent, free_addrs, pressure) in [
        (61, 0, Pressure::High),
        (62, 0, Pressure::Unknown),
        (100, 5, Pressure::High),
        (100, 4, Pressure::Unknown),
    ] {
        let high = Threshold { used_percent, free_addrs };
        let thresholds = Thresholds { high, ..Thresholds::default() };
        let report = audit_with(&snapshot, &AllocatorCounts::default(), &thresholds);
        assert_eq!(on(&report, "shared").pressure, pressure, "{used_percent} % or {free_addrs} free");
    }
}

/// Who holds what: by service, by node, on nodes that are down; and who only seems to.
#[tokio::test]
async fn owners_are_broken_down() {
    let mut model = with_shared("10.90.0.0/24");
    let second = model.add_node(false).to_string();
    service(&mut model, ServiceDraft::new("big").stack("shop").on("shared").replicas(4));
    service(&mut model, ServiceDraft::new("small").on("shared"));
    model.attach_container("by-hand", "shared", "self").unwrap();
    let dying = ServiceDraft::new("dying").on("shared").replicas(2).stops_in(Duration::from_hours(1));
    service(&mut model, dying);
    model.scale_service("dying", 1).unwrap();
    let small =
        list(&mut model, "tasks").into_iter().find(|t| t["ServiceID"] == id_of(&model, "small").as_str());
    let small = model.task_id(small.unwrap()["ID"].as_str().unwrap()).unwrap();
    assert!(model.fail_task(&small, "exit 1"), "its record keeps an address that it no longer has");
    model.advance(LONG);
    model.set_node_down(&second, true).unwrap();
    let report = audited(model).await;
    let shared = on(&report, "shared");
    let holders: Vec<_> =
        shared.holders.iter().map(|h| (h.service.as_str(), h.vips, h.tasks.min(4), h.stopping)).collect();
    // The down node's tasks are made anew elsewhere and counted twice until it is given up.
    assert_eq!(holders[0], ("big", 1, 4, holders[0].3), "{holders:?}");
    assert_eq!(shared.holders[0].stack.as_deref(), Some("shop"));
    let dying = shared.holders.iter().find(|h| h.service == "dying").unwrap();
    // One by the smaller scale, and perhaps one on the node that is down.
    assert!(dying.vips == 1 && (1..=2).contains(&dying.stopping), "{dying:?}");
    assert_eq!(
        shared.holders.iter().map(pvcheck_audit::Holder::total).sum::<u64>(),
        shared.owned.vips + shared.owned.tasks
    );
    assert_eq!(shared.owned.attachments, 1);
    assert_eq!(shared.ended_tasks, 1, "it is counted apart and never owns");
    assert!(!shared.owners.iter().any(|o| o.task.as_ref().is_some_and(|t| t.as_str() == small.as_str())));
    let down: Vec<_> = shared.nodes.iter().filter(|n| n.down).collect();
    assert_eq!(down.len(), 1);
    assert_eq!((down[0].node.as_str(), down[0].load_balancers), (second.as_str(), 1));
    assert!(0 < shared.on_down_nodes && shared.on_down_nodes == down[0].tasks, "{shared:?}");
    let sum: u64 = shared.nodes.iter().map(|n| n.tasks + n.attachments + n.load_balancers).sum();
    assert_eq!(sum, shared.owned.total() - shared.owned.vips, "every task is on a node here");
}

fn id_of(model: &Model, service: &str) -> String {
    model.service_id(service).expect("it is there").to_string()
}

/// A node whose load balancer gets no address rejects its tasks after half a minute.
#[tokio::test]
async fn a_task_without_a_load_balancer_is_stuck() {
    let mut model = with_shared("10.90.0.0/29");
    model.add_node(false);
    // 5 usable: four tasks and the load balancer of one node. The other node's is wanting.
    let spread = ServiceDraft::new("spread").on("shared").dnsrr().replicas(4);
    model.create_service(spread.json()).expect("a fresh name");
    // Well below the time from which on a service counts as waiting, since the engine's clock runs on meanwhile.
    model.advance(Duration::from_secs(1));
    let well = model.clone();
    model.advance(Duration::from_secs(44));
    let report = audited(model).await;
    let stuck = &on(&report, "shared").stuck;
    assert!(stuck.iter().any(|s| matches!(s.cause, Cause::BalancerMissing { .. })), "{stuck:?}");
    assert!(stuck.iter().all(|s| s.service == "spread"), "{stuck:?}");
    let report = audited(well).await;
    assert!(on(&report, "shared").stuck.is_empty(), "not before its time: {report:?}");
}

/// The tasks of a job want the state `complete`; they wait for addresses like others.
#[tokio::test]
async fn a_task_of_a_job_that_waits_is_stuck_too() {
    let mut snapshot = connect(&start(seven_on_a_28())).await.snapshot().await.unwrap();
    for task in snapshot.tasks.iter_mut().filter(|t| t.state == TaskState::New) {
        task.desired = TaskState::Complete;
    }
    assert_eq!(on(&audit(&snapshot), "shared").stuck.len(), 1);
}

#[tokio::test]
async fn an_unallocated_network_is_reported_and_its_subnet_unknown() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/16").json()).unwrap();
    service(&mut model, ServiceDraft::new("app").on("clash"));
    model.advance(LONG);
    let report = audited(model).await;
    let clash = on(&report, "clash");
    assert_eq!((clash.subnets.len(), clash.usable, clash.pressure), (0, 0, Pressure::Unknown));
    assert_eq!(clash.missing_vips, ["app"]);
    assert_eq!(clash.stuck[0].cause, Cause::NetworkNotAllocated { network: "clash".into() });
    assert!(clash.notes[0].to_string().contains("no subnet"), "{:?}", clash.notes);
}

/// L3: an update that adds a full network frees the live VIP, which is then given again.
#[tokio::test]
async fn an_address_in_two_hands_is_reported() {
    let mut model = with_shared("10.90.0.0/28");
    full(&mut model);
    service(&mut model, ServiceDraft::new("app").on("shared"));
    let both = serde_json::json!([{"Target": "shared"}, {"Target": "full"}]);
    model.change_service("app", |raw| raw["TaskTemplate"]["Networks"] = both).unwrap();
    model.advance(SETTLE);
    for n in 0..11 {
        service(&mut model, ServiceDraft::new(&format!("n{n}")).on("shared").replicas(0));
    }
    let duplicates = model.truth().network("shared").unwrap().duplicates.clone();
    assert_eq!(duplicates, [Ipv4Addr::new(10, 90, 0, 2)], "the model shows L3");
    let report = audited(model).await;
    assert_eq!(on(&report, "shared").duplicates, duplicates);
    let twice = &on(&report, "shared").duplicate_holders[0];
    let holders: Vec<_> = twice.holders.iter().filter_map(|o| o.service.as_deref()).collect();
    assert_eq!(holders.len(), 2);
    assert!(holders.contains(&"app"), "{holders:?}");
    let written = serde_json::to_value(&report.findings).unwrap();
    let kinds: Vec<_> = written.as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap()).collect();
    let all = ["retries_lose_addresses", "live_vip_freed", "same_address"];
    assert_eq!(kinds, all, "{:#?}", report.findings);
    let text = written[2]["text"].as_str().unwrap();
    assert!(text.contains("app") && text.contains("10.90.0.2"), "{text}");
    assert_eq!(on(&report, "full").duplicates, NO_ADDRESS);
    assert_eq!(on(&report, "full").missing_vips, ["app"]);
}

/// A network with free addresses does not explain a task that waits for a full one.
#[tokio::test]
async fn only_the_full_one_of_two_networks_is_called_full() {
    for draft in [ServiceDraft::new("app"), ServiceDraft::new("app").dnsrr()] {
        let mut model = with_shared("10.90.0.0/24");
        full(&mut model);
        service(&mut model, draft.on("shared").on("full"));
        model.advance(LONG);
        let report = audited(model).await;
        assert_eq!(on(&report, "full").pressure, Pressure::Full);
        assert_eq!(on(&report, "full").stuck.len(), 1);
        let shared = on(&report, "shared");
        assert_ne!(shared.pressure, Pressure::Full, "{:?}", shared.stuck);
        assert!(
            shared.stuck.iter().all(|s| !matches!(s.cause, Cause::NetworkFull { .. })),
            "{:?}",
            shared.stuck
        );
    }
}

/// Nor for one that waits for a network without a subnet.
#[tokio::test]
async fn a_network_next_to_an_unallocated_one_is_not_called_full() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/16").json()).unwrap();
    service(&mut model, ServiceDraft::new("app").on("clash").on("shared"));
    model.advance(LONG);
    let report = audited(model).await;
    assert_ne!(on(&report, "shared").pressure, Pressure::Full, "{:?}", on(&report, "shared").stuck);
}
