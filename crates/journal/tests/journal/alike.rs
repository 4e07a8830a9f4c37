//! What the files of a journal say, and what `journalctl` says of them: record for record the same, whatever the format.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pvcheck_journal::{Directory, JournalReader, Journalctl, Mark, ReadFrom, Record, Source};
use tempfile::TempDir;

use crate::made::{VIP, add, engine, entry, journal_of};
use crate::{read, sources};

/// The formats that systemd writes: with offsets of 32 or 64 bits (252 and later), with a keyed or a plain hash (246 and later). Long
/// payloads are compressed by zstd.
const FORMATS: [[(&str, &str); 2]; 4] = [
    [("SYSTEMD_JOURNAL_COMPACT", "0"), ("SYSTEMD_JOURNAL_KEYED_HASH", "0")],
    [("SYSTEMD_JOURNAL_COMPACT", "0"), ("SYSTEMD_JOURNAL_KEYED_HASH", "1")],
    [("SYSTEMD_JOURNAL_COMPACT", "1"), ("SYSTEMD_JOURNAL_KEYED_HASH", "0")],
    [("SYSTEMD_JOURNAL_COMPACT", "1"), ("SYSTEMD_JOURNAL_KEYED_HASH", "1")],
];

/// A field of the export format whose value may be any bytes.
fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') || value.iter().any(|byte| *byte < b' ') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Entries of several units and boots, with what a message may be: short, long, of bytes, of several lines, given twice, missing.
fn export(from: u64, entries: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for number in from..from + entries {
        let boot = if number < from + entries / 2 { 'a' } else { 'b' };
        let head = [
            ("__REALTIME_TIMESTAMP", (1_781_329_080_000_000 + number * 100_000).to_string()),
            ("__MONOTONIC_TIMESTAMP", (1_000_000 + number * 100_000).to_string()),
            ("_BOOT_ID", boot.to_string().repeat(32)),
            ("_MACHINE_ID", "0123456789abcdef".repeat(2)),
            ("PRIORITY", (number % 8).to_string()),
        ];
        for (name, value) in head {
            field(name, value.as_bytes(), &mut out);
        }
        for (name, value) in of_kind(number) {
            field(name, &value, &mut out);
        }
        out.push(b'\n');
    }
    out
}

fn of_kind(number: u64) -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let unit = ("_SYSTEMD_UNIT", text("docker.service"));
    let ident = ("SYSLOG_IDENTIFIER", text("dockerd"));
    let long = |letters: usize| {
        let mut line = String::from(VIP);
        while line.len() < letters {
            write!(line, " field{}={number}", line.len()).unwrap();
        }
        line.into_bytes()
    };
    match number % 13 {
        0 => vec![
            unit,
            ident,
            ("_COMM", text("dockerd")),
            ("MESSAGE", text(&format!("{VIP} number={number}"))),
        ],
        1 => vec![unit, ident, ("MESSAGE", long(700))],
        2 => vec![unit, ident, ("MESSAGE", long(30_000))],
        3 => vec![unit, ident, ("MESSAGE", long(70_000))],
        4 => vec![unit, ident, ("MESSAGE", vec![b'x', 0xff, 0x1b, b'y'])],
        5 => vec![unit, ident, ("MESSAGE", text("panic: runtime error\n\ngoroutine 1 [running]:"))],
        6 => vec![unit, ident, ("MESSAGE", text(VIP)), ("MESSAGE", text("another"))],
        7 => vec![unit, ident],
        8 => vec![unit, ident, ("CONTAINER_ID", text("3f4e5d6c7b8a")), ("MESSAGE", text(VIP))],
        9 => {
            vec![unit, ("SYSLOG_IDENTIFIER", text("start\u{1b}docker")), ("MESSAGE", text("always the same"))]
        }
        10 => vec![("_SYSTEMD_UNIT", text("ssh.service")), ("MESSAGE", text("always the same"))],
        11 => vec![
            ("_PID", text("1")),
            ("UNIT", text("docker.service")),
            ("SYSLOG_IDENTIFIER", text("systemd")),
            ("MESSAGE", text("Starting docker.service - Docker Application Container Engine...")),
        ],
        _ => vec![unit, ident, ("SYSLOG_IDENTIFIER", text("again")), ("MESSAGE", vec![])],
    }
}

fn without_cursors(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| Record { cursor: None, ..record }).collect()
}

#[tokio::test]
async fn every_format_of_a_file_has_the_records_that_journalctl_prints() {
    let mut flags = BTreeSet::new();
    for format in &FORMATS {
        let dir = TempDir::new().unwrap();
        // Two files, one of which begins while the other goes on.
        let is_made = add(dir.path(), "one.journal", &export(0, 130), format)
            && add(dir.path(), "other.journal", &export(100, 80), format);
        if !is_made {
            return;
        }
        // What the header has behind the signature and the compatible flags.
        flags.insert(std::fs::read(dir.path().join("one.journal")).unwrap()[12]);
        let sources = sources(dir.path());
        let [by_program, others @ ..] = &sources[..] else { panic!("several ways") };
        let all = read(by_program, ReadFrom::Beginning).await.records;
        assert!(150 < all.len(), "{}", all.len());
        for source in others {
            alike(by_program, source, &all, format).await;
        }
    }
    // An older systemd has fewer.
    assert!(2 <= flags.len(), "{flags:?}");
}

/// From the beginning, from a time, and from some entries.
async fn alike(by_program: &Source, source: &Source, all: &[Record], format: &[(&str, &str)]) {
    let expected = without_cursors(all.to_vec());
    let got = read(source, ReadFrom::Beginning).await;
    assert_eq!(got.reading.incomplete, [], "{source:?}, {format:?}");
    same(&got.records, &expected, format);
    let middle = "2026-06-13T05:38:11.35Z".parse().unwrap();
    let late = read(source, ReadFrom::Time(middle)).await.records;
    same(&late, &without_cursors(read(by_program, ReadFrom::Time(middle)).await.records), format);
    // From each of some entries, wherever it is.
    for number in [0, 7, 111, 123, expected.len() - 1] {
        let cursor = all[number].cursor.clone().unwrap();
        let new = read(source, ReadFrom::Mark(Mark::Cursor { cursor })).await;
        assert_eq!(new.reading.incomplete, [], "{source:?}, {format:?}, {number}");
        same(&new.records, &expected[number + 1..], format);
    }
}

fn same(got: &[Record], expected: &[Record], format: &[(&str, &str)]) {
    for (number, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got, expected, "{format:?}, {number}");
        assert_eq!((got.cut_bytes, &got.raw), (expected.cut_bytes, &expected.raw), "{format:?}, {number}");
    }
    assert_eq!(got.len(), expected.len(), "{format:?}");
}

#[tokio::test]
async fn this_hosts_own_journal_has_the_records_that_journalctl_prints() {
    // Of what runs on most hosts with a journal. It is written meanwhile, so what was there before is compared.
    for unit in ["systemd-journald", "cron", "ssh", "docker", "dbus"] {
        let by_program = Source::Journalctl(Journalctl::unit(unit));
        let by_files =
            Source::Directory(Directory { path: None, unit: unit.into(), by: JournalReader::Pvcheck });
        let Some(expected) = try_read(&by_program).await else { return };
        let Some(got) = try_read(&by_files).await else { return };
        assert!(expected.len() <= got.len(), "{unit}");
        assert_eq!(got[..expected.len()], expected[..], "{unit}");
    }
}

/// `None` where the journal may not be read.
async fn try_read(source: &Source) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    let each = |record| {
        records.push(record);
        std::ops::ControlFlow::Continue(())
    };
    source.each(&ReadFrom::Beginning, &crate::made::limits(), each).await.ok()?;
    Some(without_cursors(records))
}

#[tokio::test]
async fn a_name_that_was_given_more_than_once_is_none_for_every_reader() {
    let name = |number: u32| ("SYSLOG_IDENTIFIER", format!("other{number}"));
    let export: String = (1..5)
        .map(|times| {
            let names: Vec<_> = (0..times).map(name).collect();
            let mut fields = vec![("_SYSTEMD_UNIT", "docker.service"), ("MESSAGE", VIP)];
            fields.extend(names.iter().map(|(name, value)| (*name, value.as_str())));
            entry(times.into(), &fields)
        })
        .collect();
    let Some(dir) = journal_of(&export) else { return };
    let sources = sources(dir.path());
    let all = without_cursors(read(&sources[0], ReadFrom::Beginning).await.records);
    assert_eq!(all.len(), 4);
    let got = without_cursors(read(&sources[1], ReadFrom::Beginning).await.records);
    same(&got, &all, &[]);
}

#[tokio::test]
async fn a_namespace_is_left_out_as_journalctl_does() {
    let dir = TempDir::new().unwrap();
    let id = "0123456789abcdef".repeat(2);
    for (number, name) in [(1, id.clone()), (2, format!("{id}.space"))] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        if !add(&folder, "system.journal", engine(number, VIP).as_bytes(), &[]) {
            return;
        }
    }
    for source in sources(dir.path()) {
        assert_eq!(read(&source, ReadFrom::Beginning).await.records.len(), 1, "{source:?}");
    }
}

#[tokio::test]
async fn a_slice_has_what_its_units_say_as_journalctl_prints_it() {
    let of = |second: u64, slice: &str| entry(second, &[("_SYSTEMD_SLICE", slice), ("MESSAGE", "x")]);
    let Some(dir) = journal_of(&[of(1, "system.slice"), of(2, "user.slice")].concat()) else { return };
    let mut by_program = Journalctl::unit("system.slice");
    by_program.args.push(format!("--directory={}", dir.path().display()));
    let path = Some(dir.path().to_owned());
    let by_files = Directory { path, unit: "system.slice".into(), by: JournalReader::Pvcheck };
    for source in [Source::Journalctl(by_program), Source::Directory(by_files)] {
        assert_eq!(read(&source, ReadFrom::Beginning).await.records.len(), 1, "{source:?}");
    }
}

#[tokio::test]
async fn a_pattern_of_units_is_refused() {
    let Some(dir) = journal_of(&engine(1, VIP)) else { return };
    let path = Some(dir.path().to_owned());
    let source = Source::Directory(Directory { path, unit: "docker*".into(), by: JournalReader::Pvcheck });
    let each = |_| std::ops::ControlFlow::Continue(());
    let read = source.each(&ReadFrom::Beginning, &crate::made::limits(), each).await;
    let mark = source.mark(&crate::made::limits()).await;
    for text in [read.unwrap_err().to_string(), mark.unwrap_err().to_string()] {
        assert!(text.contains("`docker*` is a pattern, and one unit is read"), "{text}");
    }
}
