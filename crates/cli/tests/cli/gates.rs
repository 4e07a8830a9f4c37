//! `pvcheck gate run`: what it may do, and what it says of configurations that a gate or a command cannot use.

use pvcheck_sim::Engine;

use crate::support::*;

const M1: [&str; 3] = ["gate", "run", "pvcheck.m1"];
const PROBING: [&str; 4] = ["gate", "run", "pvcheck.m1", "--probe"];

/// The verdict and the reason of one check in a report as JSON.
fn check(report: &serde_json::Value, id: &str) -> (String, String) {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    let check = checks.find(|c| c["id"] == id).unwrap_or_else(|| panic!("no {id} in {report}"));
    let text = |field: &str| check[field].as_str().expect("a text").to_owned();
    (text("verdict"), text("reason"))
}

#[test]
fn m1_without_a_probe_only_reads_and_leaves_an_old_engines_leaks_unknown() {
    let rig = Rig::new(cc_ci()).configured();
    let done = rig.run(&[&M1[..], &["-o", "json"]].concat());
    assert_eq!(done.code, Some(3), "{done:?}");
    let (verdict, reason) = check(&done.json(), "overlay.leaked");
    assert_eq!(verdict, "UNKNOWN");
    assert!(reason.contains("add --probe"), "{reason}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn m1_with_a_probe_counts_and_leaves_nothing() {
    let rig = Rig::new(cc_ci()).configured();
    let before = rig.objects();
    assert_eq!(rig.run(&PROBING).code, Some(0));
    assert!(!rig.writes().is_empty(), "a census asks");
    assert_eq!(rig.objects(), before);
}

#[test]
fn an_engine_that_counts_needs_no_probe() {
    let mut model = cc_ci();
    model.settings_mut().engine = Engine::V29_7;
    let rig = Rig::new(model).configured();
    let done = rig.run(&M1);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn leaked_addresses_fail_the_gate_unless_the_configuration_accepts_them() {
    let mut model = cc_ci();
    leak(&mut model, "proxy", 2);
    let rig = Rig::new(model).configured();
    let failed = rig.run(&PROBING);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("2 addresses of proxy leaked, 0 accepted"), "{failed:?}");
    rig.edit("[tls]", "max_leaked = 2\n[tls]");
    assert_eq!(rig.run(&PROBING).code, Some(0));
}

#[test]
fn a_service_that_is_not_configured_is_a_note() {
    let rig = Rig::new(cc_ci()).configured();
    let done = rig.run(&PROBING);
    assert_eq!(done.code, Some(0), "{done:?}");
    let note = done.stdout.lines().find(|line| line.starts_with("  NOTE")).expect("eight are not configured");
    assert!(note.contains("services.unlisted"), "{note}");
    assert!(done.stdout.contains("drone_ci_commoninternet_net_app (1/1 running)"), "{done:?}");
}

#[test]
fn routes_need_no_overlay_and_gates_do() {
    let rig = Rig::new(cc_ci()).configured();
    let text = std::fs::read_to_string(rig.path("pvcheck.toml")).expect("configured");
    let (_, routes) = text.split_once("[[route]]").expect("a route");
    let (route, _) = routes.split_once("[canary]").expect("behind it");
    rig.file("pvcheck.toml", &format!("[tls]\nca = \"ca.pem\"\n[[route]]{route}"));
    let done = rig.run(&["routes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for words in [&M1[..], &["gate", "run", "pvcheck.m2", "--apply"]] {
        rig.run(words).assert_refused(2, &["[overlay]", "pvcheck routes"]);
    }
    rig.file("pvcheck.toml", "");
    for words in [&M1[..], &["routes"]] {
        rig.run(words).assert_refused(2, &["nothing is expected", "[[route]]"]);
    }
}

#[test]
fn several_overlays_are_gated_and_the_mesh_is_not_deployed_on() {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("[overlay]", "[[overlay]]");
    rig.edit("[tls]", "[[overlay]]\nname = \"ingress\"\nsubnet = \"10.0.0.0/24\"\n[tls]");
    let report = rig.run(&[&PROBING[..], &["-o", "json"]].concat());
    assert_eq!(report.code, Some(0), "{report:?}");
    for overlay in ["proxy", "ingress"] {
        assert_eq!(check(&report.json(), &format!("overlay.leaked.{overlay}")).0, "PASS");
    }
    rig.file(
        "pvcheck.toml",
        &std::fs::read_to_string(rig.path("pvcheck.toml"))
            .expect("configured")
            .replace("name = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[[overlay]]\n", ""),
    );
    rig.run(&["gate", "run", "pvcheck.m2", "--apply"]).assert_refused(2, &["`ingress`", "[[overlay]]"]);
}
