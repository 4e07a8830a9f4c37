//! Gate `pvcheck.m2`: a real deploy through the router, and a churn that must lose nothing.

use std::net::Ipv4Addr;

use pvcheck_journal::{Class, Matched, Scan};
use pvcheck_routes::{RouteFact, Verdict, judge};
use pvcheck_swarm::{Census, Churn};
use serde::{Deserialize, Serialize};

use crate::canary::CanaryFacts;
use crate::config::Config;
use crate::m1::{route_evidence, samples};
use crate::observed::{Finding, Observed};
use crate::verdict::{CheckReport, GateReport};

/// What the gate rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct M2Facts {
    /// The core routes, before anything was deployed.
    pub routes: Observed<Vec<RouteFact>>,
    /// The canary.
    pub canary: Observed<CanaryFacts>,
    /// The churn.
    pub churn: Observed<ChurnOutcome>,
    /// The engine's log since just before the canary.
    pub journal: Observed<Scan>,
    /// What carries the run's label after the last sweep, by name.
    pub residue: Observed<Vec<String>>,
}

/// How a churn ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChurnOutcome {
    /// To the end.
    Done(Box<Churn>),
    /// A guardrail kept it from beginning; nothing was deployed.
    Refused(String),
    /// It broke off.
    Failed(String),
}

/// Judges the facts.
pub fn judge_m2(config: &Config, facts: &M2Facts) -> GateReport {
    let mut checks = vec![core_routes(facts)];
    checks.extend(canary_checks(config, &facts.canary));
    checks.extend(churn_checks(config, &facts.churn));
    checks.push(journal_check(&facts.journal));
    checks.push(residue_check(&facts.residue));
    GateReport::new("pvcheck.m2", config, checks)
}

fn core_routes(facts: &M2Facts) -> CheckReport {
    facts.routes.check("routes.before", "Every core route answers before anything is deployed", |routes| {
        let judged: Vec<_> = routes.iter().map(|r| (r, judge(r))).collect();
        let worst = Verdict::worst(judged.iter().map(|(_, j)| j.verdict));
        let down = judged.iter().filter(|(_, j)| j.verdict != Verdict::Pass);
        let down: Vec<_> = down.map(|(r, j)| format!("{}: {}", r.name, j.reason)).collect();
        let reason = if down.is_empty() {
            format!("{} routes answer as expected", routes.len())
        } else {
            down.join("; ")
        };
        Finding::new(worst, reason).evidences(routes.iter().map(route_evidence))
    })
}

fn canary_checks(config: &Config, canary: &Observed<CanaryFacts>) -> Vec<CheckReport> {
    let overlay = &config.overlay.name;
    let deploy = canary.check("canary.deploy", &format!("A canary stack runs on {overlay}"), |c| {
        match (&c.failure, c.addresses.as_slice()) {
            (Some(failure), _) => Finding::fail(failure.to_string()),
            (None, []) => Finding::fail(format!("{} runs, but has no address on {overlay}", c.stack)),
            (None, addresses) => Finding::pass(format!("{} runs", c.stack)).evidence(format!(
                "{} has {}",
                c.stack,
                list(addresses)
            )),
        }
    });
    let route = canary.check("canary.route", "It is reached through the router", |c| match &c.route {
        None => Finding::unknown("it did not run, so it was not asked"),
        Some(fact) => {
            let judged = judge(fact);
            Finding::new(judged.verdict, judged.reason.to_string()).evidence(route_evidence(fact))
        }
    });
    let removal = canary.check("canary.removal", "It is removed without a rest", |c| {
        Finding::of(&c.left, format!("{} is gone", c.stack))
    });
    vec![deploy, route, removal]
}

fn churn_checks(config: &Config, churn: &Observed<ChurnOutcome>) -> Vec<CheckReport> {
    let on_churn = |id: &str, title: &str, judge: &dyn Fn(&Churn) -> Finding| {
        churn.check(id, title, |outcome| match outcome {
            ChurnOutcome::Done(churn) => judge(churn),
            ChurnOutcome::Refused(why) => Finding::unknown(format!("refused: {why}")),
            ChurnOutcome::Failed(why) => Finding::fail(format!("broke off: {why}")),
        })
    };
    let overlay = &config.overlay.name;
    vec![
        on_churn("churn.census", &format!("A census of {overlay} before and after is complete"), &|c| {
            census(c)
        }),
        on_churn(
            "churn.duplicates",
            &format!("No address of {overlay} is free and owned at once"),
            &duplicates,
        ),
        on_churn(
            "churn.leaks",
            &format!("Deploying and removing stacks leaks no address of {overlay}"),
            &leaks,
        ),
        on_churn("churn.removal", "Every throwaway stack is removed without a refusal", &|c| {
            Finding::of(
                &c.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
                format!("{} stacks removed, the slowest round in {} ms", c.cycles, c.removal_ms),
            )
        }),
    ]
}

fn census(churn: &Churn) -> Finding {
    let looks = [("before", &churn.census_before), ("after", &churn.census_after)];
    let broken: Vec<_> = looks
        .iter()
        .filter(|(_, c)| !c.complete)
        .map(|(when, c)| {
            let reason = c.reason.as_ref().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
            format!("the census {when} is incomplete: {reason}")
        })
        .collect();
    let finding = if broken.is_empty() {
        Finding::pass("both went once round the allocator's ring")
    } else {
        Finding::unknown(broken.join("; "))
    };
    finding.evidences(looks.iter().map(|(when, c)| census_line(when, c)))
}

/// An address that the allocator holds for free although somebody has it will be given to a second one (L3 in the docs).
fn duplicates(churn: &Churn) -> Finding {
    let looks = [("before", &churn.census_before), ("after", &churn.census_after)];
    let found: Vec<_> = looks
        .iter()
        .filter(|(_, c)| !c.free_and_owned.is_empty())
        .map(|(when, c)| format!("{when}: {}", list(&c.free_and_owned)))
        .collect();
    if !found.is_empty() {
        return Finding::fail(format!(
            "the allocator gives out addresses that are in use ({}); recreate the services that own them",
            found.join("; ")
        ));
    }
    if looks.iter().any(|(_, c)| !c.complete) {
        return Finding::unknown("a census was not complete, so none found means nothing");
    }
    Finding::pass("what was handed out had no owner, before and after")
}

fn census_line(when: &str, census: &Census) -> String {
    let leaked = census.leaked.map_or_else(|| "unknown".into(), |n| n.to_string());
    format!(
        "census {when}: {} usable = {} free + {} owned + {} load balancers elsewhere + {leaked} leaked, in {} ms",
        census.usable, census.handed_out, census.owned, census.load_balancers, census.elapsed_ms
    )
}

fn leaks(churn: &Churn) -> Finding {
    let Some(leaked) = churn.leaked else {
        return Finding::unknown("without two complete censuses a leak cannot be counted");
    };
    if churn.cycles == 0 {
        return Finding::unknown("no stack was deployed, which proves nothing");
    }
    if !churn.strangers.is_empty() {
        return Finding::unknown(format!(
            "stacks of others came or went meanwhile ({}), so {leaked} leaked addresses may not be ours; run it again in a quiet window",
            churn.strangers.join(", ")
        ));
    }
    let bound = churn.leak_per_cycle.map(|r| format!("{:.2}", r.upper95)).unwrap_or_default();
    let finding = if leaked == 0 {
        Finding::pass(format!(
            "0 leaked in {} cycles, order {}: with 95 % confidence below {bound} per cycle",
            churn.cycles,
            churn.order.as_str()
        ))
    } else {
        Finding::fail(format!(
            "{leaked} addresses of {} leaked in {} cycles, order {}: one per task that was on it; {}",
            churn.network,
            churn.cycles,
            churn.order.as_str(),
            list(&churn.leaked_addresses)
        ))
    };
    let counts = [("baseline", &churn.baseline), ("deployed", &churn.deployed), ("removed", &churn.removed)];
    let line = |(when, c): (&str, &pvcheck_swarm::ChurnCounts)| {
        let leaked = c.leaked.map_or_else(|| "not counted".into(), |n| n.to_string());
        format!(
            "{when}: {} addresses owned, {} tasks, {} stacks, leaked: {leaked}",
            c.owned, c.tasks, c.stacks
        )
    };
    finding.evidences(counts.map(line))
}

fn journal_check(journal: &Observed<Scan>) -> CheckReport {
    journal.check(
        "journal.new",
        "No new signature of lost or missing addresses in the engine's log",
        |scan| {
            let said = |m: &Matched| format!("{} × {}", m.count, m.signature);
            let (grave, other): (Vec<_>, Vec<_>) = scan.findings().partition(|m| is_about_addresses(m.class));
            let window = format!("{}: {} records in the window", scan.source, scan.records);
            let finding = if !grave.is_empty() {
                Finding::fail(grave.into_iter().map(said).collect::<Vec<_>>().join(", "))
            } else if scan.complete {
                Finding::pass(format!("none among {} records", scan.records))
            } else {
                Finding::unknown("parts of the log are missing, so none found means nothing")
            };
            let beside = other.into_iter().map(|m| format!("beside it, not about addresses: {}", said(m)));
            finding.evidence(window).evidences(beside).evidences(samples(scan))
        },
    )
}

/// Whether a class says that addresses of the Swarm are used up, lost, held twice or not given.
///
/// Conflicts in a node's own store are not among them: up to engine 26 each removed network logs one, drained or not.
fn is_about_addresses(class: Class) -> bool {
    matches!(
        class,
        Class::Exhaustion
            | Class::PoolsExhausted
            | Class::NotAllocated
            | Class::Leak
            | Class::Duplicate
            | Class::Crash
    )
}

fn residue_check(residue: &Observed<Vec<String>>) -> CheckReport {
    residue.check("residue", "Nothing of this run is left", |left| {
        Finding::of(left, "no service, network, secret, config or task carries its label")
    })
}

fn list(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
