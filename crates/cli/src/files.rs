//! Files that a command reads and writes. Every failure is one line that names the file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use pvcheck_audit::SavedSnapshot;

use crate::failure::Failure;

/// The largest file that is read; five million reservations are smaller.
const LIMIT_BYTES: u64 = 512 << 20;

/// Reads a text file; `option` is the one that named it.
pub(crate) fn read(path: &Path, option: &str) -> Result<String, Failure> {
    let shown = path.display();
    let failed = |e: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read {shown}: {e}; name another with {option} FILE"))
    };
    let file = File::open(path).map_err(|e| failed(&e))?;
    let mut bytes = Vec::new();
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if LIMIT_BYTES < bytes.len() as u64 {
        let line = format!(
            "{shown} has more than {} MiB: leave out what lies inside another entry",
            LIMIT_BYTES >> 20
        );
        return Err(Failure::usage(line));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to() + 1;
        Failure::usage(format!("{shown}: byte {at} is not UTF-8: save the file as UTF-8"))
    })
}

/// Reads a snapshot that [`save`] wrote.
pub(crate) fn load(path: &Path) -> Result<SavedSnapshot, Failure> {
    SavedSnapshot::from_json(&read(path, "--snapshot")?)
        .map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

/// Writes a snapshot to a file that only its owner may read: it has the address and name of everything.
pub(crate) fn save(saved: &SavedSnapshot, path: &Path) -> Result<(), Failure> {
    let json = saved.to_json().map_err(Failure::unknown)? + "\n";
    write_private(path, &json).map_err(|e| {
        Failure::usage(format!("cannot write {}: {e}; name another with --save FILE", path.display()))
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
