//! A churn and its control arm: the same plan, removed in both orders.

use serde::{Deserialize, Serialize};

use super::plan::ChurnPlan;
use super::report::{Churn, ChurnError};
use super::run::churn;
use crate::operation::Operation;
use crate::removal::Order;

/// Two churns that differ in the order of removal only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChurnComparison {
    /// Addresses that the control arm lost minus those that the drained arm lost; `null` unless both are known.
    pub spared: Option<i64>,
    /// True iff the control arm lost addresses: only then can this shape prove anything. `null` if that is unknown.
    pub control_leaked: Option<bool>,
    /// How much longer the drained removal took, in ms; negative if it was shorter.
    pub extra_removal_ms: i64,
    /// The arm that was removed drained.
    pub drained: Churn,
    /// The control arm, removed in Docker's own order.
    pub stack_rm: Churn,
}

impl ChurnComparison {
    /// Compares two churns. Losses of a churn during which other stacks came or went count as unknown.
    pub fn of(drained: Churn, stack_rm: Churn) -> Self {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let known = |churn: &Churn| churn.leaked.filter(|_| churn.strangers.is_empty());
        let (ours, control) = (known(&drained), known(&stack_rm));
        Self {
            spared: control.zip(ours).map(|(control, ours)| signed(control).saturating_sub(signed(ours))),
            control_leaked: control.map(|leaked| 0 < leaked),
            extra_removal_ms: signed(drained.removal_ms).saturating_sub(signed(stack_rm.removal_ms)),
            drained,
            stack_rm,
        }
    }
}

/// Runs the plan twice, drained first, so that the losses of the control arm do not take addresses from it.
///
/// The control arm really leaks addresses, which stay allocated until the next change of leader. Everything that is
/// created carries the label of `op.run`.
///
/// # Errors
/// If [`churn`] fails in either arm.
pub async fn churn_both(op: Operation<'_>, plan: &ChurnPlan) -> Result<ChurnComparison, ChurnError> {
    let arm = |order| ChurnPlan { order, ..plan.clone() };
    let drained = churn(op, &arm(Order::Drained)).await?;
    let stack_rm = churn(op, &arm(Order::StackRm)).await?;
    Ok(ChurnComparison::of(drained, stack_rm))
}
