//! The one reader: unit files from directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::{UnitFile, Warning};
use crate::name::UnitName;
use crate::unit::{Evidence, Reference, Unit};

/// The largest file that is read. systemd's own limit for a line is as much.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// The most entries of one directory that are read.
const ENTRIES_LIMIT: usize = 20_000;

/// Units, and what was odd about their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSet {
    /// The units in the order of their names.
    pub units: Vec<Unit>,
    /// What was ignored, and why.
    pub warnings: Vec<Warning>,
}

/// A directory that cannot be listed.
#[derive(Debug, Error)]
#[error("unit directory {} cannot be read: check the path and its permissions", path.display())]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the units of directories as `systemd.unit(5)` describes their load path: the earlier directory wins.
///
/// Understood are unit files, links to them (a link with another name is an alias, one to `/dev/null` masks),
/// drop-ins in `NAME.d`, `PREFIX-.TYPE.d` and `TYPE.d`, and links in `NAME.wants` and `NAME.requires`. A file that
/// cannot be read or is larger than 1 MiB becomes a warning.
///
/// # Errors
/// If one of the directories cannot be listed.
pub fn read_units<P: AsRef<Path>>(directories: &[P]) -> Result<UnitSet, ReadError> {
    let mut reader = Reader::default();
    for directory in directories {
        reader.list(directory.as_ref())?;
    }
    Ok(reader.finish())
}

#[derive(Default)]
struct Reader {
    /// Unit files by name.
    files: BTreeMap<UnitName, PathBuf>,
    /// Directories such as `NAME.d`, in the order of precedence.
    folders: BTreeMap<String, Vec<PathBuf>>,
    warnings: Vec<Warning>,
}

impl Reader {
    fn list(&mut self, directory: &Path) -> Result<(), ReadError> {
        let fault = |source| ReadError { path: directory.to_owned(), source };
        for (name, path) in self.entries(directory).map_err(fault)? {
            if [".d", ".wants", ".requires"].iter().any(|ending| name.ends_with(ending)) {
                self.folders.entry(name).or_default().push(path);
            } else if let Ok(unit) = name.parse() {
                self.files.entry(unit).or_insert(path);
            }
        }
        Ok(())
    }

    /// The entries of a directory in the order of their names.
    fn entries(&mut self, directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            if found.len() == ENTRIES_LIMIT {
                self.warn(directory, format!("more than {ENTRIES_LIMIT} entries: the rest is left out"));
                break;
            }
            let entry = entry?;
            // A name that is not UTF-8 cannot be a unit's name.
            if let Ok(name) = entry.file_name().into_string() {
                found.push((name, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn finish(mut self) -> UnitSet {
        let mut aliases: Vec<(UnitName, UnitName)> = Vec::new();
        let mut units = BTreeMap::new();
        for (name, path) in self.files.clone() {
            match alias_target(&name, &path) {
                Some(target) => {
                    // A link may lead to a unit outside the directories: its file is read through the link, under its
                    // own name.
                    if !self.files.contains_key(&target) && !units.contains_key(&target) {
                        units.insert(target.clone(), self.unit(&target, Some(&path)));
                    }
                    aliases.push((target, name));
                }
                None => drop(units.insert(name.clone(), self.unit(&name, Some(&path)))),
            }
        }
        for name in self.fileless() {
            if units.contains_key(&name) {
                continue;
            }
            let text = "its unit file is in none of the directories".to_owned();
            self.warn(Path::new(name.as_str()), text);
            // A target still orders its members, which its folder names. Of any other unit too little is known.
            if name.suffix() == "target" {
                units.insert(name.clone(), self.unit(&name, None));
            }
        }
        for (target, alias) in aliases {
            if let Some(unit) = units.get_mut(&target) {
                unit.aliases.push(alias);
            }
        }
        UnitSet { units: units.into_values().collect(), warnings: self.warnings }
    }

    /// Units that are known only from a directory such as `multi-user.target.wants`: their unit file is elsewhere.
    fn fileless(&self) -> Vec<UnitName> {
        let names = self.folders.keys().filter_map(|folder| folder.rsplit_once('.')?.0.parse().ok());
        let named = |name: &UnitName| !name.stem().ends_with('-') && !self.files.contains_key(name);
        names.filter(named).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn unit(&mut self, name: &UnitName, path: Option<&Path>) -> Unit {
        let mut files = Vec::new();
        match path {
            Some(path) if is_mask(path) => return Unit { masked: true, ..Unit::empty(name.clone()) },
            Some(path) => files.extend(self.file(path)),
            None => {}
        }
        for drop_in in self.drop_ins(name) {
            files.extend(self.file(&drop_in));
        }
        let (mut unit, warnings) = Unit::from_files(name.clone(), &files);
        self.warnings.extend(warnings);
        unit.wants.extend(self.linked(name, "wants"));
        unit.requires.extend(self.linked(name, "requires"));
        unit
    }

    /// Drop-ins in the order of their file names, wherever they are; of the same file name only the one in the most
    /// specific directory counts.
    fn drop_ins(&mut self, name: &UnitName) -> Vec<PathBuf> {
        let mut chosen = BTreeMap::new();
        for folder in drop_in_folders(name) {
            for (file, path) in self.inside(&folder) {
                if Path::new(&file).extension().is_some_and(|ending| ending == "conf") {
                    chosen.entry(file).or_insert(path);
                }
            }
        }
        chosen.into_values().filter(|path| !is_mask(path)).collect()
    }

    /// Units that are linked into `NAME.wants` or `NAME.requires`.
    fn linked(&mut self, name: &UnitName, kind: &str) -> Vec<Reference> {
        let folder = format!("{name}.{kind}");
        let mut seen = BTreeSet::new();
        let mut references = Vec::new();
        for (file, _) in self.inside(&folder) {
            if let Ok(unit) = file.parse::<UnitName>()
                && seen.insert(unit.clone())
            {
                let evidence =
                    Evidence { source: folder.clone(), line: None, text: format!("link to {unit}") };
                references.push(Reference { unit, evidence });
            }
        }
        references
    }

    fn inside(&mut self, folder: &str) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        for path in self.folders.get(folder).cloned().unwrap_or_default() {
            match self.entries(&path) {
                Ok(entries) => found.extend(entries),
                Err(error) => self.warn(&path, format!("cannot be listed: {error}")),
            }
        }
        found
    }

    fn file(&mut self, path: &Path) -> Option<UnitFile> {
        match read_bounded(path) {
            Ok(text) => {
                let (file, warnings) = UnitFile::parse(&path.display().to_string(), &text);
                self.warnings.extend(warnings);
                Some(file)
            }
            Err(error) => {
                self.warn(path, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn warn(&mut self, path: &Path, text: String) {
        self.warnings.push(Warning { source: path.display().to_string(), line: None, text });
    }
}

/// From the most to the least specific: `a-b.service.d`, `a-.service.d`, `service.d`.
fn drop_in_folders(name: &UnitName) -> Vec<String> {
    let (stem, suffix) = (name.stem(), name.suffix());
    let mut folders = vec![format!("{name}.d")];
    // A trailing dash is part of the name and not a prefix (systemd.unit(5), "foo-.service.d").
    let dashes = stem.rmatch_indices('-').filter(|(at, _)| *at + 1 < stem.len());
    folders.extend(dashes.map(|(at, _)| format!("{}.{suffix}.d", &stem[..=at])));
    folders.push(format!("{suffix}.d"));
    folders
}

/// The unit that a link with another name stands for.
fn alias_target(name: &UnitName, path: &Path) -> Option<UnitName> {
    if !path.is_symlink() {
        return None;
    }
    let real = fs::canonicalize(path).ok()?;
    let target: UnitName = real.file_name()?.to_str()?.parse().ok()?;
    (target != *name && target.suffix() == name.suffix()).then_some(target)
}

/// An empty file masks, and so does a link to `/dev/null` (`systemd.unit(5)`).
fn is_mask(path: &Path) -> bool {
    let null = fs::canonicalize(path).is_ok_and(|real| real == Path::new("/dev/null"));
    null || fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    // Checked before opening: opening a FIFO blocks until a writer opens it (fifo(7)).
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        let text = format!("it is larger than {FILE_LIMIT_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
