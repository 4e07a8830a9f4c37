//! A census by a few services without tasks: each is given one virtual address, tells it, and is gone.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::try_join_all;
use pvcheck_audit::ServiceId;

use super::doubt::Doubt;
use super::prober::Prober;
use super::ring::Turn;
use crate::engine::{CallError, Pace, wait_until};
use crate::read::{read_service, read_tasks};

/// Steps between two looks at what others do.
const STRETCH: u32 = 64;

/// How long an allocator that has an address usually takes at most to give it, before it is made to show that it has
/// none.
const SETTLED: Duration = Duration::from_millis(300);

/// The pause between two looks at one's own service, which has its address after about a millisecond.
const BLINK: Duration = Duration::from_millis(1);

/// What one service was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The next free address.
    Given(Ipv4Addr),
    /// Nothing, because nothing was free.
    NoneLeft,
    /// Nothing, and the allocator did not show that it had tried.
    Silent,
}

impl Step {
    fn address(self) -> Option<Ipv4Addr> {
        match self {
            Self::Given(address) => Some(address),
            Self::NoneLeft | Self::Silent => None,
        }
    }
}

impl Prober<'_> {
    /// Some steps of the ring, then a look at what others do meanwhile.
    pub(super) async fn stretch(&self, turn: &mut Turn) -> Result<(), CallError> {
        let mut taken = 0;
        while taken < STRETCH && !turn.is_complete() {
            let lanes = turn.lanes();
            let given = try_join_all((0..lanes).map(|_| self.step())).await?;
            turn.removed(given.iter().map(|(service, _)| service.clone()).collect());
            if given.iter().any(|(_, step)| *step == Step::Silent) {
                turn.disturb(Doubt::AllocatorSilent);
                break;
            }
            let addresses: Vec<_> = given.iter().filter_map(|(_, step)| step.address()).collect();
            turn.push(&addresses, addresses.len() < lanes as usize);
            taken += lanes;
        }
        self.note(turn, &read_tasks(self.op.engine).await?);
        Ok(())
    }

    /// The next free address, given back at once, with the service that asked for it.
    async fn step(&self) -> Result<(ServiceId, Step), CallError> {
        let name = self.next_name();
        let service = self.writer.create_pointer(&name, self.network, self.op.run).await?;
        let given = self.wait_vip(&service).await;
        self.writer.remove_service(&service).await?;
        Ok((service, given?))
    }

    async fn wait_vip(&self, id: &ServiceId) -> Result<Step, CallError> {
        let given = wait_until!(Pace::new(SETTLED).every(BLINK), async { self.vip(id).await.transpose() });
        if let Some(address) = given.transpose()? {
            return Ok(Step::Given(address));
        }
        if !self.allocator_has_tried().await? {
            return Ok(Step::Silent);
        }
        Ok(self.vip(id).await?.map_or(Step::NoneLeft, Step::Given))
    }

    async fn vip(&self, id: &ServiceId) -> Result<Option<Ipv4Addr>, CallError> {
        let service = read_service(self.op.engine, id).await?;
        Ok(service.vips.iter().find(|v| v.network == self.network.id).and_then(|v| v.address))
    }
}
