//! One file per command: take the arguments, call the crate that does the work, print, return the exit code.

pub(crate) mod audit;
pub(crate) mod boot;
pub(crate) mod census;
pub(crate) mod check;
pub(crate) mod churn;
pub(crate) mod claim;
pub(crate) mod demo;
pub(crate) mod docker;
pub(crate) mod embedded;
pub(crate) mod explain;
pub(crate) mod finding;
pub(crate) mod gate;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod plan_subnet;
pub(crate) mod reclaim;
pub(crate) mod resize;
pub(crate) mod routes;
pub(crate) mod stack;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod verify;
pub(crate) mod why;
pub(crate) mod window;
