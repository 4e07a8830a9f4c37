//! Directories of unit files, their links, and the bytes of their files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::name::UnitName;
use crate::opaque::FileKind;
use crate::script::{Language, Script};
use crate::simple::program;
use crate::unread::UnreadKind;
use crate::wrapper::{is_python, is_shell};

/// The largest file that is read. systemd's own limit for a line is as much.
pub(crate) const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// How much of a first line is read, as the kernel does (`execve(2)`, "Interpreter scripts").
const FIRST_LINE_LIMIT_BYTES: u64 = 255;

/// The most entries of one directory that are read.
const ENTRIES_LIMIT: usize = 20_000;

/// The kernel's own limit for links that lead to links (`path_resolution(7)`).
const LINKS_LIMIT: usize = 40;

/// Where systemd looks below a root (`systemd.unit(5)`, "Unit File Load Path").
const LOAD_PATHS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Where programs are looked for by their name alone (systemd's own path, `systemd.exec(5)`).
const PROGRAM_PATHS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What the listed directories hold.
#[derive(Default)]
pub(crate) struct Folders {
    directories: Vec<PathBuf>,
    /// Where the host's `/` is, as the caller says.
    pub(crate) root: Option<PathBuf>,
    /// Unit files by name, of the first directory that has one.
    pub(crate) files: BTreeMap<UnitName, PathBuf>,
    /// Directories such as `NAME.d`, in the order of precedence.
    pub(crate) beside: BTreeMap<String, Vec<PathBuf>>,
}

/// The names and paths of a directory, and whether that is all of them.
pub(crate) type Entries = (Vec<(String, PathBuf)>, Result<(), UnreadKind>);

/// Where a path leads.
pub(crate) enum Leads {
    /// To this file, whether or not it can be read.
    To(PathBuf),
    /// To `/dev/null`, or it is an empty file: both mask (`systemd.unit(5)`).
    Nowhere,
    /// To this path, which does not exist here.
    Astray(PathBuf),
}

impl Folders {
    pub(crate) fn list(&mut self, directory: &Path) -> io::Result<Result<(), UnreadKind>> {
        let (found, complete) = entries(directory)?;
        for (name, path) in found {
            if [".d", ".wants", ".requires"].iter().any(|ending| name.ends_with(ending)) {
                self.beside.entry(name).or_default().push(path);
            } else if let Ok(unit) = name.parse() {
                self.files.entry(unit).or_insert(path);
            }
        }
        self.directories.push(directory.to_owned());
        Ok(complete)
    }

    /// Follows links as the host that the directories are of would, step by step: an absolute link of a copied tree
    /// leads into the copy, not into the machine that reads it.
    pub(crate) fn follow(&self, path: &Path) -> Leads {
        let mut at = path.to_owned();
        for _ in 0..LINKS_LIMIT {
            let Ok(target) = fs::read_link(&at) else { break };
            if target == Path::new("/dev/null") {
                return Leads::Nowhere;
            }
            at = self.step(&at, &target);
        }
        match fs::metadata(&at) {
            Ok(found) if found.is_file() && found.len() == 0 => Leads::Nowhere,
            // A path that exists and cannot be looked at is found out when it is read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Leads::Astray(at),
            Ok(_) | Err(_) => Leads::To(at),
        }
    }

    /// The roots that the caller names, or that the directories are in.
    fn roots(&self) -> impl Iterator<Item = PathBuf> {
        let named = self.root.clone();
        named.into_iter().chain(self.directories.iter().filter_map(|directory| root_of(directory)))
    }

    /// The place of a file of the host; `None` where the directories do not say where the host's root is, or it is not
    /// there.
    fn place(&self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let place = self.roots().map(|root| below(&root, path)).find(|p| fs::symlink_metadata(p).is_ok())?;
        match self.follow(&place) {
            Leads::To(real) => Some((place, real)),
            Leads::Nowhere | Leads::Astray(_) => None,
        }
    }

    /// The text of a file of the host, with where it was read.
    pub(crate) fn text(&self, path: &str, language: Language) -> Option<Script> {
        let (place, real) = self.place(Path::new(path))?;
        let (text, _) = read_bounded(&real).ok()?;
        Some(Script { asked: path.to_owned(), path: place.display().to_string(), text, language })
    }

    /// The files of a folder of the host; none where it is not there.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<String> {
        let mut places = self.roots().map(|root| below(&root, Path::new(folder)));
        let listed = places.find_map(|place| entries(&place).ok());
        let files = listed.into_iter().flat_map(|(found, _)| found);
        files.filter(|(_, path)| path.is_file()).map(|(_, path)| path.display().to_string()).collect()
    }

    /// The script at an absolute path of the host. `given` says what is told to read it, whatever its first line says.
    pub(crate) fn script(&self, path: &str, given: Option<Language>) -> Option<Script> {
        let language = given.or_else(|| match self.kind(path) {
            FileKind::Python => Some(Language::Python),
            FileKind::Shell => Some(Language::Shell),
            _ => None,
        });
        self.text(path, language?)
    }

    /// What a program is: an absolute path of the host, or a name that is looked for where programs are. A name that is not
    /// found may be that of a function that is defined elsewhere.
    pub(crate) fn kind(&self, program: &str) -> FileKind {
        let at = |path: &Path| self.place(path).map(|(_, real)| kind_of(&real));
        if !program.starts_with('/') {
            let mut found = PROGRAM_PATHS.iter().filter_map(|folder| at(&Path::new(folder).join(program)));
            return found.next().unwrap_or(FileKind::Missing);
        }
        let path = Path::new(program);
        let folder = path.parent().and_then(|folder| self.place(folder));
        at(path).unwrap_or(if folder.is_some() { FileKind::Absent } else { FileKind::Missing })
    }

    fn step(&self, link: &Path, target: &Path) -> PathBuf {
        if target.is_relative() {
            return link.parent().unwrap_or(Path::new("/")).join(target);
        }
        let name = target.file_name().and_then(|name| name.to_str());
        let is_unit = name.is_some_and(|name| name.parse::<UnitName>().is_ok());
        let in_listed = self.directories.iter().map(|directory| directory.join(name.unwrap_or_default()));
        let below_roots = self.roots().map(|root| below(&root, target));
        let mut places = in_listed.filter(|_| is_unit).chain(below_roots);
        let elsewhere = |place: &PathBuf| place != link && fs::symlink_metadata(place).is_ok();
        places.find(elsewhere).unwrap_or_else(|| target.to_owned())
    }
}

/// The root that a directory of the load path is in: `/copy` for `/copy/etc/systemd/system`.
fn root_of(directory: &Path) -> Option<PathBuf> {
    let load_path = LOAD_PATHS.iter().find(|load_path| directory.ends_with(load_path))?;
    directory.ancestors().nth(Path::new(load_path).components().count()).map(Path::to_owned)
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    let parts = absolute.components().filter(|part| matches!(part, Component::Normal(_)));
    root.join(parts.collect::<PathBuf>())
}

/// The entries of a directory in the order of their names.
pub(crate) fn entries(directory: &Path) -> io::Result<Entries> {
    let mut found = Vec::new();
    let mut complete = Ok(());
    for entry in fs::read_dir(directory)? {
        if found.len() == ENTRIES_LIMIT {
            complete = Err(UnreadKind::TooMany(ENTRIES_LIMIT));
            break;
        }
        let entry = entry?;
        // A name that is not UTF-8 cannot be a unit's name.
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok((found, complete))
}

/// What a file is, from its first line alone: otherwise everything that units run would be read whole.
fn kind_of(path: &Path) -> FileKind {
    // Opening a FIFO blocks until a writer opens it (fifo(7)).
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return FileKind::Missing;
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FIRST_LINE_LIMIT_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        return FileKind::Other;
    }
    // elf(5).
    if bytes.starts_with(b"\x7fELF") {
        return FileKind::Program;
    }
    let text = String::from_utf8_lossy(&bytes);
    let first = text.lines().next().unwrap_or_default();
    let words = || first.strip_prefix("#!").unwrap_or_default().split_whitespace().map(program);
    if words().any(is_shell) {
        FileKind::Shell
    } else if words().any(is_python) {
        FileKind::Python
    } else if text.starts_with("#!") || is_executable(path) {
        FileKind::Other
    } else {
        FileKind::Data
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
}

/// The text of a file with what is not UTF-8 replaced, and whether all of it is.
pub(crate) fn read_bounded(path: &Path) -> Result<(String, Result<(), UnreadKind>), UnreadKind> {
    let fault = |error: io::Error| UnreadKind::Unreadable(error.to_string());
    // Checked before opening: opening a FIFO blocks until a writer opens it (fifo(7)).
    if !fs::metadata(path).map_err(fault)?.is_file() {
        return Err(UnreadKind::NotAFile);
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(UnreadKind::TooLarge(FILE_LIMIT_BYTES));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, Ok(()))),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Ok((text, Err(UnreadKind::NotUtf8)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_copy_is_found() {
        assert_eq!(root_of(Path::new("/copy/etc/systemd/system")), Some("/copy".into()));
        assert_eq!(root_of(Path::new("/usr/lib/systemd/system")), Some("/".into()));
        assert_eq!(root_of(Path::new("/copy/units")), None);
        assert_eq!(below(Path::new("/copy"), Path::new("/lib/x")), Path::new("/copy/lib/x"));
    }
}
