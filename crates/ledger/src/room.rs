//! Room over time: the figures of `overlay.headroom` in the lines of a ledger.

use jiff::Timestamp;

use crate::content::Content;
use crate::facts::{CheckFacts, Engine, Facts};
use crate::ledger::Ledger;

/// The check whose figures they are.
const HEADROOM: &str = "overlay.headroom";

/// The room of one overlay, as one line of a ledger has it. What the line does not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The line's number.
    pub line: u64,
    /// Whether a claim or a verdict has it.
    pub said_by: SaidBy,
    /// The gate.
    pub gate: String,
    /// The overlay, where the configuration had several: the check's id ends with its name then.
    pub overlay: Option<String>,
    /// The id of the Swarm that was measured; `None` where the report named none.
    pub swarm: Option<String>,
    /// The engine that was measured.
    pub engine: Engine,
    /// When it was measured.
    pub at: Timestamp,
    /// Addresses that the allocator can hand out.
    pub usable: Option<u64>,
    /// Addresses with an owner.
    pub owned: Option<u64>,
    /// Addresses that are given out and have no owner.
    pub leaked: Option<u64>,
    /// Addresses that are neither; `None` without a count of the leaked ones, when the figure is a bound only.
    pub free: Option<u64>,
}

/// What kind of line has a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// A builder's claim.
    Claim,
    /// A verifier's verdict.
    Verdict,
}

impl SaidBy {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Verdict => "verdict",
        }
    }
}

impl Ledger {
    /// The room of every overlay that its claims and verdicts have figures of, by the time of measurement.
    pub fn room(&self) -> Vec<Room> {
        let said = self.lines().iter().filter_map(|line| match &line.content {
            Content::Claim(claim) => Some((line.number, SaidBy::Claim, &claim.gate, &claim.facts)),
            Content::Verdict(verdict) => {
                Some((line.number, SaidBy::Verdict, &verdict.gate, verdict.measured.as_ref()?))
            }
            _ => None,
        });
        let mut room: Vec<Room> =
            said.flat_map(|(line, by, gate, facts)| of_facts(line, by, gate, facts)).collect();
        room.sort_by_key(|room| (room.at, room.line));
        room
    }
}

fn of_facts<'a>(
    line: u64,
    said_by: SaidBy,
    gate: &'a str,
    facts: &'a Facts,
) -> impl Iterator<Item = Room> + 'a {
    facts.checks.iter().filter(|check| has_figures(check)).filter_map(move |check| {
        let overlay = overlay_of(&check.id)?;
        let overlay = (!overlay.is_empty()).then(|| overlay.to_owned());
        let figure = |name: &str| check.figures.get(name).and_then(serde_json::Value::as_u64);
        let (usable, owned, leaked) = (figure("usable"), figure("owned"), figure("leaked"));
        // Without a count of the leaked ones `free` is what is not owned.
        let free = figure("free").filter(|_| leaked.is_some());
        let (gate, at, engine) = (gate.to_owned(), facts.at, facts.engine);
        let swarm = facts.swarm.clone();
        Some(Room { line, said_by, gate, overlay, swarm, engine, at, usable, owned, leaked, free })
    })
}

/// Iff this is a check of headroom: the name of the overlay that its id ends with, empty where it names none.
fn overlay_of(id: &str) -> Option<&str> {
    let end = id.strip_prefix(HEADROOM)?;
    if end.is_empty() { Some(end) } else { end.strip_prefix('.').filter(|name| !name.is_empty()) }
}

/// True iff its reason is one of numbers; that of an UNKNOWN has none.
fn has_figures(check: &CheckFacts) -> bool {
    check.figures.get("usable").is_some_and(serde_json::Value::is_u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::claim::Claim;
    use crate::figures::flat;
    use crate::role::Role;
    use crate::testing::{Bench, at, claim};
    use crate::verdict::{Outcome, Verdict};

    /// A claim whose headroom is in these figures.
    fn said(id: &str, figures: &serde_json::Value, second: i64) -> Claim {
        let mut claim = claim();
        claim.facts.at = at(second);
        let check = claim.facts.checks.iter_mut().find(|check| check.id == HEADROOM).expect("there");
        (check.id, check.figures) = (id.to_owned(), flat(figures));
        claim
    }

    #[test]
    fn claims_and_verdicts_tell_their_figures_in_the_order_of_measurement() {
        let mut bench = Bench::new();
        let later = json!({"free": 238, "usable": 253, "owned": 12, "leaked": 3, "wanted": 16});
        bench.add(Content::Claim(said(HEADROOM, &later, 60)), 100, Role::Builder);
        bench.note("nothing of this", 101);
        let room = bench.ledger().room();
        let first = &room[0];
        assert_eq!((room.len(), first.line, first.said_by.as_str(), first.at), (1, 2, "claim", at(60)));
        assert_eq!(
            (first.usable, first.owned, first.leaked, first.free),
            (Some(253), Some(12), Some(3), Some(238))
        );
        assert_eq!((first.gate.as_str(), &first.overlay), ("pvcheck.m1", &None));
        assert_eq!((first.swarm.as_deref(), first.engine), (Some("6wq9m8p4n2k7"), claim().facts.engine));
    }

    #[test]
    fn a_verdict_s_measurement_counts_and_one_without_does_not() {
        let mut bench = Bench::new();
        bench.claim(10);
        let (line, claimed) = {
            let ledger = bench.ledger();
            let (line, claim) = ledger.claim("pvcheck.m1").expect("claimed");
            (line.clone(), claim.clone())
        };
        let of = Some(crate::verdict::OfClaim { line: line.number, digest: line.digest });
        let mut facts = claimed.facts;
        facts.at = at(20);
        let passed = Verdict {
            gate: "pvcheck.m1".into(),
            outcome: Outcome::Pass,
            claim: of,
            commit: claimed.commit,
            veto: None,
            measured: Some(facts),
            wrong: Vec::new(),
            unseen: Vec::new(),
            moved: Vec::new(),
            files: 0,
        };
        bench.add(Content::Verdict(passed), 30, Role::Verifier);
        let said: Vec<_> = bench.ledger().room().iter().map(|room| (room.line, room.said_by)).collect();
        assert_eq!(said, [(2, SaidBy::Claim), (3, SaidBy::Verdict)]);
    }

    #[test]
    fn a_bound_is_no_figure_and_another_check_no_room() {
        let bound = json!({"free": 241, "usable": 253, "owned": 12, "leaked": null, "wanted": 250});
        let of = |id: &str, figures: &serde_json::Value| {
            let claim = said(id, figures, 0);
            of_facts(2, SaidBy::Claim, "pvcheck.m1", &claim.facts).next()
        };
        let room = of("overlay.headroom.shop", &bound).expect("an overlay's");
        assert_eq!(
            (room.overlay.as_deref(), room.owned, room.leaked, room.free),
            (Some("shop"), Some(12), None, None)
        );
        assert_eq!(of("overlay.headroom", &json!({"error": "not seen"})), None, "UNKNOWN has no figures");
        assert_eq!(of("overlay.headrooms", &bound), None);
        assert_eq!(of("overlay.headroom.", &bound), None);
    }
}
