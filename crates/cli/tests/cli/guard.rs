//! A team's guard by the command line: a gate of its own, a bundle that outlives the file, and what is refused.

use crate::support::*;

const LINES: &str = "count=$(journalctl -u docker | grep -c 'available IP while allocating VIP')\n\
    test \"$count\" = 0 || systemctl restart docker\nexport DB_PASSWORD=pv-canary-4e6a\n";

const OWN: [&str; 5] = ["gate", "run", "guarded", "-o", "json"];

fn rig() -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit(
        "[tls]",
        "[guard]\nfile = \"upgrade.sh\"\ncontains = ['available IP while', 'restart docker', 'PASSWORD']\n\
         [[gate]]\nname = \"guarded\"\nchecks = [\"guard.present\"]\n[tls]",
    );
    rig.file("upgrade.sh", LINES);
    rig
}

#[test]
fn a_gate_of_ones_own_reads_the_file_and_nothing_of_the_swarm() {
    let rig = rig();
    let done = rig.run(&OWN);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = done.json();
    let checks = report["checks"].as_array().expect("checks");
    assert_eq!((checks.len(), &checks[0]["id"]), (1, &"guard.present".into()));
    assert_eq!(checks[0]["kind"], "guard");
    assert_eq!(checks[0]["data"]["kind"], "present");
    let place = &checks[0]["data"]["data"];
    assert!(place["from"] == 1 && place["to"] == 3, "{place}");
    assert!(done.stdout.contains("DB_PASSWORD=***") && !done.stdout.contains("pv-canary"), "{done:?}");
    assert_eq!(rig.writes(), [] as [&str; 0]);
    let asked = rig.sim.requests();
    let snapshots = asked.iter().filter(|r| r.method == "GET" && r.target.ends_with("/tasks")).count();
    assert_eq!(snapshots, 1, "the look at the configuration's overlays alone");

    rig.file("upgrade.sh", &LINES.replace("restart", "reload"));
    let failed = rig.run(&OWN);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let reason = failed.json()["checks"][0]["reason"].as_str().expect("a text").to_owned();
    assert!(reason.ends_with("upgrade.sh: no line matches `restart docker`"), "{reason}");
}

#[test]
fn a_bundle_has_what_was_seen_of_it_and_replays_without_the_file() {
    let rig = rig();
    let run = ["gate", "run", "pvcheck.m1", "--probe", "-o", "json", "--bundle", "run.json"];
    let first = rig.run(&run);
    assert_eq!(first.code, Some(0), "{first:?}");
    let checks = first.json()["checks"].as_array().expect("checks").len();
    assert_eq!(first.json()["checks"][checks - 1]["id"], "guard.present");
    let kept = std::fs::read_to_string(rig.path("run.json")).expect("written");
    assert!(kept.contains("DB_PASSWORD=***") && !kept.contains("pv-canary"));
    std::fs::remove_file(rig.path("upgrade.sh")).expect("it was there");
    let again = rig.run(&["gate", "run", "--replay", "run.json", "-o", "json"]);
    assert_eq!((again.code, again.stdout), (Some(0), first.stdout));
    let gone = rig.run(&OWN);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.stdout.contains("the guard is not where it is to be: "), "{gone:?}");
    // A folder in its place is no answer.
    std::fs::create_dir(rig.path("upgrade.sh")).expect("a folder of the test");
    assert_eq!(rig.run(&OWN).code, Some(3));
}

#[test]
fn its_file_is_looked_at_and_a_pattern_that_is_none_is_refused_with_its_place() {
    const CHECK: [&str; 3] = ["config", "check", "pvcheck.toml"];
    let rig = rig();
    let right = rig.run(&CHECK);
    assert!(right.code == Some(0) && right.stdout.contains("  pvcheck.m1, 11 checks\n"), "{right:?}");
    std::fs::remove_file(rig.path("upgrade.sh")).expect("it was there");
    let gone = rig.run(&CHECK);
    assert_eq!(gone.code, Some(2), "{gone:?}");
    assert!(gone.stdout.contains("[guard] file: ") && gone.stdout.contains("is not there"), "{gone:?}");
    rig.edit("'restart docker'", "'restart ('");
    rig.run(&OWN[..3]).assert_refused(2, &["pvcheck.toml:6:", "not a regular expression"]);
    rig.edit("'restart ('", "'.*'");
    rig.run(&OWN[..3]).assert_refused(2, &["[guard]: its `contains` has `.*`", "an empty line"]);
    assert_eq!(rig.sim.requests(), []);
}
