//! The core routes while `pvcheck.m2` deployed and removed stacks.

use super::finding::{Finding, Sight};
use super::routes::{answers, core_routes, down};
use crate::facts::RouteWatch;
use crate::reason::Reason;

/// Passes iff every core route passed in every round.
pub(super) fn stayed(watch: &Sight<'_, RouteWatch>) -> Finding {
    if let Some(step) = watch.died {
        let down = watch.routes.iter().map(down).collect();
        return answers(Finding::fail(Reason::RouteDied { step, down }), &watch.routes);
    }
    // The last round is judged once more: a file may say that none died and show one that did not answer.
    let last = core_routes(&watch.part(&watch.get().routes));
    let (rounds, routes) = (watch.rounds, watch.routes.len() as u64);
    last.passing(Reason::RoutesStayed { rounds, routes })
}
