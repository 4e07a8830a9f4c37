//! `pvcheck init`: the file that it writes passes as it is, and no longer once any single thing is broken.

use std::time::Duration;

use pvcheck_sim::{Model, NetworkDraft, ServedWorld, ServiceDraft, WorldOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

/// The CI host in small with a router in front of it, and a folder of its own.
struct Place {
    world: ServedWorld,
    dir: TempDir,
}

/// That host without what is not needed here: each overlay more is a census more.
fn small() -> Model {
    let mut model = Model::new();
    let overlay = |name: &str, subnet: &str| NetworkDraft::overlay(name).subnet(subnet).attachable().json();
    model.create_network(&overlay("proxy", "10.10.0.0/26")).expect("a fresh name");
    let router = ServiceDraft::new("traefik_app").stack("traefik").on("proxy").is_router().dnsrr();
    let shop =
        ServiceDraft::new("shop_app").stack("shop").on("proxy").routed("shop", "ci.commoninternet.test");
    let login = ServiceDraft::new("login_app").stack("login").on("proxy").answers(303);
    for draft in
        [router, shop, login.routed("login", "login.ci.commoninternet.test"), ServiceDraft::new("idle")]
    {
        model.create_service(draft.json()).expect("a fresh name");
    }
    model.advance(SETTLE);
    model.settings_mut().timings = quick();
    model
}

impl Place {
    fn new(model: Model) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = WorldOptions { folder: Some(dir.path().to_owned()), ..WorldOptions::default() };
        let world = ServedWorld::start(model, &options).expect("a world");
        // Only what init writes is to be read.
        std::fs::remove_file(world.config()).expect("the world's own");
        Self { world, dir }
    }

    fn run(&self, args: &[&str]) -> Done {
        let mut command = bare(self.dir.path(), args);
        command.arg("--host").arg(self.world.sim().host());
        Done::of(command)
    }

    /// `pvcheck init` with what no Swarm tells.
    fn init(&self, more: &[&str]) -> Done {
        let address = self.world.router().to_string();
        self.run(&[&["init", "--address", &address, "--ca", "ca.pem", "--log", "dockerd.log"], more].concat())
    }

    fn change(&self, change: impl FnOnce(&mut Model)) {
        self.world.sim().with_model(change);
    }

    fn gate(&self) -> Done {
        self.run(&["gate", "run", "pvcheck.m1", "--probe", "--config", "x.toml", "-o", "json"])
    }
}

/// The required checks that do not pass, each with its verdict.
fn failing(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks").iter();
    let bad = checks.filter(|check| check["required"] == true && check["verdict"] != "PASS");
    bad.map(|c| format!("{} {}", c["id"].as_str().expect("a text"), c["verdict"].as_str().expect("a text")))
        .collect()
}

#[test]
fn what_is_written_passes_as_it_is_and_fails_once_anything_is_broken() {
    type Break = fn(&Place);
    let table: [(&str, &[&str], Break); 7] = [
        ("nothing", &[], |_| {}),
        ("a service scaled to 0", &["service.shop_app FAIL", "route.shop FAIL"], |place| {
            place.change(|model| scale_to_0(model, "shop_app"));
        }),
        ("a subnet changed", &["overlay.subnet FAIL"], |place| {
            let text = std::fs::read_to_string(place.dir.path().join("x.toml")).expect("written");
            std::fs::write(place.dir.path().join("x.toml"), text.replace("10.10.0.0/26", "10.10.0.0/25"))
                .expect("there");
        }),
        ("a leak", &["overlay.leaked FAIL"], |place| {
            place.change(|model| {
                model.settings_mut().timings.stop = Duration::from_millis(200);
                leak(model, "proxy", 1);
            });
        }),
        ("a route that dies", &["route.login FAIL"], |place| {
            place.change(|model| relabel(model, "login_app"));
        }),
        ("a service removed", &["service.idle FAIL"], |place| {
            place.change(|model| model.remove_service("idle").expect("there"));
        }),
        ("an exhaustion line", &["journal.exhaustion FAIL"], |place| {
            let line = "time=\"2036-06-13T05:31:00Z\" level=error msg=\"Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c\" error=\"could not find an available IP while allocating VIP\" module=node node.id=abc\n";
            let log = std::fs::OpenOptions::new().append(true).open(place.world.log());
            std::io::Write::write_all(&mut log.expect("there"), line.as_bytes()).expect("a log");
        }),
    ];
    for (what, expected, break_it) in table {
        let place = Place::new(small());
        let written = place.init(&["--ask", "--write", "x.toml"]);
        assert_eq!(written.code, Some(0), "{written:?}");
        break_it(&place);
        let done = place.gate();
        let found = failing(&done.json());
        assert_eq!(found, expected, "{what}: {:#}", done.json());
        assert_eq!(done.code, Some(i32::from(!expected.is_empty())), "{what}");
    }
}

/// Where the log cannot be read, what rests on it is unknown and the gate with it.
#[test]
fn a_log_that_is_gone_leaves_the_gate_unknown() {
    let place = Place::new(small());
    assert_eq!(place.init(&["--ask", "--write", "x.toml"]).code, Some(0));
    std::fs::remove_file(place.world.log()).expect("there");
    let done = place.gate();
    assert_eq!((done.code, failing(&done.json())), (Some(3), vec!["journal.exhaustion UNKNOWN".to_owned()]));
}

#[test]
fn a_file_that_is_there_is_never_overwritten_and_nothing_is_asked() {
    let place = Place::new(small());
    std::fs::write(place.dir.path().join("x.toml"), "kept").expect("a folder of the test");
    place.world.sim().clear_requests();
    let done = place.init(&["--write", "x.toml"]);
    done.assert_refused(1, &["x.toml", "is not overwritten", "--write FILE"]);
    assert_eq!(std::fs::read_to_string(place.dir.path().join("x.toml")).expect("there"), "kept");
    assert_eq!(place.world.sim().requests(), []);
}

#[test]
fn a_file_that_is_not_there_is_named_before_anything_is_asked() {
    let place = Place::new(small());
    place.world.sim().clear_requests();
    for option in ["--ca", "--log"] {
        let done = place.run(&["init", option, "gone.pem", "--write", "x.toml"]);
        done.assert_refused(2, &["cannot read gone.pem", &format!("name another with {option} FILE")]);
    }
    assert_eq!(place.world.sim().requests(), []);
    assert!(!place.dir.path().join("x.toml").exists());
}

#[test]
fn the_text_is_the_same_on_stdout_in_a_file_and_in_json() {
    let place = Place::new(small());
    let shown = place.init(&[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("# expect = [200]\n"), "not asked: {}", shown.stdout);
    assert!(shown.stdout.contains("# (embedded engine: "), "{}", shown.stdout);
    let saved = place.init(&["--write", "x.toml"]);
    assert!(saved.stdout.starts_with("x.toml: 1 overlay, 4 services, 2 routes; 1 left out"), "{saved:?}");
    assert_eq!(std::fs::read_to_string(place.dir.path().join("x.toml")).expect("written"), shown.stdout);
    let json = place.init(&["-o", "json"]).json();
    assert_eq!((json["text"].as_str(), &json["written"]), (Some(shown.stdout.as_str()), &Value::Null));
    let checked = place.run(&["config", "check", "x.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let before = place.world.sim().requests();
    assert!(before.iter().all(|r| r.method == "GET"), "it only reads");
}

#[test]
fn a_swarm_with_nothing_to_expect_is_refused() {
    let rig = Rig::new(Model::new());
    rig.run(&["init"]).assert_refused(1, &["nothing to expect", "deploy first"]);
}

fn scale_to_0(model: &mut Model, service: &str) {
    change(model, service, |spec| spec["Mode"] = serde_json::json!({"Replicated": {"Replicas": 0}}));
}

/// Takes the routes of a service away, and leaves the service as it is.
fn relabel(model: &mut Model, service: &str) {
    change(model, service, |spec| spec["Labels"] = serde_json::json!({}));
}

fn change(model: &mut Model, service: &str, edit: fn(&mut Value)) {
    let found = model.respond("GET", &format!("/services/{service}"), b"").value();
    let (mut spec, version) = (found["Spec"].clone(), &found["Version"]["Index"]);
    edit(&mut spec);
    let path = format!("/services/{service}/update?version={version}");
    let updated = model.respond("POST", &path, spec.to_string().as_bytes());
    assert_eq!(updated.status, 200, "{service}");
    model.advance(SETTLE);
}
