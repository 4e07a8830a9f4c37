//! Why the check of the unit that creates an overlay has its verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why the check of the unit that creates an overlay has its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActivationReason {
    /// It is not active, or its last run did not end well.
    #[error("{unit} is {state}, with result {result}; see journalctl -u {unit}")]
    NotActive {
        /// The unit.
        unit: String,
        /// Its state.
        state: String,
        /// How its last run ended.
        result: String,
    },
    /// It says that it is active, and not since when.
    #[error("{unit} is {state}, and systemd does not say since when")]
    NoTime {
        /// The unit.
        unit: String,
        /// Its state.
        state: String,
    },
    /// The network does not say when it was created.
    #[error("the Swarm does not say when {overlay} was created")]
    NoCreation {
        /// The overlay.
        overlay: String,
    },
    /// It created the network.
    #[error("{unit} is {state}; {overlay} was created {created}, while it ran ({began} to {active})")]
    Created {
        /// The unit.
        unit: String,
        /// Its state.
        state: String,
        /// The overlay.
        overlay: String,
        /// When the network was created.
        created: Timestamp,
        /// When the unit began.
        began: Timestamp,
        /// When it was active.
        active: Timestamp,
    },
    /// It ran since, and left the network as it was.
    #[error("{unit} is {state} and ran last {began}, when {overlay} was there already (created {created})")]
    RanSince {
        /// The unit.
        unit: String,
        /// Its state.
        state: String,
        /// The overlay.
        overlay: String,
        /// When the network was created.
        created: Timestamp,
        /// When the unit began.
        began: Timestamp,
    },
    /// The renewal created the network after the unit ran.
    #[error("{unit} is {state} since {active}; the renewal created {overlay} afterwards, {created}")]
    Renewed {
        /// The unit.
        unit: String,
        /// Its state.
        state: String,
        /// The overlay.
        overlay: String,
        /// When the network was created.
        created: Timestamp,
        /// When the unit was active.
        active: Timestamp,
    },
    /// Neither the unit nor the renewal created the network.
    #[error(
        "{overlay} was created {created}, after {unit} had run ({active}), and not by the renewal: another client created it since"
    )]
    CreatedByOther {
        /// The unit.
        unit: String,
        /// The overlay.
        overlay: String,
        /// When the network was created.
        created: Timestamp,
        /// When the unit was active.
        active: Timestamp,
    },
}
