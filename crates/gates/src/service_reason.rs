//! Why a check of several services, or of a job, has its verdict.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fault::{ServiceFault, a_few, list, many};

/// Why a check of several services, or of a job, has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum ServicesReason {
    /// The Swarm has no such service.
    #[error("no service of the Swarm is {which}; deploy what is missing, or correct the [[service]]")]
    NoneFound {
        /// What was looked for, as the end of a sentence: `named shop_*`, `of stack shop`.
        which: String,
    },
    /// Each of them runs as it should.
    #[error("{} as they should: {}", running(.0), a_few(.0, ", "))]
    AllRun(Vec<OneRuns>),
    /// Some of them do not.
    #[error("{}", a_few(.0, "; "))]
    AtFault(Vec<OneAtFault>),
    /// Jobs have not ended, and no task of them has failed: neither good nor bad yet.
    #[error("under way: {}; judge again when it has ended", a_few(.0, ", "))]
    UnderWay(Vec<OneRuns>),
}

/// How many tasks of one service run.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{service} ({tally})")]
pub struct OneRuns {
    /// The service.
    pub service: String,
    /// How many of its tasks run or are complete, of how many.
    pub tally: String,
}

/// What is wrong with one service of several.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{service}: {}", list(.faults, "; "))]
pub struct OneAtFault {
    /// The service.
    pub service: String,
    /// What is wrong with it.
    pub faults: Vec<ServiceFault>,
}

fn running(services: &[OneRuns]) -> String {
    format!("{} run", many(services.len() as u64, "service"))
}
