//! What every operation on a Swarm needs.

use crate::engine::Engine;
use crate::progress::{Progress, Watcher};
use crate::run::RunId;
use crate::write::{Permit, Writer};

/// The manager to work on, leave to change its Swarm, the run whose label everything created carries, and who is shown
/// the progress.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// A manager.
    pub engine: &'a Engine,
    /// Leave to change the Swarm.
    pub permit: Permit,
    /// The run; operations that create nothing do not use it.
    pub run: &'a RunId,
    /// Called with each step.
    pub watch: Watcher<'a>,
}

impl<'a> Operation<'a> {
    /// All four together.
    pub fn new(engine: &'a Engine, permit: Permit, run: &'a RunId, watch: Watcher<'a>) -> Self {
        Self { engine, permit, run, watch }
    }

    /// The same work on another manager of the Swarm.
    pub(crate) fn on(self, engine: &'a Engine) -> Self {
        Self { engine, ..self }
    }

    /// The same work for another run.
    pub(crate) fn for_run(self, run: &'a RunId) -> Self {
        Self { run, ..self }
    }

    pub(crate) fn writer(&self) -> Writer<'a> {
        Writer::new(self.engine.connection(), self.permit)
    }

    /// Shows a step.
    pub fn say(&self, text: impl Into<String>) {
        (self.watch)(Progress::Step(text.into()));
    }
}
