//! A ledger on a disk: several writers, and a disk that is full.

use std::collections::BTreeSet;

use super::*;
use crate::content::Note;
use crate::testing::{at, key};

/// A ledger's file in a fresh folder, and the builder's key.
fn founded() -> (tempfile::TempDir, LedgerFile, PrivateKey) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = LedgerFile::at(&dir.path().join("ledger.jsonl"));
    let (builder, verifier) = (key(), key());
    let founding = Founding::new(builder.public(), verifier.public()).expect("two keys");
    file.found(founding, at(0), &verifier).expect("a fresh folder");
    (dir, file, builder)
}

fn note(text: &str) -> Content {
    Content::Note(Note { text: text.to_owned(), gate: None })
}

#[test]
fn lines_are_appended_and_what_was_there_stays_to_the_byte() {
    let (_dir, file, builder) = founded();
    let before = std::fs::read(&file.disk.path).expect("there");
    let line = file.append(&builder, || at(1), |_| note("x")).expect("its own key");
    let after = std::fs::read(&file.disk.path).expect("there");
    assert!(after.starts_with(&before) && line.number == 2);
    assert_eq!(file.read().expect("whole").head(), line.digest);
    let again = file.found(file.read().expect("whole").founding().clone(), at(0), &builder);
    assert!(matches!(again, Err(FileError::Io { .. })), "a ledger is never founded anew");
    assert_eq!(std::fs::read(&file.disk.path).expect("there"), after);
}

#[test]
fn nothing_is_appended_to_what_is_damaged_or_by_a_foreign_key() {
    let (_dir, file, builder) = founded();
    file.append(&builder, || at(1), |_| note("renewed")).expect("its own key");
    let whole = std::fs::read(&file.disk.path).expect("there");
    let error = file.append(&key(), || at(2), |_| note("x")).expect_err("neither role's");
    assert!(error.to_string().contains("of neither role"), "{error}");
    for damaged in [&whole[..whole.len() - 1], &whole.repeat(2)[..], b"no ledger\n"] {
        std::fs::write(&file.disk.path, damaged).expect("ours");
        let refused = file.append(&builder, || at(3), |_| note("x"));
        assert!(matches!(refused, Err(FileError::Damage { .. })), "{refused:?}");
        assert_eq!(std::fs::read(&file.disk.path).expect("there"), damaged);
    }
}

#[test]
fn many_writers_make_one_chain() {
    let (_dir, file, builder) = founded();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (file, builder) = (&file, &builder);
            scope.spawn(move || {
                for n in 0..5 {
                    let text = format!("{writer}-{n}");
                    file.append(builder, || at(1), |_| note(&text)).expect("in its turn");
                }
            });
        }
    });
    let ledger = file.read().expect("whole");
    let texts: BTreeSet<String> = ledger
        .lines()
        .iter()
        .filter_map(|line| match &line.content {
            Content::Note(note) => Some(note.text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!((ledger.lines().len(), texts.len()), (21, 20));
}

/// `/dev/full` takes nothing: what a full disk does, without one.
#[test]
fn a_line_that_could_not_be_written_leaves_the_file_as_it_was() {
    let (dir, file, _) = founded();
    let before = std::fs::read(&file.disk.path).expect("there");
    let mut full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    assert!(matches!(file.disk.add(&mut full, 0, b"line\n"), Err(FileError::Write { .. })));
    // A file that is opened to be read refuses the write after which it would have to be cut.
    let mut reading = File::open(&file.disk.path).expect("there");
    assert!(file.disk.add(&mut reading, before.len(), b"line\n").is_err());
    assert_eq!(std::fs::read(&file.disk.path).expect("there"), before);
    assert!(matches!(LedgerFile::at(dir.path()).read(), Err(FileError::Io { .. })), "a folder is no ledger");
}

#[test]
fn a_page_is_added_to_and_its_folder_is_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("machine-docs");
    let add = |text: &str| add_to_page(&folder, Page::Journal, |there| Ok(format!("{}{text}", there.len())));
    assert!(add("one\n").expect("made"));
    assert!(add("two\n").expect("added to"));
    let page = folder.join("JOURNAL.md");
    assert_eq!(std::fs::read_to_string(&page).expect("there"), "0one\n5two\n");
    assert!(!add_to_page(&folder, Page::Review, |_| Ok(String::new())).expect("nothing to say"));
    assert!(!folder.join("REVIEW.md").exists());
    assert!(!add_to_page(&folder, Page::Journal, |_| Ok(String::new())).expect("nothing new"));
    std::fs::write(&page, b"\xff").expect("ours");
    assert!(matches!(add("x"), Err(FileError::Io { .. })), "what is no text is left as it is");
    assert_eq!(std::fs::read(&page).expect("there"), b"\xff");
}
