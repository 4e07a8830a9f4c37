//! The steps of containers that were attached by hand: connected to one network, disconnected from another.
//!
//! Only the engine of a container's own node can do that, so it is the one that is asked.

use std::cmp::Ordering;
use std::net::Ipv4Addr;

use pvcheck_audit::NetworkId;

use super::attached::AttachedContainer;
use super::error::RenewalError;
use super::facts::inspect;
use super::networks::{Networks, order};
use super::step::{Direction, Stage};
use super::work::Work;
use crate::engine::{CallError, poll};
use crate::read::{ContainerFacts, address, read_container};

/// How often a connection is tried: each time it is looked at first, since a call that failed may have been carried out.
const TRIES: u32 = 3;

impl Work<'_> {
    /// True iff a container has still to pass through this stage.
    pub(super) async fn is_to_be_carried(
        &self,
        to: Stage,
        names: &[String],
        networks: &Networks,
    ) -> Result<bool, RenewalError> {
        Ok(!self.behind(to, names, networks).await?.is_empty())
    }

    /// Gives containers the networks of this stage: they join before they leave.
    pub(super) async fn carry(
        &self,
        to: Stage,
        names: &[String],
        networks: &Networks,
    ) -> Result<(), RenewalError> {
        let Some(on) = networks.of(to) else { return Ok(()) };
        let behind = self.behind(to, names, networks).await?;
        for id in &on {
            self.connect_all(&behind, id, networks.new.as_ref() == Some(id)).await?;
        }
        for id in networks.besides(to) {
            for container in &behind {
                self.disconnect(container, &id).await?;
            }
        }
        Ok(())
    }

    /// The containers that have still to pass through this stage; those that are gone have not.
    async fn behind(
        &self,
        to: Stage,
        names: &[String],
        networks: &Networks,
    ) -> Result<Vec<AttachedContainer>, RenewalError> {
        let record = &self.journal.record;
        let mut found = Vec::new();
        for container in record.containers.iter().filter(|c| names.contains(&c.name)) {
            let Some(facts) = read_container(self.op.engine, &container.id).await? else { continue };
            let Some(at) = networks.stage_of(&facts) else {
                return Err(RenewalError::Changed { service: container.name.clone() });
            };
            if order(at, to, record.strategy) == Ordering::Less {
                found.push(container.clone());
            }
        }
        Ok(found)
    }

    /// Connects containers, each with its address where it is to have it.
    ///
    /// With its first task on a network a node gets a load balancer there, whose address is the first one that is free: it may
    /// be that of a container which is connected later. Without a task the node loses it, and gets the next one the next time
    /// (addresses are given out serially), so the containers are taken off again until it has none of theirs.
    async fn connect_all(
        &self,
        containers: &[AttachedContainer],
        network: &NetworkId,
        addressed: bool,
    ) -> Result<(), RenewalError> {
        let wants = |container: &AttachedContainer| addressed && self.keeps_address(container);
        for _ in 0..=containers.len() {
            let mut clash = None;
            for container in containers {
                if wants(container) && self.balancer(network).await? == Some(container.address) {
                    clash = Some(container);
                    break;
                }
                self.connect(container, network, wants(container)).await?;
            }
            let Some(clash) = clash else { return Ok(()) };
            self.op.say(format!("the node's load balancer has the address of {}; again", clash.name));
            for container in containers {
                self.disconnect(container, network).await?;
            }
        }
        let taken = containers.iter().find(|container| wants(container));
        Err(RenewalError::AddressTaken {
            container: taken.map(|c| c.name.clone()).unwrap_or_default(),
            address: taken.map_or(Ipv4Addr::UNSPECIFIED, |c| c.address),
        })
    }

    /// True iff the container is to have its address on the network that this direction leads to.
    pub(super) fn keeps_address(&self, container: &AttachedContainer) -> bool {
        match self.direction {
            Direction::Forward => container.clash(&self.journal.record.to).is_none(),
            Direction::Back => true,
        }
    }

    /// The address of this node's load balancer on a network.
    async fn balancer(&self, network: &NetworkId) -> Result<Option<Ipv4Addr>, CallError> {
        let shown = inspect(self.op.engine, network).await?;
        let endpoints = shown["Containers"].as_object();
        let found = endpoints.into_iter().flatten().find(|(key, _)| key.starts_with("lb-"));
        Ok(found.and_then(|(_, endpoint)| address(endpoint["IPv4Address"].as_str()?)))
    }

    async fn connect(
        &self,
        container: &AttachedContainer,
        network: &NetworkId,
        with_address: bool,
    ) -> Result<(), RenewalError> {
        let settings = container.settings(with_address);
        let mut failed = None;
        for _ in 0..=TRIES {
            match read_container(self.op.engine, &container.id).await {
                // It has ended meanwhile.
                Ok(found) if !found.as_ref().is_some_and(ContainerFacts::is_running) => return Ok(()),
                Ok(Some(found)) if found.places.contains_key(network) => return Ok(()),
                Ok(_) if failed.as_ref().is_some_and(is_final) => break,
                Ok(_) => {
                    self.journal.still_ours().await?;
                    let connected =
                        self.op.writer().connect_container(network, &container.id, &settings).await;
                    // Looked at once more in any case.
                    failed = connected.err().or(failed);
                }
                Err(error) => failed = Some(error),
            }
            poll().await;
        }
        Err(not_connected(container, failed))
    }

    async fn disconnect(
        &self,
        container: &AttachedContainer,
        network: &NetworkId,
    ) -> Result<(), RenewalError> {
        let mut failed = None;
        for _ in 0..=TRIES {
            match read_container(self.op.engine, &container.id).await {
                Ok(found) if !found.as_ref().is_some_and(|c| c.places.contains_key(network)) => return Ok(()),
                Ok(_) if failed.as_ref().is_some_and(is_final) => break,
                Ok(_) => {
                    self.journal.still_ours().await?;
                    let left = self.op.writer().disconnect_container(network, &container.id).await;
                    failed = left.err().or(failed);
                }
                Err(error) => failed = Some(error),
            }
            poll().await;
        }
        Err(not_connected(container, failed))
    }
}

/// True iff another try ends in the same way: the engine refuses, or has waited in vain for the address.
fn is_final(error: &CallError) -> bool {
    error.is_refusal() || error.message().contains("deadline exceeded")
}

fn not_connected(container: &AttachedContainer, failed: Option<CallError>) -> RenewalError {
    match failed {
        Some(error) => {
            RenewalError::NotConnected { container: container.name.clone(), error: Box::new(error) }
        }
        None => RenewalError::Changed { service: container.name.clone() },
    }
}
