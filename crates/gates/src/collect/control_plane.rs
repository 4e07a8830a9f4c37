//! Facts for `pvcheck.m1`: the Swarm, its routes and its log, read side by side.

use pvcheck_journal::{Catalogue, Limits, ReadFrom, Scanner, Since};
use pvcheck_swarm::{Engine, Progress, Watcher};

use super::preflight::Preflight;
use super::routes::look_at_routes;
use crate::config::Config;
use crate::facts::M1Facts;
use crate::observed::Observed;

/// Looks at the Swarm, its routes and its log, side by side. It only reads.
pub async fn collect_m1(engine: &Engine, config: &Config, ready: &Preflight, watch: Watcher<'_>) -> M1Facts {
    watch(Progress::Step("looking at the Swarm, its routes and its log".into()));
    let scanner = Scanner::since(Catalogue::builtin(), Since::EngineStart, None);
    let limits = Limits::default();
    let (snapshot, routes, journal) = tokio::join!(
        Observed::look("engine API", engine.snapshot()),
        look_at_routes(config, ready),
        Observed::look("engine log", ready.source.scan(&ReadFrom::Beginning, &limits, scanner)),
    );
    M1Facts { snapshot, routes, journal }
}
