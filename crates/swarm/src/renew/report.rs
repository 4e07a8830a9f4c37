//! Options and report of a renewal.

use std::path::PathBuf;
use std::time::Duration;

use pvcheck_audit::NetworkId;
use pvcheck_ipam::Pool;
use serde::{Deserialize, Serialize};

use super::step::{Direction, RenewalPoint, RenewalStep};
use super::strategy::RenewalStrategy;

/// How long the lock of a renewal lasts without its process.
pub const RENEWAL_LOCK: Duration = Duration::from_mins(2);

/// The purpose that it states there.
pub const RENEWAL_PURPOSE: &str = "resize";

/// How a renewal is carried out.
#[derive(Clone)]
pub struct RenewalOptions<'a> {
    /// How this process identifies itself in the lock.
    pub holder: String,
    /// The operator's reason to take over a lock of another run; `None` respects it.
    pub break_lock: Option<String>,
    /// The longest time for the tasks of one step to come up, or to stop.
    pub patience: Duration,
    /// True iff a step that fails leaves everything where it stands, instead of putting it back.
    pub hold: bool,
    /// The folder of the journal's copy.
    pub state: PathBuf,
    /// How long the lock lasts without this process; it is renewed while the process lives.
    pub lock_lasts: Duration,
    /// Called at each point between two actions.
    pub hook: &'a (dyn Fn(RenewalPoint) + Send + Sync),
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepDone {
    /// Where to.
    pub direction: Direction,
    /// The step.
    #[serde(flatten)]
    pub step: RenewalStep,
    /// How long it took, in ms.
    pub elapsed_ms: u64,
}

/// The result of a renewal, of a resumed one, or of one that was undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Renewal {
    /// The network.
    pub network: String,
    /// Its id now.
    pub network_id: NetworkId,
    /// How.
    pub strategy: RenewalStrategy,
    /// Where to.
    pub direction: Direction,
    /// True iff an earlier process began it.
    pub resumed: bool,
    /// The pools that it has now.
    pub pools: Vec<Pool>,
    /// The services on it.
    pub services: u64,
    /// The containers that were attached by hand and taken along.
    pub containers: u64,
    /// What differs from before in more than the network's id: specifications of services, connections of containers,
    /// settings of the network; and what is gone.
    pub changed: Vec<String>,
    /// The steps that this process did, in order.
    pub steps: Vec<StepDone>,
    /// Duration of the whole, in ms.
    pub elapsed_ms: u64,
}
