//! The programs that a lab runs on: the engine, and what its images are made of. From PATH, else from packages.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use rustix::fs::{FlockOperation, flock};

use crate::engine::apt::{self, Apt};
use crate::engine::process::{on_path, run_any};
use crate::progress::{Context, Wait};
use crate::{LabError, Suite};

/// What an engine consists of.
const ENGINE_PROGRAMS: [&str; 5] = ["dockerd", "docker", "containerd", "runc", "iptables"];

/// Helpers that come with the system, and their packages.
const SYSTEM_PROGRAMS: [(&str, &str); 7] = [
    ("ip", "iproute2"),
    ("ldd", "libc-bin"),
    ("nsenter", "util-linux"),
    ("perl", "perl-base"),
    ("setsid", "util-linux"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
];

/// Packages of the asked suite. docker-cli is a package of its own from trixie on.
const ENGINE_PACKAGES: (&[&str], &[&str]) = (&["docker.io", "containerd"], &["docker-cli"]);

/// Packages of the machine's own suite; the optional ones are libraries whose names differ between suites.
const BASE_PACKAGES: (&[&str], &[&str]) = (
    &["busybox-static", "caddy", "iptables", "runc"],
    &[
        "libdevmapper1.02.1",
        "libip4tc2",
        "libip6tc2",
        "libmnl0",
        "libnetfilter-conntrack3",
        "libnfnetlink0",
        "libnftnl11",
        "libseccomp2",
        "libsystemd0",
        "libxtables12",
        "libzstd1",
    ],
);

/// Programs that must find all their libraries.
const LINKED: [&str; 5] = ["dockerd", "containerd", "runc", "xtables-legacy-multi", "caddy"];

/// Where the programs of an engine and of the images are.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// Folders to put before PATH.
    pub(crate) programs: Vec<PathBuf>,
    /// Folders for LD_LIBRARY_PATH of the engine.
    pub(crate) libraries: Vec<PathBuf>,
    /// The suite that the engine was unpacked from.
    pub(crate) suite: Option<String>,
    /// A statically linked busybox.
    pub(crate) busybox: PathBuf,
    /// Caddy.
    pub(crate) caddy: PathBuf,
}

/// Checks that the system has what every lab needs, apart from the engine.
pub(crate) fn check_system() -> Result<(), LabError> {
    for (program, package) in SYSTEM_PROGRAMS {
        if on_path(program).is_none() {
            return Err(LabError::MissingTool { program, package });
        }
    }
    let missing = missing_engine_programs();
    if missing.is_empty() || apt::is_available() {
        Ok(())
    } else {
        Err(LabError::NoEngine { missing: missing.join(", ") })
    }
}

/// The programs of an engine that are not on PATH.
pub(crate) fn missing_engine_programs() -> Vec<&'static str> {
    ENGINE_PROGRAMS.into_iter().filter(|program| on_path(program).is_none()).collect()
}

/// Finds the programs, unpacking packages into the cache where they are not there yet. Each unpacking is reported
/// first.
pub(crate) fn find(context: Context<'_>, suite: Option<Suite>) -> Result<Tools, LabError> {
    let cache = Cache::open(context)?;
    let complete = ENGINE_PROGRAMS.iter().all(|program| on_path(program).is_some());
    let mut folders = Vec::new();
    let mut unpacked = None;
    if suite.is_some() || !complete {
        let own = own_suite()?;
        let wanted = suite.map_or_else(|| own.clone(), |suite| suite.to_string());
        // The base first: some of the engine's libraries come from it.
        let base = cache.base(&own)?;
        folders = vec![
            cache.unpacked("engine", &own, &wanted, ENGINE_PACKAGES, std::slice::from_ref(&base))?,
            base,
        ];
        unpacked = Some(wanted);
    }
    // A dynamic busybox would need its libraries in every image.
    let from_path = || Some((on_path("busybox").filter(|file| is_static(file))?, on_path("caddy")?));
    let (busybox, caddy) = match from_path() {
        Some(found) if folders.is_empty() => found,
        _ => cache.base(&own_suite()?)?.image_programs()?,
    };
    let programs = folders.iter().flat_map(Unpacked::program_dirs).collect();
    let libraries = folders.iter().flat_map(Unpacked::library_dirs).collect();
    Ok(Tools { programs, libraries, suite: unpacked, busybox, caddy })
}

fn own_suite() -> Result<String, LabError> {
    let missing = || LabError::NoEngine { missing: ENGINE_PROGRAMS.join(", ") };
    if apt::is_available() { apt::own_suite().ok_or_else(missing) } else { Err(missing()) }
}

fn is_static(program: &Path) -> bool {
    // ldd refuses a static program by its exit status.
    Command::new("ldd").arg(program).output().is_ok_and(|answer| !answer.status.success())
}

/// The folder for what is unpacked: PVCHECK_LAB_CACHE, else pvcheck/lab in the user's cache.
pub(crate) fn cache_dir() -> Result<PathBuf, LabError> {
    chosen_cache_dir(|name| env::var_os(name)).ok_or_else(|| LabError::Io {
        action: "choose a cache folder: set PVCHECK_LAB_CACHE to an absolute path, not",
        path: PathBuf::from(env::var_os("PVCHECK_LAB_CACHE").unwrap_or_default()),
        source: std::io::Error::from(std::io::ErrorKind::InvalidInput),
    })
}

/// The first of the three that is set decides, even if it is not absolute: then there is no cache folder.
fn chosen_cache_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PVCHECK_LAB_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("pvcheck/lab")))
        .or_else(|| Some(set("HOME")?.join(".cache/pvcheck/lab")))
        .filter(|dir| dir.is_absolute())
}

/// The cache, held by this process alone until dropped: two labs that come up at once unpack nothing twice.
pub(crate) struct Cache<'a> {
    context: Context<'a>,
    dir: PathBuf,
    _lock: fs::File,
}

impl<'a> Cache<'a> {
    pub(crate) fn open(context: Context<'a>) -> Result<Self, LabError> {
        Self::open_in(context, cache_dir()?)
    }

    /// A part of the cache with a lock of its own: what takes minutes to make there keeps no other lab waiting.
    pub(crate) fn open_part(context: Context<'a>, part: &str) -> Result<Self, LabError> {
        Self::open_in(context, cache_dir()?.join(part))
    }

    fn open_in(context: Context<'a>, dir: PathBuf) -> Result<Self, LabError> {
        fs::create_dir_all(&dir).map_err(LabError::io("make", &dir))?;
        let path = dir.join("lock");
        let lock = fs::File::create(&path).map_err(LabError::io("open", &path))?;
        context.wait("another lab has filled the cache", Duration::from_mins(30), || {
            // The kernel drops the lock with the process, so a killed one leaves none behind. Non-blocking, so
            // that a wait can be cancelled.
            flock(&lock, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| Wait::NotYet(format!("{} is locked ({error})", path.display())))
        })?;
        let cache = Self { context, dir, _lock: lock };
        cache.sweep();
        Ok(cache)
    }

    /// Removes what a killed process left half done.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(".new-"))
        {
            // What is left is swept the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }

    /// An entry of the cache, made by `fill` in a folder that gets its name only when it is whole.
    pub(crate) fn entry(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), LabError>,
    ) -> Result<PathBuf, LabError> {
        let place = self.dir.join(name);
        if place.is_dir() {
            return Ok(place);
        }
        let fresh = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&self.dir)
            .map_err(LabError::io("make a folder in", &self.dir))?;
        let content = fresh.path().join("content");
        fs::create_dir(&content).map_err(LabError::io("make", &content))?;
        fill(&content)?;
        // Atomic: an entry exists as a whole or not at all.
        fs::rename(&content, &place).map_err(LabError::io("name", &place))?;
        Ok(place)
    }

    fn base(&self, own: &str) -> Result<Unpacked, LabError> {
        self.unpacked("base", own, own, BASE_PACKAGES, &[])
    }

    fn unpacked(
        &self,
        kind: &str,
        own: &str,
        suite: &str,
        (required, optional): (&[&str], &[&str]),
        others: &[Unpacked],
    ) -> Result<Unpacked, LabError> {
        let root = self.entry(&format!("{kind}-{suite}-{}", env::consts::ARCH), |root| {
            let place = self.dir.display();
            let list = required.join(", ");
            self.context
                .report(format!("unpacking {list} of {suite} into {place} (the system stays as it is)"));
            let scratch = tempfile::Builder::new()
                .prefix(".new-")
                .tempdir_in(&self.dir)
                .map_err(LabError::io("make a folder in", &self.dir))?;
            Apt::open(self.context, scratch.path(), own, suite)?.unpack(required, optional, root)?;
            link_iptables(root)?;
            let mut folders = vec![Unpacked { root: root.to_owned() }];
            folders.extend_from_slice(others);
            check_libraries(self.context, &folders)
        })?;
        Ok(Unpacked { root })
    }
}

/// A folder with unpacked packages.
#[derive(Clone, Debug)]
struct Unpacked {
    root: PathBuf,
}

impl Unpacked {
    fn program_dirs(&self) -> Vec<PathBuf> {
        ["links", "usr/sbin", "usr/bin", "sbin", "bin"]
            .iter()
            .map(|dir| self.root.join(dir))
            .filter(|dir| dir.is_dir())
            .collect()
    }

    /// Debian's folders for libraries are named after the machine's architecture (multiarch).
    fn library_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        for parent in ["usr/lib", "lib"].map(|dir| self.root.join(dir)) {
            let Ok(entries) = fs::read_dir(parent) else { continue };
            dirs.extend(entries.flatten().map(|entry| entry.path()).filter(|dir| {
                dir.is_dir()
                    && dir.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
            }));
        }
        dirs
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        self.program_dirs().into_iter().map(|dir| dir.join(name)).find(|file| file.is_file())
    }

    fn image_programs(&self) -> Result<(PathBuf, PathBuf), LabError> {
        let find = |name| {
            self.program(name).ok_or_else(|| LabError::Io {
                action: "find what an image is made of in",
                path: self.root.join("bin").join(name),
                source: std::io::Error::from(std::io::ErrorKind::NotFound),
            })
        };
        Ok((find("busybox")?, find("caddy")?))
    }
}

/// The legacy variants, whose kernel side is there wherever Docker runs; Debian makes these links at installation,
/// by its alternatives system.
fn link_iptables(root: &Path) -> Result<(), LabError> {
    let Some(multi) = ["usr/sbin", "sbin"]
        .map(|dir| root.join(dir).join("xtables-legacy-multi"))
        .into_iter()
        .find(|f| f.is_file())
    else {
        return Ok(());
    };
    let dir = root.join("links");
    fs::create_dir_all(&dir).map_err(LabError::io("make", &dir))?;
    let Ok(inside) = multi.strip_prefix(root) else { return Ok(()) };
    for name in
        ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"]
    {
        let link = dir.join(name);
        symlink(Path::new("..").join(inside), &link).map_err(LabError::io("make", &link))?;
    }
    Ok(())
}

fn check_libraries(context: Context<'_>, folders: &[Unpacked]) -> Result<(), LabError> {
    let dirs: Vec<PathBuf> = folders.iter().flat_map(Unpacked::library_dirs).collect();
    for program in LINKED.iter().filter_map(|name| folders.first()?.program(name)) {
        let listing = ldd(context, &program, &dirs)?;
        let libraries = missing_libraries(&listing);
        if !libraries.is_empty() {
            return Err(LabError::MissingLibraries { program, libraries });
        }
    }
    Ok(())
}

/// The sonames that ldd(1) did not find.
fn missing_libraries(listing: &str) -> Vec<String> {
    let missing = listing.lines().filter_map(|line| line.trim().strip_suffix("=> not found"));
    missing.map(|name| name.trim().to_owned()).collect()
}

/// What ldd(1) says about a program.
pub(crate) fn ldd(context: Context<'_>, program: &Path, libraries: &[PathBuf]) -> Result<String, LabError> {
    let mut command = Command::new("ldd");
    command.arg(program).env("LD_LIBRARY_PATH", join(libraries)).env("LC_ALL", "C");
    let (_, output, _) = run_any(context, &mut command, Duration::from_mins(1))?;
    Ok(output)
}

/// Folders as a value of PATH or LD_LIBRARY_PATH.
pub(crate) fn join(dirs: &[PathBuf]) -> OsString {
    // Folders with a colon in their name cannot be in such a list at all.
    env::join_paths(dirs).unwrap_or_default()
}

#[cfg(test)]
mod tests;
