//! The canary: deployed, reached through the router, removed.

use super::finding::{Finding, Judge};
use super::routes::route_finding;
use crate::check::Check;
use crate::coverage::Coverage;
use crate::facts::CanaryFacts;
use crate::fault::list;
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

pub(super) fn canary_checks(
    judge: &Judge<'_, impl Coverage>,
    canary: &Observed<CanaryFacts>,
) -> Vec<CheckReport> {
    let overlay = judge.config.overlay().map_or_else(String::new, |o| o.name.clone());
    let deploy = judge.check(Check::CanaryDeploy, canary, |c| {
        let (stack, overlay) = (c.stack.clone(), overlay.clone());
        match (&c.failure, c.addresses.as_slice()) {
            (Some(failure), _) => Finding::fail(Reason::CanaryFailed(failure.clone())),
            // It runs on its private network alone: the router would not find it, and nothing was shown about the overlay.
            (None, []) => Finding::fail(Reason::CanaryWithoutAddress { stack, overlay }),
            (None, addresses) => c.pass(Reason::CanaryRuns { stack }).evidence(format!(
                "{} has {}",
                c.stack,
                list(addresses, ", ")
            )),
        }
    });
    let route = judge.check(Check::CanaryRoute, canary, |c| match &c.get().route {
        None => Finding::unknown(Reason::CanaryNotAsked),
        Some(fact) => route_finding(&c.part(fact), None),
    });
    let removal = judge.check(Check::CanaryRemoval, canary, |c| {
        c.faultless(c.left.clone(), Reason::Left, Reason::CanaryGone { stack: c.stack.clone() })
    });
    vec![deploy, route, removal]
}
