//! The one reader: unit files from directories.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::alert::alert_of;
use crate::builtin;
use crate::command::Command;
use crate::evidence::Evidence;
use crate::file::{UnitFile, Warning};
use crate::folders::{Folders, Leads, entries, read_bounded};
use crate::name::UnitName;
use crate::opaque::opaque;
use crate::script::Language;
use crate::unit::{Reference, Unit};
use crate::unread::{Unread, UnreadKind};

/// Units, what was not read of them, and what was odd about their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSet {
    /// The units in the order of their names.
    pub units: Vec<Unit>,
    /// Files that were not read, or not whole. Empty iff everything in the directories is in `units`.
    pub unread: Vec<Unread>,
    /// What was ignored, and why; everything of `unread` too.
    pub warnings: Vec<Warning>,
    /// Files where commands write alerts, and those that the caller adds: a gate that failed may have left them.
    pub alerts: Vec<String>,
}

impl UnitSet {
    /// A set that is known to be whole, for callers that do not read directories.
    pub fn whole(units: Vec<Unit>) -> Self {
        Self { units, ..Self::default() }
    }
}

/// A directory that cannot be listed.
#[derive(Debug, Error)]
#[error("directory {} cannot be read: check the path and its permissions", path.display())]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the units of directories as `systemd.unit(5)` describes their load path: the earlier directory wins, and
/// drop-ins and links in `NAME.wants` of all of them count. `named` are units that are wanted besides those that the
/// files name, such as those of declared waits: instances among them are made from their templates.
///
/// Understood are unit files, links to them (a link with another name is an alias, one to `/dev/null` masks, and so
/// does an empty file), templates and their instances, drop-ins in `NAME.d`, `PREFIX-.TYPE.d` and `TYPE.d`, and links
/// in `NAME.wants` and `NAME.requires`, and shell scripts that commands run and stack files that they deploy, where `root`
/// says where the host's `/` is, or the directories are those of `systemd.unit(5)` below some root. An absolute link leads to the file of that name in one of the directories, if
/// there is one. What cannot be read, or is larger than 1 MiB, is in [`UnitSet::unread`].
///
/// # Errors
/// If one of the directories cannot be listed.
pub fn read_units<P: AsRef<Path>>(
    directories: &[P],
    root: Option<&Path>,
    named: &[UnitName],
) -> Result<UnitSet, ReadError> {
    let mut reader = Reader::default();
    reader.folders.root = root.map(Path::to_owned);
    for directory in directories {
        let path = directory.as_ref();
        let listed =
            reader.folders.list(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        if let Err(why) = listed {
            reader.unread(None, path, why);
        }
    }
    Ok(reader.finish(named))
}

/// The files in a folder of alerts.
///
/// # Errors
/// If it cannot be listed.
pub fn read_alerts(folder: &Path) -> Result<Vec<String>, ReadError> {
    let (found, _) = entries(folder).map_err(|source| ReadError { path: folder.to_owned(), source })?;
    Ok(found.into_iter().map(|(_, path)| path.display().to_string()).collect())
}

/// What a unit is read from.
#[derive(Clone)]
enum Source {
    File(PathBuf),
    Masked,
    /// No file: a target whose members are known from its folder.
    None,
}

#[derive(Default)]
struct Reader {
    folders: Folders,
    sources: BTreeMap<UnitName, Source>,
    /// The other names of each unit.
    aliases: BTreeMap<UnitName, BTreeSet<UnitName>>,
    units: BTreeMap<UnitName, Unit>,
    unread: Vec<Unread>,
    warnings: Vec<Warning>,
    alerts: BTreeSet<String>,
}

impl Reader {
    fn finish(mut self, named: &[UnitName]) -> UnitSet {
        for (name, path) in self.folders.files.clone() {
            self.source(&name, &path);
        }
        self.linked_sources();
        self.fileless();
        for (name, source) in self.sources.clone() {
            self.unit(&name, &source);
        }
        self.instances(named);
        UnitSet {
            units: self.units.into_values().collect(),
            unread: self.unread,
            warnings: self.warnings,
            alerts: self.alerts.into_iter().collect(),
        }
    }

    /// Decides what the file of this name is: the unit itself, or a link to another one.
    fn source(&mut self, name: &UnitName, path: &Path) {
        let real = match self.folders.follow(path) {
            Leads::Nowhere => {
                self.sources.insert(name.clone(), Source::Masked);
                return;
            }
            Leads::To(real) => real,
            Leads::Astray(to) => return self.astray(name, path, to),
        };
        let target = unit_of(&real).filter(|target| target != name && target.suffix() == name.suffix());
        match target {
            // `getty@tty1.service -> getty@.service` is an instance, which reads its template's file as its own.
            Some(target) if name.template().as_ref() == Some(&target) => {
                self.sources.insert(name.clone(), Source::File(real));
            }
            Some(target) => {
                // A link may lead to a unit outside the directories: its file is read through the link, under its own
                // name.
                if !self.folders.files.contains_key(&target) {
                    self.sources.entry(target.clone()).or_insert(Source::File(real));
                }
                self.aliases.entry(target).or_default().insert(name.clone());
            }
            None => {
                self.sources.insert(name.clone(), Source::File(real));
            }
        }
    }

    /// A link to a file that is not here. `default.target -> /lib/systemd/system/graphical.target` still says enough.
    fn astray(&mut self, name: &UnitName, path: &Path, to: PathBuf) {
        match unit_of(&to).filter(|target| target != name && builtin::has(target)) {
            Some(target) => drop(self.aliases.entry(target).or_default().insert(name.clone())),
            None if builtin::has(name) => {}
            None => self.unread(Some(name), path, UnreadKind::Dangling(to)),
        }
    }

    /// Units that a link in `NAME.wants` or `NAME.requires` starts, and whose files are in none of the directories:
    /// the link itself leads to the file, because `systemctl enable` made it so.
    fn linked_sources(&mut self) {
        for folder in self.folders.beside.keys().cloned().collect::<Vec<_>>() {
            if !matches!(folder.rsplit('.').next(), Some("requires" | "wants")) {
                continue;
            }
            for (file, path) in self.inside(&folder) {
                let Ok(name) = file.parse::<UnitName>() else { continue };
                let template = name.template().is_some_and(|t| self.folders.files.contains_key(&t));
                if !template && !self.is_known(&name) && path.is_symlink() {
                    self.source(&name, &path);
                }
            }
        }
    }

    fn is_known(&self, name: &UnitName) -> bool {
        self.sources.contains_key(name)
            || self.folders.files.contains_key(name)
            || self.aliases.values().any(|aliases| aliases.contains(name))
            || builtin::has(name)
            || self.unread.iter().any(|unread| unread.unit.as_ref() == Some(name))
    }

    /// Units that are known only from a directory such as `multi-user.target.wants`: their unit file is elsewhere.
    fn fileless(&mut self) {
        let names: BTreeSet<UnitName> =
            self.folders.beside.keys().filter_map(|folder| folder.rsplit_once('.')?.0.parse().ok()).collect();
        for name in names {
            let alias = self.aliases.values().any(|aliases| aliases.contains(&name));
            let unread = self.unread.iter().any(|unread| unread.unit.as_ref() == Some(&name));
            let known = self.sources.contains_key(&name) || alias || unread || name.is_template();
            if known || name.stem().ends_with('-') || name.template().is_some() {
                continue;
            }
            // A target still orders its members, which its folder names. Of any other unit too little is known.
            if name.suffix() == "target" {
                let text = UnreadKind::NoFile.to_string();
                self.warn(Path::new(name.as_str()), text);
                self.sources.insert(name, Source::None);
            } else {
                self.unread(Some(&name), Path::new(name.as_str()), UnreadKind::NoFile);
            }
        }
    }

    /// Makes the instances that units, links or the caller name, until no unit names a new one.
    fn instances(&mut self, named: &[UnitName]) {
        let mut queue: Vec<UnitName> = named.to_vec();
        queue.extend(self.units.values().flat_map(started_by));
        let mut seen = BTreeSet::new();
        while let Some(name) = queue.pop() {
            let Some(template) = name.template().filter(|_| !self.units.contains_key(&name)) else {
                continue;
            };
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some((own, source)) = self.instance_source(&name, &template) {
                if own != name {
                    self.aliases.entry(own.clone()).or_default().insert(name);
                }
                self.unit(&own, &source);
                queue.extend(self.units.get(&own).into_iter().flat_map(started_by));
            }
        }
    }

    /// The own name of an instance and the file of its template, which may be an alias of another template.
    fn instance_source(&self, name: &UnitName, template: &UnitName) -> Option<(UnitName, Source)> {
        if let Some(source) = self.sources.get(template) {
            return Some((name.clone(), source.clone()));
        }
        let (target, _) = self.aliases.iter().find(|(_, aliases)| aliases.contains(template))?;
        let own = target.with_instance(name.instance()?)?;
        Some((own, self.sources.get(target)?.clone()))
    }

    fn unit(&mut self, name: &UnitName, source: &Source) {
        let mut files = Vec::new();
        let mut whole = true;
        match source {
            Source::File(path) => match self.file(Some(name), path) {
                Some(file) => files.push(file),
                None => whole = false,
            },
            Source::Masked => {
                let unit = Unit { masked: true, ..Unit::empty(name.clone()) };
                self.units.insert(name.clone(), unit);
                return;
            }
            Source::None => files.extend(builtin::file(name)),
        }
        let mut names = vec![name.clone()];
        names.extend(self.aliases.get(name).into_iter().flatten().cloned());
        for (of, drop_in) in self.drop_ins(&names) {
            files.extend(self.file(of.as_ref(), &drop_in));
        }
        // Without its own file a unit is not known at all: its drop-ins alone would pass for the whole.
        if !whole {
            return;
        }
        let (mut unit, warnings) = Unit::from_files(name.clone(), &files);
        self.warnings.extend(warnings);
        for command in &mut unit.commands {
            self.files_of(command);
        }
        for name in &names {
            unit.wants.extend(self.linked(name, "wants"));
            unit.requires.extend(self.linked(name, "requires"));
        }
        unit.aliases = names.split_off(1);
        self.units.insert(name.clone(), unit);
    }

    /// Reads what a command runs and deploys. Scripts that its script runs in turn are not read.
    fn files_of(&mut self, command: &mut Command) {
        command.script = command.file().and_then(|(path, given)| self.folders.script(&path, given));
        let read = command.script.as_ref().filter(|script| script.is_understood());
        let read = read.map(|script| script.asked.as_str());
        command.opaque = opaque(&command.runs(), read, |program| self.folders.kind(program));
        for path in command.runs().list.iter().filter_map(alert_of) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.alerts.extend(self.folders.files_in(folder));
        }
        for deploys in command.deploys() {
            for file in deploys.files {
                match file.as_ref().and_then(|path| self.folders.text(path, Language::Shell)) {
                    Some(stack) => {
                        if !deploys.deployment.is_compose_file(&stack.text) {
                            self.warnings.push(not_understood(&stack.path, &deploys.evidence));
                        }
                        command.stacks.push(stack);
                    }
                    None => self.warnings.push(not_deployed(file.as_deref(), &deploys.evidence)),
                }
            }
        }
    }

    /// Drop-ins in the order of their file names, wherever they are; of the same file name only the one in the most
    /// specific directory counts. With each the unit that it is about, if it is about one.
    fn drop_ins(&mut self, names: &[UnitName]) -> Vec<(Option<UnitName>, PathBuf)> {
        let mut chosen = BTreeMap::new();
        for name in names {
            for (index, folder) in drop_in_folders(name).iter().enumerate() {
                let of = (index == 0).then(|| name.clone());
                for (file, path) in self.inside(folder) {
                    if Path::new(&file).extension().is_some_and(|ending| ending == "conf") {
                        chosen.entry(file).or_insert((of.clone(), path));
                    }
                }
            }
        }
        chosen.into_values().collect()
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
        for path in self.folders.beside.get(folder).cloned().unwrap_or_default() {
            let unit = folder.rsplit_once('.').and_then(|(name, _)| name.parse().ok());
            match entries(&path) {
                Ok((listed, complete)) => {
                    found.extend(listed);
                    if let Err(why) = complete {
                        self.unread(unit.as_ref(), &path, why);
                    }
                }
                Err(error) => {
                    let why = match self.folders.follow(&path) {
                        Leads::Astray(to) => UnreadKind::Dangling(to),
                        _ => UnreadKind::Unreadable(error.to_string()),
                    };
                    self.unread(unit.as_ref(), &path, why);
                }
            }
        }
        found
    }

    /// The file, unless it masks or cannot be read.
    fn file(&mut self, unit: Option<&UnitName>, path: &Path) -> Option<UnitFile> {
        let real = match self.folders.follow(path) {
            Leads::To(real) => real,
            Leads::Nowhere => return None,
            Leads::Astray(to) => {
                self.unread(unit, path, UnreadKind::Dangling(to));
                return None;
            }
        };
        match read_bounded(&real) {
            Ok((text, whole)) => {
                let (file, warnings) = UnitFile::parse(&path.display().to_string(), &text);
                self.warnings.extend(warnings);
                if let Err(why) = whole {
                    self.unread(unit, path, why);
                }
                Some(file)
            }
            Err(why) => {
                self.unread(unit, path, why);
                None
            }
        }
    }

    /// Notes what was not read, once: a drop-in for a whole type is met once for each unit of the type.
    fn unread(&mut self, unit: Option<&UnitName>, path: &Path, why: UnreadKind) {
        let found = Unread { unit: unit.cloned(), path: path.to_owned(), why };
        if !self.unread.contains(&found) {
            self.warn(path, found.why.to_string());
            self.unread.push(found);
        }
    }

    fn warn(&mut self, path: &Path, text: String) {
        self.warnings.push(Warning { source: path.display().to_string(), line: None, text });
    }
}

/// The units that a unit names as started with it or by it.
fn started_by(unit: &Unit) -> Vec<UnitName> {
    let listed = unit.wants.iter().chain(&unit.requires).map(|reference| reference.unit.clone());
    listed.chain(unit.commands.iter().flat_map(Command::starts)).collect()
}

fn not_deployed(file: Option<&str>, evidence: &Evidence) -> Warning {
    let file = file.unwrap_or("a stack file whose path is not known");
    let text = format!("deploys {file}, which was not read: what that serves is not known");
    Warning { source: evidence.source.clone(), line: evidence.line, text }
}

/// Without what is wrong with it: that text may quote a secret.
fn not_understood(file: &str, evidence: &Evidence) -> Warning {
    let text = format!("deploys {file}, which is no Compose file: what that serves is not known");
    Warning { source: evidence.source.clone(), line: evidence.line, text }
}

fn unit_of(path: &Path) -> Option<UnitName> {
    path.file_name()?.to_str()?.parse().ok()
}

/// From the most to the least specific: `a-b@c.service.d`, `a-b@.service.d`, `a-.service.d`, `service.d`.
fn drop_in_folders(name: &UnitName) -> Vec<String> {
    let (stem, suffix) = (name.stem(), name.suffix());
    let mut folders = vec![format!("{name}.d")];
    folders.extend(name.template().map(|template| format!("{template}.d")));
    // A trailing dash is part of the name and not a prefix (systemd.unit(5), "foo-.service.d").
    let dashes = stem.rmatch_indices('-').filter(|(at, _)| *at + 1 < stem.len());
    folders.extend(dashes.map(|(at, _)| format!("{}.{suffix}.d", &stem[..=at])));
    folders.push(format!("{suffix}.d"));
    folders
}
