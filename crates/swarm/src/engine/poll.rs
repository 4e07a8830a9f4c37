//! Waiting for something that an engine shows only when it is asked.

use std::time::Duration;

/// The pause between two looks at something that is being waited for.
pub(crate) async fn poll() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
