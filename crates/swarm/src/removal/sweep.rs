//! Removing everything that carries the label of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::left::{Left, LeftReason, PartKind};
use super::order::Order;
use super::parts::{Parts, Stored, leftovers, parts_of_run};
use super::remover::Remover;
use super::report::{RemovalOptions, StackRemoval};
use crate::engine::{CallError, Engine, wait_until};
use crate::labels::RUN_LABEL;
use crate::operation::Operation;
use crate::run::RunId;

/// Removes everything that carries the label of `op.run`, and waits until no list shows it any more; `patience` bounds all
/// of it. Parts that are still there are in `left`.
///
/// If the engine stops answering, what is left is named from what was created through this connection.
///
/// # Errors
/// If a snapshot cannot be read, and nothing was created through this connection that is not known to be gone.
pub async fn sweep_run(op: Operation<'_>, patience: Duration) -> Result<StackRemoval, CallError> {
    let since = Instant::now();
    // A create call whose caller was dropped may still be under way; listed before it ends, its object would be missed.
    op.engine.connection().settled().await;
    let parts = match leftovers(op.engine, op.run).await {
        Ok(parts) => parts,
        Err(error) => return from_ledger(op, Parts::of_run().begun(), error),
    };
    let options = RemovalOptions { order: Order::Drained, patience };
    let remover = Remover::new(op, &options);
    let mut swept = remover.remove(&parts).await;
    // A list may have lacked something.
    if let Ok(now) = leftovers(op.engine, op.run).await {
        let unseen = now.beyond(&parts);
        if !unseen.is_empty() {
            swept.add(remover.remove(&unseen).await);
        }
    }
    let mut listed = Vec::new();
    // A node's own copy of a removed network stays in its list for a moment.
    let looked = wait_until!(patience.saturating_sub(since.elapsed()), async {
        let left = match leftovers(op.engine, op.run).await {
            Ok(left) => left,
            Err(error) => return Some(Err(error)),
        };
        listed = left.listed();
        left.is_empty().then_some(Ok(()))
    });
    match looked.transpose() {
        Err(error) => return from_ledger(op, swept, error),
        Ok(Some(())) => {
            op.engine.connection().ledger().all_gone(op.run.as_str());
            // A removal that seemed to have failed had its effect after all.
            swept.left.retain(|left| left.kind == PartKind::Tasks);
        }
        Ok(None) => {
            let is_listed = |left: &Left| listed.iter().any(|l| l.kind == left.kind && l.name == left.name);
            swept.left.retain(|left| left.kind == PartKind::Tasks || is_listed(left));
            listed.retain(|l| !swept.left.iter().any(|left| l.kind == left.kind && l.name == left.name));
        }
    }
    swept.left.extend(listed);
    Ok(swept)
}

/// What is left of a run that cannot be looked up: what was created and is not known to be gone.
fn from_ledger(
    op: Operation<'_>,
    mut swept: StackRemoval,
    error: CallError,
) -> Result<StackRemoval, CallError> {
    let created = op.engine.connection().ledger().of_run(op.run.as_str());
    let created = created.into_iter().map(|made| Left {
        kind: made.kind.into(),
        name: made.name,
        why: LeftReason::Created,
    });
    let unsaid: Vec<Left> = created
        .filter(|made| !swept.left.iter().any(|left| left.kind == made.kind && left.name == made.name))
        .collect();
    swept.left.extend(unsaid);
    if swept.left.is_empty() { Err(error) } else { Ok(swept) }
}

/// The runs of which anything is left in the Swarm, each with its parts, as two looks in a row show them: that nothing is
/// left must not rest on one list. A run whose only trace is a held, resumable lock is at work and not among them.
///
/// # Errors
/// If a call fails.
pub async fn leftover_runs(engine: &Engine) -> Result<Vec<(RunId, Vec<Left>)>, CallError> {
    let mut all = BTreeMap::<String, Vec<Left>>::new();
    for _ in 0..2 {
        for (run, listed) in listed_runs(engine).await? {
            let known = all.entry(run).or_default();
            let fresh =
                listed.into_iter().filter(|l| !known.iter().any(|k| k.kind == l.kind && k.name == l.name));
            let fresh: Vec<Left> = fresh.collect();
            known.extend(fresh);
        }
    }
    Ok(all.into_iter().map(|(run, listed)| (RunId::from_label(run), listed)).collect())
}

async fn listed_runs(engine: &Engine) -> Result<Vec<(String, Vec<Left>)>, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let mut runs: BTreeSet<String> = snapshot.services.iter().filter_map(|s| s.run.clone()).collect();
    runs.extend(snapshot.networks.iter().filter_map(|n| n.run.clone()));
    let stored_labels = stored.secrets.iter().chain(&stored.configs).filter_map(|s| s.spec.labels.as_ref());
    runs.extend(stored_labels.filter_map(|l| l.get(RUN_LABEL).cloned()));
    let named = |run: String| {
        let listed = parts_of_run(&snapshot, &stored, &RunId::from_label(run.as_str())).listed();
        (run, listed)
    };
    // `parts_of_run` leaves held locks out, so a run that is at work has no parts.
    Ok(runs.into_iter().map(named).filter(|(_, listed)| !listed.is_empty()).collect())
}
