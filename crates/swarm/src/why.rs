//! Why does a service or a task not run? From the task to the cause, over one look.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::blame::{Blame, WaitedOn, blame, waited_on};
use crate::elsewhere;
use crate::findings::{Finding, findings};
use crate::ids::TaskId;
use crate::mend;
use crate::owners::owners;
use crate::room::{
    Full, Rooms, balancer_patience, has_waited, lacked_balancer, overlays_of, overlays_wanted,
};
use crate::snapshot::{Network, Service, ServiceMode, Snapshot, Task, TaskState};
use crate::status::Statuses;
use crate::subject::{NoSuchSubject, Subject, subject};
use crate::waiting::waiting_services;

/// Why something does not run: schema `pvcheck/v1`, kind `why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// Always `pvcheck/v1`.
    pub schema: String,
    /// Always `why`.
    pub kind: String,
    /// The service's name; `null` for a standalone container, and for a task whose service is gone.
    pub service: Option<String>,
    /// The task that was asked about, or that shows the cause best.
    pub task: Option<TaskId>,
    /// What it comes to.
    pub verdict: Verdict,
    /// That in one sentence.
    pub summary: String,
    /// From the service to the cause, link by link.
    pub chain: Vec<Link>,
    /// The network to blame; `null` where none is, or where it cannot be told from others.
    pub network: Option<WaitedOn>,
    /// Networks of which at least one is to blame, where nothing tells which.
    pub candidates: Vec<WaitedOn>,
    /// What goes wrong besides, on this service and these networks.
    pub findings: Vec<Finding>,
    /// What to do, cheapest first.
    pub mend: Vec<Mend>,
}

/// Why something does not run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// A network has no address for it.
    Address,
    /// A network has no subnet.
    Network,
    /// Its service lacks its virtual address on one network, and so waits on all of them.
    VipPending,
    /// It has its addresses; something else is wrong.
    NotAddress,
    /// Nothing is wrong: it runs, or has ended, as wanted.
    Running,
    /// It cannot be told from this look.
    Unknown,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it is about: `service NAME`, `task ID`, `network NAME`.
    pub subject: String,
    /// How that is.
    pub state: String,
    /// Since when, by the Swarm's clocks.
    pub since: Option<Timestamp>,
    /// What that means.
    pub fact: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// What, and what it gives.
    pub what: String,
    /// The command, where there is one.
    pub command: Option<String>,
}

/// What is asked about.
pub(crate) struct Case<'a> {
    pub(crate) rooms: &'a Rooms<'a>,
    pub(crate) service: Option<&'a Service>,
    /// The task that was asked about, if one was.
    pub(crate) task: Option<&'a Task>,
}

/// What it comes to, before the mend is known.
pub(crate) struct Decision<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) summary: String,
    pub(crate) task: Option<&'a Task>,
    pub(crate) links: Vec<Link>,
    pub(crate) network: Option<WaitedOn>,
    pub(crate) candidates: Vec<WaitedOn>,
    /// What to do where the verdict is not about addresses.
    pub(crate) mend: Vec<Mend>,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(verdict: Verdict, summary: impl Into<String>, task: Option<&'a Task>) -> Self {
        Self {
            verdict,
            summary: summary.into(),
            task,
            links: Vec::new(),
            network: None,
            candidates: Vec::new(),
            mend: Vec::new(),
        }
    }

    pub(crate) fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }
}

/// Explains why a service, or one task, does not run: by name, id, or the beginning of an id. Reads nothing, changes nothing.
///
/// On a network on which somebody waits nothing is free, so what is leaked there is what has no owner: a number without any
/// probing, and without the manager's log.
///
/// # Errors
/// When nothing, or more than one thing, is meant by `asked`.
pub fn why(snapshot: &Snapshot, statuses: &Statuses, asked: &str) -> Result<Why, NoSuchSubject> {
    let rooms = Rooms::of(snapshot, statuses);
    let (service, task) = match subject(snapshot, asked)? {
        Subject::Service(service) => (Some(service), None),
        Subject::Task(task) => (task.service.as_ref().and_then(|id| snapshot.service(id)), Some(task)),
    };
    let case = Case { rooms: &rooms, service, task };
    let decision = decide(&case);
    let mend = mend::mend(&case, &decision);
    let first = service.map(|s| service_link(snapshot, s));
    let name = service.map(|s| s.name.clone());
    Ok(Why {
        schema: "pvcheck/v1".into(),
        kind: "why".into(),
        findings: concerning(&rooms, name.as_deref(), &decision),
        service: name,
        task: decision.task.map(|t| t.id.clone()),
        verdict: decision.verdict,
        summary: decision.summary,
        chain: first.into_iter().chain(decision.links).collect(),
        network: decision.network,
        candidates: decision.candidates,
        mend,
    })
}

/// Findings about this service, or about the networks to blame.
fn concerning(rooms: &Rooms<'_>, service: Option<&str>, decision: &Decision<'_>) -> Vec<Finding> {
    if matches!(decision.verdict, Verdict::Running | Verdict::NotAddress) {
        return Vec::new();
    }
    let networks: Vec<&str> =
        decision.network.iter().chain(&decision.candidates).map(|n| n.name.as_str()).collect();
    let mut found = findings(rooms, &[]);
    found.retain(|f| {
        f.service.as_deref() == service || f.networks.iter().any(|n| networks.contains(&n.as_str()))
    });
    found
}

fn decide<'a>(case: &Case<'a>) -> Decision<'a> {
    if let Some(settled) = case.task.and_then(|t| elsewhere::of_task(case, t)) {
        return settled;
    }
    if case.task.is_none_or(|t| t.state == TaskState::New)
        && let Some(waits) = for_vip(case)
    {
        return waits;
    }
    for_address(case).or_else(|| for_balancer(case)).unwrap_or_else(|| elsewhere::decide(case))
}

/// The service lacks a virtual address.
fn for_vip<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let service = case.service?;
    let snapshot = case.rooms.snapshot;
    let waits: Vec<_> =
        waiting_services(snapshot).into_iter().filter(|w| w.service == service.name).collect();
    if waits.is_empty() {
        return None;
    }
    let task = case.task.or_else(|| case.tasks().find(|t| t.state == TaskState::New && t.is_wanted()));
    if !case.rooms.waits(&service.name) {
        let summary = format!("service {} changed a moment ago; ask again in some seconds", service.name);
        return Some(Decision::new(Verdict::Unknown, summary, task));
    }
    let wanted = overlays_wanted(snapshot, service);
    let on: Vec<&Network> =
        wanted.iter().filter(|n| waits.iter().any(|w| w.network == n.id)).copied().collect();
    if on.is_empty() {
        let summary = format!("service {} names a network that is not in the Swarm's list", service.name);
        return Some(Decision::new(Verdict::Network, summary, task));
    }
    let subject = format!("service {}", service.name);
    let names = on.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" and ");
    let whole = if wanted.len() == 1 {
        format!(
            "it has no virtual address on {names}; tasks wait until their service has all of its addresses"
        )
    } else if on.len() == wanted.len() {
        "it has no virtual address on any of its networks: it is given all of them or none, so one network that refuses holds up the whole service".into()
    } else {
        format!(
            "an update added {names}, where it has no virtual address; until it has all of them the service as a whole waits"
        )
    };
    let mut links: Vec<Link> =
        task.map(|t| new_link(case, t, "its service is not allocated")).into_iter().collect();
    links.push(Link { subject, state: "no virtual address".into(), since: service.updated, fact: whole });
    let verdict = if 1 < wanted.len() { Verdict::VipPending } else { Verdict::Address };
    Some(blamed(case, task, &on, verdict, links))
}

/// A task lacks its address.
fn for_address<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let mut lacks = case.rooms.lacks.iter();
    let lack = lacks.find(|l| case.is_about(l.task))?;
    let names = lack.on.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" nor on ");
    let links = vec![new_link(case, lack.task, &format!("it has no address on {names}"))];
    Some(blamed(case, Some(lack.task), &lack.on, Verdict::Address, links))
}

/// A node lacks its load balancer, so it rejects the task.
fn for_balancer<'a>(case: &Case<'a>) -> Option<Decision<'a>> {
    let snapshot = case.rooms.snapshot;
    let asked = case.task.filter(|t| lacked_balancer(t));
    let rejected = asked.or_else(|| case.rooms.without_balancer().find(|t| case.is_about(t)));
    let preparing = case.tasks().find(|t| {
        let slow = |n: &Network| {
            let patience = balancer_patience(n, &owners(snapshot, n));
            has_waited(snapshot, t.since, patience) == Some(true)
        };
        t.state == TaskState::Preparing && t.is_wanted() && full_ones(case.rooms, t).into_iter().any(slow)
    });
    let task = rejected.or(preparing)?;
    let full = full_ones(case.rooms, task);
    let on = if full.is_empty() { overlays_of(snapshot, task) } else { full };
    if on.is_empty() {
        return None;
    }
    let node = task.node.as_ref().map_or_else(|| "its node".to_owned(), |n| format!("node {n}"));
    let (state, fact) = if task.state == TaskState::Rejected {
        ("rejected", format!("{node} got no load-balancer address on one of the task's networks within 30 s"))
    } else {
        ("preparing", format!("{node} waits for a load-balancer address"))
    };
    let link = Link { subject: format!("task {}", task.id), state: state.into(), since: task.since, fact };
    Some(blamed(case, Some(task), &on, Verdict::Address, vec![link]))
}

fn full_ones<'a>(rooms: &Rooms<'a>, task: &Task) -> Vec<&'a Network> {
    let mut networks = overlays_of(rooms.snapshot, task);
    networks.retain(|n| {
        let full = rooms.full(n, &owners(rooms.snapshot, n));
        full.is_some_and(|f| !matches!(f, Full::BalancerMissing(_)))
    });
    networks
}

/// Ends a chain at the network to blame.
fn blamed<'a>(
    case: &Case<'a>,
    task: Option<&'a Task>,
    on: &[&'a Network],
    verdict: Verdict,
    links: Vec<Link>,
) -> Decision<'a> {
    let who = case.name();
    let since = oldest_wait(case.rooms, on);
    let link = |n: &WaitedOn, state: &str, fact: String| Link {
        subject: format!("network {}", n.name),
        state: state.into(),
        since,
        fact,
    };
    match blame(case.rooms, on) {
        Blame::NotAllocated(network) => {
            let waited = waited_on(case.rooms, network, None);
            let name = &network.name;
            let fact = format!(
                "Swarm has given it no subnet: it overlaps another overlay, or the pool is used up; the manager's log tells which, under `Failed allocation for network {}`",
                network.id
            );
            let summary = format!("{who} waits for network {name}, which has no subnet");
            let mut decision = Decision::new(Verdict::Network, summary, task);
            decision.links = links;
            decision = decision.link(Link { since: None, ..link(&waited, "not allocated", fact) });
            Decision { network: Some(waited), ..decision }
        }
        Blame::Full(waited) => {
            let summary = match verdict {
                Verdict::VipPending => {
                    format!("{who} waits as a whole: network {} has no address for its service", waited.name)
                }
                _ => format!("{who} waits for an address: network {} is full", waited.name),
            };
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision = decision.link(link(&waited, "full", sum_fact(&waited)));
            Decision { network: Some(*waited), ..decision }
        }
        Blame::OneOf(candidates) => {
            let names = candidates.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" or ");
            let summary = format!("{who} waits for an address: {names} is full, and lists do not tell which");
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision
                .links
                .extend(candidates.iter().map(|n| link(n, "full, or another one is", perhaps_fact(n))));
            Decision { candidates, ..decision }
        }
        Blame::Room(candidates) => {
            let summary = format!(
                "{who} waits for an address although the allocator counts free ones now; it tries again when anybody gives an address back"
            );
            let mut decision = Decision::new(verdict, summary, task);
            decision.links = links;
            decision.links.extend(candidates.iter().map(|n| link(n, "has room now", sum_fact(n))));
            Decision { candidates, ..decision }
        }
    }
}

/// The sum of a network's addresses, in words.
fn sum_fact(n: &WaitedOn) -> String {
    let vips: u64 = n.holders.iter().map(|h| h.vips).sum();
    let tasks: u64 = n.holders.iter().map(|h| h.tasks).sum();
    let told = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let because = n.full_because.as_ref().map(|b| format!(": {b}")).unwrap_or_default();
    format!(
        "{} usable, {} owned ({vips} VIPs, {tasks} tasks, {} load balancers, {} standalone containers), {} leaked, {} free{because}",
        n.usable,
        n.owned,
        n.load_balancers,
        n.attachments,
        told(n.leaked),
        told(n.free)
    )
}

fn perhaps_fact(n: &WaitedOn) -> String {
    format!(
        "{} usable, {} owned; if this is the full one, {} are leaked",
        n.usable,
        n.owned,
        n.usable.saturating_sub(n.owned)
    )
}

/// Since when somebody has waited on one of these.
fn oldest_wait(rooms: &Rooms<'_>, on: &[&Network]) -> Option<Timestamp> {
    let here = |id| on.iter().any(|n| n.id == id);
    let tasks = rooms.lacks.iter().filter(|l| l.on.iter().any(|n| here(n.id.clone())));
    let tasks = tasks.filter_map(|l| l.task.since);
    let services = rooms.waits.iter().filter(|w| here(w.network.clone()));
    let services = services.filter_map(|w| rooms.snapshot.service_named(&w.service)?.updated);
    tasks.chain(services).min()
}

fn new_link(case: &Case<'_>, task: &Task, what: &str) -> Link {
    let wanted = case.service.is_some_and(|s| matches!(s.mode, ServiceMode::Job));
    let kind = if wanted { "the job" } else { "it" };
    Link {
        subject: format!("task {}", task.id),
        state: task.state.word().into(),
        since: task.since,
        fact: format!("{what}, so no node is given {kind}; the Swarm shows no error for that"),
    }
}

fn service_link(snapshot: &Snapshot, service: &Service) -> Link {
    let running = snapshot.running_tasks(&service.id).count();
    let state = match service.mode {
        ServiceMode::Replicated(n) => format!("{running} of {n} tasks run"),
        ServiceMode::Global => format!("{running} tasks run, one per node is wanted"),
        ServiceMode::Job => format!("a job, {running} tasks of which run"),
    };
    let names: Vec<&str> = overlays_wanted(snapshot, service).iter().map(|n| n.name.as_str()).collect();
    let fact = match names.as_slice() {
        [] => "it is on no overlay".to_owned(),
        names => format!("it is on {}", names.join(", ")),
    };
    Link { subject: format!("service {}", service.name), state, since: service.created, fact }
}

impl<'a> Case<'a> {
    /// The tasks of the service, or the one task.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'a Task> {
        let (service, task) = (self.service.map(|s| &s.id), self.task.map(|t| &t.id));
        self.rooms.snapshot.tasks.iter().filter(move |t| match task {
            Some(id) => t.id == *id,
            None => service.is_some_and(|id| t.service.as_ref() == Some(id)),
        })
    }

    pub(crate) fn is_about(&self, task: &Task) -> bool {
        match self.task {
            Some(asked) => asked.id == task.id,
            None => self.service.is_some_and(|s| task.service.as_ref() == Some(&s.id)),
        }
    }

    /// What was asked about, in words.
    pub(crate) fn name(&self) -> String {
        match (self.task, self.service) {
            (Some(task), Some(service)) => format!("task {} of {}", task.id, service.name),
            (Some(task), None) => format!("task {}", task.id),
            (None, Some(service)) => format!("service {}", service.name),
            (None, None) => "nothing".into(),
        }
    }
}
