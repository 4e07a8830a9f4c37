//! The embedded engine: a model of a Swarm manager in this process.

use pvcheck_sim::{Sim, SimOptions, world};

use crate::failure::Failure;

/// Starts a model of a Swarm manager, with the services of world `cc-ci` on it, behind a socket of its own.
pub(crate) async fn embedded() -> Result<Sim, Failure> {
    let model =
        world::cc_ci().map_err(|e| Failure::unknown(format!("the embedded engine's world: {e:?}")))?;
    // Binding the socket and starting the server's thread block, if only for a moment.
    tokio::task::spawn_blocking(move || Sim::start(model, SimOptions::default()))
        .await
        .map_err(Failure::unknown)?
        .map_err(Failure::unknown)
}
