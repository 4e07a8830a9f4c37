//! Asking a route again where its answer is not as expected.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::fact::RouteFact;
use crate::judge::{Verdict, judge};
use crate::probe::Prober;
use crate::spec::RouteSpec;

/// From the end of an attempt to the next. A service that restarts refuses connections within microseconds, so that attempts
/// without a pause would all meet the same moment.
const PAUSE: Duration = Duration::from_millis(500);

impl Prober {
    /// Probes one route until it passes, at most as often as its spec allows. The fact is that of the last attempt, with those
    /// before it; `now` is the caller's clock.
    pub async fn ask(&self, spec: &RouteSpec, now: impl Fn() -> Timestamp) -> RouteFact {
        let mut earlier = Vec::new();
        for _ in 1..spec.attempts {
            let fact = self.probe(spec, now()).await;
            if judge(&fact).verdict == Verdict::Pass {
                return RouteFact { earlier, of_attempts: spec.attempts, ..fact };
            }
            earlier.push(fact);
            tokio::time::sleep(PAUSE).await;
        }
        RouteFact { earlier, of_attempts: spec.attempts, ..self.probe(spec, now()).await }
    }

    /// As [`Prober::ask`], for several routes of which so many are asked at the same time; the facts keep their order.
    pub async fn ask_all(
        &self,
        specs: &[RouteSpec],
        now: impl Fn() -> Timestamp,
        parallelism: NonZeroUsize,
    ) -> Vec<RouteFact> {
        let asked = specs.iter().map(|spec| self.ask(spec, &now));
        stream::iter(asked).buffered(parallelism.get()).collect().await
    }
}
