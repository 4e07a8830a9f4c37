//! Why something does not run: the answer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::remedy::{Remedy, RemedyKind};
use super::suspects::WaitedOn;
use crate::faults::Finding;
use crate::known_error::{KnownError, TaskError};
use crate::seen::{TaskId, UpdateStatus};

/// Why something does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Why {
    /// The service's name; `null` for a standalone container, and for a task whose service is gone.
    pub service: Option<String>,
    /// The task that was asked about, or that shows the cause best.
    pub task: Option<TaskId>,
    /// What it comes to.
    pub verdict: Verdict,
    /// That in one sentence.
    pub summary: String,
    /// From the service to the cause, link by link.
    pub chain: Vec<Link>,
    /// The network that refuses; `null` if none does, or if it is not known which.
    pub network: Option<WaitedOn>,
    /// Networks of which at least one refuses, if it is not known which.
    pub candidates: Vec<WaitedOn>,
    /// What else goes wrong, with this service and on these networks.
    pub findings: Vec<Finding>,
    /// The service's last update, if it did not complete; an update of a service that runs may be under way.
    #[serde(default)]
    pub update: Option<UpdateStatus>,
    /// The errors that its tasks show, the newest first; none where nothing is wrong.
    #[serde(default)]
    pub errors: Vec<TaskError>,
    /// What to do, cheapest first.
    pub remedies: Vec<Remedy>,
}

impl Why {
    /// Asks a catalogue about each error. What it says to do comes before the steps that only look for the cause.
    pub fn explain_errors(&mut self, catalogue: impl Fn(&str) -> Option<KnownError>) {
        let mut steps = Vec::new();
        for error in &mut self.errors {
            error.known = catalogue(&error.text);
            let Some(known) = &error.known else { continue };
            let kind =
                RemedyKind::HealError { signature: known.signature.clone(), remedy: known.remedy.clone() };
            if self.verdict == Verdict::NotAddress && !steps.contains(&Remedy::from(kind.clone())) {
                steps.push(kind.into());
            }
        }
        let first = self.remedies.iter().position(|r| r.kind.only_looks()).unwrap_or(self.remedies.len());
        self.remedies.splice(first..first, steps);
    }
}

/// Why something does not run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A network has no address for it.
    Address,
    /// A network has no subnet.
    Network,
    /// Its service lacks its virtual address on one network, and so waits on all of them.
    VipPending,
    /// It has its addresses; something else is wrong.
    NotAddress,
    /// Nothing is wrong: it runs, or has ended, as wanted.
    Running,
    /// This snapshot does not show it.
    Unknown,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// What it is about: `service NAME`, `task ID`, `network NAME`.
    pub subject: String,
    /// How that is.
    pub state: String,
    /// Since when, by the Swarm's clocks.
    pub since: Option<Timestamp>,
    /// What that means.
    pub fact: String,
}
