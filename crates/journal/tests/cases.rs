//! Logs as people bring them, each with its whole kind: saved by other tools, forwarded, damaged, of another program, of
//! another time. Where the right answer is not "found" it is "not complete", with the reason, and never an all-clear.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use pvcheck_journal::{Catalogue, Class, Incomplete, Limits, Packed, ReadFrom, Scan, Scanner, Since, Source};
use serde_json::{Value, json};

const NODE: &str = "nodepqr7s8t9u0v1w2x3y4z5a";
const NETWORK: &str = "netbcd1e2f3g4h5i6j7k8l9m0";
const SERVICE: &str = "svcqrs2t3u4v5w6x7y8z9a0b1";

/// Five lines of an engine: its start, its statistics, and three times that a network is full.
fn lines() -> Vec<(&'static str, &'static str, String, String)> {
    let full = "could not find an available IP";
    let task = |id: &str| format!("failed to allocate network IP for task {id} network {NETWORK}: {full}");
    vec![
        ("2026-03-02T08:10:00.25Z", "info", "Starting up".to_owned(), String::new()),
        (
            "2026-03-02T08:10:30.5Z",
            "info",
            "NetworkDB stats edge1(9a8b7c6d5e4f) - netID:n7 leaving:false netPeers:3 entries:11 Queue qLen:0"
                .to_owned(),
            String::new(),
        ),
        (
            "2026-03-02T08:11:00.1Z",
            "error",
            "task allocation failure".to_owned(),
            task("tskaaa1b2c3d4e5f6g7h8i9j0"),
        ),
        (
            "2026-03-02T08:11:01.1Z",
            "error",
            "task allocation failure".to_owned(),
            task("tskbbb1b2c3d4e5f6g7h8i9j0"),
        ),
        (
            "2026-03-02T08:11:02.1Z",
            "error",
            format!("Failed allocation for service {SERVICE}"),
            format!("{full} while allocating VIP"),
        ),
    ]
}

/// They as logrus writes them to a file, each with its time.
fn texts() -> Vec<(&'static str, String)> {
    let text = |(time, level, message, error): (&'static str, &str, String, String)| {
        let error = if error.is_empty() { error } else { format!(" error={error:?} module=node") };
        (time, format!("time=\"{time}\" level={level} msg={message:?}{error}"))
    };
    lines().into_iter().map(text).collect()
}

fn log(of: impl Fn(&str, &str) -> String) -> Vec<u8> {
    texts().iter().map(|(time, text)| of(time, text) + "\n").collect::<String>().into_bytes()
}

fn plain() -> Vec<u8> {
    log(|_, text| text.to_owned())
}

fn micros(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_microsecond()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(bytes: &[u8], mark: &[u16]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    mark.iter().copied().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

async fn scan_since(bytes: &[u8], since: Since) -> Scan {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, bytes).unwrap();
    let from = if let Since::At(at) = since { ReadFrom::Time(at) } else { ReadFrom::Beginning };
    let scanner = Scanner::since(Catalogue::builtin(), since, None);
    Source::File(path).scan(&from, &Limits::default(), scanner).await.unwrap()
}

async fn scan(bytes: &[u8]) -> Scan {
    scan_since(bytes, Since::Beginning).await
}

fn since(time: &str) -> Since {
    Since::At(time.parse().unwrap())
}

/// Signatures with their counts, without the start.
fn found(scan: &Scan) -> Vec<(&str, u64)> {
    let matched = scan.matched.iter().filter(|matched| matched.class != Class::EngineStart);
    matched.map(|matched| (matched.signature.as_str(), matched.count)).collect()
}

const EVENTS: [(&str, u64); 2] = [("task-exhausted", 2), ("vip-exhausted", 1)];

async fn has_the_events(name: &str, bytes: &[u8]) {
    let scan = scan(bytes).await;
    assert_eq!(found(&scan), EVENTS, "{name}: {scan:?}");
    assert!(scan.incomplete.is_empty(), "{name}: {scan:?}");
    assert_eq!(scan.coverage.unwrap().not_understood, 0, "{name}");
}

fn syslog(time: &str, host: &str, rest: &str) -> String {
    let (date, clock) = time.split_once('T').unwrap();
    assert!(date == "2026-03-02", "the month and day that are written here");
    format!("Mar  2 {} {host}{rest}", clock.split(['.', 'Z']).next().unwrap())
}

#[tokio::test]
async fn what_journalctl_printed_has_the_events() {
    let after_head = |head: fn(&str) -> String| {
        log(move |time, text| format!("{} edge1 dockerd[731]: {text}", head(time)))
    };
    for (name, bytes) in [
        ("short", log(|time, text| syslog(time, "edge1", &format!(" dockerd[731]: {text}")))),
        ("short without a host", log(|time, text| syslog(time, "", &format!("dockerd[731]: {text}")))),
        ("short-precise", after_head(|_| "Mar 02 08:10:00.250001".to_owned())),
        ("short-iso", after_head(|_| "2026-03-02T08:10:00+0000".to_owned())),
        ("short-iso-precise", after_head(|_| "2026-03-02T08:10:00.250001+00:00".to_owned())),
        ("short-full", after_head(|_| "Mon 2026-03-02 08:10:00 UTC".to_owned())),
        ("short-monotonic", after_head(|_| "[ 4711.250001]".to_owned())),
        ("short-delta", after_head(|_| "[ 4711.250001 <    0.000031 >]".to_owned())),
        ("short-unix", after_head(|time| format!("{}.250001", micros(time) / 1_000_000))),
        (
            "with-unit",
            log(|_, text| format!("Mon 2026-03-02 08:10:00 UTC edge1 docker.service[731]: {text}")),
        ),
        ("cat", plain()),
    ] {
        has_the_events(name, &bytes).await;
    }
}

/// An entry of the journal.
fn entry(time: &str, text: &str) -> Value {
    json!({ "__CURSOR": "s=9;i=1", "__REALTIME_TIMESTAMP": micros(time).to_string(), "_TRANSPORT": "stdout",
        "_SYSTEMD_UNIT": "docker.service", "SYSLOG_IDENTIFIER": "dockerd", "PRIORITY": "6", "MESSAGE": text })
}

#[tokio::test]
async fn saved_entries_of_a_journal_have_the_events() {
    let bytes_of = |text: &str| text.bytes().map(Value::from).collect::<Vec<_>>();
    for (name, bytes) in [
        ("json", log(|time, text| entry(time, text).to_string())),
        ("json-pretty", log(|time, text| serde_json::to_string_pretty(&entry(time, text)).unwrap())),
        ("json-sse", log(|time, text| format!("data: {}\n", entry(time, text)))),
        ("json-seq", log(|time, text| format!("\u{1e}{}", entry(time, text)))),
        (
            "json with a message in bytes",
            log(|time, text| {
                let mut entry = entry(time, text);
                entry["MESSAGE"] = bytes_of(text).into();
                entry.to_string()
            }),
        ),
        (
            "export",
            log(|time, text| {
                format!(
                    "__CURSOR=s=9;i=1\n__REALTIME_TIMESTAMP={}\nSYSLOG_IDENTIFIER=dockerd\nMESSAGE={text}\n",
                    micros(time)
                )
            }),
        ),
        (
            "verbose",
            log(|time, text| {
                format!(
                    "Mon 2026-03-02 08:10:00.250001 UTC [s=9;i=1;b=2;m=3;t=4;x=5]\n    SYSLOG_IDENTIFIER=dockerd\n    _SOURCE_REALTIME_TIMESTAMP={}\n    MESSAGE={text}",
                    micros(time)
                )
            }),
        ),
    ] {
        has_the_events(name, &bytes).await;
        let late = scan_since(&bytes, since("2026-03-02T08:11:01Z")).await;
        assert_eq!(found(&late), [("task-exhausted", 1), ("vip-exhausted", 1)], "{name}");
        assert!(late.complete, "{name}: {late:?}");
    }
}

#[tokio::test]
async fn what_a_syslog_daemon_or_an_engine_around_it_wrote_has_the_events() {
    let logrus = || {
        lines().into_iter().map(|(time, level, msg, error)| {
            json!({ "level": level, "msg": msg, "time": time, "error": error, "module": "node" }).to_string()
        })
    };
    let joined = |lines: Vec<String>| (lines.join("\n") + "\n").into_bytes();
    for (name, bytes) in [
        ("RFC 3164", log(|time, text| syslog(time, "edge1", &format!(" dockerd[731]: {text}")))),
        (
            "RFC 3164 with a priority",
            log(|time, text| format!("<27>{}", syslog(time, "edge1", &format!(" dockerd[731]: {text}")))),
        ),
        ("RFC 5424", log(|time, text| format!("<27>1 {time} edge1 dockerd 731 - - {text}"))),
        (
            "RFC 5424 with data",
            log(|time, text| format!("<27>1 {time} edge1 dockerd 731 - [x@1 a=\"\\]\\\"\"] \u{feff}{text}")),
        ),
        ("rsyslog's ISO template", log(|time, text| format!("{time} edge1 dockerd[731]: {text}"))),
        (
            "rsyslog JSON",
            log(|time, text| {
                json!({ "timereported": time, "hostname": "edge1", "syslogtag": "dockerd[731]:", "message": text }).to_string()
            }),
        ),
        (
            "logrus JSON behind a tag",
            joined(logrus().map(|json| format!("Mar  2 08:10:00 edge1 dockerd[731]: {json}")).collect()),
        ),
        ("logrus JSON", joined(logrus().collect())),
        (
            "json-file of an engine in a container",
            log(|time, text| {
                json!({ "log": format!("{text}\n"), "stream": "stderr", "time": time }).to_string()
            }),
        ),
        ("docker logs -t", log(|time, text| format!("{time} {text}"))),
        ("CRI", log(|time, text| format!("{time} stderr F {text}"))),
    ] {
        has_the_events(name, &bytes).await;
    }
}

#[tokio::test]
async fn what_a_store_of_logs_answers_has_the_events() {
    let loki = |unit: &str| {
        let values: Vec<Value> = texts()
            .iter()
            .rev()
            .map(|(time, text)| json!([(micros(time) * 1000).to_string(), text]))
            .collect();
        json!({ "data": { "result": [{ "stream": { "unit": unit }, "values": values }] } })
    };
    let ecs = |time: &str, text: &str| {
        json!({ "@timestamp": time, "log.level": "error", "ecs.version": "8.11", "message": text,
            "process": { "name": "dockerd", "pid": 731 }, "log": { "file": { "path": "/var/log/messages" } } })
    };
    for (name, bytes) in [
        (
            "logcli, with a useless time",
            log(|_, text| json!({ "line": text, "timestamp": "1", "fields": {} }).to_string()),
        ),
        (
            "logcli with labels",
            log(|time, text| {
                json!({ "labels": { "unit": "docker.service" }, "line": text, "timestamp": time }).to_string()
            }),
        ),
        ("Loki", loki("docker.service").to_string().into_bytes()),
        ("Loki, indented", serde_json::to_vec_pretty(&loki("docker.service")).unwrap()),
        ("ECS lines", log(|time, text| ecs(time, text).to_string())),
        ("Elastic's hits", {
            let hits: Vec<Value> = texts()
                .iter()
                .map(|(time, text)| json!({ "_index": "i", "_source": ecs(time, text) }))
                .collect();
            json!({ "hits": { "hits": hits } }).to_string().into_bytes()
        }),
        (
            "Filebeat",
            log(|time, text| {
                json!({ "@timestamp": time, "message": text, "syslog": { "identifier": "dockerd" } })
                    .to_string()
            }),
        ),
        (
            "GELF",
            log(|time, text| {
                json!({ "version": "1.1", "host": "edge1", "short_message": text, "timestamp": time })
                    .to_string()
            }),
        ),
        ("Splunk", log(|time, text| json!({ "result": { "_raw": text, "_time": time } }).to_string())),
    ] {
        has_the_events(name, &bytes).await;
    }
    // Another unit of the same host, whose lines a store gives beside the engine's.
    let other = scan(loki("shop.service").to_string().as_bytes()).await;
    assert_eq!(other.incomplete, [Incomplete::NotAnEngineLog { records: 5 }]);
    assert!(found(&other).is_empty(), "{other:?}");
    let foreign = log(|time, text| {
        json!({ "@timestamp": time, "message": text, "process": { "name": "shop" } }).to_string()
    });
    let other = scan(&foreign).await;
    assert_eq!((found(&other), other.coverage.unwrap().foreign), (vec![], 5));
    assert!(!other.complete);
}

#[tokio::test]
async fn tables_have_the_events() {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let head = |head: &str, rows: Vec<u8>| [head.as_bytes(), &rows].concat();
    for (name, bytes) in [
        ("commas", log(|time, text| format!("\"{time}\",\"edge1\",{}", quoted(text)))),
        ("semicolons", log(|time, text| format!("{time};edge1;{}", quoted(text)))),
        ("tabs", log(|time, text| format!("{time}\tedge1\t{text}"))),
        ("a header", head("Time,Host,Message\n", log(|time, text| format!("{time},edge1,{}", quoted(text))))),
        (
            "a header with the program",
            head(
                "timestamp;program;message\r\n",
                log(|time, text| format!("{time};dockerd;{}\r", quoted(text))),
            ),
        ),
    ] {
        has_the_events(name, &bytes).await;
    }
}

#[tokio::test]
async fn a_terminals_copy_has_the_events_and_its_times_where_it_has_some() {
    let terminal = |of: fn(&str) -> String| {
        let line = |(time, level, message, error): (&str, &str, String, String)| {
            let error = if error.is_empty() { error } else { format!(" error={error:?} module=node") };
            format!("{}[{}] {message:<44}{error}\n", level[..4].to_uppercase(), of(time))
        };
        lines().into_iter().map(line).collect::<String>().into_bytes()
    };
    let (timed, counted) = (terminal(str::to_owned), terminal(|_| "0042".to_owned()));
    has_the_events("with times", &timed).await;
    has_the_events("with seconds", &counted).await;
    let a_year_before = since("2025-03-02T00:00:00Z");
    let scan = scan_since(&timed, a_year_before).await;
    assert_eq!(found(&scan), EVENTS);
    assert!(matches!(scan.incomplete[..], [Incomplete::NotThatFarBack { .. }]), "{scan:?}");
    // Seconds since the start are no time, so that nothing of it is in a window for certain.
    let scan = scan_since(&counted, a_year_before).await;
    assert!(scan.incomplete.contains(&Incomplete::NoTimes { records: 5 }), "{scan:?}");
}

#[tokio::test]
async fn packed_and_encoded_files_have_the_events() {
    let members: Vec<u8> =
        texts().iter().flat_map(|(_, text)| gzip(format!("{text}\n").as_bytes())).collect();
    for (name, bytes) in [
        ("gzip", gzip(&plain())),
        ("gzip in members", members),
        ("UTF-16 with its mark", utf16(&plain(), &[0xfeff])),
        ("UTF-16 without", utf16(&plain(), &[])),
        ("xz", xz(&plain())),
        ("xz in streams", [xz(&plain()[..100]), xz(&plain()[100..])].concat()),
        ("xz of UTF-16", xz(&utf16(&plain(), &[0xfeff]))),
        ("gzip of UTF-16", gzip(&utf16(&plain(), &[]))),
    ] {
        has_the_events(name, &bytes).await;
    }
}

#[tokio::test]
async fn a_cut_gzip_is_not_complete_at_whatever_byte_it_was_cut() {
    let whole = gzip(&plain());
    for end in [4, 12, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        let scan = scan(&whole[..end]).await;
        assert!(scan.incomplete.contains(&Incomplete::EndsEarly { format: Packed::Gzip }), "{end}: {scan:?}");
        assert!(!scan.is_conclusive(), "{end}");
    }
}

#[tokio::test]
async fn a_cut_xz_is_not_complete_at_whatever_byte_it_was_cut() {
    let whole = xz(&plain());
    for end in [6, 12, whole.len() / 2, whole.len() - 12, whole.len() - 1] {
        let scan = scan(&whole[..end]).await;
        assert!(scan.incomplete.contains(&Incomplete::EndsEarly { format: Packed::Xz }), "{end}: {scan:?}");
        assert!(!scan.is_conclusive(), "{end}");
    }
}

#[tokio::test]
async fn a_packed_bomb_is_not_unpacked_beyond_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.xz");
    fs::write(&path, xz(&vec![b'\n'; 8 << 20])).unwrap();
    let limits = Limits { max_bytes: 1 << 20, ..Limits::default() };
    let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
    let scan = Source::File(path).scan(&ReadFrom::Beginning, &limits, scanner).await.unwrap();
    assert!(scan.incomplete.contains(&Incomplete::TooLarge { limit_bytes: 1 << 20 }), "{scan:?}");
}

#[tokio::test]
async fn a_log_that_begins_after_the_asked_time_is_not_complete() {
    let asked = "2026-02-06T00:00:00Z";
    let scan = scan_since(&plain(), since(asked)).await;
    let first = Some("2026-03-02T08:10:00.25Z".parse().unwrap());
    assert_eq!(scan.incomplete, [Incomplete::NotThatFarBack { asked: asked.parse().unwrap(), first }]);
    assert_eq!(found(&scan), EVENTS, "findings are findings all the same");
}

#[tokio::test]
async fn times_that_cannot_be_read_are_no_window() {
    for bytes in [
        log(|_, text| text.replace("time=\"2026-03-02T", "time=\"2026-13-45T")),
        log(|_, text| text.replace("2026-03-02T", "02.03.2026 ")),
        log(|_, text| text.split_once(' ').unwrap().1.to_owned()),
    ] {
        let scan = scan_since(&bytes, since("2026-03-02T00:00:00Z")).await;
        assert!(scan.incomplete.contains(&Incomplete::NoTimes { records: 5 }), "{scan:?}");
    }
}

#[tokio::test]
async fn dropped_lines_make_a_scan_incomplete() {
    for said in [
        "systemd-journald[311]: Suppressed 1843 messages from docker.service",
        "systemd-journald[311]: Forwarding to syslog missed 27 messages.",
        "rsyslogd: imjournal: 95 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
        "rsyslogd-2177: imuxsock lost 31 messages from pid 731 due to rate-limiting",
    ] {
        let quiet: Vec<u8> = log(|time, text| syslog(time, "edge1", &format!(" dockerd[731]: {text}")));
        let start = quiet.split_inclusive(|byte| *byte == b'\n').next().unwrap();
        let bytes = [start, format!("Mar  2 08:10:05 edge1 {said}\n").as_bytes()].concat();
        assert!(scan(start).await.complete, "it is the line that makes it");
        assert_eq!(scan(&bytes).await.incomplete, [Incomplete::Suppressed { places: 1 }], "{said}");
    }
}

#[tokio::test]
async fn what_is_no_log_of_an_engine_is_never_an_all_clear() {
    let passwd = fs::read("/etc/passwd").unwrap();
    let binary = fs::read("/bin/true").unwrap();
    let random: Vec<u8> = (0..20_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[1]).collect();
    let nginx = b"10.0.0.9 - - [02/Mar/2026:08:10:00 +0000] \"GET / HTTP/1.1\" 200 612\n".repeat(9);
    let other = log(|time, text| syslog(time, "edge1", &format!(" traefik[88]: {text}")));
    for (name, bytes) in [
        ("passwd", passwd),
        ("a program", binary),
        ("noise", random),
        ("nginx", nginx),
        ("another program", other),
    ] {
        let scan = scan(&bytes).await;
        assert!(!scan.complete && !scan.is_conclusive(), "{name}");
        assert!(
            scan.incomplete.iter().any(|r| matches!(r, Incomplete::NotAnEngineLog { .. })),
            "{name}: {scan:?}"
        );
        assert_eq!(scan.exhaustion_count(), 0, "{name}");
    }
}

/// Lines as rejected tasks leave them, again and again.
fn rejected(texts: &[(&str, &str)]) -> Vec<u8> {
    let line = |(message, error): &(&str, &str)| {
        let error = if error.is_empty() { String::new() } else { format!(" error={error:?}") };
        format!(
            "Mar  2 08:12:00 edge1 dockerd[731]: time=\"2026-03-02T09:12:00.5+01:00\" level=error msg={message:?}{error} module=node/agent/taskmanager node.id={NODE} service.id={SERVICE}\n"
        )
    };
    texts.iter().map(line).collect::<String>().into_bytes()
}

#[tokio::test]
async fn a_task_that_is_rejected_again_and_again_is_a_finding_with_its_meaning() {
    let exists = format!("network {NETWORK} exists");
    let missing = format!("network {NETWORK} not found");
    let binding = format!(
        "failed removing service binding for 77aa epRec:{{web.1.x web {SERVICE} 10.4.0.6 10.4.0.7 [] [web] [0f1e]}} err:network {NETWORK} not found"
    );
    let foreign = "Invalid address fd12:3456::5: It does not belong to any of this network's subnets";
    for (bytes, expected) in [
        (
            rejected(&[("fatal task error", exists.as_str()), ("fatal task error", exists.as_str())]),
            vec![("network-exists", 2)],
        ),
        (
            rejected(&[(binding.as_str(), ""), ("fatal task error", missing.as_str())]),
            vec![("binding-left", 1), ("network-missing", 1)],
        ),
        (rejected(&[("fatal task error", foreign)]), vec![("address-not-of-network", 1)]),
    ] {
        let scan = scan(&bytes).await;
        assert_eq!(found(&scan), expected, "{scan:?}");
        for matched in &scan.matched {
            assert!(matched.class.is_finding() && !matched.meaning.is_empty() && !matched.remedy.is_empty());
            assert_eq!(matched.first, Some("2026-03-02T08:12:00.5Z".parse().unwrap()), "{matched:?}");
        }
        assert_eq!(scan.unclassified_errors, 0);
        assert!(!scan.samples.is_empty());
    }
}

#[tokio::test]
async fn the_trace_of_a_removal_names_its_network_and_asks_for_a_census() {
    let gone = format!("could not find network allocator state for network {NETWORK}");
    let node = format!("Failed to allocate network resources for node {NODE}");
    let attachment = format!("error deallocating attachment for network {NETWORK} on node {NODE}");
    let bytes = rejected(&[(node.as_str(), gone.as_str()), (attachment.as_str(), gone.as_str())]);
    let scan = scan(&bytes).await;
    assert_eq!(found(&scan), [("removed-network", 2)]);
    let matched = &scan.matched[0];
    assert_eq!((matched.class, matched.networks.len()), (Class::LeakFootprint, 1));
    assert!(matched.remedy.contains("pvcheck census"), "{}", matched.remedy);
    assert_eq!(scan.findings().count(), 0, "a trace is no finding");
}
