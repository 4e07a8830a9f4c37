//! `restart`: the engine is restarted, and all its containers with it. The last resort.

use std::time::{Duration, Instant};

use tokio::process::Command;

use super::error::ReclaimError;
use super::late::Awaited;
use super::managers::{self, until};
use super::note::Note;
use super::private::run_within;
use super::step::Step;
use super::unchanged::Inventory;
use super::work::Work;
use crate::engine::wait_until;
use crate::run::RunId;

/// Longest time for the engine to come back and for its services to run again.
const BACK: Duration = Duration::from_mins(3);
/// After this long, containers that are listed unchanged are taken to run on, so that the command has restarted nothing.
/// Until then the list may be the one from before the restart.
const REPORTED: Duration = Duration::from_secs(10);

impl Work<'_> {
    pub(super) async fn restart(&mut self) -> Result<(), ReclaimError> {
        let since = self.log.begun(Step::Restart)?;
        self.say("restarting the engine");
        let mut command = Command::new("sh");
        command.args(["-c", &self.options.restart_command]);
        // Not `systemctl` by name: which command restarts the engine is the operator's knowledge.
        run_within(command, BACK).await?;
        self.log.done(Step::Restart, since)
    }

    /// Waits until as many tasks run as before, in new containers. Fewer after the limit is a note, not an error: the
    /// addresses are free.
    pub(super) async fn wait_restarted(&mut self) -> Result<(), ReclaimError> {
        until(self.op.engine, Awaited::EngineLeads, BACK, managers::leader).await?;
        let before = &self.log.record.inventory;
        let (wanted, asked) = (before.running(), &self.log.record.asked);
        let (since, no_run) = (Instant::now(), RunId::from_label(""));
        self.say("waiting until the services run again");
        let mut running = 0;
        let all_run = wait_until!(BACK, async {
            let now = Inventory::read(self.op.engine, &no_run).await;
            running = now.as_ref().map_or(0, Inventory::running);
            // Until the node reports, the store has its tasks as they were before the restart.
            let old = now.as_ref().is_ok_and(|now| before.shares_a_task(now, asked));
            (wanted <= running && (!old || REPORTED < since.elapsed())).then_some(())
        });
        if all_run.is_none() {
            self.notes.push(Note::FewerTasks { running, before: wanted });
        }
        Ok(())
    }
}
