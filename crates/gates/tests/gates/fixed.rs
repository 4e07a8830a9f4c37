//! Gate `pvfix.m2`: the CI host after its overlay was renewed, one break at a time.

use std::path::PathBuf;

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::{NetworkId, ServiceId};
use pvcheck_gates::{
    Counting, FixedFacts, GateReport, Renewed, Verdict, collect_fixed, judge_fixed, preflight,
};
use pvcheck_ipam::{Pool, Subnet};
use pvcheck_journal::{Catalogue, Record, Scanner, Since};
use pvcheck_swarm::{
    Direction, Lock, Operation, Permit, RENEWAL_LOCK, RenewalOptions, RenewalPoint, RunId, SavedRenewal,
    renew, silent, unfinished_renewal,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::collect::World;
use crate::fix::{CREATES, planned, world};
use crate::support::*;

fn options(state: PathBuf, hook: &(dyn Fn(RenewalPoint) + Send + Sync)) -> RenewalOptions<'_> {
    RenewalOptions {
        holder: "a test".into(),
        break_lock: None,
        patience: std::time::Duration::from_mins(1),
        hold: false,
        state,
        lock_lasts: RENEWAL_LOCK,
        hook,
    }
}

/// Renews the overlay as `pvcheck resize` does; the file that this leaves.
pub(crate) async fn renewed(world: &World) -> PathBuf {
    let plan = planned(world).await.plan.known().expect("planned").clone();
    let (state, run) = (world.path("state"), RunId::unique());
    let op = Operation::new(&world.engine, Permit::granted_by_operator(), &run, &silent);
    let done = renew(op, &plan, &options(state.clone(), &|_| ())).await.expect("nothing keeps it");
    assert_eq!(done.changed, [""; 0]);
    SavedRenewal::file(&state, "proxy")
}

pub(crate) async fn collected(world: &World, record: &std::path::Path) -> FixedFacts {
    let ready = preflight(&world.engine, &world.config).await.expect("ready");
    let run = RunId::unique();
    let op = Operation::new(&world.engine, Permit::granted_by_operator(), &run, &silent);
    let of = Renewed { overlay: world.config.overlay().expect("one"), record };
    collect_fixed(&world.engine, &world.config, &ready, of, Counting::Probing(op), &silent).await
}

static HEALTHY: OnceCell<(World, FixedFacts)> = OnceCell::const_new();

/// The facts of one renewal, which all tests share.
pub(crate) async fn healthy() -> &'static (World, FixedFacts) {
    HEALTHY
        .get_or_init(|| async {
            let world = world(|text| text).await;
            let record = renewed(&world).await;
            let facts = collected(&world, &record).await;
            (world, facts)
        })
        .await
}

pub(crate) async fn with(change: impl FnOnce(&mut FixedFacts)) -> GateReport {
    let (world, facts) = healthy().await;
    let mut facts = facts.clone();
    change(&mut facts);
    judge_fixed(&world.config, &facts)
}

pub(crate) async fn with_record(change: impl FnOnce(&mut SavedRenewal)) -> GateReport {
    with(|facts| change(of(&mut facts.record))).await
}

fn net(text: &str) -> Subnet {
    Subnet::parse(text).expect("a subnet")
}

#[tokio::test]
async fn a_renewed_overlay_passes_every_check() {
    let (world, facts) = healthy().await;
    let report = judge_fixed(&world.config, facts);
    assert_open(&report, &[]);
    let ids: Vec<&str> = report.checks.iter().map(|check| check.id.as_str()).collect();
    let mut expected = vec![
        "overlay.subnet",
        "overlay.owners",
        "overlay.leaked",
        "overlay.headroom",
        "swarm.waiting",
        "renewal.ended",
        "renewal.network",
        "renewal.removed",
        "renewal.specs",
        "creation.columns",
    ];
    let services = SERVICES.map(|(name, _)| format!("service.{name}"));
    expected.extend(services.iter().map(String::as_str));
    expected.extend(["route.dashboard", "journal.renewal"]);
    assert_eq!(ids, expected);
    assert!(report.checks.iter().all(|check| check.required && !check.needs.is_empty()));
    let columns = report.checks.iter().find(|check| check.id == "creation.columns").expect("there");
    let table: Vec<&str> = columns.evidence.iter().map(|e| e.text.as_str()).collect();
    assert!(
        table[0].starts_with("declared  10.10.0.0/16  ") && table[0].ends_with("swarm.sh:4"),
        "{table:?}"
    );
    assert!(table[1].starts_with("deployed  10.10.0.0/16  "), "{table:?}");
    assert_eq!(table[2], "live      10.10.0.0/16  network proxy");
    let network = report.checks.iter().find(|check| check.id == "renewal.network").expect("there");
    assert_eq!(network.evidence[0].text, "IPAM driver default, gateway 10.10.0.1");
    assert!(network.reason.to_string().starts_with("created 20"), "{}", network.reason);
    let again: FixedFacts = serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap();
    assert_eq!(judge_fixed(&world.config, &again), report, "saved facts give the same report");
}

const OF_RECORD: [(&str, Verdict); 4] = [
    ("renewal.ended", Unknown),
    ("renewal.network", Unknown),
    ("renewal.removed", Unknown),
    ("renewal.specs", Unknown),
];

#[tokio::test]
async fn without_the_record_of_this_very_renewal_what_it_says_is_unknown() {
    let (world, healthy) = healthy().await;
    let file = world.path("record.json");
    for text in ["", "{}", "[]", "{\"schema\": \"pvcheck/v1\"}", "\u{0}"] {
        std::fs::write(&file, text).expect("a file");
        let facts = FixedFacts { record: collected(world, &file).await.record, ..healthy.clone() };
        let report = judge_fixed(&world.config, &facts);
        assert_open(&report, &OF_RECORD);
        assert!(reason(&report, "renewal.specs").contains("--record FILE"), "{text}");
    }
    std::fs::remove_file(&file).expect("there");
    let facts = FixedFacts { record: collected(world, &file).await.record, ..healthy.clone() };
    assert_open(&judge_fixed(&world.config, &facts), &OF_RECORD);
    let other = with_record(|saved| saved.record.network = "other".into()).await;
    assert_open(&other, &OF_RECORD);
    assert!(reason(&other, "renewal.specs").contains("of network other, not of proxy"));
    let narrower = with_record(|saved| saved.record.to = Pool::new(net("10.10.0.0/20"))).await;
    assert_open(&narrower, &OF_RECORD);
    // Of another Swarm's record even what would be a fault is none.
    let foreign = with_record(|saved| {
        saved.record.cluster = "another".into();
        saved.record.members[0].fingerprint.clear();
        saved.ended.as_mut().expect("it says").direction = Direction::Back;
        saved.ended.as_mut().expect("it says").network = NetworkId::new("another");
    })
    .await;
    assert_open(&foreign, &OF_RECORD);
    // Earlier versions did not say of which Swarm it is.
    assert_open(&with_record(|saved| saved.record.cluster.clear()).await, &[]);
}

#[tokio::test]
async fn a_record_that_does_not_say_how_it_ended() {
    let report = with_record(|saved| saved.ended = None).await;
    assert_open(&report, &[("renewal.ended", Unknown), ("renewal.network", Unknown)]);
    assert!(reason(&report, "renewal.ended").starts_with("the record stands at step confirm"), "{report:#?}");
}

#[tokio::test]
async fn a_renewal_that_was_undone_is_under_way_or_left_its_lock() {
    let undone = with_record(|saved| {
        saved.ended.as_mut().expect("it says").direction = Direction::Back;
    })
    .await;
    assert_open(&undone, &[("renewal.ended", Fail)]);

    // One that is stopped after its first steps.
    let world = world(|text| text).await;
    let plan = planned(&world).await.plan.known().expect("planned").clone();
    let (begun, waits) = tokio::sync::oneshot::channel();
    let (begun, engine) = (std::sync::Mutex::new(Some(begun)), world.engine.clone());
    let state = world.path("state");
    let work = tokio::spawn(async move {
        let hook = move |point: RenewalPoint| {
            if point.at == 2 {
                let _ = begun.lock().expect("no panic").take().map(|to| to.send(()));
                std::panic::resume_unwind(Box::new("killed"));
            }
        };
        let run = RunId::unique();
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        renew(op, &plan, &options(state, &hook)).await.map(drop)
    });
    assert!(work.await.is_err_and(|error| error.is_panic()), "it was not killed");
    waits.await.expect("it was under way");
    let unfinished = unfinished_renewal(&world.engine).await.expect("read").map(|(found, _)| found);
    let lock = Lock::read(&world.engine).await.expect("read");
    assert!(unfinished.is_some() && lock.is_some());
    let report = with(|facts| of(&mut facts.proof).unfinished = unfinished).await;
    assert_open(&report, &[("renewal.ended", Fail)]);
    assert!(reason(&report, "renewal.ended").contains("pvcheck resize status"));
    let report = with(|facts| of(&mut facts.proof).lock.clone_from(&lock)).await;
    assert_open(&report, &[("renewal.ended", Fail)]);
    let other = with(|facts| {
        of(&mut facts.proof).lock =
            lock.map(|lock| pvcheck_swarm::LockFacts { purpose: "reclaim".into(), ..lock });
    })
    .await;
    assert_open(&other, &[]);
    // The whole gate, on that Swarm.
    let facts = collected(&world, &SavedRenewal::file(&world.path("state"), "proxy")).await;
    let report = judge_fixed(&world.config, &facts);
    for id in ["overlay.subnet", "renewal.ended", "renewal.removed", "creation.columns"] {
        assert_eq!(verdict(&report, id), Fail, "{id}");
    }
}

#[tokio::test]
async fn a_network_that_another_client_created_since_or_that_is_left() {
    let report = with(|facts| of(&mut facts.proof).network = NetworkId::new("another")).await;
    assert_open(&report, &[("renewal.network", Fail)]);
    for (id, name) in [(None, "old"), (Some("x"), "holding")] {
        let report = with(|facts| {
            let record = of(&mut facts.record).record.clone();
            let snapshot = of(&mut facts.control.snapshot);
            let mut left = snapshot
                .networks
                .iter()
                .find(|n| n.name == "backups_internal")
                .or(snapshot.networks.first())
                .expect("one")
                .clone();
            left.id = id.map_or(record.old, NetworkId::new);
            left.name = if name == "old" { "old".into() } else { record.holding.0 };
            snapshot.networks.push(left);
        })
        .await;
        assert_open(&report, &[("renewal.removed", Fail)]);
    }
}

#[tokio::test]
async fn a_specification_that_is_not_as_it_was_and_a_service_that_is_gone() {
    let report = with(|facts| {
        let first = of(&mut facts.record).record.members[0].id.clone();
        of(&mut facts.proof).fingerprints.insert(first, "another".into());
    })
    .await;
    assert_open(&report, &[("renewal.specs", Fail)]);
    let report = with(|facts| {
        let first: ServiceId = of(&mut facts.record).record.members[0].id.clone();
        of(&mut facts.proof).fingerprints.remove(&first);
    })
    .await;
    assert_open(&report, &[("renewal.specs", Fail)]);
    assert!(reason(&report, "renewal.specs").ends_with(" is gone"));

    // In the Swarm itself.
    let world = world(|text| text).await;
    let record = renewed(&world).await;
    world.sim.with_model(|model| {
        let listed = model.respond("GET", "/services", b"").value();
        let service =
            listed.as_array().expect("a list").iter().find(|s| s["Spec"]["Name"] == "ccci-bridge_app");
        let service = service.expect("there").clone();
        let mut spec: Value = service["Spec"].clone();
        spec["Labels"]["changed"] = "yes".into();
        let version = service["Version"]["Index"].as_u64().expect("a number");
        model.update_service("ccci-bridge_app", version, spec).expect("a sound spec");
        model.advance(SETTLE);
    });
    let report = judge_fixed(&world.config, &collected(&world, &record).await);
    assert_open(&report, &[("renewal.specs", Fail)]);
    assert_eq!(reason(&report, "renewal.specs"), "not as before: the specification of ccci-bridge_app");
}

#[tokio::test]
async fn a_service_without_a_task_or_an_address_and_one_that_the_configuration_forgets() {
    let report = with(|facts| {
        let snapshot = of(&mut facts.control.snapshot);
        let bridge = snapshot.service_named("ccci-bridge_app").expect("there").id.clone();
        snapshot.tasks.retain(|task| task.service.as_ref() != Some(&bridge));
    })
    .await;
    assert_open(&report, &[("service.ccci-bridge_app", Fail)]);
    let (world, facts) = healthy().await;
    let text = std::fs::read_to_string(world.config_path()).expect("configured");
    let without = text.replace("[[service]]\nname = \"ccci-bridge_app\"\noverlay = true\n", "");
    let off = text.replace("name = \"ccci-bridge_app\"\noverlay = true", "name = \"ccci-bridge_app\"");
    for text in [without, off] {
        let config = pvcheck_gates::Config::of_file(&world.config_path(), &text).expect("sound");
        assert_open(&judge_fixed(&config, facts), &[]);
        let mut facts = facts.clone();
        let snapshot = of(&mut facts.control.snapshot);
        let proxy = snapshot.overlay("proxy").expect("there").id.clone();
        let bridge = snapshot.services.iter_mut().find(|s| s.name == "ccci-bridge_app").expect("there");
        bridge.vips.retain(|vip| vip.network != proxy);
        assert_eq!(verdict(&judge_fixed(&config, &facts), "service.ccci-bridge_app"), Fail);
    }
}

#[tokio::test]
async fn columns_that_differ_are_named_with_their_places() {
    let (world, healthy) = healthy().await;
    let narrow = CREATES.replace("10.10.0.0/16", "10.10.0.0/24");
    let line = |subnet: &str| format!("docker network create {subnet} proxy\n");
    for (declared, deployed, verdict, said) in [
        (CREATES, Some(narrow.clone()), Fail, "live has 10.10.0.0/16, but deployed has 10.10.0.0/24 ("),
        (&narrow, Some(CREATES.to_owned()), Fail, "but declared has 10.10.0.0/24 ("),
        (&narrow, Some(narrow.clone()), Fail, " and deployed has 10.10.0.0/24 ("),
        (CREATES, None, Unknown, "deployed: "),
        (&narrow, None, Fail, "but declared has 10.10.0.0/24 ("),
        (CREATES, Some(String::new()), Unknown, "deployed: no line of "),
        (CREATES, Some(line("--subnet $NET")), Unknown, "has $NET, which only running it tells"),
        (CREATES, Some(line("")), Fail, "default pool"),
        (CREATES, Some(line("--subnet 10.10.0.0/16") + &line("")), Fail, "ask for different subnets"),
        (CREATES, Some(CREATES.to_owned()), Pass, "declared, deployed and live have 10.10.0.0/16"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("swarm.sh"), declared).expect("a file");
        if let Some(text) = &deployed {
            std::fs::write(folder.path().join("deployed.sh"), text).expect("a file");
        }
        let text = std::fs::read_to_string(world.config_path()).expect("configured");
        let config = pvcheck_gates::Config::of_file(&folder.path().join("x.toml"), &text).expect("sound");
        let ready = preflight(&world.engine, &world.config).await.expect("ready");
        let of = Renewed { overlay: config.overlay().expect("one"), record: folder.path() };
        let read = collect_fixed(&world.engine, &config, &ready, of, Counting::Reading, &silent).await;
        let facts = FixedFacts { creation: read.creation, ..healthy.clone() };
        let report = judge_fixed(&world.config, &facts);
        let open: &[(&str, Verdict)] = if verdict == Pass { &[] } else { &[("creation.columns", verdict)] };
        assert_open(&report, open);
        let reason = reason(&report, "creation.columns");
        assert!(reason.contains(said), "{reason}");
    }
}

#[tokio::test]
async fn another_subnet_leaks_a_route_and_the_log() {
    let report = with(|facts| {
        let networks = &mut of(&mut facts.control.snapshot).networks;
        let proxy = networks.iter_mut().find(|n| n.name == "proxy").expect("there");
        proxy.pools = vec![Pool::new(net("10.10.0.0/17"))];
    })
    .await;
    for id in ["overlay.subnet", "creation.columns"] {
        assert_eq!(verdict(&report, id), Fail, "{id}");
    }
    let report = with(|facts| facts.control.leaked = known("allocator", vec![counted("proxy", 2)])).await;
    assert_open(&report, &[("overlay.leaked", Fail)]);
    let report = with(|facts| of(&mut facts.control.routes)[0].status = Some(502)).await;
    assert_open(&report, &[("route.dashboard", Fail)]);
    let report = with(|facts| facts.control.journal = known("engine log", exhausted())).await;
    assert_open(&report, &[("journal.renewal", Fail)]);
}

/// A log with an exhaustion since the engine's start.
pub(crate) fn exhausted() -> pvcheck_journal::Scan {
    let mut scanner =
        Scanner::since(Catalogue::builtin(), Since::EngineStart, None).source("file engine.log");
    for line in QUIET_LOG.iter().chain(&[EXHAUSTED]) {
        scanner.push(&Record::parse_line(line.as_bytes()));
    }
    scanner.finish()
}
