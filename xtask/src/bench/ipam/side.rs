//! What is measured: sides, and rounds of them.

use serde::Deserialize;

/// What one side measured, in nanoseconds; `None` where the limit cut it off, or the side cannot do it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) read_ns: Option<u64>,
    pub(super) index_ns: Option<u64>,
    pub(super) conflicts_ns: Option<u64>,
    pub(super) counts: Vec<u64>,
    pub(super) is_free_ns: Option<u64>,
    pub(super) free_ns: Option<u64>,
    pub(super) free: Option<String>,
    pub(super) plan_ns: Option<u64>,
    pub(super) allocations: Option<u64>,
}

/// All sides at one size. Ours is the first.
pub(super) struct Round {
    pub(super) size: u32,
    pub(super) sides: Vec<Side>,
}
