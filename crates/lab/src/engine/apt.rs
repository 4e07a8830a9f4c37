//! Debian's packages, unpacked into the lab's cache. Apt runs with state, cache and sources of its own, so that
//! the system stays as it was; mirrors, keys and proxies are the machine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::LabError;
use crate::engine::process::{on_path, run, run_any};
use crate::engine::sources;
use crate::progress::Context;

/// Time for one step of apt: an index or a download of some 70 MB over a slow line.
const LIMIT: Duration = Duration::from_mins(15);

/// The machine's own suite (os-release(5)), for example `bookworm`.
pub(crate) fn own_suite() -> Option<String> {
    own_suite_in(&fs::read_to_string("/etc/os-release").ok()?)
}

fn own_suite_in(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// True iff apt and dpkg are on PATH.
pub(crate) fn is_available() -> bool {
    ["apt-get", "apt-cache", "dpkg-deb"].iter().all(|program| on_path(program).is_some())
}

/// Apt with a root of its own, looking at one suite.
pub(crate) struct Apt<'a> {
    context: Context<'a>,
    root: PathBuf,
    suite: String,
    /// What apt complained about while it fetched the index. Apt exits with 0 even if no server answers.
    complaints: String,
}

impl<'a> Apt<'a> {
    /// Fetches the index of `suite` into `root`.
    pub(crate) fn open(context: Context<'a>, root: &Path, own: &str, suite: &str) -> Result<Self, LabError> {
        let mut apt =
            Self { context, root: root.to_owned(), suite: suite.to_owned(), complaints: String::new() };
        for dir in ["lists/partial", "cache/archives/partial", "sources", "debs"] {
            let dir = root.join(dir);
            fs::create_dir_all(&dir).map_err(LabError::io("make", &dir))?;
        }
        // A status file of its own, so that apt neither reads nor writes the machine's.
        apt.write("status", "")?;
        let machine = sources::of_machine();
        let files = if suite == own {
            sources::for_own(&machine, own)
        } else {
            sources::for_suite(&machine, own, suite)
        };
        if files.is_empty() {
            return Err(apt.not_offered());
        }
        for (index, file) in files.iter().enumerate() {
            apt.write(&format!("sources/s{index}.{}", file.ending), &file.text)?;
        }
        apt.complaints = apt.update()?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), LabError> {
        let file = self.root.join(name);
        fs::write(&file, text).map_err(LabError::io("write", &file))
    }

    /// Returns what apt wrote to stderr.
    fn update(&self) -> Result<String, LabError> {
        let mut update = self.command("apt-get");
        update.args(["-q", "update"]);
        let (status, _, errors) = run_any(self.context, &mut update, LIMIT)?;
        if status.success() {
            Ok(errors)
        } else if errors.contains("does not have a Release file") {
            Err(self.not_offered())
        } else {
            Err(self.no_index(&errors, &status.to_string()))
        }
    }

    fn no_index(&self, errors: &str, status: &str) -> LabError {
        // The first complaint is the cause; those after it are its consequences.
        let complaint = errors.lines().next().unwrap_or("no reason given");
        LabError::NoPackages { suite: self.suite.clone(), reason: format!("{status}: {complaint}") }
    }

    fn not_offered(&self) -> LabError {
        LabError::SuiteNotOffered { suite: self.suite.clone() }
    }

    /// Of `packages`, those that the suite has.
    fn offered(&self, packages: &[&str]) -> Result<Vec<String>, LabError> {
        let mut policy = self.command("apt-cache");
        policy.arg("policy").args(packages);
        Ok(candidates(&run(self.context, &mut policy, LIMIT)?))
    }

    /// Unpacks packages into `target`: all of `required`, and of `optional` those that the suite has.
    pub(crate) fn unpack(&self, required: &[&str], optional: &[&str], target: &Path) -> Result<(), LabError> {
        let asked: Vec<&str> = required.iter().chain(optional).copied().collect();
        let offered = self.offered(&asked)?;
        if !required.iter().all(|package| offered.iter().any(|have| have == package)) {
            let unreachable = self.complaints.contains("Failed to fetch");
            return Err(if unreachable {
                self.no_index(&self.complaints, "no index")
            } else {
                self.not_offered()
            });
        }
        let debs = self.root.join("debs");
        // `download` rather than `install`: dependencies of the engine, such as systemd, are not wanted.
        let mut download = self.command("apt-get");
        run(self.context, download.current_dir(&debs).args(["-q", "download"]).args(&offered), LIMIT)?;
        for entry in fs::read_dir(&debs).map_err(LabError::io("list", &debs))?.flatten() {
            let mut extract = Command::new("dpkg-deb");
            run(self.context, extract.arg("-x").arg(entry.path()).arg(target), LIMIT)?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let set = |key: &str, name: &str| format!("{key}={}", self.root.join(name).display());
        for option in [
            set("Dir::State::lists", "lists"),
            set("Dir::State::status", "status"),
            set("Dir::Cache", "cache"),
            set("Dir::Etc::sourceparts", "sources"),
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // Only the package index: the rest of what a desktop's apt fetches is not needed.
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::CNF::DefaultEnabled=false".to_owned(),
            // The folder is root's; apt's own user could not write into it.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command.env("LC_ALL", "C");
        command
    }
}

/// The packages with a candidate in the output of `apt-cache policy`.
fn candidates(policy: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut package = None;
    for line in policy.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = Some(name);
        } else if let (Some(name), Some(version)) = (package, line.trim().strip_prefix("Candidate: ")) {
            if version != "(none)" {
                found.push(name.to_owned());
            }
            package = None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_suite_from_os_release() {
        assert_eq!(own_suite_in("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(), Some("bookworm"));
        assert_eq!(own_suite_in("VERSION_CODENAME=\"noble\"").as_deref(), Some("noble"));
        assert_eq!(own_suite_in("ID=debian"), None);
    }

    #[test]
    fn candidates_of_a_policy() {
        let policy = "docker.io:\n  Installed: (none)\n  Candidate: 20.10\n  Version table:\n     20.10 500\n        \
                      500 http://mirror.test bookworm/main amd64 Packages\ngone:\n  Installed: (none)\n  \
                      Candidate: (none)\n  Version table:\n";
        assert_eq!(candidates(policy), ["docker.io"]);
    }

    #[test]
    fn a_policy_without_a_candidate_offers_nothing() {
        assert!(candidates("").is_empty());
        assert!(candidates("N: Unable to locate package x\n").is_empty());
        let two = "a:\n  Candidate: 1\nb:\n  Candidate: 2\n";
        assert_eq!(candidates(two), ["a", "b"]);
        // A version table repeats indented words that end with a colon.
        let table = "a:\n  Installed: (none)\n  Version table:\n     1 500\n";
        assert!(candidates(table).is_empty());
    }

    #[test]
    fn an_empty_codename_is_none() {
        assert_eq!(own_suite_in("VERSION_CODENAME=\n"), None);
        assert_eq!(own_suite_in("VERSION_CODENAME=\"\"\n"), None);
        assert_eq!(own_suite_in("X_VERSION_CODENAME=a\nVERSION_CODENAME=b"), Some("b".to_owned()));
    }

    #[test]
    fn every_program_of_apt_is_kept_away_from_the_systems_state() {
        let cancel = crate::Cancel::default();
        let apt = Apt {
            context: Context::new(&|_| {}, &cancel),
            root: "/cache/x".into(),
            suite: "sid".into(),
            complaints: String::new(),
        };
        let command = apt.command("apt-get");
        let args: Vec<&str> = command.get_args().filter_map(|arg| arg.to_str()).collect();
        for dir in ["Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourceparts"] {
            let set = args.iter().find(|arg| arg.starts_with(dir)).expect("set");
            assert!(set.contains("=/cache/x/"), "{set}");
        }
        assert!(args.contains(&"Dir::Etc::sourcelist=/dev/null"));
        assert_eq!(
            apt.not_offered().to_string(),
            "not tested: suite sid is not offered by this machine's package sources"
        );
        let error = apt.no_index("E: first\nE: second", "exit status: 100").to_string();
        assert!(error.contains("E: first") && !error.contains("second"), "{error}");
    }
}
