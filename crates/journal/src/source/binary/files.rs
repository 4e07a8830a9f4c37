//! Which files a journal consists of.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where journald keeps this system's journal (journald.conf(5), `Storage=`).
const PLACES: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// The files of a journal.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) paths: Vec<PathBuf>,
    /// There are folders that this user may not look into.
    pub(crate) are_hidden: bool,
}

impl Files {
    /// The files of the journal in a directory.
    ///
    /// # Errors
    /// If it cannot be read. One that this user may not look into is no error here.
    pub(crate) fn of_directory(folder: &Path) -> Result<Self, io::Error> {
        match files(folder) {
            Ok(paths) => Ok(Self { paths, are_hidden: false }),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Ok(Self { paths: Vec::new(), are_hidden: true })
            }
            Err(error) => Err(error),
        }
    }

    /// The files of this system's journal, which are none where no journal is kept. Other users' journals are not the system's.
    ///
    /// # Errors
    /// As [`of_directory`](Self::of_directory).
    pub(crate) fn of_system() -> Result<Self, io::Error> {
        let mut all = Self::default();
        for folder in of_this_machine() {
            match Self::of_directory(&folder) {
                Ok(found) => {
                    all.paths.extend(found.paths.into_iter().filter(|file| is_of_system(file)));
                    all.are_hidden |= found.are_hidden;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

fn of_this_machine() -> Vec<PathBuf> {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    PLACES.iter().map(|place| Path::new(place).join(machine.trim())).collect()
}

/// The journal files in a folder and in the folders of machines in it (`sd_journal_open_directory`).
fn files(folder: &Path) -> Result<Vec<PathBuf>, io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_journal(&path) {
            files.push(path);
        } else if is_of_machine(&path) && path.is_dir() {
            let below = fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path()));
            files.extend(below.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|file| is_journal(file)));
        }
    }
    files.sort();
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
pub(crate) fn is_of_several_machines(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let folders = below.filter(|path| is_of_machine(path) && path.is_dir());
    // A namespace of journald is of the same machine.
    let machines = folders.filter_map(|path| path.file_stem().map(OsStr::to_owned));
    1 < machines.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_of_a_journal_in_the_folder_and_in_those_of_machines() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Files::of_directory(folder.path()).unwrap().paths, [] as [PathBuf; 0]);
        let machine = folder.path().join("0123456789abcdef0123456789abcdef");
        let other = folder.path().join("other");
        for inside in [&machine, &other] {
            fs::create_dir(inside).unwrap();
            for name in ["notes.txt", "system.journal", "old.journal~"] {
                fs::write(inside.join(name), "x").unwrap();
            }
        }
        let found = Files::of_directory(folder.path()).unwrap();
        assert_eq!(found.paths, [machine.join("old.journal~"), machine.join("system.journal")]);
        assert!(!found.are_hidden);
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
    fn a_folder_that_is_not_there_is_an_error() {
        let error = Files::of_directory(Path::new("/nonexistent/journal")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
