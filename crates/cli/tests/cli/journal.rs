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
    assert_eq!(
        starts,
        ["vip-exhausted", "meaning:", "remedy:", "place:", "source:", "versions:"],
        "{}",
        done.stdout
    );
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

/// Runs a scan of this text, as a table and as JSON: both say the same, with the same exit code.
fn scan_of(text: &[u8], args: &[&str]) -> (i32, String, Value) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("engine.log"), text).expect("a fresh file");
    let run = |more: &[&str]| {
        let all = [&["journal", "scan", "--file", "engine.log"], args, more].concat();
        Done::of(bare(dir.path(), &all))
    };
    let (table, json) = (run(&[]), run(&["-o", "json"]));
    assert_eq!(table.code, json.code, "{table:?} {json:?}");
    let scan = json.json();
    let is_clear = table.code == Some(0);
    assert!(!is_clear || scan["complete"] == true, "an all-clear is complete: {scan}");
    assert_eq!(table.stdout.contains("UNKNOWN: "), table.code == Some(3), "{}", table.stdout);
    assert_eq!(scan["complete"], kinds(&scan).is_empty(), "{scan}");
    (table.code.expect("it ended"), table.stdout, scan)
}

const QUIET: &str = "time=\"2026-06-13T05:40:00Z\" level=info msg=\"Starting up\"\n\
    time=\"2026-06-13T05:40:01Z\" level=info msg=\"API listen on /run/docker.sock\"\n";

fn kinds(scan: &Value) -> Vec<&str> {
    let parts = scan["incomplete"].as_array().expect("a list");
    parts.iter().map(|part| part["kind"].as_str().expect("a kind")).collect()
}

#[test]
fn a_quiet_log_is_an_all_clear_and_says_what_it_covered() {
    let (code, table, scan) = scan_of(QUIET.as_bytes(), &[]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("from 2026-06-13T05:40:00Z to 2026-06-13T05:40:01Z; 2 understood"), "{table}");
    assert!(table.contains("note: nothing says that this engine led"), "{table}");
    let coverage = &scan["coverage"];
    assert_eq!((&coverage["engine"], &coverage["role"]), (&Value::from(2), &Value::from("unknown")));
    assert_eq!(
        (&coverage["first"], &coverage["last"]),
        (&"2026-06-13T05:40:00Z".into(), &"2026-06-13T05:40:01Z".into())
    );
    let (code, table, scan) = scan_of(QUIET.as_bytes(), &["--role", "leader"]);
    assert_eq!((code, &scan["coverage"]["role"]), (0, &Value::from("leader")));
    assert!(!table.contains("note:"), "{table}");
}

#[test]
fn what_proves_nothing_is_unknown_with_its_reason() {
    let untimed =
        QUIET.replace("time=\"2026-06-13T05:40:00Z\" ", "").replace("time=\"2026-06-13T05:40:01Z\" ", "");
    let torn = format!("{QUIET}time=\"2026-06");
    for (text, args, kind, part) in [
        ("", &[][..], "no_records", "the log is empty"),
        ("root:x:0:0:root:/root:/bin/bash\n", &[], "not_an_engine_log", "name the log of an engine"),
        ("level=info msg=\"Configuration loaded\"\n", &[], "not_an_engine_log", "recognisably dockerd's"),
        ("\u{7f}ELF\u{2}\u{0}\u{1}", &[], "not_an_engine_log", "recognisably dockerd's"),
        (
            QUIET,
            &["--since", "2026-05-20T00:00:00Z"],
            "not_that_far_back",
            "the log begins at 2026-06-13T05:40:00Z",
        ),
        (QUIET, &["--since", "2026-06-14T00:00:00Z"], "no_records", "in the window"),
        (QUIET, &["--role", "follower"], "leader_only", "scan the leader's log"),
        (&untimed, &["--since", "2026-06-13T05:00:00Z"], "no_times", "have no time"),
        (&torn, &[], "not_understood", "the first: time=\"2026-06"),
        ("(\u{b5}/\u{fd}", &[], "not_an_engine_log", "recognisably"),
        ("BZh91AY&SY", &[], "packed", "bzip2 -dc FILE"),
    ] {
        let (code, table, scan) = scan_of(text.as_bytes(), args);
        assert_eq!(code, 3, "{text}: {table}");
        assert!(kinds(&scan).contains(&kind), "{text}: {scan}");
        assert!(table.contains(part), "{text}: {table}");
    }
}

#[test]
fn a_finding_is_one_whatever_the_log_lacks() {
    let (code, table, scan) = scan_of(log().as_bytes(), &["--since", "2026-01-01T00:00:00Z"]);
    assert_eq!((code, kinds(&scan)), (1, vec!["not_that_far_back"]));
    assert!(table.contains("not complete: the counts are lower bounds"), "{table}");
}

#[test]
fn a_footprint_says_that_a_census_is_due() {
    let text = format!(
        "Jun 13 05:38:00 host dockerd[812]: time=\"2026-06-13T05:38:00Z\" level=error msg=\"Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi\" error=\"could not find network allocator state for network {NETWORK}\"\n"
    );
    let (code, table, _) = scan_of(text.as_bytes(), &[]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("pvcheck census") && table.contains(NETWORK), "{table}");
}

#[test]
fn explain_takes_the_error_of_a_task() {
    let error = "starting container failed: network netqo8nlftb3wrsc5kja4dlzr not found";
    let done = in_a_folder(&["explain", error]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.starts_with("network-missing (stale)") && done.stdout.contains("remedy:"),
        "{}",
        done.stdout
    );
    in_a_folder(&["explain", "something else went wrong"])
        .assert_refused(2, &["`something else went wrong`"]);
}

/// An entry for a line that the built-in catalogue does not know.
const ENTRY: &str = "[[signature]]\nid = \"acme-full\"\nclass = \"exhaustion\"\nplace = \"node\"\nversions = \"28\"\n\
    meaning = \"the pool of acme has no address\"\nremedy = \"enlarge it\"\nsource = \"seen here\"\n\
    matches = ['level=error msg=\"acme: pool p1 is used up\"']\n[[signature.pattern]]\nmessage = [\"acme: pool \"]\n";

fn with_entry(entry: &str, args: &[&str]) -> Done {
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!("{QUIET}time=\"2026-06-13T05:40:02Z\" level=error msg=\"acme: pool p9 is used up\"\n");
    std::fs::write(dir.path().join("engine.log"), text).expect("a fresh file");
    std::fs::write(dir.path().join("own.toml"), entry).expect("a fresh file");
    Done::of(bare(dir.path(), args))
}

#[test]
fn a_users_own_entry_is_found_and_explained() {
    let scan = ["journal", "scan", "--file", "engine.log"];
    let without = with_entry(ENTRY, &scan);
    assert!(without.code == Some(0) && without.stdout.contains("1 other errors"), "{without:?}");
    let with = [&scan[..], &["--catalogue", "own.toml"]].concat();
    let done = with_entry(ENTRY, &with);
    assert_eq!(done.code, Some(1), "{done:?}");
    for part in ["->      1 x acme-full", "the pool of acme has no address", "enlarge it", "0 other errors"] {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    let explained = with_entry(ENTRY, &["explain", "acme-full", "--catalogue", "own.toml"]);
    assert_eq!(explained.code, Some(0), "{explained:?}");
    assert!(explained.stdout.contains("versions: 28"), "{}", explained.stdout);
    let json = with_entry(ENTRY, &["explain", "acme-full", "--catalogue", "own.toml", "-o", "json"]).json();
    assert_eq!((&json["place"], &json["versions"]), (&Value::from("node"), &Value::from("28")));
    with_entry(ENTRY, &["explain", "acme-ful", "--catalogue", "own.toml"])
        .assert_refused(2, &["did you mean acme-full"]);
    with_entry(ENTRY, &["explain", "acme-full"]).assert_refused(2, &["`acme-full`"]);
}

#[test]
fn an_entry_whose_example_does_not_hold_is_refused_before_anything_is_read() {
    let scan = ["journal", "scan", "--file", "nothing.log", "--catalogue", "own.toml"];
    let narrow = ENTRY.replace("message = [\"acme: pool \"]", "message = [\"acme: net \"]");
    with_entry(&narrow, &scan)
        .assert_refused(2, &["own.toml: acme-full: line 1 of `matches` is not matched; mend the pattern"]);
    with_entry("signature = 1\n", &scan).assert_refused(2, &["own.toml: line 1: "]);
    let missing = ["journal", "scan", "--file", "engine.log", "--catalogue", "none.toml"];
    with_entry(ENTRY, &missing).assert_refused(2, &["none.toml", "--catalogue"]);
}

#[test]
fn a_fix_has_a_before_and_an_after_and_the_starts_are_told() {
    let vip = |minute: u32| {
        format!(
            "time=\"2026-06-13T05:{minute}:00Z\" level=error msg=\"Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c\" \
             error=\"could not find an available IP while allocating VIP\"\n"
        )
    };
    let start = "time=\"2026-06-13T05:30:00Z\" level=info msg=\"Starting up\"\n";
    let elected = "time=\"2026-06-13T05:50:00Z\" level=info msg=\"38f174ddaf85df23 became leader at term 2\" module=raft\n";
    let log = [start, &vip(35), &vip(36), elected, &vip(55)].concat();
    let (code, table, scan) = scan_of(log.as_bytes(), &["--fixed-at", "2026-06-13T05:40:00Z"]);
    assert_eq!(
        (code, &scan["before"][0]["count"], &scan["matched"][1]["count"]),
        (1, &2.into(), &1.into()),
        "{scan}"
    );
    for line in [
        "   before: 2 x vip-exhausted (exhaustion), last at 2026-06-13T05:36:00Z",
        "   engine's last start: 2026-06-13T05:30:00Z",
        "   last change of the leader: 2026-06-13T05:50:00Z",
    ] {
        assert!(table.lines().any(|l| l == line), "`{line}`: {table}");
    }
    let (code, table, _) = scan_of(log.as_bytes(), &["--fixed-at", "2026-06-13T05:56:00Z"]);
    assert_eq!(code, 3, "nothing was logged after the fix: {table}");
    let (_, _, scan) = scan_of(log.as_bytes(), &["--since-allocator-start"]);
    assert_eq!(
        (&scan["window"]["from"], &scan["matched"][1]["count"]),
        (&"2026-06-13T05:50:00Z".into(), &1.into())
    );
    let both =
        ["journal", "scan", "--file", "x", "--fixed-at", "2026-06-13T05:40:00Z", "--since-engine-start"];
    in_a_folder(&both).assert_refused(2, &["cannot be used with"]);
}

#[test]
fn a_leak_from_before_the_last_start_is_healed() {
    let leak =
        "time=\"2026-06-13T05:20:00Z\" level=error msg=\"error deallocating vip\" error=\"rpc error\"\n";
    let (_, table, _) = scan_of([leak, QUIET].concat().as_bytes(), &[]);
    let healed = "healed:   the allocator was made anew at 2026-06-13T05:40:00Z";
    assert!(table.contains(healed), "{table}");
    let late = leak.replace("05:20", "05:50");
    let (_, table, _) = scan_of([QUIET, &late].concat().as_bytes(), &[]);
    assert!(table.contains("vip-not-freed") && !table.contains("healed:"), "{table}");
}
