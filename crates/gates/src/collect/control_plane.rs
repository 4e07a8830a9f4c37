//! Facts for `pvcheck.m1`: the Swarm, its routes, its log and the guard, then what is leaked.

use pvcheck_journal::{Limits, ReadFrom, Scan, Scanner};
use pvcheck_swarm::{Engine, Progress, Watcher};
use tokio::task::JoinSet;

use super::guard::read_guard;
use super::leaked::{Counting, count};
use super::preflight::Preflight;
use super::routes::ask_routes;
use crate::config::Config;
use crate::facts::M1Facts;
use crate::observed::Observed;

/// Reads the Swarm, its routes, its log and the guard, then counts leaked addresses on every overlay of the
/// configuration. What fails is recorded as not seen.
///
/// It changes nothing unless it is to count by [`Counting::Probing`]; if the future is dropped then, sweep that run.
pub async fn collect_m1(
    engine: &Engine,
    config: &Config,
    ready: &Preflight,
    counting: Counting<'_>,
    watch: Watcher<'_>,
) -> M1Facts {
    watch(Progress::Step("reading the Swarm, its routes and its log".into()));
    let (snapshot, routes, journal, guard) = tokio::join!(
        Observed::of("engine API", engine.snapshot()),
        ask_routes(config, ready),
        log_to_judge(ready),
        read_guard(config),
    );
    // Last, because a census writes lines into the log and for a moment owners into the snapshot.
    let leaked = count(engine, &config.overlays, counting, watch).await;
    M1Facts { snapshot, routes, journal, log_node: ready.log_node(), leaked, guard }
}

/// Reads the engine's log from its beginning, and scans it since the engine's start or since the configuration says.
pub(super) async fn log_to_judge(ready: &Preflight) -> Observed<Scan> {
    let scanner = Scanner::since(ready.catalogue, ready.begins, None);
    whole_log(ready, scanner).await
}

/// Feeds the whole log to a scanner, so that the scan knows whether it reaches back far enough.
///
/// The scan is a task of its own: it computes, and beside it in one task a route's answer would wait, and seem slower than
/// the route is.
pub(super) async fn whole_log(ready: &Preflight, scanner: Scanner<'static>) -> Observed<Scan> {
    match &ready.log {
        Ok(log) => {
            let source = log.source.clone();
            // A set ends its task when it is dropped, as an interrupted gate is.
            let mut reading = JoinSet::new();
            reading
                .spawn(async move { source.scan(&ReadFrom::Beginning, &Limits::default(), scanner).await });
            let read = async {
                let ended = reading.join_next().await.ok_or("the log was not read")?;
                ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            };
            Observed::of(&log.name, read).await
        }
        Err(why) => Observed::not_asked("engine log", why.clone()),
    }
}
