//! Reading what a configuration is written from. It only reads, and asks routes only where that is wished.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_audit::{EngineKind, Snapshot};
use pvcheck_journal::{Limits, Mark};
use pvcheck_routes::{Prober, Roots, RouteFact, RouteSpec};
use pvcheck_swarm::Engine;

use super::facts::{InitError, InitFacts, LogSeen};
use super::proposed::proposed;
use crate::config::{DOCKER_UNIT, unit_source};

/// Routes that are asked at once.
const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");

/// What is said beside what the Swarm shows.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Ask every declared route once.
    pub ask: bool,
    /// Where the router is, whatever names resolve to.
    pub addresses: Vec<SocketAddr>,
    /// A file of authorities.
    pub ca: Option<PathBuf>,
    /// The file that the engine logs to.
    pub log: Option<PathBuf>,
}

/// Reads the Swarm, looks whether the engine's unit has a journal, and asks the declared routes where that is wished.
///
/// # Errors
/// If the Swarm or the authorities cannot be read.
pub async fn collect_init(engine: &Engine, options: &InitOptions) -> Result<InitFacts, InitError> {
    let snapshot = engine.snapshot().await?;
    let answers = if options.ask { Some(ask(&snapshot, options).await?) } else { None };
    let log = match &options.log {
        Some(file) => LogSeen::File(file.clone()),
        None => find_log(snapshot.engine.kind).await,
    };
    Ok(InitFacts { snapshot, log, addresses: options.addresses.clone(), ca: options.ca.clone(), answers })
}

async fn find_log(kind: EngineKind) -> LogSeen {
    if kind == EngineKind::Embedded {
        return LogSeen::NotFound("a model of a Swarm has no journal; --log FILE names a file".to_owned());
    }
    match unit_source(None).mark(&Limits::default()).await {
        Ok(Mark::Empty) => LogSeen::NotFound(format!("the journal of {DOCKER_UNIT} is empty here")),
        Ok(_) => LogSeen::Unit(DOCKER_UNIT.to_owned()),
        Err(error) => LogSeen::NotFound(error.to_string()),
    }
}

/// One answer for each declared route: over TLS, or where labels do not say and nothing speaks TLS there, without.
async fn ask(snapshot: &Snapshot, options: &InitOptions) -> Result<Vec<RouteFact>, InitError> {
    let roots = options.ca.clone().map_or(Roots::System, Roots::Pem);
    let prober = Prober::new(&roots)?;
    let specs: Vec<Vec<RouteSpec>> = proposed(snapshot).iter().map(|p| p.specs(&options.addresses)).collect();
    let first: Vec<RouteSpec> = specs.iter().filter_map(|specs| specs.first().cloned()).collect();
    let mut answers = prober.probe_all(&first, Timestamp::now(), SIDE_BY_SIDE).await;
    let unanswered = |name: &str| answers.iter().any(|fact| fact.name == name && fact.status.is_none());
    let second = specs.iter().filter_map(|specs| specs.get(1)).filter(|spec| unanswered(&spec.name));
    let second: Vec<RouteSpec> = second.cloned().collect();
    for fact in prober.probe_all(&second, Timestamp::now(), SIDE_BY_SIDE).await {
        let of_it = answers.iter_mut().find(|first| first.name == fact.name);
        if let Some(first) = of_it.filter(|_| fact.status.is_some()) {
            *first = fact;
        }
    }
    Ok(answers)
}
