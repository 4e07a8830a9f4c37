//! The routes, asked side by side.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use jiff::Timestamp;
use pvcheck_routes::RouteFact;

use super::preflight::Preflight;
use crate::config::Config;
use crate::observed::Observed;

/// Routes that are asked at once.
const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");

/// Every route of the configuration, in its order. A probe cannot fail: a refused connection is a fact, too.
pub(super) async fn look_at_routes(config: &Config, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    let specs = config.route_specs();
    let probes = ready.prober.probe_all(&specs, Timestamp::now(), SIDE_BY_SIDE);
    Observed::look("routes", async { Ok::<_, Infallible>(probes.await) }).await
}
