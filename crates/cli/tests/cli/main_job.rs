//! Both gates on the embedded engine: its world has a router with TLS, a log and a configuration of its own.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use pvcheck_sim::{ServedWorld, WorldOptions, world};
use serde_json::Value;

use crate::support::*;

const BOTH: [&str; 6] = ["gate", "run", "pvcheck.m1", "pvcheck.m2", "--apply", "--probe"];

/// Far more than both gates take, on a machine that builds at the same time.
const LONG_PATIENCE: Duration = Duration::from_mins(15);

/// The command on the embedded engine, in an empty folder.
fn embedded(words: &[&str]) -> Done {
    let dir = tempfile::tempdir().expect("a directory");
    patiently(bare(dir.path(), &[&["--engine", "embedded"], words].concat()))
}

fn patiently(command: Command) -> Done {
    let mut command = assert_cmd::Command::from_std(command);
    command.timeout(LONG_PATIENCE).output().expect("the command was built").into()
}

/// A world that the test can change while the command looks at it.
struct Stage {
    world: ServedWorld,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let mut model = world::cc_ci().expect("the model takes its own drafts");
        model.settings_mut().timings = quick();
        let dir = tempfile::tempdir().expect("a directory");
        let world = ServedWorld::start(model, &WorldOptions::default()).expect("a port of loopback");
        Self { world, dir }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = bare(self.dir.path(), words);
        command.arg("--host").arg(self.world.sim().host()).arg("--config").arg(self.world.config());
        command
    }

    fn run(&self, words: &[&str]) -> Done {
        patiently(self.command(words))
    }

    fn scale(&self, service: &str, replicas: u64) {
        self.world.sim().with_model(|model| {
            model.scale_service(service, replicas).expect("there");
            model.advance(SETTLE);
        });
    }
}

/// The ids of the checks with this verdict.
fn with(report: &Value, verdict: &str) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks").iter();
    let those = checks.filter(|check| check["verdict"] == verdict);
    those.filter_map(|check| check["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn both_gates_pass_and_say_on_what() {
    let done = embedded(&BOTH);
    assert_eq!(done.code, Some(0), "{done:?}");
    let passes = done.stdout.lines().filter(|line| line.starts_with("PASS (embedded engine) pvcheck.m"));
    assert_eq!(passes.count(), 2, "{done:?}");
    for route in ["bridge", "dashboard", "drone", "keycloak", "report", "traefik"] {
        assert!(done.stdout.contains(&format!("PASS    route.{route} ")), "{done:?}");
    }
    let canary = done.stdout.lines().find(|line| line.contains("canary.route")).expect("a check");
    assert!(canary.trim_start().starts_with("PASS"), "{canary}");
}

#[test]
fn the_order_of_stack_rm_fails_with_one_leak_for_each_task() {
    let done = embedded(&[&BOTH[..], &["--order", "stack-rm", "-o", "json"]].concat());
    assert_eq!(done.code, Some(1), "{done:?}");
    let reports = done.json();
    assert_eq!(reports[0]["verdict"], "PASS");
    let report = &reports[1];
    assert_eq!((&report["verdict"], &report["engine"]), (&"FAIL".into(), &"embedded".into()));
    assert_eq!(with(report, "FAIL"), ["churn.leaks"]);
    assert_eq!(with(report, "UNKNOWN"), [] as [&str; 0]);
    let mut checks = report["checks"].as_array().expect("checks").iter();
    let leaks = checks.find(|check| check["id"] == "churn.leaks").expect("a check");
    let reason = leaks["reason"].as_str().expect("a text");
    // Five stacks of one task each.
    assert!(reason.starts_with("5 addresses of proxy leaked"), "{reason}");
    let named: BTreeSet<&str> = reason.split([' ', ',', ';']).filter(|w| w.starts_with("10.10.0.")).collect();
    assert_eq!(named.len(), 5, "{reason}");
}

#[test]
fn a_service_without_tasks_fails_its_route_and_no_other() {
    let stage = Stage::new();
    let probing = ["gate", "run", "pvcheck.m1", "--probe", "-o", "json"];
    assert_eq!(stage.run(&probing).code, Some(0));
    stage.scale("ccci-dashboard_app", 0);
    let done = stage.run(&probing);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json();
    assert_eq!(with(&report, "FAIL"), ["service.ccci-dashboard_app", "route.dashboard"]);
    stage.scale("ccci-dashboard_app", 1);
    assert_eq!(stage.run(&probing).code, Some(0));
}

#[test]
fn a_bridge_without_tasks_fails_although_its_healthy_answer_is_a_404() {
    let stage = Stage::new();
    stage.scale("ccci-bridge_app", 0);
    let done = stage.run(&["routes", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json();
    let routes = report["routes"].as_array().expect("routes").iter();
    let failed: Vec<_> = routes.filter(|route| route["verdict"] != "PASS").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!((&failed[0]["name"], &failed[0]["status"]), (&"bridge".into(), &503.into()));
}

#[test]
fn a_world_without_its_router_has_no_route() {
    let stage = Stage::new();
    stage.scale("traefik_ci_commoninternet_net_app", 0);
    let done = stage.run(&["routes", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json();
    assert!(report["routes"].as_array().expect("routes").iter().all(|route| route["verdict"] == "FAIL"));
}

#[test]
fn a_canary_that_the_router_does_not_know_fails() {
    let stage = Stage::new();
    let text = std::fs::read_to_string(stage.world.config()).expect("a configuration");
    let text = text.replace("\"traefik.enable\" = \"true\"", "\"traefik.enable\" = \"false\"");
    assert!(text.contains("\"false\""), "{text}");
    std::fs::write(stage.world.config(), text).expect("a folder of the test");
    let done = stage.run(&["gate", "run", "pvcheck.m2", "--apply", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(with(&done.json(), "FAIL").contains(&"canary.route".to_owned()), "{done:?}");
}

#[test]
fn routes_of_the_embedded_world_need_no_configuration() {
    let done = embedded(&["routes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.lines().filter(|line| line.starts_with("PASS")).count(), 6, "{done:?}");
    assert!(done.stdout.contains("embedded engine"), "{done:?}");
}

#[test]
fn a_configuration_that_is_given_goes_before_the_worlds_own() {
    embedded(&["routes", "--config", "none.toml"]).assert_refused(2, &["none.toml"]);
}
