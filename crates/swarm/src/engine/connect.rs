//! Connecting to a manager, and the reasons why that fails.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use pvcheck_audit::EngineKind;
use thiserror::Error;

use super::connection::Connection;
use super::error::{CallError, CallErrorKind};
use super::host::Host;
use super::whole::Missing;
use super::wire;

/// The newest API version that this crate speaks. With an older engine it speaks that engine's newest.
const NEWEST_API: (u32, u32) = (1, 52);
/// The oldest API version that this crate speaks: Docker 18.09, the first with lazy load-balancer endpoints.
const OLDEST_API: (u32, u32) = (1, 39);

/// The deadline of every call, where none is given.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The one path without a version. It answers `OK`, with the newest API version in a header (since Docker 1.12).
const PING: &str = "/_ping";
/// More than any pong.
const PONG_BYTES: usize = 1 << 10;

/// A connection to an engine. From [`Engine::connect`] it is a manager of an active Swarm; from [`Engine::reach`] it may be
/// a worker, or in no Swarm.
#[derive(Clone, Debug)]
pub struct Engine {
    connection: Connection,
    api: String,
    /// The newest version that the engine speaks.
    offered: String,
    kind: EngineKind,
}

/// Why no manager was reached. Each text says what to do next.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// There is no socket at this path, or no process listens on it.
    #[error("no engine at unix://{}: {reason}; start Docker there or name its socket with --host unix:///PATH", path.display())]
    NoSocket {
        /// The path that was tried.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The socket exists, but this user may not open it.
    #[error("may not open unix://{}: permission denied; run as root or as a member of the socket's group", path.display())]
    Denied {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The engine's newest API version is too old.
    #[error("the engine at {host} speaks API {api}, older than 1.39; Docker 18.09 or newer is needed")]
    TooOld {
        /// The engine's address.
        host: String,
        /// Its newest API version.
        api: String,
    },
    /// The engine is in no Swarm.
    #[error(
        "the engine at {host} is in no active Swarm (state: {state}); run `docker swarm init` or name a manager with --host"
    )]
    Inactive {
        /// The engine's address.
        host: String,
        /// `inactive`, `pending`, `locked` or `error`, as the engine says.
        state: String,
    },
    /// The engine is a worker: it cannot list the Swarm's objects.
    #[error("the engine at {host} is a worker; name a manager with --host{}", known(managers))]
    Worker {
        /// The engine's address.
        host: String,
        /// `ADDRESS:PORT` of the managers that it knows; may be empty.
        managers: Vec<String>,
    },
    /// Any other failed call.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn known(managers: &[String]) -> String {
    if managers.is_empty() { String::new() } else { format!(" (it knows {})", managers.join(", ")) }
}

impl Engine {
    /// Connects to a manager, with a deadline of 30 s for every call.
    ///
    /// # Errors
    /// If no engine answers there, or it is not a manager of an active Swarm.
    pub async fn connect(host: &Host) -> Result<Self, ConnectError> {
        Self::connect_within(host, PATIENCE).await
    }

    /// Connects to a manager; `deadline` is that of every single call, its body included.
    ///
    /// # Errors
    /// If [`Engine::connect`] would fail.
    pub async fn connect_within(host: &Host, deadline: Duration) -> Result<Self, ConnectError> {
        let engine = Self::reach(host, deadline).await?;
        let info: wire::Info = engine.connection.get("/info").await?;
        engine.in_charge(&info)
    }

    /// The same, known to be a manager of an active Swarm by what it says of itself.
    pub(crate) fn in_charge(self, info: &wire::Info) -> Result<Self, ConnectError> {
        in_charge(self.connection.host(), info)?;
        Ok(Self { kind: EngineKind::of_operating_system(&info.operating_system), ..self })
    }

    /// Connects to any engine, be it a manager, a worker or in no Swarm. `deadline` is that of every single call.
    ///
    /// For [`crate::resume_reclaim`], which may find a manager demoted. Every other operation needs a manager, and so
    /// [`Engine::connect`].
    ///
    /// # Errors
    /// If no engine answers there, or it is older than 18.09.
    pub async fn reach(host: &Host, deadline: Duration) -> Result<Self, ConnectError> {
        let plain = Connection::new(host.clone(), deadline);
        let pong = plain.call(Method::GET, PING, None, PONG_BYTES).await.map_err(|e| explain(host, e))?;
        let offered = pong.headers.get("api-version").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_pong = pong.body.trim_ascii() == b"OK";
        let missing =
            |field| plain.error(&Method::GET, PING, CallErrorKind::Incomplete(Missing::Field(field)));
        let version = version(offered).filter(|_| is_pong);
        let version = version.ok_or_else(|| missing(if is_pong { "Api-Version" } else { "OK" }))?;
        let api = negotiate(version)
            .ok_or_else(|| ConnectError::TooOld { host: host.to_string(), api: offered.to_owned() })?;
        Ok(Self {
            connection: plain.with_api(api.clone()),
            api,
            offered: offered.to_owned(),
            kind: EngineKind::Real,
        })
    }

    /// The API version that was negotiated, such as `1.41`.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The newest API version that the engine speaks, such as `1.55`.
    pub fn offered_api(&self) -> &str {
        &self.offered
    }

    /// Whether it is a real engine, as far as it was asked: [`Engine::connect`] asks, [`Engine::reach`] takes it for one.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The same engine with another deadline per call.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Self {
        Self { connection: self.connection.with_deadline(deadline), ..self.clone() }
    }

    /// The connection, for reads that this crate does not offer.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A version as the engine writes it, such as `1.41`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The version to speak with an engine whose newest is `offered`; `None` if that is too old.
fn negotiate(offered: (u32, u32)) -> Option<String> {
    let (major, minor) = offered.min(NEWEST_API);
    (OLDEST_API <= (major, minor)).then(|| format!("{major}.{minor}"))
}

fn in_charge(host: &Host, info: &wire::Info) -> Result<(), ConnectError> {
    let swarm = &info.swarm;
    if swarm.local_node_state != "active" {
        let state =
            if swarm.local_node_state.is_empty() { "unknown".into() } else { swarm.local_node_state.clone() };
        return Err(ConnectError::Inactive { host: host.to_string(), state });
    }
    if swarm.control_available {
        return Ok(());
    }
    let managers = swarm.remote_managers.iter().flatten().map(|m| m.addr.clone()).collect();
    Err(ConnectError::Worker { host: host.to_string(), managers })
}

// The ping is the first call, so what fails here is the socket or its permissions, and only then the engine.
fn explain(host: &Host, error: CallError) -> ConnectError {
    let path = host.socket().to_owned();
    match &error.kind {
        CallErrorKind::Connect(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            ConnectError::Denied { path }
        }
        CallErrorKind::Connect(e) if e.kind() == io::ErrorKind::NotFound => {
            ConnectError::NoSocket { path, reason: "there is no such socket".into() }
        }
        CallErrorKind::Connect(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            ConnectError::NoSocket { path, reason: "no process listens on the socket".into() }
        }
        CallErrorKind::Connect(e) => ConnectError::NoSocket { path, reason: e.to_string() },
        _ => ConnectError::Call(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_both_versions_is_negotiated() {
        let spoken = |text| version(text).and_then(negotiate);
        assert_eq!(spoken("1.41").as_deref(), Some("1.41"));
        assert_eq!(spoken("1.99").as_deref(), Some("1.52"));
        assert_eq!(spoken("2.0").as_deref(), Some("1.52"));
        assert_eq!((version("1.24").is_some(), spoken("1.24")), (true, None), "a version, and too old");
        for none in ["", "x", "1.", "1.41.2"] {
            assert_eq!(version(none), None, "{none}");
        }
    }
}
