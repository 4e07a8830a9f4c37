//! The files of a journal that libsystemd leaves out without a word.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use systemd::journal::OpenFilesOptions;

/// Where journald keeps this system's journal (journald.conf(5), `Storage=`).
const PLACES: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// A file, or some of them, that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// This user may not read it.
    NotAllowed,
    /// It is truncated, corrupted or of a newer systemd.
    Unreadable {
        /// The file, and what libsystemd says.
        error: String,
    },
}

/// What of this system's journal, or of the one in a directory, is left out. `sd_journal_open` says nothing of it; opening each
/// file by itself does.
pub(super) fn left_out(path: Option<&Path>) -> Vec<LeftOut> {
    let folders = match path {
        Some(path) => vec![path.to_owned()],
        None => of_this_machine(),
    };
    let mut left_out = Vec::new();
    for folder in folders {
        match files(&folder) {
            Ok(files) => {
                // Other users' journals are not this system's.
                let files = files.into_iter().filter(|file| path.is_some() || is_of_system(file));
                left_out.extend(files.filter_map(|file| of_file(&file)));
            }
            Err(kind) => {
                left_out.extend((kind == ErrorKind::PermissionDenied).then_some(LeftOut::NotAllowed));
            }
        }
    }
    left_out
}

fn of_this_machine() -> Vec<PathBuf> {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    PLACES.iter().map(|place| Path::new(place).join(machine.trim())).collect()
}

/// The journal files in a folder and in the folders of machines in it (`sd_journal_open_directory`).
fn files(folder: &Path) -> Result<Vec<PathBuf>, ErrorKind> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.kind())? {
        let path = entry.map_err(|error| error.kind())?.path();
        if is_journal(&path) {
            files.push(path);
        } else if is_of_machine(&path) && path.is_dir() {
            let below = fs::read_dir(&path).map_err(|error| error.kind())?;
            files.extend(
                below.filter_map(Result::ok).map(|entry| entry.path()).filter(|file| is_journal(file)),
            );
        }
    }
    Ok(files)
}

/// True iff its name ends with `.journal`, or `.journal~` as that of one that was not closed in order.
fn is_journal(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    name.ends_with(b".journal") || name.ends_with(b".journal~")
}

fn is_of_system(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"system"))
}

/// True iff its name is a machine's id, perhaps with a namespace of journald.
fn is_of_machine(path: &Path) -> bool {
    let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    let id = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit)
}

/// True iff this folder has the journals of more than one machine.
pub(super) fn is_of_several_machines(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let folders = below.filter(|path| is_of_machine(path) && path.is_dir());
    // A namespace of journald is of the same machine.
    let machines = folders.filter_map(|path| path.file_stem().map(OsStr::to_owned));
    1 < machines.collect::<BTreeSet<_>>().len()
}

fn of_file(file: &Path) -> Option<LeftOut> {
    let error = OpenFilesOptions::default().open_files([file.as_os_str().as_bytes()]).err()?;
    match error.kind() {
        // journald removed it meanwhile: what it had is gone.
        ErrorKind::NotFound => None,
        ErrorKind::PermissionDenied => Some(LeftOut::NotAllowed),
        _ => Some(LeftOut::Unreadable { error: format!("{}: {error}", file.display()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_named_and_other_files_are_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(left_out(Some(folder.path())), []);
        let machine = folder.path().join("0123456789abcdef0123456789abcdef");
        fs::create_dir(&machine).unwrap();
        for (name, text) in
            [("notes.txt", "x"), ("system.journal", "no journal at all"), ("old.journal~", "")]
        {
            fs::write(machine.join(name), text).unwrap();
        }
        let left_out = left_out(Some(folder.path()));
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert!(
            left_out
                .iter()
                .all(|left| matches!(left, LeftOut::Unreadable { error } if error.contains("journal")))
        );
    }

    #[test]
    fn a_folder_is_of_several_machines_if_they_have_several_ids() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
        for (name, is_of_several) in
            [("remote", false), (one, false), (&format!("{one}.space") as &str, false), (other, true)]
        {
            fs::create_dir(folder.path().join(name)).unwrap();
            assert_eq!(is_of_several_machines(folder.path()), is_of_several, "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_lacks_nothing() {
        assert_eq!(left_out(Some(Path::new("/nonexistent/journal"))), []);
    }
}
