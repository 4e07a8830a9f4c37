//! What a configuration may say of any Swarm: stacks, patterns and numbers of services, groups of routes, the log since a
//! date and by node.

use std::time::Duration;

use Verdict::{Fail, Pass, Unknown};
use jiff::SignedDuration;
use pvcheck_audit::{NodeId, Snapshot, Task, TaskState};
use pvcheck_gates::{Config, GateReport, M1Facts, PreflightError, Seen, Unseen, Verdict, judge_m1, judge_m2};
use pvcheck_journal::{Catalogue, Record, Scan, Scanner, Since};
use pvcheck_sim::ServiceDraft;
use pvcheck_swarm::Order;
use tokio::net::TcpListener;

use crate::collect::{World, m1_run, m2_run};
use crate::support::*;

/// The report of these facts under the world's configuration and these lines.
pub(crate) fn judged(facts: &M1Facts, lines: &str) -> GateReport {
    let text = config_text() + lines;
    judge_m1(&Config::parse("any.toml", &text).expect("a sound configuration"), facts)
}

/// The world with these services, settled.
async fn world_of(drafts: impl IntoIterator<Item = ServiceDraft>) -> M1Facts {
    let mut model = cc_ci();
    for draft in drafts {
        model.create_service(draft.json()).expect("a fresh name");
    }
    model.advance(SETTLE);
    facts(model).await
}

fn tasks_of<'a>(snapshot: &'a mut Snapshot, service: &str) -> Vec<&'a mut Task> {
    let id = snapshot.service_named(service).expect("there").id.clone();
    snapshot.tasks.iter_mut().filter(|task| task.service.as_ref() == Some(&id)).collect()
}

/// A shop of two services, one of them global, and a guest of no stack.
async fn shop() -> M1Facts {
    world_of([
        ServiceDraft::new("shop_app").stack("shop").replicas(3),
        ServiceDraft::new("shop_agent").stack("shop").global(),
        ServiceDraft::new("guest"),
    ])
    .await
}

const STACK: &str = "[[service]]\nstack = \"shop\"\n";
const ALIKE: &str = "[[service]]\nname = \"shop_*\"\n";

#[tokio::test]
async fn a_stack_and_a_pattern_are_a_check_over_every_service_that_they_name() {
    let facts = shop().await;
    for (lines, id) in [(STACK, "service.@shop"), (ALIKE, "service.shop_*")] {
        let report = judged(&facts, lines);
        assert_open(&report, &[]);
        assert_eq!(
            reason(&report, id),
            "2 services run as they should: shop_agent (1/1 running), shop_app (3/3 running)"
        );
        let check = report.checks.iter().find(|check| check.id == id).expect("there");
        let lines: Vec<&str> = check.evidence.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            lines,
            ["shop_agent 1/1 running, one per node asked for", "shop_app 3/3 running, 3 asked for"]
        );
        assert_eq!(notes(&report), [("services.unlisted", Fail)], "the guest alone is listed nowhere");
        assert!(reason(&report, "services.unlisted").starts_with("not in the configuration: guest ("));
    }
    let title =
        |lines: &str| judged(&facts, lines).checks.iter().map(|c| c.title.clone()).collect::<Vec<_>>();
    assert!(title(STACK).contains(&"every service of stack shop runs".to_owned()), "{:?}", title(STACK));
    let named = "every service named shop_* runs".to_owned();
    assert!(title(ALIKE).contains(&named), "{:?}", title(ALIKE));
    let everything = judged(&facts, "[[service]]\nname = \"*\"\n");
    assert_eq!((everything.verdict, notes(&everything)), (Pass, Vec::new()));
}

#[tokio::test]
async fn a_stack_or_a_pattern_that_names_nothing_fails() {
    let facts = shop().await;
    for (lines, id, said) in [
        ("[[service]]\nstack = \"shoe\"\n", "service.@shoe", "no service of the Swarm is of stack shoe; "),
        ("[[service]]\nname = \"shoe_*\"\n", "service.shoe_*", "no service of the Swarm is named shoe_*; "),
        ("[[service]]\nname = \"sho\"\n", "service.sho", "there is no service `sho`"),
    ] {
        let report = judged(&facts, lines);
        assert_open(&report, &[(id, Fail)]);
        assert!(reason(&report, id).starts_with(said), "{}", reason(&report, id));
    }
    let mut own = facts;
    for service in &mut of(&mut own.snapshot).services {
        service.run = service.name.starts_with("shop_").then(|| "r1".to_owned());
    }
    assert_open(&judged(&own, STACK), &[("service.@shop", Fail)]);
    assert_open(&judged(&own, ALIKE), &[("service.shop_*", Fail)]);
}

#[tokio::test]
async fn one_service_at_fault_fails_its_stack_and_is_named() {
    let mut facts = shop().await;
    tasks_of(of(&mut facts.snapshot), "shop_app")[0].state = TaskState::Failed;
    let report = judged(&facts, STACK);
    assert_open(&report, &[("service.@shop", Fail)]);
    assert_eq!(reason(&report, "service.@shop"), "shop_app: 2 of 3 tasks run (3 asked for)");

    let on_proxy = judged(&shop().await, &format!("{STACK}overlay = true\n"));
    assert_open(&on_proxy, &[("service.@shop", Fail)]);
    let said = reason(&on_proxy, "service.@shop");
    assert!(said.contains("shop_agent: it has no virtual address on proxy"), "{said}");
    let scaled = world_of([ServiceDraft::new("shop_app").stack("shop").replicas(0)]).await;
    assert_open(&judged(&scaled, STACK), &[("service.@shop", Fail)]);
}

#[tokio::test]
async fn at_least_so_many_tasks_run_of_a_service_that_asks_for_so_many() {
    let three = || world_of([ServiceDraft::new("extra").replicas(3)]);
    let under = |facts: &M1Facts, least: u32| {
        judged(facts, &format!("[[service]]\nname = \"extra\"\nat_least = {least}\n"))
    };
    let mut facts = three().await;
    assert_eq!(reason(&under(&facts, 2), "service.extra"), "3 tasks run, of 3 asked for; 2 are enough");
    tasks_of(of(&mut facts.snapshot), "extra")[0].state = TaskState::Failed;
    assert_open(&under(&facts, 2), &[]);
    assert_open(&under(&facts, 3), &[("service.extra", Fail)]);
    let more = under(&three().await, 4);
    assert_open(&more, &[("service.extra", Fail)]);
    let said = reason(&more, "service.extra");
    assert!(
        said.contains("3 of 4 tasks run") && said.contains("at_least = 4, the service asks for 3"),
        "{said}"
    );

    let global = world_of([ServiceDraft::new("extra").global()]).await;
    assert_open(&under(&global, 1), &[]);
    let short = under(&global, 2);
    assert_open(&short, &[("service.extra", Fail)]);
    assert!(reason(&short, "service.extra").starts_with("1 of 2 tasks run"));
}

const JOB: &str = "[[service]]\nname = \"extra\"\n";

fn job(completions: u64, finishes: Duration) -> ServiceDraft {
    ServiceDraft::new("extra").replicated_job(completions, completions).finishes_in(finishes)
}

#[tokio::test]
async fn a_job_whose_task_failed_is_told_with_its_error_and_a_retry_that_ended_well_counts() {
    let mut facts = world_of([job(2, Duration::from_hours(1))]).await;
    let mut tasks = tasks_of(of(&mut facts.snapshot), "extra");
    tasks[0].state = TaskState::Complete;
    (tasks[1].state, tasks[1].desired) = (TaskState::Failed, TaskState::Shutdown);
    tasks[1].error = "task: non-zero exit (1)".into();
    let again = Task { id: pvcheck_audit::TaskId::new("again"), error: String::new(), ..tasks[1].clone() };
    let report = judged(&facts, JOB);
    assert_open(&report, &[("service.extra", Fail)]);
    assert_eq!(
        reason(&report, "service.extra"),
        "a job: 1 of 2 tasks complete, 1 failed, the last one so: task: non-zero exit (1)"
    );
    let retry = |state| Task { state, desired: TaskState::Complete, ..again.clone() };
    let mut retried = facts.clone();
    of(&mut retried.snapshot).tasks.push(retry(TaskState::Complete));
    assert_open(&judged(&retried, JOB), &[]);
    // It may fail again, so that it is no better before it has ended.
    of(&mut facts.snapshot).tasks.push(retry(TaskState::Running));
    assert_open(&judged(&facts, JOB), &[("service.extra", Fail)]);
}

#[tokio::test]
async fn a_global_job_that_failed_for_good_on_one_node_is_not_complete() {
    let mut model = cc_ci();
    model.add_node(false);
    let draft = ServiceDraft::new("extra").global_job().finishes_in(Duration::from_millis(50));
    model.create_service(draft.json()).expect("fresh");
    model.advance(SETTLE);
    let mut facts = facts(model).await;
    assert_open(&judged(&facts, JOB), &[]);
    let mut tasks = tasks_of(of(&mut facts.snapshot), "extra");
    assert_eq!(tasks.len(), 2);
    (tasks[0].state, tasks[0].desired) = (TaskState::Rejected, TaskState::Shutdown);
    let report = judged(&facts, JOB);
    assert_open(&report, &[("service.extra", Fail)]);
    assert_eq!(
        reason(&report, "service.extra"),
        "a job: 1 of 2 tasks complete, 1 failed, the last one so: rejected without a word"
    );
}

/// Ended tasks of earlier executions stay in the store.
#[tokio::test]
async fn what_an_earlier_execution_of_a_job_did_counts_for_nothing() {
    let mut facts = world_of([job(2, Duration::from_millis(50))]).await;
    assert_open(&judged(&facts, JOB), &[]);
    let snapshot = of(&mut facts.snapshot);
    let extra = snapshot.services.iter_mut().find(|s| s.name == "extra").expect("there");
    assert_eq!(extra.iteration, Some(0), "the engine says which execution it is");
    extra.iteration = Some(1);
    let report = judged(&facts, JOB);
    assert_open(&report, &[("service.extra", Fail)]);
    assert_eq!(reason(&report, "service.extra"), "a job: 0 of 2 tasks complete, 0 run");
}

#[tokio::test]
async fn a_job_under_way_in_a_stack_leaves_the_stack_unknown_and_a_fault_beside_it_fails() {
    let mut facts = world_of([
        ServiceDraft::new("shop_app").stack("shop"),
        ServiceDraft::new("shop_job").stack("shop").replicated_job(1, 1).finishes_in(Duration::from_hours(1)),
    ])
    .await;
    let report = judged(&facts, STACK);
    assert_open(&report, &[("service.@shop", Unknown)]);
    assert_eq!(
        reason(&report, "service.@shop"),
        "under way: shop_job (0/1 complete, 1 running); judge again when it has ended"
    );
    tasks_of(of(&mut facts.snapshot), "shop_app")[0].state = TaskState::Failed;
    assert_open(&judged(&facts, STACK), &[("service.@shop", Fail)]);
}

#[test]
fn what_an_entry_cannot_mean_is_told_with_the_entry_s_line_and_every_one_at_once() {
    let text = "[[service]]\nname = \"a\"\n\n[[service]]\nname = \"b\"\nstack = \"b\"\n\n[[service]]\nreplicas = 1\n\n\
        [[journal.node]]\nnode = \"m1\"\nunit = \"x\"\n[[journal.node]]\nnode = \"m2\"\n";
    let path = std::path::Path::new("any.toml");
    let all = Config::of_file_with_all_errors(path, text).expect_err("three are wrong");
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), 3, "{all:?}");
    for (error, begins) in all.iter().zip(["any.toml:4:1: ", "any.toml:8:1: ", "any.toml:14:1: "]) {
        assert!(error.starts_with(begins), "{begins}: {error}");
    }
}

// --- Groups of routes ---

const GROUPED: &str = "[[route_group]]\nname = \"inner\"\naddress = \"192.0.2.1:443\"\nca = \"inner.pem\"\n\
    expect = [\"2xx\"]\nhttp = \"1.1\"\ndeadline_ms = 500\n\
    [route_group.conditions]\nwithin_ms = 400\nheaders = [{ name = \"x-a\" }]\ntls = { min_days_left = 7 }\n\
    [[route]]\nname = \"all\"\nurl = \"https://a.test/\"\ngroup = \"inner\"\n\
    [[route]]\nname = \"own\"\nurl = \"https://b.test/\"\ngroup = \"inner\"\naddress = \"192.0.2.2:443\"\n\
    expect = [303]\nhttp = \"2\"\ndeadline_ms = 900\n[route.request]\nca = \"own.pem\"\n\
    [route.conditions]\nwithin_ms = 800\nredirect = \"/login\"\ntls = { min_version = \"1.3\" }\n\
    [[route]]\nname = \"none\"\nurl = \"https://c.test/\"\n";

#[test]
fn a_route_has_what_its_group_says_and_overrides_each_field() {
    let config = Config::parse("any.toml", GROUPED).expect("sound");
    let specs = config.route_specs();
    let said = |n: usize| {
        let spec = &specs[n];
        let expected: Vec<String> = spec.expected.iter().map(ToString::to_string).collect();
        let address: Vec<String> = spec.address.as_slice().iter().map(ToString::to_string).collect();
        let ca = spec.request.ca.as_ref().map(|ca| ca.display().to_string()).unwrap_or_default();
        let http = spec.http.map_or("", |http| http.as_str());
        format!("{} {} {http} {} {ca}", expected.join(","), address.join(","), spec.deadline.as_millis())
    };
    assert_eq!(said(0), "2xx 192.0.2.1:443 1.1 500 inner.pem");
    assert_eq!(said(1), "303 192.0.2.2:443 2 900 own.pem");
    assert_eq!(said(2), "200   10000 ");
    let conditions = |n: usize| {
        let of = &specs[n].conditions;
        let tls = (of.tls.min_days_left, of.tls.min_version.is_some());
        (of.headers.len(), of.redirect.is_some(), of.within_ms.map(std::num::NonZeroU64::get), tls)
    };
    assert_eq!(conditions(0), (1, false, Some(400), (Some(7), false)));
    assert_eq!(conditions(1), (1, true, Some(800), (Some(7), true)));
    assert!(specs[2].conditions.is_empty());
    let title = |lines: &str| {
        let text = format!("{GROUPED}{lines}[[gate]]\nname = \"g\"\nchecks = [\"route.@inner\"]\n");
        let config = Config::parse("any.toml", &text).expect("sound");
        pvcheck_gates::OwnGate::all(&config, None)
            .map(|gates| gates[0].check_ids())
            .map_err(|e| e.to_string())
    };
    assert_eq!(title(""), Ok(vec!["route.all".to_owned(), "route.own".to_owned()]));
}

#[test]
fn a_group_s_authorities_are_none_of_a_route_without_tls_and_its_conditions_are_judged_with_the_route() {
    let plain = GROUPED.replace("url = \"https://a.test/\"", "url = \"http://a.test/\"");
    let refused = |text: &str| Config::parse("any.toml", text).expect_err("refused").to_string();
    assert!(refused(&plain).contains("route `all`"), "a condition on TLS: {}", refused(&plain));
    let text = plain.replace("tls = { min_days_left = 7 }\n", "");
    let config = Config::parse("any.toml", &text).expect("sound");
    assert_eq!(config.route_specs()[0].request.ca, None);
    let slow = GROUPED.replace("within_ms = 400", "within_ms = 600");
    assert!(refused(&slow).contains("deadline_ms"), "{}", refused(&slow));
}

#[test]
fn a_group_that_is_not_there_or_there_twice_is_refused() {
    let refused = |text: &str| Config::parse("any.toml", text).expect_err("refused").to_string();
    let missing = refused(&GROUPED.replacen("group = \"inner\"", "group = \"iner\"", 1));
    assert!(missing.contains("[[route]] `all` is in group `iner`; the groups here are inner;"), "{missing}");
    let alone = "[[route]]\nname = \"a\"\nurl = \"https://a.test/\"\ngroup = \"x\"\n";
    assert!(refused(alone).contains("add a [[route_group]] of that name"), "{}", refused(alone));
    let twice = refused(&format!("{GROUPED}[[route_group]]\nname = \"inner\"\n"));
    assert!(twice.contains("[[route_group]] `inner` is there twice"), "{twice}");
    let unknown = refused("[[route_group]]\nname = \"x\"\nurl = \"y\"\n");
    assert!(unknown.starts_with("any.toml:3:1: "), "{unknown}");
}

/// A world with a second route, at a port where nothing listens, with these fields.
async fn with_dead_route(fields: &str) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let route = format!(
        "[[route_group]]\nname = \"aside\"\ncore = false\n\
         [[route]]\nname = \"drone\"\nurl = \"http://drone.test/\"\naddress = \"{address}\"\n{fields}\n[canary]"
    );
    World::with(cc_ci(), |text| text.replacen("[canary]", &route, 1)).await
}

#[tokio::test]
async fn a_route_that_is_not_core_keeps_no_stack_from_being_deployed_and_a_core_one_does() {
    for (fields, is_core) in
        [("group = \"aside\"", false), ("core = false", false), ("group = \"aside\"\ncore = true", true)]
    {
        let world = with_dead_route(fields).await;
        let facts = m2_run(&world, Order::Drained).await.expect("configured");
        let report = judge_m2(&world.config, &facts);
        if is_core {
            assert_eq!(verdict(&report, "routes.before"), Fail, "{fields}");
            assert!(facts.was_refused(), "{fields}");
        } else {
            assert_open(&report, &[]);
            let asked = facts.routes.known().expect("asked");
            assert!(asked.iter().all(|fact| fact.name != "drone"), "{fields}");
        }
        // It is judged where it is the check's own.
        let control = judge_m1(&world.config, &m1_run(&world).await);
        assert_eq!(verdict(&control, "route.drone"), Fail);
    }
}

// --- The log since a date, and by node ---

const LATER: &str =
    r#"time="2026-06-13T05:35:00.000000000Z" level=info msg="API listen on /var/run/docker.sock""#;

/// A scan of these lines since a moment.
fn scan_since(lines: &[&str], since: &str) -> Scan {
    let since = Since::At(since.parse().expect("a time"));
    let mut scanner = Scanner::since(Catalogue::builtin(), since, None).source("file engine.log");
    for line in lines {
        scanner.push(&Record::parse_line(line.as_bytes()));
    }
    scanner.finish()
}

/// The gate over a log with an exhaustion at 05:31, judged since then.
pub(crate) async fn since(since: &str) -> GateReport {
    let [first, second, third] = QUIET_LOG;
    let mut facts = facts(cc_ci()).await;
    facts.journal = known("engine log", scan_since(&[first, second, third, EXHAUSTED, LATER], since));
    judged(&facts, &format!("[journal]\nsince = \"{since}\"\n"))
}

#[tokio::test]
async fn what_stood_in_the_log_before_since_is_mended_and_named() {
    let report = since("2026-06-13T05:32:00Z").await;
    assert_open(&report, &[]);
    let check = report.checks.iter().find(|check| check.id == "journal.exhaustion").expect("there");
    assert_eq!(check.title, "No exhaustion in the engine's log since 2026-06-13T05:32:00Z");
    let said =
        "judged from 2026-06-13T05:32:00Z on, by [journal] since; before that the log has 1 × vip-exhausted";
    assert!(check.evidence.iter().any(|line| line.text == said), "{:?}", check.evidence);
}

#[tokio::test]
async fn since_is_no_way_past_an_exhaustion_after_it_nor_past_a_log_that_does_not_tell() {
    let after = since("2026-06-13T05:30:30Z").await;
    assert_open(&after, &[("journal.exhaustion", Fail)]);
    for (from, part) in [
        ("2026-06-13T00:00:00Z", "1 record says"),
        ("2026-06-13T05:36:00Z", "in the window"),
        ("2026-06-13T05:39:00Z", "nothing of it is judged yet; correct `since`"),
    ] {
        let report = since(from).await;
        let said = reason(&report, "journal.exhaustion");
        assert!(report.verdict != Pass && said.contains(part), "{from}: {said}");
    }
    let mut facts = facts(cc_ci()).await;
    let quiet = [QUIET_LOG[0], QUIET_LOG[1], LATER];
    facts.journal = known("engine log", scan_since(&quiet, "2026-06-13T00:00:00Z"));
    let report = judged(&facts, "[journal]\nsince = \"2026-06-13\"\n");
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
    let said = reason(&report, "journal.exhaustion");
    assert!(said.contains("asked from 2026-06-13T00:00:00Z on, and the log begins at"), "{said}");
}

/// Facts of before `since` was in the configuration say nothing of the time that it names.
#[tokio::test]
async fn a_log_that_was_scanned_from_elsewhere_on_is_no_proof() {
    let facts = facts(cc_ci()).await;
    let report = judged(&facts, "[journal]\nsince = \"2026-06-12\"\n");
    assert_open(&report, &[("journal.exhaustion", Unknown)]);
}

/// A Swarm of three managers whose engine asked follows, with the log of this node.
pub(crate) async fn of_managers(log_node: Option<&str>) -> GateReport {
    judge_m1(&config(), &managers(log_node).await)
}

async fn managers(log_node: Option<&str>) -> M1Facts {
    let mut facts = facts(cc_ci()).await;
    let snapshot = of(&mut facts.snapshot);
    for id in ["n8", "n9"] {
        let mut other = snapshot.nodes[0].clone();
        (other.id, other.hostname, other.leader) = (NodeId::new(id), id.into(), id == "n9");
        snapshot.nodes.push(other);
    }
    snapshot.nodes[0].leader = false;
    facts.log_node = log_node.map(NodeId::new);
    facts
}

#[tokio::test]
async fn a_copy_that_ends_long_before_it_is_read_is_no_proof() {
    let mut facts = managers(Some("n9")).await;
    let last = facts.journal.known().and_then(|scan| scan.coverage?.last).expect("its records have times");
    for (minutes, open) in [(59, vec![]), (61, vec![("journal.exhaustion", Unknown)])] {
        facts.journal.at = last + SignedDuration::from_mins(minutes);
        assert_open(&judge_m1(&config(), &facts), &open);
    }
    let said = reason(&judge_m1(&config(), &facts), "journal.exhaustion");
    assert!(said.ends_with("1 hour before it was read; copy it again"), "{said}");
}

/// Before its election another manager logged what ran out, in a log that is not read.
#[tokio::test]
async fn a_leader_that_was_elected_after_since_is_no_proof_of_the_time_before() {
    const ELECTED: &str = r#"time="2026-06-13T05:33:00.000000000Z" level=info msg="raft.node: 38f174ddaf85df23 elected leader 38f174ddaf85df23 at term 3""#;
    let mut facts = managers(Some("n9")).await;
    let [first, second, third] = QUIET_LOG;
    let log = [first, second, third, ELECTED, LATER];
    for (since, open) in
        [("2026-06-13T05:32:00Z", vec![("journal.exhaustion", Unknown)]), ("2026-06-13T05:34:00Z", vec![])]
    {
        facts.journal = known("engine log", scan_since(&log, since));
        let report = judged(&facts, &format!("[journal]\nsince = \"{since}\"\n"));
        assert_open(&report, &open);
    }
}

#[tokio::test]
async fn the_log_that_is_judged_is_the_leader_s_whichever_engine_was_asked() {
    assert_open(&of_managers(Some("n9")).await, &[]);
    for other in [Some("n8"), None] {
        assert_open(&of_managers(other).await, &[("journal.exhaustion", Unknown)]);
    }
}

/// A world of two managers, of which the first leads, with these logs.
async fn with_logs(logs: &str) -> World {
    let mut model = cc_ci();
    model.add_node(true);
    model.advance(SETTLE);
    World::with(model, |text| text.replacen("[journal]\nfile = \"engine.log\"\n", logs, 1)).await
}

#[tokio::test]
async fn of_the_logs_of_several_nodes_the_leader_s_is_read() {
    let world = with_logs("").await;
    let snapshot = world.engine.snapshot().await.expect("healthy");
    let leader = snapshot.nodes.iter().find(|node| node.leader).expect("one leads").clone();
    let other = snapshot.nodes.iter().find(|node| !node.leader).expect("one follows").clone();
    let logs = format!(
        "[[journal.node]]\nnode = \"{}\"\nfile = \"none.log\"\n[[journal.node]]\nnode = \"{}\"\nfile = \"engine.log\"\n",
        other.hostname, leader.hostname
    );
    let both = with_logs(&logs).await;
    let facts = m1_run(&both).await;
    assert_eq!(facts.journal.source, format!("engine log of {}", leader.hostname));
    assert_eq!(verdict(&judge_m1(&both.config, &facts), "journal.exhaustion"), Pass);
    let lacking = format!("[[journal.node]]\nnode = \"{}\"\nfile = \"engine.log\"\n", other.hostname);
    let world = with_logs(&lacking).await;
    let facts = m1_run(&world).await;
    let why = Unseen::LogOfLeaderNotConfigured {
        leader: leader.hostname.clone(),
        nodes: vec![other.hostname.clone()],
    };
    assert_eq!(facts.journal.seen, Seen::Unknown(why));
    let report = judge_m1(&world.config, &facts);
    assert_eq!(verdict(&report, "journal.exhaustion"), Unknown);
    let said = reason(&report, "journal.exhaustion");
    assert!(said.contains(&format!("add the log of {}", leader.hostname)), "{said}");
    world.sim.clear_requests();
    let error = m2_run(&world, Order::Drained).await.expect_err("nothing is deployed without a log");
    assert!(matches!(&error, PreflightError::NoLog(_)), "{error}");
    assert_eq!(world.writes(), Vec::<String>::new());
}
