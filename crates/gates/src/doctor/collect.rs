//! Looking at an engine and at this machine. It only reads.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use pvcheck_audit::{EngineKind, Network, Node, Snapshot};
use pvcheck_journal::{Catalogue, Limits, ReadFrom, Role, Scanner, Since};
use pvcheck_routes::Roots;
use pvcheck_swarm::{
    ConnectError, Engine, Host, Left, Lock, Membership, RunId, leftover_runs, read_host, read_standing,
};

use super::facts::{
    ConfigFact, DoctorFacts, Heard, Leftover, LockSeen, LogFact, NamespaceFact, NodeFact, Reached, TrustFact,
};
use crate::cause::Unseen;
use crate::config::Config;
use crate::observed::{Observed, Seen};
use crate::review::Review;
use crate::role::{ChosenLog, choose_log, log_role};

/// How long the engine may take for a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why what a configuration decides is not looked at.
const UNREAD: &str = "the configuration cannot be read";

/// Looks at the engine at this address and at this machine: at the log and the authorities of the configuration, or where there
/// is none at those of the system. A review without a configuration is of one that cannot be read: then neither is looked at,
/// for they may be others than the system's. Whatever fails is recorded as not seen.
pub async fn collect_doctor(host: &Host, config: Option<&Config>, review: Option<&Review>) -> DoctorFacts {
    let is_unread = config.is_none() && review.is_some();
    let (socket, engine) = reach(host).await;
    let swarm = match &engine {
        Some(engine) => look(engine).await,
        None => Swarm::unseen("no engine answers"),
    };
    DoctorFacts {
        host: host.to_string(),
        socket,
        log: if is_unread {
            LogFact::NotChosen { why: UNREAD.to_owned() }
        } else {
            log(config, swarm.snapshot.as_ref()).await
        },
        standing: swarm.standing,
        nodes: swarm.nodes,
        namespace: swarm.namespace,
        trust: if is_unread {
            not_seen(UNREAD)
        } else {
            Seen::Known(trust(config.map_or(Roots::System, Config::roots)))
        },
        config: review.map(config_fact),
        lock: swarm.lock,
        leftovers: swarm.leftovers,
    }
}

async fn reach(host: &Host) -> (Observed<Reached>, Option<Engine>) {
    let began = Instant::now();
    let answer = Engine::reach(host, PATIENCE).await;
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (reached, engine) = match answer {
        Ok(engine) => {
            let (offered, spoken) = (engine.offered_api().to_owned(), engine.api().to_owned());
            (Reached::Answers { offered, spoken }, Some(engine))
        }
        Err(ConnectError::NoSocket { reason, .. }) => (Reached::NoSocket { reason }, None),
        Err(ConnectError::Denied { .. }) => (Reached::Denied, None),
        Err(ConnectError::TooOld { api, .. }) => (Reached::TooOld { offered: api }, None),
        Err(error) => (Reached::Silent { error: error.to_string() }, None),
    };
    (Observed { elapsed_ms, ..Observed::now("engine API", reached) }, engine)
}

/// What was seen of the Swarm.
struct Swarm {
    standing: Seen<Heard>,
    nodes: Seen<Vec<NodeFact>>,
    namespace: Seen<NamespaceFact>,
    lock: Seen<LockSeen>,
    leftovers: Seen<Vec<Leftover>>,
    snapshot: Option<Snapshot>,
}

impl Swarm {
    fn unseen(why: &str) -> Self {
        Self {
            standing: not_seen(why),
            nodes: not_seen(why),
            namespace: not_seen(why),
            lock: not_seen(why),
            leftovers: not_seen(why),
            snapshot: None,
        }
    }
}

fn not_seen<T>(why: &(impl ToString + ?Sized)) -> Seen<T> {
    Seen::Unknown(Unseen::Failed { error: why.to_string() })
}

fn seen<T, E: ToString>(result: Result<T, E>) -> Seen<T> {
    match result {
        Ok(value) => Seen::Known(value),
        Err(error) => not_seen(&error.to_string()),
    }
}

async fn look(engine: &Engine) -> Swarm {
    let asked = Timestamp::now();
    let standing = match read_standing(engine).await {
        Ok(standing) => Heard { standing, asked, answered: Timestamp::now() },
        Err(error) => {
            return Swarm {
                standing: not_seen(&error),
                ..Swarm::unseen("the engine does not say what it is")
            };
        }
    };
    let is_manager = standing.standing.membership == Membership::Manager;
    let standing = Seen::Known(standing);
    if !is_manager {
        return Swarm { standing, ..Swarm::unseen("only a manager of a Swarm with a leader can show it") };
    }
    let (snapshot, lock, leftovers) =
        tokio::join!(engine.snapshot(), Lock::read(engine), leftover_runs(engine));
    let leftovers = seen(leftovers.map(|runs| {
        let of = |(run, left): (RunId, Vec<Left>)| Leftover {
            run: run.to_string(),
            parts: left.iter().map(ToString::to_string).collect(),
        };
        runs.into_iter().map(of).collect()
    }));
    match snapshot {
        Ok(snapshot) => Swarm {
            standing,
            nodes: Seen::Known(nodes(&snapshot)),
            namespace: namespace(&snapshot).await,
            lock: seen(lock.map(|lock| LockSeen { lock })),
            leftovers,
            snapshot: Some(snapshot),
        },
        // Without a quorum a manager still lists what it knew: a lock that is not there shows nothing then.
        Err(error) => Swarm { standing, ..Swarm::unseen(&error.to_string()) },
    }
}

fn nodes(snapshot: &Snapshot) -> Vec<NodeFact> {
    let of = |node: &Node| NodeFact {
        name: if node.hostname.is_empty() { node.id.to_string() } else { node.hostname.clone() },
        engine_version: node.engine_version.clone(),
        state: node.state.clone(),
        leader: node.leader,
        own: node.id == snapshot.engine.node,
    };
    snapshot.nodes.iter().map(of).collect()
}

async fn namespace(snapshot: &Snapshot) -> Seen<NamespaceFact> {
    if snapshot.engine.kind == EngineKind::Embedded {
        return not_seen("a model of a Swarm is on no host");
    }
    let has_network = |n: &&Network| n.bridge.is_some() && !n.internal && !n.subnets().is_empty();
    let bridges = snapshot.networks.iter().filter(has_network).count() as u64;
    seen(read_host().await.map(|host| NamespaceFact { bridges, lacking: host.lacks(snapshot) }))
}

async fn log(config: Option<&Config>, snapshot: Option<&Snapshot>) -> LogFact {
    let begins = config.map_or(Since::EngineStart, |config| config.journal.begins());
    let chosen = match (config, snapshot) {
        (Some(config), Some(snapshot)) => choose_log(config, snapshot),
        (Some(config), None) if !config.journal.nodes.is_empty() => Err(Unseen::NoLeader),
        (config, _) => Ok(ChosenLog::of_engine(config)),
    };
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(why) => return LogFact::NotChosen { why: why.to_string() },
    };
    let role = snapshot.map_or(Role::Unknown, |snapshot| log_role(snapshot, chosen.node.as_ref()));
    // A file of signatures that is not taken is an error of the configuration, which has a row of its own.
    let own = config.and_then(|config| config.catalogue().ok());
    let scanner = Scanner::since(own.unwrap_or_else(Catalogue::builtin), begins, None);
    match chosen.source.scan(&ReadFrom::Beginning, &Limits::default(), scanner).await {
        Ok(scan) => LogFact::Read {
            source: scan.source.clone(),
            records: scan.records,
            since: match begins {
                Since::At(at) => Some(at),
                Since::Beginning | Since::EngineStart | Since::AllocatorStart => None,
            },
            has_start: scan.start_found != Some(false),
            doubt: scan.doubt_of_leader(role).map(|doubt| doubt.to_string()),
        },
        Err(error) => LogFact::Unreadable { error: error.to_string() },
    }
}

fn trust(roots: Roots) -> TrustFact {
    let count = roots.count().map_err(|error| error.to_string());
    let file = match roots {
        Roots::Pem(file) => Some(file),
        Roots::System => None,
    };
    TrustFact { file, roots: count }
}

fn config_fact(review: &Review) -> ConfigFact {
    ConfigFact {
        file: review.file.clone(),
        errors: review.errors.iter().map(ToString::to_string).collect(),
        overlays: review.overlays.len() as u64,
        services: review.services.len() as u64,
        routes: review.routes.len() as u64,
    }
}
