//! Stacks by name: found, planned, removed.

use super::drain::Looks;
use super::parts::{Parts, Stored, once, parts_of_stack, parts_of_stacks};
use super::remover::Remover;
use super::report::{FoundStacks, RemovalError, RemovalOptions, RemovalPlan, StackRemoval};
use crate::engine::{CallError, Engine};
use crate::progress::Watcher;
use crate::write::{Permit, Writer};

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
/// In [`Order::Drained`] a stack whose tasks do not stop in time keeps its networks, and says so in `left`.
///
/// # Errors
/// When a name is unknown (nothing is removed then), or when the first look fails.
pub async fn remove_stacks(
    engine: &Engine,
    permit: Permit,
    names: &[String],
    options: &RemovalOptions,
    watch: Watcher<'_>,
) -> Result<Vec<StackRemoval>, RemovalError> {
    let parts = parts_of_stacks(engine, names).await?;
    let writer = Writer::new(engine.connection(), permit);
    Ok(Remover { looks: Looks::new(engine), writer, options, watch }.remove_all(&parts).await)
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
