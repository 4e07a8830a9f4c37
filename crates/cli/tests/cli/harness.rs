//! A team's own run by the command line: what it prints stays out of everything, and it ends with the gate.

use std::path::PathBuf;
use std::process::Stdio;

use pvcheck_sim::ServiceDraft;
use rustix::process::Signal;

use crate::support::*;

/// What must be in no output.
const CANARY: &str = "pv-canary-5d1e";

const LEDGER: [&str; 9] = [
    "ledger",
    "new",
    "ledger.jsonl",
    "--builder",
    "builder.key.pub",
    "--verifier",
    "verifier.key.pub",
    "--key",
    "verifier.key",
];

/// It prints its variable in all the ways in which secrets get into logs, and writes it into its result.
const SCRIPT: &str = r#"echo "token is $CI_KEY, base $CI_KEY$CI_KEY"; echo "x $CI_KEY" >&2; echo "DB_PASSWORD=$1"
echo "fetching https://ci:$1@git.test/"; echo "Authorization: Bearer $1"
echo "-----BEGIN PRIVATE KEY-----"; echo "$1"; echo "-----END PRIVATE KEY-----"
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
touch running
while [ ! -e torn-down ]; do sleep 0.02; done
cat > result.json <<END
{"started_at": "$started", "level": 5, "clean_teardown": true, "no_secret_leak": FLAG, "token": "$CI_KEY",
 "tiers": {"install": "pass", "upgrade": "pass", "backup": "pass", "restore": "pass", "custom": "pass"}}
END
exit 0
"#;

fn rig(script: &str) -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    let harness = format!(
        "[[harness]]\nname = \"shop\"\ncommand = [\"sh\", \"harness.sh\", \"{CANARY}\"]\nenv = [\"CI_KEY\"]\n\
         result = \"result.json\"\ntimeout_s = 25\n\
         [[gate]]\nname = \"proof\"\nchecks = [\"harness.shop\", \"routes.during\"]\n[tls]"
    );
    rig.edit("[tls]", &harness);
    rig.file("harness.sh", script);
    rig
}

fn looks(rig: &Rig) -> usize {
    rig.sim.requests().iter().filter(|r| r.method == "GET" && r.target.ends_with("/tasks")).count()
}

/// The gate, while something is deployed beside it and removed again.
fn proof(rig: &Rig, more: &[&str]) -> Done {
    for file in ["running", "torn-down"] {
        // Of the run before, if there was one.
        let _ = std::fs::remove_file(rig.path(file));
    }
    let mut command = rig.command(&[&["gate", "run", "proof", "--apply"], more].concat());
    command.env("CI_KEY", CANARY).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command was built");
    until("it runs", || rig.path("running").exists());
    rig.sim.with_model(|model| {
        model.create_service(ServiceDraft::new("shop_app").on("proxy").json()).map(drop).expect("fresh");
    });
    let before = looks(rig);
    until("it was seen", || before + 3 <= looks(rig));
    rig.sim.with_model(|model| model.remove_service("shop_app").expect("there"));
    rig.file("torn-down", "");
    ended(child)
}

/// Every file that pvcheck wrote into the folder.
fn written(rig: &Rig) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![rig.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the test").flatten() {
            let path = entry.path();
            let own = ["pvcheck.toml", "result.json", "harness.sh"].iter().any(|name| path.ends_with(name));
            match path.is_dir() {
                true => folders.push(path),
                false if !own => all.push(path),
                false => {}
            }
        }
    }
    all
}

#[test]
fn a_gate_runs_it_and_no_output_has_a_secret_of_it() {
    let rig = rig(&SCRIPT.replace("FLAG", "true"));
    let mut said = String::new();
    for (format, more) in [
        ("json", &["--out", "reports", "--bundle", "proof.json"][..]),
        ("markdown", &["--bundle", "second.json"]),
        ("table", &["-v"]),
    ] {
        let done = proof(&rig, &[&["-o", format], more].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        said += &(done.stdout + &done.stderr);
    }
    for words in [
        &["gate", "run", "--replay", "proof.json"][..],
        &["gate", "run", "--replay", "proof.json", "-o", "json"],
        &["gate", "run", "--replay", "proof.json", "-o", "markdown"],
        &["gate", "diff", "proof.json", "second.json"],
        &["report", "proof.json", "--write", "page.html"],
        &["keys", "new", "builder.key"],
        &["keys", "new", "verifier.key"],
        &LEDGER,
        &[
            "gate",
            "claim",
            "proof",
            "--report",
            "reports/proof.json",
            "--key",
            "builder.key",
            "--what",
            "the proof",
        ],
        &["gate", "status", "proof"],
        &["gate", "status", "proof", "-o", "json"],
        &["ledger", "check", "ledger.jsonl"],
    ] {
        let done = rig.run(words);
        // How a claim without a verdict stands is not what this is about.
        assert!(done.code == Some(0) || words[1] == "status", "{words:?}: {done:?}");
        said += &(done.stdout + &done.stderr);
    }
    assert!(said.contains("token is [redacted]"), "what it printed is evidence: {said}");
    assert!(!said.contains(CANARY));
    let files = written(&rig);
    for name in ["proof.facts.json", "proof.md", "proof.json", "page.html", "ledger.jsonl"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "{name} in {files:?}");
    }
    for path in files {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("written")).into_owned();
        assert!(!text.contains(CANARY), "{}", path.display());
    }
}

#[test]
fn its_bundle_replays_to_the_letter() {
    let rig = rig(&SCRIPT.replace("FLAG", "false"));
    let ran = proof(&rig, &["-o", "json", "--bundle", "proof.json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let first = &ran.json()["checks"][0];
    assert_eq!((&first["id"], &first["reason"]), (&"harness.shop".into(), &"no_secret_leak is false".into()));
    let again = rig.run(&["gate", "run", "--replay", "proof.json", "-o", "json"]);
    assert_eq!((again.code, &again.stdout), (Some(1), &ran.stdout));
    for evidence in first["evidence"].as_array().expect("evidence") {
        assert!(evidence["command"].is_string() && evidence["digest"].is_string(), "{evidence}");
    }
}

/// Also what it has started, which knows nothing of the gate.
#[test]
fn it_ends_with_the_gate_that_is_interrupted() {
    let rig = rig("sleep 600 & echo $! > child; touch running; wait");
    let mut command = rig.command(&["gate", "run", "proof", "--apply"]);
    command.env("CI_KEY", CANARY).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command was built");
    until("it runs", || rig.path("running").exists());
    let pid = std::fs::read_to_string(rig.path("child")).expect("written").trim().to_owned();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    until("its child sleeps", || state().contains("(sleep)"));
    send(&child, Signal::INT);
    let done = ended(child);
    assert_eq!(done.code, Some(130), "{done:?}");
    until("its child is gone", || state().is_empty() || state().contains(") Z "));
}

#[test]
fn what_is_missing_is_said_before_anything_is_touched() {
    let rig = rig(SCRIPT);
    let mut command = rig.command(&["gate", "run", "proof", "--apply"]);
    command.env_remove("CI_KEY");
    Done::of(command)
        .assert_refused(2, &["[[harness]] `shop` is to have CI_KEY, which is not set", "export it"]);
    rig.run(&["gate", "run", "proof"]).assert_refused(2, &["add --apply"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
    rig.edit("timeout_s = 25", "timeout_s = 0");
    rig.run(&["gate", "run", "proof", "--apply"])
        .assert_refused(2, &["[[harness]] `shop`", "give 1 to 86400"]);
}
