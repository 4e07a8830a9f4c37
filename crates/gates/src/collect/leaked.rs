//! Leaked addresses, counted on each overlay that the configuration has.

use std::convert::Infallible;
use std::time::Duration;

use pvcheck_swarm::{Census, CensusOptions, Engine, Operation, Watcher, census, census_by_status, sweep_run};

use crate::cause::Unseen;
use crate::config::OverlayConfig;
use crate::facts::LeakFact;
use crate::observed::{Observed, Seen};

/// How long the probes of a census may take to go.
const SWEEP_PATIENCE: Duration = Duration::from_mins(1);

/// How `pvcheck.m1` counts leaked addresses.
#[derive(Clone, Copy)]
pub enum Counting<'a> {
    /// By the engine's own count, which engines before Docker 29 do not publish. It sends GET only.
    Reading,
    /// By a census, which asks the allocator for every free address and gives each back (see [`census`]).
    Probing(Operation<'a>),
}

/// Counts on each of these overlays, one after the other. What could not be counted is recorded with the reason.
pub(super) async fn count(
    engine: &Engine,
    overlays: &[OverlayConfig],
    counting: Counting<'_>,
    watch: Watcher<'_>,
) -> Observed<Vec<LeakFact>> {
    let counts = async {
        let mut facts = Vec::new();
        for overlay in overlays {
            let census = match counting {
                Counting::Reading => read(engine, &overlay.name, watch).await,
                Counting::Probing(op) => probe(op, &overlay.name).await,
            };
            facts.push(LeakFact { overlay: overlay.name.clone(), census });
        }
        Ok::<_, Infallible>(facts)
    };
    Observed::of("allocator", counts).await
}

async fn read(engine: &Engine, overlay: &str, watch: Watcher<'_>) -> Seen<Census> {
    match census_by_status(engine, overlay, &CensusOptions::default(), watch).await {
        Ok(census) => Seen::Known(census),
        Err(error) => Seen::Unknown(Unseen::NotCounted { why: error.to_string() }),
    }
}

async fn probe(op: Operation<'_>, overlay: &str) -> Seen<Census> {
    match census(op, overlay, &CensusOptions::default()).await {
        Ok(census) => Seen::Known(census),
        // While something waits a census is refused, and the engine's own count, where there is one, still tells.
        Err(error) => match census_by_status(op.engine, overlay, &CensusOptions::default(), op.watch).await {
            Ok(census) => Seen::Known(census),
            Err(_) => Seen::Unknown(Unseen::Failed { error: format!("{error}{}", rest(op).await) }),
        },
    }
}

/// Sweeps what a census that failed may have left, and names what is left all the same, as the end of its error.
async fn rest(op: Operation<'_>) -> String {
    let left = match sweep_run(op, SWEEP_PATIENCE).await {
        Ok(removed) => removed.left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Err(error) => error.to_string(),
    };
    left_over(&left)
}

/// The end of an error: what is left, or nothing where nothing is.
fn left_over(left: &str) -> String {
    if left.is_empty() {
        String::new()
    } else {
        format!("; its probes may be left, run pvcheck sweep --apply: {left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_named_with_the_command_that_removes_it() {
        assert_eq!(left_over(""), "");
        let text = left_over("service pvcheck-census-r1-net-7: 500");
        assert!(text.ends_with("run pvcheck sweep --apply: service pvcheck-census-r1-net-7: 500"), "{text}");
    }
}
