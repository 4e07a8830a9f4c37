//! What waits for an address in a snapshot, on any network.

use pvcheck_audit::{Snapshot, audit, waiting_services};

use crate::fault::{VipLack, Waiting};

/// Every service and task that waits for an address.
///
/// Of every network, not the configured ones alone: what waits anywhere lets the allocator lose addresses of each network
/// that it shares (L2 in docs/leaks.md).
pub(crate) fn waiting(snapshot: &Snapshot) -> Vec<Waiting> {
    let services = waiting_services(snapshot).into_iter().map(|w| Waiting::Service {
        service: w.service,
        network: w.network_name.unwrap_or_else(|| w.network.to_string()),
        because: match (w.network_allocated, w.only_here) {
            (false, _) => VipLack::NotAllocated,
            (true, true) => VipLack::Full,
            (true, false) => VipLack::OnSeveral,
        },
    });
    let stuck = audit(snapshot).networks.into_iter().flat_map(|n| n.stuck);
    let tasks = stuck.map(|s| Waiting::Task { because: s.to_string(), task: s.task, service: s.service });
    services.chain(tasks).collect()
}
