//! The plan of a renewal: a pure function of what was read.

use std::collections::{BTreeMap, BTreeSet};

use pvcheck_audit::{
    NetworkId, NodeState, Service, ServiceMode, Snapshot, default_pools, not_seen, owners, reservations,
    waiting_services, waiting_tasks,
};
use pvcheck_ipam::{Capacity, Conflict, Index, PlanError, PlanRequest, Pool, Subnet, plan_subnet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attached::{Attached, AttachedContainer, attached, host};
use super::attachments::in_the_old_field;
use super::blocker::{Blocker, Drifted};
use super::facts::RenewalFacts;
use super::member::Member;
use super::room::{Room, rooms};
use super::settings::{NotCarried, Settings, carried, pools};
use super::step::{RenewalStep, batches, steps};
use super::strategy::RenewalStrategy;
use crate::worded;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenewalRequest {
    /// The network, by its name.
    pub network: String,
    /// Its new subnet.
    pub to: NewSubnet,
    /// The ip-range of the new subnet; its own is kept where `None`.
    #[serde(default)]
    pub range: Option<Subnet>,
    /// How; `None` takes the gentlest way that is possible.
    #[serde(default)]
    pub strategy: Option<RenewalStrategy>,
    /// True iff jobs may run again.
    #[serde(default)]
    pub rerun_jobs: bool,
    /// True iff containers that were attached by hand may get another address, where the new subnet has not theirs.
    #[serde(default)]
    pub readdress: bool,
}

/// Which subnet a network gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NewSubnet {
    /// This one.
    Subnet(Subnet),
    /// One with this prefix: the network's own, widened, if nothing is in its way, else any that is free.
    Prefix(u8),
}

/// A renewal that could be done, or what keeps it from being done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenewalPlan {
    /// What was asked for.
    pub request: RenewalRequest,
    /// The Swarm's id; empty in a plan of an earlier version.
    #[serde(default)]
    pub cluster: String,
    /// The network's id.
    pub network_id: NetworkId,
    /// The pools that it has.
    pub from: Vec<Pool>,
    /// The pool that it is to have; `None` if none was found.
    pub to: Option<Pool>,
    /// How it would be done; `None` if it cannot be.
    pub strategy: Option<RenewalStrategy>,
    /// Strategies that are not possible, with the reasons.
    pub refused: Vec<RefusedStrategy>,
    /// The services on it, in the order in which they join.
    pub members: Vec<Member>,
    /// The containers that were attached by hand and are taken along.
    #[serde(default)]
    pub containers: Vec<AttachedContainer>,
    /// The steps, in order.
    pub steps: Vec<RenewalStep>,
    /// What keeps it from being done, however.
    #[serde(serialize_with = "worded::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<worded::Worded<'static, Blocker>>"))]
    pub blockers: Vec<Blocker>,
    /// Room that is needed on networks that stay.
    pub rooms: Vec<Room>,
    /// Nodes whose addresses and routes were not read, by host name.
    pub not_seen: Vec<String>,
    /// SHA-256 of the network's settings.
    pub settings_digest: String,
    /// The network as `docker network inspect` shows it, before.
    pub inspected: Value,
    #[serde(skip)]
    pub(super) settings: Option<Settings>,
    /// The pool of the holding network; `None` for a strategy without one.
    pub holding: Option<Pool>,
}

/// A strategy that is not possible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedStrategy {
    /// Which.
    pub strategy: RenewalStrategy,
    /// Why.
    #[serde(serialize_with = "worded::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<worded::Worded<'static, Blocker>>"))]
    pub blockers: Vec<Blocker>,
}

impl RenewalPlan {
    /// Every reason that keeps it from being done, each once; empty if it can be.
    pub fn reasons(&self) -> Vec<String> {
        let of_strategies = self.refused.iter().filter(|_| self.strategy.is_none()).flat_map(|refused| {
            refused.blockers.iter().map(|b| format!("{}: {b}", refused.strategy.as_str()))
        });
        let mut seen = BTreeSet::new();
        self.blockers
            .iter()
            .map(ToString::to_string)
            .chain(of_strategies)
            .filter(|r| seen.insert(r.clone()))
            .collect()
    }

    /// Leaves the Swarm's lock out of the blockers: the operator takes it over.
    pub fn ignore_lock(&mut self) {
        self.blockers.retain(|blocker| !matches!(blocker, Blocker::Locked { .. }));
    }

    /// True iff nothing keeps it from being done.
    pub fn can_be_done(&self) -> bool {
        self.blockers.is_empty() && self.strategy.is_some()
    }

    /// The longest time that all tasks are given to stop, one batch after the other, in ms: what the renewal takes at least
    /// where they need that time.
    pub fn stop_grace_ms(&self) -> u64 {
        let grace =
            |name: &String| self.members.iter().find(|m| m.name == *name).map_or(0, |m| m.stop_grace_ms);
        self.steps.iter().map(|step| step.services().iter().map(grace).max().unwrap_or(0)).sum()
    }

    /// Blockers of a plan that was made earlier: what has changed since.
    pub fn drift(&self, now: &Self) -> Vec<Blocker> {
        let drift = |what| Blocker::Drift { what };
        if self.network_id != now.network_id
            || self.settings_digest != now.settings_digest
            || self.from != now.from
        {
            return vec![drift(Drifted::Network)];
        }
        let then: BTreeMap<_, _> = self.members.iter().map(|m| (&m.id, m)).collect();
        let current: BTreeMap<_, _> = now.members.iter().map(|m| (&m.id, m)).collect();
        let joined = current
            .iter()
            .filter(|(id, _)| !then.contains_key(*id))
            .map(|(_, m)| Drifted::Joined { service: m.name.clone() });
        let left = then
            .iter()
            .filter(|(id, _)| !current.contains_key(*id))
            .map(|(_, m)| Drifted::Left { service: m.name.clone() });
        let changed = then.iter().filter_map(|(id, m)| {
            let now = current.get(id)?;
            (now.fingerprint != m.fingerprint).then(|| Drifted::Service { service: m.name.clone() })
        });
        let (was, is) = (&self.containers, &now.containers);
        let containers: BTreeSet<&String> = was
            .iter()
            .filter(|c| !is.contains(c))
            .chain(is.iter().filter(|c| !was.contains(c)))
            .map(|c| &c.name)
            .collect();
        let containers = containers.into_iter().map(|name| Drifted::Container { container: name.clone() });
        let found: Vec<Blocker> = joined.chain(left).chain(changed).chain(containers).map(drift).collect();
        // What else follows from the facts, such as a service that publishes a port now.
        if found.is_empty() && self.can_be_done() && now.can_be_done() && self.steps != now.steps {
            return vec![drift(Drifted::Plan)];
        }
        found
    }
}

/// Plans a renewal. `busy` are the signals of a window that is not clear. The same facts give the same plan.
pub fn plan_renewal(facts: &RenewalFacts, request: &RenewalRequest, busy: &[String]) -> RenewalPlan {
    let snapshot = &facts.saved.snapshot;
    let mut blockers: Vec<Blocker> =
        busy.iter().map(|signal| Blocker::Busy { signal: signal.clone() }).collect();
    blockers.extend(of_the_swarm(facts));
    let network = &facts.network;
    let id = NetworkId::new(network["Id"].as_str().unwrap_or_default());
    let name = network["Name"].as_str().unwrap_or_default();
    let members = members(facts, &id, name);
    let from = pools(network);
    let needed = needed(snapshot, &id, &members);
    let to = match new_pool(facts, request, name, &from, needed) {
        Ok(to) => Some(to),
        Err(why) => {
            blockers.extend(why);
            None
        }
    };
    blockers.extend(of_the_members(facts, request, &id, &members, network));
    // A subnet that something else keeps from being used is compared with addresses all the same: all reasons at once.
    let asked = match request.to {
        NewSubnet::Subnet(subnet) => to.or_else(|| Some(Pool::new(subnet))),
        NewSubnet::Prefix(_) => to,
    };
    let (containers, why) = of_the_containers(facts, request, &id, asked);
    blockers.extend(why);
    let ingress = network["Ingress"] == true;
    let holding = to.and_then(|to| holding(facts, name, to.subnet, needed));
    let settings = Settings::of_inspected(network);
    let mut plan = RenewalPlan {
        settings_digest: settings.digest(),
        settings: Some(settings),
        inspected: without_label_values(network),
        cluster: snapshot.engine.cluster.clone(),
        network_id: id.clone(),
        from,
        to,
        strategy: None,
        refused: Vec::new(),
        steps: Vec::new(),
        blockers,
        rooms: Vec::new(),
        not_seen: not_seen(snapshot, facts.saved.host.as_ref()),
        holding,
        containers,
        members,
        request: request.clone(),
    };
    plan.members.sort_by_key(|m| !m.is_router());
    for strategy in
        RenewalStrategy::ALL.into_iter().filter(|s| request.strategy.is_none_or(|only| only == *s))
    {
        let rooms = rooms(facts, &id, strategy, &plan.members);
        let mut why: Vec<Blocker> = rooms.iter().filter_map(Room::blocker).collect();
        if ingress && strategy == RenewalStrategy::Bridge {
            why = vec![Blocker::MeshHasNoBridge];
        }
        if why.is_empty() {
            plan.steps = steps(strategy, &plan.members, &plan.containers);
            plan.strategy = Some(strategy);
            plan.rooms = rooms;
            break;
        }
        plan.refused.push(RefusedStrategy { strategy, blockers: why });
    }
    if plan.strategy != Some(RenewalStrategy::Bridge) {
        plan.holding = None;
    }
    plan
}

/// The network as it is shown: values of labels are left out, since nobody knows what is in them.
fn without_label_values(network: &Value) -> Value {
    let mut shown = network.clone();
    for value in
        shown.get_mut("Labels").and_then(Value::as_object_mut).into_iter().flat_map(|l| l.values_mut())
    {
        *value = Value::String("…".to_owned());
    }
    shown
}

/// The containers that were attached by hand and can be taken along, and what cannot.
fn of_the_containers(
    facts: &RenewalFacts,
    request: &RenewalRequest,
    id: &NetworkId,
    to: Option<Pool>,
) -> (Vec<AttachedContainer>, Vec<Blocker>) {
    let snapshot = &facts.saved.snapshot;
    let own = &snapshot.engine.node;
    let own_host = host(&snapshot.nodes, own);
    let (mut containers, mut why) = (Vec::new(), Vec::new());
    for found in &facts.containers {
        if let Some(container) = AttachedContainer::of(found, id, own, &own_host) {
            containers.push(container);
        } else {
            let (container, status) = (found.name.clone(), found.status.clone());
            why.push(Blocker::ContainerStopped { container, status });
        }
    }
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    let taken = |place: &Attached| {
        place.node.as_ref() == Some(own) && containers.iter().any(|c| Some(c.address) == place.address)
    };
    why.extend(attached(snapshot, id).into_iter().filter(|place| !taken(place)).map(|container| {
        if container.node.as_ref() == Some(own) {
            Blocker::ContainerUnread { container }
        } else {
            Blocker::ContainerElsewhere { container }
        }
    }));
    if let Some(pool) = to.filter(|_| !request.readdress) {
        why.extend(containers.iter().filter_map(|container| {
            let (name, address) = (container.name.clone(), container.address);
            let why = container.clash(&pool)?;
            Some(Blocker::ContainerAddress { container: name, address, subnet: pool.subnet, why })
        }));
    }
    (containers, why)
}

/// The lock, an unfinished renewal, and whoever waits for an address.
fn of_the_swarm(facts: &RenewalFacts) -> Vec<Blocker> {
    let snapshot = &facts.saved.snapshot;
    let now = snapshot.engine.at;
    let mut found = Vec::new();
    if let Some(lock) = facts.lock.as_ref().filter(|lock| lock.expires.is_none_or(|at| now < at)) {
        found.push(Blocker::Locked { lock: lock.clone(), now });
    }
    if let Some(renewal) = &facts.unfinished {
        found.push(Blocker::Unfinished { renewal: renewal.clone() });
    }
    let mut waits: BTreeSet<(String, String)> = waiting_services(snapshot)
        .into_iter()
        .map(|wait| (wait.service, wait.network_name.unwrap_or_else(|| wait.network.to_string())))
        .collect();
    for network in snapshot.overlays() {
        waits.extend(
            waiting_tasks(snapshot, &network.id)
                .into_iter()
                .map(|(service, _)| (service, network.name.clone())),
        );
    }
    found.extend(waits.into_iter().map(|(service, network)| Blocker::Waits { service, network }));
    found
}

fn members(facts: &RenewalFacts, id: &NetworkId, name: &str) -> Vec<Member> {
    let snapshot = &facts.saved.snapshot;
    let of = |service: &Service| {
        facts.specs.get(&service.id).and_then(|spec| Member::of(snapshot, service, spec, (id, name)))
    };
    let mut members: Vec<Member> = snapshot.services.iter().filter_map(of).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

/// Addresses that the network needs at least: those that are owned now, and one more for each task that the updates of one batch
/// have beside the running ones.
fn needed(snapshot: &Snapshot, id: &NetworkId, members: &[Member]) -> u64 {
    let network = snapshot.networks.iter().find(|n| n.id == *id);
    let owned = network.map_or(0, |network| owners(snapshot, network).total());
    let surge =
        |batch: &Vec<String>| members.iter().filter(|m| batch.contains(&m.name)).map(|m| m.surge).sum();
    owned + batches(members).iter().map(surge).max().unwrap_or(0)
}

/// What is reserved, but for what the network itself has.
fn index_without(facts: &RenewalFacts, name: &str) -> Index {
    let all = reservations(&facts.saved.snapshot, facts.saved.host.as_ref());
    Index::new(all.into_iter().filter(|r| r.owner != name).collect())
}

fn new_pool(
    facts: &RenewalFacts,
    request: &RenewalRequest,
    name: &str,
    from: &[Pool],
    needed: u64,
) -> Result<Pool, Vec<Blocker>> {
    let [pool] = from else {
        let subnets = from.iter().map(|p| p.subnet).collect();
        return Err(vec![if from.is_empty() {
            Blocker::NotAllocated
        } else {
            Blocker::SeveralSubnets { subnets }
        }]);
    };
    let index = index_without(facts, name);
    let subnet = match request.to {
        NewSubnet::Subnet(subnet) => subnet,
        NewSubnet::Prefix(prefix) => {
            widened(facts, &index, pool, prefix).map_err(|error| vec![error.into()])?
        }
    };
    let mut why = Vec::new();
    if subnet == pool.subnet {
        why.push(Blocker::SameSubnet { subnet });
    }
    let conflicts: Vec<Conflict> = index
        .conflicts(subnet)
        .map(|(reservation, overlap)| Conflict { reservation: reservation.clone(), overlap })
        .collect();
    if !conflicts.is_empty() {
        why.push(Blocker::Collision { subnet, conflicts });
    }
    let pool = Pool { range: request.range.or(pool.range), ..*pool };
    match carried(&pool, subnet) {
        Ok(pool) => {
            let usable = Capacity::new(vec![pool]).map_or(0, |capacity| capacity.usable());
            if usable < needed {
                why.push(Blocker::TooSmall { usable, needed });
            }
            if why.is_empty() { Ok(pool) } else { Err(why) }
        }
        Err(not) => {
            why.push(match not {
                NotCarried::Range(range) => Blocker::RangeOutside { range },
                NotCarried::Gateway(gateway) => Blocker::GatewayOutside { gateway },
            });
            Err(why)
        }
    }
}

/// A free subnet with this prefix: the network's own, widened, if it is free.
fn widened(facts: &RenewalFacts, index: &Index, pool: &Pool, prefix: u8) -> Result<Subnet, PlanError> {
    let own = Subnet::around(pool.subnet.first(), prefix);
    let request = PlanRequest {
        prefix: Some(prefix),
        prefer: own.into_iter().collect(),
        default_pools: default_pools(&facts.saved.snapshot),
        ..PlanRequest::default()
    };
    Ok(plan_subnet(&request, index)?.chosen)
}

/// A pool for the holding network, twice as large as it has to be, that overlaps nothing and not the new subnet either;
/// `None` if there is none.
fn holding(facts: &RenewalFacts, name: &str, to: Subnet, needed: u64) -> Option<Pool> {
    // The old network is still there.
    let all = reservations(&facts.saved.snapshot, facts.saved.host.as_ref());
    let new = pvcheck_ipam::Reservation::new(to, name, "the new subnet");
    let index = Index::new(all.into_iter().chain([new]).collect());
    let prefix =
        (1..=24).rev().find(|prefix| needed.saturating_mul(2) < (1 << (32 - u32::from(*prefix))) - 3)?;
    let request = PlanRequest { prefix: Some(prefix), ..PlanRequest::default() };
    plan_subnet(&request, &index).ok().map(|plan| Pool::new(plan.chosen))
}

fn of_the_members(
    facts: &RenewalFacts,
    request: &RenewalRequest,
    id: &NetworkId,
    members: &[Member],
    network: &Value,
) -> Vec<Blocker> {
    let snapshot = &facts.saved.snapshot;
    let mut found = Vec::new();
    for member in members {
        let Some(service) = snapshot.service(&member.id) else { continue };
        let name = || service.name.clone();
        if let Some(update) = &service.update {
            if update.is_paused() {
                found.push(Blocker::Paused { service: name() });
            } else if update.is_under_way() {
                found.push(Blocker::Updating { service: name() });
            }
        }
        if member.job && !request.rerun_jobs {
            found.push(Blocker::Job { service: name() });
        }
        if let ServiceMode::Replicated(wanted) = service.mode
            && member.running != wanted
        {
            found.push(Blocker::NotRunning { service: name(), running: member.running, wanted });
        }
    }
    let old_field = |(id_of, spec): &(&pvcheck_audit::ServiceId, &Value)| {
        in_the_old_field(spec, id) && !members.iter().any(|m| m.id == **id_of)
    };
    let named = |(_, spec): (_, &Value)| spec["Name"].as_str().unwrap_or_default().to_owned();
    found
        .extend(facts.specs.iter().filter(old_field).map(named).map(|service| Blocker::OldField { service }));
    // On the network, and not in the specs, which were read at another moment: nobody would move it.
    let unread = snapshot.services.iter().filter(|service| {
        service.networks.contains(id)
            && !members.iter().any(|m| m.id == service.id)
            && !facts.specs.get(&service.id).is_some_and(|spec| in_the_old_field(spec, id))
    });
    let joined =
        |service: &Service| Blocker::Drift { what: Drifted::Joined { service: service.name.clone() } };
    found.extend(unread.map(joined));
    let down = snapshot.nodes.iter().filter(|node| node.state != NodeState::Ready);
    let has_tasks = |node: &&pvcheck_audit::Node| {
        let on = |task: &pvcheck_audit::Task| {
            task.node.as_ref() == Some(&node.id) && task.is_attached_to(id) && task.state.holds_addresses()
        };
        snapshot.tasks.iter().any(on)
    };
    found.extend(down.filter(has_tasks).map(|node| Blocker::NodeDown { node: node.hostname.clone() }));
    if network["Ingress"] == true {
        let publishing = snapshot.services.iter().filter(|s| s.publishes_ingress);
        found.extend(publishing.map(|s| Blocker::Publishes { service: s.name.clone() }));
    }
    found
}
