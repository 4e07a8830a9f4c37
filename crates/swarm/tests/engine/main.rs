//! Every operation against the embedded engine, whose model knows what is really so.

mod audit;
mod census;
mod churn;
mod connect;
mod deploy;
mod faults;
mod lock;
mod removal;
mod renew;
mod renew_by_hand;
mod renew_meanwhile;
mod renewals;
mod secrets;
mod snapshot;
mod spawn;
mod status;
mod support;
mod why;
mod worlds;
