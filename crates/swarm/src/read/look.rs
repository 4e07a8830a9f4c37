//! A snapshot together with the facts of this host.

use pvcheck_audit::{AllocatorCounts, SavedSnapshot};

use super::host::read_host;
use crate::engine::{CallError, Engine};

/// Reads the Swarm, and this process's network namespace, which is taken for the engine's: see
/// [`pvcheck_audit::HostFacts`]. A host that cannot be read is `None` with its reason. The allocator's counts are not
/// asked for: see [`crate::read_counts`].
///
/// # Errors
/// If a call to the engine fails.
pub async fn read_with_host(engine: &Engine) -> Result<SavedSnapshot, CallError> {
    let snapshot = engine.snapshot().await?;
    let (host, host_unknown) = match read_host().await {
        Ok(host) => (Some(host), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(SavedSnapshot { snapshot, host, host_unknown, counts: AllocatorCounts::default() })
}
