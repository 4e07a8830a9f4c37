//! A census by many tasks at once: addresses are given before a node is, so tasks that fit no node get theirs and never
//! start.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_audit::ServiceId;

use super::prober::Prober;
use super::ring::Turn;
use crate::engine::{CallError, poll};
use crate::read::{read_tasks, read_tasks_of};

impl Prober<'_> {
    /// Asks for as many addresses as the turn allows, gives them back, and waits until they are free again.
    pub(super) async fn batch(&self, turn: &mut Turn) -> Result<(), CallError> {
        let wanted = turn.next_batch(self.capacity.usable(), self.options.most_held);
        let name = self.next_name();
        let service = self.writer.create_probe(&name, &self.network.id, wanted, self.op.run).await?;
        let given = self.wait_given(&service, wanted).await;
        self.writer.remove_service(&service).await?;
        turn.removed(vec![service.clone()]);
        let given = given?;
        let exhausted = given.len() < wanted as usize;
        turn.push(&given, exhausted);
        self.wait_gone(&service, turn).await
    }

    /// Waits until every task has its address, or until those that have none stay without for a while.
    async fn wait_given(&self, service: &ServiceId, wanted: u32) -> Result<Vec<Ipv4Addr>, CallError> {
        // The list shows a batch being served within milliseconds; a batch of thousands takes a second or two.
        const SETTLED: Duration = Duration::from_secs(2);
        let mut given: Vec<Ipv4Addr> = Vec::new();
        let mut last_gain = Instant::now();
        loop {
            let tasks = read_tasks_of(self.op.engine, service).await?;
            let now: Vec<_> = tasks.iter().flat_map(|t| t.addresses_on(&self.network.id)).collect();
            if given.len() < now.len() {
                last_gain = Instant::now();
            }
            given = now;
            if wanted as usize <= given.len() || SETTLED < last_gain.elapsed() {
                return Ok(given);
            }
            poll().await;
        }
    }

    /// Waits until the service's tasks are out of the store: only then are their addresses free. Meanwhile it notes what
    /// others hold, and whether some of them stop.
    async fn wait_gone(&self, service: &ServiceId, turn: &mut Turn) -> Result<(), CallError> {
        let since = Instant::now();
        while since.elapsed() < self.options.deadline {
            // Filtered by service the list is empty as soon as the service is; the whole list is not.
            let (ours, others): (Vec<_>, Vec<_>) = read_tasks(self.op.engine)
                .await?
                .into_iter()
                .partition(|t| t.service.as_ref() == Some(service));
            self.note(turn, &others);
            if ours.is_empty() {
                break;
            }
            poll().await;
        }
        Ok(())
    }
}
