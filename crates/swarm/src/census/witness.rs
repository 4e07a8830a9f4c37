//! Whether the allocator is at work: one that is merely late looks like one that has nothing to give.

use std::time::Duration;

use pvcheck_audit::TaskState;

use crate::engine::{CallError, wait_until};
use crate::operation::Operation;
use crate::read::read_tasks_of;

/// Waits until the allocator has tried to serve everything that was asked for before this call; false if it did not within
/// this time.
///
/// The allocator takes the store's events in their order, and a task without a network is served as well (swarmkit
/// `manager/allocator/network.go`): once one that is made now is past `new`, what came before and has no address yet has
/// been refused one.
pub(super) async fn allocator_has_tried(
    op: Operation<'_>,
    name: &str,
    limit: Duration,
) -> Result<bool, CallError> {
    let writer = op.writer();
    let service = writer.create_witness(name, op.run).await?;
    let tried = wait_until!(limit, async {
        match read_tasks_of(op.engine, &service).await {
            Ok(tasks) => tasks.iter().any(|t| TaskState::New < t.state).then_some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    })
    .transpose();
    writer.remove_service(&service).await?;
    Ok(tried?.is_some())
}
