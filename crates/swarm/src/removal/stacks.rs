//! Stacks by name: found, planned, removed.

use super::parts::{Parts, Stored, once, parts_of_stack, parts_of_stacks};
use super::remover::Remover;
use super::report::{FoundStacks, RemovalError, RemovalOptions, RemovalPlan, StackRemoval};
use crate::engine::{CallError, Engine};
use crate::operation::Operation;

/// Says what [`remove_stacks`] would remove, and touches nothing.
///
/// # Errors
/// When a name is unknown, or when the look fails.
pub async fn plan_removal(engine: &Engine, names: &[String]) -> Result<Vec<RemovalPlan>, RemovalError> {
    let parts = parts_of_stacks(engine, names).await?;
    Ok(parts.iter().map(Parts::plan).collect())
}

/// Removes stacks by name, side by side. External networks are never touched: only what carries the stack's label is.
///
/// In [`crate::Order::Drained`] a stack whose tasks do not stop in time keeps its networks, and says so in `left`.
///
/// # Errors
/// When a name is unknown (nothing is removed then), or when the first look fails.
pub async fn remove_stacks(
    op: Operation<'_>,
    names: &[String],
    options: &RemovalOptions,
) -> Result<Vec<StackRemoval>, RemovalError> {
    let parts = parts_of_stacks(op.engine, names).await?;
    Ok(Remover::new(op, options).remove_all(&parts).await)
}

/// Looks which of these stacks there are, for callers to whom an unknown one is no error.
///
/// # Errors
/// When the look fails.
pub async fn find_stacks(engine: &Engine, names: &[String]) -> Result<FoundStacks, CallError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let is_there = |name: &String| !parts_of_stack(&snapshot, &stored, name).is_empty();
    let (present, missing) = once(names).into_iter().partition(is_there);
    Ok(FoundStacks { present, missing })
}
