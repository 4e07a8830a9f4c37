//! What this user may see here, and what to do about the rest.
//!
//! [`collect_doctor`] looks, [`diagnose`] says of each thing whether it is in order. What could not be looked at is never in
//! order.

mod collect;
mod facts;
mod judge;
mod symptom;

pub use collect::collect_doctor;
pub use facts::{
    ConfigFact, DoctorFacts, Heard, Leftover, LockSeen, LogFact, NamespaceFact, NodeFact, Reached, TrustFact,
};
pub use judge::{Diagnosis, Examined, diagnose};
pub use symptom::{Health, Symptom};
