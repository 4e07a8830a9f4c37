//! `pvcheck config check`: all that is wrong at once, and what a right file has.

use crate::support::*;

const CHECK: [&str; 3] = ["config", "check", "pvcheck.toml"];

#[test]
fn a_right_file_is_told_with_what_it_has_and_no_engine_is_asked() {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit(
        "[tls]",
        "[[gate]]\nname = \"weekly\"\nchecks = [\"route.*\", \"swarm.waiting\"]\n\
         [precondition]\ngate = \"pvcheck.m2\"\nrequires = [\"weekly\"]\nreports = \"reports\"\n[tls]",
    );
    let done = rig.run(&CHECK);
    assert_eq!(done.code, Some(0), "{done:?}");
    for line in [
        "pvcheck.toml is right",
        "  proxy 10.10.0.0/24, 16 free wanted",
        "  ccci-dashboard_app on proxy",
        "  dashboard http://dashboard.test/",
        "  pvcheck.m1, 10 checks",
        "  pvcheck.m2, 14 checks, needs --apply, after weekly",
        "  weekly, 2 checks",
        "hint: no [overlay.creation] declared of `proxy`: creation.declared of pvfix.m1 stays UNKNOWN there",
        "hint: no [window] busy_stacks: no stack is known to be a run's",
    ] {
        assert!(done.stdout.lines().any(|l| l == line), "`{line}` is missing: {}", done.stdout);
    }
    assert_eq!(rig.sim.requests(), []);
    rig.edit("[churn]\nimage = \"sim/busybox:1\"\nstacks = 1\n", "");
    let hinted = rig.run(&CHECK);
    assert!(hinted.stdout.contains("hint: no [churn]: pvcheck.m2 cannot be run\n"), "{}", hinted.stdout);
    assert!(!hinted.stdout.contains("  pvcheck.m2"), "{}", hinted.stdout);
}

/// What a number of checks is worth: it is that of the report.
#[test]
fn a_gate_has_as_many_checks_as_its_report() {
    let rig = Rig::new(cc_ci()).configured();
    let review = rig.run(&[&CHECK[..], &["-o", "json"]].concat()).json();
    let gates = review["gates"].as_array().expect("gates");
    assert_eq!(gates.len(), 4);
    for gate in gates {
        let name = gate["name"].as_str().expect("a name");
        // One overlay, one service and one route: what deploys need not be run to know its checks.
        let checks = if gate["changes_something"] == true {
            let list = rig.run(&["gate", "list", "-o", "json"]).json();
            let listed = list["gates"].as_array().expect("gates").iter().find(|one| one["name"] == name);
            // It has no `[[harness]]`.
            let checks = listed.expect("a gate")["checks"].as_array().expect("checks");
            checks.iter().filter(|id| **id != "harness.NAME").count()
        } else {
            let report = rig.run(&["gate", "run", name, "--record", "none.json", "-o", "json"]).json();
            report["checks"].as_array().expect("checks").len()
        };
        assert_eq!(gate["checks"], checks, "{name}");
    }
}

#[test]
fn everything_that_is_wrong_is_a_line_with_its_place() {
    let broken = |from: &str, to: &str| {
        let rig = Rig::new(cc_ci()).configured();
        rig.edit(from, to);
        let done = rig.run(&CHECK);
        assert_eq!((done.code, done.stderr.as_str()), (Some(2), ""), "{done:?}");
        done.stdout
    };
    for (from, to, lines) in [
        ("10.10.0.0/24", "10.10.0.7/24", 1),
        ("overlay = true", "overlai = true", 1),
        ("ca.pem", "none.pem", 1),
        ("engine.log", "none.log", 1),
        ("engine.log", ".", 1),
        ("sim/busybox:1", "Busy", 1),
        ("[tls]", "[[gate]]\nname = \"a\"\nchecks = [\"x\"]\n[[gate]]\nname = \"b\"\nchecks = []\n[tls]", 2),
        ("[tls]", "[overlay.creation]\ndeclared = \"a.nix\"\ndeployed = \"b.sh\"\n[tls]", 2),
    ] {
        let said = broken(from, to);
        let wrong: Vec<&str> = said.lines().collect();
        assert_eq!(wrong.len(), lines + 1, "{to}: {said}");
        assert!(wrong.iter().all(|line| line.starts_with("pvcheck.toml:")), "{said}");
    }
    let all = broken("subnet = \"10.10.0.0/24\"", "subnet = \"10.10.0.7/24\"\n[[service]]\nnom = 1");
    assert!(all.contains("pvcheck.toml:3:10: ") && all.contains("pvcheck.toml:5:1: "), "{all}");
    assert!(all.ends_with("pvcheck.toml: 2 errors\n"), "{all}");
}

#[test]
fn what_routes_need_is_looked_at_and_no_credential_is_shown() {
    let rig = Rig::new(cc_ci()).configured();
    rig.file("token", "PLANTED\nPLANTED");
    rig.edit(
        "[canary]",
        "[route.request]\nbearer = { file = \"token\" }\n[[route]]\nname = \"api\"\nurl = \"https://api.test/\"\n\
         [route.request]\nbasic = { user = \"x\", password = { env = \"PVCHECK_NO_SUCH\" } }\n[canary]",
    );
    for format in ["table", "json"] {
        let done = rig.run(&[&CHECK[..], &["-o", format]].concat());
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(!done.stdout.contains("PLANTED") && !done.stderr.contains("PLANTED"), "{done:?}");
        for part in ["route `dashboard`", "one line of ASCII", "PVCHECK_NO_SUCH is not set"] {
            assert!(done.stdout.contains(part), "{part}: {done:?}");
        }
    }
    rig.run(&["config", "check", "none.toml"]).assert_refused(2, &["none.toml", "name another"]);
}

/// The CI host, whose configuration names services, routes and the log by the forms that are about several.
fn several() -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("name = \"ccci-dashboard_app\"", "name = \"ccci-*\"\nat_least = 1");
    rig.edit("[[route]]", "[[service]]\nstack = \"traefik\"\n[[route]]\ngroup = \"ci\"");
    rig.edit(
        "[tls]",
        "[[route_group]]\nname = \"ci\"\ndeadline_ms = 5000\nexpect = [\"2xx\"]\n\
         [[route_group]]\nname = \"none\"\n\
         [[gate]]\nname = \"ci\"\nchecks = [\"service.@traefik\", \"service.ccci-*\", \"route.@ci\", \"journal.exhaustion\"]\n[tls]",
    );
    rig
}

#[test]
fn entries_about_several_are_told_with_what_a_file_alone_cannot_know() {
    let done = several().run(&CHECK);
    assert_eq!(done.code, Some(0), "{done:?}");
    for line in [
        "  ccci-* on proxy, at least 1 task",
        "  stack traefik",
        "  dashboard http://dashboard.test/, of ci",
        "hint: [[service]] ccci-*: which services these are, the Swarm alone tells; none there is a FAIL",
        "hint: [[service]] stack traefik: which services these are, the Swarm alone tells; none there is a FAIL",
        "hint: no [[route]] is in group `none`",
    ] {
        assert!(done.stdout.lines().any(|l| l == line), "`{line}` is missing: {}", done.stdout);
    }
    let rig = several();
    rig.edit("group = \"ci\"", "group = \"ci\"\ncore = false");
    let done = rig.run(&CHECK);
    assert!(done.stdout.contains("  dashboard http://dashboard.test/, of ci, not core\n"), "{done:?}");
    assert!(done.stdout.contains("hint: no route is core: routes.before"), "{done:?}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (from, to, place, part) in [
        ("at_least = 1", "at_least = 1\nreplicas = 1", ":", "both `replicas` and `at_least`"),
        ("stack = \"traefik\"", "stack = \"traefik\"\nname = \"x\"", ":", "both `name` and `stack`"),
        ("group = \"ci\"", "group = \"cj\"", " ", "in group `cj`; the groups here are ci, none;"),
        ("[journal]", "[journal]\nsince = \"soon\"", ":", "`soon` is no time"),
        ("file = \"engine.log\"", "[[journal.node]]\nnode = \"m1\"\nfile = \"m1.log\"", " ", "of `m1`: "),
        ("file = \"engine.log\"", "[[journal.node]]\nnode = \"m1\"", ":", "does not say where its log is"),
        (
            "file = \"engine.log\"",
            "file = \"engine.log\"\n[[journal.node]]\nnode = \"m1\"\nunit = \"x\"",
            " ",
            "a log of no node beside those of [[journal.node]]",
        ),
        ("\"route.@ci\"", "\"route.@cj\"", " ", "did you mean route.@ci?"),
    ] {
        let rig = several();
        rig.edit(from, to);
        let done = rig.run(&CHECK);
        assert_eq!(done.code, Some(2), "{to}: {done:?}");
        let line = done.stdout.lines().find(|line| line.contains(part));
        let line = line.unwrap_or_else(|| panic!("`{part}`: {}", done.stdout));
        let after = line.strip_prefix("pvcheck.toml:").unwrap_or_else(|| panic!("{line}"));
        // A fault of the form has line and column, one of the meaning has none.
        assert_eq!(after.starts_with(|c: char| c.is_ascii_digit()), place == ":", "{line}");
    }
}

#[test]
fn a_gate_judges_entries_about_several_and_fails_where_one_names_nothing() {
    let run = |rig: &Rig| rig.run(&["gate", "run", "ci", "-o", "json"]);
    let verdicts = |report: &serde_json::Value| {
        let checks = report["checks"].as_array().expect("checks").iter();
        checks.map(|c| format!("{} {}", c["id"], c["verdict"]).replace('"', "")).collect::<Vec<_>>()
    };
    let rig = several();
    let done = run(&rig);
    assert_eq!(
        (done.code, verdicts(&done.json())),
        (
            Some(0),
            vec![
                "service.@traefik PASS".to_owned(),
                "service.ccci-* PASS".into(),
                "route.dashboard PASS".into(),
                "journal.exhaustion PASS".into(),
            ]
        ),
        "{done:?}"
    );
    rig.edit("stack = \"traefik\"", "stack = \"traefic\"");
    rig.edit("service.@traefik", "service.@*");
    rig.edit("[journal]", "[journal]\nsince = \"9999-01-01\"");
    let done = run(&rig);
    assert_eq!(done.code, Some(1), "{done:?}");
    let verdicts = verdicts(&done.json());
    assert_eq!(verdicts[0], "service.@traefic FAIL");
    assert_eq!(verdicts[3], "journal.exhaustion UNKNOWN", "{done:?}");
}

/// The team's own signature of a plugin's pool.
const OWN: &str = "[[signature]]\nid = \"acme-full\"\nclass = \"exhaustion\"\nplace = \"leader\"\n\
    meaning = \"the pool of acme has no address\"\nremedy = \"enlarge it\"\nsource = \"seen here\"\n\
    matches = ['level=error msg=\"acme: pool p1 is used up\"']\npattern = [{ message = [\"acme: pool \"] }]\n";

#[test]
fn a_gate_judges_the_log_by_the_team_s_own_signatures_too() {
    let judged = |rig: &Rig| {
        let done = rig.run(&["gate", "run", "ci", "-o", "json"]);
        let checks = done.json()["checks"].as_array().expect("checks").clone();
        let log = checks.into_iter().find(|check| check["id"] == "journal.exhaustion").expect("the log");
        (log["verdict"].as_str().expect("a verdict").to_owned(), log.to_string())
    };
    let rig = several();
    // The engine begins its log at the first call.
    assert_eq!(judged(&rig).0, "PASS");
    let now = jiff::Timestamp::now();
    let line = format!("time=\"{now}\" level=error msg=\"acme: pool p9 is used up\" module=node\n");
    let log = std::fs::read_to_string(rig.path("engine.log")).expect("a log") + &line;
    rig.file("engine.log", &log);
    assert_eq!(judged(&rig).0, "PASS", "nobody knows the line");
    rig.file("own.toml", OWN);
    rig.edit("[journal]", "[journal]\ncatalogue = \"own.toml\"");
    assert_eq!(rig.run(&CHECK).code, Some(0));
    let (verdict, log) = judged(&rig);
    assert_eq!(verdict, "FAIL", "{log}");
    assert!(log.contains("acme: pool p9 is used up"), "{log}");
    // One that does not hold, or is not there: nothing is judged without it.
    for (text, part) in [
        (OWN.replace("acme: pool \"", "acme: net \""), "line 1 of `matches` is not matched"),
        (String::new(), "no entry"),
    ] {
        rig.file("own.toml", &text);
        rig.run(&["gate", "run", "ci"]).assert_refused(2, &["[journal] catalogue: ", "own.toml: ", part]);
        let done = rig.run(&CHECK);
        assert!(done.code == Some(2) && done.stdout.contains(part), "{done:?}");
    }
    std::fs::remove_file(rig.path("own.toml")).expect("it is there");
    rig.run(&["gate", "run", "ci"]).assert_refused(2, &["cannot read", "own.toml", "name another"]);
}
