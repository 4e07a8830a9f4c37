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
