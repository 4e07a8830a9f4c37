//! Failures of a private engine, and of programs of this host.

use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::engine::ConnectError;

/// A program of this host, or the private engine, failed.
#[derive(Debug, Error)]
pub enum HelperError {
    /// A program cannot be run.
    #[error("{program} cannot be run: {source}")]
    NotRun {
        /// Its name.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A program did not end within its limit, and was killed.
    #[error("{program} took more than {} s", limit.as_secs())]
    TooLong {
        /// Its name.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// A program failed.
    #[error("{program} ended with {status}: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// The first 300 characters of its standard error.
        said: String,
    },
    /// There is no dockerd, running or on PATH.
    #[error("there is no dockerd on PATH, and none runs in this network namespace")]
    NoDockerd,
    /// Every candidate for the link's network is in use.
    #[error("every candidate for the link's network (198.18.0.0/15) is in use on this host")]
    NoLinkNetwork,
    /// The manager's raft folder cannot be read.
    #[error("the manager's raft folder cannot be read from here, so it cannot be copied")]
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
    /// The private engine ended before it was frozen.
    #[error("the private engine has ended")]
    Ended,
    /// A process of the private engine was killed and does not end.
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
        /// The engine's error, or the state that it stayed in.
        why: String,
        /// Its address.
        address: Ipv4Addr,
        /// The manager's `ADDRESS:PORT`.
        manager: String,
        /// The name of the link on this host.
        link: String,
    },
}
