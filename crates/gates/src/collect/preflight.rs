//! What must be in order before a gate begins.

use pvcheck_audit::NetworkId;
use pvcheck_journal::{Journalctl, Role, Source, SourceError};
use pvcheck_routes::{Prober, RootsError};
use pvcheck_swarm::{CallError, CensusError, Engine};
use thiserror::Error;

use crate::config::Config;
use crate::gate::Gate;
use crate::role::engine_role;

/// The unit that writes the engine's log where nothing else is configured.
const DOCKER_UNIT: &str = "docker.service";

/// What a gate needs, checked before it begins.
pub struct Preflight {
    pub(super) prober: Prober,
    pub(super) source: Source,
    pub(super) overlay: NetworkId,
    /// The role of the engine whose log is read. Where the leadership moves later, the log itself says so.
    pub(super) role: Role,
}

/// Why a gate cannot begin. Nothing was touched.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The configured overlay does not exist, or has no subnet.
    #[error(transparent)]
    Overlay(CensusError),
    /// The trusted certificates cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The engine's log cannot be read.
    #[error(transparent)]
    Journal(#[from] SourceError),
    /// The gate deploys something that is not configured.
    #[error(
        "the configuration has no [{table}], which gate {} needs; add it (see examples/cc-ci.toml)",
        Gate::M2
    )]
    NotConfigured {
        /// The table that is missing.
        table: &'static str,
    },
    /// The engine failed a call.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Checks that a gate can run: the overlay exists and is allocated, the trusted certificates can be read. It only reads.
///
/// # Errors
/// If the engine fails a call, the overlay is not there or not allocated, or the trusted certificates cannot be read.
pub async fn preflight(engine: &Engine, config: &Config) -> Result<Preflight, PreflightError> {
    let snapshot = engine.snapshot().await?;
    let name = &config.overlay.name;
    let overlay = snapshot.named_overlay(name).map_err(|e| PreflightError::Overlay(e.into()))?;
    if !overlay.is_allocated() {
        return Err(PreflightError::Overlay(CensusError::NotAllocated(name.clone())));
    }
    let prober = Prober::new(&config.roots())?;
    let role = engine_role(&snapshot);
    Ok(Preflight { prober, source: journal_source(config), overlay: overlay.id.clone(), role })
}

fn journal_source(config: &Config) -> Source {
    match config.log_file() {
        Some(file) => Source::File(file),
        None => Source::Journalctl(Journalctl::unit(config.journal.unit.as_deref().unwrap_or(DOCKER_UNIT))),
    }
}
