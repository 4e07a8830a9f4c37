//! What the engine's log says, and what a signature of it means.

use serde_json::Value;

use crate::support::*;

const NETWORK: &str = "netqo8nlftb3wrsc5kja4dlzr";

/// Two exhausted services a minute apart, of which one names its network and holds a secret; one trace that is no finding.
fn log() -> String {
    let vip = "could not find an available IP while allocating VIP";
    let first = "time=\"2026-06-13T05:38:00Z\" level=error msg=\"Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c\"";
    [
        format!("{first} error=\"{vip}\" network={NETWORK} token=canary"),
        format!("{} error=\"{vip}\"", first.replace("05:38", "05:39")),
        "time=\"2026-06-13T05:40:00Z\" level=info msg=\"Starting up\"".to_owned(),
        String::new(),
    ]
    .join("\n")
}

fn in_a_folder(args: &[&str]) -> Done {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("docker.log"), log()).expect("a fresh file");
    Done::of(bare(dir.path(), args))
}

#[test]
fn a_finding_is_printed_with_what_it_means_and_what_to_do() {
    let done = in_a_folder(&["journal", "scan", "--file", "docker.log"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let lines: Vec<&str> = done.stdout.lines().collect();
    let at = lines.iter().position(|line| line.contains("vip-exhausted")).expect("it is found");
    assert!(lines[at].starts_with("->      2 x vip-exhausted"), "{}", done.stdout);
    for (offset, start, part) in [
        (1, "meaning:", "no free address for a service's virtual address"),
        (2, "remedy:", "take a census of the network"),
        (3, "seen:", "from 2026-06-13T05:38:00Z to 2026-06-13T05:39:00Z"),
        (4, "networks:", NETWORK),
        (5, "sample:", "token=***"),
    ] {
        let line = lines[at + offset].trim_start();
        assert!(line.starts_with(start) && line.contains(part), "{}", done.stdout);
    }
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
    // The start of an engine is no finding: it is counted, and nothing is to be done about it.
    let start = lines.iter().position(|line| line.contains("engine-start")).expect("it is counted");
    assert!(lines[start + 1].contains("other errors"), "{}", done.stdout);
}

#[test]
fn json_has_meaning_and_remedy_of_each_signature() {
    let done = in_a_folder(&["journal", "scan", "--file", "docker.log", "-o", "json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let scan = done.json();
    let matched = scan["matched"].as_array().unwrap();
    assert_eq!(matched.len(), 2, "{scan}");
    for found in matched {
        let explained = in_a_folder(&["explain", found["signature"].as_str().unwrap(), "-o", "json"]).json();
        for field in ["signature", "class", "meaning", "remedy"] {
            assert_eq!(found[field], explained[field], "{field}");
            assert!(found[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {found}");
        }
    }
}

#[test]
fn explain_needs_no_engine_and_says_where_the_fact_is_from() {
    let done = in_a_folder(&["explain", "vip-exhausted"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let starts: Vec<&str> = done.stdout.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(starts, ["vip-exhausted", "meaning:", "remedy:", "place:", "source:"], "{}", done.stdout);
    assert!(
        done.stdout.contains("(exhaustion)") && done.stdout.contains("manager that leads"),
        "{}",
        done.stdout
    );
    let json = in_a_folder(&["explain", "vip-exhausted", "-o", "json"]).json();
    assert_eq!((&json["schema"], &json["kind"]), (&Value::from("pvcheck/v1"), &Value::from("explain")));
    assert_eq!((&json["place"], &json["class"]), (&Value::from("leader"), &Value::from("exhaustion")));
    assert!(json["source"].as_str().is_some_and(|source| source.contains("allocateVIP")), "{json}");
}

#[test]
fn an_unknown_signature_is_refused_with_the_nearest_name() {
    in_a_folder(&["explain", "vip-exausted"])
        .assert_refused(2, &["`vip-exausted`", "did you mean vip-exhausted"]);
    in_a_folder(&["explain", "nonsense"]).assert_refused(2, &["`nonsense`", "pvcheck journal scan"]);
}
