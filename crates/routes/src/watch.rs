//! Probing over time.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::fact::RouteFact;
use crate::judge::Verdict;
use crate::probe::Prober;
use crate::record::Recorder;
use crate::spec::RouteSpec;

/// How often, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchPlan {
    /// From the start of one probe of a route to the start of its next; at least a millisecond. A probe that takes
    /// longer delays the next one of its own route only.
    pub interval: Duration,
    /// No probe begins after this time; those under way finish.
    pub duration: Duration,
}

impl Prober {
    /// Facts over time, as they come in: each route is probed at its own pace, so a slow one hides nothing of the
    /// others. Routes are probed at the same time, one probe per route. Dropping the stream ends the watch; feed
    /// the facts to a [`Recorder`](crate::Recorder) to have the outages.
    pub fn watch(
        &self,
        specs: &[RouteSpec],
        plan: WatchPlan,
    ) -> impl Stream<Item = RouteFact> + Send + Unpin + use<> {
        let end = Instant::now() + plan.duration;
        stream::select_all(specs.iter().map(|spec| self.watch_one(spec.clone(), plan.interval, end)))
    }

    /// Watches, and records what comes in; `each` is called after every fact with the number of requests so far and of those
    /// that failed. What was recorded is kept when the future is dropped.
    pub async fn record(
        &self,
        specs: &[RouteSpec],
        plan: WatchPlan,
        recorder: &mut Recorder,
        mut each: impl FnMut(u64, u64),
    ) {
        let mut facts = self.watch(specs, plan);
        let (mut asked, mut failed) = (0, 0);
        while let Some(fact) = facts.next().await {
            asked += 1;
            failed += u64::from(recorder.record(&fact).verdict == Verdict::Fail);
            each(asked, failed);
        }
    }

    fn watch_one(
        &self,
        spec: RouteSpec,
        pace: Duration,
        end: Instant,
    ) -> Pin<Box<dyn Stream<Item = RouteFact> + Send>> {
        let mut ticker = interval(pace.max(Duration::from_millis(1)));
        // Probes that came too late are left out, not made up for in a burst.
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let state = (self.clone(), spec, ticker);
        stream::unfold(state, move |(prober, mut spec, mut ticker)| async move {
            timeout_at(end, ticker.tick()).await.ok()?;
            // A tick that is due at once wins over a deadline that has passed.
            if end <= Instant::now() {
                return None;
            }
            let fact = prober.probe(&spec, Timestamp::now()).await;
            // Of several addresses each is the first one in its turn: else only the first router would be asked as long as it
            // takes connections.
            spec.address.next_first();
            Some((fact, (prober, spec, ticker)))
        })
        .boxed()
    }
}
