//! Gates of a configuration's own, what must have passed before a gate, and reports that stay.

use std::time::Duration;

use serde_json::Value;

use crate::support::*;

/// The CI host with these lines in its configuration.
fn rig(lines: &str) -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("[tls]", &format!("{lines}\n[tls]"));
    rig
}

fn weekly(checks: &str) -> Rig {
    rig(&format!("[[gate]]\nname = \"weekly\"\n{checks}"))
}

const WEEKLY: [&str; 5] = ["gate", "run", "weekly", "-o", "json"];

/// Every check of a report with its verdict, advisory ones in brackets.
fn verdicts(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks").iter();
    let said = |check: &Value| {
        let line = format!(
            "{} {}",
            check["id"].as_str().expect("a text"),
            check["verdict"].as_str().expect("a text")
        );
        if check["required"] == true { line } else { format!("({line})") }
    };
    checks.map(said).collect()
}

/// How often the engine was asked for its tasks, which a snapshot needs.
fn snapshots(rig: &Rig) -> usize {
    rig.sim.requests().iter().filter(|r| r.method == "GET" && r.target.ends_with("/tasks")).count()
}

#[test]
fn a_gate_of_ones_own_runs_by_its_name_and_asks_only_what_its_checks_need() {
    let rig = weekly("checks = [\"route.dashboard\"]");
    let done = rig.run(&WEEKLY);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(
        (&done.json()["gate"], verdicts(&done.json())),
        (&"weekly".into(), vec!["route.dashboard PASS".into()])
    );
    assert_eq!(
        (rig.writes(), snapshots(&rig)),
        (Vec::new(), 1),
        "the look at the configuration's overlays alone"
    );

    rig.edit("route.dashboard", "swarm.*\", \"service.*");
    rig.sim.clear_requests();
    let done = rig.run(&[&WEEKLY[..], &["--probe"]].concat());
    assert_eq!(verdicts(&done.json()), ["swarm.waiting PASS", "service.ccci-dashboard_app PASS"]);
    assert_eq!((rig.writes(), snapshots(&rig)), (Vec::new(), 2), "no check needs a count");
}

#[test]
fn its_checks_fail_and_are_unknown_as_in_the_gates_that_they_are_from() {
    let rig = weekly(
        "checks = [\"overlay.*\", \"journal.exhaustion\"]\nadvisory = [\"service.*\", \"overlay.headroom\"]",
    );
    let before = rig.objects();
    let unknown = rig.run(&WEEKLY);
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    let expected = [
        "overlay.subnet PASS",
        "overlay.owners PASS",
        "overlay.leaked UNKNOWN",
        "(overlay.headroom UNKNOWN)",
        "journal.exhaustion PASS",
        "(service.ccci-dashboard_app PASS)",
    ];
    assert_eq!(verdicts(&unknown.json()), expected);
    assert_eq!(rig.run(&[&WEEKLY[..], &["--probe"]].concat()).code, Some(0));
    assert_eq!(rig.objects(), before, "the census has left nothing");
    rig.sim.with_model(|model| model.remove_service("ccci-dashboard_app").expect("there"));
    let note = rig.run(&[&WEEKLY[..], &["--probe"]].concat());
    assert_eq!(note.code, Some(0), "an advisory check is no finding: {note:?}");
    assert_eq!(verdicts(&note.json())[5], "(service.ccci-dashboard_app FAIL)");
    rig.edit("10.10.0.0/24", "10.10.0.0/16");
    let failed = rig.run(&[&WEEKLY[..], &["--probe"]].concat());
    assert_eq!((failed.code, verdicts(&failed.json())[0].as_str()), (Some(1), "overlay.subnet FAIL"));
}

#[test]
fn a_gate_of_ones_own_deploys_with_leave_and_only_what_it_is_about() {
    let mut model = cc_ci();
    // Slow enough for the docker client's order to lose an address.
    model.settings_mut().timings.stop = Duration::from_millis(200);
    let rig = Rig::new(model).configured();
    let checks =
        "checks = [\"churn.*\", \"residue\", \"routes.before\", \"routes.during\", \"routes.after\"]";
    rig.edit("[tls]", &format!("[[gate]]\nname = \"weekly\"\n{checks}\n[tls]"));
    rig.run(&["gate", "run", "weekly"]).assert_refused(2, &["gate weekly deploys stacks", "--apply"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
    let before = rig.objects();
    let done = rig.run(&[&WEEKLY[..], &["--apply", "--out", "reports"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(verdicts(&done.json()).len(), 8);
    let facts = std::fs::read_to_string(rig.path("reports/weekly.facts.json")).expect("written");
    let facts: Value = serde_json::from_str(&facts).expect("JSON");
    let (canary, churn) = (&facts["deployment"]["canary"]["seen"], &facts["deployment"]["churn"]["seen"]);
    assert_eq!(canary["unknown"], "no check of the gate needs it");
    assert!(churn["known"].is_object(), "{churn}");
    assert_eq!(rig.objects(), before);

    let leaking = rig.run(&[&WEEKLY[..], &["--apply", "--order", "stack-rm"]].concat());
    assert_eq!(leaking.code, Some(1), "{leaking:?}");
    let found: Vec<String> =
        verdicts(&leaking.json()).into_iter().filter(|line| !line.ends_with("PASS")).collect();
    assert_eq!(found, ["churn.leaks FAIL"]);
}

#[test]
fn checks_of_a_renewal_may_be_in_it_too() {
    let rig = weekly("checks = [\"window.clear\", \"renewal.members\", \"creation.*\", \"renewal.ended\"]");
    let done = rig.run(&[&WEEKLY[..], &["--record", "none.json"]].concat());
    assert_eq!(done.code, Some(3), "{done:?}");
    let expected = [
        "window.clear PASS",
        "renewal.members PASS",
        "creation.declared UNKNOWN",
        "creation.columns UNKNOWN",
        "renewal.ended UNKNOWN",
    ];
    assert_eq!(verdicts(&done.json()), expected);
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn what_is_wrong_with_a_gate_is_one_line_and_no_engine_is_asked() {
    for (lines, words) in [
        ("checks = [\"overlay.leakd\"]", ["[[gate]] `weekly`", "did you mean overlay.leaked?"]),
        ("checks = [\"canary\"]", ["`canary` names no check", "did you mean canary."]),
        ("checks = [\"residue\"]", ["`residue` is about what is deployed", "`canary.*` or `churn.*`"]),
        ("checks = []", ["[[gate]] `weekly`", "no required check"]),
        (
            "checks = [\"swarm.waiting\"]\nadvisory = [\"swarm.*\"]",
            ["[[gate]] `weekly`", "no required check"],
        ),
        ("check = [\"overlay.*\"]", ["pvcheck.toml:6:1", "check"]),
        (
            "checks = [\"residue\"]\n[[gate]]\nname = \"weekly\"\nchecks = [\"*\"]",
            ["`weekly` is there twice", "remove one"],
        ),
        (
            "checks = [\"residue\"]\n[[gate]]\nname = \"pvcheck.m1\"\nchecks = [\"*\"]",
            ["`pvcheck.m1`", "give it another"],
        ),
        ("checks = [\"residue\"]\n[[gate]]\nname = \"a/b\"\nchecks = [\"*\"]", ["`a/b`", "letters, digits"]),
    ] {
        let rig = weekly(lines);
        for command in [&["gate", "run", "pvcheck.m1"][..], &["gate", "run", "weekly"], &["gate", "list"]] {
            rig.run(command).assert_refused(2, &words);
        }
        assert_eq!(rig.writes(), [] as [&str; 0], "{lines}");
    }
    weekly("checks = [\"swarm.waiting\"]")
        .run(&["gate", "run", "weekl"])
        .assert_refused(2, &["no such gate `weekl`", "`weekly`"]);
}

#[test]
fn a_gate_of_ones_own_is_listed_with_its_checks() {
    let rig = weekly(
        "about = \"what an operator looks at on Mondays\"\nchecks = [\"overlay.leaked\", \"route.*\"]",
    );
    let list = rig.run(&["gate", "list"]);
    let line =
        "weekly      what an operator looks at on Mondays; changes nothing, unless --probe asks for a census";
    assert!(list.stdout.lines().any(|l| l == line), "{}", list.stdout);
    let json = rig.run(&["gate", "list", "-o", "json"]).json();
    let gates = json["gates"].as_array().expect("gates");
    assert_eq!(gates[4]["checks"], serde_json::json!(["overlay.leaked", "route.dashboard"]));
    assert_eq!(gates[0]["checks"][0], "renewal.plan");
    let explained = |more: &[&str]| {
        let words = [&["check", "explain", "route.NAME", "-o", "json"], more].concat();
        rig.run(&words).json()["gates"].as_array().expect("gates").len()
    };
    assert_eq!(
        (explained(&[]), explained(&["--config", "pvcheck.toml"])),
        (2, 3),
        "with the configuration's own"
    );
}

const ASKS: &str = "[precondition]\ngate = \"pvcheck.m1\"\nrequires = [\"weekly\"]\nreports = \"reports\"\n\
    [[gate]]\nname = \"weekly\"\nchecks = [\"swarm.waiting\"]";

/// The verdict and the reason of the precondition in a report of `pvcheck.m1`.
fn precondition(rig: &Rig) -> (String, String) {
    let report = rig.run(&["gate", "run", "pvcheck.m1", "--probe", "-o", "json"]).json();
    let first = &report["checks"][0];
    assert_eq!(first["id"], "precondition.weekly");
    let text = |field: &str| first[field].as_str().expect("a text").to_owned();
    (text("verdict"), text("reason"))
}

#[test]
fn a_precondition_holds_by_the_newest_report_of_this_swarm() {
    let rig = rig(ASKS);
    let (verdict, reason) = precondition(&rig);
    assert_eq!(verdict, "UNKNOWN", "there is no folder: {reason}");
    let weekly = |code: i32| {
        let done = rig.run(&["gate", "run", "weekly", "--out", "reports"]);
        assert_eq!(done.code, Some(code), "{done:?}");
    };
    weekly(0);
    let (verdict, reason) = precondition(&rig);
    assert_eq!((verdict.as_str(), reason.contains("weekly passed at")), ("PASS", true), "{reason}");
    let path = rig.path("reports/weekly.json");
    let text = std::fs::read_to_string(&path).expect("written");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let swarm = report["swarm"].as_str().expect("an id");
    for (from, to, words) in [
        (swarm, "other", "of the Swarm other"),
        ("\"verdict\": \"PASS\",\n  \"swarm\"", "\"verdict\": \"FAIL\",\n  \"swarm\"", "says FAIL"),
        ("\"kind\": \"gate\"", "\"kind\": \"other\"", "there is no report of weekly"),
        ("\"schema\"", "\"schema", "weekly.json: "),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a file of the test");
        let (verdict, reason) = precondition(&rig);
        assert!(verdict != "PASS" && reason.contains(words), "{words}: {verdict} {reason}");
    }
    std::fs::write(&path, &text).expect("a file of the test");
    // A newer report counts, whatever was before.
    rig.sim.with_model(|model| {
        let draft = pvcheck_sim::NetworkDraft::overlay("full").subnet("10.91.0.0/29").json();
        model.create_network(&draft).expect("a fresh name");
    });
    rig.sim.with_model(|model| {
        let filler =
            pvcheck_sim::ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4);
        service(model, filler);
        service(model, pvcheck_sim::ServiceDraft::new("late").on("full"));
    });
    weekly(1);
    let (verdict, reason) = precondition(&rig);
    assert_eq!((verdict.as_str(), reason.contains("weekly.2.json")), ("FAIL", true), "{reason}");
}

#[test]
fn a_gate_that_deploys_is_kept_from_it_by_an_open_precondition() {
    let rig = rig(&ASKS.replace("pvcheck.m1", "pvcheck.m2"));
    let kept = rig.run(&["gate", "run", "pvcheck.m2", "--apply", "-o", "json"]);
    assert_eq!(kept.code, Some(4), "{kept:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
    let report = kept.json();
    assert_eq!(
        (&report["verdict"], &report["checks"][0]["id"]),
        (&"UNKNOWN".into(), &"precondition.weekly".into())
    );
    let others = report["checks"].as_array().expect("checks")[1..].iter();
    for check in others {
        let reason = check["reason"].as_str().expect("a text");
        assert!(reason.contains("precondition.weekly does not hold"), "{check}");
    }
    assert_eq!(rig.run(&["gate", "run", "weekly", "--out", "reports"]).code, Some(0));
    let done = rig.run(&["gate", "run", "pvcheck.m2", "--apply"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_report_is_never_overwritten() {
    let rig = weekly("checks = [\"swarm.waiting\"]");
    let run = || rig.run(&["gate", "run", "weekly", "--out", "reports"]);
    let read = |name: &str| std::fs::read_to_string(rig.path("reports").join(name));
    assert_eq!(run().stderr.lines().filter(|line| line.contains("the report is")).count(), 0);
    let first = ["weekly.json", "weekly.md", "weekly.facts.json"].map(|name| read(name).expect(name));
    let second = run();
    assert!(second.stderr.contains("the report is reports/weekly.2.json"), "{second:?}");
    assert_eq!(first, ["weekly.json", "weekly.md", "weekly.facts.json"].map(|name| read(name).expect(name)));
    for name in ["weekly.2.json", "weekly.2.md", "weekly.2.facts.json"] {
        assert!(read(name).is_ok(), "{name}");
    }
    // One file of a number is enough to leave that number alone.
    std::fs::write(rig.path("reports/weekly.3.md"), "kept").expect("a file of the test");
    assert!(run().stderr.contains("reports/weekly.4.json"));
    assert_eq!(read("weekly.3.md").expect("there"), "kept");
    let facts: Value = serde_json::from_str(&read("weekly.4.facts.json").expect("there")).expect("JSON");
    assert!(
        facts["run"]["swarm"].is_string() && facts["control"]["snapshot"]["seen"]["known"].is_object(),
        "{facts}"
    );
}
