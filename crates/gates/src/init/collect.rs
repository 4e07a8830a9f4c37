//! Reading what a configuration is written from. It only reads, and asks routes only where that is wished.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_audit::{EngineKind, Snapshot};
use pvcheck_journal::{Limits, ReadFrom, Source};
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
    find_unit(&unit_source(None)).await
}

/// Whether the unit has a record, however old.
async fn find_unit(source: &Source) -> LogSeen {
    // The first record exceeds it.
    let limits = Limits { max_bytes: 0, ..Limits::default() };
    let first = source.each(&ReadFrom::Beginning, &limits, |_| ControlFlow::Continue(())).await;
    match first {
        Ok(reading) if 0 < reading.records => LogSeen::Unit(DOCKER_UNIT.to_owned()),
        Ok(reading) if reading.incomplete.is_empty() => {
            LogSeen::NotFound(format!("the journal of {DOCKER_UNIT} is empty here"))
        }
        Ok(reading) => {
            let why: Vec<String> = reading.incomplete.iter().map(ToString::to_string).collect();
            LogSeen::NotFound(format!("no record of {DOCKER_UNIT} was read: {}", why.join("; ")))
        }
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
    use std::fs;

    use pvcheck_journal::{Directory, JournalReader};
    use pvcheck_routes::{End, Phase};

    use super::*;

    #[tokio::test]
    async fn a_unit_has_a_log_if_it_has_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().to_owned());
        let source =
            Source::Directory(Directory { path, unit: DOCKER_UNIT.into(), by: JournalReader::Pvcheck });
        let not_found = |log: LogSeen| match log {
            LogSeen::NotFound(why) => why,
            log => panic!("{log:?}"),
        };
        let why = not_found(find_unit(&source).await);
        assert_eq!(why, "the journal of docker.service is empty here");
        fs::write(folder.path().join("torn.journal"), "x").unwrap();
        let why = not_found(find_unit(&source).await);
        assert!(
            why.starts_with("no record of docker.service was read: ") && why.contains("torn.journal"),
            "{why}"
        );
        let file = folder.path().join("dockerd.log");
        fs::write(&file, "level=info msg=x\nlevel=info msg=y\n").unwrap();
        assert_eq!(find_unit(&Source::File(file)).await, LogSeen::Unit(DOCKER_UNIT.to_owned()));
    }

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
