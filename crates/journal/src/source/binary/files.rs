//! Which files a journal consists of.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where journald keeps this system's journal, and where it does until the disk is there (journald.conf(5), `Storage=`).
const KEPT: &str = "/var/log/journal";
const UNTIL_THEN: &str = "/run/log/journal";

/// The files of a journal.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) paths: Vec<PathBuf>,
    /// Those of them that have what root logs, and that are kept no longer than the others.
    pub(crate) of_root: Vec<PathBuf>,
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
            Ok(paths) => Ok(Self { of_root: paths.clone(), paths, are_hidden: false }),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Ok(Self { are_hidden: true, ..Self::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// The files of this system's journal, which are none where no journal is kept. A unit with `User=` logs to that user's.
    ///
    /// # Errors
    /// As [`of_directory`](Self::of_directory), or if this machine has no id.
    pub(crate) fn of_system() -> Result<Self, io::Error> {
        let machine = machine(&fs::read_to_string("/etc/machine-id").unwrap_or_default())?;
        // Of the disk those of this machine; in `/run` there are no other one's (systemd `sd-journal.c` add_directory).
        Self::of_folders(&[&Path::new(KEPT).join(&machine), Path::new(UNTIL_THEN)])
    }

    fn of_folders(folders: &[&Path]) -> Result<Self, io::Error> {
        let mut all = Self::default();
        for folder in folders {
            match Self::of_directory(folder) {
                Ok(found) => {
                    all.of_root.extend(found.of_root.into_iter().filter(|file| is_of_system(file)));
                    all.paths.extend(found.paths);
                    all.are_hidden |= found.are_hidden;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// The machine's id (machine-id(5)).
fn machine(text: &str) -> Result<String, io::Error> {
    let id = text.trim();
    if is_id(id.as_bytes()) {
        Ok(id.to_owned())
    } else {
        Err(io::Error::other("/etc/machine-id has no machine id; name the journal with --directory"))
    }
}

/// The journal files in a folder and in the folders of machines in it (`sd_journal_open_directory`).
fn files(folder: &Path) -> Result<Vec<PathBuf>, io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_journal(&path) {
            files.push(path);
        } else if is_of_machine(&path) && path.is_dir() {
            let below = match fs::read_dir(&path) {
                Ok(below) => below.map(|entry| entry.map(|entry| entry.path())),
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
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

/// True iff its name is a machine's id. With a namespace behind it, it is a journal of its own, which `journalctl` leaves out too.
fn is_of_machine(path: &Path) -> bool {
    path.file_name().is_some_and(|name| is_id(name.as_bytes()))
}

fn is_id(name: &[u8]) -> bool {
    name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// True iff this folder has the journals of more than one machine.
pub(crate) fn is_of_several_machines(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    1 < below.filter(|path| is_of_machine(path) && path.is_dir()).count()
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
        let namespace = folder.path().join("0123456789abcdef0123456789abcdef.space");
        for inside in [&machine, &other, &namespace] {
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
    fn users_files_are_of_the_system_and_do_not_vouch_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, until_then] = ["kept", "until-then"].map(|name| folder.path().join(name));
        let inside = until_then.join("0123456789abcdef0123456789abcdef");
        for folder in [&kept, &inside] {
            fs::create_dir_all(folder).unwrap();
        }
        let system = [kept.join("system.journal"), inside.join("system@1.journal")];
        let users = [kept.join("user-1000.journal"), inside.join("user-1000@1.journal~")];
        for file in system.iter().chain(&users) {
            fs::write(file, "x").unwrap();
        }
        let missing = folder.path().join("missing");
        let found = Files::of_folders(&[&kept, &missing, &until_then]).unwrap();
        assert_eq!(found.paths, [&system[0], &users[0], &system[1], &users[1]].map(Clone::clone));
        assert_eq!(found.of_root, system);
    }

    #[test]
    fn a_machine_without_an_id_has_no_folder() {
        assert_eq!(machine("0123456789abcdef0123456789abcdef\n").unwrap().len(), 32);
        for text in ["", "\n", "uninitialized\n", "..", "0123456789abcdef0123456789abcdef.space"] {
            let error = machine(text).unwrap_err().to_string();
            assert_eq!(error, "/etc/machine-id has no machine id; name the journal with --directory");
        }
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
