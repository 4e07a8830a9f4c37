//! Files that a command reads and writes. Every failure is one line that names the file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use pvcheck_audit::SavedSnapshot;

use crate::failure::Failure;
use crate::printer::Printer;

/// The largest file that is read; five million reservations are smaller.
const LIMIT_BYTES: u64 = 512 << 20;

/// The most that is read of anything else, such as a pipe: it does not say how much it has.
const STREAM_BYTES: u64 = 64 << 20;

/// The longest time for reading a file. A disk needs less; a pipe of a command that has not ended by then is given up.
const DEADLINE: Duration = Duration::from_secs(10);

/// Reads a text file, or a pipe that ends; `option` is the one that named it. Every file that a command reads is read here.
///
/// # Errors
/// If it cannot be read, does not end in time, is too long, or is not UTF-8.
pub(crate) fn read(path: &Path, option: &str) -> Result<String, Failure> {
    read_within(path, option, DEADLINE)
}

/// Reads a file as it is, under the limits of [`read`].
///
/// # Errors
/// If it cannot be read, does not end in time, or is too long.
pub(crate) fn read_bytes(path: &Path, option: &str) -> Result<Vec<u8>, Failure> {
    bytes_within(path, option, DEADLINE)
}

fn read_within(path: &Path, option: &str, deadline: Duration) -> Result<String, Failure> {
    String::from_utf8(bytes_within(path, option, deadline)?).map_err(|e| {
        let (shown, at) = (path.display(), e.utf8_error().valid_up_to() + 1);
        Failure::usage(format!("{shown}: byte {at} is not UTF-8: save the file as UTF-8"))
    })
}

fn bytes_within(path: &Path, option: &str, deadline: Duration) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let failed = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read {shown}: {why}; name another with {option} FILE"))
    };
    let (sender, read) = mpsc::channel();
    let owned = path.to_owned();
    // Opening a FIFO that no process writes to does not return, and no call can be made to: so on a thread of its own, which
    // ends with the process at the latest.
    std::thread::spawn(move || sender.send(read_bounded(&owned)));
    let late = |_| failed(&format!("it did not end within {} s", deadline.as_secs_f32()));
    let (bytes, limit) = read.recv_timeout(deadline).map_err(late)?.map_err(|e| failed(&e))?;
    if limit < bytes.len() as u64 {
        let line =
            format!("{shown} has more than {} MiB: leave out what lies inside another entry", limit >> 20);
        return Err(Failure::usage(line));
    }
    Ok(bytes)
}

/// The content and its limit; one byte more than the limit if there is more.
fn read_bounded(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let limit = if file.metadata()?.is_file() { LIMIT_BYTES } else { STREAM_BYTES };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes, limit))
}

/// Reads a snapshot that [`save`] wrote. What is printed from here on rests on it.
pub(crate) fn load(path: &Path, printer: &Printer) -> Result<SavedSnapshot, Failure> {
    let saved = SavedSnapshot::from_json(&read(path, "--snapshot")?)
        .map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    printer.rests_on(saved.snapshot.engine.kind);
    Ok(saved)
}

/// Writes a snapshot to a file that only its owner may read: it has the address and name of everything.
pub(crate) fn save(saved: &SavedSnapshot, path: &Path) -> Result<(), Failure> {
    save_text(path, &(saved.to_json().map_err(Failure::unknown)? + "\n"))
}

/// Writes what `--save FILE` keeps, for its owner alone.
pub(crate) fn save_text(path: &Path, text: &str) -> Result<(), Failure> {
    write_private(path, text).map_err(|e| {
        Failure::usage(format!("cannot write {}: {e}; name another with --save FILE", path.display()))
    })
}

/// Writes a new file, for its owner alone; `option` is the one that named it. One that is there is never overwritten.
///
/// # Errors
/// If there is such a file, or it cannot be written; then nothing of it stays.
pub(crate) fn save_new(path: &Path, text: &str, option: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let is_there = e.kind() == ErrorKind::AlreadyExists;
        let hint = if is_there { format!("; name another file with {option}") } else { String::new() };
        Failure::not_done(format!("cannot write {}: {e}{hint}", path.display()))
    };
    write_new(path, text).map_err(failed)
}

/// Writes a new file, for its owner alone; one that is there stays as it is. Where it cannot be written, nothing of it stays.
pub(crate) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    fill(&mut file, path, text)
}

fn fill(file: &mut File, path: &Path, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // Half a file must not be taken for a whole one; where it cannot be removed either, the error still names it.
        let _ = std::fs::remove_file(path);
    })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        // The mode above is for new files only; an old one may be readable by others. Devices keep theirs.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::USAGE;

    fn failed(path: &Path) -> String {
        let failure = read(path, "--waits").expect_err("it cannot be read");
        assert_eq!(failure.code, USAGE);
        failure.line
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_option() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waits.json");
        let line = failed(&file);
        assert!(line.contains("waits.json") && line.contains("--waits FILE"), "{line}");
        assert!(failed(dir.path()).contains("--waits FILE"), "a folder is not a file");
        std::fs::write(&file, b"ab\xff").unwrap();
        let line = failed(&file);
        assert!(line.contains("byte 3 is not UTF-8"), "{line}");
    }

    #[test]
    fn what_does_not_end_is_refused_in_one_line() {
        let failure = read(Path::new("/dev/zero"), "--waits").expect_err("it has no end");
        assert_eq!(failure.code, USAGE);
        assert!(failure.line.starts_with("/dev/zero has more than 64 MiB"), "{}", failure.line);
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let failure =
            read_within(&fifo, "--snapshot", Duration::from_millis(50)).expect_err("no process writes");
        assert_eq!(failure.code, USAGE);
        assert!(
            failure.line.contains("did not end within 0.05 s") && failure.line.contains("--snapshot FILE")
        );
    }

    #[test]
    fn a_pipe_that_ends_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let text = "x".repeat(1 << 20);
        let (to, sent) = (fifo.clone(), text.clone());
        let writer = std::thread::spawn(move || std::fs::write(to, sent));
        assert!(read(&fifo, "--config").unwrap() == text, "more than a pipe holds at once");
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn a_new_file_is_whole_or_not_there_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.toml");
        write_new(&file, "whole").unwrap();
        assert_eq!(write_new(&file, "other").expect_err("it is there").kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "whole");
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(fill(&mut full, &file, "x").expect_err("no space").kind(), ErrorKind::StorageFull);
        assert!(!file.exists(), "half a file stays");
    }

    /// A file that others could read before must not stay so once the snapshot is in it.
    #[test]
    fn a_saved_file_is_for_its_owner_only_and_holds_nothing_of_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("look.json");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        write_private(&file, "new").unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&file, "much longer than before").unwrap();
        write_private(&file, "short").unwrap();
        assert_eq!((mode(), std::fs::read_to_string(&file).unwrap().as_str()), (0o600, "short"));
        assert!(write_private(Path::new("/dev/null"), "x").is_ok(), "a device keeps its mode");
    }
}
