//! The routes: each one for `pvcheck.m1`, all at once before `pvcheck.m2` deploys anything.

use pvcheck_routes::{RouteFact, Verdict, judge};

use super::finding::{Finding, check};
use crate::check::Check;
use crate::config::{Config, RouteConfig};
use crate::fault::RouteDown;
use crate::gate_report::CheckReport;
use crate::observed::Observed;
use crate::reason::Reason;

/// The check of one declared route, over the fact of the same name.
pub(super) fn route_check(
    config: &Config,
    route: &RouteConfig,
    facts: &Observed<Vec<RouteFact>>,
) -> CheckReport {
    check(config, Check::Route(route), facts, |facts| match facts.iter().find(|f| f.name == route.name) {
        Some(fact) => route_finding(fact, route.service.as_deref()),
        None => Finding::unknown(Reason::RouteNotAsked),
    })
}

/// The verdict of the route itself; the service behind it is named where it did not pass.
pub(super) fn route_finding(fact: &RouteFact, behind: Option<&str>) -> Finding {
    let judged = judge(fact);
    let behind = behind.filter(|_| judged.verdict != Verdict::Pass).map(str::to_owned);
    Finding::new(judged.verdict, Reason::Route { said: judged.reason.to_string(), behind })
        .evidence(route_evidence(fact))
}

/// Passes iff every core route passes; unknown if there is no route, because that shows nothing.
pub(super) fn core_routes(routes: &[RouteFact]) -> Finding {
    let judged: Vec<_> = routes.iter().map(|r| (r, judge(r))).collect();
    let worst = Verdict::worst(judged.iter().map(|(_, j)| j.verdict));
    let down = judged.into_iter().filter(|(_, j)| j.verdict != Verdict::Pass);
    let down: Vec<_> =
        down.map(|(r, j)| RouteDown { route: r.name.clone(), said: j.reason.to_string() }).collect();
    let reason = if down.is_empty() {
        Reason::RoutesAnswer { routes: routes.len() as u64 }
    } else {
        Reason::RoutesDown(down)
    };
    Finding::new(worst, reason).evidences(routes.iter().map(route_evidence))
}

fn route_evidence(fact: &RouteFact) -> String {
    let address = fact.address.map_or_else(|| "no address".into(), |a| a.to_string());
    let status = fact.status.map_or_else(|| "no status".into(), |s| s.to_string());
    let http = fact.http.map(|h| format!(" over HTTP/{}", h.as_str())).unwrap_or_default();
    let tls = fact.tls.as_ref().map(|t| {
        let version = t.version.as_deref().unwrap_or("TLS");
        format!(", {version} {}", if t.verified { "verified" } else { "NOT verified" })
    });
    format!(
        "GET {} via {address}: {status}{http}{}, {} ms",
        fact.url,
        tls.unwrap_or_default(),
        fact.timing_ms.total
    )
}
