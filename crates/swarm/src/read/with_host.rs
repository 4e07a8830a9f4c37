//! A snapshot, and the facts of this host.

use pvcheck_audit::{AllocatorCounts, EngineKind, SavedSnapshot};

use super::host::read_host;
use crate::engine::{CallError, Engine};

/// Reads the Swarm, and this process's network namespace, which is taken for the engine's: see
/// [`pvcheck_audit::HostFacts`]. A model has none. If the host cannot be read, `host` is `None` and `host_unknown` has the reason. The
/// allocator's counts are not read, since each costs a call: see [`crate::read_counts`].
///
/// # Errors
/// If a call to the engine fails.
pub async fn read_with_host(engine: &Engine) -> Result<SavedSnapshot, CallError> {
    let snapshot = engine.snapshot().await?;
    let (host, host_unknown) = match snapshot.engine.kind {
        EngineKind::Embedded => (None, Some("the embedded engine has no host".to_owned())),
        EngineKind::Real => match read_host().await {
            Ok(host) => (Some(host), None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    Ok(SavedSnapshot { snapshot, host, host_unknown, counts: AllocatorCounts::default() })
}
