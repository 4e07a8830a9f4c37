//! A team's own run: a script of the test that runs beside the embedded engine, and then its facts, one break at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use Verdict::{Fail, Pass, Unknown};
use jiff::{SignedDuration, Timestamp};
use pvcheck_gates::{
    After, AfterWhat, GateReport, HarnessEnd, HarnessFact, HarnessHow, HarnessResult, HarnessRun, M2Facts,
    ResultFile, ResultSaid, Seen, Tier, TierOutcome, Verdict, judge_m2,
};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft, Sim};
use pvcheck_swarm::Order;
use tokio::sync::OnceCell;

use crate::collect::{World, m2_run};
use crate::support::*;

/// Says that it is at work, waits until what it deploys is there and gone again, and writes what it came to.
const SCRIPT: &str = r#"started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
touch running
while [ ! -e torn-down ]; do sleep 0.02; done
cat > result.json <<END
{"started_at": "$started", "level": 5, "clean_teardown": true, "no_secret_leak": true, "recipe": "shop",
 "tiers": {"install": "pass", "upgrade": "pass", "backup": "pass", "restore": "RESTORE", "custom": "pass"}}
END
echo all done
"#;

const HARNESS: &str = "[[harness]]\nname = \"shop\"\ncommand = [\"sh\", \"harness.sh\"]\nresult = \"result.json\"\n\
    timeout_s = 60\nlevel = 5\n[canary]";

/// A world with a harness whose tier `restore` ends in this way.
async fn world(script: &str, harness: &str) -> World {
    let world = World::with(cc_ci(), |text| text.replacen("[canary]", harness, 1)).await;
    std::fs::write(world.path("harness.sh"), script).expect("a folder of the test");
    world
}

fn ending(restore: &str) -> String {
    SCRIPT.replace("RESTORE", restore)
}

/// How often the Swarm was read.
fn looks(sim: &Sim) -> usize {
    sim.requests().iter().filter(|request| request.target.ends_with("/tasks")).count()
}

async fn until(is_so: impl Fn() -> bool) {
    let patience = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), patience).await.expect("it never was so");
}

/// The other half of the script: as soon as it runs, something changes in the Swarm, is seen, and goes again.
async fn beside(sim: Arc<Sim>, folder: &Path, up: impl FnOnce(&mut Model), down: impl FnOnce(&mut Model)) {
    let running = folder.join("running");
    until(|| running.exists()).await;
    sim.with_model(up);
    let before = looks(&sim);
    // Two whole looks, and one that was under way.
    until(|| before + 3 <= looks(&sim)).await;
    sim.with_model(down);
    std::fs::write(folder.join("torn-down"), "").expect("a folder of the test");
}

fn deployed(model: &mut Model) {
    model.create_service(ServiceDraft::new("shop_app").on("proxy").json()).expect("a fresh name");
}

fn removed(model: &mut Model) {
    model.remove_service("shop_app").expect("it is there");
}

/// The facts of a whole gate, with these changes of the Swarm while the harness runs.
async fn run(world: &World, up: impl FnOnce(&mut Model), down: impl FnOnce(&mut Model)) -> M2Facts {
    let folder = world.path("");
    let (facts, ()) =
        tokio::join!(m2_run(world, Order::Drained), beside(Arc::clone(&world.sim), &folder, up, down),);
    facts.expect("everything is configured")
}

static HEALTHY: OnceCell<(World, M2Facts)> = OnceCell::const_new();

/// The facts of one run that is as it should be, which all tests share.
async fn healthy() -> &'static (World, M2Facts) {
    HEALTHY
        .get_or_init(|| async {
            let world = world(&ending("pass"), HARNESS).await;
            let facts = run(&world, deployed, removed).await;
            (world, facts)
        })
        .await
}

/// The healthy facts with one thing changed.
pub(crate) async fn with(change: impl FnOnce(&mut HarnessFact)) -> GateReport {
    let (world, facts) = healthy().await;
    let mut facts = facts.clone();
    change(&mut of(&mut facts.harness)[0]);
    judge_m2(&world.config, &facts)
}

fn file(fact: &mut HarnessFact) -> &mut ResultFile {
    match &mut fact.result {
        Seen::Known(file) => file,
        Seen::Unknown(why) => panic!("{why}"),
    }
}

fn result(fact: &mut HarnessFact) -> &mut HarnessResult {
    match &mut file(fact).said {
        ResultSaid::Sound(result) => result,
        ResultSaid::Unsound(fault) => panic!("{fault}"),
    }
}

fn ran(fact: &mut HarnessFact) -> &mut HarnessRun {
    match &mut fact.how {
        HarnessHow::Ran(run) => run,
        HarnessHow::Offered => panic!("it was run"),
    }
}

fn restore(outcome: TierOutcome) -> impl FnOnce(&mut HarnessFact) {
    move |fact| {
        let tiers = &mut result(fact).tiers;
        tiers.iter_mut().find(|(tier, _)| *tier == Tier::Restore).expect("there").1 = outcome;
    }
}

/// The result as one that something else has made, which must be of after this much before its start.
fn offered(before: SignedDuration) -> impl FnOnce(&mut HarnessFact) {
    move |fact| {
        let at = result(fact).started_at.checked_sub(before).expect("a time");
        (fact.how, fact.after) = (HarnessHow::Offered, Some(After { at, of: AfterWhat::Since }));
    }
}

/// Every way to break it: what is broken, the report, and what becomes of its check.
pub(crate) async fn broken() -> Vec<(&'static str, GateReport, Option<Verdict>)> {
    let minute = SignedDuration::from_mins(1);
    let unsound = |fact: &mut HarnessFact| {
        file(fact).said = ResultSaid::Unsound(pvcheck_gates::ResultFault::NoJson { line: 3, column: 7 });
    };
    vec![
        ("nothing, with a harness", with(|_| ()).await, None),
        ("the harness ends with 3", with(|f| ran(f).end = HarnessEnd::Code { code: 3 }).await, Some(Fail)),
        (
            "the harness does not end",
            with(|f| ran(f).end = HarnessEnd::Late { seconds: 60 }).await,
            Some(Fail),
        ),
        ("a signal ends the harness", with(|f| ran(f).end = HarnessEnd::Signal).await, Some(Fail)),
        (
            "the harness is not there",
            with(|f| ran(f).end = HarnessEnd::NotStarted { why: "no such file".into() }).await,
            Some(Unknown),
        ),
        ("a tier fails", with(restore(TierOutcome::Fail)).await, Some(Fail)),
        ("a tier is left out", with(restore(TierOutcome::Skip)).await, Some(Unknown)),
        ("a tier is not verified", with(restore(TierOutcome::Unver)).await, Some(Unknown)),
        ("a tier is missing", with(|f| result(f).tiers.truncate(4)).await, Some(Unknown)),
        ("the level is too low", with(|f| result(f).level = 4).await, Some(Fail)),
        ("the harness leaves something", with(|f| result(f).clean_teardown = false).await, Some(Fail)),
        ("its service is still there", with(|f| f.watch.left = vec!["shop_app".into()]).await, Some(Fail)),
        (
            "its end was not seen, and a look before had its service",
            with(|f| {
                (f.watch.seen_at_end, f.watch.missed) = (false, Some("no answer".into()));
                f.watch.left = vec!["shop_app".into()];
            })
            .await,
            Some(Unknown),
        ),
        ("a secret got out", with(|f| result(f).no_secret_leak = false).await, Some(Fail)),
        ("the result is of before the run", with(|f| file(f).is_new = false).await, Some(Unknown)),
        (
            "the result says that it started before the run",
            with(|f| result(f).started_at = Timestamp::UNIX_EPOCH).await,
            Some(Unknown),
        ),
        ("the result is still to come", with(|f| result(f).started_at = Timestamp::MAX).await, Some(Unknown)),
        ("the result is no JSON", with(unsound).await, Some(Unknown)),
        (
            "there is no result",
            with(|f| f.result = Seen::Unknown(failed("no such file"))).await,
            Some(Unknown),
        ),
        ("the harness did not touch the overlay", with(|f| f.watch.joined.clear()).await, Some(Unknown)),
        (
            "the Swarm was not seen meanwhile",
            with(|f| (f.watch.joined, f.watch.looks) = (Vec::new(), 0)).await,
            Some(Unknown),
        ),
        ("a fresh run is offered", with(offered(minute)).await, None),
        ("a run of before the fix is offered", with(offered(-minute)).await, Some(Unknown)),
        (
            "a run is offered, and nothing says what it is after",
            with(|f| (f.how, f.after) = (HarnessHow::Offered, None)).await,
            Some(Unknown),
        ),
        (
            "an old file is offered with a new time in it",
            with(|f| {
                offered(minute)(f);
                file(f).modified = Timestamp::UNIX_EPOCH;
            })
            .await,
            Some(Unknown),
        ),
    ]
}

fn check(report: &GateReport) -> &pvcheck_gates::CheckReport {
    report.checks.iter().find(|check| check.id == "harness.shop").expect("it has one")
}

#[tokio::test]
async fn a_run_that_is_as_it_should_be_passes_and_its_evidence_can_be_seen_by_anyone() {
    let report = with(|_| ()).await;
    assert_open(&report, &[]);
    let check = check(&report);
    assert_eq!(check.title, "The run shop passes, on proxy");
    let reason = check.reason.to_string();
    assert!(reason.starts_with("5 tiers passed, level 5, on proxy: shop_app 10.10.0."), "{reason}");
    assert!(reason.contains("run by this gate, started "), "{reason}");
    let texts: Vec<&str> = check.evidence.iter().map(|e| e.text.as_str()).collect();
    assert!(texts.contains(&"all done"), "{texts:?}");
    let (world, _) = healthy().await;
    let of_result = check.evidence.iter().find(|e| e.text.contains("/result.json (")).expect("it was read");
    assert_eq!(of_result.command, Some(format!("cat {}", world.path("result.json").display())));
    let text = std::fs::read_to_string(world.path("result.json")).expect("written");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(of_result.digest, hex, "of the file itself");
}

#[tokio::test]
async fn each_way_to_break_it_has_its_verdict_and_a_reason_in_one_line() {
    let mut reasons = std::collections::BTreeSet::new();
    for (broken, report, expected) in broken().await {
        let check = check(&report);
        assert_eq!(check.verdict, expected.unwrap_or(Pass), "{broken}: {}", check.reason);
        let reason = check.reason.to_string();
        assert!(!reason.is_empty() && !reason.contains('\n'), "{broken}: {reason}");
        // An old run is an old run, whatever else is so.
        assert!(reasons.insert(reason.clone()) || expected.is_none(), "{broken}: {reason}");
    }
}

#[tokio::test]
async fn what_was_offered_says_what_its_freshness_rests_on() {
    let fresh = with(offered(SignedDuration::from_mins(1))).await;
    let reason = check(&fresh).reason.to_string();
    assert!(
        reason.contains("offered: by its own `started_at` ") && reason.contains("after `since`"),
        "{reason}"
    );
    let old = with(offered(SignedDuration::from_mins(-1))).await;
    let reason = check(&old).reason.to_string();
    assert!(reason.contains("an old run proves nothing"), "{reason}");
}

#[tokio::test]
async fn a_failed_tier_is_the_recipe_s_where_nothing_waited() {
    let report = with(restore(TierOutcome::Fail)).await;
    let reason = check(&report).reason.to_string();
    assert!(reason.starts_with("tier restore failed (recipe: nothing waited"), "{reason}");
    let down = with(|fact| {
        restore(TierOutcome::Fail)(fact);
        fact.watch.route_down = Some("dashboard".into());
    })
    .await;
    let reason = check(&down).reason.to_string();
    assert!(reason.contains("(infra: core route dashboard was down)"), "{reason}");
    let blind = with(|fact| {
        restore(TierOutcome::Fail)(fact);
        fact.watch.missed = Some("no answer".into());
    })
    .await;
    let reason = check(&blind).reason.to_string();
    assert!(reason.contains("(infra or recipe: the Swarm was not seen all the time)"), "{reason}");
    let not_watched = with(|fact| {
        restore(TierOutcome::Fail)(fact);
        offered(SignedDuration::from_mins(1))(fact);
    })
    .await;
    let reason = check(&not_watched).reason.to_string();
    assert!(reason.contains("(infra or recipe: the run was not watched)"), "{reason}");
}

#[tokio::test]
async fn a_failed_tier_is_unclear_where_no_core_route_could_have_failed() {
    let (world, facts) = healthy().await;
    let text = std::fs::read_to_string(world.config_path()).expect("written");
    let text = text.replacen("name = \"dashboard\"", "name = \"dashboard\"\ncore = false", 1);
    let config = pvcheck_gates::Config::parse("pvcheck.toml", &text).expect("sound");
    let mut facts = facts.clone();
    restore(TierOutcome::Fail)(&mut of(&mut facts.harness)[0]);
    let report = judge_m2(&config, &facts);
    let reason = check(&report).reason.to_string();
    assert!(
        reason.contains("(infra or recipe: nothing waited for an address, and there is no core"),
        "{reason}"
    );
}

/// It joins nothing itself; a service of another, which no configuration names, gets a new task.
#[tokio::test]
async fn a_task_of_a_service_that_was_there_before_is_not_the_harness_s() {
    let world = world(&ending("pass"), HARNESS).await;
    world.sim.with_model(|model| {
        model.create_service(ServiceDraft::new("old_app").on("proxy").json()).expect("a fresh name");
    });
    let another_task = |model: &mut Model| {
        model.scale_service("old_app", 2).expect("it is there");
    };
    let facts = run(&world, another_task, |_| ()).await;
    let report = judge_m2(&world.config, &facts);
    let check = check(&report);
    assert_eq!(check.verdict, Unknown, "{}", check.reason);
    let reason = check.reason.to_string();
    assert!(reason.starts_with("it did not touch proxy"), "{reason}");
}

/// For real: a network fills up while the harness is at work, and the engine says so in its log.
#[tokio::test]
async fn a_failed_tier_is_the_swarm_s_where_something_waited_and_the_log_says_so() {
    let world = world(&ending("fail"), HARNESS).await;
    let up = |model: &mut Model| {
        deployed(model);
        model.create_network(&NetworkDraft::overlay("full").subnet("10.91.0.0/29").json()).expect("fresh");
        let filler = ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
        model.create_service(filler.json()).expect("fresh");
        model.create_service(ServiceDraft::new("late").on("full").json()).expect("fresh");
    };
    let facts = run(&world, up, removed).await;
    let report = judge_m2(&world.config, &facts);
    let check = check(&report);
    let reason = check.reason.to_string();
    assert_eq!(check.verdict, Fail, "{reason}");
    assert!(reason.starts_with("tier restore failed (infra: ") && reason.contains("late"), "{reason}");
    assert!(reason.contains("vip-exhausted"), "the log's word: {reason}");
}

#[tokio::test]
async fn a_service_that_it_leaves_is_named_whatever_it_says() {
    let world = world(&ending("pass"), HARNESS).await;
    let facts = run(&world, deployed, |_| ()).await;
    let report = judge_m2(&world.config, &facts);
    assert_open(&report, &[("harness.shop", Fail)]);
    assert_eq!(reason(&report, "harness.shop"), "not torn down: shop_app");
}

/// The other way round than an old result that is offered: its own command leaves the old one in place.
#[tokio::test]
async fn a_result_that_its_command_did_not_write_proves_nothing() {
    let world = world("touch running; while [ ! -e torn-down ]; do sleep 0.02; done", HARNESS).await;
    let old = ending("pass")
        .split_once("<<END\n")
        .expect("a document")
        .1
        .replace("$started", "2026-06-12T04:56:00Z");
    std::fs::write(world.path("result.json"), old.split("END").next().expect("its text")).expect("a file");
    let facts = run(&world, deployed, removed).await;
    let report = judge_m2(&world.config, &facts);
    assert_open(&report, &[("harness.shop", Unknown)]);
    let reason = reason(&report, "harness.shop");
    assert!(reason.contains("result.json was there before") && reason.contains("old run"), "{reason}");
}

#[tokio::test]
async fn a_result_without_end_and_one_that_is_no_file_are_unknown() {
    for (script, said) in [
        ("head -c 9000000 /dev/zero > result.json", "more than 8 MiB"),
        ("mkdir result.json", "it is no file"),
        ("printf '\\377' > result.json", "no UTF-8"),
        ("true", "No such file"),
    ] {
        let script = format!("touch running; while [ ! -e torn-down ]; do sleep 0.02; done; {script}");
        let world = world(&script, HARNESS).await;
        // Only the harness: the rest of the gate is in the other tests.
        let facts = harness_alone(&world).await;
        assert!(facts.contains(said), "{said}: {facts}");
    }
}

/// The reason of a gate that has the harness alone.
async fn harness_alone(world: &World) -> String {
    let text = std::fs::read_to_string(world.config_path()).expect("written");
    let gate = "[[gate]]\nname = \"alone\"\nchecks = [\"harness.*\"]\n";
    std::fs::write(world.config_path(), format!("{text}\n{gate}")).expect("a folder of the test");
    let config = pvcheck_gates::Config::load(&world.config_path()).expect("sound");
    let own = pvcheck_gates::OwnGate::all(&config, None).expect("sound");
    let ready = pvcheck_gates::preflight(&world.engine, &config).await.expect("ready");
    let id = pvcheck_swarm::RunId::unique();
    let permit = pvcheck_swarm::Permit::granted_by_operator();
    let op = pvcheck_swarm::Operation::new(&world.engine, permit, &id, &pvcheck_swarm::silent);
    let how = pvcheck_gates::OwnCollection {
        record: Path::new("none.json"),
        counting: pvcheck_gates::Counting::Reading,
        deploying: Ok((op, Order::Drained)),
    };
    let read = async { Err::<pvcheck_audit::SavedSnapshot, _>("no check of a plan") };
    let folder = world.path("");
    let silent = pvcheck_swarm::silent;
    let (facts, ()) = tokio::join!(
        pvcheck_gates::collect_own(&world.engine, &own[0], &ready, how, read, &silent),
        beside(Arc::clone(&world.sim), &folder, deployed, removed),
    );
    let report = pvcheck_gates::judge_own(&own[0], &facts.expect("configured"));
    assert_eq!(report.verdict, Unknown);
    reason(&report, "harness.shop")
}
