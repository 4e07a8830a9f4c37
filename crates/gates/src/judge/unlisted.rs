//! Services that run in the Swarm and stand in no configuration.

use std::collections::BTreeSet;

use pvcheck_audit::Service;

use super::finding::Judge;
use super::run::Run;
use crate::check::Check;
use crate::facts::M1Facts;
use crate::fault::Unlisted;
use crate::gate_report::CheckReport;
use crate::reason::Reason;

/// Names every service that the configuration does not expect, with how many of its tasks run: one that is forgotten there
/// may be down without any check noticing.
pub(super) fn unlisted_check(judge: &Judge<'_, M1Facts>) -> CheckReport {
    let listed: BTreeSet<&str> = judge.config.services.iter().map(|s| s.name.as_str()).collect();
    judge.check(Check::ServicesUnlisted, &judge.facts.snapshot, |snapshot| {
        let others = snapshot.services.iter().filter(|s| !listed.contains(s.name.as_str()));
        let named = |service: &Service| Unlisted {
            service: service.name.clone(),
            tally: Run::of(&snapshot, service).tally(),
        };
        let mut others: Vec<Unlisted> = others.map(named).collect();
        others.sort_by(|a, b| a.service.cmp(&b.service));
        let all = snapshot.services.iter().map(|s| named(s).to_string());
        let listed = Reason::ServicesListed { services: snapshot.services.len() as u64 };
        snapshot.faultless(others, Reason::ServicesUnlisted, listed).evidences(all)
    })
}
