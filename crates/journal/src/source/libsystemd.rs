//! The entries of a unit, by libsystemd (feature `journald`).
//!
//! What `journalctl --unit` asks for is several conjunctions of fields. One reader with all of them looks each one up again for
//! each entry; a reader for each, whose next entries are compared, looks up only what it has read.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use systemd::id128::Id128;
use systemd::journal::{Journal, OpenDirectoryOptions, OpenFilesOptions, OpenOptions};

use crate::entry::Fields;
use crate::incomplete::Incomplete;
use crate::record::MAX_LINE_BYTES;

/// A field and its value.
type Field<'a> = (&'a str, &'a str);

/// Where an entry stands.
#[derive(Clone, Copy)]
struct Place {
    at_usec: u64,
    since_boot_usec: u64,
    boot: Id128,
}

/// The entries that have all of some fields.
struct Part {
    journal: Journal,
    /// The entry that it stands at.
    head: Option<Place>,
}

/// The entries of a unit, in the journal's order.
pub(super) struct Parts(Vec<Part>);

impl Parts {
    /// The unit's own entries, its core dumps, and what systemd and journald say of it (systemd `src/shared/logs-show.c`,
    /// `add_matches_for_unit`).
    pub(super) fn open(path: Option<&Path>, unit: &str) -> systemd::Result<Self> {
        let root = ("_UID", "0");
        let of_unit: [&[Field<'_>]; 4] = [
            &[("_SYSTEMD_UNIT", unit)],
            &[("MESSAGE_ID", "fc2e22bc6ee647b6b90729ab34a250b1"), root, ("COREDUMP_UNIT", unit)],
            &[("_PID", "1"), ("UNIT", unit)],
            &[root, ("OBJECT_SYSTEMD_UNIT", unit)],
        ];
        of_unit.into_iter().map(|fields| Part::open(path, fields)).collect::<systemd::Result<_>>().map(Self)
    }

    pub(super) fn seek_head(&mut self) -> systemd::Result<()> {
        self.each(|part| part.journal.seek_head())
    }

    pub(super) fn seek_time(&mut self, at_usec: u64) -> systemd::Result<()> {
        self.each(|part| part.journal.seek_realtime_usec(at_usec))
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> systemd::Result<Option<Fields>> {
        let mut first: Option<(usize, &Place)> = None;
        for (at, part) in self.0.iter().enumerate() {
            if let Some(place) = &part.head
                && first.is_none_or(|(_, first)| place.is_before(first))
            {
                first = Some((at, place));
            }
        }
        let Some((at, _)) = first else { return Ok(None) };
        // An entry of two parts is one entry.
        for other in at + 1..self.0.len() {
            if self.0[other].is_at_the_same(&self.0[at])? {
                self.0[other].step()?;
            }
        }
        self.0[at].take().map(Some)
    }

    fn each(&mut self, seek: impl Fn(&mut Part) -> systemd::Result<()>) -> systemd::Result<()> {
        for part in &mut self.0 {
            seek(part)?;
            part.step()?;
        }
        Ok(())
    }
}

impl Part {
    fn open(path: Option<&Path>, fields: &[Field<'_>]) -> systemd::Result<Self> {
        let mut journal = open(path)?;
        journal.set_data_threshold(MAX_LINE_BYTES * 2)?;
        for (key, value) in fields {
            journal.match_add(key, *value)?;
        }
        Ok(Self { journal, head: None })
    }

    fn is_at_the_same(&self, other: &Self) -> systemd::Result<bool> {
        let both = self.head.zip(other.head);
        let may_be = both.is_some_and(|(ours, theirs)| !ours.is_before(&theirs) && !theirs.is_before(&ours));
        Ok(may_be && self.journal.cursor()? == other.journal.cursor()?)
    }

    fn step(&mut self) -> systemd::Result<()> {
        let is_at = 0 < self.journal.next()?;
        self.head = is_at.then(|| Place::of(&self.journal)).transpose()?;
        Ok(())
    }

    /// The entry that it stands at; then it stands at the next one.
    fn take(&mut self) -> systemd::Result<Fields> {
        let mut fields = Fields::default();
        self.journal.restart_data();
        while let Some(field) = self.journal.enumerate_data()? {
            fields.set(field.name(), field.value().unwrap_or_default());
        }
        // The time of reception, whatever the program said.
        fields.realtime_usec = self.head.and_then(|place| i64::try_from(place.at_usec).ok());
        self.step()?;
        Ok(fields)
    }
}

impl Place {
    fn of(journal: &Journal) -> systemd::Result<Self> {
        let (since_boot_usec, boot) = journal.monotonic_timestamp()?;
        Ok(Self { at_usec: journal.timestamp_usec()?, since_boot_usec, boot })
    }

    /// By the time since the boot, where both are of one, else by the clock, which may have been set (systemd `sd-journal.c`
    /// compare_locations, which has the number in the sequence before both).
    fn is_before(&self, other: &Self) -> bool {
        if self.boot == other.boot {
            self.since_boot_usec < other.since_boot_usec
        } else {
            self.at_usec < other.at_usec
        }
    }
}

/// This system's journal, or the one in a directory.
fn open(path: Option<&Path>) -> systemd::Result<Journal> {
    match path {
        Some(path) => OpenDirectoryOptions::default().open_directory(path.as_os_str().as_bytes()),
        None => OpenOptions::default().local_only(true).open(),
    }
}

/// What libsystemd leaves out of these files. `sd_journal_open` says nothing of it; opening each file by itself does.
pub(super) fn left_out(files: &[PathBuf]) -> Vec<Incomplete> {
    let of_file = |file: &PathBuf| {
        let error = OpenFilesOptions::default().open_files([file.as_os_str().as_bytes()]).err()?;
        match error.kind() {
            ErrorKind::PermissionDenied => Some(Incomplete::NotAllowed),
            // It is truncated, corrupted, of a newer systemd, or its name leads nowhere, and what it had may have another one.
            _ => Some(Incomplete::Failed { error: format!("{}: {error}", file.display()) }),
        }
    };
    files.iter().filter_map(of_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(boot: u8, since_boot_usec: u64, at_usec: u64) -> Place {
        Place { at_usec, since_boot_usec, boot: Id128::from_cstr(format!("{boot:032x}")).unwrap() }
    }

    #[test]
    fn a_boot_has_an_order_of_its_own_whatever_the_clock_did() {
        let (early, late) = (place(1, 10, 900), place(1, 20, 500));
        assert!(early.is_before(&late) && !late.is_before(&early) && !early.is_before(&early));
        let other = place(2, 1, 700);
        assert!(other.is_before(&early) && late.is_before(&other));
    }
}
