//! What every operation on a Swarm takes.

use crate::engine::Engine;
use crate::progress::{Progress, Watcher};
use crate::run::RunId;
use crate::write::{Permit, Writer};

/// A manager, the permit to change its Swarm, the run whose label every created object carries, and the receiver of
/// progress.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// The manager that the operation talks to.
    pub engine: &'a Engine,
    /// The permit to change the Swarm.
    pub permit: Permit,
    /// The run; operations that create nothing ignore it.
    pub run: &'a RunId,
    /// Called with each step.
    pub watch: Watcher<'a>,
}

impl<'a> Operation<'a> {
    /// An operation of these four.
    pub fn new(engine: &'a Engine, permit: Permit, run: &'a RunId, watch: Watcher<'a>) -> Self {
        Self { engine, permit, run, watch }
    }

    /// The same operation through another manager of the Swarm.
    pub(crate) fn on(self, engine: &'a Engine) -> Self {
        Self { engine, ..self }
    }

    /// The same operation for another run.
    pub(crate) fn for_run(self, run: &'a RunId) -> Self {
        Self { run, ..self }
    }

    pub(crate) fn writer(&self) -> Writer<'a> {
        Writer::new(self.engine.connection(), self.permit)
    }

    /// Sends a step to the watcher.
    pub fn say(&self, text: impl Into<String>) {
        (self.watch)(Progress::Step(text.into()));
    }
}
