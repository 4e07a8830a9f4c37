//! A churn with its control arm: the same stacks, removed both ways.

use serde::{Deserialize, Serialize};

use super::plan::ChurnPlan;
use super::report::{Churn, ChurnError};
use super::run::churn;
use crate::operation::Operation;
use crate::removal::Order;

/// Two churns that differ in their order only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChurnComparison {
    /// Addresses that the control arm lost and the drained one did not; `null` unless both are known.
    pub spared: Option<i64>,
    /// True iff the control arm lost some: only then did this shape show anything. `null` where that is unknown.
    pub control_leaked: Option<bool>,
    /// How much longer the drained removal took; negative if it was shorter.
    pub extra_removal_ms: i64,
    /// Removed drained.
    pub drained: Churn,
    /// Removed in Docker's own order.
    pub stack_rm: Churn,
}

impl ChurnComparison {
    /// What two churns say side by side.
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

/// Runs the plan twice, drained first, so that what the control arm loses is not in its way.
///
/// The control arm really loses addresses, where there is something to lose. Everything made carries the label of `run`.
///
/// # Errors
/// As [`churn`], of either arm.
pub async fn churn_both(op: Operation<'_>, plan: &ChurnPlan) -> Result<ChurnComparison, ChurnError> {
    let arm = |order| ChurnPlan { order, ..plan.clone() };
    let drained = churn(op, &arm(Order::Drained)).await?;
    let stack_rm = churn(op, &arm(Order::StackRm)).await?;
    Ok(ChurnComparison::of(drained, stack_rm))
}
