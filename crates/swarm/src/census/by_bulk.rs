//! A census by many tasks at once: addresses are given before a node is, so tasks that fit no node get theirs and never
//! start.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_audit::ServiceId;

use super::doubt::Doubt;
use super::prober::Prober;
use super::ring::Turn;
use crate::engine::{CallError, poll, wait_until};
use crate::read::{read_service, read_tasks, read_tasks_of};

/// How long a removed service is given before it is asked for: its tasks go within a second as a rule.
const REMOVED: Duration = Duration::from_secs(3);

impl Prober<'_> {
    /// Asks for as many addresses as the turn allows, gives them back, and waits until they are free again.
    pub(super) async fn batch(&self, turn: &mut Turn) -> Result<(), CallError> {
        let probes = turn.next_batch(self.capacity.usable(), self.options.most_held);
        let (wanted, name) = (probes.addresses(), self.next_name());
        let service = self.writer.create_probe(&name, &self.network.id, probes, self.op.run).await?;
        let given = self.wait_given(&service, wanted).await;
        self.writer.remove_service(&service).await?;
        turn.removed(vec![service.clone()]);
        let (given, tried) = given?;
        turn.serve(&given, probes);
        if !tried {
            turn.disturb(Doubt::AllocatorSilent);
        }
        self.wait_gone(&service, turn).await
    }

    /// Waits until every task has its address, or the allocator has shown that it has none left for the others; false if it
    /// showed nothing.
    async fn wait_given(&self, service: &ServiceId, wanted: u32) -> Result<(Vec<Ipv4Addr>, bool), CallError> {
        // The list shows a batch being served within milliseconds; a batch of thousands takes a second or two.
        // No `wait_until`: the time begins anew with each address that is given.
        const SETTLED: Duration = Duration::from_millis(300);
        let mut given: Vec<Ipv4Addr> = Vec::new();
        let mut last_gain = Instant::now();
        loop {
            let now = self.addresses_of(service).await?;
            if given.len() < now.len() {
                last_gain = Instant::now();
            }
            given = now;
            if wanted as usize <= given.len() {
                return Ok((given, true));
            }
            if SETTLED < last_gain.elapsed() {
                let tried = self.allocator_has_tried().await?;
                let now = self.addresses_of(service).await?;
                if now.len() == given.len() || !tried {
                    return Ok((now, tried));
                }
                (given, last_gain) = (now, Instant::now());
            }
            poll().await;
        }
    }

    async fn addresses_of(&self, service: &ServiceId) -> Result<Vec<Ipv4Addr>, CallError> {
        let tasks = read_tasks_of(self.op.engine, service).await?;
        Ok(tasks.iter().flat_map(|t| t.addresses_on(&self.network.id)).collect())
    }

    /// Waits until the service's tasks are out of the store: only then are their addresses free. Meanwhile it notes what
    /// others hold, and whether some of them stop.
    async fn wait_gone(&self, service: &ServiceId, turn: &mut Turn) -> Result<(), CallError> {
        let since = Instant::now();
        // What is not gone by then is swept at the end of the run.
        wait_until!(self.time_left(), async {
            // Filtered by service the list is empty as soon as the service is; the whole list is not.
            let (ours, others): (Vec<_>, Vec<_>) = match read_tasks(self.op.engine).await {
                Ok(tasks) => tasks.into_iter().partition(|t| t.service.as_ref() == Some(service)),
                Err(error) => return Some(Err(error)),
            };
            self.note(turn, &others);
            if ours.is_empty() {
                return Some(Ok(()));
            }
            if since.elapsed() < REMOVED {
                return None;
            }
            // Its tasks take their time, or it was not removed at all: then they never go.
            match read_service(self.op.engine, service).await {
                Ok(stays) => {
                    turn.disturb(Doubt::NotRemoved { services: vec![stays.name] });
                    Some(Ok(()))
                }
                Err(error) if error.is_not_found() => None,
                Err(error) => Some(Err(error)),
            }
        })
        .unwrap_or(Ok(()))
    }
}
