//! Files that a command reads and writes, each failure one line with its place.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use pvcheck_audit::SavedSnapshot;

use crate::failure::Failure;

/// More is not read: five million reservations take less.
const LIMIT_BYTES: u64 = 512 << 20;

/// A file's text.
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
        Failure::usage(format!("{shown}: byte {at} is no UTF-8: save the file as UTF-8"))
    })
}

/// A look kept by [`save`].
pub(crate) fn load(path: &Path) -> Result<SavedSnapshot, Failure> {
    SavedSnapshot::from_json(&read(path, "--snapshot")?)
        .map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

/// Keeps a look in a file that only its owner may read: it holds addresses and names of everything.
pub(crate) fn save(look: &SavedSnapshot, path: &Path) -> Result<(), Failure> {
    let json = look.to_json().map_err(Failure::unknown)? + "\n";
    write_private(path, &json).map_err(|e| {
        Failure::usage(format!("cannot write {}: {e}; name another with --save FILE", path.display()))
    })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        // It may have been there before, open to others.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(text.as_bytes())
}
