//! `pvcheck plan-subnet` as its users meet it: the host of the incident, files and their faults, an engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

const HOST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/incident-host.json");

fn pvcheck(words: &[&str]) -> Output {
    let mut command = Command::cargo_bin("pvcheck").unwrap();
    command.env_remove("DOCKER_HOST").args(words).output().unwrap()
}

fn plan(words: &[&str]) -> Output {
    pvcheck(&[&["plan-subnet"], words].concat())
}

/// The JSON of a plan on the incident's host, and the exit code.
fn on_host(words: &[&str]) -> (Value, i32) {
    let output = plan(&[&["-o", "json", "--reservations", HOST], words].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text, "", "nothing to complain about");
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code().unwrap())
}

fn owners(rejected: &Value) -> Vec<&str> {
    let conflicts = rejected["conflicts"].as_array().unwrap();
    conflicts.iter().map(|c| c["owner"].as_str().unwrap()).collect()
}

/// Exit 2, nothing on stdout, and this one line on stderr.
fn assert_refused(words: &[&str], line: &str) {
    let output = plan(words);
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("pvcheck: {line}\n"), "{words:?}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}");
}

fn file(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_host_of_the_incident_gets_what_it_asks_for() {
    let (before, code) = on_host(&["--prefix", "24"]);
    assert_eq!((before["usable"].as_u64(), code), (Some(253), 0));
    let (plan, code) = on_host(&["--prefer", "10.10.0.0/16", "--name", "proxy"]);
    assert_eq!(code, 0);
    assert_eq!((plan["schema"].as_str(), plan["kind"].as_str()), (Some("pvcheck/v1"), Some("subnet-plan")));
    assert_eq!((plan["chosen"].as_str(), plan["preferred"].as_bool()), (Some("10.10.0.0/16"), Some(true)));
    assert_eq!((plan["prefix"].as_u64(), plan["usable"].as_u64()), (Some(16), Some(65_533)));
    assert_eq!((plan["rejected"].as_array(), plan["collisions"].as_array()), (Some(&vec![]), Some(&vec![])));
    assert_eq!((plan["source"].as_str(), plan["reservations"].as_u64()), (Some("reservations"), Some(10)));
    assert_eq!(
        plan["declare"]["docker"],
        "docker network create --driver overlay --attachable --subnet 10.10.0.0/16 proxy"
    );
}

#[test]
fn what_a_network_has_that_goes_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let host = r#"[{"net": "10.10.0.0/24", "owner": "proxy", "source": "docker overlay network"}]"#;
    let host = file(folder.path(), "host.json", host);
    let words = ["-o", "json", "--reservations", &host, "--prefer", "10.10.0.0/16"];
    let chosen = |more: &[&str]| -> Value {
        let output = plan(&[&words[..], more].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["chosen"].clone()
    };
    assert_ne!(chosen(&[]), "10.10.0.0/16", "the network itself is in the way");
    assert_eq!(chosen(&["--replaces", "proxy"]), "10.10.0.0/16");
    let unknown = [&words[..], &["--replaces", "prxy"]].concat();
    assert_refused(&unknown, "--replaces: nothing is known of a network prxy");
}

#[test]
fn each_colliding_candidate_is_rejected_with_exactly_its_rivals() {
    let overlays = [
        "ingress",
        "proxy",
        "traefik_ci_commoninternet_net_internal",
        "warm-keycloak_ci_commoninternet_net_internal",
        "backups_ci_commoninternet_net_default",
    ];
    let cases: [(&str, &[&str], &str, &str); 6] = [
        ("10.0.0.0/16", &overlays, "contains", "docker overlay network"),
        ("172.17.0.0/16", &["docker0"], "equal", "docker bridge network"),
        ("172.18.0.0/16", &["docker_gwbridge"], "equal", "docker bridge network"),
        ("172.31.0.0/16", &["eth0"], "contains", "next hop of the default route"),
        ("100.95.0.0/16", &["tailscale0"], "contains", "host address"),
        ("91.98.0.0/16", &["eth0"], "contains", "host address"),
    ];
    for (candidate, rivals, overlap, source) in cases {
        let (plan, code) = on_host(&["--prefer", candidate]);
        let rejected = &plan["rejected"][0];
        assert_eq!(
            (rejected["candidate"].as_str(), rejected["reason"].as_str()),
            (Some(candidate), Some("collides"))
        );
        assert_eq!(owners(rejected), rivals, "{candidate}");
        for conflict in rejected["conflicts"].as_array().unwrap() {
            assert_eq!(
                (conflict["overlap"].as_str(), conflict["source"].as_str()),
                (Some(overlap), Some(source))
            );
        }
        // Another one is taken instead: the lowest /16 that is free.
        assert_eq!((plan["chosen"].as_str(), code), (Some("10.1.0.0/16"), 0), "{candidate}");
        assert_eq!(plan["preferred"], false);
    }
}

#[test]
fn people_read_who_is_in_the_way_and_what_to_write() {
    let output = plan(&["--reservations", HOST, "--prefer", "172.17.0.0/16", "--name", "proxy"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "10.1.0.0/16: 65533 usable addresses\n\n\
        rejected:\n  172.17.0.0/16: it collides\n    equals 172.17.0.0/16 of docker0 (docker bridge network)\n  \
        10.0.0.0/16: it collides\n    contains 10.0.0.0/24 of ingress (docker overlay network)\n";
    assert!(text.starts_with(expected), "{text}");
    for line in [
        "\ndocker:\ndocker network create --driver overlay --attachable --subnet 10.1.0.0/16 proxy\n",
        "\nNixOS:\n${pkgs.docker}/bin/docker network inspect proxy >/dev/null 2>&1 || ${pkgs.docker}/bin/docker network",
        "\nCompose:\nnetworks:\n  \"proxy\":\n",
        "        - subnet: \"10.1.0.0/16\"\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in {text}");
    }
}

#[test]
fn strategies_lists_and_workloads() {
    let chosen = |words: &[&str]| on_host(words).0["chosen"].as_str().unwrap().to_owned();
    assert_eq!(chosen(&[]), "10.1.0.0/16", "a /16 where nothing says how large");
    assert_eq!(chosen(&["--strategy", "room-to-grow"]), "10.2.0.0/16");
    // 10.2.0.0/16 lies in a free /15; beside 172.16.0.0/16 docker0 has its bridge.
    assert_eq!(chosen(&["--deny", "10.0.0.0/15"]), "10.2.0.0/16");
    assert_eq!(chosen(&["--deny", "10.0.0.0/15", "--strategy", "best-fit"]), "172.16.0.0/16");
    assert_eq!(chosen(&["--allow", "10.0.0.0/14", "192.168.0.0/16", "--deny", "10.1.0.0/16"]), "10.2.0.0/16");
    assert_eq!(chosen(&["--prefix", "/24", "--deny", "10.0.0.0/8"]), "172.16.0.0/24");
    let sized = ["--services", "84", "--nodes", "2", "--prefer", "10.9.0.0/23"];
    let (plan, _) = on_host(&sized);
    // 84 × (VIP + task + one more in an update) + 2 load balancers.
    assert_eq!((plan["needed"].as_u64(), plan["chosen"].as_str()), (Some(254), Some("10.9.0.0/23")));
    let (plan, _) = on_host(&["--services", "84", "--nodes", "2", "--growth", "100", "--replicas", "2"]);
    assert_eq!((plan["needed"].as_u64(), plan["prefix"].as_u64()), (Some(676), Some(22)));
}

#[test]
fn no_room_is_exit_1_and_says_who_has_it() {
    let (plan, code) = on_host(&["--allow", "172.18.0.0/16"]);
    assert_eq!((code, &plan["chosen"], &plan["usable"]), (1, &Value::Null, &Value::Null));
    assert_eq!(owners(&plan["rejected"][0]), ["docker_gwbridge"]);
    assert!(plan["reason"].as_str().unwrap().starts_with("no free /16 in the allowed subnets"), "{plan}");
    let output = table_of(&["--allow", "172.18.0.0/16"]);
    assert!(output.starts_with("no subnet: no free /16"), "{output}");
}

fn table_of(words: &[&str]) -> String {
    String::from_utf8(plan(&[&["--reservations", HOST], words].concat()).stdout).unwrap()
}

#[test]
fn bad_input_is_one_line_with_the_mend() {
    let on = |words: &[&str], line: &str| assert_refused(&[&["--reservations", HOST], words].concat(), line);
    on(&["--prefer", "10.0.0.7/24"], "--prefer: 10.0.0.7/24 has host bits set: write 10.0.0.0/24");
    on(
        &["--allow", "10.0.0.0/33"],
        "--allow: \"10.0.0.0/33\" has prefix /33: an IPv4 prefix is 0 to 32, for example 10.0.0.0/24",
    );
    on(
        &["--deny", "10.0.0.0/8/8"],
        "--deny: \"10.0.0.0/8/8\" has more than one slash: write address/prefix once, for example 10.0.0.0/8",
    );
    on(
        &["--prefer", "fd00::/64"],
        "--prefer: \"fd00::/64\" is IPv6, and Swarm overlays take their addresses from IPv4: write for example 10.10.0.0/16",
    );
    on(
        &["--prefix", "28", "--services", "5"],
        "a /28 has 13 usable addresses and the workload needs 16: choose /27 or wider",
    );
    on(
        &["--allow", "10.1.0.0/16", "--deny", "10.0.0.0/8"],
        "the deny list leaves nothing of the allowed subnets: deny less or allow more",
    );
    on(&["--prefix", "31"], "prefix /31 is not a size for an overlay: choose /1 to /30, for example /24");
    on(&["--prefix", "a"], "--prefix: \"a\" is not a prefix length: write 1 to 30, for example 16");
    on(
        &["--name", "a b"],
        "--name: \"a b\" is not a network name: start with a letter or digit, then use letters, digits, `_`, `.` or `-`",
    );
}

#[test]
fn bad_files_are_one_line_with_place_and_mend() {
    let folder = tempfile::tempdir().unwrap();
    let bad = |name: &str, text: &[u8], line: &str| {
        let path = file(folder.path(), name, text);
        assert_refused(&["--reservations", &path], &format!("{path}: {line}"));
    };
    bad(
        "host-bits",
        br#"[{"net":"10.0.0.0/8","owner":"a"},{"net":"10.0.0.7/24","owner":"b"}]"#,
        "entry 2: 10.0.0.7/24 has host bits set: write 10.0.0.0/24",
    );
    bad(
        "no-json",
        b"[\n  {\"net\": 7}]",
        "line 2, column 11: invalid type: integer `7`, expected a string; expected a list like \
         [{\"net\": \"10.0.0.0/24\", \"owner\": \"ingress\", \"source\": \"docker\"}]",
    );
    bad("bytes", b"[\xff]", "byte 2 is not UTF-8: save the file as UTF-8");
    let absent = folder.path().join("absent").to_str().unwrap().to_owned();
    for option in ["--reservations", "--snapshot"] {
        assert_refused(
            &[option, &absent],
            &format!(
                "cannot read {absent}: No such file or directory (os error 2); name another with {option} FILE"
            ),
        );
    }
    let path = file(folder.path(), "no-look", "{\"kind\": \"audit\"}");
    assert_refused(
        &["--snapshot", &path],
        &format!(
            "{path}: line 1, column 17: missing field `engine`; write such a file with `pvcheck audit --save FILE`"
        ),
    );
}

#[test]
fn duplicates_are_named_in_one_line_and_planned_around() {
    let folder = tempfile::tempdir().unwrap();
    let entry = r#"{"net": "10.0.0.0/16", "owner": "a", "source": "b"}"#;
    let path = file(folder.path(), "twice", format!("[{entry},{entry},{entry}]"));
    let output = plan(&["-o", "json", "--reservations", &path]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("pvcheck: {path}: entry 2 repeats entry 1: remove one of them (and 1 more like it)\n")
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["chosen"].as_str(), found["reservations"].as_u64()), (Some("10.1.0.0/16"), Some(1)));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_million_lines_are_planned() {
    let folder = tempfile::tempdir().unwrap();
    // Side by side from 10.0.0.0 on, each a /28; the first free /16 comes after the last.
    let line = |at: u32| {
        let net = std::net::Ipv4Addr::from(0x0A00_0000 + at * 16);
        format!("{{\"net\":\"{net}/28\",\"owner\":\"o{at}\",\"source\":\"s\"}}")
    };
    let lines: Vec<String> = (0..1_000_000).map(line).collect();
    let path = file(folder.path(), "million", format!("[{}]", lines.join(",\n")));
    let output = plan(&["-o", "json", "--reservations", &path]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["reservations"], 1_000_000);
    // 1,000,000 × 16 addresses end in 10.244.
    assert_eq!(found["chosen"], "10.245.0.0/16");
    let first = &found["rejected"][0];
    assert_eq!(owners(first).len() as u64 + first["conflicts_unlisted"].as_u64().unwrap(), 4_096);
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_kept_look_is_private_and_replays_without_an_engine() {
    let folder = tempfile::tempdir().unwrap();
    // There already, and open to everybody.
    let path = file(folder.path(), "look.json", "old");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let live = pvcheck(&["audit", "--engine", "embedded", "-o", "json", "--save", &path]);
    assert_eq!(live.status.code(), Some(0), "{}", String::from_utf8_lossy(&live.stderr));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((kept["schema"].as_str(), kept["kind"].as_str()), (Some("pvcheck/v1"), Some("snapshot")));

    let again = pvcheck(&["audit", "-o", "json", "--snapshot", &path]);
    assert_eq!((again.status.code(), again.stdout), (live.status.code(), live.stdout));

    let output = plan(&["-o", "json", "--snapshot", &path, "--prefer", "10.0.0.0/16"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["source"].as_str(), output.status.code()), (Some("snapshot"), Some(0)));
    let networks = kept["networks"].as_array().unwrap().iter();
    let names: Vec<_> =
        networks.filter(|n| n["driver"] == "overlay").map(|n| n["name"].as_str().unwrap()).collect();
    let rivals = owners(&found["rejected"][0]);
    assert!(
        !rivals.is_empty() && rivals.iter().all(|rival| names.contains(rival)),
        "{rivals:?} of {names:?}"
    );
    // The embedded engine's node has no host that could be looked at.
    assert_eq!(found["not_seen"].as_array().unwrap().len(), kept["nodes"].as_array().unwrap().len());
    let notes = found["notes"].to_string();
    assert!(notes.contains("not inspected"), "{notes}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "pvcheck: the host's addresses and routes are not known: the embedded engine has no host\n"
    );
}

#[test]
fn the_swarms_nodes_and_pools_count() {
    let words = ["--engine", "embedded", "--quiet", "-o", "json", "--services", "4"];
    let output = plan(&words);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    // One node: 4 × 3 + 1.
    assert_eq!((found["needed"].as_u64(), found["prefix"].as_u64()), (Some(13), Some(28)));
    assert_eq!(found["source"], "engine");
    assert!(found["notes"].to_string().contains("default address pool 10.0.0.0/8"), "{found}");
}

#[test]
fn an_engine_that_cannot_be_seen_is_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    let host = format!("unix://{}/none.sock", folder.path().display());
    let output = plan(&["--host", &host]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(
        line.starts_with(&format!("pvcheck: no engine at {host}")) && line.lines().count() == 1,
        "{line}"
    );
    // Bad input is told before anybody is asked.
    assert_eq!(plan(&["--host", &host, "--prefix", "31"]).status.code(), Some(2));
}
