//! One file per command: read what is asked for, call the crate that owns it, print.

pub(crate) mod audit;
pub(crate) mod boot;
pub(crate) mod census;
pub(crate) mod churn;
pub(crate) mod docker;
pub(crate) mod explain;
pub(crate) mod gate;
pub(crate) mod journal;
pub(crate) mod plan_subnet;
pub(crate) mod reclaim;
pub(crate) mod routes;
pub(crate) mod stack;
pub(crate) mod sweep;
pub(crate) mod why;
