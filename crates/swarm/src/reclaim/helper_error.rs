//! What can go wrong with a private engine and with programs of this host.

use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::engine::ConnectError;

/// A program, or the private engine, did not do what it should.
#[derive(Debug, Error)]
pub enum HelperError {
    /// A program cannot be run.
    #[error("{program} cannot be run: {source}")]
    NotRun {
        /// Its name.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program did not end in time.
    #[error("{program} took more than {} s", limit.as_secs())]
    TooLong {
        /// Its name.
        program: String,
        /// How long it was given.
        limit: Duration,
    },
    /// A program failed.
    #[error("{program} ended with {status}: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// The beginning of its standard error.
        said: String,
    },
    /// There is no dockerd.
    #[error("there is no dockerd")]
    NoDockerd,
    /// No network is free for the link.
    #[error("no network is free for the link")]
    NoLinkNetwork,
    /// There is no raft folder to copy.
    #[error("there is no raft folder to copy")]
    NoRaftFolder,
    /// The private engine's folder is gone, so it cannot be started again.
    #[error("its folder is gone")]
    FolderGone,
    /// The private engine does not answer.
    #[error("the private engine does not answer: {source}; its log ends with: {log}")]
    Silent {
        /// Why it was not reached.
        source: Box<ConnectError>,
        /// Its last lines.
        log: String,
    },
    /// The private engine has ended by itself.
    #[error("the private engine has ended")]
    Ended,
    /// A process of the private engine survives its being killed.
    #[error("process {pid} does not end")]
    DoesNotEnd {
        /// The process.
        pid: u32,
    },
    /// The private engine could not join.
    #[error(
        "the private engine could not join ({why}); a firewall of this host may keep {address} from {manager}: allow link {link} for the time"
    )]
    NotJoined {
        /// What the engine said, or the state that it stayed in.
        why: String,
        /// Its address.
        address: Ipv4Addr,
        /// The manager's `ADDRESS:PORT`.
        manager: String,
        /// The link's name on this host.
        link: String,
    },
}
