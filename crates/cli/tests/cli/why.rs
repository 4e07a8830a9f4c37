//! `pvcheck why` and what `pvcheck audit` says beside its table: exit codes, files, words.

use pvcheck_sim::{Engine, Model, ServiceDraft, Settings};
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
