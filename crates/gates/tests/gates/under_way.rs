//! A core route that dies while `pvcheck.m2` deploys and removes stacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use Verdict::{Fail, Unknown};
use pvcheck_gates::{GateStep, Seen, Unseen, Verdict, judge_m2};
use pvcheck_sim::Model;
use pvcheck_swarm::{Operation, Order, Permit, Progress, RunId};
use tokio::net::TcpListener;

use crate::collect::World;
use crate::support::*;

/// A world whose second core route is a server of its own, which dies when the first step of this name begins.
async fn dying_at(model: Model, step: &'static str) -> (World, Arc<AtomicBool>, &'static str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let dead = Arc::new(AtomicBool::new(false));
    let is_dead = Arc::clone(&dead);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Dropped without a word, as by a process that is going down.
            if !is_dead.load(Ordering::SeqCst) {
                tokio::spawn(answer_ok(stream));
            }
        }
    });
    let route = format!(
        "[[route]]\nname = \"drone\"\nurl = \"http://drone.test/\"\naddress = \"{address}\"\n[canary]"
    );
    (World::with(model, |text| text.replacen("[canary]", &route, 1)).await, dead, step)
}

/// Runs the gate; the route dies when the step begins. The world has nothing of the run afterwards.
async fn run((world, dead, step): (World, Arc<AtomicBool>, &'static str)) -> (World, pvcheck_gates::M2Facts) {
    let ready = pvcheck_gates::preflight(&world.engine, &world.config).await.expect("ready");
    let id = RunId::unique();
    let watch = |progress: Progress| {
        if matches!(&progress, Progress::Step(text) if text.starts_with(step)) {
            dead.store(true, Ordering::SeqCst);
        }
    };
    let op = Operation::new(&world.engine, Permit::granted_by_operator(), &id, &watch);
    let facts =
        pvcheck_gates::collect_m2(op, &world.config, &ready, Order::Drained).await.expect("configured");
    assert!(dead.load(Ordering::SeqCst), "the step `{step}` never began");
    (world, facts)
}

/// Tasks that take this long to stop, so that a step takes longer than the watch needs to notice.
fn stopping_in(time: Duration) -> Model {
    let mut model = cc_ci();
    model.settings_mut().timings.stop = time;
    model
}

fn assert_nothing_left(world: &World) {
    let left = world.sim.with_model(|model| {
        let services = model.respond("GET", "/services", b"").value();
        let names = services.as_array().expect("a list").iter().map(|s| s["Spec"]["Name"].to_string());
        names.filter(|name| name.contains("pvcheck")).collect::<Vec<_>>()
    });
    assert_eq!(left, [] as [&str; 0], "the traffic was not stopped, or not swept");
}

#[tokio::test]
async fn a_route_that_dies_during_the_canary_stops_the_gate_before_the_churn() {
    let (world, facts) = run(dying_at(stopping_in(Duration::from_secs(1)), "canary: deploying").await).await;
    let died = Unseen::CoreRouteDied { route: "drone".into() };
    assert!(matches!(&facts.churn.seen, Seen::Unknown(why) if *why == died), "{:?}", facts.churn.seen);
    let report = judge_m2(&world.config, &facts);
    let open = open(&report);
    for expected in [
        ("routes.during", Fail),
        ("routes.after", Fail),
        ("churn.leaks", Unknown),
        ("overlay.leaked", Unknown),
    ] {
        assert!(open.contains(&expected), "{open:?}");
    }
    assert!(reason(&report, "routes.during").contains("drone: "), "{}", reason(&report, "routes.during"));
    assert!(!facts.was_refused(), "it had begun, so that this is a finding");
    assert_eq!(report.verdict, Fail);
    assert_nothing_left(&world);
}

#[tokio::test]
async fn a_route_that_dies_during_the_churn_stops_it_and_the_run_is_swept() {
    // The step takes until the watch has asked twice, whatever the machine does meanwhile.
    let (world, facts) = run(dying_at(stopping_in(Duration::from_secs(15)), "churn round 1").await).await;
    let watch = facts.routes_during.known().expect("it was watched");
    assert_eq!(watch.died, Some(GateStep::Churn));
    assert_eq!(watch.routes.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["drone"]);
    let report = judge_m2(&world.config, &facts);
    let churn = report.checks.iter().filter(|c| c.id.starts_with("churn."));
    assert!(churn.clone().count() == 4 && churn.clone().all(|c| c.verdict == Unknown), "{:?}", open(&report));
    assert!(
        churn.clone().all(|c| c.reason.to_string().contains("core route drone died")),
        "{:?}",
        open(&report)
    );
    assert!(reason(&report, "routes.during").starts_with("during the churn: drone: "));
    assert!(facts.canary.known().is_some_and(|canary| canary.left.is_empty()), "{:?}", facts.canary);
    assert_nothing_left(&world);
}

/// One request that is lost is not a dead route.
#[tokio::test]
async fn a_route_that_answers_the_second_time_is_alive() {
    let (world, dead, step) = dying_at(cc_ci(), "canary: deploying").await;
    let revived = Arc::clone(&dead);
    tokio::spawn(async move {
        while !revived.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        // Less than the time after which it is asked again.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        revived.store(false, Ordering::SeqCst);
    });
    let ready = pvcheck_gates::preflight(&world.engine, &world.config).await.expect("ready");
    let id = RunId::unique();
    let fell = AtomicBool::new(false);
    let watch = |progress: Progress| {
        let begins = matches!(&progress, Progress::Step(text) if text.starts_with(step));
        if begins && !fell.swap(true, Ordering::SeqCst) {
            dead.store(true, Ordering::SeqCst);
        }
    };
    let op = Operation::new(&world.engine, Permit::granted_by_operator(), &id, &watch);
    let facts =
        pvcheck_gates::collect_m2(op, &world.config, &ready, Order::Drained).await.expect("configured");
    assert!(fell.load(Ordering::SeqCst));
    assert_open(&judge_m2(&world.config, &facts), &[]);
}
