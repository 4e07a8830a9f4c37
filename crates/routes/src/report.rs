//! The JSON form of kind `routes`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::RouteFact;
use crate::judge::{RouteVerdict, Verdict, judge};

/// Facts with their verdicts, as scripts read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoutesReport {
    /// When the first probe began; `None` without a probe.
    pub at: Option<Timestamp>,
    /// One row per fact, in their order.
    pub routes: Vec<RouteRow>,
}

impl RoutesReport {
    /// Judges the facts.
    pub fn new(facts: impl IntoIterator<Item = RouteFact>) -> Self {
        let routes: Vec<RouteRow> = facts.into_iter().map(RouteRow::from).collect();
        let at = routes.iter().map(|row| row.fact.at).min();
        Self { at, routes }
    }

    /// The worst of the verdicts; no routes at all are unknown.
    pub fn verdict(&self) -> Verdict {
        Verdict::worst(self.routes.iter().map(|row| row.verdict.verdict))
    }
}

/// A fact and its verdict in one JSON object. A row that is read from JSON is judged anew from its fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "RouteFact")]
pub struct RouteRow {
    /// What was seen.
    #[serde(flatten)]
    pub fact: RouteFact,
    /// What it means: `verdict`, `kind` and `reason`.
    #[serde(flatten)]
    pub verdict: RouteVerdict,
}

impl From<RouteFact> for RouteRow {
    fn from(fact: RouteFact) -> Self {
        let verdict = judge(&fact);
        Self { fact, verdict }
    }
}
