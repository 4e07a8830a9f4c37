//! The parts of one stack, or of one run.

use std::collections::BTreeSet;

use pvcheck_audit::{ConfigId, Network, NetworkId, SecretId, Service, ServiceId, Snapshot};

use super::left::{Left, LeftReason, PartKind};
use super::report::{NetworkUse, RemovalError, RemovalPlan, StackRemoval};
use crate::engine::{CallError, Engine, wire};
use crate::labels::{RENEWAL_LABEL, RUN_LABEL, STACK_LABEL};
use crate::run::RunId;

/// The name under which a run's parts are reported; they need not be of one stack.
const OWN: &str = "pvcheck's own";

/// The parts of one stack, or of one run: ids and names.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) services: Vec<(ServiceId, String)>,
    pub(super) networks: Vec<(NetworkId, String)>,
    pub(super) secrets: Vec<(SecretId, String)>,
    pub(super) configs: Vec<(ConfigId, String)>,
    /// Its networks that services which are none of its parts use.
    pub(super) used: Vec<NetworkUse>,
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.networks.is_empty()
            && self.secrets.is_empty()
            && self.configs.is_empty()
    }

    /// Of a run, with nothing in it.
    pub(super) fn of_run() -> Self {
        Self { name: OWN.to_owned(), ..Self::default() }
    }

    /// The report of a removal that has not removed anything yet.
    pub(super) fn begun(&self) -> StackRemoval {
        StackRemoval { stack: self.name.clone(), services: 0, networks: 0, stored: 0, left: Vec::new() }
    }

    pub(super) fn plan(&self) -> RemovalPlan {
        fn names<T>(parts: &[(T, String)]) -> Vec<String> {
            parts.iter().map(|(_, name)| name.clone()).collect()
        }
        RemovalPlan {
            stack: self.name.clone(),
            services: names(&self.services),
            networks: names(&self.networks),
            secrets: names(&self.secrets),
            configs: names(&self.configs),
            used: self.used.clone(),
        }
    }

    /// The parts that are not among these.
    pub(super) fn beyond(self, known: &Self) -> Self {
        fn fresh<I: Ord, N>(mut parts: Vec<(I, N)>, known: &[(I, N)]) -> Vec<(I, N)> {
            let known: BTreeSet<&I> = known.iter().map(|(id, _)| id).collect();
            parts.retain(|(id, _)| !known.contains(id));
            parts
        }
        Self {
            services: fresh(self.services, &known.services),
            networks: fresh(self.networks, &known.networks),
            secrets: fresh(self.secrets, &known.secrets),
            configs: fresh(self.configs, &known.configs),
            ..self
        }
    }

    /// All parts, as ones that are still listed.
    pub(super) fn listed(&self) -> Vec<Left> {
        let left = |kind| move |name: &String| Left { kind, name: name.clone(), why: LeftReason::Listed };
        let services = self.services.iter().map(|(_, name)| name).map(left(PartKind::Service));
        let networks = self.networks.iter().map(|(_, name)| name).map(left(PartKind::Network));
        let secrets = self.secrets.iter().map(|(_, name)| name).map(left(PartKind::Secret));
        let configs = self.configs.iter().map(|(_, name)| name).map(left(PartKind::Config));
        services.chain(networks).chain(secrets).chain(configs).collect()
    }
}

/// Each name once, in the order given.
pub(super) fn once(names: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(*name)).cloned().collect()
}

/// The parts of each stack.
///
/// # Errors
/// If a stack has no part at all, or a call fails.
pub(super) async fn parts_of_stacks(engine: &Engine, names: &[String]) -> Result<Vec<Parts>, RemovalError> {
    let snapshot = engine.snapshot().await?;
    let stored = Stored::read(engine).await?;
    let parts = listed_parts(&snapshot, &stored, names);
    match parts.iter().find(|p| p.is_empty()) {
        Some(unknown) => {
            let name = unknown.name.clone();
            Err(RemovalError::NoSuchStack { name, stacks: known_stacks(&snapshot, &stored) })
        }
        None => Ok(parts),
    }
}

fn listed_parts(snapshot: &Snapshot, stored: &Stored, names: &[String]) -> Vec<Parts> {
    once(names).iter().map(|name| parts_of_stack(snapshot, stored, name)).collect()
}

/// What is listed of these stacks now and is not among their parts: a list may have lacked it.
///
/// # Errors
/// If a call fails.
pub(super) async fn parts_beyond(engine: &Engine, known: &[Parts]) -> Result<Vec<Parts>, CallError> {
    let names: Vec<String> = known.iter().map(|parts| parts.name.clone()).collect();
    let snapshot = engine.snapshot().await?;
    let listed = listed_parts(&snapshot, &Stored::read(engine).await?, &names);
    Ok(listed.into_iter().zip(known).map(|(now, before)| now.beyond(before)).collect())
}

/// Names of all stacks, in order, including those of which only a secret or a config is left.
pub(super) fn known_stacks(snapshot: &Snapshot, stored: &Stored) -> Vec<String> {
    let labels = stored.secrets.iter().chain(&stored.configs).filter_map(|s| s.spec.labels.as_ref());
    let named = labels.filter_map(|l| l.get(STACK_LABEL).filter(|name| !name.is_empty()).cloned());
    snapshot.stacks().into_iter().chain(named).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Ids, names and labels of secrets and configs; their data is not read.
pub(super) struct Stored {
    pub(super) secrets: Vec<wire::Stored>,
    pub(super) configs: Vec<wire::Stored>,
}

impl Stored {
    pub(super) async fn read(engine: &Engine) -> Result<Self, CallError> {
        let secrets = engine.connection().get("/secrets").await?;
        Ok(Self { secrets, configs: engine.connection().get("/configs").await? })
    }
}

pub(super) fn parts_of_stack(snapshot: &Snapshot, stored: &Stored, stack: &str) -> Parts {
    parts(snapshot, stored, stack, STACK_LABEL, stack)
}

/// The parts of a run; none of one whose renewal of a network is not finished, which is resumed or undone, not swept.
pub(super) fn parts_of_run(snapshot: &Snapshot, stored: &Stored, run: &RunId) -> Parts {
    let renews = |config: &wire::Stored| {
        config.spec.labels.as_ref().is_some_and(|labels| {
            labels.contains_key(RENEWAL_LABEL) && labels.get(RUN_LABEL).is_some_and(|of| of == run.as_str())
        })
    };
    if stored.configs.iter().any(renews) {
        return Parts::of_run();
    }
    parts(snapshot, stored, OWN, RUN_LABEL, run.as_str())
}

pub(super) fn parts(snapshot: &Snapshot, stored: &Stored, name: &str, label: &str, value: &str) -> Parts {
    let ours = |stack: &Option<String>, run: &Option<String>| {
        let have = if label == STACK_LABEL { stack } else { run };
        have.as_deref() == Some(value)
    };
    let labelled = |s: &&wire::Stored| {
        s.spec.labels.as_ref().and_then(|l| l.get(label)).is_some_and(|have| have == value)
    };
    let services = snapshot.services.iter().filter(|s| ours(&s.stack, &s.run));
    // A network may be listed twice, by the manager and as this node's own copy: each id once. Networks of this node
    // alone are not a stack's.
    let mut seen = BTreeSet::new();
    let networks = snapshot.networks.iter().filter(|n| ours(&n.stack, &n.run) && n.scope == "swarm");
    let others = |s: &&Service| !ours(&s.stack, &s.run);
    Parts {
        used: networks.clone().filter_map(|n| used(n, snapshot.services.iter().filter(others))).collect(),
        name: name.to_owned(),
        services: services.map(|s| (s.id.clone(), s.name.clone())).collect(),
        networks: networks
            .filter(|n| seen.insert(n.id.clone()))
            .map(|n| (n.id.clone(), n.name.clone()))
            .collect(),
        secrets: stored
            .secrets
            .iter()
            .filter(labelled)
            .map(|s| (SecretId::new(&s.id), s.spec.name.clone()))
            .collect(),
        configs: stored
            .configs
            .iter()
            .filter(labelled)
            // The lock of a run that can be resumed carries the run's label too, and must outlive a sweep of it.
            .filter(|s| !crate::lock::outlives_sweep(s.spec.labels.as_ref(), snapshot.engine.at))
            .map(|s| (ConfigId::new(&s.id), s.spec.name.clone()))
            .collect(),
    }
}

/// The network with those of these services that are on it; `None` if none is.
fn used<'a>(network: &Network, services: impl Iterator<Item = &'a Service>) -> Option<NetworkUse> {
    let on: Vec<String> =
        services.filter(|s| s.networks.contains(&network.id)).map(|s| s.name.clone()).collect();
    (!on.is_empty()).then(|| NetworkUse { network: network.name.clone(), services: on })
}

pub(super) async fn leftovers(engine: &Engine, run: &RunId) -> Result<Parts, CallError> {
    let snapshot = engine.snapshot().await?;
    Ok(parts_of_run(&snapshot, &Stored::read(engine).await?, run))
}

#[cfg(test)]
mod tests;
