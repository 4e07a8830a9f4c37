//! Removing everything that carries the label of a run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::left::Left;
use super::order::Order;
use super::parts::{Stored, leftovers, parts_of_run};
use super::remover::Remover;
use super::report::{RemovalOptions, StackRemoval};
use crate::engine::{CallError, Engine, wait_until};
use crate::labels::RUN_LABEL;
use crate::operation::Operation;
use crate::run::RunId;

/// Removes everything that carries the label of `op.run`, and waits until no list shows it any more; `patience` bounds all
/// of it. Parts that are still there are in `left`.
///
/// # Errors
/// If a list cannot be read.
pub async fn sweep_run(op: Operation<'_>, patience: Duration) -> Result<StackRemoval, CallError> {
    let since = Instant::now();
    // A create call whose caller was dropped may still be under way; listed before it ends, its object would be missed.
    op.engine.connection().settled().await;
    let parts = leftovers(op.engine, op.run).await?;
    let options = RemovalOptions { order: Order::Drained, patience };
    let mut swept = Remover::new(op, &options).remove(&parts).await;
    let mut listed = Vec::new();
    // The node's own copy of a removed network stays in the list for a moment.
    wait_until!(patience.saturating_sub(since.elapsed()), async {
        let left = match leftovers(op.engine, op.run).await {
            Ok(left) => left,
            Err(error) => return Some(Err(error)),
        };
        listed = left.listed();
        left.is_empty().then_some(Ok(()))
    })
    .transpose()?;
    swept.left.extend(listed);
    Ok(swept)
}

/// The runs of which anything is left in the Swarm, each with its parts. A run whose only trace is a held, resumable lock is
/// at work and not among them.
///
/// # Errors
/// If a call fails.
pub async fn leftover_runs(engine: &Engine) -> Result<Vec<(RunId, Vec<Left>)>, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let mut runs: BTreeSet<String> = snapshot.services.iter().filter_map(|s| s.run.clone()).collect();
    runs.extend(snapshot.networks.iter().filter_map(|n| n.run.clone()));
    let stored_labels = stored.secrets.iter().chain(&stored.configs).filter_map(|s| s.spec.labels.as_ref());
    runs.extend(stored_labels.filter_map(|l| l.get(RUN_LABEL).cloned()));
    let named = |run: String| {
        let run = RunId::from_label(run);
        let listed = parts_of_run(&snapshot, &stored, &run).listed();
        (run, listed)
    };
    // `parts_of_run` leaves held locks out, so a run that is at work has no parts.
    Ok(runs.into_iter().map(named).filter(|(_, listed)| !listed.is_empty()).collect())
}
