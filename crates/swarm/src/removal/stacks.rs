//! Stacks by name: found, planned, removed.

use super::parts::{Parts, Stored, once, parts_of_stack, parts_of_stacks};
use super::remover::Remover;
use super::report::{FoundStacks, RemovalError, RemovalOptions, RemovalPlan, StackRemoval};
use crate::engine::{CallError, Engine};
use crate::operation::Operation;

/// Returns what [`remove_stacks`] would remove. It only reads.
///
/// # Errors
/// If a name is unknown, or a call fails.
pub async fn plan_removal(engine: &Engine, names: &[String]) -> Result<Vec<RemovalPlan>, RemovalError> {
    let parts = parts_of_stacks(engine, names).await?;
    Ok(parts.iter().map(Parts::plan).collect())
}

/// Removes stacks by name, concurrently. Only what carries the stack's label is removed, so never an external network.
///
/// In [`crate::Order::Drained`] a stack whose tasks do not stop in time keeps its networks; its report has them in `left`.
///
/// # Errors
/// If a name is unknown, or the snapshot fails; nothing is removed then. A later failure is in `left`.
pub async fn remove_stacks(
    op: Operation<'_>,
    names: &[String],
    options: &RemovalOptions,
) -> Result<Vec<StackRemoval>, RemovalError> {
    let parts = parts_of_stacks(op.engine, names).await?;
    Ok(Remover::new(op, options).remove_all(&parts).await)
}

/// Splits names into stacks that exist and stacks that do not, for callers to which an unknown name is not an error.
///
/// # Errors
/// If a call fails.
pub async fn find_stacks(engine: &Engine, names: &[String]) -> Result<FoundStacks, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let is_there = |name: &String| !parts_of_stack(&snapshot, &stored, name).is_empty();
    let (present, missing) = once(names).into_iter().partition(is_there);
    Ok(FoundStacks { present, missing })
}
