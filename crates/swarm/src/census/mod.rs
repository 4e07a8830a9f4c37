//! The census: asking the allocator for one turn of its ring, to learn which addresses are free.
//!
//! What is neither handed out nor owned is leaked. No other way sees it on engines before API 1.52: a leaked address
//! belongs to no container, no task and no service.

mod actors;
mod balancers;
mod by_bulk;
mod by_cursor;
mod by_status;
mod by_waiting;
mod doubt;
mod estimate;
mod evidence;
mod prober;
mod read_only;
mod report;
mod ring;
mod run;
mod settle;
#[cfg(test)]
mod testing;
mod witness;

pub use doubt::Doubt;
pub use read_only::census_by_status;
pub use report::{Census, CensusError, CensusMethod, CensusOptions};
pub use run::{census, countable};
