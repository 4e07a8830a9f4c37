//! The embedded engine: a model of a Swarm manager in this process.

use pvcheck_sim::{ServedWorld, WorldOptions, world};

use crate::failure::Failure;

/// Starts a model of a Swarm manager with the services of world `cc-ci` on it, a router in front of them, and a log: all of it
/// in a temporary folder that goes with it.
pub(crate) async fn embedded() -> Result<ServedWorld, Failure> {
    let model =
        world::cc_ci().map_err(|e| Failure::unknown(format!("the embedded engine's world: {e:?}")))?;
    // Binding the socket and starting the servers' threads block, if only for a moment.
    tokio::task::spawn_blocking(move || ServedWorld::start(model, &WorldOptions::default()))
        .await
        .map_err(Failure::unknown)?
        .map_err(Failure::unknown)
}
