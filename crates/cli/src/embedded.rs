//! The embedded engine: a model of a Swarm manager in this process.

use pvcheck_sim::{Sim, SimOptions, world};

use crate::failure::Failure;

/// A model of a Swarm with the cc-ci world on it.
pub(crate) async fn embedded() -> Result<Sim, Failure> {
    let model =
        world::cc_ci().map_err(|e| Failure::unknown(format!("the embedded engine's world: {e:?}")))?;
    // Binding a socket and starting a thread block for a moment only, but they block.
    tokio::task::spawn_blocking(move || Sim::start(model, SimOptions::default()))
        .await
        .map_err(Failure::unknown)?
        .map_err(Failure::unknown)
}
