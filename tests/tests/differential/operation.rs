//! What is done to both engines, and the calls that it takes.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::side::{Answer, Book, Result, Side, in_use_by_a_task};

/// The networks of a sequence, by number, with the length of their prefixes: small ones, which fill up.
pub(crate) const PREFIXES: [u8; NETWORKS as usize] = [29, 28, 28, 27];
pub(crate) const NETWORKS: u8 = 4;
/// How many services a sequence has at most.
pub(crate) const SERVICES: u8 = 6;
/// A network's removal may be refused for so long, while the manager has not yet told the tasks to stop.
const REFUSALS: usize = 400;

/// How a service's tasks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Replicated(u64),
    Global,
    /// Completions, of which half may run at once.
    ReplicatedJob(u64),
    GlobalJob,
}

/// A service as it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) service: u8,
    pub(crate) networks: Vec<u8>,
    pub(crate) dnsrr: bool,
    pub(crate) mode: Mode,
    /// Whether an update replaces all tasks at once, rather than one after the other.
    pub(crate) at_once: bool,
    /// Whether a node may run the tasks; else they get addresses and stay `pending`.
    pub(crate) runs: bool,
}

/// One step of a sequence. Networks and services are numbers; what does not exist is asked for too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateNetwork(u8),
    RemoveNetwork(u8),
    Create(Draft),
    Scale(u8, u64),
    SetNetworks(u8, Vec<u8>),
    SetResolution(u8, bool),
    Force(u8),
    RemoveService(u8),
    /// The network goes while the tasks still stop: what `docker stack rm` does.
    ServiceThenNetwork(u8, u8),
    NetworkThenService(u8, u8),
    /// As many tasks as addresses and one more.
    Exhaust(u8),
    Restart,
}

impl Operation {
    /// The service whose tasks it replaces.
    pub(crate) fn changed(&self) -> Option<u8> {
        match self {
            Self::SetNetworks(service, _) | Self::SetResolution(service, _) | Self::Force(service) => {
                Some(*service)
            }
            _ => None,
        }
    }

    /// The service whose addresses it may free.
    pub(crate) fn frees(&self) -> Option<u8> {
        match self {
            Self::RemoveService(service)
            | Self::ServiceThenNetwork(service, _)
            | Self::NetworkThenService(service, _)
            | Self::Scale(service, _) => Some(*service),
            _ => self.changed(),
        }
    }

    pub(crate) fn is_change(&self) -> bool {
        self.changed().is_some()
    }

    /// Does it, and returns what was answered, one answer per call that changes something.
    pub(crate) fn perform(&self, side: &mut impl Side, book: &mut Book) -> Result<Vec<Answer>> {
        match self {
            Self::CreateNetwork(network) => create_network(side, book, *network),
            Self::RemoveNetwork(network) => remove_network(side, book, *network),
            Self::Create(draft) => create(side, book, draft),
            Self::Scale(service, replicas) => {
                side.until_scheduled(&book.service(*service))?;
                change(side, book, *service, |spec| {
                    spec["Mode"] = json!({"Replicated": {"Replicas": replicas}});
                })
            }
            Self::SetNetworks(service, networks) => {
                let targets = targets(book, networks);
                change(side, book, *service, |spec| spec["TaskTemplate"]["Networks"] = targets)
            }
            Self::SetResolution(service, dnsrr) => change(side, book, *service, |spec| {
                spec["EndpointSpec"] = json!({"Mode": if *dnsrr { "dnsrr" } else { "vip" }});
            }),
            Self::Force(service) => change(side, book, *service, |spec| {
                let times = spec["TaskTemplate"]["ForceUpdate"].as_u64().unwrap_or(0);
                spec["TaskTemplate"]["ForceUpdate"] = json!(times + 1);
            }),
            Self::RemoveService(service) => remove_service(side, book, *service),
            Self::ServiceThenNetwork(service, network) => {
                service_then_network(side, book, *service, *network)
            }
            Self::NetworkThenService(service, network) => {
                let mut answers = remove_network(side, book, *network)?;
                answers.extend(remove_service(side, book, *service)?);
                Ok(answers)
            }
            Self::Exhaust(network) => {
                let replicas = 1 << (32 - PREFIXES[usize::from(*network)]);
                let draft = Draft {
                    service: SERVICES + network,
                    networks: vec![*network],
                    dnsrr: true,
                    mode: Mode::Replicated(replicas),
                    at_once: true,
                    runs: false,
                };
                create(side, book, &draft)
            }
            Self::Restart => side.restart().map(|()| Vec::new()),
        }
    }
}

fn create_network(side: &mut impl Side, book: &mut Book, network: u8) -> Result<Vec<Answer>> {
    let body = json!({
        "Name": book.network(network), "Driver": "overlay", "CheckDuplicate": true, "Attachable": true,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": book.subnet(network)}]},
    });
    let answer = side.call("POST", "/networks/create", Some(&body))?;
    if let Some(id) = answer.value["Id"].as_str() {
        book.network_ids.insert(id.to_owned(), network);
        side.until_allocated(id)?;
    }
    Ok(vec![answer])
}

fn remove_network(side: &mut impl Side, book: &Book, network: u8) -> Result<Vec<Answer>> {
    let path = format!("/networks/{}", book.network(network));
    let mut answer = side.call("DELETE", &path, None)?;
    for _ in 0..REFUSALS {
        if !in_use_by_a_task(&answer) || !side.lags() {
            break;
        }
        answer = side.call("DELETE", &path, None)?;
    }
    Ok(vec![answer])
}

fn create(side: &mut impl Side, book: &mut Book, draft: &Draft) -> Result<Vec<Answer>> {
    let mode = match draft.mode {
        Mode::Replicated(replicas) => json!({"Replicated": {"Replicas": replicas}}),
        Mode::Global => json!({"Global": {}}),
        Mode::ReplicatedJob(total) => {
            json!({"ReplicatedJob": {"MaxConcurrent": total.div_ceil(2), "TotalCompletions": total}})
        }
        Mode::GlobalJob => json!({"GlobalJob": {}}),
    };
    let constraints = if draft.runs { json!([]) } else { json!(["node.labels.pvcheck==none"]) };
    let mut body = json!({
        "Name": book.service(draft.service),
        "TaskTemplate": {
            "ContainerSpec": {"Image": pvcheck_tests::stacks::IMAGE,
                "Command": ["sh", "-c", pvcheck_tests::stacks::STOPS_AT_ONCE]},
            "Networks": targets(book, &draft.networks),
            "Placement": {"Constraints": constraints},
        },
        "Mode": mode,
        "EndpointSpec": {"Mode": if draft.dnsrr { "dnsrr" } else { "vip" }},
    });
    if draft.at_once && matches!(draft.mode, Mode::Replicated(_) | Mode::Global) {
        body["UpdateConfig"] = json!({"Parallelism": 0});
    }
    let answer = side.call("POST", "/services/create", Some(&body))?;
    if let Some(id) = answer.value["ID"].as_str() {
        book.service_ids.insert(id.to_owned(), draft.service);
    }
    Ok(vec![answer])
}

fn targets(book: &Book, networks: &[u8]) -> Value {
    networks.iter().map(|network| json!({"Target": book.network(*network)})).collect()
}

/// Reads a service's specification, changes it, and writes it back, as every client does.
fn change(
    side: &mut impl Side,
    book: &Book,
    service: u8,
    change: impl FnOnce(&mut Value),
) -> Result<Vec<Answer>> {
    let read = side.call("GET", &format!("/services/{}", book.service(service)), None)?;
    let (Some(id), Some(version)) = (read.value["ID"].as_str(), read.value["Version"]["Index"].as_u64())
    else {
        return Ok(vec![read]);
    };
    let mut spec = read.value["Spec"].clone();
    change(&mut spec);
    let path = format!("/services/{id}/update?version={version}");
    Ok(vec![side.call("POST", &path, Some(&spec))?])
}

fn remove_service(side: &mut impl Side, book: &Book, service: u8) -> Result<Vec<Answer>> {
    Ok(vec![side.call("DELETE", &format!("/services/{}", book.service(service)), None)?])
}

fn service_then_network(side: &mut impl Side, book: &Book, service: u8, network: u8) -> Result<Vec<Answer>> {
    let mut answers = remove_service(side, book, service)?;
    answers.extend(remove_network(side, book, network)?);
    // Whether the tasks were still there decides whether they lost an address.
    let tasks = side.call("GET", "/tasks", None)?;
    let of_service =
        |task: &&Value| task["ServiceID"].as_str().and_then(|id| book.service_ids.get(id)) == Some(&service);
    side.note_tasks_left(tasks.value.as_array().into_iter().flatten().filter(of_service).count());
    Ok(answers)
}

fn some_networks() -> impl Strategy<Value = Vec<u8>> {
    let count = NETWORKS;
    prop_oneof![
        3 => (0..count).prop_map(|network| vec![network]),
        4 => (0..count, 1..count).prop_map(move |(first, more)| vec![first, (first + more) % count]),
        1 => Just(Vec::new()),
    ]
}

fn some_draft(runs: bool) -> impl Strategy<Value = Draft> {
    let most: u64 = if runs { 3 } else { 7 };
    let mode = prop_oneof![
        7 => (0..2_u64).prop_map(Mode::Replicated),
        7 => (2..most).prop_map(Mode::Replicated),
        1 => Just(Mode::Global),
        1 => (1..4_u64).prop_map(Mode::ReplicatedJob),
        1 => Just(Mode::GlobalJob),
    ];
    let (dnsrr, at_once) = (prop::bool::weighted(0.3), prop::bool::weighted(0.7));
    let all = (0..SERVICES, some_networks(), dnsrr, mode, at_once);
    all.prop_map(move |(service, networks, dnsrr, mode, at_once)| Draft {
        service,
        networks,
        dnsrr,
        mode,
        at_once,
        runs,
    })
}

/// Any step. `networks` and `services` exist; most steps are about these.
pub(crate) fn some_operation(
    networks: &[u8],
    services: &[u8],
    runs: bool,
    restarts: u32,
) -> BoxedStrategy<Operation> {
    let known = |all: u8, some: &[u8]| {
        let some = if some.is_empty() { (0..all).collect() } else { some.to_vec() };
        prop_oneof![9 => prop::sample::select(some), 1 => 0..all].boxed()
    };
    let network = known(NETWORKS, networks);
    let service = known(SERVICES, services);
    let new_network: Vec<u8> = (0..NETWORKS).filter(|n| !networks.contains(n)).collect();
    let new_network = known(NETWORKS, &new_network);
    // Containers live through a restart, or do not; a sequence that runs some is not restarted.
    let rare = if runs {
        service.clone().prop_map(Operation::Force).boxed()
    } else {
        Just(Operation::Restart).boxed()
    };
    prop_oneof![
        (if networks.len() < 3 { 30 } else { 6 }) => new_network.prop_map(Operation::CreateNetwork),
        4 => network.clone().prop_map(Operation::RemoveNetwork),
        24 => some_draft(runs).prop_map(Operation::Create),
        10 => (service.clone(), 0..6_u64).prop_map(|(service, replicas)| Operation::Scale(service, replicas)),
        10 => (service.clone(), some_networks()).prop_map(|(s, networks)| Operation::SetNetworks(s, networks)),
        4 => (service.clone(), any::<bool>()).prop_map(|(service, dnsrr)| Operation::SetResolution(service, dnsrr)),
        4 => service.clone().prop_map(Operation::Force),
        8 => service.clone().prop_map(Operation::RemoveService),
        6 => (service.clone(), network.clone()).prop_map(|(s, n)| Operation::ServiceThenNetwork(s, n)),
        2 => (service, network).prop_map(|(s, n)| Operation::NetworkThenService(s, n)),
        restarts => rare,
    ]
    .boxed()
}
