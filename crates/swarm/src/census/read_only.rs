//! A census for callers that may not change the Swarm.

use std::time::Instant;

use pvcheck_audit::counts_not_spoken;

use super::by_status;
use super::report::{Census, CensusError, CensusOptions};
use super::run::countable;
use crate::engine::Engine;
use crate::operation::Operation;
use crate::progress::Watcher;
use crate::run::RunId;
use crate::write::Permit;

/// Counts the leaked addresses of one overlay by [`CensusMethod::Status`](super::CensusMethod::Status). It sends GET only,
/// so it takes no [`Permit`].
///
/// # Errors
/// If the engine publishes no count (API below 1.52, or a leader below 29), no overlay has this name, it has no subnet or one of IPv6, or
/// a call fails.
pub async fn census_by_status(
    engine: &Engine,
    name: &str,
    options: &CensusOptions,
    watch: Watcher<'_>,
) -> Result<Census, CensusError> {
    let started = Instant::now();
    // Most engines are of before 29, and a snapshot would only be read to say so.
    if let Some(why) = counts_not_spoken(engine.api()) {
        return Err(CensusError::NoStatus(why.to_string()));
    }
    let first = engine.snapshot().await?;
    let network = first.named_overlay(name)?.clone();
    countable(&network)?;
    // `by_status` never asks the operation for its writer; the run labels nothing because nothing is created.
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    by_status::count(Operation::new(engine, permit, &run, watch), first, &network, options, started).await
}
