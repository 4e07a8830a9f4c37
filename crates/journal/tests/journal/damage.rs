//! Damage at every place of a file: the same records, or an incomplete scan, and never less and an all-clear.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use pvcheck_journal::{Incomplete, ReadFrom, Record, Source};
use tempfile::TempDir;

use crate::made::{VIP, add, engine, entry};
use crate::{Records, read, sources};

const PLAIN: &[(&str, &str)] = &[("SYSTEMD_JOURNAL_COMPACT", "0"), ("SYSTEMD_JOURNAL_KEYED_HASH", "0")];
const COMPACT: &[(&str, &str)] = &[("SYSTEMD_JOURNAL_COMPACT", "1"), ("SYSTEMD_JOURNAL_KEYED_HASH", "1")];
/// Where the header has the first object, and the last one.
const HEADER_SIZE: u64 = 88;
const TAIL_OBJECT: u64 = 136;

fn export() -> String {
    let long = format!("{VIP} more=\"{}\"", "many words ".repeat(80));
    let other = [("_SYSTEMD_UNIT", "other.service"), ("PRIORITY", "6"), ("MESSAGE", "not the engine's")];
    [engine(1, VIP), entry(2, &other), engine(3, &long), entry(4, &other), engine(5, "level=info msg=last")]
        .concat()
}

/// A journal of one file, its path, and what undamaged it says.
struct Sound {
    dir: TempDir,
    file: File,
    /// The header, and what is behind the tables of hashes.
    parts: [std::ops::Range<u64>; 2],
    records: Vec<Said>,
}

/// What is protected of a record: its time is not.
type Said = (String, bool, u64);

fn said(records: &[Record]) -> Vec<Said> {
    records.iter().map(|record| (record.raw.clone(), record.by_name, record.cut_bytes)).collect()
}

async fn sound(format: &[(&str, &str)]) -> Option<Sound> {
    let dir = TempDir::new().unwrap();
    if !add(dir.path(), "all.journal", export().as_bytes(), format) {
        return None;
    }
    let file = OpenOptions::new().read(true).write(true).open(dir.path().join("all.journal")).unwrap();
    let begin = after_tables(&file);
    let end = number(&file, TAIL_OBJECT);
    let found = by_files(dir.path()).await;
    assert_eq!((found.records.len(), found.reading.incomplete.len()), (3, 0));
    Some(Sound {
        dir,
        parts: [0..number(&file, HEADER_SIZE), begin..end + 64],
        file,
        records: said(&found.records),
    })
}

/// True iff the long rounds are asked for, as in the engine tests.
fn long() -> bool {
    std::env::var_os("PVCHECK_LONG").is_some_and(|value| value != "0")
}

async fn by_files(dir: &Path) -> Records {
    read(&files(dir), ReadFrom::Beginning).await
}

fn files(dir: &Path) -> Source {
    sources(dir).remove(1)
}

fn number(file: &File, at: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).unwrap();
    u64::from_le_bytes(bytes)
}

/// Behind the tables, which come first and are of no use here.
fn after_tables(file: &File) -> u64 {
    let mut at = number(file, HEADER_SIZE);
    while matches!(number(file, at) & 0xff, 4 | 5) {
        at += number(file, at + 8).next_multiple_of(8);
    }
    at
}

impl Sound {
    /// Damages a part, reads, and mends it again; true iff the scan is incomplete.
    async fn with(&self, at: u64, damage: &[u8]) -> bool {
        let mut before = vec![0; damage.len()];
        self.file.read_exact_at(&mut before, at).unwrap();
        self.file.write_all_at(damage, at).unwrap();
        let found = try_files(self.dir.path()).await;
        self.file.write_all_at(&before, at).unwrap();
        let Some(found) = found else { return true };
        let is_incomplete = !found.reading.incomplete.is_empty();
        assert!(is_incomplete || said(&found.records) == self.records, "damage at {at}: {:?}", found.records);
        is_incomplete
    }
}

/// `None` where it cannot be read at all.
async fn try_files(dir: &Path) -> Option<Records> {
    let mut records = Vec::new();
    let each = |record| {
        records.push(record);
        std::ops::ControlFlow::Continue(())
    };
    let reading = files(dir).each(&ReadFrom::Beginning, &crate::made::limits(), each).await.ok()?;
    Some(Records { records, reading })
}

#[tokio::test]
async fn no_changed_byte_hides_a_record_without_a_word() {
    for (format, step) in [(PLAIN, 1), (COMPACT, if long() { 1 } else { 3 })] {
        let Some(sound) = sound(format).await else { return };
        let mut noticed = 0;
        for at in sound.parts.iter().cloned().flatten().step_by(step) {
            let mut byte = [0];
            sound.file.read_exact_at(&mut byte, at).unwrap();
            noticed += u64::from(sound.with(at, &[!byte[0]]).await);
        }
        assert!(500 < noticed * step as u64, "{format:?}: {noticed}");
    }
}

#[tokio::test]
async fn no_lost_block_hides_a_record_without_a_word() {
    for (format, block) in [(PLAIN, 64), (COMPACT, 64), (COMPACT, 512)] {
        let Some(sound) = sound(format).await else { return };
        let mut noticed = 0;
        for part in &sound.parts {
            for at in (part.start..part.end).step_by(64) {
                noticed += u64::from(sound.with(at, &vec![0; block]).await);
                noticed += u64::from(sound.with(at, &vec![0xa5; block]).await);
            }
        }
        assert!(40 < noticed, "{format:?}: {noticed}");
    }
}

#[tokio::test]
async fn random_damage_hides_no_record_without_a_word() {
    let Some(sound) = sound(COMPACT).await else { return };
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..if long() { 20_000 } else { 1_000 } {
        let part = sound.parts[usize::from(random.u8(0..8) != 0)].clone();
        let damage: Vec<u8> = (0..random.usize(1..40)).map(|_| random.u8(..)).collect();
        sound.with(random.u64(part), &damage).await;
    }
}

#[tokio::test]
async fn damage_is_told_with_its_place_and_what_is_behind_it_is_read() {
    let Some(sound) = sound(COMPACT).await else { return };
    let all = fs::read(sound.dir.path().join("all.journal")).unwrap();
    let at = all.windows(16).position(|part| part == b"MESSAGE=not the ").unwrap() as u64;
    // The head of the datum, which is no object then.
    sound.file.write_all_at(&[0; 16], at - 72).unwrap();
    let found = by_files(sound.dir.path()).await;
    let file = sound.dir.path().join("all.journal").display().to_string();
    assert_eq!(found.reading.incomplete, [Incomplete::Damaged { file, offset_bytes: at - 72 }]);
    assert_eq!(said(&found.records), sound.records);
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_known_to_be() {
    for keep in [0, 7, 207, 208, 300, 4096, 1_000_000] {
        let Some(sound) = sound(PLAIN).await else { return };
        sound.file.set_len(keep).unwrap();
        let found = by_files(sound.dir.path()).await;
        assert_eq!(found.records, []);
        assert_eq!(found.reading.incomplete.len(), 1, "{keep}");
    }
    let Some(sound) = sound(PLAIN).await else { return };
    // In the middle of the last message.
    let all = fs::read(sound.dir.path().join("all.journal")).unwrap();
    let last = all.windows(8).position(|part| part == b"msg=last").unwrap() as u64;
    sound.file.set_len(last + 4).unwrap();
    let found = by_files(sound.dir.path()).await;
    assert!(matches!(found.reading.incomplete[..], [Incomplete::Damaged { .. }]), "{:?}", found.reading);
}

#[tokio::test]
async fn a_format_that_is_not_known_is_no_all_clear() {
    let Some(sound) = sound(PLAIN).await else { return };
    sound.file.write_all_at(&[0x40], 12).unwrap();
    let found = by_files(sound.dir.path()).await;
    let [Incomplete::Failed { error }] = &found.reading.incomplete[..] else { panic!("{:?}", found.reading) };
    assert!(error.contains("all.journal: a journal file of a newer systemd (flags 0x40)"), "{error}");
}
