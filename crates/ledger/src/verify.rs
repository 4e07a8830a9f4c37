//! A claim held against a fresh measurement, field by field.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::claim::{Claim, ClaimedFile};
use crate::digest::Digest;
use crate::facts::{CheckFacts, Engine, Facts, Measured, Waiver};
use crate::figures::{Class, class, contradicted};
use crate::ledger::Ledger;
use crate::line::Line;
use crate::verdict::{Difference, OfClaim, Outcome, Verdict, Veto};

/// The fewest digits by which git names a commit.
const SHORTEST_COMMIT: usize = 7;

/// A file of a claim, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenFile {
    /// It is there, with this digest.
    There(Digest),
    /// It is not there.
    Missing,
    /// It could not be read, for this reason.
    Unreadable(String),
}

/// What a verifier has measured and looked at.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// What the gate's report says.
    pub facts: Facts,
    /// The files of the claim, in its order.
    pub files: Vec<SeenFile>,
    /// The commit that the verifier has, where that was said.
    pub commit: Option<String>,
}

/// The verdict that needs no measurement: there is no claim, or one that is too old or impossible.
pub fn veto(ledger: &Ledger, gate: &str, now: Timestamp, max_age: Duration) -> Option<Verdict> {
    let Some((line, claim)) = ledger.claim(gate) else {
        return Some(Verdict::vetoed(gate, None, Veto::NoClaim { gate: gate.to_owned() }));
    };
    let ms = |age: SignedDuration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let max_age_ms = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
    let [age_ms, facts_age_ms] = [line.at, claim.facts.at].map(|at| ms(now.duration_since(at)));
    let number = line.number;
    let veto = if line.at < claim.facts.at {
        Veto::FactsAfterClaim { line: number, facts: claim.facts.at, claim: line.at }
    } else if max_age_ms < age_ms {
        Veto::ClaimAged { line: number, age_ms, max_age_ms }
    } else if max_age_ms < facts_age_ms {
        Veto::FactsAged { line: number, age_ms: facts_age_ms, max_age_ms }
    } else {
        return None;
    };
    Some(Verdict::vetoed(gate, Some(of(line)), veto))
}

/// The verdict on the last claim of a gate by what was measured.
pub fn judge(ledger: &Ledger, gate: &str, measurement: Measurement) -> Verdict {
    let Some((line, claim)) = ledger.claim(gate) else {
        return Verdict::vetoed(gate, None, Veto::NoClaim { gate: gate.to_owned() });
    };
    let (claimed, measured) = (claim.facts.engine, measurement.facts.engine);
    if claimed != measured {
        // A pass of a model shows nothing of a Swarm, and the other way round there is nothing to compare.
        return Verdict::vetoed(
            gate,
            Some(of(line)),
            Veto::OtherEngine { line: line.number, claimed, measured },
        );
    }
    let mut found = Found::default();
    compare(&claim.facts, &measurement.facts, &mut found);
    found.files(&claim.files, &measurement.files);
    found.commit(claim, measurement.commit.as_deref());
    let mut verdict = Verdict {
        gate: gate.to_owned(),
        outcome: Outcome::Unknown,
        claim: Some(of(line)),
        commit: claim.commit.clone(),
        veto: None,
        measured: Some(measurement.facts),
        wrong: found.wrong,
        unseen: found.unseen,
        moved: found.moved,
        files: claim.files.len() as u64,
    };
    verdict.outcome = verdict.made();
    verdict
}

fn of(line: &Line) -> OfClaim {
    OfClaim { line: line.number, digest: line.digest }
}

/// What a comparison has found.
#[derive(Default)]
struct Found {
    wrong: Vec<Difference>,
    unseen: Vec<String>,
    moved: Vec<Difference>,
}

fn compare(claimed: &Facts, measured: &Facts, found: &mut Found) {
    if measured.verdict == Measured::Fail {
        found.wrong.push(difference("verdict", claimed.verdict.as_str(), measured.verdict.as_str()));
    }
    if claimed.config_digest != measured.config_digest {
        let other =
            difference("config_digest", claimed.config_digest.as_str(), measured.config_digest.as_str());
        match measured.engine {
            Engine::Real => found.wrong.push(other),
            // The embedded engine's own configuration has the ports and the folder of its run in it.
            Engine::Embedded => found.moved.push(other),
        }
    }
    // Each embedded engine is a Swarm of its own.
    if measured.engine == Engine::Real && claimed.swarm != measured.swarm {
        found.wrong.push(difference("swarm", claimed.swarm.clone(), measured.swarm.clone()));
    }
    for check in &claimed.checks {
        found.check(check, measured.check(&check.id));
    }
    for check in measured.checks.iter().filter(|check| claimed.check(&check.id).is_none()) {
        let new = difference(&check.id, Value::Null, check.verdict.as_str());
        found.side(check.required).push(new);
    }
}

impl Found {
    /// Where a difference belongs: of an advisory check it is told, and decides nothing.
    fn side(&mut self, required: bool) -> &mut Vec<Difference> {
        if required { &mut self.wrong } else { &mut self.moved }
    }

    fn check(&mut self, claimed: &CheckFacts, measured: Option<&CheckFacts>) {
        let id = &claimed.id;
        let Some(measured) = measured else {
            self.side(claimed.required).push(difference(id, claimed.verdict.as_str(), Value::Null));
            return;
        };
        // What is waived decides nothing as long as it stays so, or passes since.
        let is_mended = claimed.waiver.is_some() && measured.verdict == Measured::Pass;
        let required = claimed.counts() || (measured.counts() && !is_mended);
        if claimed.waiver != measured.waiver {
            let said = |waiver: &Option<Waiver>| {
                waiver.as_ref().map_or(Value::Null, |waiver| waiver.to_string().into())
            };
            let other = difference(&format!("{id} waiver"), said(&claimed.waiver), said(&measured.waiver));
            self.side(required || measured.waiver.is_some()).push(other);
        }
        let mut of = |what: &str, claimed: Value, measured: Value| {
            self.side(required).push(difference(&format!("{id} {what}"), claimed, measured));
        };
        if claimed.required != measured.required {
            of("required", claimed.required.into(), measured.required.into());
        }
        if let Some((name, made)) = contradicted(&claimed.figures) {
            of(&format!("{name} (by the claim's own figures)"), claimed.figures[name].clone(), made.into());
        }
        if measured.verdict == Measured::Unknown && claimed.verdict == Measured::Pass {
            if required {
                self.unseen.push(id.clone());
            }
            return;
        }
        if claimed.verdict != measured.verdict {
            of("verdict", claimed.verdict.as_str().into(), measured.verdict.as_str().into());
        } else if claimed.kind != measured.kind {
            of("kind", claimed.kind.clone().into(), measured.kind.clone().into());
        }
        self.figures(claimed, measured, required);
    }

    fn figures(&mut self, claimed: &CheckFacts, measured: &CheckFacts, required: bool) {
        let alike = claimed.kind == measured.kind;
        let paths: BTreeSet<&String> = claimed.figures.keys().chain(measured.figures.keys()).collect();
        for path in paths {
            let [was, is] = [claimed, measured].map(|check| check.figures.get(path));
            // Reasons of different kinds share some figures only.
            if was == is || (!alike && (was.is_none() || is.is_none())) {
                continue;
            }
            let value = |figure: Option<&Value>| figure.cloned().unwrap_or(Value::Null);
            let other = difference(&format!("{} {path}", claimed.id), value(was), value(is));
            let is_wrong = match class(path) {
                Class::Same => true,
                Class::NotMore => !is_no_more(was, is),
                Class::Moves => false,
            };
            self.side(required && is_wrong).push(other);
        }
    }

    fn files(&mut self, claimed: &[ClaimedFile], seen: &[SeenFile]) {
        for (at, file) in claimed.iter().enumerate() {
            let what = format!("file {}", file.path);
            match seen.get(at) {
                Some(SeenFile::There(sum)) if *sum == file.sha256 => {}
                Some(SeenFile::There(sum)) => {
                    self.wrong.push(difference(&what, file.sha256.to_string(), sum.to_string()));
                }
                Some(SeenFile::Missing) => {
                    self.wrong.push(difference(&what, file.sha256.to_string(), Value::Null));
                }
                Some(SeenFile::Unreadable(why)) => self.unseen.push(format!("{what}: {why}")),
                None => self.unseen.push(what),
            }
        }
    }

    fn commit(&mut self, claim: &Claim, has: Option<&str>) {
        let Some(has) = has else { return };
        // An abbreviated id is as good as git writes it: a beginning of the other.
        let is_id = |id: &str| SHORTEST_COMMIT <= id.len() && id.bytes().all(|b| b.is_ascii_hexdigit());
        let same = claim.commit.as_deref().is_some_and(|commit| {
            is_id(commit) && is_id(has) && (commit.starts_with(has) || has.starts_with(commit))
        });
        if !same {
            self.wrong.push(difference("commit", claim.commit.clone(), has));
        }
    }
}

fn difference(what: &str, claimed: impl Into<Value>, measured: impl Into<Value>) -> Difference {
    Difference { what: what.to_owned(), claimed: claimed.into(), measured: measured.into() }
}

/// True iff both are counts, and that measured is not larger.
fn is_no_more(claimed: Option<&Value>, measured: Option<&Value>) -> bool {
    let count = |figure: Option<&Value>| figure.and_then(Value::as_u64);
    count(claimed).zip(count(measured)).is_some_and(|(claimed, measured)| measured <= claimed)
}

#[cfg(test)]
mod tests;
