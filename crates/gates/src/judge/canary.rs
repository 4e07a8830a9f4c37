//! The canary: deployed, reached through the router, removed.

use super::finding::{Finding, check};
use super::routes::route_finding;
use crate::check::Check;
use crate::config::Config;
use crate::facts::CanaryFacts;
use crate::fault::list;
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

pub(super) fn canary_checks(config: &Config, canary: &Observed<CanaryFacts>) -> Vec<CheckReport> {
    let deploy = check(config, Check::CanaryDeploy, canary, |c| {
        let (stack, overlay) = (c.stack.clone(), config.overlay.name.clone());
        match (&c.failure, c.addresses.as_slice()) {
            (Some(failure), _) => Finding::fail(Reason::CanaryFailed(failure.clone())),
            (None, []) => Finding::fail(Reason::CanaryWithoutAddress { stack, overlay }),
            (None, addresses) => Finding::pass(Reason::CanaryRuns { stack }).evidence(format!(
                "{} has {}",
                c.stack,
                list(addresses, ", ")
            )),
        }
    });
    let route = check(config, Check::CanaryRoute, canary, |c| match &c.route {
        None => Finding::unknown(Reason::CanaryNotAsked),
        Some(fact) => route_finding(fact, None),
    });
    let removal = check(config, Check::CanaryRemoval, canary, |c| {
        Finding::of(c.left.clone(), Reason::Left, Reason::CanaryGone { stack: c.stack.clone() })
    });
    vec![deploy, route, removal]
}
