//! What must be in order before a gate begins.

use std::path::PathBuf;

use pvcheck_audit::{EngineKind, Network, NetworkId, NodeId, Snapshot};
use pvcheck_journal::{Catalogue, Role, Since, SourceError};
use pvcheck_routes::{MaterialError, Prober};
use pvcheck_swarm::{CallError, CensusError, Engine, countable};
use thiserror::Error;

use crate::cause::Unseen;
use crate::config::{Config, EntriesError, OverlayConfig};
use crate::gate::Gate;
use crate::role::{ChosenLog, choose_log, log_role};

/// What a gate needs, checked before it begins.
pub struct Preflight {
    pub(super) prober: Prober,
    /// The log that is read, or why there is none.
    pub(super) log: Result<ChosenLog, Unseen>,
    /// The overlay on which canary and churn deploy: the first of the configuration.
    pub(super) overlay: NetworkId,
    /// True iff that is the routing mesh's network.
    pub(super) is_ingress: bool,
    /// The signatures by which it is judged.
    pub(super) catalogue: &'static Catalogue,
    /// From when on the log is judged.
    pub(super) begins: Since,
    /// The role of the engine whose log is read. Where the leadership moves later, the log itself says so.
    pub(super) role: Role,
    /// The Swarm's id.
    pub(super) swarm: String,
    /// Whether the engine is real.
    pub(super) engine: EngineKind,
    /// The host name of its node, if it is in the list of nodes.
    pub(super) node: Option<String>,
    /// The file that a renewal left, which says after what an offered run must have started.
    pub(super) record: Option<PathBuf>,
}

impl Preflight {
    /// The same, with the file that a renewal of the overlay left.
    #[must_use]
    pub fn with_record(self, record: PathBuf) -> Self {
        Self { record: Some(record), ..self }
    }
}

/// Why a gate cannot begin. Nothing was touched.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The configured overlay does not exist, or has no subnet.
    #[error(transparent)]
    Overlay(CensusError),
    /// The trusted certificates cannot be read, or what a route's request needs.
    #[error(transparent)]
    Routes(#[from] MaterialError),
    /// The team's own signatures are not taken.
    #[error(transparent)]
    Entries(#[from] EntriesError),
    /// The engine's log cannot be read.
    #[error(transparent)]
    Journal(#[from] SourceError),
    /// The gate deploys, and which log will say what came of it is not known.
    #[error("{0}")]
    NoLog(Unseen),
    /// The configuration has no overlay.
    #[error(
        "the configuration has no [overlay], which every gate is about; add it (see examples/cc-ci.toml), or ask the routes alone with pvcheck routes"
    )]
    NoOverlay,
    /// Canary and churn would have to be deployed on the routing mesh's network, which takes no service by name.
    #[error(
        "gate {} deploys on the first overlay of the configuration, and `{overlay}` is the ingress network, which takes no service by name; put the [[overlay]] of another one first",
        Gate::M2
    )]
    DeploysOnIngress {
        /// Its name.
        overlay: String,
    },
    /// The gate deploys something that is not configured.
    #[error(
        "the configuration has no [{table}], which gate {} needs; add it (see examples/cc-ci.toml)",
        Gate::M2
    )]
    NotConfigured {
        /// The table that is missing.
        table: &'static str,
    },
    /// A harness is to have a variable that this process has not.
    #[error(
        "[[harness]] `{harness}` is to have {name}, which is not set; export it, or take it out of `env`"
    )]
    HarnessEnv {
        /// The harness.
        harness: String,
        /// The variable.
        name: String,
    },
    /// The engine failed a call.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Checks that a gate can run: every overlay of the configuration exists and is allocated, the trusted certificates can be read. It only reads.
///
/// # Errors
/// If the configuration has no overlay, the engine fails a call, an overlay is not there, not allocated or has an IPv6 subnet, or the trusted certificates, the routes' credentials or the team's own signatures cannot be read.
pub async fn preflight(engine: &Engine, config: &Config) -> Result<Preflight, PreflightError> {
    preflight_of(engine.snapshot().await, config)
}

/// As [`preflight`], by a snapshot that was just read, or by why there is none.
///
/// # Errors
/// If [`preflight`] would fail.
pub fn preflight_of(
    snapshot: Result<Snapshot, CallError>,
    config: &Config,
) -> Result<Preflight, PreflightError> {
    // First, because no engine can mend it.
    let first = config.overlay().ok_or(PreflightError::NoOverlay)?;
    let snapshot = snapshot?;
    for OverlayConfig { name, .. } in &config.overlays {
        // With an IPv6 subnet no check of the overlay could ever be more than UNKNOWN, so that is said at once.
        countable(named(&snapshot, name)?).map_err(PreflightError::Overlay)?;
    }
    let overlay = named(&snapshot, &first.name)?;
    // Read once here: a certificate file that cannot be read is wrong usage, and not a route that is down.
    let prober = config.prober()?;
    let catalogue = config.catalogue()?;
    let log = choose_log(config, &snapshot);
    let role = log.as_ref().map_or(Role::Unknown, |log| log_role(&snapshot, log.node.as_ref()));
    Ok(Preflight {
        prober,
        log,
        catalogue,
        begins: config.journal.begins(),
        overlay: overlay.id.clone(),
        is_ingress: overlay.ingress,
        role,
        swarm: snapshot.engine.cluster.clone(),
        engine: snapshot.engine.kind,
        node: own_node(&snapshot),
        record: None,
    })
}

fn own_node(snapshot: &Snapshot) -> Option<String> {
    let own = snapshot.nodes.iter().find(|node| node.id == snapshot.engine.node);
    own.map(|node| node.hostname.clone()).filter(|name| !name.is_empty())
}

impl Preflight {
    /// The node whose log is read, where that is configured.
    pub(super) fn log_node(&self) -> Option<NodeId> {
        self.log.as_ref().ok().and_then(|log| log.node.clone())
    }
}

fn named<'a>(snapshot: &'a Snapshot, overlay: &str) -> Result<&'a Network, PreflightError> {
    snapshot.named_overlay(overlay).map_err(|e| PreflightError::Overlay(e.into()))
}
