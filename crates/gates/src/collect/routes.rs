//! The routes, asked at the same time.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use jiff::Timestamp;
use pvcheck_routes::{RouteFact, RouteSpec};

use super::preflight::Preflight;
use crate::config::Config;
use crate::observed::Observed;

/// Routes that are asked at the same time.
pub(super) const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");

/// Asks every route of the configuration; the facts keep its order. A probe cannot fail: a refused connection is a fact.
pub(super) async fn ask_routes(config: &Config, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    ask(config.route_specs(), ready).await
}

/// As [`ask_routes`], of the core routes alone and each once: where something is deployed no answer may be waited for.
pub(super) async fn ask_core_routes_once(config: &Config, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    let once = config.core_route_specs().into_iter().map(|spec| RouteSpec { attempts: 1, ..spec });
    ask(once.collect(), ready).await
}

/// Asks these routes, each as often as it may be; the facts keep their order.
pub(super) async fn ask(specs: Vec<RouteSpec>, ready: &Preflight) -> Observed<Vec<RouteFact>> {
    let probes = ready.prober.ask_all(&specs, Timestamp::now, SIDE_BY_SIDE);
    Observed::of("routes", async { Ok::<_, Infallible>(probes.await) }).await
}
