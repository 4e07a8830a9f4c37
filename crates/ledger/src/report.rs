//! The JSON of `pvcheck gate run -o json`, read into [`Facts`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::facts::{CheckFacts, Engine, Facts, Measured, Waiver};
use crate::figures::flat;

/// A report cannot be used.
#[derive(Debug, Error)]
pub enum ReportError {
    /// It is no JSON.
    #[error("it is no JSON: {0}; save what `pvcheck gate run GATE -o json` prints")]
    NotJson(serde_json::Error),
    /// It is no report of a gate, or one of a version that this one does not read.
    #[error(
        "it is no report of a gate that this version reads ({0}); save what `pvcheck gate run GATE -o json` prints"
    )]
    NotAReport(String),
    /// It is of other gates.
    #[error("it has no report of {gate}, but of {}; name that gate, or run `pvcheck gate run {gate} -o json`", .has.join(", "))]
    OtherGate {
        /// The gate that was asked for.
        gate: String,
        /// The gates that it is of.
        has: Vec<String>,
    },
    /// Its verdict is not that of its checks.
    #[error("it contradicts itself: {0}; run the gate again")]
    Contradicts(String),
}

/// A report as it is printed. Fields that a claim does not rest on may be there or not.
#[derive(Deserialize)]
struct Printed {
    schema: String,
    kind: String,
    engine: Option<String>,
    swarm: Option<String>,
    gate: String,
    verdict: Measured,
    at: Timestamp,
    config_digest: String,
    checks: Vec<PrintedCheck>,
}

#[derive(Deserialize)]
struct PrintedCheck {
    id: String,
    verdict: Measured,
    required: bool,
    kind: Option<String>,
    #[serde(default)]
    data: Value,
    waiver: Option<Waiver>,
}

/// Reads what a report, or one of a list of reports, says of this gate.
///
/// # Errors
/// If it is no such report, or its verdict is not the worst of its required checks that are not waived, or an id comes twice.
pub fn read_report(json: &[u8], gate: &str) -> Result<Facts, ReportError> {
    let value: Value = serde_json::from_slice(json).map_err(ReportError::NotJson)?;
    let reports = match value {
        Value::Array(reports) => reports,
        one => vec![one],
    };
    let named = |report: &Value| report["gate"].as_str().unwrap_or("no gate").to_owned();
    let mut ours = reports.iter().filter(|report| report["gate"] == gate);
    let (Some(report), None) = (ours.next(), ours.next()) else {
        return Err(ReportError::OtherGate {
            gate: gate.to_owned(),
            has: reports.iter().map(named).collect(),
        });
    };
    let printed = Printed::deserialize(report).map_err(|e| ReportError::NotAReport(e.to_string()))?;
    facts(printed)
}

fn facts(printed: Printed) -> Result<Facts, ReportError> {
    if (printed.schema.as_str(), printed.kind.as_str()) != ("pvcheck/v1", "gate") {
        let said = format!("schema {:?}, kind {:?}, of {}", printed.schema, printed.kind, printed.gate);
        return Err(ReportError::NotAReport(said));
    }
    let engine = match printed.engine.as_deref() {
        None => Engine::Real,
        Some("embedded") => Engine::Embedded,
        Some(other) => return Err(ReportError::NotAReport(format!("engine {other:?}"))),
    };
    let checks = printed.checks.into_iter().map(|check| CheckFacts {
        id: check.id,
        verdict: check.verdict,
        required: check.required,
        kind: check.kind,
        figures: flat(&check.data),
        waiver: check.waiver,
    });
    let checks = checks.collect();
    sound(Facts {
        engine,
        swarm: printed.swarm,
        at: printed.at,
        config_digest: printed.config_digest,
        verdict: printed.verdict,
        checks,
    })
}

fn sound(facts: Facts) -> Result<Facts, ReportError> {
    let mut ids = BTreeSet::new();
    if let Some(twice) = facts.checks.iter().find(|check| !ids.insert(&check.id)) {
        return Err(ReportError::Contradicts(format!("{} is there twice", twice.id)));
    }
    if facts.worst() != facts.verdict {
        let said = format!("its verdict is {}, that of its required checks {}", facts.verdict, facts.worst());
        return Err(ReportError::Contradicts(said));
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::report;

    fn read(value: &Value) -> Result<Facts, ReportError> {
        read_report(value.to_string().as_bytes(), "pvcheck.m1")
    }

    #[test]
    fn a_report_is_read_alone_and_from_a_list() {
        let one = report();
        let facts = read(&one).expect("a report");
        assert_eq!((facts.engine, facts.verdict), (Engine::Real, Measured::Pass));
        assert_eq!(facts.check("overlay.subnet").expect("there").figures["subnet"], "10.10.0.0/24");
        let mut other = one.clone();
        other["gate"] = "pvcheck.m2".into();
        assert_eq!(read(&json!([other, one])).expect("the second"), facts);
        let error = read(&json!([other])).expect_err("another gate's").to_string();
        assert!(error.contains("no report of pvcheck.m1, but of pvcheck.m2"), "{error}");
    }

    #[test]
    fn what_is_no_report_or_contradicts_itself_is_refused() {
        let changed = |pointer: &str, to: Value| {
            let mut report = report();
            *report.pointer_mut(pointer).expect("there") = to;
            read(&report).expect_err(pointer).to_string()
        };
        assert!(changed("/kind", "audit".into()).contains("kind \"audit\""));
        assert!(changed("/schema", "pvcheck/v2".into()).contains("pvcheck/v2"));
        assert!(changed("/verdict", "GREEN".into()).contains("GREEN"));
        assert!(
            changed("/checks/0/verdict", "FAIL".into())
                .contains("verdict is PASS, that of its required checks FAIL")
        );
        assert!(changed("/checks", json!([])).contains("UNKNOWN"));
        assert!(changed("/checks/1/id", "overlay.subnet".into()).contains("twice"));
        let mut marked = report();
        marked["engine"] = "imagined".into();
        assert!(read(&marked).expect_err("no engine").to_string().contains("imagined"));
        assert!(read_report(b"{", "pvcheck.m1").is_err());
    }

    /// A waiver that was removed from the report, or added to it, contradicts its verdict.
    #[test]
    fn what_is_waived_does_not_count() {
        let mut open = report();
        open["checks"][2]["verdict"] = "FAIL".into();
        assert!(read(&open).expect_err("a FAIL").to_string().contains("that of its required checks FAIL"));
        open["checks"][2]["waiver"] = json!({"owner": "ops", "reason": "replaced", "expires": "2026-06-30"});
        let facts = read(&open).expect("waived");
        assert_eq!(
            facts.check("route.drone").and_then(|c| c.waiver.as_ref()).map(|w| w.owner.as_str()),
            Some("ops")
        );
        open["checks"][2]["waiver"]["expires"] = "soon".into();
        assert!(read(&open).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_report(&bytes, "pvcheck.m1");
        }
    }
}
