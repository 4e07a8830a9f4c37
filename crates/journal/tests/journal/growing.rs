//! A journal that is written while it is read.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pvcheck_journal::{Incomplete, ReadFrom, Source};
use tempfile::TempDir;

use crate::made::{engine, journal_of, limits, remote};
use crate::{read, sources};

const ENTRIES: usize = 20_000;
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn each_reading_is_the_beginning_of_the_next_and_none_is_incomplete() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("all.journal");
    let Some(mut remote) = remote(&file) else { return };
    let mut writer = remote.arg("-").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = writer.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        for number in 0..ENTRIES as u64 {
            input.write_all(engine(number, &format!("level=info msg=x number={number}")).as_bytes()).unwrap();
        }
    });
    let source: Source = sources(dir.path()).remove(1);
    let (begun, mut seen, mut rounds) = (Instant::now(), 0, 0);
    while seen < ENTRIES && begun.elapsed() < LIMIT {
        if !file.exists() {
            tokio::task::yield_now().await;
            continue;
        }
        let found = read(&source, ReadFrom::Beginning).await;
        // A file that has just been made has no header yet.
        let is_made = 0 < seen || !found.records.is_empty();
        assert!(!is_made || found.reading.incomplete.is_empty(), "{:?}", found.reading);
        assert!(seen <= found.records.len());
        for (number, record) in found.records.iter().enumerate() {
            assert_eq!(record.fields["number"], number.to_string());
        }
        (seen, rounds) = (found.records.len(), rounds + usize::from(is_made));
    }
    feeder.join().unwrap();
    assert!(writer.wait().unwrap().success());
    assert_eq!(seen, ENTRIES);
    assert!(3 < rounds, "{rounds}");
}

#[tokio::test]
async fn a_journal_that_ends_in_a_burst_is_no_all_clear_until_a_line_comes_after_it() {
    // Ten thousand lines in ten seconds, and one a minute later.
    let burst: String = (0..10_000).map(|number| engine(number / 1_000, "level=info msg=x")).collect();
    let later = engine(70, "level=info msg=x");
    for (export, expected) in [(burst.clone(), &[Incomplete::Burst][..]), (burst + &later, &[])] {
        let Some(dir) = journal_of(&export) else { return };
        let found = read(&sources(dir.path())[1], ReadFrom::Beginning).await;
        assert_eq!(found.reading.incomplete, expected);
    }
}

#[tokio::test]
async fn a_file_that_gets_another_name_while_it_is_opened_is_read_all_the_same() {
    let Some(dir) = journal_of(&engine(1, "level=info msg=x")) else { return };
    let names = [dir.path().join("all.journal"), dir.path().join("all@1.journal")];
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let renamer = std::thread::spawn(move || {
        let mut renamed = 0_u64;
        while !is_done.load(Ordering::Relaxed) {
            std::fs::rename(&names[0], &names[1]).unwrap();
            std::fs::rename(&names[1], &names[0]).unwrap();
            renamed += 1;
        }
        renamed
    });
    let source: Source = sources(dir.path()).remove(1);
    for _ in 0..500 {
        let mut records = 0;
        let each = |_| {
            records += 1;
            std::ops::ControlFlow::Continue(())
        };
        let reading = source.each(&ReadFrom::Beginning, &limits(), each).await;
        // One that changes all the time may be refused.
        let is_known = reading.as_ref().is_ok_and(|reading| reading.incomplete.is_empty());
        assert!(records == 1 || !is_known, "{reading:?}");
    }
    done.store(true, Ordering::Relaxed);
    assert!(100 < renamer.join().unwrap());
}
