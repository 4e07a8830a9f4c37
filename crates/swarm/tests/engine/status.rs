//! The allocator's own counts, on an engine that has all the traps of 29.7.2.

use pvcheck_audit::{AllocatorCounts, SavedSnapshot, audit, audit_with, counts_refused, why};
use pvcheck_ipam::{AllocatorStatus, Pressure, Thresholds};
use pvcheck_sim::{Engine as Release, Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Settings, Sim};
use pvcheck_swarm::{
    Census, CensusError, CensusMethod, CensusOptions, Doubt, Operation, census, census_by_status, read_count,
    read_counts, silent,
};

use crate::support::*;

/// A Swarm of that release with services on this manager, three leaks, and a network without a subnet.
fn trapped(engine: Release) -> Model {
    let mut model = Model::with_settings(Settings { engine, timings: quick(), ..Settings::default() });
    network(&mut model, "shared", "10.90.0.0/24");
    network(&mut model, "idle", "10.91.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("shared").replicas(6));
    leak(&mut model, "shared", 3);
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/16").json()).expect("accepted");
    model.advance(SETTLE);
    model
}

fn reads(sim: &Sim) -> Vec<String> {
    sim.requests().into_iter().map(|r| format!("{} {}", r.method, r.target)).collect()
}

#[tokio::test]
async fn the_traps_are_there() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let id = snapshot.overlay("shared").unwrap().id.to_string();
    let truth = truth(&sim, "shared");
    let ask =
        async |term: &str| engine.connection().get::<serde_json::Value>(&format!("/networks/{term}")).await;
    let count =
        |answer: &serde_json::Value| answer["Status"]["IPAM"]["Subnets"]["10.90.0.0/24"]["IPsInUse"].as_u64();
    let full = ask(&id).await.unwrap();
    assert_ne!(count(&full), truth.in_use, "the full id is answered with this node's own count");
    assert_eq!(count(&ask(&id[..24]).await.unwrap()), truth.in_use);
    assert_eq!(ask("shared").await.unwrap_err().status(), Some(404), "one network has no subnet");
}

#[tokio::test]
async fn the_counts_are_the_leaders_and_the_leaks_exact() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    sim.clear_requests();
    let counts = read_counts(&engine, &snapshot).await;
    assert_eq!(counts.unknown, None);
    let report = audit_with(&snapshot, &counts, &Thresholds::default());
    assert_eq!(report.allocator_unknown, None);
    for network in report.networks.iter().filter(|n| !n.subnets.is_empty()) {
        let truth = truth(&sim, &network.name);
        let in_use = truth.in_use.unwrap() - 3;
        assert_eq!((network.in_use, network.free), (Some(in_use), truth.free), "{}", network.name);
        assert_eq!(network.leaked, Some(truth.leaked.len() as u64), "{}", network.name);
        assert_eq!(network.pressure, Pressure::Ok, "leaks are known, so it may be said");
    }
    assert_eq!(truth(&sim, "shared").leaked.len(), 3);
    let clash = report.networks.iter().find(|n| n.name == "clash").unwrap();
    assert_eq!(
        (clash.in_use, clash.leaked, clash.free, clash.pressure),
        (None, None, None, Pressure::Unknown)
    );
}

/// By a prefix of the id, allocated overlays only, each once, and nothing else.
#[tokio::test]
async fn each_allocated_overlay_is_asked_once() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    assert_eq!(reads(&sim).len(), 6, "a snapshot stays six calls");
    sim.clear_requests();
    read_counts(&engine, &snapshot).await;
    let allocated: Vec<_> = snapshot.overlays().into_iter().filter(|n| n.is_allocated()).collect();
    let expected: Vec<String> =
        allocated.iter().map(|n| format!("GET /v1.52/networks/{}", &n.id.as_str()[..24])).collect();
    assert_eq!(reads(&sim), expected, "in this order, one after the other");
    sim.clear_requests();
    let clash = snapshot.overlay("clash").unwrap();
    assert_eq!(read_count(&engine, clash).await.unwrap(), None);
    let local = snapshot.networks.iter().find(|n| !n.is_overlay()).unwrap();
    assert_eq!(read_count(&engine, local).await.unwrap(), None);
    assert_eq!(reads(&sim), NOTHING, "neither is asked");
}

#[tokio::test]
async fn older_engines_and_older_leaders_are_not_asked() {
    for release in [Release::V20_10, Release::V28_5] {
        let sim = start(trapped(release));
        let engine = connect(&sim).await;
        let snapshot = engine.snapshot().await.unwrap();
        sim.clear_requests();
        let counts = read_counts(&engine, &snapshot).await;
        assert!(counts.unknown.as_ref().is_some_and(|why| why.to_string().contains("1.52")), "{counts:?}");
        assert_eq!(read_count(&engine, snapshot.overlay("shared").unwrap()).await.unwrap(), None);
        assert_eq!(reads(&sim), NOTHING);
        let report = audit_with(&snapshot, &counts, &Thresholds::default());
        assert!(report.networks.iter().all(|n| (n.in_use, n.leaked, n.free) == (None, None, None)));
        assert_eq!(report.allocator_unknown, counts.unknown, "said aloud");
    }
    // A manager of 29 under a leader of 28 answers with numbers of its own.
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let mut snapshot = engine.snapshot().await.unwrap();
    assert_eq!(counts_refused(&snapshot), None);
    for version in ["28.5.2", "", "dev"] {
        snapshot.nodes[0].engine_version = version.into();
        sim.clear_requests();
        assert!(
            read_counts(&engine, &snapshot)
                .await
                .unknown
                .is_some_and(|why| why.to_string().contains("leader"))
        );
        assert_eq!(reads(&sim), NOTHING, "{version}");
    }
    snapshot.nodes[0].leader = false;
    assert!(counts_refused(&snapshot).is_some());
}

#[tokio::test]
async fn a_network_that_is_not_told_is_unknown() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let idle = snapshot.overlay("idle").unwrap().id.clone();
    for (fault, still_asked) in [(Fault::Fail { status: 404 }, true), (Fault::Fail { status: 500 }, false)] {
        sim.inject(FaultRule::new(fault).path(&idle.as_str()[..24]));
        let counts = read_counts(&engine, &snapshot).await;
        assert!(counts.unknown.is_some(), "{fault:?}");
        assert_eq!(counts.of(&idle), None);
        assert!(counts.of(&snapshot.overlay("ingress").unwrap().id).is_some(), "it was reported before");
        let report = audit_with(&snapshot, &counts, &Thresholds::default());
        let network = report.networks.iter().find(|n| n.id == idle).unwrap();
        assert_eq!((network.in_use, network.leaked, network.free), (None, None, None));
        let asked = reads(&sim).iter().filter(|r| r.contains("/networks/")).count();
        assert_eq!(asked == 3, still_asked, "a refusal ends the reading");
        sim.clear_faults();
        sim.clear_requests();
    }
}

/// A saved snapshot has the counts; one that was saved without them is still read.
#[tokio::test]
async fn a_saved_look_replays_with_its_counts() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let counts = read_counts(&engine, &snapshot).await;
    let saved = SavedSnapshot { snapshot, host: None, host_unknown: None, counts };
    let back = SavedSnapshot::from_json(&saved.to_json().unwrap()).unwrap();
    assert_eq!(back, saved);
    let thresholds = Thresholds::default();
    let judged = |saved: &SavedSnapshot| audit_with(&saved.snapshot, &saved.counts, &thresholds);
    assert_eq!(judged(&back), judged(&saved));
    let mut old: serde_json::Value = serde_json::from_str(&saved.to_json().unwrap()).unwrap();
    let fields = old.as_object_mut().unwrap();
    assert!(fields.remove("allocator").is_some());
    for service in old["services"].as_array_mut().unwrap() {
        for key in ["created", "updated"] {
            assert!(service.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
    }
    let old = SavedSnapshot::from_json(&old.to_string()).unwrap();
    assert_eq!(old.counts, AllocatorCounts::default());
    assert!(audit(&old.snapshot).allocator_unknown.is_some());
}

/// A failed update frees an address that is still held: the difference says nothing of leaks then.
#[tokio::test]
async fn owners_that_the_allocator_does_not_count_make_the_leaks_unknown() {
    let sim = start(trapped(Release::V29_7));
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let id = &snapshot.overlay("idle").unwrap().id;
    let shared = &snapshot.overlay("shared").unwrap().id;
    let count = |ips_in_use| AllocatorStatus { ips_in_use, dynamic_available: 256 - ips_in_use };
    let counts = AllocatorCounts {
        networks: [(id.clone(), count(3)), (shared.clone(), count(9))].into(),
        unknown: None,
    };
    let report = audit_with(&snapshot, &counts, &Thresholds::default());
    let network = report.networks.iter().find(|n| n.name == "shared").unwrap();
    assert_eq!((network.in_use, network.leaked, network.free), (Some(6), None, Some(247)));
    assert!(
        network.notes.iter().any(|n| n.to_string().starts_with("2 addresses more")),
        "{:?}",
        network.notes
    );
    assert!(report.allocator_unknown.is_some(), "ingress is not among them");
}

/// The allocator's own count tells which of several networks is full.
#[tokio::test]
async fn a_count_tells_which_network_is_full() {
    let mut model = trapped(Release::V29_7);
    network(&mut model, "tiny", "10.92.0.0/28");
    service(&mut model, ServiceDraft::new("one").on("tiny"));
    // 13 usable, 4 held: the other nine are lost, so that no list shows that it is full.
    leak(&mut model, "tiny", 9);
    service(&mut model, ServiceDraft::new("last").on("tiny").replicas(0));
    service(&mut model, ServiceDraft::new("waits").on("shared").on("tiny"));
    model.advance(SETTLE);
    let sim = start(model);
    let engine = connect(&sim).await;
    let snapshot = engine.snapshot().await.unwrap();
    let blind = why(&snapshot, &AllocatorCounts::default(), "waits").unwrap();
    assert_eq!((blind.network, blind.candidates.len()), (None, 2));
    let counts = read_counts(&engine, &snapshot).await;
    let answer = why(&snapshot, &counts, "waits").unwrap();
    let network = answer.network.unwrap();
    let numbers = (network.usable, network.owned, network.leaked, network.free);
    assert_eq!((network.name.as_str(), numbers), ("tiny", (13, 4, Some(9), Some(0))));
}

async fn counted(sim: &Sim, network: &str) -> Result<Census, CensusError> {
    let engine = connect(sim).await;
    let options = CensusOptions { method: Some(CensusMethod::Status), ..CensusOptions::default() };
    census(Operation::new(&engine, permit(), &run("census"), &silent), network, &options).await
}

/// The number that the model knows, without asking for an address; and what a number cannot say is said.
#[tokio::test]
async fn a_census_by_status_counts_and_changes_nothing() {
    let sim = start(trapped(Release::V29_7));
    for (network, leaks) in [("shared", 3), ("idle", 0), ("ingress", 0)] {
        let before = truth(&sim, network);
        assert_eq!(before.leaked.len() as u64, leaks, "the world is as it was meant");
        let found = counted(&sim, network).await.expect("the engine tells");
        let asked = reads(&sim).iter().filter(|r| r.contains("/networks/")).count();
        assert_eq!((found.complete, found.leaked, found.method), (true, Some(leaks), CensusMethod::Status));
        assert_eq!(Some(found.handed_out), before.free, "{found:?}");
        assert_eq!(found.usable, found.handed_out + found.owned + found.load_balancers + leaks, "{found:?}");
        assert_eq!(
            (&found.leaked_addresses[..], &found.free_and_owned[..]),
            (&NO_ADDRESS[..], &NO_ADDRESS[..])
        );
        assert!(found.reason == Some(Doubt::NumberOnly));
        assert_eq!(asked, if leaks == 0 { 1 } else { 2 }, "a second snapshot of what is suspected");
        assert_eq!(writes(&sim), NOTHING);
        assert_eq!(truth(&sim, network), before);
    }
}

#[tokio::test]
async fn a_census_by_status_is_refused_where_the_engine_tells_no_count() {
    for release in [Release::V20_10, Release::V28_5] {
        let sim = start(trapped(release));
        let error = counted(&sim, "shared").await.unwrap_err();
        assert!(matches!(&error, CensusError::NoStatus(why) if why.contains("1.52")), "{error:?}");
        let asked = reads(&sim);
        assert!(asked.iter().all(|r| r.starts_with("GET ") && !r.contains("/networks/")), "{asked:?}");
        let engine = connect(&sim).await;
        let error =
            census_by_status(&engine, "shared", &CensusOptions::default(), &silent).await.unwrap_err();
        assert!(matches!(&error, CensusError::NoStatus(why) if why.contains("1.52")), "{error:?}");
        assert_eq!(reads(&sim), NOTHING, "nothing is read to say so");
    }
    let sim = start(trapped(Release::V29_7));
    sim.inject(FaultRule::new(Fault::Fail { status: 404 }).path("/networks/"));
    let error = counted(&sim, "shared").await.unwrap_err();
    assert!(matches!(&error, CensusError::NoStatus(why) if why.contains("shared")), "{error:?}");
}

/// A census that asks for addresses would cost the waiting service more; one that only reads would not.
#[tokio::test]
async fn who_waits_is_no_hindrance_to_reading() {
    for (release, offered) in [(Release::V29_7, true), (Release::V28_5, false)] {
        let mut model = trapped(release);
        network(&mut model, "full", "10.92.0.0/29");
        service(&mut model, ServiceDraft::new("fills").on("full").replicas(3));
        service(&mut model, ServiceDraft::new("waits").on("shared").on("full"));
        let sim = start(model);
        let engine = connect(&sim).await;
        let options = CensusOptions::default();
        let error = census(Operation::new(&engine, permit(), &run("census"), &silent), "shared", &options)
            .await
            .unwrap_err();
        assert_eq!(error.to_string().contains("--method status"), offered, "{error}");
        assert_eq!(writes(&sim), NOTHING);
        if offered {
            let found = counted(&sim, "shared").await.unwrap();
            let really = truth(&sim, "shared").leaked.len() as u64;
            assert_eq!((found.complete, found.leaked), (true, Some(really)), "{found:?}");
            assert!(3 < really, "the waiting service has lost one more (L2)");
        }
    }
}

/// L3: what a failed update freed and its service still has hides a leak from the count, so there is no number.
#[tokio::test]
async fn an_address_that_is_freed_and_still_held_makes_the_count_unknown() {
    let mut model = trapped(Release::V29_7);
    network(&mut model, "full", "10.92.0.0/29");
    service(&mut model, ServiceDraft::new("fills").on("full").replicas(3));
    service(&mut model, ServiceDraft::new("live").on("shared"));
    let full = model.truth().network("full").unwrap().id.clone();
    model
        .change_service("live", |spec| {
            let networks = spec["TaskTemplate"]["Networks"].as_array_mut().expect("its networks");
            networks.push(serde_json::json!({ "Target": full.as_str() }));
        })
        .expect("an update is accepted");
    model.advance(SETTLE);
    let sim = start(model);
    let found = counted(&sim, "shared").await.unwrap();
    assert_eq!((found.complete, found.leaked), (false, None), "{found:?}");
    assert!(
        matches!(&found.reason, Some(Doubt::FreedInUse { service, .. }) if service.contains("live")),
        "{found:?}"
    );
    assert_eq!(writes(&sim), NOTHING);
}
