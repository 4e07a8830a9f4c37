//! The canary: deployed, reached through the router, removed.

use super::finding::{Finding, Judge, Sight};
use super::routes::route_finding;
use crate::check::Check;
use crate::config::Config;
use crate::coverage::Coverage;
use crate::facts::CanaryFacts;
use crate::fault::list;
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

/// One of the checks of the canary: that it runs, that it is reached, or that it is removed.
pub(super) fn canary_check(
    judge: &Judge<'_, impl Coverage>,
    about: Check<'_>,
    canary: &Observed<CanaryFacts>,
) -> CheckReport {
    judge.check(about, canary, |canary| match about {
        Check::CanaryDeploy => deployed(&canary, judge.config),
        Check::CanaryRoute => match &canary.get().route {
            None => Finding::unknown(Reason::CanaryNotAsked),
            Some(fact) => route_finding(&canary.part(fact), None),
        },
        _ => {
            let gone = Reason::CanaryGone { stack: canary.stack.clone() };
            canary.faultless(canary.left.clone(), Reason::Left, gone)
        }
    })
}

fn deployed(canary: &Sight<'_, CanaryFacts>, config: &Config) -> Finding {
    let stack = canary.stack.clone();
    match (&canary.failure, canary.addresses.as_slice()) {
        (Some(failure), _) => Finding::fail(Reason::CanaryFailed(failure.clone())),
        // It runs on its private network alone: the router would not find it, and nothing was shown about the overlay.
        (None, []) => {
            let overlay = config.overlay().map_or_else(String::new, |overlay| overlay.name.clone());
            Finding::fail(Reason::CanaryWithoutAddress { stack, overlay })
        }
        (None, addresses) => {
            let has = format!("{stack} has {}", list(addresses, ", "));
            canary.pass(Reason::CanaryRuns { stack }).evidence(has)
        }
    }
}
