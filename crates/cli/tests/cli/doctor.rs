//! `pvcheck doctor`: a healthy place is in order, and what is broken turns.

use std::path::Path;
use std::time::Duration;

use pvcheck_sim::Membership;
use serde_json::Value;

use crate::support::*;

/// A configuration that is right and names what is beside it: log and authorities.
fn rig() -> Rig {
    Rig::new(cc_ci()).configured()
}

fn doctor(rig: &Rig) -> (Option<i32>, Value) {
    let done = rig.run(&["doctor", "-o", "json"]);
    (done.code, done.json())
}

/// What is not in order, each with its health.
fn ill(report: &Value) -> Vec<String> {
    let examined = report["examined"].as_array().expect("things").iter();
    let said = |one: &Value| {
        format!("{} {}", one["id"].as_str().expect("a text"), one["health"].as_str().expect("a text"))
    };
    examined.filter(|one| one["health"] != "OK").map(said).collect()
}

#[test]
fn a_healthy_place_is_in_order_and_nothing_is_written() {
    let rig = rig();
    let (code, report) = doctor(&rig);
    assert_eq!((code, ill(&report)), (Some(0), Vec::new()), "{report:#}");
    assert_eq!(report["health"], "OK");
    let table = rig.run(&["doctor"]);
    for part in [
        "OK       role        a manager, and the leader",
        "OK       trust       1 CA of ",
        "1 overlay, 1 service, 1 route",
    ] {
        assert!(table.stdout.contains(part), "`{part}` is missing: {}", table.stdout);
    }
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn each_thing_that_is_broken_turns_and_decides_the_exit_code() {
    type Break = fn(&Rig);
    let table: [(&str, i32, Break); 9] = [
        ("log UNKNOWN", 3, |rig| {
            rig.edit("file = \"engine.log\"", "[[journal.node]]\nnode = \"other\"\nfile = \"engine.log\"");
        }),
        ("log UNKNOWN", 3, |rig| rig.edit("[journal]", "[journal]\nsince = 9999-01-01")),
        ("log WRONG", 1, |rig| {
            rig.file("other.log", "");
            rig.edit("engine.log", "other.log");
        }),
        ("log WRONG", 1, |rig| std::fs::remove_file(rig.path("engine.log")).expect("there")),
        ("config WRONG", 1, |rig| rig.edit("overlay = true", "overlai = true")),
        ("trust WRONG", 1, |rig| rig.file("ca.pem", "none")),
        ("leftovers WRONG", 1, |rig| {
            rig.sim.with_model(|model| {
                let draft = pvcheck_sim::NetworkDraft::overlay("left").label("org.pvcheck.run", "r1");
                model.create_network(&draft.json()).expect("a fresh name");
            });
        }),
        ("lock WRONG", 1, |rig| {
            let labels = r#"{"org.pvcheck.run":"r2","org.pvcheck.lock.holder":"pvcheck on alpha","org.pvcheck.lock.purpose":"reclaim","org.pvcheck.lock.resumable":"true"}"#;
            let body = format!(r#"{{"Name":"pvcheck-lock","Labels":{labels},"Data":"e30="}}"#);
            let made =
                rig.sim.with_model(|model| model.respond("POST", "/configs/create", body.as_bytes()).status);
            assert_eq!(made, 201);
        }),
        ("nodes WRONG", 1, |rig| {
            rig.sim.with_model(|model| {
                let node = model.add_node(false);
                model.set_node_down(&node.to_string(), true).expect("there");
                model.advance(Duration::from_mins(1));
            });
        }),
    ];
    for (thing, code, break_it) in table {
        let rig = rig();
        break_it(&rig);
        let (ended, report) = doctor(&rig);
        assert_eq!(ended, Some(code), "{thing}: {report:#}");
        let found = ill(&report);
        assert!(found.contains(&thing.to_owned()), "{thing}: {found:?}");
        let rest_on_it = |other: &String| match thing {
            // The configuration is wrong with them.
            "trust WRONG" | "log WRONG" => other == "config WRONG",
            // It may name others than the system's.
            "config WRONG" => other == "log UNKNOWN" || other == "trust UNKNOWN",
            _ => false,
        };
        assert!(found.iter().all(|other| other == thing || rest_on_it(other)), "{thing}: {found:?}");
        assert!(thing != "config WRONG" || found.len() == 3, "log and trust are not looked at: {found:?}");
    }
}

#[test]
fn an_engine_that_is_not_there_or_not_a_manager_leaves_the_rest_unseen() {
    let rig = rig();
    let gone = bare(rig.dir.path(), &["doctor", "-o", "json", "--host", "unix:///nonexistent/docker.sock"]);
    let done = Done::of(gone);
    assert_eq!(done.code, Some(1), "{done:?}");
    let found = ill(&done.json());
    assert_eq!(found[..2], ["socket WRONG", "api UNKNOWN"].map(str::to_owned));
    for unseen in ["role", "versions", "nodes", "clock", "namespace", "lock", "leftovers"] {
        assert!(found.contains(&format!("{unseen} UNKNOWN")), "{unseen}: {found:?}");
    }
    for membership in [Membership::Worker, Membership::Inactive] {
        let rig = Rig::with(membership).configured();
        let (code, report) = doctor(&rig);
        assert_eq!(code, Some(1), "{report:#}");
        let found = ill(&report);
        assert!(
            found.contains(&"role WRONG".to_owned()) && found.contains(&"nodes UNKNOWN".to_owned()),
            "{found:?}"
        );
    }
}

#[test]
fn a_call_that_fails_is_unknown_and_never_in_order() {
    for (rule, thing) in [
        ("GET /nodes: status 500", "nodes UNKNOWN"),
        ("GET /nodes: status 500", "lock UNKNOWN"),
        ("GET /configs: status 500", "lock UNKNOWN"),
        ("GET /info: status 500", "role UNKNOWN"),
    ] {
        let rig = rig();
        rig.sim.inject(rule.parse().expect("a rule"));
        let (code, report) = doctor(&rig);
        assert_eq!(code, Some(3), "{rule}: {report:#}");
        assert!(ill(&report).contains(&thing.to_owned()), "{rule}: {:?}", ill(&report));
    }
}

#[test]
fn no_secret_is_in_what_is_said() {
    let rig = rig();
    rig.sim.with_model(|model| {
        let draft = pvcheck_sim::ServiceDraft::new("shop").label("shop.password", "PLANTED");
        service(model, draft);
    });
    rig.file(
        "engine.log",
        &format!(
            "{}time=\"2026-06-13T05:31:00Z\" level=error msg=\"password=PLANTED\"\n",
            log(rig.dir.path())
        ),
    );
    for format in ["table", "json"] {
        let done = rig.run(&["doctor", "-o", format]);
        assert!(!done.stdout.contains("PLANTED") && !done.stderr.contains("PLANTED"), "{done:?}");
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("engine.log")).expect("a log")
}
