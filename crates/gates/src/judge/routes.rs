//! The routes: each one for `pvcheck.m1`, all at once before `pvcheck.m2` deploys anything.

use pvcheck_routes::{RouteFact, Verdict, judge};

use super::finding::{Finding, Judge, Sight};
use crate::check::Check;
use crate::config::RouteConfig;
use crate::coverage::Coverage;
use crate::fault::RouteDown;
use crate::gate_report::{AttemptReport, CheckReport};
use crate::observed::Observed;
use crate::reason::Reason;

/// The check of one declared route, over the fact of the same name.
pub(super) fn route_check(
    judge: &Judge<'_, impl Coverage>,
    route: &RouteConfig,
    facts: &Observed<Vec<RouteFact>>,
) -> CheckReport {
    judge.check(Check::Route(route), facts, |seen| match seen.get().iter().find(|f| f.name == route.name) {
        Some(fact) => route_finding(&seen.part(fact), route.service.as_deref()),
        None => Finding::unknown(Reason::RouteNotAsked),
    })
}

/// The verdict of the route itself; the service behind it is named where it did not pass.
pub(super) fn route_finding(fact: &Sight<'_, RouteFact>, behind: Option<&str>) -> Finding {
    let judged = judge(fact);
    let behind = behind.filter(|_| judged.verdict != Verdict::Pass).map(str::to_owned);
    let attempt = fact.attempt();
    fact.verdict(judged.verdict, Reason::Route { said: judged.reason.to_string(), behind, attempt })
        .evidences(earlier(fact))
        .shown_by(route_evidence(fact), fact.curl.clone())
        .attempts(if fact.earlier.is_empty() { Vec::new() } else { all(fact).map(attempted).collect() })
}

/// Each time that the route was asked, in order.
fn all(fact: &RouteFact) -> impl Iterator<Item = &RouteFact> {
    fact.earlier.iter().chain([fact])
}

fn attempted(fact: &RouteFact) -> AttemptReport {
    let judged = judge(fact);
    AttemptReport { at: fact.at, verdict: judged.verdict, reason: judged.reason.to_string() }
}

/// Why the route was asked again, a line for each time.
fn earlier(fact: &RouteFact) -> impl Iterator<Item = String> {
    let line = |(number, one): (u32, &RouteFact)| {
        let reason = judge(one).reason;
        format!("attempt {number} of {}, at {}: {reason}; {}", fact.of_attempts, one.at, route_evidence(one))
    };
    (1..).zip(&fact.earlier).map(line)
}

/// Passes iff every core route passes; unknown if there is no route, because that shows nothing.
pub(super) fn core_routes(routes: &Sight<'_, Vec<RouteFact>>) -> Finding {
    let judged: Vec<_> = routes.iter().map(|r| (r, judge(r))).collect();
    let worst = Verdict::worst(judged.iter().map(|(_, j)| j.verdict));
    let down = judged.into_iter().filter(|(_, j)| j.verdict != Verdict::Pass);
    let down: Vec<_> = down.map(|(r, _)| self::down(r)).collect();
    let reason = if routes.is_empty() {
        Reason::NoCoreRoute
    } else if down.is_empty() {
        Reason::RoutesAnswer { routes: routes.len() as u64 }
    } else {
        Reason::RoutesDown(down)
    };
    answers(routes.verdict(worst, reason), routes)
}

/// The finding with what each route answered, and how to ask it again.
pub(super) fn answers(finding: Finding, routes: &[RouteFact]) -> Finding {
    routes.iter().fold(finding, |finding, fact| finding.shown_by(route_evidence(fact), fact.curl.clone()))
}

/// A route that did not pass, with its own reason.
pub(super) fn down(fact: &RouteFact) -> RouteDown {
    RouteDown { route: fact.name.clone(), said: judge(fact).reason.to_string() }
}

pub(super) fn route_evidence(fact: &RouteFact) -> String {
    let address = fact.address.map_or_else(|| "no address".into(), |a| a.to_string());
    let refused: String = fact.refused.iter().map(|a| format!(" ({a} gave no answer)")).collect();
    let status = fact.status.map_or_else(|| "no status".into(), |s| s.to_string());
    let http = fact.http.map(|h| format!(" over HTTP/{}", h.as_str())).unwrap_or_default();
    let tls = fact.tls.as_ref().map(|t| {
        let version = t.version.as_deref().unwrap_or("TLS");
        format!(", {version} {}", if t.verified { "verified" } else { "NOT verified" })
    });
    format!(
        "{} {} via {address}{refused}: {status}{http}{}, {} ms",
        fact.method.as_str(),
        fact.url,
        tls.unwrap_or_default(),
        fact.timing_ms.total
    )
}
