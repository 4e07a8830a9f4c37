//! The same log in every format that a file may have: three lines that an overlay is full, or none.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use proptest::prelude::*;
use pvcheck_journal::{
    Catalogue, Coverage, Incomplete, Limits, Packed, ReadFrom, Role, Scan, Scanner, Since, Source,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One line of the log: when, how grave, what, and why.
#[derive(Clone, Copy)]
struct Line {
    time: &'static str,
    level: &'static str,
    message: &'static str,
    error: &'static str,
}

const fn line(time: &'static str, level: &'static str, message: &'static str, error: &'static str) -> Line {
    Line { time, level, message, error }
}

const QUIET: [Line; 3] = [
    line("2026-06-13T05:30:00.1Z", "info", "Starting up", ""),
    line("2026-06-13T05:30:01.5Z", "info", "API listen on /run/docker.sock", ""),
    line(
        "2026-06-13T05:30:02Z",
        "info",
        "NetworkDB stats host(5bdcab994fd0) - netID:n1 leaving:false netPeers:5 Queue qLen:0",
        "",
    ),
];
const FULL: [Line; 3] = [
    line(
        "2026-06-13T05:38:00.532072364Z",
        "error",
        "task allocation failure",
        "failed to allocate network IP for task tsk7mg402451row2gmr0g0vsu network netqo8nlftb3wrsc5kja4dlzr: could not find an available IP",
    ),
    line(
        "2026-06-13T05:38:01.532072364Z",
        "error",
        "Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi",
        "could not find an available IP",
    ),
    line(
        "2026-06-13T05:38:05.942840700Z",
        "error",
        "Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2",
        "could not find an available IP while allocating VIP",
    ),
];

impl Line {
    fn at(self) -> Timestamp {
        self.time.parse().unwrap()
    }

    /// As logrus writes it to a file.
    fn text(self) -> String {
        let Self { time, level, message, error } = self;
        let error = if error.is_empty() { String::new() } else { format!(" error={error:?} module=node") };
        format!("time=\"{time}\" level={level} msg={message:?}{error}")
    }

    fn logrus_json(self) -> Value {
        json!({ "level": self.level, "msg": self.message, "time": self.time, "error": self.error, "module": "node" })
    }

    /// As logrus writes it to a terminal, with the colour of errors.
    fn terminal(self, time: &str, is_coloured: bool) -> String {
        let level = self.level[..4].to_uppercase();
        let (on, off) = if is_coloured { ("\u{1b}[31m", "\u{1b}[0m") } else { ("", "") };
        let error = if self.error.is_empty() {
            String::new()
        } else {
            format!(" {on}error{off}={:?} {on}module{off}=node", self.error)
        };
        format!("{on}{level}{off}[{time}] {:<44}{error}", self.message)
    }

    fn micros(self) -> i64 {
        self.at().as_microsecond()
    }

    fn entry(self) -> Value {
        json!({ "__CURSOR": "s=1", "__REALTIME_TIMESTAMP": self.micros().to_string(), "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "dockerd", "_COMM": "dockerd", "MESSAGE": self.text() })
    }

    fn quoted(self) -> String {
        format!("\"{}\"", self.text().replace('"', "\"\""))
    }
}

/// How a file is made of a log, and how it is called.
type Format = (&'static str, fn(&[Line]) -> Vec<u8>);

fn each(lines: &[Line], of: impl Fn(Line) -> String) -> Vec<u8> {
    lines.iter().map(|line| of(*line) + "\n").collect::<String>().into_bytes()
}

fn utf16(text: &[u8], is_big: bool) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let units = std::iter::once(0xfeff).chain(text.encode_utf16().collect::<Vec<_>>());
    units.flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn text(lines: &[Line]) -> Vec<u8> {
    each(lines, Line::text)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn export(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let message = line.text();
        write!(
            out,
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={}\nSYSLOG_IDENTIFIER=dockerd\nMESSAGE\n",
            line.micros()
        )
        .unwrap();
        out.extend_from_slice(&(message.len() as u64).to_le_bytes());
        write!(out, "{message}\n_COMM=dockerd\n\n").unwrap();
    }
    out
}

/// Loki's answer, the newest first.
fn loki(lines: &[Line]) -> Value {
    let value = |line: &Line| json!([(line.micros() * 1000).to_string(), line.text()]);
    let values: Vec<Value> = lines.iter().rev().map(value).collect();
    json!({ "status": "success", "data": { "resultType": "streams", "result": [
        { "stream": { "unit": "docker.service", "host": "host1" }, "values": values } ] } })
}

/// Docker's json-file with one line in pieces.
fn json_file(lines: &[Line]) -> Vec<u8> {
    let piece = |log: &str, time: &str| json!({ "log": log, "stream": "stderr", "time": time });
    let long = format!("time=\"{}\" level=info msg=\"{}\"\n", lines[0].time, "x".repeat(20_000));
    let (first, rest) = long.split_at(16 * 1024);
    let mut values = vec![piece(first, lines[0].time), piece(rest, lines[0].time)];
    values.extend(lines.iter().map(|line| piece(&(line.text() + "\n"), line.time)));
    values.iter().map(|value| format!("{value}\n")).collect::<String>().into_bytes()
}

const FORMATS: &[Format] = &[
    ("logrus text", text),
    ("text with CRLF", |l| each(l, |line| line.text() + "\r")),
    ("UTF-8 with a byte order mark", |l| [b"\xef\xbb\xbf".to_vec(), text(l)].concat()),
    ("UTF-16, little endian", |l| utf16(&text(l), false)),
    ("UTF-16, big endian", |l| utf16(&text(l), true)),
    ("gzip", |l| gzip(&text(l))),
    ("gzip in members", |l| l.iter().flat_map(|line| gzip(&text(&[*line]))).collect()),
    ("gzip of UTF-16", |l| gzip(&utf16(&text(l), false))),
    ("text without its last line end", |l| text(l).trim_ascii_end().to_vec()),
    ("logrus JSON", |l| each(l, |line| line.logrus_json().to_string())),
    ("terminal with times", |l| each(l, |line| line.terminal(line.time, false))),
    ("terminal with seconds", |l| each(l, |line| line.terminal("0012", false))),
    ("terminal in colours", |l| each(l, |line| line.terminal("0012", true))),
    ("journalctl -o short", |l| {
        each(l, |line| format!("Jun 13 05:38:00 host dockerd[812]: {}", line.text()))
    }),
    ("journalctl -o short with its head", |l| {
        [
            b"-- Logs begin at Fri 2026-06-12 00:00:00 UTC. --\n".to_vec(),
            each(l, |line| format!("Jun 13 05:38:00 host dockerd[812]: {}", line.text())),
        ]
        .concat()
    }),
    ("journalctl -o short-iso", |l| {
        each(l, |line| format!("2026-06-13T05:38:00+0000 host dockerd[812]: {}", line.text()))
    }),
    ("journalctl -o short-full", |l| {
        each(l, |line| format!("Sat 2026-06-13 05:38:00 UTC host dockerd[812]: {}", line.text()))
    }),
    ("journalctl -o short-monotonic", |l| {
        each(l, |line| format!("[  123.456789] host dockerd[812]: {}", line.text()))
    }),
    ("journalctl -o cat", text),
    ("journalctl -o json", |l| each(l, |line| line.entry().to_string())),
    ("journalctl -o json-pretty", |l| each(l, |line| serde_json::to_string_pretty(&line.entry()).unwrap())),
    ("journalctl -o json-seq", |l| each(l, |line| format!("\u{1e}{}", line.entry()))),
    ("journalctl -o json-sse", |l| each(l, |line| format!("data: {}\n", line.entry()))),
    ("entries in a list", |l| {
        serde_json::to_vec(&l.iter().map(|line| line.entry()).collect::<Vec<_>>()).unwrap()
    }),
    ("journalctl -o export", export),
    ("journalctl -o verbose", |l| {
        each(l, |line| {
            format!(
                "Sat 2026-06-13 05:38:00.532072 UTC [s=1;i=2]\n    _SOURCE_REALTIME_TIMESTAMP={}\n    PRIORITY=6\n    SYSLOG_IDENTIFIER=dockerd\n    MESSAGE={}",
                line.micros(),
                line.text()
            )
        })
    }),
    ("syslog, RFC 3164", |l| {
        each(l, |line| format!("<30>Jun 13 05:38:00 host dockerd[812]: {}", line.text()))
    }),
    ("syslog, RFC 5424", |l| {
        each(l, |line| format!("<30>1 {} host dockerd 812 - - {}", line.time, line.text()))
    }),
    ("rsyslog with logrus JSON", |l| {
        each(l, |line| format!("Jun 13 05:38:00 host dockerd[812]: {}", line.logrus_json()))
    }),
    ("rsyslog JSON", |l| {
        each(l, |line| {
            json!({ "message": line.text(), "programname": "dockerd", "timereported": line.time }).to_string()
        })
    }),
    ("container runtime", |l| each(l, |line| format!("{} stderr F {}", line.time, line.text()))),
    ("docker logs --timestamps", |l| each(l, |line| format!("{} {}", line.time, line.text()))),
    ("docker compose logs", |l| each(l, |line| format!("dind-1  | {}", line.text()))),
    ("json-file", json_file),
    ("logcli -o jsonl", |l| {
        each(l, |line| json!({ "line": line.text(), "timestamp": line.time, "fields": {} }).to_string())
    }),
    ("Loki's answer", |l| loki(l).to_string().into_bytes()),
    ("Loki's answer, indented", |l| serde_json::to_vec_pretty(&loki(l)).unwrap()),
    ("Elastic's answer", |l| {
        let hits: Vec<Value> = l
            .iter()
            .map(|line| json!({ "_source": { "@timestamp": line.time, "message": line.text() } }))
            .collect();
        json!({ "hits": { "total": hits.len(), "hits": hits } }).to_string().into_bytes()
    }),
    ("table with a header", |l| {
        [
            b"timestamp,host,message\n".to_vec(),
            each(l, |line| format!("{},host1,{}", line.time, line.quoted())),
        ]
        .concat()
    }),
    ("table, all quoted", |l| each(l, |line| format!("\"{}\",\"host1\",{}", line.time, line.quoted()))),
    ("table without quotes but where needed", |l| {
        each(l, |line| format!("{},host1,{}", line.time, line.quoted()))
    }),
    ("table with tabs", |l| each(l, |line| format!("{}\thost1\t{}", line.time, line.text()))),
];

fn write(bytes: &[u8]) -> (TempDir, Source) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("engine.log");
    fs::write(&path, bytes).unwrap();
    (dir, Source::File(path))
}

async fn scan_since(bytes: &[u8], since: Since) -> Scan {
    let (_dir, source) = write(bytes);
    let from = if let Since::At(at) = since { ReadFrom::Time(at) } else { ReadFrom::Beginning };
    source.scan(&from, &Limits::default(), Scanner::since(Catalogue::builtin(), since, None)).await.unwrap()
}

async fn scan(bytes: &[u8]) -> Scan {
    scan_since(bytes, Since::Beginning).await
}

fn ids(scan: &Scan) -> Vec<&str> {
    scan.matched.iter().filter(|m| m.class.is_finding()).map(|m| m.signature.as_str()).collect()
}

#[tokio::test]
async fn three_lines_are_found_in_every_format_and_a_quiet_log_is_an_all_clear_in_each() {
    let full = [&QUIET[..], &FULL].concat();
    for (name, write) in FORMATS {
        let found = scan(&write(&full)).await;
        let mut found_ids = ids(&found);
        found_ids.sort_unstable();
        assert_eq!(found_ids, ["lb-exhausted", "task-exhausted", "vip-exhausted"], "{name}: {found:?}");
        let quiet = scan(&write(&QUIET)).await;
        assert_eq!((quiet.incomplete.clone(), quiet.matched.len()), (vec![], 1), "{name}: {quiet:?}");
        assert!(quiet.complete && quiet.is_conclusive(), "{name}");
        let Coverage { engine, not_understood, .. } = quiet.coverage.unwrap();
        assert_eq!((engine, not_understood), (3, 0), "{name}");
    }
}

#[tokio::test]
async fn times_are_the_engines_in_every_format_that_has_them() {
    for (name, write) in
        FORMATS.iter().filter(|(name, _)| !matches!(*name, "terminal with seconds" | "terminal in colours"))
    {
        let bytes = write(&[&QUIET[..], &FULL].concat());
        let found = scan_since(&bytes, Since::At(FULL[1].at())).await;
        assert_eq!((ids(&found).len(), found.complete), (2, true), "{name}: {found:?}");
        let coverage = found.coverage.unwrap();
        assert_eq!((coverage.first, coverage.last), (Some(QUIET[0].at()), Some(FULL[2].at())), "{name}");
    }
}

#[tokio::test]
async fn without_times_a_window_proves_nothing() {
    for (name, write) in
        FORMATS.iter().filter(|(name, _)| matches!(*name, "terminal with seconds" | "terminal in colours"))
    {
        let found = scan_since(&write(&QUIET), Since::At(QUIET[0].at())).await;
        assert!(found.incomplete.contains(&Incomplete::NoTimes { records: 3 }), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn a_log_that_does_not_go_back_that_far_proves_nothing() {
    let asked = "2026-05-20T00:00:00Z".parse().unwrap();
    let found = scan_since(&text(&QUIET), Since::At(asked)).await;
    assert_eq!(found.incomplete, [Incomplete::NotThatFarBack { asked, first: Some(QUIET[0].at()) }]);
    assert!(!found.complete && !found.is_conclusive());
    // A moment after the last record: the log may have ended there.
    let late = scan_since(&text(&QUIET), Since::At("2026-06-14T00:00:00Z".parse().unwrap())).await;
    assert_eq!(late.incomplete, [Incomplete::NoRecords { read: 3 }]);
    // Findings are findings, whatever else is missing.
    let full = scan_since(&text(&FULL), Since::At(asked)).await;
    assert_eq!((full.exhaustion_count(), full.complete), (3, false));
}

#[tokio::test]
async fn the_newest_first_is_no_order_to_find_a_start_in() {
    let mut lines = QUIET;
    lines.reverse();
    lines[0].time = "2026-06-13T05:40:02Z";
    let found = scan_since(&text(&lines), Since::EngineStart).await;
    let (start, newest) = (QUIET[0].at(), lines[0].at());
    assert_eq!(found.incomplete, [Incomplete::NotInOrder { start, newest }]);
    assert!(scan(&text(&lines)).await.complete, "all of it is all of it in any order");
}

#[tokio::test]
async fn what_is_no_log_of_an_engine_proves_nothing() {
    let passwd =
        b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n".to_vec();
    let elf = [b"\x7fELF\x02\x01\x01\0".to_vec(), (0..=255).cycle().take(5000).collect()].concat();
    let foreign = each(&QUIET, |line| format!("Jun 13 05:38:00 host traefik[812]: {}", line.text()));
    let container = each(&QUIET, |line| {
        let mut entry = line.entry();
        entry["CONTAINER_ID"] = "3f4e5d6c7b8a".into();
        entry.to_string()
    });
    let logrus =
        b"time=\"2026-06-13T05:30:00Z\" level=info msg=\"Configuration loaded from file\"\n".to_vec();
    for bytes in
        [passwd, elf, foreign, container, logrus, b"{\"a\":1}\n".to_vec(), b"a,b,message\n1,2,3\n".to_vec()]
    {
        let found = scan(&bytes).await;
        assert!(matches!(found.incomplete[..], [Incomplete::NotAnEngineLog { .. }]), "{found:?}");
        assert_eq!(found.exhaustion_count(), 0);
    }
    for bytes in [&b""[..], b"\n\n", b"timestamp,host,message\n", b"-- No entries --\n"] {
        assert_eq!(scan(bytes).await.incomplete, [Incomplete::NoRecords { read: 0 }]);
    }
}

#[tokio::test]
async fn what_is_cut_torn_or_not_understood_proves_nothing() {
    let quiet = text(&QUIET);
    let mut cut = quiet.clone();
    cut.extend_from_slice(b"time=\"2026-06-13T05:30:03Z\" level=inf");
    let found = scan(&cut).await;
    assert!(
        matches!(&found.incomplete[..], [Incomplete::NotUnderstood { records: 1, first }] if first.starts_with("time=")),
        "{found:?}"
    );
    let torn_entry =
        [each(&QUIET, |line| line.entry().to_string()), b"{\"MESSAGE\": \"time".to_vec()].concat();
    assert!(matches!(scan(&torn_entry).await.incomplete[..], [Incomplete::NotUnderstood { records: 1, .. }]));
    let long = [quiet.clone(), b"level=info msg=\"".to_vec(), vec![b'x'; 100_000], b"\"\n".to_vec()].concat();
    assert_eq!(scan(&long).await.incomplete, [Incomplete::Cut { records: 1 }]);
    let packed = gzip(&text(&[&QUIET[..], &FULL].concat()));
    let half = scan(&packed[..packed.len() - 7]).await;
    assert!(!half.complete);
    assert_eq!(half.incomplete, [Incomplete::EndsEarly { format: Packed::Gzip }]);
    assert_eq!(half.exhaustion_count(), 3, "what came before the end counts");
}

#[tokio::test]
async fn a_torn_document_costs_none_of_the_lines_after_it() {
    let entries = each(&FULL, |line| line.entry().to_string());
    let torn = [b"{\"MESSAGE\": \"Star\n".to_vec(), entries.clone()].concat();
    assert_eq!(scan(&torn).await.exhaustion_count(), 3);
    let torn = [b"{\"open\": [\n".to_vec(), text(&FULL), entries].concat();
    assert_eq!(scan(&torn).await.exhaustion_count(), 6);
}

#[tokio::test]
async fn formats_that_are_not_read_say_how_to_unpack_them() {
    for (magic, command) in [
        (&b"\x28\xb5\x2f\xfd"[..], "zstd -dc"),
        (b"\x04\x22\x4d\x18", "lz4 -dc"),
        (b"BZh9", "bzip2 -dc"),
        (b"LPKSHHRH", "journalctl --file"),
    ] {
        let found = scan(&[magic, &[7; 100]].concat()).await;
        assert!(found.doubt().unwrap().to_string().contains(command), "{found:?}");
    }
}

#[tokio::test]
async fn a_bomb_is_not_unpacked_beyond_the_limit() {
    let bomb = gzip(&vec![b'\n'; 64 << 20]);
    let (_dir, source) = write(&bomb);
    let limits = Limits { max_bytes: 1 << 20, ..Limits::default() };
    let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
    let found = source.scan(&ReadFrom::Beginning, &limits, scanner).await.unwrap();
    assert!(found.incomplete.contains(&Incomplete::TooLarge { limit_bytes: 1 << 20 }), "{found:?}");
}

#[tokio::test]
async fn the_log_of_a_follower_is_no_all_clear_for_the_leader() {
    let raft = |text: &'static str| [&QUIET[..], &[line("2026-06-13T05:30:03Z", "info", text, "")]].concat();
    let of = |lines: Vec<Line>, role: Role| async move {
        let (_dir, source) = write(&each(&lines, |line| line.text() + " module=raft node.id=x"));
        let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None).role(role);
        let found = source.scan(&ReadFrom::Beginning, &Limits::default(), scanner).await.unwrap();
        (found.incomplete, found.notes.len(), found.coverage.unwrap().role)
    };
    let (led, follows) = ("38f1 became leader at term 2", "raft.node: 38f1 elected leader 7abc at term 2");
    let lacks = || vec![Incomplete::LeaderOnly];
    assert_eq!(of(raft(led), Role::Unknown).await, (vec![], 0, Role::Leader));
    assert_eq!(of(raft(follows), Role::Unknown).await, (lacks(), 0, Role::Follower));
    assert_eq!(of(raft(follows), Role::Leader).await, (lacks(), 0, Role::Follower), "the leadership moved");
    assert_eq!(of(raft(led), Role::Follower).await, (lacks(), 0, Role::Follower));
    assert_eq!(of(QUIET.to_vec(), Role::Unknown).await, (vec![], 1, Role::Unknown), "a note");
    assert_eq!(of(QUIET.to_vec(), Role::Leader).await, (vec![], 0, Role::Leader));
    assert_eq!(of(QUIET.to_vec(), Role::Follower).await, (lacks(), 0, Role::Follower));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes in which no word of dockerd's stands, in any wrapping.
    #[test]
    fn nothing_without_a_record_of_dockerd_is_an_all_clear(
        lines in proptest::collection::vec("[ -~]{0,80}|time=\"2026-06-13T05:30:00Z\" level=info msg=\"[a-z ]{0,20}\"|\\{\"MESSAGE\":\"[a-z ]{0,20}\"\\}|\\PC{0,40}", 0..12),
        wrapping in 0usize..4,
    ) {
        let text = lines.join("\n");
        prop_assume!(!text.contains("docker") && !text.contains("module"));
        let bytes = match wrapping {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            2 => utf16(text.as_bytes(), false),
            _ => format!("{}\n", json!({ "log": text })).into_bytes(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(scan(&bytes));
        prop_assert!(!found.complete && !found.is_conclusive(), "{:?}", found);
        prop_assert_eq!(found.complete, found.incomplete.is_empty());
    }

    /// Arbitrary bytes after the head of each format.
    #[test]
    fn arbitrary_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0..FORMATS.len(), keep in 0usize..400) {
        let mut file = FORMATS[which].1(&QUIET);
        file.truncate(keep);
        file.extend_from_slice(&bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(scan(&file));
        serde_json::to_string(&found).unwrap();
    }
}
