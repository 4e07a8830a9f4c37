//! The record of a renewal, and where it stands, as the Swarm's store has them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pvcheck_audit::{ConfigId, NetworkId};
use pvcheck_ipam::Pool;
use serde::{Deserialize, Serialize};

use super::attached::AttachedContainer;
use super::member::Member;
use super::settings::Settings;
use super::step::{Direction, Phase, RenewalStep, steps};
use super::strategy::RenewalStrategy;
use crate::engine::{CallError, CallErrorKind, Engine, wire};
use crate::run::RunId;

/// The config's name: creating it is atomic, so a Swarm has one renewal at a time.
pub(super) const NAME: &str = "pvcheck-renewal";
/// Where the renewal stands, as JSON.
pub(super) const STANDS: &str = "org.pvcheck.renewal.stands";
/// The format.
pub(super) const SCHEMA: &str = "pvcheck/v1";

/// All that is needed to finish a renewal, or to undo it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// The run that began it; the label of the holding network.
    pub run: RunId,
    /// The Swarm's id; empty in a record of an earlier version.
    #[serde(default)]
    pub cluster: String,
    /// When it was begun.
    pub begun: Timestamp,
    /// The network's name.
    pub network: String,
    /// The id of the network as it was.
    pub old: NetworkId,
    /// How it is renewed.
    pub strategy: RenewalStrategy,
    /// All its settings but name and pools.
    pub settings: Settings,
    /// The pools that it had.
    pub from: Vec<Pool>,
    /// The pool that it is to have.
    pub to: Pool,
    /// The holding network's name and pool.
    pub holding: (String, Pool),
    /// The services on it.
    pub members: Vec<Member>,
    /// The containers on it that were attached by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<AttachedContainer>,
}

impl Record {
    /// Its steps, in order.
    pub(super) fn steps(&self) -> Vec<RenewalStep> {
        steps(self.strategy, &self.members, &self.containers)
    }
}

/// Where a renewal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stands {
    /// The process that goes on with it.
    pub writer: RunId,
    /// Where to.
    pub direction: Direction,
    /// The step's place in the order of that direction, from 0.
    pub at: usize,
    /// The step's name; empty before the first.
    pub step: String,
    /// Which moment of it.
    pub phase: Phase,
    /// When that was written, by that process' clock.
    pub since: Timestamp,
}

/// A renewal that was begun and not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unfinished {
    /// The network.
    pub network: String,
    /// How it is renewed.
    pub strategy: RenewalStrategy,
    /// When it was begun.
    pub begun: Timestamp,
    /// Where it stands.
    pub stands: Stands,
    /// The steps in all.
    pub steps: usize,
}

/// The unfinished renewal of this Swarm, if there is one, and its record.
///
/// # Errors
/// If a call fails, or this version does not understand the record.
pub async fn unfinished(engine: &Engine) -> Result<Option<(Unfinished, Record)>, CallError> {
    Ok(find(engine).await?.map(|found| {
        let steps = found.record.steps().len();
        let Record { network, strategy, begun, .. } = found.record.clone();
        (Unfinished { network, strategy, begun, stands: found.stands, steps }, found.record)
    }))
}

/// A renewal in the store.
pub(super) struct Found {
    pub(super) id: ConfigId,
    pub(super) version: u64,
    pub(super) record: Record,
    pub(super) stands: Stands,
}

pub(super) async fn find(engine: &Engine) -> Result<Option<Found>, CallError> {
    let configs: Vec<wire::Stored> = engine.connection().get("/configs").await?;
    let Some(listed) = configs.into_iter().find(|c| c.spec.name == NAME) else { return Ok(None) };
    let path = format!("/configs/{}", listed.id);
    let found: wire::Versioned = match engine.connection().get(&path).await {
        Err(error) if error.is_not_found() => return Ok(None),
        found => found?,
    };
    let decoded = parse(&found.spec).map_err(|error| {
        engine.connection().error(&http::Method::GET, &path, CallErrorKind::Decode(error))
    })?;
    let (record, stands) = decoded;
    Ok(Some(Found {
        id: ConfigId::new(found.id),
        version: found.version.index.unwrap_or_default(),
        record,
        stands,
    }))
}

fn parse(spec: &serde_json::Value) -> Result<(Record, Stands), serde_json::Error> {
    use serde::de::Error;
    let data = spec["Data"].as_str().unwrap_or_default();
    let data = BASE64_STANDARD.decode(data).map_err(serde_json::Error::custom)?;
    let stands = spec["Labels"][STANDS].as_str().unwrap_or_default();
    Ok((serde_json::from_slice(&data)?, serde_json::from_str(stands)?))
}
