//! What the facts mean, thing by thing. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::{EngineKind, NodeState};
use pvcheck_swarm::Membership;
use serde::{Serialize, Serializer};

use super::facts::{DoctorFacts, Heard, LogFact, NodeFact, Reached};
use super::symptom::{Health, Symptom};
use crate::observed::Seen;

/// How far the clocks may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_secs(2);

/// What was found, thing by thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// The worst of all.
    pub health: Health,
    /// Each thing.
    pub examined: Vec<Examined>,
}

/// A thing that was looked at. In JSON `id`, `health`, the symptom's `kind` and `data`, `text`, and `remedy`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Written<'static>"))]
pub struct Examined {
    /// The thing.
    pub id: &'static str,
    /// What was found.
    pub symptom: Symptom,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Written<'a> {
    id: &'static str,
    health: Health,
    #[serde(flatten)]
    symptom: &'a Symptom,
    text: String,
    remedy: Option<&'static str>,
}

impl Serialize for Examined {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, symptom } = self;
        let (health, text, remedy) = (symptom.health(), symptom.to_string(), symptom.remedy());
        Written { id, health, symptom, text, remedy }.serialize(serializer)
    }
}

/// What is made of the facts about one thing.
type Look = fn(&DoctorFacts) -> Symptom;

/// Says of each thing whether it is in order. Of a model of a Swarm neither clock nor network namespace is looked at: it has
/// a time of its own and is on no host.
pub fn diagnose(facts: &DoctorFacts) -> Diagnosis {
    let is_model =
        matches!(&facts.standing, Seen::Known(heard) if heard.standing.kind == EngineKind::Embedded);
    let things: [(&'static str, bool, Look); 12] = [
        ("socket", true, socket),
        ("api", true, api),
        ("role", true, role),
        ("versions", true, versions),
        ("nodes", true, nodes),
        ("clock", !is_model, clock),
        ("log", true, log),
        ("namespace", !is_model, namespace),
        ("trust", true, trust),
        ("config", true, config),
        ("lock", true, lock),
        ("leftovers", true, leftovers),
    ];
    let asked = things.into_iter().filter(|(_, is_asked, _)| *is_asked);
    let examined: Vec<Examined> =
        asked.map(|(id, _, judge)| Examined { id, symptom: judge(facts) }).collect();
    let health = examined.iter().map(|one| one.symptom.health()).max();
    Diagnosis { health: health.unwrap_or(Health::Unknown), examined }
}

fn of<T>(seen: &Seen<T>, judge: impl FnOnce(&T) -> Symptom) -> Symptom {
    match seen {
        Seen::Known(value) => judge(value),
        Seen::Unknown(why) => Symptom::NotSeen { why: why.to_string() },
    }
}

fn socket(facts: &DoctorFacts) -> Symptom {
    let host = facts.host.clone();
    of(&facts.socket.seen, |reached| match reached {
        Reached::Answers { .. } | Reached::TooOld { .. } => {
            Symptom::Answers { host, elapsed_ms: facts.socket.elapsed_ms }
        }
        Reached::NoSocket { reason } => Symptom::NoSocket { host, reason: reason.clone() },
        Reached::Denied => Symptom::Denied { host },
        Reached::Silent { error } => Symptom::NotSeen { why: error.clone() },
    })
}

fn api(facts: &DoctorFacts) -> Symptom {
    of(&facts.socket.seen, |reached| match reached {
        Reached::Answers { offered, spoken } => {
            Symptom::Speaks { offered: offered.clone(), spoken: spoken.clone() }
        }
        Reached::TooOld { offered } => Symptom::TooOld { offered: offered.clone() },
        Reached::NoSocket { .. } | Reached::Denied | Reached::Silent { .. } => {
            Symptom::NotSeen { why: "no engine answers".to_owned() }
        }
    })
}

fn role(facts: &DoctorFacts) -> Symptom {
    of(&facts.standing, |heard| match &heard.standing.membership {
        Membership::Inactive { state } => Symptom::NoSwarm { state: state.clone() },
        Membership::Worker { managers } => Symptom::Worker { managers: managers.clone() },
        Membership::Leaderless { error } => Symptom::NoLeader { error: error.clone() },
        Membership::Manager => of(&facts.nodes, |nodes| match nodes.iter().find(|node| node.leader) {
            Some(leader) if leader.own => Symptom::Leads,
            Some(leader) => Symptom::Follows { leader: leader.name.clone() },
            None => Symptom::NoLeader { error: "no node of the list leads".to_owned() },
        }),
    })
}

fn versions(facts: &DoctorFacts) -> Symptom {
    of(&facts.nodes, |nodes| {
        let mut by_version: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for node in nodes {
            by_version.entry(&node.engine_version).or_default().push(node.name.clone());
        }
        if let Some(silent) = by_version.get("") {
            let why = format!("{} did not say a version yet", silent.join(", "));
            return Symptom::NotSeen { why };
        }
        match by_version.iter().next() {
            Some((version, all)) if by_version.len() == 1 => {
                Symptom::OneVersion { version: (*version).to_owned(), nodes: all.len() as u64 }
            }
            Some(_) => Symptom::MixedVersions {
                versions: by_version
                    .into_iter()
                    .map(|(version, nodes)| (version.to_owned(), nodes))
                    .collect(),
            },
            None => Symptom::NotSeen { why: "the list of nodes is empty".to_owned() },
        }
    })
}

fn nodes(facts: &DoctorFacts) -> Symptom {
    of(&facts.nodes, |nodes| {
        let not_ready = |node: &&NodeFact| node.state != NodeState::Ready;
        let out: Vec<_> =
            nodes.iter().filter(not_ready).map(|n| (n.name.clone(), n.state.to_string())).collect();
        match out.as_slice() {
            [] if nodes.is_empty() => Symptom::NotSeen { why: "the list of nodes is empty".to_owned() },
            [] => Symptom::AllReady { nodes: nodes.len() as u64 },
            _ => Symptom::NotReady { nodes: out },
        }
    })
}

fn clock(facts: &DoctorFacts) -> Symptom {
    of(&facts.standing, |Heard { standing, asked, answered }| {
        // The engine read its clock at some moment between the two.
        let ahead = later(standing.at, *answered);
        let behind = later(*asked, standing.at);
        if ahead <= CLOCKS && behind <= CLOCKS {
            return Symptom::ClocksAgree;
        }
        let ahead_ms = if CLOCKS < ahead { ahead.as_millis() } else { -behind.as_millis() };
        Symptom::ClocksDiffer { ahead_ms: i64::try_from(ahead_ms).unwrap_or(i64::MAX) }
    })
}

/// How much later `a` is than `b`; negative where it is earlier.
fn later(a: Timestamp, b: Timestamp) -> SignedDuration {
    a.duration_since(b)
}

fn log(facts: &DoctorFacts) -> Symptom {
    match &facts.log {
        LogFact::NotChosen { why } => Symptom::NotSeen { why: why.clone() },
        LogFact::Unreadable { error } => Symptom::LogUnreadable { error: error.clone() },
        LogFact::Read { source, has_start: false, .. } => Symptom::LogTooShort { source: source.clone() },
        LogFact::Read { source, doubt: Some(doubt), .. } => {
            Symptom::LogDoubtful { source: source.clone(), doubt: doubt.clone() }
        }
        LogFact::Read { source, records, since, doubt: None, .. } => {
            Symptom::LogWhole { source: source.clone(), records: *records, since: *since }
        }
    }
}

fn namespace(facts: &DoctorFacts) -> Symptom {
    of(&facts.namespace, |seen| match seen.lacking.as_slice() {
        _ if seen.bridges == 0 => Symptom::NoBridge,
        [] => Symptom::HostNamespace { bridges: seen.bridges },
        lacking => Symptom::OtherNamespace { lacking: lacking.to_vec() },
    })
}

fn trust(facts: &DoctorFacts) -> Symptom {
    of(&facts.trust, |trust| match &trust.roots {
        Ok(count) => {
            Symptom::Trusts { file: trust.file.clone(), usable: count.usable, unusable: count.unusable }
        }
        Err(error) => Symptom::TrustsNone { error: error.clone() },
    })
}

fn config(facts: &DoctorFacts) -> Symptom {
    match &facts.config {
        None => Symptom::NoConfig,
        Some(config) if config.errors.is_empty() => Symptom::ConfigRight {
            file: config.file.clone(),
            overlays: config.overlays,
            services: config.services,
            routes: config.routes,
        },
        Some(config) => Symptom::ConfigWrong { file: config.file.clone(), errors: config.errors.clone() },
    }
}

fn lock(facts: &DoctorFacts) -> Symptom {
    of(&facts.lock, |seen| match &seen.lock {
        None => Symptom::NotLocked,
        Some(lock) => of(&facts.standing, |heard| {
            // By the engine's clock, which the lock was taken by.
            let has_expired = lock.expires.is_some_and(|at| at <= heard.standing.at);
            let lock = lock.clone();
            if has_expired { Symptom::LockExpired { lock } } else { Symptom::Locked { lock } }
        }),
    })
}

fn leftovers(facts: &DoctorFacts) -> Symptom {
    of(&facts.leftovers, |runs| {
        let parts = runs.iter().flat_map(|run| run.parts.iter().map(|part| (part.clone(), run.run.clone())));
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() { Symptom::NothingLeft } else { Symptom::Left { parts } }
    })
}

#[cfg(test)]
mod tests;
