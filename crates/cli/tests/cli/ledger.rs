//! Claims and verdicts on the embedded engine, by the command line: what passes, what is forged, and who may sign.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use pvcheck_sim::{Engine, ServiceDraft};
use serde_json::Value;

use crate::support::*;

const LEDGER: &str = "ledger.jsonl";
const REPORT: &str = "reports/pvcheck.m1.json";
const VERIFY: [&str; 5] = ["gate", "verify", "pvcheck.m1", "--key", "verifier.key"];

/// The CI host on an engine that counts leaked addresses itself, with both keys and a ledger.
fn desk() -> Rig {
    let mut model = cc_ci();
    model.settings_mut().engine = Engine::V29_7;
    let rig = Rig::new(model).configured();
    for role in ["builder.key", "verifier.key"] {
        assert_eq!(rig.run(&["keys", "new", role]).code, Some(0));
    }
    let keys = ["--builder", "builder.key.pub", "--verifier", "verifier.key.pub", "--key", "verifier.key"];
    let done = rig.run(&[&["ledger", "new", LEDGER], &keys[..]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    rig
}

/// As [`desk`], with the report of a `pvcheck.m1` that was run and passes.
fn measured() -> Rig {
    let rig = desk();
    let done = rig.run(&["gate", "run", "pvcheck.m1", "--out", "reports"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    rig
}

/// As [`desk`], with a report in the place of a run's, for what comes before any measurement.
fn written() -> Rig {
    let rig = desk();
    let report = serde_json::json!({
        "schema": "pvcheck/v1", "kind": "gate", "engine": "embedded", "gate": "pvcheck.m1", "verdict": "PASS",
        "at": jiff::Timestamp::now().to_string(), "config_digest": "ab",
        "checks": [{"id": "overlay.subnet", "verdict": "PASS", "required": true, "kind": "subnet_as_declared",
                    "data": {"subnet": "10.10.0.0/24", "usable": 253}}]
    });
    std::fs::create_dir(rig.path("reports")).expect("a fresh folder");
    rig.file(REPORT, &report.to_string());
    rig
}

/// Claims `pvcheck.m1` with this report.
fn claim(rig: &Rig, report: &str, more: &[&str]) -> Done {
    rig.run(&[&["gate", "claim", "pvcheck.m1", "--report", report, "--key", "builder.key"], more].concat())
}

fn claimed() -> Rig {
    let rig = measured();
    let done = claim(&rig, REPORT, &["--what", "renewed proxy", "--commit", "e6349a9"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    rig
}

fn verify(rig: &Rig, more: &[&str]) -> Done {
    rig.run(&[&VERIFY[..], more].concat())
}

/// A gate that deploys, and goes round the allocator's ring twice: on a machine at its limit that takes minutes.
fn patiently(rig: &Rig, words: &[&str]) -> Done {
    let mut command = assert_cmd::Command::from_std(rig.command(words));
    command.timeout(10 * PATIENCE);
    command.output().expect("the command was built").into()
}

fn text(rig: &Rig, name: &str) -> String {
    std::fs::read_to_string(rig.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The report with one value changed.
fn forged(rig: &Rig, pointer: &str, value: impl Into<Value>) -> &'static str {
    let mut report: Value = serde_json::from_str(&text(rig, REPORT)).expect("JSON");
    *report.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value.into();
    rig.file("forged.json", &report.to_string());
    "forged.json"
}

fn wrong(done: &Done) -> Vec<String> {
    let json = done.json();
    let differences = json["wrong"].as_array().expect("a list").iter();
    differences.map(|one| one["what"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_claim_is_verified_and_its_head_is_printed() {
    let rig = claimed();
    let done = verify(&rig, &["--commit", "e6349a9bd0"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.contains("PASS (embedded engine) pvcheck.m1 (claim of line 2, commit e6349a9"),
        "{done:?}"
    );
    let recorded =
        done.stdout.lines().find(|line| line.starts_with("recorded as line 3, head ")).expect("recorded");
    let head = recorded.rsplit(' ').next().expect("a digest");
    let check = rig.run(&["ledger", "check", LEDGER, "--head", head, "-o", "json"]);
    assert_eq!((check.code, &check.json()["noted"]), (Some(0), &3.into()), "{check:?}");
    let other = verify(&rig, &["--commit", "71319d7", "-o", "json"]);
    assert_eq!((other.code, wrong(&other)), (Some(1), vec!["commit".to_owned()]), "{other:?}");
}

#[test]
fn one_forged_figure_fails_and_is_named_in_every_format() {
    let rig = measured();
    let report = forged(&rig, "/checks/0/data/subnet", "10.10.0.0/16");
    assert_eq!(claim(&rig, report, &[]).code, Some(0), "a claim is believed until it is verified");
    let done = verify(&rig, &["-o", "json"]);
    assert_eq!((done.code, wrong(&done)), (Some(1), vec!["overlay.subnet subnet".to_owned()]), "{done:?}");
    assert_eq!(done.json()["wrong"][0]["measured"], "10.10.0.0/24");
    let name = "overlay.subnet subnet: claimed 10.10.0.0/16, measured 10.10.0.0/24";
    for format in ["table", "markdown"] {
        let done = verify(&rig, &["-o", format]);
        assert!(done.code == Some(1) && done.stdout.contains(name), "{done:?}");
    }
    let status = rig.run(&["gate", "status", "pvcheck.m1"]);
    assert!(status.code == Some(1) && status.stdout.starts_with("FAIL"), "{status:?}");
}

/// A figure that may move is not any number: it has to go with the others of its check.
#[test]
fn a_forged_count_of_free_addresses_is_found_by_the_sum() {
    let rig = measured();
    let report = forged(&rig, "/checks/3/data/free", 250);
    assert_eq!(claim(&rig, report, &[]).code, Some(0));
    let done = verify(&rig, &["-o", "json"]);
    let name = "overlay.headroom free (by the claim's own figures)";
    assert_eq!((done.code, wrong(&done)), (Some(1), vec![name.to_owned()]), "{done:?}");
}

#[test]
fn traffic_moves_figures_and_a_leak_fails_them() {
    let rig = claimed();
    rig.sim.with_model(|model| {
        service(model, ServiceDraft::new("newcomer").on("proxy"));
    });
    let moved = verify(&rig, &["-o", "json"]);
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let json = moved.json();
    let names: Vec<&str> =
        json["moved"].as_array().expect("a list").iter().filter_map(|m| m["what"].as_str()).collect();
    assert!(names.contains(&"overlay.headroom free") && names.contains(&"overlay.owners total"), "{names:?}");
    rig.sim.with_model(|model| leak(model, "proxy", 2));
    let worse = verify(&rig, &["-o", "json"]);
    assert_eq!(worse.code, Some(1), "{worse:?}");
    let named = wrong(&worse);
    for name in ["verdict", "overlay.leaked verdict", "overlay.headroom leaked"] {
        assert!(named.contains(&name.to_owned()), "{name}: {named:?}");
    }
}

#[test]
fn what_cannot_be_observed_is_no_pass() {
    let rig = claimed();
    rig.sim.with_model(|model| model.settings_mut().engine = Engine::V26_1);
    let done = verify(&rig, &["-o", "json"]);
    assert_eq!((done.code, &done.json()["outcome"]), (Some(3), &"UNKNOWN".into()), "{done:?}");
    assert!(done.json()["unseen"].as_array().expect("a list").contains(&"overlay.leaked".into()), "{done:?}");
}

#[test]
fn a_pass_of_the_embedded_engine_is_no_claim_of_a_real_one() {
    let rig = measured();
    let mut report: Value = serde_json::from_str(&text(&rig, REPORT)).expect("JSON");
    assert_eq!(report.as_object_mut().expect("an object").remove("engine"), Some("embedded".into()));
    rig.file("forged.json", &report.to_string());
    assert_eq!(claim(&rig, "forged.json", &[]).code, Some(0));
    let done = verify(&rig, &[]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(done.stdout.contains("is of a real engine, and the embedded engine was measured"), "{done:?}");
}

#[test]
fn without_a_claim_that_counts_the_verdict_is_a_veto_and_nothing_is_measured() {
    let rig = written();
    let before = rig.sim.requests().len();
    let none = verify(&rig, &[]);
    assert_eq!(none.code, Some(4), "{none:?}");
    assert!(none.stdout.contains("no builder has claimed pvcheck.m1"), "{none:?}");
    assert_eq!(claim(&rig, REPORT, &[]).code, Some(0));
    let aged = verify(&rig, &["--max-age", "1ms", "-o", "json"]);
    assert_eq!((aged.code, &aged.json()["veto"]["kind"]), (Some(4), &"claim_aged".into()), "{aged:?}");
    assert_eq!(rig.sim.requests().len(), before);
    let status = rig.run(&["gate", "status", "pvcheck.m1", "-o", "json"]);
    assert_eq!((status.code, &status.json()["phases"][0]["gates"][0]["standing"]), (Some(1), &"VETO".into()));
}

#[test]
fn only_a_pass_is_claimed_and_of_the_gate_that_it_is_of() {
    let rig = written();
    rig.sim.with_model(|model| model.settings_mut().engine = Engine::V26_1);
    let reading = rig.run(&["gate", "run", "pvcheck.m1", "-o", "json"]);
    assert_eq!(reading.code, Some(3), "{reading:?}");
    rig.file("unknown.json", &reading.stdout);
    claim(&rig, "unknown.json", &[]).assert_refused(4, &["says UNKNOWN of pvcheck.m1", "only a PASS"]);
    let report = forged(&rig, "/checks/0/verdict", "FAIL");
    claim(&rig, report, &[]).assert_refused(2, &["forged.json", "contradicts itself"]);
    let other = ["gate", "claim", "pvcheck.m2", "--report", REPORT, "--key", "builder.key"];
    rig.run(&other).assert_refused(2, &["no report of pvcheck.m2, but of pvcheck.m1"]);
    claim(&rig, "none.json", &[]).assert_refused(2, &["none.json", "--report FILE"]);
    claim(&rig, "pvcheck.toml", &[]).assert_refused(2, &["pvcheck.toml", "no JSON"]);
}

#[test]
fn each_role_signs_its_own_kind_only() {
    let rig = written();
    assert_eq!(claim(&rig, REPORT, &[]).code, Some(0));
    let (before, requests) = (text(&rig, LEDGER), rig.sim.requests().len());
    rig.run(&["gate", "verify", "pvcheck.m1", "--key", "builder.key"])
        .assert_refused(4, &["a verdict is the verifier's to sign", "the builder's key"]);
    rig.run(&["gate", "claim", "pvcheck.m1", "--report", REPORT, "--key", "verifier.key"])
        .assert_refused(4, &["a claim is the builder's to sign"]);
    assert_eq!(rig.run(&["keys", "new", "other.key"]).code, Some(0));
    rig.run(&["gate", "verify", "pvcheck.m1", "--key", "other.key"]).assert_refused(2, &["of neither role"]);
    assert_eq!((text(&rig, LEDGER), rig.sim.requests().len()), (before, requests));
    let same = ["--builder", "builder.key.pub", "--verifier", "builder.key.pub", "--key", "builder.key"];
    rig.run(&[&["ledger", "new", "other.jsonl"], &same[..]].concat()).assert_refused(2, &["the same key"]);
    assert!(!rig.path("other.jsonl").exists());
}

#[test]
fn a_key_that_others_can_read_is_refused_and_none_is_overwritten() {
    let rig = written();
    let before = text(&rig, "builder.key");
    rig.run(&["keys", "new", "builder.key"]).assert_refused(2, &["builder.key.pub", "File exists"]);
    assert_eq!(text(&rig, "builder.key"), before);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(rig.path("builder.key"), open).expect("ours");
    claim(&rig, REPORT, &[]).assert_refused(2, &["builder.key has mode 0644", "chmod 600"]);
    rig.run(&["ledger", "note", "x", "--key", "builder.key.pub"])
        .assert_refused(2, &["builder.key.pub has mode"]);
}

/// A changed byte, a line less, two lines swapped, half a line: refused with the place, and nothing is appended.
#[test]
fn a_damaged_ledger_is_refused_with_the_place() {
    let rig = written();
    assert_eq!(claim(&rig, REPORT, &[]).code, Some(0));
    for n in ["one", "two", "three"] {
        assert_eq!(rig.run(&["ledger", "note", n, "--key", "builder.key"]).code, Some(0));
    }
    let whole = text(&rig, LEDGER);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let of = |order: &[usize]| order.iter().map(|n| lines[n - 1]).collect::<String>();
    for (damaged, words) in [
        (whole.replacen("\"usable\":253", "\"usable\":254", 1), ["line 2 (byte", "key of neither role"]),
        (of(&[1, 2, 4, 5]), ["line 3 (byte", "line 3 is missing"]),
        (of(&[1, 3, 2, 4, 5]), ["line 2 (byte", "reordered"]),
        (whole[..whole.len() - 9].to_owned(), ["line 5 (byte", "cut off half-way"]),
    ] {
        rig.file(LEDGER, &damaged);
        rig.run(&["ledger", "check", LEDGER]).assert_refused(1, &words);
        rig.run(&["gate", "status"]).assert_refused(1, &words);
        claim(&rig, REPORT, &[]).assert_refused(1, &words);
        let veto = verify(&rig, &["-o", "json"]);
        assert_eq!((veto.code, &veto.json()["recorded"]), (Some(4), &Value::Null), "{veto:?}");
        assert!(veto.json()["veto"]["fault"].as_str().expect("a reason").contains(words[1]), "{veto:?}");
        assert_eq!(text(&rig, LEDGER), damaged, "nothing is appended");
    }
}

#[test]
fn a_cut_end_is_seen_by_the_head_alone_and_what_is_no_ledger_is_said_so() {
    let rig = written();
    assert_eq!(claim(&rig, REPORT, &[]).code, Some(0));
    let head = rig.run(&["ledger", "check", LEDGER, "-o", "json"]).json()["head"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let whole = text(&rig, LEDGER);
    let (first, _) = whole.split_once('\n').expect("two lines");
    rig.file(LEDGER, &format!("{first}\n"));
    let cut = rig.run(&["ledger", "check", LEDGER]);
    assert!(cut.code == Some(0) && cut.stdout.contains("missing at its end cannot be seen"), "{cut:?}");
    rig.run(&["ledger", "check", LEDGER, "--head", &head]).assert_refused(1, &["missing at its end", &head]);
    rig.run(&["ledger", "check", LEDGER, "--head", "abc"]).assert_refused(2, &["--head", "64 digits"]);
    rig.run(&["ledger", "check", "pvcheck.toml"]).assert_refused(2, &["pvcheck.toml", "no ledger"]);
    rig.run(&["ledger", "check", "none"]).assert_refused(2, &["none", "No such file"]);
    rig.run(&["gate", "status", "--ledger", "none"]).assert_refused(2, &["none", "--ledger FILE"]);
}

#[test]
fn files_of_a_claim_are_looked_at_again() {
    let rig = measured();
    rig.file("swarm.nix", "subnet");
    assert_eq!(claim(&rig, REPORT, &["--file", "swarm.nix"]).code, Some(0));
    assert_eq!(verify(&rig, &[]).code, Some(0));
    rig.file("swarm.nix", "another");
    let edited = verify(&rig, &["-o", "json"]);
    assert_eq!((edited.code, wrong(&edited)), (Some(1), vec!["file swarm.nix".to_owned()]), "{edited:?}");
    let elsewhere = verify(&rig, &["--root", "reports", "-o", "json"]);
    assert_eq!((elsewhere.code, &elsewhere.json()["wrong"][0]["measured"]), (Some(1), &Value::Null));
    claim(&rig, REPORT, &["--file", "none.nix"]).assert_refused(2, &["none.nix", "--file FILE"]);
}

/// Two processes at once, and more: each line is in its place, none is lost.
#[test]
fn notes_of_many_processes_make_one_chain() {
    let rig = desk();
    let start = |n: usize| {
        let text = format!("note {n}");
        let mut command = rig.command(&["ledger", "note", &text, "--key", "builder.key"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let running: Vec<_> = (0..8).map(start).collect();
    for child in running {
        let done = ended(child);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    assert_eq!(rig.run(&["ledger", "check", "-o", "json"]).json()["lines"], 9);
}

#[test]
fn a_critical_finding_of_the_verifiers_keeps_done_away_until_the_verifier_closes_it() {
    let rig = claimed();
    assert_eq!(verify(&rig, &[]).code, Some(0));
    let status = || rig.run(&["gate", "status", "pvcheck.m1"]);
    assert_eq!(status().code, Some(0));
    let open = ["gate", "finding", "open", "the health gate waits for itself", "--severity", "critical"];
    assert_eq!(rig.run(&[&open[..], &["--key", "verifier.key"]].concat()).code, Some(0));
    let kept = status();
    assert!(kept.code == Some(1) && kept.stdout.contains("F1, critical, is open"), "{kept:?}");
    let close = ["gate", "finding", "close", "F1", "--because", "re-tested", "--key"];
    rig.run(&[&close[..], &["builder.key"]].concat())
        .assert_refused(4, &["F1 may be closed by the verifier only"]);
    let given = [&open[..], &["--may-close", "builder", "--key", "verifier.key"]].concat();
    rig.run(&given).assert_refused(4, &["only the verifier may close it"]);
    rig.run(&["gate", "finding", "close", "F9", "--because", "x", "--key", "verifier.key"])
        .assert_refused(2, &["no finding F9"]);
    assert_eq!(rig.run(&[&close[..], &["verifier.key"]].concat()).code, Some(0));
    assert_eq!(status().code, Some(0));
    let list = rig.run(&["gate", "finding", "list"]);
    assert!(list.stdout.contains("F1   critical closed by line 5, verifier may close it"), "{list:?}");
}

/// Both gates of the phase, its pages, and what becomes of DONE when the passes age.
#[test]
fn a_phase_is_done_with_fresh_passes_of_its_gates_and_its_pages_only_grow() {
    let rig = claimed();
    assert_eq!(verify(&rig, &[]).code, Some(0));
    let status = |more: &[&str]| {
        rig.run(&[&["gate", "status", "--phase", "pvcheck", "--write", "docs", "-o", "json"], more].concat())
    };
    let half = status(&[]);
    assert_eq!(
        (half.code, &half.json()["phases"][0]["lacks"][0]["gate"]),
        (Some(3), &"pvcheck.m2".into()),
        "{half:?}"
    );
    assert!(!text(&rig, "docs/STATUS.md").contains("## DONE"));

    let m2 = patiently(&rig, &["gate", "run", "pvcheck.m2", "--apply", "--out", "reports"]);
    assert_eq!(m2.code, Some(0), "{m2:?}");
    let claim =
        ["gate", "claim", "pvcheck.m2", "--report", "reports/pvcheck.m2.json", "--key", "builder.key"];
    assert_eq!(rig.run(&claim).code, Some(0));
    let m2 =
        patiently(&rig, &["gate", "verify", "pvcheck.m2", "--apply", "--key", "verifier.key", "-o", "json"]);
    assert_eq!(m2.code, Some(0), "{m2:?}");
    let pages = || {
        ["STATUS.md", "BACKLOG.md", "REVIEW.md", "JOURNAL.md"].map(|name| text(&rig, &format!("docs/{name}")))
    };
    let before = pages();
    let done = status(&["--key", "verifier.key"]);
    assert_eq!((done.code, &done.json()["engine"]), (Some(0), &"embedded".into()), "{done:?}");
    assert_eq!(done.json()["declared"][0]["kind"], "done");
    assert_eq!(
        done.json()["written"],
        serde_json::json!(["STATUS.md", "BACKLOG.md", "REVIEW.md", "JOURNAL.md"])
    );
    let after = pages();
    assert!(before.iter().zip(&after).all(|(before, after)| after.starts_with(before.as_str())));
    assert!(after[0].contains("\n## DONE (embedded engine)\n"), "{}", after[0]);
    assert!(
        after[0].contains("- WHAT: renewed proxy\n") && after[0].contains("commit e6349a9"),
        "{}",
        after[0]
    );

    let again = status(&["--key", "verifier.key"]);
    assert_eq!(
        (&again.json()["declared"], &again.json()["written"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(pages(), after);

    let aged = status(&["--max-age", "1ms", "--key", "verifier.key"]);
    assert_eq!((aged.code, &aged.json()["declared"][0]["kind"]), (Some(3), &"withdrawn".into()), "{aged:?}");
    let withdrawn = text(&rig, "docs/STATUS.md");
    assert!(withdrawn.starts_with(&after[0]) && withdrawn.contains("\n## DONE withdrawn\n"), "{withdrawn}");
    assert_eq!(rig.run(&["ledger", "check"]).code, Some(0));
}

#[test]
fn pages_are_of_one_phase_that_there_is() {
    let rig = desk();
    rig.run(&["gate", "status", "--write", "docs"]).assert_refused(2, &["add --phase pvfix or pvcheck"]);
    rig.run(&["gate", "status", "--phase", "pvx"]).assert_refused(2, &["--phase pvx", "pvfix or pvcheck"]);
    rig.run(&["gate", "status", "pvcheck.m1", "--phase", "pvcheck"])
        .assert_refused(2, &["--phase", "cannot be used"]);
    assert!(!rig.path("docs").exists());
}

/// What of a private key must never be seen: the body of its PEM file, and the seed in hex (bytes 16 to 48, RFC 8410).
fn canaries(rig: &Rig) -> Vec<String> {
    let of = |name: &str| {
        let pem = text(rig, name);
        let body: Vec<String> =
            pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect();
        let hex = std::process::Command::new("sh")
            .args(["-c", "base64 -d | od -An -v -tx1 -j16 -N32 | tr -d ' \\n'"])
            .stdin(std::fs::File::open(body_file(rig, name, &body)).expect("written"))
            .output()
            .expect("coreutils");
        let hex = String::from_utf8(hex.stdout).expect("hex");
        assert_eq!(hex.len(), 64, "the seed of {name}");
        body.into_iter().chain([hex]).collect::<Vec<_>>()
    };
    ["builder.key", "verifier.key"].into_iter().flat_map(of).collect()
}

fn body_file(rig: &Rig, name: &str, body: &[String]) -> PathBuf {
    let path = rig.path(&format!("{name}.canary"));
    std::fs::write(&path, body.concat()).expect("ours");
    path
}

#[test]
fn a_private_key_is_in_no_output_and_no_file_but_its_own() {
    let rig = claimed();
    let canaries = canaries(&rig);
    let mut outputs = Vec::new();
    for format in ["table", "json", "markdown"] {
        for words in [
            &VERIFY[..],
            &["gate", "status", "pvcheck.m1", "--write", "docs", "--key", "verifier.key"],
            &["gate", "finding", "open", "x", "--severity", "minor", "--key", "builder.key"],
            &["gate", "claim", "pvcheck.m1", "--report", REPORT, "--key", "builder.key"],
            &["ledger", "note", "x", "--key", "builder.key", "-vv"],
            &["gate", "verify", "pvcheck.m1", "--key", "builder.key"],
            &["ledger", "check", "builder.key"],
            &["gate", "claim", "pvcheck.m1", "--report", "builder.key", "--key", "builder.key"],
            &[
                "ledger",
                "new",
                "n.jsonl",
                "--builder",
                "builder.key",
                "--verifier",
                "verifier.key",
                "--key",
                "builder.key",
            ],
            &["keys", "new", &format!("{format}.key")],
        ] {
            let done = rig.run(&[words, &["-o", format]].concat());
            outputs.push(done.stdout + &done.stderr);
        }
    }
    for name in [LEDGER, "docs/STATUS.md", "docs/BACKLOG.md", "docs/REVIEW.md", "docs/JOURNAL.md"] {
        outputs.push(text(&rig, name));
    }
    for (output, canary) in
        outputs.iter().flat_map(|output| canaries.iter().map(move |canary| (output, canary)))
    {
        assert!(!output.contains(canary.as_str()), "a private key: {output}");
    }
}
