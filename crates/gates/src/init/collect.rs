//! Reading what a configuration is written from. It only reads, and asks routes only where that is wished.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_audit::{EngineKind, Snapshot};
use pvcheck_journal::{Limits, Mark};
use pvcheck_routes::{Cause, Prober, Roots, RouteFact, RouteSpec, judge};
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
    let (answers, without_tls) = if options.ask {
        let (answers, without_tls) = ask(&snapshot, options).await?;
        (Some(answers), without_tls)
    } else {
        (None, BTreeMap::new())
    };
    let log = match &options.log {
        Some(file) => LogSeen::File(file.clone()),
        None => find_log(snapshot.engine.kind).await,
    };
    let (addresses, ca) = (options.addresses.clone(), options.ca.clone());
    Ok(InitFacts { snapshot, log, addresses, ca, answers, without_tls })
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

/// One answer for each declared route: over TLS, or where labels do not say and nothing speaks TLS there, without. Beside them
/// what TLS gave, by the names of the routes that were asked without it.
async fn ask(
    snapshot: &Snapshot,
    options: &InitOptions,
) -> Result<(Vec<RouteFact>, BTreeMap<String, String>), InitError> {
    let roots = options.ca.clone().map_or(Roots::System, Roots::Pem);
    let prober = Prober::new(&roots)?;
    let specs: Vec<Vec<RouteSpec>> = proposed(snapshot).iter().map(|p| p.specs(&options.addresses)).collect();
    let first: Vec<RouteSpec> = specs.iter().filter_map(|specs| specs.first().cloned()).collect();
    let mut answers = prober.probe_all(&first, Timestamp::now(), SIDE_BY_SIDE).await;
    // Whatever else went wrong shows nothing of TLS, and a route without it is never chosen by silence.
    let no_tls = |name: &str| answers.iter().any(|fact| fact.name == name && has_no_tls(fact));
    let second = specs.iter().filter_map(|specs| specs.get(1)).filter(|spec| no_tls(&spec.name));
    let second: Vec<RouteSpec> = second.cloned().collect();
    let mut without_tls = BTreeMap::new();
    for fact in prober.probe_all(&second, Timestamp::now(), SIDE_BY_SIDE).await {
        let of_it = answers.iter_mut().find(|first| first.name == fact.name);
        if let Some(first) = of_it.filter(|_| fact.status.is_some()) {
            without_tls.insert(fact.name.clone(), judge(first).reason.to_string());
            *first = fact;
        }
    }
    Ok((answers, without_tls))
}

/// True iff nothing speaks TLS there.
fn has_no_tls(fact: &RouteFact) -> bool {
    let cause = fact.failure.as_ref().and_then(|failure| failure.cause.as_ref());
    fact.status.is_none() && cause.is_some_and(is_no_tls)
}

/// True iff the connection was refused, or what answered the handshake was plain text.
fn is_no_tls(cause: &Cause) -> bool {
    match cause {
        Cause::Refused { .. } | Cause::NotTls => true,
        Cause::Several { causes } => causes.iter().all(is_no_tls),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use pvcheck_routes::{End, Phase};

    use super::*;

    #[test]
    fn only_a_refusal_or_plain_text_shows_that_there_is_no_tls() {
        let address = SocketAddr::from(([192, 0, 2, 1], 443));
        let refused = || Cause::Refused { address };
        for (cause, expected) in [
            (refused(), true),
            (Cause::NotTls, true),
            (Cause::Several { causes: vec![refused(), refused()] }, true),
            (Cause::Several { causes: vec![refused(), Cause::NoRoute { address }] }, false),
            (Cause::ConnectTimedOut { address }, false),
            (Cause::TimedOut { during: Phase::Tls, limit_ms: 10_000 }, false),
            (Cause::BrokenOffInHandshake { end: End::Reset }, false),
            (Cause::HandshakeRefused, false),
            (Cause::NameNotFound { name: "a.test".into() }, false),
        ] {
            assert_eq!(is_no_tls(&cause), expected, "{cause:?}");
        }
    }
}
