//! A census from its request to its report.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use pvcheck_audit::{Network, Snapshot};
use pvcheck_ipam::Capacity;

use super::by_status;
use super::estimate::late;
use super::prober::Prober;
use super::report::{Census, CensusError, CensusMethod, CensusOptions};
use crate::operation::Operation;

/// Counts and names the leaked addresses of one overlay.
///
/// It first waits until no task of the network is stopping: such a task may lose its address when it ends, and its
/// node's load balancer comes and goes with it. Then it creates services labelled with `run` that have no task, or whose
/// tasks can never be scheduled, reads the addresses they were given, and removes them again (see [`CensusMethod`]); no
/// container starts and no other service is touched. A first turn that finds suspects is
/// followed by more, until one takes none off: only what all of them find is leaked. A turn during which tasks began to stop is made again.
///
/// By [`CensusMethod::Status`] it only reads, and needs no permit.
///
/// # Errors
/// When the network is not there or not allocated, when a VIP service waits for an address anywhere (see
/// [`pvcheck_audit::waiting_services`]), when the method is `Status` and the engine tells no count, or when a call fails. After an error or a dropped future a census service may be left:
/// [`crate::sweep_run`] takes it away.
pub async fn census(op: Operation<'_>, name: &str, options: &CensusOptions) -> Result<Census, CensusError> {
    let started = Instant::now();
    let before = op.engine.snapshot().await?;
    let snapshot_took = started.elapsed();
    let (network, capacity) = admit(&before, name)?;
    let method = options.method.unwrap_or_else(|| CensusMethod::fitting(&network, capacity.usable()));
    if network.ingress && method == CensusMethod::Bulk {
        return Err(CensusError::IngressInBulk(network.name));
    }
    if method == CensusMethod::Status {
        return by_status::count(op, before, &network, options, started).await;
    }
    // A snapshot is six calls.
    if let Some(late) = late(method, capacity.usable(), (6, snapshot_took), options.deadline) {
        op.say(format!("census of {name}: {late}"));
    }
    let (writer, made) = (op.writer(), AtomicU64::new(0));
    let prober = Prober { op, writer, network: &network, capacity, method, options, started, made };
    prober.count(before).await
}

/// The network, if a census of it may begin.
fn admit(snapshot: &Snapshot, name: &str) -> Result<(Network, Capacity), CensusError> {
    let network = snapshot.named_overlay(name)?;
    let Some(capacity) = network.capacity() else {
        return Err(CensusError::NotAllocated(network.name.clone()));
    };
    Ok((network.clone(), capacity))
}
