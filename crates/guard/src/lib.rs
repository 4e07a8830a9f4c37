//! What to do when a Swarm runs out of addresses: three questions, one table, one act.
//!
//! Is a network full now? Was one since the allocator was built? Is one getting there? [`collect`] looks for the answers,
//! [`judge`] is a pure function of them, and [`decide`] is a table that can be printed. [`act`] does what the table says, once:
//! what is begun is on the disk first, so that a guard that is killed at any point does not do it twice.
//!
//! [`check_foreign`] reads somebody else's guard, such as the shell in a runbook, and says on which lines of the engine's log it
//! would fire, how far it looks back, and whether a failure reads as zero.
//!
//! What it never does: take unknown for well, touch what does not carry pvcheck's label, restart an engine for a leak that has
//! filled nothing, or repeat a cure that did not help.
//!
//! ```
//! use pvcheck_guard::{Ahead, Answer, Brake, Logged, Now, Open, Orphans, Signs, decide};
//!
//! let well = Signs {
//!     now: Now::NotFull,
//!     logged: Logged::Clean,
//!     ahead: Ahead::Far,
//!     orphans: Orphans::None,
//!     brake: Brake::Free,
//!     open: Open::default(),
//! };
//! assert_eq!(decide(&well).answer, Answer::Nothing);
//! assert_eq!(decide(&Signs { logged: Logged::Unknown, ..well }).answer, Answer::Undecided);
//! ```
#![forbid(unsafe_code)]

mod acting;
mod ahead;
mod collect;
mod file;
mod foreign;
mod full;
mod logged;
mod memory;
mod options;
mod page;
mod report;
mod run;
mod signs;
mod table;
mod ways;

pub use ahead::{Counted, Guarded, Outlook, ahead};
pub use collect::collect;
pub use file::{StateError, StateFile, read_state};
pub use foreign::{Acts, ForeignAdvice, ForeignFault, ForeignGuard, LogRead, Looks, Shown, check_foreign};
pub use full::{Full, FullNetwork, UnclearNetwork};
pub use logged::RanOut;
pub use memory::{Act, End, Memory, NotMemory, Outcome};
pub use options::{GuardOptions, GuardPoint, Look};
pub use page::Page;
pub use report::{Done, Guard, GuardFacts, LeakedThen, Leftovers, Standing, judge};
pub use run::{GuardError, act, unreached, watch};
pub use signs::{Ahead, Brake, Logged, Now, Open, Orphans, Signs};
pub use table::{Answer, Explained, ExplainedRow, Row, TABLE, decide, explained};
pub use ways::{NoDrain, Way, WayFacts, ways};
