//! Renewing an overlay under its own name, with another subnet.
//!
//! A subnet cannot be changed (moby #34446): the network has to go and come back, and everything on it has to be off it
//! in between. [`plan_renewal`] says what that means, and every reason not to begin; [`renew`] does it, step by step, under
//! the Swarm's lock and with a journal in the Swarm's own store, so that any process can finish it ([`resume_renewal`]) or
//! undo it ([`roll_back_renewal`]).

mod attached;
mod attachments;
mod blocker;
mod carry;
mod drain;
mod error;
mod facts;
mod journal;
mod member;
mod named;
mod networks;
mod pins;
mod plan;
mod proof;
mod record;
mod report;
mod room;
mod run;
mod saved;
mod settings;
mod settle;
mod step;
mod strategy;
mod work;

pub use attached::{AddressClash, Attached, AttachedContainer};
pub use blocker::{Blocker, Drifted};
pub use error::RenewalError;
pub use facts::RenewalFacts;
pub use member::Member;
pub use pins::Pin;
pub use plan::{NewSubnet, RefusedStrategy, RenewalPlan, RenewalRequest, plan_renewal};
pub use proof::RenewalProof;
pub use record::{Record as RenewalRecord, Stands, Unfinished, unfinished as unfinished_renewal};
pub use report::{RENEWAL_LOCK, RENEWAL_PURPOSE, Renewal, RenewalOptions, StepDone};
pub use room::Room;
pub use run::{renew, resume_renewal, roll_back_renewal};
pub use saved::{Ended, SavedRenewal, SavedRenewalError};
pub use settings::Settings as NetworkSettings;
pub use step::{Direction, Phase, Place, RenewalPoint, RenewalStep, Stage};
pub use strategy::RenewalStrategy;
