//! The command as users and scripts meet it: exit codes, streams, formats, and what an interruption leaves.

mod bundle;
mod check;
mod churn;
mod config;
mod doctor;
mod drop_in;
mod embedded;
mod formats;
mod gates;
mod harness;
mod init;
mod interrupt;
mod journal;
mod kinds;
mod ledger;
mod main_job;
mod output;
mod own_gates;
mod reclaim;
mod refusal;
mod report;
mod resize;
mod schemas;
mod secrets;
mod support;
mod why;
