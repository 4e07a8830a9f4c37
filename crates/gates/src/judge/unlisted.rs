//! Services that run in the Swarm, and routes that their labels declare, without a place in the configuration.

use pvcheck_audit::{DeclaredRoute, Service, Site, Takes};

use super::finding::{Finding, Judge};
use super::run::Run;
use crate::check::Check;
use crate::config::RouteConfig;
use crate::facts::M1Facts;
use crate::fault::{Unlisted, UnlistedRoute, list};
use crate::gate_report::CheckReport;
use crate::reason::Reason;

/// Names every service that the configuration does not expect, with how many of its tasks run: one that is forgotten there
/// may be down without any check noticing.
pub(super) fn unlisted_check(judge: &Judge<'_, M1Facts>) -> CheckReport {
    let is_listed = |service: &Service| judge.config.services.iter().any(|s| s.which.contains(service));
    judge.check(Check::ServicesUnlisted, &judge.facts.snapshot, |snapshot| {
        let others = snapshot.services.iter().filter(|service| !is_listed(service));
        let lookup = snapshot.lookup();
        let named = |service: &Service| Unlisted {
            service: service.name.clone(),
            tally: Run::among(lookup.tasks_of(&service.id), service).tally(),
        };
        let mut others: Vec<Unlisted> = others.map(named).collect();
        others.sort_by(|a, b| a.service.cmp(&b.service));
        let all = snapshot.services.iter().map(|s| named(s).to_string());
        let listed = Reason::ServicesListed { services: snapshot.services.len() as u64 };
        snapshot.faultless(others, Reason::ServicesUnlisted, listed).evidences(all)
    })
}

/// Names every route that a service's labels declare and that no route of the configuration asks, and every rule that cannot be
/// compared. Services of a run of pvcheck's own are left out: they are gone when it ends.
pub(super) fn unlisted_routes_check(judge: &Judge<'_, M1Facts>) -> CheckReport {
    judge.check(Check::RoutesUnlisted, &judge.facts.snapshot, |snapshot| {
        let (mut missing, mut routes, mut seen) = (Vec::new(), 0, Vec::new());
        for service in snapshot.services.iter().filter(|service| service.run.is_none()) {
            let Some(declared) = &service.declared else {
                return Finding::unknown(Reason::LabelsNotRecorded);
            };
            routes += declared.len() as u64;
            let shown = if declared.is_empty() { "no route".to_owned() } else { list(declared, ", ") };
            seen.push(format!("{} declares {shown}", service.name));
            missing.extend(declared.iter().flat_map(|route| not_asked(service, route, &judge.config.routes)));
        }
        missing.sort_by_cached_key(ToString::to_string);
        missing.dedup();
        let listed = Reason::RoutesListed { routes };
        snapshot.faultless(missing, Reason::RoutesUnlisted, listed).evidences(seen)
    })
}

/// What of a declared route no route of the configuration asks.
fn not_asked(service: &Service, declared: &DeclaredRoute, routes: &[RouteConfig]) -> Vec<UnlistedRoute> {
    let name = || service.name.clone();
    match &declared.takes {
        Takes::Sites(sites) => {
            let asked = |site: &Site| routes.iter().any(|route| takes(site, route));
            let missing = sites.iter().filter(|site| !asked(site));
            missing.map(|site| UnlistedRoute::Site { service: name(), site: site.to_string() }).collect()
        }
        Takes::Unclear(because) => vec![UnlistedRoute::Unclear {
            service: name(),
            label: declared.label.clone(),
            because: because.clone(),
        }],
    }
}

fn takes(site: &Site, route: &RouteConfig) -> bool {
    site.takes(route.url.host(), route.url.path())
}
