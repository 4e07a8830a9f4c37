//! The private engine of a borrow: its programs, processes, link and folder.

mod engine;
mod exec;
mod folder;
mod link;
mod process;
mod programs;

pub(super) use engine::PrivateEngine;
pub(super) use exec::run_within;
pub(super) use folder::{copy, make_private};
pub(super) use link::free_link;
pub(super) use programs::Programs;
