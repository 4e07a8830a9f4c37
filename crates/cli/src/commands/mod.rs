//! One file per command: read what is asked for, call the crate that owns it, print.

pub(crate) mod audit;
pub(crate) mod boot;
pub(crate) mod census;
pub(crate) mod churn;
pub(crate) mod docker;
pub(crate) mod explain;
pub(crate) mod gate;
pub(crate) mod journal;
pub(crate) mod plan_subnet;
pub(crate) mod reclaim;
pub(crate) mod routes;
pub(crate) mod stack;
pub(crate) mod sweep;
pub(crate) mod why;

use pvcheck_sim::{Sim, SimOptions, world};
use serde::Serialize;

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

/// A result of a command as scripts read it: `schema`, `kind`, and its own fields.
#[derive(Serialize)]
pub(crate) struct Envelope<T> {
    schema: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    pub(crate) body: T,
}

impl<T> Envelope<T> {
    pub(crate) fn new(kind: &'static str, body: T) -> Self {
        Self { schema: "pvcheck/v1", kind, body }
    }
}

/// `n thing` or `n things`.
pub(crate) fn many(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}
