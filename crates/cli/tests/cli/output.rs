//! What comes out when things go right: JSON and only JSON where it was asked for, exit codes, reports, help.

use pvcheck_sim::ServiceDraft;
use serde_json::Value;

use crate::support::*;

/// Asks for JSON, and gives it.
fn json_of(rig: &Rig, args: &[&str], code: i32) -> Value {
    let done = rig.run(&[args, &["-o", "json"]].concat());
    assert_eq!(done.code, Some(code), "{done:?}");
    done.json()
}

fn assert_kind(value: &Value, kind: &str) {
    assert_eq!((&value["schema"], &value["kind"]), (&"pvcheck/v1".into(), &kind.into()), "{value}");
}

#[test]
fn the_embedded_engine_needs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Done::of(bare(dir.path(), &["--engine", "embedded", "audit", "-o", "json"]));
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let audit = audit.json();
    assert_kind(&audit, "audit");
    assert_eq!(audit["engine"], "embedded", "{audit}");
    let proxy = audit["networks"].as_array().unwrap().iter().find(|n| n["name"] == "proxy").unwrap();
    assert_eq!((&proxy["subnets"][0], &proxy["usable"]), (&"10.10.0.0/24".into(), &253.into()));
    let census = Done::of(bare(dir.path(), &["--engine", "embedded", "census", "proxy", "-o", "json"]));
    assert_eq!(census.code, Some(0), "{census:?}");
    let census = census.json();
    assert_kind(&census, "census");
    assert_eq!((&census["leaked"], &census["complete"]), (&0.into(), &true.into()));
}

#[test]
fn audit_json() {
    let rig = Rig::new(waiting());
    let report = json_of(&rig, &["audit"], 1);
    assert_kind(&report, "audit");
    assert_eq!(report["engine"], "embedded", "behind a socket too");
    let one = json_of(&rig, &["audit", "proxy"], 0);
    assert_eq!(one["networks"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn census_json_and_exit_code() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/28");
    let clean = Rig::new(model.clone());
    assert_eq!(json_of(&clean, &["census", "shared"], 0)["leaked"], 0);
    leak(&mut model, "shared", 2);
    let leaking = Rig::new(model);
    let found = json_of(&leaking, &["census", "shared"], 1);
    assert_kind(&found, "census");
    let really = leaking.sim.with_model(|model| serde_json::json!(model.truth().leaked("shared")));
    assert_eq!(found["leaked_addresses"], really);
    let cut = json_of(&leaking, &["census", "shared", "--deadline", "1ms"], 3);
    assert_eq!((&cut["complete"], &cut["leaked"]), (&false.into(), &Value::Null));
    assert_eq!(leaking.objects().0.len(), 0);
}

#[test]
fn churn_json_and_exit_code() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/27");
    model.settings_mut().timings.stop = std::time::Duration::from_millis(300);
    let rig = Rig::new(model);
    let churn = ["churn", "shared", "--image", "sim/busybox:1", "--stacks", "2", "--apply"];
    let drained = json_of(&rig, &churn, 0);
    assert_kind(&drained, "churn");
    assert_eq!((&drained["leaked"], &drained["cycles"]), (&0.into(), &2.into()));
    let leaking = json_of(&rig, &[&churn[..], &["--order", "stack-rm"]].concat(), 1);
    assert_eq!((&leaking["leaked"], &leaking["order"]), (&2.into(), &"stack-rm".into()));
    assert_eq!(rig.objects().0.len(), 0);
}

#[test]
fn a_churn_without_room_is_refused() {
    let mut model = cc_ci();
    overlay(&mut model, "small", "10.90.0.0/28");
    let rig = Rig::new(model);
    let done = rig.run(&["-q", "churn", "small", "--image", "sim/busybox:1", "--stacks", "9", "--apply"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(4), ""), "{done:?}");
    assert!(done.stderr.contains("fewer stacks"), "{done:?}");
    assert!(!rig.writes().iter().any(|w| w.contains("/networks/")), "{:?}", rig.writes());
}

/// What would be done is a result like another.
#[test]
fn plan_json() {
    let rig = Rig::new(cc_ci());
    for args in [
        &["churn", "proxy", "--image", "sim/busybox:1"] as &[&str],
        &["stack", "rm", "drone"],
        &["sweep"],
        &["gate", "list"],
    ] {
        let plan = json_of(&rig, args, 0);
        assert!(plan["schema"] == "pvcheck/v1" && plan["kind"].is_string(), "{plan}");
    }
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn journal_json() {
    let rig = Rig::new(waiting());
    let scan = json_of(&rig, &["journal", "scan", "--file", "engine.log"], 1);
    assert_kind(&scan, "journal-scan");
    assert!(scan["records"].is_u64() && scan["matched"].is_array() && scan["unclassified_errors"].is_u64());
}

#[test]
fn routes_json() {
    let rig = Rig::new(cc_ci()).configured();
    let routes = json_of(&rig, &["routes"], 0);
    assert_kind(&routes, "routes");
    assert_eq!(
        (&routes["routes"][0]["name"], &routes["routes"][0]["status"]),
        (&"dashboard".into(), &200.into())
    );
    rig.edit("[canary]", "expect = [303]\n[canary]");
    assert_eq!(json_of(&rig, &["routes"], 1)["routes"][0]["verdict"], "FAIL");
    assert_eq!(rig.sim.requests(), [], "routes need no engine");
}

#[test]
fn boot_json() {
    let rig = Rig::new(cc_ci());
    std::fs::create_dir(rig.path("units")).unwrap();
    rig.file("units/docker.service", "[Service]\nExecStart=/usr/bin/true\n");
    rig.file("waits.json", r#"{"waits":[],"serves":[]}"#);
    let done = rig.run(&["boot", "--units", "units", "--waits", "waits.json", "-o", "json"]);
    assert!(matches!(done.code, Some(0 | 3)), "{done:?}");
    assert_kind(&done.json(), "boot");
}

#[test]
fn boot_lists_every_order_where_it_is_asked_to() {
    let rig = Rig::new(cc_ci());
    std::fs::create_dir(rig.path("units")).unwrap();
    rig.file("units/a.service", "[Unit]\nDefaultDependencies=no\nAfter=b.service\n");
    let boot = ["boot", "--units", "units"];
    assert_eq!(json_of(&rig, &boot, 3)["edges"], Value::Null);
    let asked = [&boot[..], &["--edges"]].concat();
    let json = json_of(&rig, &asked, 3);
    let of_unit = json["edges"].as_array().unwrap().iter().filter(|edge| edge["from"] == "a.service");
    let why = "After=b.service (units/a.service:3)";
    let edge = serde_json::json!({"from": "a.service", "to": "b.service", "why": why});
    let why_slice = "After=system.slice (systemd.slice(5))";
    let slice = serde_json::json!({"from": "a.service", "to": "system.slice", "why": why_slice});
    assert_eq!(of_unit.collect::<Vec<_>>(), [&edge, &slice]);
    let table = rig.run(&asked);
    assert!(table.stdout.contains(&format!("  a.service after b.service  ({why})\n")), "{table:?}");
    for format in ["dot", "mermaid"] {
        let drawn = rig.run(&[&asked[..], &["-o", format]].concat());
        assert_eq!((drawn.code, drawn.stdout.as_str()), (Some(2), ""), "{drawn:?}");
        assert!(drawn.stderr.contains("--edges: a diagram has no orders"), "{drawn:?}");
    }
}

#[test]
fn boot_says_unknown_where_a_file_that_could_matter_was_not_read() {
    let rig = Rig::new(cc_ci());
    for folder in ["etc", "lib"] {
        std::fs::create_dir(rig.path(folder)).unwrap();
    }
    rig.file("lib/gate.service", "[Service]\nType=oneshot\nExecStart=/bin/gate\n");
    rig.file("lib/app.service", "[Service]\nExecStart=/bin/app\n");
    rig.file(
        "waits.json",
        r#"{"waits":[{"unit":"gate.service","url":"http://h/"}],"serves":[{"host":"h","unit":"app.service"}]}"#,
    );
    let boot = ["boot", "--units", "etc", "--units", "lib", "--waits", "waits.json"];
    let free = rig.run(&boot);
    assert_eq!((free.code, free.stdout.as_str()), (Some(0), "2 units, 1 wait, 0 deadlocks\n"), "{free:?}");
    std::os::unix::fs::symlink("/nonexistent/app.service", rig.path("etc/app.service")).unwrap();
    std::fs::remove_file(rig.path("lib/app.service")).unwrap();
    let unread = rig.run(&boot);
    assert_eq!(unread.code, Some(3), "{unread:?}");
    let said =
        "UNKNOWN gate.service -> http://h/  (not read: etc/app.service: links to /nonexistent/app.service";
    assert!(unread.stdout.contains(said), "{unread:?}");
    let json = json_of(&rig, &boot, 3);
    let row = &json["waits"][0];
    assert_eq!((&row["outcome"], &row["kind"]), (&"unknown".into(), &"unread".into()), "{row}");
    assert_eq!(row["about"][0]["kind"], "dangling", "{row}");
}

#[test]
fn boot_finds_waits_by_itself_and_says_so_where_it_does_not_know_who_serves() {
    let rig = Rig::new(cc_ci());
    std::fs::create_dir(rig.path("units")).unwrap();
    let gate = "[Service]\nType=oneshot\nTimeoutStartSec=900\n\
                ExecStart=/bin/sh -c 'until curl -fs https://ci.example/; do sleep 1; done'\n\
                [Install]\nWantedBy=multi-user.target\n";
    rig.file("units/gate.service", gate);
    rig.file("units/app.service", "[Unit]\nAfter=gate.service\n[Service]\nExecStart=/bin/app\n");
    let alone = rig.run(&["boot", "--units", "units"]);
    assert_eq!(alone.code, Some(3), "{alone:?}");
    let said = "UNKNOWN gate.service -> https://ci.example/  (no unit is known to serve https://ci.example/";
    assert!(alone.stdout.contains(said), "{alone:?}");
    rig.file("serves.json", r#"{"serves":[{"host":"ci.example","unit":"app.service"}]}"#);
    let found = rig.run(&["boot", "--units", "units", "--waits", "serves.json"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    for said in [
        "ExecStart= (units/gate.service:4) waits for https://ci.example/",
        "bound: 15m, TimeoutStartSec=900 (units/gate.service:3)",
    ] {
        assert!(found.stdout.contains(said), "{found:?}");
    }
}

/// The host of the documentation: nothing is declared.
fn host() -> Vec<String> {
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/host");
    let folders = ["etc", "lib"].map(|folder| format!("{host}/{folder}/systemd/system"));
    let mut words = vec!["boot".to_owned()];
    words.extend(folders.into_iter().flat_map(|folder| ["--units".to_owned(), folder]));
    words
}

#[test]
fn boot_finds_the_deadlock_of_a_host_without_a_list_of_waits_and_draws_it() {
    let rig = Rig::new(cc_ci());
    let words = host();
    let boot: Vec<&str> = words.iter().map(String::as_str).collect();
    let table = rig.run(&boot);
    assert_eq!(table.code, Some(1), "{table:?}");
    for said in [
        "9 units, 2 waits, 1 deadlock\n",
        "usr/local/sbin/deploy-proxy:6) waits for https://ci.example.org/)",
        "etc/stacks/dashboard.yml:8), deployed by docker (",
        "bound: 15m, TimeoutStartSec=900 (",
        "note: swarm-init.service: nothing ends the wait for unix:///run/docker.sock: set TimeoutStartSec=",
    ] {
        assert!(table.stdout.contains(said), "{said}: {table:?}");
    }
    let drawn = |format: &str, begins: &str, red: &str| {
        let done = rig.run(&[&boot[..], &["-o", format]].concat());
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.starts_with(begins) && done.stdout.contains(red), "{done:?}");
    };
    drawn("dot", "digraph boot {\n", "[label=\"served by\", color=red];\n");
    drawn("mermaid", "flowchart LR\n", "stroke:red\n");
    let refused = rig.run(&["audit", "-o", "dot"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn boot_tells_deadlocks_that_a_change_introduced_from_those_before() {
    let rig = Rig::new(cc_ci());
    let words = host();
    let boot: Vec<&str> = words.iter().map(String::as_str).collect();
    let since = |folders: &[&str]| {
        let pairs: Vec<&str> = folders.iter().flat_map(|folder| ["--introduced-since", folder]).collect();
        rig.run(&[&boot[..], &pairs[..]].concat())
    };
    let same = since(&[boot[2], boot[4]]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(
        same.stdout.contains("0 deadlocks\n  1 deadlock that the units before had as well\n"),
        "{same:?}"
    );
    std::fs::create_dir(rig.path("before")).unwrap();
    let new = since(&["before"]);
    assert_eq!(new.code, Some(1), "{new:?}");
    let gone = since(&["gone"]);
    assert_eq!(gone.code, Some(2), "{gone:?}");
}

#[test]
fn boot_names_gates_that_prove_less_than_they_seem_to() {
    let rig = Rig::new(cc_ci());
    for folder in ["units", "root", "root/srv", "root/srv/alerts", "old-alerts"] {
        std::fs::create_dir(rig.path(folder)).unwrap();
    }
    let gate = "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                ExecStart=-/bin/sh -c 'until curl -s https://ci.example/; do sleep 1; done'\n\
                ExecStart=/bin/sh -c 'echo bad > /srv/alerts/gate.json'\n[Install]\nWantedBy=multi-user.target\n";
    rig.file("units/gate.service", gate);
    rig.file(
        "units/after.service",
        "[Unit]\nAfter=gate.service\n[Service]\nExecStart=/bin/systemctl is-active gate\n[Install]\nWantedBy=multi-user.target\n",
    );
    rig.file("root/srv/alerts/gate.json", "{}");
    rig.file("old-alerts/x.json", "{}");
    let boot = ["boot", "--units", "units", "--root", "root", "--alerts", "old-alerts"];
    let table = rig.run(&boot);
    for said in [
        "note: gate.service: any answer of https://ci.example/ counts",
        "note: gate.service: the unit starts even if https://ci.example/ never answers",
        "note: gate.service: nothing ends the wait for https://ci.example/",
        "note: gate.service: a failure becomes the file /srv/alerts/gate.json",
        "note: after.service: gate.service stays active (exited)",
        "note: alert root/srv/alerts/gate.json: a gate has failed",
        "note: alert old-alerts/x.json: a gate has failed",
    ] {
        assert!(table.stdout.contains(said), "{said}: {table:?}");
    }
    let json = json_of(&rig, &boot, 3);
    let kinds: Vec<&str> =
        json["lints"].as_array().unwrap().iter().filter_map(|l| l["kind"].as_str()).collect();
    let expected = [
        "any_answer",
        "failure_ignored",
        "unbounded",
        "active_after_exit",
        "alert_written",
        "alert",
        "alert",
    ];
    assert_eq!(kinds, expected, "{json}");
    assert!(json["lints"][0]["text"].as_str().unwrap().contains("--fail"), "{json}");
    // Two programs that were not read are one line.
    let opaque = gate.replace("ExecStart=-/bin/sh", "ExecStart=/opt/a\nExecStart=/opt/b\nExecStart=-/bin/sh");
    rig.file("units/gate.service", &opaque);
    let said = "UNKNOWN gate.service may wait for anything: /opt/a in ExecStart= (units/gate.service:4) was not read (and 1 more)";
    let opaque = rig.run(&boot);
    assert!(opaque.stdout.contains(said), "{opaque:?}");
    // A healthy gate has none of them.
    let gate = gate
        .replace(
            "ExecStart=-/bin/sh -c 'until curl -s",
            "TimeoutStartSec=60\nExecStart=/bin/sh -c 'until curl -fs",
        )
        .replace("ExecStart=/bin/sh -c 'echo bad > /srv/alerts/gate.json'\n", "");
    rig.file("units/gate.service", &gate);
    rig.file("units/after.service", "[Service]\nExecStart=/bin/true\n");
    let healthy = json_of(&rig, &["boot", "--units", "units", "--root", "root"], 3);
    assert_eq!(healthy["lints"], serde_json::json!([]), "{healthy}");
}

#[test]
fn gate_json_one_is_an_object_and_several_are_a_list() {
    let rig = Rig::new(cc_ci()).configured();
    let one = json_of(&rig, &["gate", "run", "pvcheck.m1", "--probe"], 0);
    assert_kind(&one, "gate");
    assert_eq!((&one["gate"], &one["verdict"]), (&"pvcheck.m1".into(), &"PASS".into()));
    let words = ["gate", "run", "pvcheck.m1", "pvcheck.m2", "--probe", "--apply", "--out", "reports"];
    let both = json_of(&rig, &words, 0);
    let verdicts: Vec<_> = both.as_array().unwrap().iter().map(|g| (&g["gate"], &g["verdict"])).collect();
    assert_eq!(verdicts, [(&"pvcheck.m1".into(), &"PASS".into()), (&"pvcheck.m2".into(), &"PASS".into())]);
    for gate in ["pvcheck.m1", "pvcheck.m2"] {
        for form in ["json", "facts.json"] {
            let text = std::fs::read_to_string(rig.path(&format!("reports/{gate}.{form}"))).unwrap();
            serde_json::from_str::<Value>(&text).unwrap();
        }
        let markdown = std::fs::read_to_string(rig.path(&format!("reports/{gate}.md"))).unwrap();
        assert!(markdown.starts_with(&format!("# {gate}: PASS")), "{markdown}");
    }
    assert_eq!(rig.objects().0.len(), 0);
}

#[test]
fn gate_exit_codes_follow_the_verdict_and_later_gates_are_not_begun() {
    let mut model = cc_ci();
    model.scale_service("ccci-dashboard_app", 0).unwrap();
    model.advance(SETTLE);
    let rig = Rig::new(model).configured();
    let failed = rig.run(&["gate", "run", "pvcheck.m1", "pvcheck.m2", "--apply"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.stdout.contains("FAIL") && failed.stdout.contains("service.ccci-dashboard_app"),
        "{failed:?}"
    );
    assert!(failed.stderr.contains("1 later gate not begun"), "{failed:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);

    let rig = Rig::new(cc_ci()).configured();
    rig.edit("engine.log", "nope.log");
    let unknown = rig.run(&["gate", "run", "pvcheck.m1"]);
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    assert!(unknown.stdout.contains("UNKNOWN"), "{unknown:?}");
}

#[test]
fn m2_behind_a_broken_core_route_is_refused() {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("[canary]", "expect = [303]\n[canary]");
    let done = rig.run(&["gate", "run", "pvcheck.m2", "--apply"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn tables_are_plain_without_a_terminal() {
    let rig = Rig::new(waiting()).configured();
    for args in
        [&["audit"] as &[&str], &["gate", "run", "pvcheck.m1"], &["routes"], &["census", "backups_internal"]]
    {
        let done = rig.run(args);
        assert!(!done.stdout.contains('\x1b') && !done.stderr.contains('\x1b'), "{done:?}");
    }
    let markdown = rig.run(&["gate", "run", "pvcheck.m1", "-o", "markdown"]);
    assert!(markdown.stdout.starts_with("# pvcheck.m1: FAIL"), "{markdown:?}");
}

#[test]
fn quiet_says_nothing_beside_the_result() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/28");
    let rig = Rig::new(model);
    let done = rig.run(&["-q", "census", "shared"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let loud = rig.run(&["census", "shared"]);
    assert!(loud.stderr.contains("census of shared"), "{loud:?}");
    assert_eq!(loud.stdout, done.stdout, "progress is not the result");
}

#[test]
fn nothing_is_removed_without_apply() {
    let mut model = cc_ci();
    let orphan = ServiceDraft::new("pvcheck-x").on("proxy").label("org.pvcheck.run", "aaaaaaaaaaaa");
    service(&mut model, orphan);
    let rig = Rig::new(model);
    let before = rig.objects();
    for args in [&["sweep"] as &[&str], &["stack", "rm", "drone"]] {
        let done = rig.run(args);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.contains("Nothing was touched; add --apply"), "{done:?}");
    }
    assert_eq!((rig.writes().len(), rig.objects()), (0, before));
    let swept = rig.run(&["sweep", "--apply"]);
    assert_eq!(swept.code, Some(0), "{swept:?}");
    let (ours, others) = rig.objects();
    assert!(ours.is_empty() && others.contains("services drone_ci_commoninternet_net_app"), "{others:?}");
    let removed = json_of(&rig, &["stack", "rm", "drone", "--apply"], 0);
    let drone = &removed["stacks"][0];
    assert_eq!((&drone["stack"], &drone["services"]), (&"drone".into(), &1.into()), "{removed}");
    assert!(!rig.objects().1.contains("services drone_ci_commoninternet_net_app"));
}

#[test]
fn every_help_has_an_example() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        "audit",
        "boot",
        "census",
        "check explain",
        "check list",
        "churn",
        "embedded up",
        "explain",
        "gate claim",
        "gate finding close",
        "gate finding list",
        "gate finding open",
        "gate list",
        "gate run",
        "gate status",
        "gate verify",
        "journal scan",
        "keys new",
        "ledger check",
        "ledger new",
        "ledger note",
        "plan-subnet",
        "reclaim",
        "report",
        "routes",
        "stack rm",
        "sweep",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let done = Done::of(bare(dir.path(), &args));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        let example = format!("Example: pvcheck {command}");
        assert!(
            done.stdout.contains(&example),
            "`pvcheck {command} --help` has no `{example}`: {}",
            done.stdout
        );
    }
}

#[test]
fn help_and_version_are_results() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--help"] as &[&str], &["--version"], &["help"], &["gate", "--help"], &["stack", "--help"]]
    {
        let done = Done::of(bare(dir.path(), args));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert!(!done.stdout.is_empty());
    }
}
