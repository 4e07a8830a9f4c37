//! Restarting the engine: the last resort.

use std::time::{Duration, Instant};

use tokio::process::Command;

use super::error::ReclaimError;
use super::late::Awaited;
use super::managers::{self, until};
use super::note::Note;
use super::private::run_within;
use super::step::Step;
use super::unchanged::Standing;
use super::work::Work;
use crate::engine::wait_until;
use crate::run::RunId;

/// Longest time for the engine to come back and for its services to run again.
const BACK: Duration = Duration::from_mins(3);
/// After this long the containers of before are believed to run on: then the command has restarted nothing.
const REPORTED: Duration = Duration::from_secs(10);

impl Work<'_> {
    pub(super) async fn restart(&mut self) -> Result<(), ReclaimError> {
        let since = self.log.begun(Step::Restart)?;
        self.say("restarting the engine");
        let mut command = Command::new("sh");
        command.args(["-c", &self.options.restart_command]);
        run_within(command, BACK).await?;
        self.log.done(Step::Restart, since)
    }

    /// Waits until as many tasks run as before, in other containers.
    pub(super) async fn wait_restarted(&mut self) -> Result<(), ReclaimError> {
        until(self.op.engine, Awaited::EngineLeads, BACK, managers::leader).await?;
        let before = &self.log.record.standing;
        let (wanted, asked) = (before.running(), &self.log.record.asked);
        let (since, nobody) = (Instant::now(), RunId::from_label(""));
        self.say("waiting until the services run again");
        let mut running = 0;
        let all_run = wait_until!(BACK, async {
            let now = Standing::look(self.op.engine, &nobody).await;
            running = now.as_ref().map_or(0, Standing::running);
            // What the node has not reported yet stands there as it was.
            let old = now.as_ref().is_ok_and(|now| before.shares_a_task(now, asked));
            (wanted <= running && (!old || REPORTED < since.elapsed())).then_some(())
        });
        if all_run.is_none() {
            self.notes.push(Note::FewerTasks { running, before: wanted });
        }
        Ok(())
    }
}
