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
use std::os::unix::fs::symlink;
use std::path::Path;

use pvcheck_journal::{
    Catalogue, Directory, Incomplete, JournalReader, Journalctl, Mark, ReadFrom, Reading, Record, Scan,
    Scanner, Since, Source, Window,
};

use made::{VIP, add, engine, entry, journal, journal_of, limits};
use tempfile::TempDir;

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
async fn a_name_that_leads_nowhere_is_no_removed_file() {
    let Some(dir) = journal() else { return };
    symlink("nowhere", dir.path().join("gone.journal")).unwrap();
    for source in &sources(dir.path())[1..] {
        let found = read(source, ReadFrom::Beginning).await;
        let [Incomplete::Failed { error }] = &found.reading.incomplete[..] else {
            panic!("{:?}", found.reading)
        };
        assert!(error.contains("gone.journal: "), "{source:?}: {error}");
        assert_eq!(found.records.len(), 6, "{source:?}");
    }
}

#[tokio::test]
async fn no_mark_is_set_where_a_file_cannot_be_opened() {
    for is_torn in [true, false] {
        let Some(dir) = journal() else { return };
        let other = dir.path().join("other.journal");
        if is_torn { fs::write(other, "x".repeat(4096)) } else { symlink("nowhere", other) }.unwrap();
        let text =
            by(Some(dir.path()), JournalReader::Pvcheck).mark(&limits()).await.unwrap_err().to_string();
        assert!(text.contains("other.journal: "), "{text}");
    }
}

/// An entry by a clock that was set, in seconds: what time it had, and when it was.
fn set(at: u64, since_boot: u64, boot: char) -> String {
    let text = engine(at, &format!("level=info msg=x number={since_boot}"));
    text.replace(&format!("_TIMESTAMP={at}000000\n"), &format!("_TIMESTAMP={since_boot}000000\n")).replace(
        "_BOOT_ID=0123456789abcdef0123456789abcdef",
        &format!("_BOOT_ID={}", boot.to_string().repeat(32)),
    )
}

fn numbers(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| &record.fields["number"] as &str).collect()
}

#[tokio::test]
async fn what_was_written_after_a_clock_was_set_back_is_not_before_a_mark() {
    const AHEAD: u64 = 126_000_000;
    let dir = TempDir::new().unwrap();
    let first = [set(AHEAD, 1, 'a'), set(AHEAD + 1, 2, 'a')].concat();
    let second = [set(1, 11, 'b'), set(2, 12, 'b')].concat();
    let is_made = add(dir.path(), "first.journal", first.as_bytes(), &[])
        && add(dir.path(), "second.journal", second.as_bytes(), &[]);
    if !is_made {
        return;
    }
    let source = by(Some(dir.path()), JournalReader::Pvcheck);
    let mark = source.mark(&limits()).await.unwrap();
    let found = read(&source, ReadFrom::Mark(mark)).await;
    assert_eq!(
        (&numbers(&found.records)[..], &found.reading.incomplete[..]),
        (&["11", "12"][..], &[Incomplete::MarkGone][..])
    );
}

#[tokio::test]
async fn a_file_with_the_boot_of_a_mark_is_read_on_from_it_though_the_clock_was_set_back() {
    const AHEAD: u64 = 1_000;
    let dir = TempDir::new().unwrap();
    let first = [set(AHEAD, 1, 'a'), set(AHEAD + 1, 2, 'a')].concat();
    let second = [set(AHEAD + 1, 2, 'a'), set(AHEAD + 2, 3, 'a'), set(3, 1, 'b'), set(4, 2, 'b')].concat();
    let is_made = add(dir.path(), "first.journal", first.as_bytes(), &[])
        && add(dir.path(), "second.journal", second.as_bytes(), &[]);
    if !is_made {
        return;
    }
    let sources = sources(dir.path());
    let all = read(&sources[0], ReadFrom::Beginning).await.records;
    let marked = all.iter().find(|record| {
        record
            .cursor
            .as_ref()
            .is_some_and(|cursor| cursor.contains(";m=1e8480;") && cursor.contains("b=aaaa"))
    });
    let cursor = marked.unwrap().cursor.clone().unwrap();
    let found = read(&sources[1], ReadFrom::Mark(Mark::Cursor { cursor })).await;
    let mut numbers = numbers(&found.records);
    numbers.sort_unstable();
    assert_eq!((&numbers[..], &found.reading.incomplete[..]), (&["1", "2", "3"][..], &[][..]));
}

#[tokio::test]
async fn what_was_received_in_the_window_is_read_though_the_clock_was_set_back_after_it() {
    // An hour late, as it was, and then set to the time that was before it.
    let before = (1..10).map(|number| set(number, number, 'a'));
    let after = (11..30).map(|number| set(number, 3_600 + number, 'a'));
    let export: String = before.chain([set(3_600, 3_600, 'a')]).chain(after).collect();
    let Some(dir) = journal_of(&export) else { return };
    let source = by(Some(dir.path()), JournalReader::Pvcheck);
    let found = read(&source, ReadFrom::Time("2026-06-13T06:00:00Z".parse().unwrap())).await;
    assert_eq!((&numbers(&found.records)[..], &found.reading.incomplete[..]), (&["3600"][..], &[][..]));
}

#[tokio::test]
async fn an_entry_of_two_files_is_one_entry_though_they_are_of_two_sequences() {
    let dir = TempDir::new().unwrap();
    let export = [engine(1, VIP), engine(2, "level=info msg=x")].concat();
    for name in ["run.journal", "var.journal"] {
        if !add(dir.path(), name, export.as_bytes(), &[]) {
            return;
        }
    }
    for source in sources(dir.path()) {
        assert_eq!(read(&source, ReadFrom::Beginning).await.records.len(), 2, "{source:?}");
    }
}

#[tokio::test]
async fn an_index_that_is_out_of_order_is_not_searched() {
    let plain = [("SYSTEMD_JOURNAL_COMPACT", "0")];
    let export: String = (1..10).map(|number| set(number, number, 'a')).collect();
    let dir = TempDir::new().unwrap();
    if !add(dir.path(), "all.journal", export.as_bytes(), &plain) {
        return;
    }
    let sources = sources(dir.path());
    let cursor = read(&sources[0], ReadFrom::Beginning).await.records[1].cursor.clone().unwrap();
    let path = dir.path().join("all.journal");
    let mut file = fs::read(&path).unwrap();
    let number = |file: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(*file[at..].first_chunk().unwrap())).unwrap()
    };
    // The first array has four items, and the next one eight. The third item of the first becomes the ninth.
    let array = number(&file, 176);
    assert_eq!(number(&file, array + 8), 24 + 4 * 8);
    let next = number(&file, array + 16);
    let last = number(&file, next + 24 + 4 * 8) as u64;
    let item = array + 24 + 2 * 8;
    file[item..item + 8].copy_from_slice(&last.to_le_bytes());
    fs::write(&path, file).unwrap();
    let found = read(&sources[1], ReadFrom::Mark(Mark::Cursor { cursor })).await;
    assert_eq!(numbers(&found.records), ["3", "4", "5", "6", "7", "8", "9"]);
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
