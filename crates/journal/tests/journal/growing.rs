//! A journal that is written while it is read.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pvcheck_journal::{ReadFrom, Source};
use tempfile::TempDir;

use crate::made::{engine, remote};
use crate::{read, sources};

const ENTRIES: u64 = 20_000;
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn each_reading_is_the_beginning_of_the_next_and_none_is_incomplete() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("all.journal");
    let Some(mut remote) = remote(&file) else { return };
    let mut writer = remote.arg("-").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = writer.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        for number in 0..ENTRIES {
            input.write_all(engine(number, &format!("level=info msg=x number={number}")).as_bytes()).unwrap();
        }
    });
    let source: Source = sources(dir.path()).remove(1);
    let (begun, mut seen, mut rounds) = (Instant::now(), 0, 0);
    while seen < ENTRIES as usize && begun.elapsed() < LIMIT {
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
    assert_eq!(seen, ENTRIES as usize);
    assert!(3 < rounds, "{rounds}");
}
