//! Stacks by name: found, planned, removed.

use std::collections::BTreeSet;

use super::order::Order;
use super::parts::{Parts, Stored, once, parts_beyond, parts_of_stack, parts_of_stacks};
use super::remover::Remover;
use super::report::{FoundStacks, RemovalError, RemovalOptions, RemovalPlan, StackRemoval};
use crate::engine::{CallError, Engine};
use crate::operation::Operation;

/// How often a second look is tried.
const LOOKS: usize = 3;

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
///
/// A stack is gone only if a second look shows nothing of it: what the first had lacked is then removed too.
pub async fn remove_stacks(
    op: Operation<'_>,
    names: &[String],
    options: &RemovalOptions,
) -> Result<Vec<StackRemoval>, RemovalError> {
    let parts = parts_of_stacks(op.engine, names).await?;
    let remover = Remover::new(op, options);
    let mut done = remover.remove_all(&parts).await;
    // Docker's order does not look twice, and is here to show what it does.
    if options.order == Order::Drained {
        match second_look(op.engine, &parts).await {
            Ok(unseen) if unseen.iter().all(Parts::is_empty) => {}
            Ok(unseen) => {
                let rest = remover.remove_all(&unseen).await;
                done.iter_mut().zip(rest).for_each(|(done, rest)| done.add(rest));
            }
            Err(error) => done.iter_mut().for_each(|done| done.not_seen_again(&error)),
        }
    }
    Ok(done)
}

/// What the first look lacked.
async fn second_look(engine: &Engine, seen: &[Parts]) -> Result<Vec<Parts>, CallError> {
    for _ in 1..LOOKS {
        if let Ok(unseen) = parts_beyond(engine, seen).await {
            return Ok(unseen);
        }
    }
    parts_beyond(engine, seen).await
}

/// Splits names into stacks that exist and stacks that do not, for callers to which an unknown name is not an error. A
/// stack does not exist if two looks in a row show nothing of it.
///
/// # Errors
/// If a call fails.
pub async fn find_stacks(engine: &Engine, names: &[String]) -> Result<FoundStacks, CallError> {
    let names = once(names);
    let mut there = BTreeSet::new();
    for _ in 0..2 {
        let snapshot = engine.snapshot().await?;
        let stored = Stored::read(engine).await?;
        there.extend(names.iter().filter(|n| !parts_of_stack(&snapshot, &stored, n).is_empty()).cloned());
        if there.len() == names.len() {
            break;
        }
    }
    let (present, missing) = names.into_iter().partition(|name| there.contains(name));
    Ok(FoundStacks { present, missing })
}
