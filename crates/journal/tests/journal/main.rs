//! Real journals, made by `systemd-journal-remote` and read by the real `journalctl` and from their files. Where these programs
//! are missing nothing is tested, and that is said.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: a panic is the failure, a print the skip"
)]

mod alike;
mod damage;
mod growing;
mod made;

use std::fs;
use std::path::Path;

use pvcheck_journal::{
    Catalogue, Directory, Incomplete, JournalReader, Journalctl, Mark, ReadFrom, Reading, Record, Scan,
    Scanner, Since, Source, Window,
};

use made::{VIP, engine, entry, journal, journal_of, limits};

/// All ways to read it that are built in.
fn sources(dir: &Path) -> Vec<Source> {
    let mut journalctl = Journalctl::unit("docker");
    journalctl.args.push(format!("--directory={}", dir.display()));
    vec![
        Source::Journalctl(journalctl),
        by(Some(dir), JournalReader::Pvcheck),
        #[cfg(feature = "journald")]
        by(Some(dir), JournalReader::Libsystemd),
    ]
}

/// The journal in a directory, or this system's.
fn by(dir: Option<&Path>, by: JournalReader) -> Source {
    Source::Directory(Directory { path: dir.map(Path::to_owned), unit: "docker".into(), by })
}

struct Records {
    records: Vec<Record>,
    reading: Reading,
}

async fn read(source: &Source, from: ReadFrom) -> Records {
    let mut records = Vec::new();
    let each = |record| {
        records.push(record);
        std::ops::ControlFlow::Continue(())
    };
    let reading = source.each(&from, &limits(), each).await.unwrap();
    Records { records, reading }
}

async fn scan(source: &Source, since: Since) -> Scan {
    let scanner = Scanner::since(Catalogue::builtin(), since, None);
    source.scan(&ReadFrom::Beginning, &limits(), scanner).await.unwrap()
}

#[tokio::test]
async fn a_real_journal_is_scanned_alike_by_every_reader() {
    let Some(dir) = journal() else { return };
    let sources = sources(dir.path());
    let expected = read(&sources[0], ReadFrom::Beginning).await;
    assert_eq!(expected.records.len(), 6, "the other unit's entry is not there");
    assert!(expected.records.iter().all(|record| record.at.is_some() && record.cursor.is_some()));
    for source in &sources {
        let mut records = read(source, ReadFrom::Beginning).await.records;
        for (record, expected) in records.iter_mut().zip(&expected.records) {
            // Only journalctl gives a cursor with each entry.
            record.cursor.get_or_insert_with(|| expected.cursor.clone().unwrap());
        }
        assert_eq!(records, expected.records, "{source:?}");
        let all = scan(source, Since::Beginning).await;
        assert_eq!(
            (all.exhaustion_count(), all.complete),
            (2, true),
            "a container's line is not the engine's"
        );
        let since_start = scan(source, Since::EngineStart).await;
        assert_eq!((since_start.exhaustion_count(), since_start.start_found), (1, Some(true)));
        assert_eq!(since_start.window, Window::since("2026-06-13T05:38:03Z".parse().unwrap()));
    }
}

#[tokio::test]
async fn a_real_journal_is_read_from_a_time_and_from_a_mark() {
    let Some(dir) = journal() else { return };
    let sources = sources(dir.path());
    let marked = read(&sources[0], ReadFrom::Beginning).await.records[3].cursor.clone().unwrap();
    for source in sources {
        let late = read(&source, ReadFrom::Time("2026-06-13T05:38:04Z".parse().unwrap())).await;
        assert_eq!(late.records.len(), 3, "{source:?}");
        let mark = source.mark(&limits()).await.unwrap();
        assert!(read(&source, ReadFrom::Mark(mark)).await.records.is_empty());
        let all = read(&source, ReadFrom::Beginning).await.records;
        let cursor = marked.clone();
        let new = read(&source, ReadFrom::Mark(Mark::Cursor { cursor: cursor.clone() })).await;
        assert_eq!((&new.records[..], new.reading.incomplete.len()), (&all[4..], 0), "{source:?}");
        // An entry that no longer exists, at the time of one that does.
        let gone = cursor.replace(";x=", ";x=f");
        let new = read(&source, ReadFrom::Mark(Mark::Cursor { cursor: gone })).await;
        assert_eq!(new.reading.incomplete, [Incomplete::MarkGone], "{source:?}");
    }
}

#[tokio::test]
async fn what_root_says_of_the_unit_is_read_by_every_reader_and_what_others_say_is_not() {
    let said = |second: u64, uid: &str, message: &str| {
        let fields = [
            ("SYSLOG_IDENTIFIER", "systemd-journald"),
            ("_UID", uid),
            ("OBJECT_SYSTEMD_UNIT", "docker.service"),
            ("MESSAGE", message),
        ];
        entry(second, &fields)
    };
    let dropped = "Suppressed 12 messages from docker.service";
    let text = [
        engine(1, "level=info msg=\"Starting up\""),
        said(2, "0", dropped),
        said(3, "1000", dropped),
        engine(4, VIP),
    ];
    let Some(dir) = journal_of(&text.concat()) else { return };
    for source in sources(dir.path()) {
        let scan = scan(&source, Since::Beginning).await;
        assert_eq!(scan.incomplete, [Incomplete::Suppressed { places: 1 }], "{source:?}");
        assert_eq!((scan.read, scan.exhaustion_count()), (3, 1), "{source:?}");
    }
}

#[tokio::test]
async fn a_damaged_file_of_a_journal_makes_a_scan_incomplete_for_every_reader() {
    let Some(dir) = journal() else { return };
    fs::write(dir.path().join("torn.journal"), "x".repeat(4096)).unwrap();
    for source in sources(dir.path()) {
        let scan = scan(&source, Since::Beginning).await;
        let named = |reason: &Incomplete| matches!(reason, Incomplete::Failed { error } if error.contains("torn.journal"));
        assert!(scan.incomplete.iter().any(named), "{source:?}: {:?}", scan.incomplete);
        assert_eq!(scan.exhaustion_count(), 2, "{source:?}");
    }
}

#[tokio::test]
async fn a_journal_that_begins_before_a_time_goes_back_to_it_though_the_unit_was_quiet() {
    // What a user logged may be in a file of their own, which is kept longer than the system's.
    for (uid, vouches) in [("0", true), ("1000", false)] {
        let first = entry(1, &[("MESSAGE", "x"), ("_UID", uid)]);
        let Some(dir) = journal_of(&[first, engine(9, VIP)].concat()) else { return };
        for source in sources(dir.path()) {
            let read = async |time: &str| {
                let at = time.parse().unwrap();
                let scanner = Scanner::since(Catalogue::builtin(), Since::At(at), None);
                source.scan(&ReadFrom::Time(at), &limits(), scanner).await.unwrap().incomplete
            };
            let late = read("2026-06-13T05:38:05Z").await;
            assert_eq!(late.is_empty(), vouches, "{source:?}, {uid}: {late:?}");
            let early = read("2026-06-13T05:37:00Z").await;
            assert!(matches!(early[..], [Incomplete::NotThatFarBack { .. }]), "{source:?}: {early:?}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error_with_the_mend() {
    let source = by(Some(Path::new("/nonexistent/journal")), JournalReader::Pvcheck);
    let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
    let text = source.scan(&ReadFrom::Beginning, &limits(), scanner).await.unwrap_err().to_string();
    assert!(text.starts_with("cannot read journal of unit docker in /nonexistent/journal: "), "{text}");
    assert!(source.mark(&limits()).await.is_err());
}
