//! A census by a few services without tasks: each is given one virtual address, tells it, and is gone.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use pvcheck_audit::ServiceId;

use super::prober::Prober;
use super::ring::Turn;
use crate::engine::CallError;
use crate::read::{read_service, read_tasks};

/// Steps between two looks at what others do.
const STRETCH: u32 = 64;

/// How long an allocator that has an address may take to give it: it does so within milliseconds, even under load
/// within a fraction of this.
const SETTLED: Duration = Duration::from_secs(2);

/// The pause between two looks at one's own service, which has its address after about a millisecond.
const BLINK: Duration = Duration::from_millis(1);

impl Prober<'_> {
    /// Some steps of the ring, then a look at what others do meanwhile.
    pub(super) async fn stretch(&self, turn: &mut Turn) -> Result<(), CallError> {
        let mut taken = 0;
        while taken < STRETCH && !turn.is_complete() {
            let lanes = turn.lanes();
            let given = try_join_all((0..lanes).map(|_| self.step())).await?;
            turn.removed(given.iter().map(|(service, _)| service.clone()).collect());
            let given: Vec<_> = given.into_iter().filter_map(|(_, address)| address).collect();
            turn.push(&given, given.len() < lanes as usize);
            taken += lanes;
        }
        self.note(turn, &read_tasks(self.op.engine).await?);
        Ok(())
    }

    /// The next free address, given back at once; `None` if there was none. With the service that asked for it.
    async fn step(&self) -> Result<(ServiceId, Option<Ipv4Addr>), CallError> {
        let name = self.next_name();
        let service = self.writer.create_pointer(&name, self.network, self.op.run).await?;
        let address = self.wait_vip(&service).await;
        self.writer.remove_service(&service).await?;
        Ok((service, address?))
    }

    async fn wait_vip(&self, id: &ServiceId) -> Result<Option<Ipv4Addr>, CallError> {
        let since = Instant::now();
        loop {
            let service = read_service(self.op.engine, id).await?;
            let vip = service.vips.iter().find(|v| v.network == self.network.id).and_then(|v| v.address);
            if vip.is_some() || SETTLED < since.elapsed() {
                return Ok(vip);
            }
            tokio::time::sleep(BLINK).await;
        }
    }
}
