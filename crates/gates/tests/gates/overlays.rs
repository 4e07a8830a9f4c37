//! Leaked addresses, free addresses, and configurations with several overlays or none.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_gates::{
    Config, Counting, GateReport, PreflightError, Seen, Unseen, Verdict, collect_m1, judge_m1, judge_m2,
    preflight,
};
use pvcheck_sim::{Engine as Release, NetworkDraft, ServiceDraft};
use pvcheck_swarm::{Doubt, Order, silent};

use crate::collect::{World, leak, m1_run, m2_run};
use crate::support::*;

/// `pvcheck.m1` without leave to probe.
async fn reading(world: &World) -> GateReport {
    let before = world.writes();
    let ready = preflight(&world.engine, &world.config).await.expect("ready");
    let facts = collect_m1(&world.engine, &world.config, &ready, Counting::Reading, &silent).await;
    assert_eq!(world.writes(), before, "it only reads");
    judge_m1(&world.config, &facts)
}

/// The healthy facts, with a count that says something else.
async fn with_leaked(leaked: u8, change: impl FnOnce(&mut pvcheck_swarm::Census)) -> GateReport {
    judged_with(&config(), leaked, change).await
}

async fn judged_with(
    config: &Config,
    leaked: u8,
    change: impl FnOnce(&mut pvcheck_swarm::Census),
) -> GateReport {
    let mut facts = facts(cc_ci()).await;
    let mut fact = counted("proxy", leaked);
    let Seen::Known(census) = &mut fact.census else { panic!("counted") };
    change(census);
    facts.leaked = known("allocator", vec![fact]);
    judge_m1(config, &facts)
}

#[tokio::test]
async fn addresses_that_are_leaked_already_fail_the_gate_and_are_named() {
    let report = with_leaked(3, |_| {}).await;
    assert_open(&report, &[("overlay.leaked", Fail)]);
    let reason = reason(&report, "overlay.leaked");
    assert!(reason.starts_with("3 addresses of proxy leaked, 0 accepted"), "{reason}");
    assert!(reason.contains("10.10.0.202") && reason.contains("pvcheck reclaim"), "{reason}");
}

#[tokio::test]
async fn as_many_as_the_configuration_accepts_pass() {
    let accepts = |n: u32| config_with("min_free = 64", &format!("min_free = 64\nmax_leaked = {n}"));
    assert_open(&judged_with(&accepts(3), 3, |_| {}).await, &[]);
    assert_open(&judged_with(&accepts(2), 3, |_| {}).await, &[("overlay.leaked", Fail)]);
}

/// A number that stands in an incomplete census is none, whichever it is.
#[tokio::test]
async fn a_count_that_is_not_complete_is_unknown_and_so_is_what_is_free() {
    for leaked in [0, 3] {
        let report = with_leaked(leaked, |census| {
            (census.complete, census.reason) = (false, Some(Doubt::TasksMoved));
        })
        .await;
        assert_open(&report, &[("overlay.leaked", Unknown), ("overlay.headroom", Unknown)]);
        assert!(reason(&report, "overlay.leaked").contains("kept stopping"));
    }
}

/// 241 addresses have no owner; what is leaked of them is not free.
#[tokio::test]
async fn leaked_addresses_are_not_free() {
    let wants = |n: u32| config_with("min_free = 64", &format!("min_free = {n}\nmax_leaked = 9"));
    assert_open(&judged_with(&wants(238), 3, |_| {}).await, &[]);
    let report = judged_with(&wants(239), 3, |_| {}).await;
    assert_open(&report, &[("overlay.headroom", Fail)]);
    assert!(
        reason(&report, "overlay.headroom").starts_with("238 of 253 addresses are free (12 owned, 3 leaked)")
    );
}

/// Too few is too few whatever is leaked; enough needs the count.
#[tokio::test]
async fn without_a_count_headroom_can_fail_and_cannot_pass() {
    for (wanted, verdict) in [(242, Fail), (241, Unknown), (1, Unknown)] {
        let config = config_with("min_free = 64", &format!("min_free = {wanted}"));
        let mut facts = facts(cc_ci()).await;
        facts.leaked = unknown("allocator", "refused");
        let report = judge_m1(&config, &facts);
        assert_open(&report, &[("overlay.leaked", Unknown), ("overlay.headroom", verdict)]);
    }
}

#[tokio::test]
async fn an_old_engine_is_unknown_without_a_probe_and_says_so() {
    let world = World::new(cc_ci()).await;
    let report = reading(&world).await;
    assert_open(&report, &[("overlay.leaked", Unknown), ("overlay.headroom", Unknown)]);
    let reason = reason(&report, "overlay.leaked");
    assert!(reason.contains("API 1.41") && reason.contains("add --probe"), "{reason}");
}

#[tokio::test]
async fn an_engine_that_counts_is_asked_and_nothing_is_written() {
    for (lost, expected) in [(0, &[] as &[_]), (2, &[("overlay.leaked", Fail)])] {
        let mut model = cc_ci();
        model.settings_mut().engine = Release::V29_7;
        leak(&mut model, "proxy", lost);
        let world = World::new(model).await;
        let report = reading(&world).await;
        assert_open(&report, expected);
        assert!(reason(&report, "overlay.leaked").contains("method status"));
    }
}

/// Without a census and without a count: nothing is free where a service waits, so what has no owner is leaked.
#[tokio::test]
async fn what_waits_on_the_overlay_proves_the_number() {
    for (lost, leaked) in [(0, Pass), (2, Fail)] {
        let mut model = cc_ci();
        model.create_network(&NetworkDraft::overlay("small").subnet("10.91.0.0/29").json()).unwrap();
        leak(&mut model, "small", lost);
        // Five usable: the lost ones, then a VIP and the tasks of the filler, then nothing for `late`.
        let tasks = u64::from(4 - lost);
        let filler = ServiceDraft::new("filler").on("small").constraint("node.labels.no==1").replicas(tasks);
        model.create_service(filler.json()).unwrap();
        model.create_service(ServiceDraft::new("late").on("small").json()).unwrap();
        model.advance(SETTLE * 3);
        let world = World::with(model, |text| {
            text.replacen(
                "name = \"proxy\"\nsubnet = \"10.10.0.0/24\"",
                "name = \"small\"\nsubnet = \"10.91.0.0/29\"\nmin_free = 0",
                1,
            )
            .replace("overlay = true", "overlay = false")
        })
        .await;
        for report in [judge_m1(&world.config, &m1_run(&world).await), reading(&world).await] {
            let verdict = report.checks.iter().find(|c| c.id == "overlay.leaked").map(|c| c.verdict);
            assert_eq!(verdict, Some(leaked), "{}", reason(&report, "overlay.leaked"));
            let text = reason(&report, "overlay.leaked");
            let because = if lost == 0 { "its known owners take every" } else { "service late waits" };
            assert!(text.contains(&format!("without a census: {because}")), "{text}");
        }
    }
}

/// The mesh's network among them, which a census can count like any other.
#[tokio::test]
async fn several_overlays_are_each_judged_under_their_name() {
    let mut model = cc_ci();
    leak(&mut model, "backups_internal", 1);
    let snapshot = look(cc_ci()).await;
    let subnet = |name: &str| snapshot.overlay(name).expect("there").subnets()[0].to_string();
    let more: String = ["ingress", "backups_internal"]
        .map(|name| format!("[[overlay]]\nname = \"{name}\"\nsubnet = \"{}\"\n", subnet(name)))
        .concat();
    let world = World::with(model, |text| {
        text.replacen("[overlay]", "[[overlay]]", 1).replacen("[tls]", &format!("{more}[tls]"), 1).replacen(
            "name = \"backups_ci_commoninternet_net_app\"\noverlay = false",
            "name = \"backups_ci_commoninternet_net_app\"\noverlay = \"backups_internal\"",
            1,
        )
    })
    .await;
    let report = judge_m1(&world.config, &m1_run(&world).await);
    assert_open(&report, &[("overlay.leaked.backups_internal", Fail)]);
    let ids: Vec<_> =
        report.checks.iter().filter(|c| c.id.starts_with("overlay.")).map(|c| c.id.as_str()).collect();
    assert_eq!(ids.len(), 12, "{ids:?}");
    assert!(ids.contains(&"overlay.headroom.ingress") && ids.contains(&"overlay.subnet.proxy"), "{ids:?}");
    assert!(reason(&report, "overlay.leaked.ingress").starts_with("0 leaked"));

    let report = judge_m2(&world.config, &m2_run(&world, Order::Drained).await.expect("configured"));
    assert_open(&report, &[("overlay.leaked.backups_internal", Fail)]);
}

#[tokio::test]
async fn no_gate_deploys_on_ingress() {
    let ingress = look(cc_ci()).await.overlay("ingress").expect("there").subnets()[0];
    let world = World::with(cc_ci(), |text| {
        text.replacen(
            "name = \"proxy\"\nsubnet = \"10.10.0.0/24\"",
            &format!("name = \"ingress\"\nsubnet = \"{ingress}\""),
            1,
        )
        .replace("overlay = true", "overlay = false")
    })
    .await;
    assert_open(&judge_m1(&world.config, &m1_run(&world).await), &[]);
    let error = m2_run(&world, Order::Drained).await.expect_err("ingress takes no service");
    assert!(
        matches!(&error, PreflightError::DeploysOnIngress { overlay } if overlay == "ingress"),
        "{error}"
    );
}

#[tokio::test]
async fn a_configuration_of_routes_alone_has_no_gate() {
    let text = "[[route]]\nname = \"a\"\nurl = \"http://a.test/\"\n";
    let config = Config::parse("routes.toml", text).expect("routes can be asked");
    assert_eq!((config.route_specs().len(), config.overlay().is_none()), (1, true));
    let sim = start(cc_ci());
    let error = preflight(&connect(&sim).await, &config).await.err().expect("no overlay to judge");
    assert!(matches!(&error, PreflightError::NoOverlay), "{error}");
    assert!(
        error.to_string().contains("[overlay]") && error.to_string().contains("pvcheck routes"),
        "{error}"
    );
}

/// What the facts of an earlier version do not have is unknown, and not nothing.
#[tokio::test]
async fn facts_of_before_the_count_replay_as_unknown() {
    let mut saved = serde_json::to_value(facts(cc_ci()).await).unwrap();
    saved.as_object_mut().unwrap().remove("leaked").expect("there");
    let facts: pvcheck_gates::M1Facts = serde_json::from_value(saved).unwrap();
    assert_eq!(facts.leaked.seen, Seen::Unknown(Unseen::NotRecorded));
    assert_open(&judge_m1(&config(), &facts), &[("overlay.leaked", Unknown), ("overlay.headroom", Unknown)]);
    assert_eq!(judge_m1(&config(), &facts), judge_m1(&config(), &facts), "whenever it is judged");
}
