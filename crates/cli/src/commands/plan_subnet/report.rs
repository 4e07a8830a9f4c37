//! How a plan is printed.

use std::fmt::Write as _;

use pvcheck_ipam::{
    Conflict, Declaration, Index, NetworkName, Plan, PlanError, Reason, Rejection, Reservation, Subnet,
};
use serde::Serialize;

use crate::report::Document;

/// Conflicts of one candidate shown in the table; JSON has up to 256.
const RIVALS_SHOWN: usize = 8;
/// Pairs of reservations that overlap each other, in JSON.
const COLLISIONS_LISTED: usize = 256;

/// A plan, or why no subnet was found: schema `pvcheck/v1`, kind `subnet-plan`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    /// `null` if no subnet was found.
    chosen: Option<Subnet>,
    prefix: u8,
    usable: Option<u64>,
    needed: Option<u64>,
    /// True iff a preferred subnet was taken.
    preferred: Option<bool>,
    /// Why no subnet was found.
    reason: Option<String>,
    rejected: Vec<Rejected<'a>>,
    /// Pairs of reservations that overlap each other.
    collisions: Vec<Collides>,
    notes: Vec<String>,
    not_seen: &'a [String],
    declare: Option<Declare>,
    /// Where the facts came from: `engine`, `snapshot` or `reservations`.
    source: &'static str,
    /// How many networks and addresses were known to be taken.
    reservations: usize,
}

impl Document for Report<'_> {
    const KIND: &'static str = "subnet-plan";
}

#[derive(Serialize, schemars::JsonSchema)]
struct Rejected<'a> {
    candidate: Subnet,
    /// `collides`, `sibling_taken`, `not_allowed` or `other_prefix`.
    reason: &'static str,
    conflicts: &'a [Conflict],
    conflicts_unlisted: u64,
    #[serde(skip)]
    rejection: &'a Rejection,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Collides {
    left: Reservation,
    overlap: pvcheck_ipam::Overlap,
    right: Reservation,
    #[serde(skip)]
    words: String,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Declare {
    name: NetworkName,
    docker: String,
    nixos: String,
    compose: String,
}

impl<'a> Report<'a> {
    pub(super) fn of_plan(plan: &'a Plan, name: NetworkName) -> Self {
        Self {
            chosen: Some(plan.chosen),
            usable: Some(plan.usable),
            needed: plan.needed,
            preferred: Some(plan.preferred),
            notes: plan.notes.iter().map(ToString::to_string).collect(),
            declare: Some(Declare::of(name, plan.chosen)),
            ..Self::empty(plan.prefix, &plan.rejected, &plan.not_seen)
        }
    }

    /// The report of a search that found nothing; `None` for any other error, which is bad input.
    pub(super) fn of_no_room(error: &'a PlanError, not_seen: &'a [String]) -> Option<Self> {
        let PlanError::NoRoom { prefix, rejected, .. } = error else { return None };
        Some(Self { reason: Some(error.to_string()), ..Self::empty(*prefix, rejected, not_seen) })
    }

    fn empty(prefix: u8, rejected: &'a [Rejection], not_seen: &'a [String]) -> Self {
        Self {
            chosen: None,
            prefix,
            usable: None,
            needed: None,
            preferred: None,
            reason: None,
            rejected: rejected.iter().map(Rejected::of).collect(),
            collisions: Vec::new(),
            notes: Vec::new(),
            not_seen,
            declare: None,
            source: "",
            reservations: 0,
        }
    }

    /// Adds what the reservations themselves show.
    pub(super) fn with_facts(mut self, index: &Index, source: &'static str) -> Self {
        let collides = |c: pvcheck_ipam::Collision<'_>| Collides {
            left: c.left.clone(),
            overlap: c.overlap,
            right: c.right.clone(),
            words: c.to_string(),
        };
        self.collisions = index.collisions().take(COLLISIONS_LISTED).map(collides).collect();
        self.reservations = index.len();
        self.source = source;
        self
    }

    pub(super) fn table(&self) -> String {
        let mut text = match (self.chosen, self.usable, &self.reason) {
            (Some(chosen), Some(usable), _) => format!("{chosen}: {usable} usable addresses\n"),
            (_, _, reason) => format!("no subnet: {}\n", reason.as_deref().unwrap_or("none was found")),
        };
        if let (Some(needed), Some(_)) = (self.needed, self.chosen) {
            text += &format!("the workload needs {needed} of them\n");
        }
        self.rejections(&mut text);
        let collisions = self.collisions.iter().map(|c| c.words.clone());
        section(&mut text, "overlap already", collisions.take(RIVALS_SHOWN));
        section(&mut text, "notes", self.notes.iter().cloned());
        section(&mut text, "not seen", self.not_seen.iter().cloned());
        if let Some(Declare { docker, nixos, compose, .. }) = &self.declare {
            // Writing to a String cannot fail.
            let _ = write!(text, "\ndocker:\n{docker}\n\nNixOS:\n{nixos}\n\nCompose:\n{compose}");
        }
        text
    }

    fn rejections(&self, text: &mut String) {
        if !self.rejected.is_empty() {
            text.push_str("\nrejected:\n");
        }
        for rejected in &self.rejected {
            let _ = writeln!(text, "  {}: {}", rejected.candidate, why(rejected.rejection.reason));
            for Conflict { reservation, overlap } in rejected.conflicts.iter().take(RIVALS_SHOWN) {
                let _ = match rejected.rejection.reason {
                    Reason::SiblingTaken => writeln!(text, "    {reservation}"),
                    _ => writeln!(text, "    {overlap} {reservation}"),
                };
            }
            let shown = rejected.conflicts.len().min(RIVALS_SHOWN);
            let hidden = (rejected.conflicts.len() - shown) as u64 + rejected.conflicts_unlisted;
            if 0 < hidden {
                let _ = writeln!(text, "    and {hidden} more");
            }
        }
    }
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    for (at, line) in lines.enumerate() {
        if at == 0 {
            let _ = write!(text, "\n{title}:\n");
        }
        let _ = writeln!(text, "  {line}");
    }
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::Collides => "it collides".to_owned(),
        Reason::SiblingTaken => "it is free, but its sibling is not allowed or not free".to_owned(),
        Reason::NotAllowed => "it is outside the allowed subnets".to_owned(),
        Reason::OtherPrefix { wanted } => format!("it is not the /{wanted} that was asked for"),
    }
}

impl<'a> Rejected<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        Self {
            candidate: rejection.candidate,
            reason: rejection.reason.as_str(),
            conflicts: &rejection.conflicts,
            conflicts_unlisted: rejection.conflicts_unlisted,
            rejection,
        }
    }
}

impl Declare {
    fn of(name: NetworkName, subnet: Subnet) -> Self {
        let declaration = Declaration { name, subnet, attachable: true };
        Self {
            docker: declaration.docker_command(),
            nixos: declaration.nixos_line(),
            compose: declaration.compose_stanza(),
            name: declaration.name,
        }
    }
}
