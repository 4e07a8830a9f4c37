//! A run in one file: configuration, facts and reports. From the facts the same reports come again, offline.

mod config;
mod diff;
mod facts;
mod overlays;

pub use config::BundledConfig;
pub use diff::{Change, GateChange, Said, diff, diff_markdown, diff_table};
pub use facts::GateFacts;
pub use overlays::{SeenLeaks, SeenOverlay, Unmapped};
use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalogue::digest;
use crate::config::{Config, ConfigError};
use crate::gate_report::GateReport;
use crate::judge::judge_run;
use crate::own_gate::OwnGateError;
use crate::run_facts::RunFacts;

/// The kind of the file, by which it is known.
const KIND: &str = "pvcheck-bundle";
/// The form that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Gates that were run one after the other with one configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    kind: String,
    format: u32,
    /// The version of pvcheck that wrote it.
    pub pvcheck: String,
    /// SHA-256 of the catalogue of checks that the reports were made with, in hex.
    pub catalogue: String,
    /// Whether the engine was real.
    pub engine: EngineKind,
    /// The configuration.
    pub config: BundledConfig,
    /// The gates, in the order in which they were run.
    pub runs: Vec<BundledRun>,
    /// The reports as they stand in the file, every text of them.
    #[serde(skip)]
    written: Vec<serde_json::Value>,
}

/// One gate that was run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledRun {
    /// What it rests on.
    pub facts: GateFacts,
    /// Where it ran, and what ran before.
    pub run: RunFacts,
    /// What it came to.
    pub report: GateReport,
}

/// Why a bundle gives no reports. Each is one line, and says what to do.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It is no JSON, or not of this form.
    #[error(
        "it is no bundle that this version reads ({reason}); `pvcheck gate run GATE --bundle FILE` writes one"
    )]
    NotABundle {
        /// What is wrong.
        reason: String,
    },
    /// A later version wrote it.
    #[error("it has format {format}, and this version reads {FORMAT}; use pvcheck {pvcheck} or later")]
    Later {
        /// Its format.
        format: u32,
        /// The version that wrote it.
        pvcheck: String,
    },
    /// Its configuration cannot be read.
    #[error("its configuration: {0}")]
    Config(#[from] ConfigError),
    /// Its configuration makes no such gate.
    #[error("its configuration: {0}")]
    Gate(#[from] OwnGateError),
    /// A report is not what its facts give.
    #[error("the report of {gate} is not what its facts give: {what}; {}", advice(.other_catalogue.as_deref()))]
    Differs {
        /// The gate.
        gate: String,
        /// The first thing that differs, as recorded and as it comes from the facts.
        what: String,
        /// The version that wrote it, if that one had another catalogue of checks.
        other_catalogue: Option<String>,
    },
}

fn advice(version: Option<&str>) -> String {
    match version {
        Some(version) => {
            format!("pvcheck {version} wrote it with another catalogue of checks, replay it with that")
        }
        None => "one of the two was edited, do not rely on it".to_owned(),
    }
}

impl Bundle {
    /// A bundle of a run that has just ended.
    pub fn new(config: BundledConfig, engine: EngineKind, runs: Vec<BundledRun>) -> Self {
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            pvcheck: env!("CARGO_PKG_VERSION").to_owned(),
            catalogue: digest(),
            engine,
            config,
            runs,
            written: Vec::new(),
        }
    }

    /// Reads what was written as JSON.
    ///
    /// # Errors
    /// If it is no bundle, or one of a later version.
    pub fn from_json(json: &str) -> Result<Self, BundleError> {
        let not = |reason: String| BundleError::NotABundle { reason };
        let head: Head = serde_json::from_str(json).map_err(|e| not(e.to_string()))?;
        if head.kind != KIND {
            return Err(not(format!("its kind is {:?}", head.kind)));
        }
        if FORMAT < head.format {
            return Err(BundleError::Later { format: head.format, pvcheck: head.pvcheck });
        }
        let mut bundle: Self = serde_json::from_str(json).map_err(|e| not(e.to_string()))?;
        let file: Written = serde_json::from_str(json).map_err(|e| not(e.to_string()))?;
        bundle.written = file.runs.into_iter().map(|run| run.report).collect();
        match bundle.runs.as_slice() {
            [] => Err(not("it has no run".to_owned())),
            [earlier @ .., _] => match earlier.iter().find(|run| run.report.verdict != Verdict::Pass) {
                Some(run) => Err(not(format!("a run follows {}, which did not pass", run.report.gate))),
                None => Ok(bundle),
            },
        }
    }

    /// Judges the facts again. The reports are those that were recorded, to the last byte.
    ///
    /// # Errors
    /// If a report is not what its facts give now, or the configuration does not make its gate.
    pub fn replay(&self) -> Result<Vec<GateReport>, BundleError> {
        let config = self.config.read()?;
        self.runs.iter().enumerate().map(|(at, run)| self.again(&config, run, self.written.get(at))).collect()
    }

    fn again(
        &self,
        config: &Config,
        run: &BundledRun,
        written: Option<&serde_json::Value>,
    ) -> Result<GateReport, BundleError> {
        let report = judge_run(config, &run.run, run.facts.judge(config, &run.report.gate)?);
        let texts = || {
            let same =
                written.is_none_or(|written| serde_json::to_value(&report).is_ok_and(|new| new == *written));
            (!same).then(|| "a text of it is another".to_owned())
        };
        let engine = || {
            let other = run.run.engine != self.engine;
            other.then(|| "it is of another engine than the bundle".to_owned())
        };
        let what = difference(&run.report, &report).or_else(texts).or_else(engine);
        let Some(what) = what else { return Ok(report) };
        let other_catalogue = (self.catalogue != digest()).then(|| self.pvcheck.clone());
        Err(BundleError::Differs { gate: run.report.gate.clone(), what, other_catalogue })
    }
}

/// The reports of a bundle, with every text and field that they have in the file.
#[derive(Deserialize)]
struct Written {
    runs: Vec<WrittenRun>,
}

#[derive(Deserialize)]
struct WrittenRun {
    report: serde_json::Value,
}

/// What of a bundle is the same in every form of it.
#[derive(Deserialize)]
struct Head {
    kind: String,
    format: u32,
    pvcheck: String,
}

/// The first thing in which two reports differ.
fn difference(recorded: &GateReport, again: &GateReport) -> Option<String> {
    if recorded == again {
        return None;
    }
    let pairs = recorded.checks.iter().zip(&again.checks);
    let check = pairs.into_iter().find(|(was, is)| was != is).map(|(was, is)| {
        if was.id != is.id {
            format!("{} recorded where {} comes", was.id, is.id)
        } else if was.verdict != is.verdict {
            format!("{} is recorded as {}, and comes as {}", was.id, was.verdict, is.verdict)
        } else {
            format!("{} has another reason or other evidence", was.id)
        }
    });
    Some(check.unwrap_or_else(|| match (recorded.checks.len(), again.checks.len()) {
        (was, is) if was != is => format!("{was} checks are recorded, and {is} come"),
        _ if recorded.verdict != again.verdict => {
            format!("it is recorded as {}, and comes as {}", recorded.verdict, again.verdict)
        }
        _ => "its time, its Swarm or the digest of its configuration is another".to_owned(),
    }))
}
