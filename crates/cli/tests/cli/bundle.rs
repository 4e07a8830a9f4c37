//! A gate's run in one file: replayed to the letter without an engine, compared with another, and free of secrets.

use crate::support::*;

const RUN: [&str; 8] = ["gate", "run", "pvcheck.m1", "--probe", "--bundle", "before.json", "-o", "json"];

#[test]
fn a_bundle_replays_what_was_printed_without_an_engine() {
    let rig = Rig::new(cc_ci()).configured();
    let ran = rig.run(&RUN);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let asked = rig.sim.requests().len();
    let json = rig.run(&["gate", "run", "--replay", "before.json", "-o", "json"]);
    assert_eq!((json.code, &json.stdout), (Some(0), &ran.stdout));
    let named = rig.run(&["gate", "run", "pvcheck.m1", "--replay", "before.json"]);
    assert!(named.code == Some(0) && named.stdout.contains("pvcheck.m1"), "{named:?}");
    assert_eq!(rig.sim.requests().len(), asked, "a replay asks no engine");

    let other = rig.run(&["gate", "run", "pvcheck.m2", "--replay", "before.json"]);
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("has no run of pvcheck.m2, but of pvcheck.m1"), "{other:?}");
    let again = rig.run(&RUN);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("name another file with --bundle"), "{again:?}");
    let other = rig.run(&["gate", "run", "--replay", "before.json", "--config", "pvcheck.toml"]);
    other.assert_refused(2, &["--replay judges by what the bundle has", "leave --config"]);
    let mixed = rig.run(&["gate", "run", "--replay", "before.json", "--apply"]);
    assert_eq!(mixed.code, Some(2), "{mixed:?}");
}

#[test]
fn an_edited_bundle_is_refused_and_what_has_changed_since_is_named() {
    let rig = Rig::new(cc_ci()).configured();
    assert_eq!(rig.run(&RUN).code, Some(0));
    let text = std::fs::read_to_string(rig.path("before.json")).expect("written");
    rig.file("edited.json", &text.replacen("\"verdict\":\"PASS\"", "\"verdict\":\"FAIL\"", 1));
    let edited = rig.run(&["gate", "run", "--replay", "edited.json"]);
    assert_eq!(edited.code, Some(1), "{edited:?}");
    assert!(
        edited.stderr.contains("edited.json: the report of pvcheck.m1 is not what its facts give"),
        "{edited:?}"
    );

    let same = rig.run(&["gate", "diff", "before.json", "before.json"]);
    assert_eq!(
        (same.code, same.stdout.lines().next()),
        (Some(0), Some("pvcheck.m1: PASS, nothing has changed"))
    );
    rig.edit("10.10.0.0/24", "10.10.0.0/16");
    let words: Vec<&str> =
        RUN.iter().map(|word| if *word == "before.json" { "after.json" } else { word }).collect();
    assert_eq!(rig.run(&words).code, Some(1));
    let worse = rig.run(&["gate", "diff", "before.json", "after.json"]);
    assert_eq!(worse.code, Some(1), "{worse:?}");
    assert!(worse.stdout.contains("  overlay.subnet: PASS -> FAIL\n"), "{worse:?}");
    let ticket = rig.run(&["gate", "diff", "before.json", "after.json", "-o", "markdown"]);
    assert!(ticket.stdout.starts_with("## pvcheck.m1: PASS -> FAIL\n"), "{ticket:?}");
}

#[test]
fn a_bundle_keeps_no_word_that_may_be_a_secret_and_only_its_owner_reads_it() {
    let canary = "pv-canary-3f9a";
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("[canary]", &format!("[route.request]\nheaders = {{ \"x-tenant\" = \"{canary}\" }}\n[canary]"));
    rig.edit(
        "[tls]",
        &format!("[[renewal.before]]\ncommand = [\"rebuild\", \"{canary}\"]\n# {canary}\n[tls]"),
    );
    assert_eq!(rig.run(&RUN).code, Some(0));
    let text = std::fs::read_to_string(rig.path("before.json")).expect("written");
    assert!(!text.contains(canary));
    let mode = std::fs::metadata(rig.path("before.json")).expect("there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
}
