//! The core routes while a gate deploys and removes stacks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pvcheck_routes::{RouteFact, Verdict, judge};

use super::preflight::Preflight;
use super::routes::SIDE_BY_SIDE;
use crate::config::Config;
use crate::facts::{GateStep, RouteWatch};

/// Between two rounds: seldom enough not to be traffic of its own, often enough to stop within seconds.
const PAUSE: Duration = Duration::from_secs(1);
/// Before a route that did not answer is asked again. A router that reloads for a new service misses a request or two;
/// Traefik applies changes at most every 2 s (`providersThrottleDuration`).
const SECOND_TRY: Duration = Duration::from_millis(2500);

/// Asks the core routes again and again, and remembers what they answered.
pub(super) struct CoreRoutes<'a> {
    config: &'a Config,
    ready: &'a Preflight,
    seen: Mutex<(GateStep, RouteWatch)>,
}

impl<'a> CoreRoutes<'a> {
    pub(super) fn new(config: &'a Config, ready: &'a Preflight) -> Self {
        Self { config, ready, seen: Mutex::new((GateStep::Canary, RouteWatch::default())) }
    }

    /// From now on the gate is at this step.
    pub(super) fn at(&self, step: GateStep) {
        self.with(|(now, _)| *now = step);
    }

    /// Asks every route once, and those that did not pass a second time. Returns the first that did not pass twice.
    pub(super) async fn ask(&self) -> Option<String> {
        let mut facts = self.probe(|_| true).await;
        let missed = not_passing(&facts);
        if !missed.is_empty() {
            tokio::time::sleep(SECOND_TRY).await;
            let again = self.probe(|name| missed.iter().any(|f| f.name == name)).await;
            // The second answer is the one that counts, also for the verdict at the end.
            for fact in &mut facts {
                if let Some(second) = again.iter().find(|second| second.name == fact.name) {
                    fact.clone_from(second);
                }
            }
        }
        let down = not_passing(&facts);
        let first = down.first().map(|fact| fact.name.clone());
        self.with(|(step, watch)| {
            watch.rounds += 1;
            // The first death ends the watch; a round that ends later must not paint over it.
            if watch.died.is_none() {
                watch.died = first.is_some().then_some(*step);
                watch.routes = if down.is_empty() { facts } else { down };
            }
        });
        first
    }

    /// Asks until a route does not pass, and returns its name. Never returns while all pass.
    pub(super) async fn until_one_dies(&self) -> String {
        loop {
            if let Some(route) = self.ask().await {
                return route;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What was seen.
    pub(super) fn watched(&self) -> RouteWatch {
        self.with(|(_, watch)| watch.clone())
    }

    async fn probe(&self, wanted: impl Fn(&str) -> bool) -> Vec<RouteFact> {
        let mut specs = self.config.core_route_specs();
        specs.retain(|spec| wanted(&spec.name));
        self.ready.prober.probe_all(&specs, Timestamp::now(), SIDE_BY_SIDE).await
    }

    fn with<T>(&self, change: impl FnOnce(&mut (GateStep, RouteWatch)) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn not_passing(facts: &[RouteFact]) -> Vec<RouteFact> {
    facts.iter().filter(|fact| judge(fact).verdict != Verdict::Pass).cloned().collect()
}
