//! `pvcheck why` and what `pvcheck audit` says beside its table: exit codes, files, words.

use pvcheck_sim::{Engine, Model, NetworkDraft, ServiceDraft, Settings};
use serde_json::Value;

use crate::support::*;

#[test]
fn exit_codes() {
    let mut model = waiting();
    service(&mut model, ServiceDraft::new("nowhere").constraint("node.labels.no==1"));
    let rig = Rig::new(model);
    for (subject, code, verdict) in
        [("late", 1, "address"), ("nowhere", 1, "not-address"), ("ccci-dashboard_app", 0, "running")]
    {
        let done = rig.run(&["why", subject, "-o", "json"]);
        assert_eq!(done.code, Some(code), "{done:?}");
        let found = done.json();
        assert_eq!((&found["kind"], &found["verdict"]), (&"why".into(), &verdict.into()), "{found:#}");
    }
    rig.run(&["why", "lat"]).assert_refused(2, &["`lat`", "did you mean", "late"]);
    rig.run(&["why", "zzz"]).assert_refused(2, &["docker service ls"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn what_is_too_young_is_unknown() {
    let rig = Rig::new(waiting());
    let later = ServiceDraft::new("later").on("full").json();
    rig.sim.with_model(|model| model.create_service(later).map(drop)).unwrap();
    let done = rig.run(&["why", "later"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.stdout.contains("ask again"), "{done:?}");
}

#[test]
fn words_for_people() {
    let rig = Rig::new(waiting());
    let done = rig.run(&["why", "late"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for words in [
        "service late waits for an address: network full is full\n",
        "  network full: full, since ",
        "5 usable, 5 owned (1 VIPs, 4 tasks, 0 load balancers, 0 standalone containers), 0 leaked, 0 free",
        "        5  filler (1 VIP, 4 tasks)\n",
        "What to do, cheapest first:\n  1. if service filler is not needed",
        "     $ docker service rm filler\n",
    ] {
        assert!(done.stdout.contains(words), "`{words}` is missing in\n{}", done.stdout);
    }
}

/// Without an engine, the same: also the allocator's counts of a new one.
#[test]
fn offline_is_online() {
    let mut model = Model::with_settings(Settings { engine: Engine::V29_7, ..Settings::default() });
    overlay(&mut model, "shared", "10.90.0.0/24");
    service(&mut model, ServiceDraft::new("app").on("shared").replicas(3));
    leak(&mut model, "shared", 2);
    overlay(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("late").on("shared").on("full"));
    let rig = Rig::new(model);
    let file = rig.path("look.json").to_string_lossy().into_owned();
    let online = rig.run(&["audit", "-o", "json", "--save", &file]);
    assert_eq!(online.code, Some(1), "{online:?}");
    let networks = online.json()["networks"].clone();
    let shared = networks.as_array().unwrap().iter().find(|n| n["name"] == "shared").unwrap();
    let leaked = rig.sim.with_model(|m| m.truth().leaked("shared").unwrap().len());
    assert_eq!(
        (&shared["leaked"], 3),
        (&Value::from(leaked), leaked),
        "two, and one by the failed service (L2)"
    );
    let offline = |args: &[&str]| {
        let mut command = bare(rig.dir.path(), args);
        command.args(["--host", "unix:///nowhere.sock", "--snapshot", &file]);
        Done::of(command)
    };
    assert_eq!(offline(&["audit", "-o", "json"]).stdout, online.stdout);
    assert_eq!(offline(&["audit"]).code, Some(1));
    // The look is the same, so the words are, too.
    let why = offline(&["why", "late", "-o", "json"]).json();
    assert_eq!((&why["verdict"], &why["network"]["name"]), (&"vip-pending".into(), &"full".into()));
    let mut live = rig.run(&["why", "late", "-o", "json"]).json();
    assert_eq!(live["chain"], why["chain"]);
    assert_eq!(live["remedies"].take(), why["remedies"]);
}

#[test]
fn a_table_with_leaks_and_thresholds() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.90.0.0/28");
    service(&mut model, ServiceDraft::new("app").on("shared").replicas(6));
    let rig = Rig::new(model);
    let row = |args: &[&str]| {
        let done = rig.run(args);
        assert_eq!(done.code, Some(0), "{done:?}");
        let line = done.stdout.lines().find(|l| l.starts_with("shared")).expect("a row").to_owned();
        (line, done.stdout)
    };
    let (line, _) = row(&["audit"]);
    assert!(line.ends_with("?      ?  unknown"), "{line}");
    let (line, text) = row(&["audit", "shared", "--high", "5"]);
    assert!(line.ends_with("high"), "{line}");
    for words in ["    7  app (1 VIP, 6 tasks)", ": 6 tasks, 0 standalone containers, 1 load balancer"] {
        assert!(text.contains(words), "`{words}` is missing in {text}");
    }
    assert!(row(&["audit", "--high", "61%"]).0.ends_with("high"));
    assert!(row(&["audit", "--high", "62%"]).0.ends_with("unknown"));
    rig.run(&["audit", "--high", "0%"]).assert_refused(2, &["--high"]);
}

/// A census by the engine's own count: a number, said to be one; refused where there is none, and offered where the others
/// are refused.
#[test]
fn a_census_by_status() {
    let mut model = Model::with_settings(Settings { engine: Engine::V29_7, ..Settings::default() });
    overlay(&mut model, "shared", "10.90.0.0/24");
    leak(&mut model, "shared", 2);
    let rig = Rig::new(model.clone());
    let done = rig.run(&["census", "shared", "--method", "status"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for words in ["+ 2 leaked\n", "by status: a number only"] {
        assert!(done.stdout.contains(words), "`{words}` is missing in {done:?}");
    }
    let found = rig.run(&["census", "shared", "--method", "status", "-o", "json"]).json();
    assert_eq!(
        (&found["method"], &found["leaked"], &found["complete"]),
        (&"status".into(), &2.into(), &true.into())
    );
    assert_eq!(found["leaked_addresses"], Value::Array(Vec::new()));
    assert_eq!(rig.writes(), [] as [&str; 0]);
    let clean = rig.run(&["census", "ingress", "--method", "status"]);
    assert_eq!(clean.code, Some(0), "{clean:?}");

    overlay(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("filler").on("full").constraint("node.labels.no==1").replicas(4));
    service(&mut model, ServiceDraft::new("late").on("full"));
    let rig = Rig::new(model);
    rig.run(&["census", "shared"]).assert_refused(4, &["late", "--method status"]);
    assert_eq!(rig.run(&["census", "shared", "--method", "status"]).code, Some(1));

    let rig = Rig::new(cc_ci());
    rig.run(&["census", "proxy", "--method", "status"]).assert_refused(3, &["1.52", "leave out the method"]);
    rig.run(&["census", "proxy", "--method", "guess"]).assert_refused(2, &["`status`"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

/// A network that a service of this name waits on together with `private`, which is old enough to have lost everything.
fn undecided(full: bool) -> Model {
    let mut model = cc_ci();
    overlay(&mut model, "private", "10.90.0.0/29");
    overlay(&mut model, "shared", "10.91.0.0/28");
    service(&mut model, ServiceDraft::new("resident").on("shared"));
    leak(&mut model, "shared", 10);
    // The last free address.
    service(&mut model, ServiceDraft::new("last").on("shared").replicas(0));
    service(&mut model, ServiceDraft::new("app").on("private").on("shared"));
    // Far more than a /29 can lose at most in that time.
    model.advance(std::time::Duration::from_hours(1));
    if !full {
        // What is given back while a service waits is given to it.
        model.remove_service("resident").expect("there");
        model.advance(SETTLE);
    }
    model
}

#[test]
fn one_snapshot_does_not_decide_between_two_old_networks_and_a_probe_does() {
    let rig = Rig::new(undecided(true));
    let before = rig.objects();
    let done = rig.run(&["why", "app", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let found = done.json();
    assert_eq!((&found["network"], found["candidates"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
    assert_eq!(found["remedies"][0]["command"], "pvcheck why app --probe");
    assert_eq!(rig.writes(), [] as [&str; 0]);

    let done = rig.run(&["why", "app", "--probe", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let found = done.json();
    let truth = rig.sim.with_model(|m| m.truth().leaked("shared").map(<[_]>::len));
    assert_eq!(
        (&found["network"]["name"], &found["network"]["full_kind"]["kind"]),
        (&"shared".into(), &"probed".into())
    );
    assert_eq!(found["network"]["leaked"].as_u64(), truth.map(|n| n as u64), "{found:#}");
    assert_eq!(found["remedies"][0]["command"], "pvcheck reclaim --apply");
    let cost = done.stderr.lines().next().unwrap_or_default();
    for words in ["probes private and shared", "up to 3 services", "may lose up to 3 addresses of private"] {
        assert!(cost.contains(words), "`{words}` is missing: {cost}");
    }
    assert_eq!(rig.objects(), before, "every probe is removed");
    // A service without tasks each: no container starts.
    let made = rig.writes();
    assert!(
        made.iter()
            .all(|w| w.starts_with("POST /") && w.ends_with("/services/create") || w.starts_with("DELETE ")),
        "{made:?}"
    );
}

#[test]
fn what_one_snapshot_decides_is_not_probed() {
    let rig = Rig::new(waiting());
    assert_eq!(rig.run(&["why", "late", "--probe"]).code, Some(1));
    assert_eq!(rig.run(&["why", "ccci-dashboard_app", "--probe"]).code, Some(0));
    let rig = Rig::new(undecided(false));
    assert_eq!(rig.run(&["why", "app", "--probe"]).code, Some(0), "it was served meanwhile");
    assert_eq!(rig.writes(), [] as [&str; 0]);
    rig.run(&["why", "app", "--probe", "--snapshot", "x"]).assert_refused(2, &["--snapshot"]);
}

/// An allocator that serves nothing shows nothing: neither network is called full.
#[test]
fn without_a_served_probe_nothing_is_decided() {
    let rig = Rig::new(undecided(true));
    rig.sim.with_model(|model| model.settings_mut().timings.allocation = std::time::Duration::from_hours(1));
    let before = rig.objects();
    let done = rig.run(&["why", "app", "--probe", "-o", "json"]);
    let found = done.json();
    assert_eq!(
        (&found["network"], found["candidates"].as_array().map(Vec::len)),
        (&Value::Null, Some(2)),
        "{found:#}"
    );
    assert_eq!(rig.objects(), before);
}

#[test]
fn a_signal_while_a_probe_is_made_leaves_nothing() {
    let rig = Rig::new(undecided(true));
    rig.sim.with_model(|model| model.settings_mut().timings.allocation = std::time::Duration::from_hours(1));
    let before = rig.objects();
    let child = rig
        .command(&["why", "app", "--probe"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the command was built");
    until("a probe is made", || rig.objects() != before);
    let pid = i32::try_from(child.id()).expect("a pid");
    assert!(
        std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().expect("kill").success()
    );
    let done: Done = child.wait_with_output().expect("it ends").into();
    assert_eq!(done.code, Some(130), "{done:?}");
    assert_eq!(rig.objects(), before);
}

/// A stack on a network of its own and on `shared`, which has no address left: the private one was made with it.
#[test]
fn the_incidents_own_shape_names_network_number_and_cure() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.91.0.0/28");
    service(&mut model, ServiceDraft::new("resident").on("shared"));
    leak(&mut model, "shared", 10);
    model.create_network(&NetworkDraft::overlay("shop_internal").json()).expect("a fresh name");
    service(&mut model, ServiceDraft::new("shop_app").stack("shop").on("shop_internal").on("shared"));
    let rig = Rig::new(model);
    let found = rig.run(&["why", "shop_app", "-o", "json"]).json();
    let network = &found["network"];
    let leaked = rig.sim.with_model(|m| m.truth().leaked("shared").map(|l| l.len() as u64));
    assert_eq!((&network["name"], network["leaked"].as_u64()), (&"shared".into(), leaked), "{found:#}");
    assert_eq!(network["full_kind"]["kind"], "others_too_young");
    assert_eq!(found["remedies"][0]["command"], "pvcheck reclaim --apply");
}

#[test]
fn audit_finds_what_is_wrong_with_networks_that_nothing_waits_on() {
    let mut model = cc_ci();
    assert_eq!(Rig::new(cc_ci()).run(&["audit"]).code, Some(0));
    overlay(&mut model, "first", "10.95.0.0/24");
    overlay(&mut model, "second", "10.95.0.0/24");
    let rig = Rig::new(model);
    let done = rig.run(&["audit", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let found = done.json();
    assert_eq!(
        (&found["findings"][0]["kind"], &found["findings"][0]["network"]),
        (&"not_allocated".into(), &"second".into())
    );
    let table = rig.run(&["audit"]).stdout;
    assert!(table.contains("! network second has no subnet"), "{table}");
    assert_eq!(rig.run(&["audit", "first"]).code, Some(0), "the other one is not at fault");
}

#[test]
fn a_plan_says_who_else_uses_a_network_of_the_stack() {
    let mut model = cc_ci();
    let label = NetworkDraft::overlay("shop_net").label("com.docker.stack.namespace", "shop");
    model.create_network(&label.json()).expect("a fresh name");
    service(&mut model, ServiceDraft::new("shop_app").stack("shop").on("shop_net"));
    service(&mut model, ServiceDraft::new("other_app").stack("other").on("shop_net"));
    let rig = Rig::new(model);
    let plan = rig.run(&["stack", "rm", "shop", "-o", "json"]).json();
    assert_eq!(
        plan["stacks"][0]["used"],
        serde_json::json!([{"network": "shop_net", "services": ["other_app"]}])
    );
    let words = rig.run(&["stack", "rm", "shop"]).stdout;
    assert!(words.contains("shop_net stays while it is used: other_app is on it"), "{words}");
    assert_eq!(
        rig.run(&["stack", "rm", "other", "-o", "json"]).json()["stacks"][0]["used"],
        serde_json::json!([])
    );
}
