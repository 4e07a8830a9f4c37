//! Freeing leaked addresses without stopping a container. A new leader rebuilds its allocator from the store, which has no
//! record of a leaked address, so each change of leader frees them all.
//!
//! Three strategies cause one, the gentlest first: `handover` among three or more managers, `borrow` of a second manager for
//! the only one, and `restart` of the engine. [`plan_reclaim`] chooses. Each step is recorded in a file before and after it,
//! so that [`resume_reclaim`] can restore the Swarm however the process or the private engine ended.

mod by_borrow;
mod by_handover;
mod by_restart;
mod collect;
mod count;
mod error;
mod facts;
mod heartbeat;
mod helper_error;
mod late;
mod managers;
mod note;
mod obstacle;
mod plan;
mod plan_step;
mod private;
mod raft_log;
mod report;
mod restore_copy;
mod risk;
mod run;
mod step;
mod step_log;
mod strategy;
mod unchanged;
mod work;

pub use collect::reclaim_facts;
pub use count::{CountReason, LeakCount};
pub use error::ReclaimError;
pub use facts::{Here, Manager, ReclaimFacts};
pub use helper_error::HelperError;
pub use late::{Awaited, Late};
pub use note::{Change, ChangeKind, Note};
pub use obstacle::Obstacle;
pub use plan::{ReclaimPlan, Refused, plan_reclaim};
pub use plan_step::PlanStep;
pub use report::{Reclaim, ReclaimOptions};
pub use restore_copy::{CopyPutBack, put_copy_back};
pub use risk::Risk;
pub use run::{default_state, reclaim, resume_reclaim};
pub use step::{Moment, Step, StepPoint, StepTime};
pub use step_log::{unfinished_reclaim, unfinished_run};
pub use strategy::{Strategy, Wish};
