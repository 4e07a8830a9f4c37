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

const CREATES: &str = "#!/bin/sh\ndocker network inspect proxy ||\n  docker network create -d overlay --subnet 10.10.0.0/16 proxy\n";

/// A configuration that wants a /16, and the file of it that declares one.
fn to_be_wider(deployed: &str) -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    rig.file("swarm.nix", &format!("{{ script = ''\n{CREATES}''; }}\n").replace("#!/bin/sh\n", ""));
    let creation =
        format!("subnet = \"10.10.0.0/16\"\n[overlay.creation]\ndeclared = \"swarm.nix\"\n{deployed}\n");
    rig.edit("subnet = \"10.10.0.0/24\"\n", &creation);
    rig
}

/// A `systemctl` that knows one unit, whose script is this file.
fn with_systemctl(rig: &Rig, script: &str) -> String {
    let text = format!(
        "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = swarm-init.service ] || {{ echo LoadState=not-found; exit 0; }}\n\
         echo ActiveState=active; echo SubState=exited; echo Result=success\n\
         echo 'InactiveExitTimestamp=Mon 2026-01-05 05:00:00 UTC'; echo 'ActiveEnterTimestamp=Mon 2026-01-05 05:00:01 UTC'\n\
         echo 'ExecStart={{ path={script} ; argv[]={script} ; ignore_errors=no ; pid=0 }}'\necho LoadState=loaded\n"
    );
    let bin = rig.path("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::write(bin.join("systemctl"), text).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bin.join("systemctl"), mode).expect("its own file");
    format!("{}:{}", bin.display(), std::env::var("PATH").expect("set"))
}

#[test]
fn an_overlay_is_renewed_between_its_two_gates() {
    let rig = to_be_wider("unit = \"swarm-init.service\"");
    rig.file("init.sh", CREATES);
    let path = with_systemctl(&rig, &rig.path("init.sh").display().to_string());
    let run = |words: &[&str]| {
        let mut command = rig.command(words);
        Done::of({
            command.env("PATH", &path);
            command
        })
    };
    let before = rig.objects();
    let planned = run(&["gate", "run", "pvfix.m1", "--out", "reports"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert_eq!((rig.writes(), rig.objects()), (Vec::new(), before.clone()));
    let after = ["gate", "run", "pvfix.m2", "--probe", "--record", "state/resize-proxy.json", "-o", "json"];
    let early = run(&after);
    assert_eq!(early.code, Some(1), "{early:?}");
    assert_eq!(check(&early.json(), "overlay.subnet").0, "FAIL");
    assert_eq!(check(&early.json(), "renewal.ended").0, "UNKNOWN");

    let done = run(&["resize", "proxy", "--to", "10.10.0.0/16", "--state", "state", "--apply"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let proved = run(&[&after[..], &["--out", "reports"]].concat());
    assert_eq!(proved.code, Some(0), "{proved:?}");
    let (verdict, reason) = check(&proved.json(), "creation.columns");
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("PASS", "declared, deployed and live have 10.10.0.0/16")
    );
    let (verdict, reason) = check(&proved.json(), "creation.unit");
    assert!(verdict == "PASS" && reason.contains("the renewal created proxy afterwards"), "{reason}");
    // Two services of the configuration's are not among those moved; these have a line each all the same.
    assert_eq!(check(&proved.json(), "service.drone_ci_commoninternet_net_app").0, "PASS");
    for name in
        ["pvfix.m1", "pvfix.m2"].iter().flat_map(|g| ["json", "md", "facts.json"].map(|e| format!("{g}.{e}")))
    {
        assert!(rig.path("reports").join(&name).exists(), "{name}");
    }
    let report = std::fs::read_to_string(rig.path("reports/pvfix.m2.md")).expect("written");
    assert!(report.contains("init.sh:3 (ExecStart of swarm-init.service)"), "{report}");
    assert_eq!(rig.objects(), before, "nothing is left of both");

    // What runs at the next start of the host is still the old line.
    rig.file("init.sh", &CREATES.replace("/16", "/24"));
    let stale = run(&after);
    assert_eq!(stale.code, Some(1), "{stale:?}");
    let open: Vec<String> = stale.json()["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|c| c["verdict"] != "PASS")
        .map(|c| c["id"].to_string())
        .collect();
    assert_eq!(open, ["\"creation.columns\""]);
    rig.edit("swarm-init.service", "other.service");
    let unknown = run(&after);
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
    assert!(
        check(&unknown.json(), "creation.columns").1.contains("systemd has it as not-found"),
        "{unknown:?}"
    );
}

#[test]
fn the_gates_of_a_renewal_are_about_one_overlay_of_the_configuration() {
    let rig = to_be_wider("");
    rig.edit("[overlay]", "[[overlay]]");
    rig.edit("[tls]", "[[overlay]]\nname = \"ingress\"\nsubnet = \"10.99.0.0/16\"\n[tls]");
    let done = rig.run(&["gate", "run", "pvfix.m1", "--network", "ingress", "-o", "json"]);
    assert_eq!(check(&done.json(), "creation.declared.ingress").0, "UNKNOWN");
    let done = rig.run(&["gate", "run", "pvfix.m1", "-o", "json"]);
    assert_eq!(check(&done.json(), "creation.declared.proxy").0, "PASS", "{done:?}");
    rig.run(&["gate", "run", "pvfix.m1", "--network", "prox"])
        .assert_refused(2, &["--network prox", "it has proxy, ingress"]);
    rig.edit("declared = \"swarm.nix\"", "deployed = \"a\"\nunit = \"b\"");
    rig.run(&["gate", "run", "pvfix.m1"]).assert_refused(2, &["both `deployed` and `unit`"]);
}

/// Whatever prints a route, in every format and in the files that a gate leaves.
#[test]
fn a_routes_credential_shows_nowhere() {
    const SECRET: &str = "c4n4ry-In-The-Mine";
    // "probe:" is eight characters of base64, so what follows it is the password's own.
    const ENCODED: &str = "YzRuNHJ5LUluLVRoZS1NaW5l";
    let rig = Rig::new(cc_ci()).configured();
    rig.file("password", SECRET);
    let asked = "expect = [204]\n[route.request]\nbasic = { user = \"probe\", password = { file = \"password\" } }\n[canary]";
    rig.edit("[canary]", asked);
    let mut shown = Vec::new();
    for words in [
        &["routes"][..],
        &["routes", "-o", "json"],
        &["routes", "--watch", "300ms", "-o", "json"],
        &["routes", "--watch", "300ms", "--verbose"],
        &["gate", "run", "pvcheck.m1", "-o", "markdown", "--out", "out"],
        &["gate", "run", "pvcheck.m1", "-o", "json"],
        &M1,
    ] {
        let done = rig.run(words);
        assert_eq!(done.code, Some(1), "no 204 comes: {done:?}");
        shown.push(format!("{done:?}"));
    }
    for name in ["pvcheck.m1.json", "pvcheck.m1.md", "pvcheck.m1.facts.json"] {
        shown.push(std::fs::read_to_string(rig.path("out").join(name)).expect("the gate has left it"));
    }
    assert!(shown.iter().all(|text| !text.contains(SECRET) && !text.contains(ENCODED)), "{shown:#?}");
    assert!(
        shown[0].contains("-u \\\"probe:$(cat "),
        "the line that repeats it names the file: {}",
        shown[0]
    );
    rig.edit("{ file = \"password\" }", &format!("\"{SECRET}\""));
    let refused = rig.run(&["routes"]);
    refused.assert_refused(2, &["pvcheck.toml:", "do not stand in a configuration"]);
    assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
    rig.edit(&format!("\"{SECRET}\""), "{ env = \"PVCHECK_NO_SUCH_VARIABLE\" }");
    for words in [&["routes"][..], &M1] {
        rig.run(words).assert_refused(2, &["route `dashboard`", "PVCHECK_NO_SUCH_VARIABLE is not set"]);
    }
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
