//! What the guard found, decided and did: one document.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::NetworkId;
use pvcheck_gates::{GuardConfig, Rung};
use pvcheck_journal::{Role, Scan};
use pvcheck_swarm::RunId;
use serde::Serialize;

use crate::ahead::{Guarded, Outlook, ahead};
use crate::full::Full;
use crate::logged::RanOut;
use crate::memory::{Act, End, Memory, Outcome};
use crate::page::Page;
use crate::signs::{Now, Orphans, Signs};
use crate::table::{Answer, BLIND, decide};
use crate::ways::{Way, WayFacts, open, ways};

/// What was seen: everything that a decision rests on.
#[derive(Clone, Debug)]
pub struct GuardFacts {
    /// When, by the engine's clock.
    pub at: Timestamp,
    /// The same, by this process's.
    pub taken: Instant,
    /// The Swarm's id; `None` if it could not be read.
    pub swarm: Option<String>,
    /// Networks without an address.
    pub full: Full,
    /// The log, with the role of the engine that wrote it, and when the guard last dealt with an exhaustion if the scan begins
    /// there.
    pub log: Result<(Scan, Role, Option<Timestamp>), String>,
    /// The networks that are guarded.
    pub guarded: Vec<Guarded>,
    /// What earlier runs of pvcheck left, by run.
    pub orphans: Result<Vec<(RunId, u64)>, String>,
    /// What the ways depend on.
    pub ways: WayFacts,
    /// The run of a reclaim that is at work or was interrupted.
    pub unfinished: Option<RunId>,
}

impl GuardFacts {
    /// The time now, by the engine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.taken.elapsed()).unwrap_or_default();
        self.at.checked_add(since).unwrap_or(self.at)
    }
}

/// What was found, decided and done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Guard {
    /// When it was looked.
    pub at: Timestamp,
    /// True iff it was to act.
    pub applied: bool,
    /// The answers that decided.
    pub signs: Signs,
    /// Is a network full now?
    pub full: Full,
    /// Was one since the allocator was built?
    pub ran_out: RanOut,
    /// Is one getting there?
    pub outlooks: Vec<Outlook>,
    /// What earlier runs of pvcheck left.
    pub left: Leftovers,
    /// The rungs of the ladder, the gentlest first.
    pub ways: Vec<Way>,
    /// The last thing that the guard did before; `null` if nothing.
    pub last: Option<Act>,
    /// What is to be done, or was.
    pub answer: Answer,
    /// The row of the table that decided.
    pub row: &'static str,
    /// Why.
    pub because: &'static str,
    /// What was done, in order; empty without `--apply`.
    pub done: Vec<Done>,
    /// What is full after what was done; `null` if nothing was.
    pub after: Option<Full>,
    /// How a person was called; `null` if none was.
    pub page: Option<Page>,
}

/// What earlier runs of pvcheck left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leftovers {
    /// The runs.
    pub runs: Vec<String>,
    /// How many objects are left of them.
    pub objects: u64,
    /// Why they could not be listed.
    pub unknown: Option<String>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Done {
    /// What; `null` for a cure of an earlier run that was finished.
    pub rung: Option<Rung>,
    /// How it ended.
    pub end: End,
    /// Leaked addresses of each network before and after, where they were counted.
    pub leaked: Vec<LeakedThen>,
}

/// The leaked addresses of a network before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakedThen {
    /// The network.
    pub network: String,
    /// Before; `null` if that is not known.
    pub before: Option<u64>,
    /// After; `null` if that is not known.
    pub after: Option<u64>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = self.rung.map_or("finish", Rung::as_str);
        let outcome = match self.end.outcome {
            Outcome::Helped => "helped",
            Outcome::DidNotHelp => "did not help",
            Outcome::Unknown => "may not have helped",
            Outcome::NotBegun => "was not begun",
        };
        write!(f, "{what} {outcome}")?;
        match &self.end.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// Decides: a pure function of what was seen and of what is remembered.
pub fn judge(config: &GuardConfig, facts: &GuardFacts, memory: &Memory) -> Guard {
    let ran_out = match &facts.log {
        Ok((scan, role, act)) => RanOut::of(scan, *role, *act),
        Err(why) => RanOut::unread(why.clone()),
    };
    let before = |id: &NetworkId| memory.counts.get(id).map_or(&[][..], Vec::as_slice);
    let outlook = |one: &Guarded| Outlook::of(one, before(&one.id), facts.at, config.horizon());
    let outlooks: Vec<Outlook> = facts.guarded.iter().map(outlook).collect();
    let (orphans, left) = leftovers(&facts.orphans);
    let ways = ways(config, &facts.ways);
    let signs = Signs {
        now: facts.full.sign,
        logged: ran_out.sign,
        ahead: ahead(&outlooks),
        orphans,
        brake: memory.brake(config, facts.unfinished.as_ref(), facts.at),
        open: open(&ways),
    };
    let row = decide(&signs);
    Guard {
        at: facts.at,
        applied: false,
        signs,
        full: facts.full.clone(),
        ran_out,
        outlooks,
        left,
        ways,
        last: memory.acts.last().cloned(),
        answer: row.answer,
        row: row.name,
        because: row.because,
        done: Vec::new(),
        after: None,
        page: None,
    }
}

fn leftovers(listed: &Result<Vec<(RunId, u64)>, String>) -> (Orphans, Leftovers) {
    match listed {
        Err(why) => {
            let left = Leftovers { runs: Vec::new(), objects: 0, unknown: Some(why.clone()) };
            (Orphans::Unknown, left)
        }
        Ok(runs) => {
            let sign = if runs.is_empty() { Orphans::None } else { Orphans::Some };
            let objects = runs.iter().map(|(_, objects)| objects).sum();
            let runs = runs.iter().map(|(run, _)| run.to_string()).collect();
            (sign, Leftovers { runs, objects, unknown: None })
        }
    }
}

/// How a run of the guard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All is well, or what was done helped.
    Well,
    /// Something is to be done, or was done in vain.
    Open,
    /// Something is not known.
    Unknown,
}

impl Guard {
    /// True iff the decision is for a person: by the table, since the guard is blind, or since what is to be finished could not be
    /// begun, as no engine answers.
    pub(crate) fn calls(&self) -> bool {
        let left = self.answer == Answer::Finish && self.done.is_empty();
        left || self.answer == Answer::Call || BLIND.contains(&self.row)
    }

    /// How it stands: by what is still to be decided, after what was done.
    pub fn standing(&self) -> Standing {
        let ended = |outcome| self.done.iter().any(|done| done.end.outcome == outcome);
        let after = self.after.as_ref().map(|after| after.sign);
        let still_full = after.is_some_and(|sign| !matches!(sign, Now::NotFull | Now::Unknown));
        match self.answer {
            _ if still_full || ended(Outcome::DidNotHelp) || ended(Outcome::NotBegun) => Standing::Open,
            _ if ended(Outcome::Unknown) || after == Some(Now::Unknown) => Standing::Unknown,
            Answer::Nothing => Standing::Well,
            Answer::Undecided => Standing::Unknown,
            // The act that the row asks for is the last of those that were done, and it helped.
            Answer::HandOver | Answer::Borrow | Answer::Restart if !self.done.is_empty() => Standing::Well,
            _ => Standing::Open,
        }
    }
}
