//! The snapshot and its owners are what the model says, address by address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_audit::{Network, Owner, OwnerKind, Owners, Snapshot, audit, owners};
use pvcheck_sim::{Model, NetworkTruth, ServiceDraft, Sim};
use pvcheck_swarm::leftover_runs;
use serde_json::Value;

use crate::support::*;

/// Who has which address, in words that both sides can say.
type Holding = (Ipv4Addr, &'static str, String);

/// The named owners of the snapshot.
fn seen(snapshot: &Snapshot, owners: &Owners) -> BTreeSet<Holding> {
    let who = |owner: &Owner| match owner.kind {
        OwnerKind::Vip => {
            let service = owner.service.as_deref().and_then(|name| snapshot.service_named(name));
            ("vip", service.expect("a VIP has a service").id.to_string())
        }
        OwnerKind::Task => ("task", owner.task.as_ref().expect("a task").to_string()),
        OwnerKind::Attachment => ("attachment", owner.task.as_ref().expect("a task").to_string()),
        OwnerKind::LoadBalancer => ("balancer", owner.node.as_ref().expect("a node").to_string()),
    };
    owners.named.iter().map(|owner| (owner.address, who(owner).0, who(owner).1)).collect()
}

/// The model's owners but for load balancers, whose addresses no list names; and the nodes of those.
fn really(truth: &NetworkTruth) -> (BTreeSet<Holding>, BTreeSet<String>) {
    let (mut named, mut balancers) = (BTreeSet::new(), BTreeSet::new());
    for owner in &truth.owners {
        let kind = match owner.kind {
            pvcheck_sim::OwnerKind::Vip => "vip",
            pvcheck_sim::OwnerKind::Task => "task",
            pvcheck_sim::OwnerKind::Attachment => "attachment",
            pvcheck_sim::OwnerKind::LoadBalancer => {
                balancers.insert(owner.id.clone());
                continue;
            }
        };
        named.insert((owner.addr, kind, owner.id.clone()));
    }
    (named, balancers)
}

async fn assert_equals_truth(sim: &Sim) -> usize {
    let snapshot = connect(sim).await.snapshot().await.expect("a healthy engine");
    let truth = sim.with_model(|model| model.truth());
    let overlays: BTreeSet<String> = snapshot.overlays().iter().map(|n| n.name.clone()).collect();
    assert_eq!(overlays, truth.networks.iter().map(|n| n.name.clone()).collect());
    let mut held = 0;
    for truth in &truth.networks {
        let network = snapshot.overlay(&truth.name).expect("compared above");
        let owners = owners(&snapshot, network);
        let (named, balancers) = really(truth);
        assert_eq!(seen(&snapshot, &owners), named, "{}", truth.name);
        let nodes: BTreeSet<String> = owners.load_balancers.iter().map(ToString::to_string).collect();
        assert_eq!(nodes, balancers, "{}", truth.name);
        assert_same_pool(network, truth, owners.total());
        held += truth.owners.len();
    }
    held
}

/// Where nothing leaked and nothing is held twice, the owners are all that the allocator has given out.
fn assert_same_pool(network: &Network, truth: &NetworkTruth, owned: u64) {
    assert_eq!(network.subnets(), truth.subnet.into_iter().collect::<Vec<_>>());
    let Some(in_use) = truth.in_use else { return };
    // Network address, broadcast address and gateway have no owner.
    assert_eq!(owned + 3 + truth.leaked.len() as u64, in_use, "{}", truth.name);
    assert_eq!(network.usable(), owned + truth.leaked.len() as u64 + truth.free.expect("allocated"));
}

#[tokio::test]
async fn the_ci_host_is_seen_as_it_is() {
    let held = assert_equals_truth(&start(cc_ci())).await;
    assert!(20 < held, "the world has owners to compare: {held}");
}

/// Everything that takes an address, and everything that only seems to.
fn motley() -> Model {
    let mut model = cc_ci();
    model.add_node(false);
    let third = model.add_node(false).to_string();
    service(&mut model, ServiceDraft::new("spread").on("proxy").replicas(5).publish(8080, 80, "ingress"));
    service(&mut model, ServiceDraft::new("everywhere").on("proxy").global());
    service(&mut model, ServiceDraft::new("round-robin").on("proxy").replicas(2).dnsrr());
    service(&mut model, ServiceDraft::new("nowhere").on("proxy").replicas(2).constraint("node.labels.no==1"));
    service(&mut model, ServiceDraft::new("empty").on("proxy").replicas(0));
    service(&mut model, ServiceDraft::new("plain").replicas(2));
    model.attach_container("by-hand", "proxy", "self").expect("attachable");
    let dying = ServiceDraft::new("dying").on("proxy").replicas(2).stops_in(Duration::from_hours(1));
    service(&mut model, dying);
    model.remove_service("dying").expect("there");
    let everywhere = model.service_id("everywhere").expect("just made").to_string();
    let running = |t: &Value| t["ServiceID"] == everywhere.as_str() && t["Status"]["State"] == "running";
    let running = list(&mut model, "tasks").into_iter().find(running).expect("it runs");
    let id = running["ID"].as_str().expect("an id");
    let id = model.task_id(id).expect("just listed");
    assert!(model.fail_task(&id, "exit 1"), "its history keeps an address that it no longer has");
    model.set_node_down(&third, true).expect("there");
    leak(&mut model, "proxy", 3);
    model
}

#[tokio::test]
async fn every_kind_of_owner_is_seen_and_no_other() {
    let sim = start(motley());
    let held = assert_equals_truth(&sim).await;
    assert!(40 < held, "the world has owners to compare: {held}");
    assert_eq!(truth(&sim, "proxy").leaked.len(), 3, "leaks are in no list");
}

#[tokio::test]
async fn a_snapshot_is_six_reads_at_any_size() {
    for model in [fresh(), Model::with(40, 3).expect("it fits")] {
        let sim = start(model);
        let engine = connect(&sim).await;
        engine.snapshot().await.unwrap();
        assert_eq!(writes(&sim), NOTHING);
        let targets: Vec<String> = sim.requests().into_iter().map(|r| r.target).collect();
        assert_eq!(targets.len(), 6, "{targets:?}");
        assert!(targets.iter().all(|t| t.starts_with("/v1.41/")), "{targets:?}");
    }
}

#[tokio::test]
async fn reading_never_writes() {
    let sim = start(motley());
    let host = sim.host().parse().unwrap();
    let engine = pvcheck_swarm::Engine::connect(&host).await.unwrap();
    audit(&engine.snapshot().await.unwrap());
    leftover_runs(&engine).await.unwrap();
    assert!(8 < sim.requests().len());
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn a_look_that_was_saved_is_judged_the_same() {
    let sim = start(motley());
    let snapshot = connect(&sim).await.snapshot().await.unwrap();
    let saved = serde_json::to_string(&snapshot).unwrap();
    let back: Snapshot = serde_json::from_str(&saved).unwrap();
    assert_eq!(back, snapshot);
    assert_eq!(audit(&back), audit(&snapshot));
}
