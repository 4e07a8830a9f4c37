//! Why a harness's check has its verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::Tier;
use crate::fault::{list, many};
use crate::harness_facts::{After, AfterWhat, Joined};
use crate::harness_result::{ResultFault, TierOutcome};

/// Why a harness's check has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum HarnessReason {
    /// It failed.
    #[error("{}{}{}", list(.faults, "; "), .class.as_ref().map(ToString::to_string).unwrap_or_default(), and(.lacks))]
    Failed {
        /// At what.
        faults: Vec<HarnessFailure>,
        /// Whose fault a failed tier is.
        class: Option<FailureClass>,
        /// What was not shown besides.
        lacks: Vec<HarnessLack>,
    },
    /// Something that it has to show was not shown.
    #[error("{}", list(.0, "; "))]
    NotShown(Vec<HarnessLack>),
    /// It passed.
    #[error("{} passed, level {level}, on {network}: {}; {fresh}", many(*.tiers, "tier"), list(.joined, ", "))]
    Passed {
        /// Tiers that were asked for.
        tiers: u64,
        /// The level that it reached.
        level: u8,
        /// The overlay.
        network: String,
        /// What joined it.
        joined: Vec<Joined>,
        /// How it is known to be of after the change.
        fresh: Fresh,
    },
}

fn and(lacks: &[HarnessLack]) -> String {
    if lacks.is_empty() { String::new() } else { format!("; {}", list(lacks, "; ")) }
}

/// What a harness failed at.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HarnessFailure {
    /// It ended with another code than 0.
    #[error("{program} ended with {code}")]
    Code {
        /// Its program.
        program: String,
        /// The code.
        code: i32,
    },
    /// A signal ended it.
    #[error("{program} was ended by a signal")]
    Signal {
        /// Its program.
        program: String,
    },
    /// It did not end in time.
    #[error("{program} did not end within {seconds} s and was killed")]
    Late {
        /// Its program.
        program: String,
        /// Its time.
        seconds: u64,
    },
    /// A tier failed.
    #[error("tier {tier} failed")]
    Tier {
        /// The tier.
        tier: Tier,
    },
    /// It reached a lower level than asked for.
    #[error("level {reached} was reached, {wanted} is asked for")]
    Level {
        /// What it reached.
        reached: u8,
        /// What is asked for.
        wanted: u8,
    },
    /// By its own word something was left.
    #[error("clean_teardown is false")]
    Teardown,
    /// By its own word a secret got out.
    #[error("no_secret_leak is false")]
    SecretLeak,
    /// Services of it are still there.
    #[error("not torn down: {}", list(.services, ", "))]
    Left {
        /// Their names.
        services: Vec<String>,
    },
}

/// What was not shown.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HarnessLack {
    /// It could not be started.
    #[error("{program} could not be started: {why}")]
    NotStarted {
        /// Its program.
        program: String,
        /// Why.
        why: String,
    },
    /// Its result cannot be read.
    #[error("its result: {error}")]
    NoResult {
        /// The error, with the path.
        error: String,
    },
    /// Its result says nothing that counts.
    #[error("its result {path}: {fault}")]
    Unsound {
        /// The path.
        path: String,
        /// The place.
        fault: ResultFault,
    },
    /// Its command has not written its result.
    #[error("{path} was there before and was not written by this run; an old run proves nothing")]
    NotWritten {
        /// The path.
        path: String,
    },
    /// It started before what it has to be after.
    #[error("it started at {started}, before {}; an old run proves nothing", what(after))]
    Old {
        /// When it started, or its file was written.
        started: Timestamp,
        /// What it has to be after.
        after: After,
    },
    /// Nothing says what it has to be after.
    #[error(
        "nothing says after what it must have started; add `since` to [[harness]], or name the renewal's record with --record"
    )]
    AfterNothing,
    /// It will have started later than now.
    #[error("it says that it started at {started}, which is still to come")]
    StillToCome {
        /// Its time.
        started: Timestamp,
    },
    /// A tier was not shown to pass.
    #[error("tier {tier} {}", outcome.map_or_else(|| "is not in its result".to_owned(), |o| format!("was not shown: {o}")))]
    Tier {
        /// The tier.
        tier: Tier,
        /// What its result says.
        outcome: Option<TierOutcome>,
    },
    /// The Swarm was not seen meanwhile.
    #[error("the Swarm was not read meanwhile: {why}")]
    NotWatched {
        /// Why.
        why: String,
    },
    /// Nothing of it was seen on the overlay.
    #[error(
        "it did not touch {network}: no task outside of the configuration had an address there meanwhile"
    )]
    NotJoined {
        /// The overlay.
        network: String,
    },
    /// The Swarm was not seen after its end.
    #[error("what was left was not seen: {why}")]
    NotSeenAtEnd {
        /// Why.
        why: String,
    },
}

fn what(After { at, of }: &After) -> String {
    match of {
        AfterWhat::Renewal => format!("the renewal ended at {at}"),
        AfterWhat::Run => format!("pvcheck started it at {at}"),
        AfterWhat::Since => format!("`since`, {at}"),
    }
}

/// Whose fault a failed tier is.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum FailureClass {
    /// The Swarm's: something waited for an address and the allocator said so, or a core route was down.
    #[error(" (infra: {because})")]
    Infra {
        /// What was seen.
        because: String,
    },
    /// The recipe's: the Swarm was seen all the time, and neither was so.
    #[error(" (recipe: nothing waited for an address, and every core route answered)")]
    Recipe,
    /// It cannot be told.
    #[error(" (infra or recipe: {because})")]
    Unclear {
        /// What is missing.
        because: String,
    },
}

/// How a run is known to be of after the change.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fresh {
    /// pvcheck has run it.
    #[error("run by this gate, started {started}")]
    RanNow {
        /// When.
        started: Timestamp,
    },
    /// It was offered, and is believed.
    #[error(
        "offered: by its own `started_at` {started} and its file's time {modified} it is of after {}",
        what(after)
    )]
    Offered {
        /// By its own word.
        started: Timestamp,
        /// When the file was written.
        modified: Timestamp,
        /// What it has to be after.
        after: After,
    },
}
