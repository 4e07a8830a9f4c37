//! What commands print: JSON documents in one envelope, and nouns with their number.

use pvcheck_audit::{Audit, EngineKind, Why};
use pvcheck_boot::BootReport;
use pvcheck_gates::GateReport;
use pvcheck_journal::Scan;
use pvcheck_routes::{RoutesReport, WatchSummary};
use pvcheck_swarm::{Census, Churn, ChurnComparison, CopyPutBack, Reclaim, ReclaimPlan};
use serde::Serialize;

/// What `schema` says in every document.
pub(crate) const SCHEMA: &str = "pvcheck/v1";

/// A value that a command prints as one JSON document.
pub(crate) trait Document: Serialize {
    /// The document's `kind`, which scripts dispatch on.
    const KIND: &'static str;
}

/// A document as scripts read it: `schema` and `kind` first, `engine` where it is not a real one, then its own fields.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    schema: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<EngineKind>,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T: Document> Envelope<'a, T> {
    pub(crate) fn new(body: &'a T, engine: EngineKind) -> Self {
        let engine = Some(engine).filter(|engine| *engine == EngineKind::Embedded);
        Self { schema: SCHEMA, kind: T::KIND, engine, body }
    }
}

impl Document for Audit {
    const KIND: &'static str = "audit";
}

impl Document for BootReport {
    const KIND: &'static str = "boot";
}

impl Document for Census {
    const KIND: &'static str = "census";
}

impl Document for Churn {
    const KIND: &'static str = "churn";
}

impl Document for ChurnComparison {
    const KIND: &'static str = "churn-comparison";
}

impl Document for CopyPutBack {
    const KIND: &'static str = "reclaim-copy";
}

impl Document for GateReport {
    const KIND: &'static str = "gate";
}

impl Document for Reclaim {
    const KIND: &'static str = "reclaim";
}

impl Document for ReclaimPlan {
    const KIND: &'static str = "reclaim-plan";
}

impl Document for RoutesReport {
    const KIND: &'static str = "routes";
}

impl Document for WatchSummary {
    const KIND: &'static str = "routes-watch";
}

impl Document for Scan {
    const KIND: &'static str = "journal-scan";
}

impl Document for Why {
    const KIND: &'static str = "why";
}

/// `1 thing` or `n things`.
pub(crate) fn many(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_zero_is_not() {
        assert_eq!([0, 1, 2].map(|n| many(n, "task")), ["0 tasks", "1 task", "2 tasks"]);
    }

    #[test]
    fn the_envelope_comes_first_and_the_body_is_not_nested() {
        #[derive(Serialize)]
        struct Body {
            leaked: Option<u64>,
        }
        impl Document for Body {
            const KIND: &str = "test";
        }
        let text = serde_json::to_string(&Envelope::new(&Body { leaked: None }, EngineKind::Real)).unwrap();
        assert_eq!(text, r#"{"schema":"pvcheck/v1","kind":"test","leaked":null}"#);
        let marked =
            serde_json::to_string(&Envelope::new(&Body { leaked: None }, EngineKind::Embedded)).unwrap();
        assert_eq!(marked, r#"{"schema":"pvcheck/v1","kind":"test","engine":"embedded","leaked":null}"#);
    }
}
