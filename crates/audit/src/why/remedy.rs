//! What can be done: each step as a kind with its data, from which its sentence and its command follow.

use std::fmt;

use serde::{Deserialize, Serialize};

const ADAPT_NODES: &str = "give a node what it asks for, or ask for less: constraints, resources, platforms, nodes that are drained or \
     paused";
const PUBLISH_IN_HOST_MODE: &str = "if all of it is needed: publish in host mode what does not need the routing mesh, which costs two addresses of \
     ingress and more per service";

/// One step. `Display` says what it is and what it gives; JSON has that sentence as `what`, and the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "WrittenRemedy")]
pub struct Remedy {
    /// What to do.
    #[serde(flatten)]
    pub kind: RemedyKind,
}

/// What to do. Networks, services, stacks and hosts are named by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RemedyKind {
    /// Make nodes fit for the task, or ask for less.
    AdaptNodes,
    /// Choose a larger subnet for a network whose owners all need their addresses.
    ChooseLargerSubnet {
        /// The network.
        network: String,
        /// Addresses owned on it now.
        owned: u64,
        /// Prefix length of a subnet with space for twice as many, 8 to 24.
        prefix: u8,
    },
    /// Choose a subnet for a network that has none.
    ChooseSubnet {
        /// The network.
        network: String,
    },
    /// Count one of several networks of which one is full.
    CountCandidate {
        /// The network.
        network: String,
        /// Addresses with a known owner.
        owned: u64,
        /// Addresses that there are.
        usable: u64,
    },
    /// Create the `ingress` network that the Swarm lacks.
    CreateIngress,
    /// Count what a waiting service has lost elsewhere, once it does not wait any more.
    CountLost {
        /// The network.
        network: String,
    },
    /// Deploy again what was removed while it waited.
    DeployAgain {
        /// The service.
        service: String,
        /// Its stack, if it belongs to one.
        stack: Option<String>,
    },
    /// Do what the catalogue of signatures says about an error that tasks show.
    HealError {
        /// The signature.
        signature: String,
        /// What to do, one sentence.
        remedy: String,
    },
    /// See what a service asks of a node.
    InspectPlacement {
        /// The service.
        service: String,
    },
    /// Ask each of several networks for an address, to learn which one is full.
    Probe {
        /// The service or task that waits.
        subject: String,
        /// The networks.
        networks: Vec<String>,
    },
    /// Move services from the routing mesh to host mode, since `ingress` itself is full.
    PublishInHostMode,
    /// Give back the leaked addresses.
    Reclaim {
        /// The network.
        network: String,
        /// How many are leaked.
        leaked: u64,
        /// The leader's host name if the leader was asked and has other managers beside it: it cannot hand over through
        /// itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        led_by: Option<String>,
    },
    /// Give back the addresses that are leaked on whichever of several networks is full.
    ReclaimCandidates {
        /// The networks.
        networks: Vec<String>,
        /// As in [`Self::Reclaim`].
        #[serde(skip_serializing_if = "Option::is_none")]
        led_by: Option<String>,
    },
    /// Replace a network by one with the larger subnet.
    Recreate {
        /// The network.
        network: String,
    },
    /// Replace a network without a subnet, and what is on it.
    RecreateUnallocated {
        /// The network.
        network: String,
        /// The service that waits for it.
        service: String,
        /// That service's stack, if it belongs to one.
        stack: Option<String>,
    },
    /// Remove a node that is down and does not come back.
    RemoveNode {
        /// Its host name, or its id if it has none.
        node: String,
        /// The network.
        network: String,
        /// Addresses of the network that it holds.
        addresses: u64,
    },
    /// Remove a service that is not needed.
    RemoveService {
        /// The service.
        service: String,
        /// The network.
        network: String,
        /// Addresses of the network that it holds.
        addresses: u64,
    },
    /// Remove a stack that is not needed.
    RemoveStack {
        /// The stack.
        stack: String,
        /// The network.
        network: String,
        /// Addresses of the network that its services hold.
        addresses: u64,
    },
    /// Remove the waiting service before its retries lose more addresses.
    RemoveWaiting {
        /// The service.
        service: String,
        /// Its stack, if it belongs to one.
        stack: Option<String>,
        /// The networks that lose an address per attempt.
        on: Vec<String>,
        /// True iff they surely do.
        certain: bool,
    },
    /// Let the allocator try again, now that it counts a free address.
    Retry {
        /// The network.
        network: String,
        /// The service that waits, if the task has one.
        service: Option<String>,
    },
    /// Take a service's last update back as a whole.
    RollBack {
        /// The service.
        service: String,
    },
    /// Search the manager's log for why a network has no subnet.
    SeeLog,
    /// See on which node a service's tasks are.
    SeeNode {
        /// The service.
        service: String,
    },
    /// See what a service logged.
    SeeServiceLog {
        /// The service.
        service: String,
    },
    /// See the errors of a service's tasks in full.
    SeeTaskErrors {
        /// The service.
        service: String,
    },
    /// Start a node that is down, or remove it.
    StartNode {
        /// Its host name.
        node: String,
    },
    /// Let a service's update stop each old task before the new one starts.
    StopFirst {
        /// The service.
        service: String,
        /// True iff the update has to begin anew for it, as where the new task waits for a port.
        force: bool,
    },
    /// Take the last update of a service back, since it freed an address in use.
    TakeUpdateBack {
        /// The service.
        service: String,
        /// The networks on which it freed one.
        freed_on: Vec<String>,
        /// The networks that the update added, by name, or by id if they have none.
        added: Vec<String>,
    },
    /// Wait for tasks that are stopping.
    Wait {
        /// The network.
        network: String,
        /// How many tasks that hold an address there are stopping.
        stopping: u64,
    },
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct WrittenRemedy {
    #[serde(flatten)]
    kind: RemedyKind,
    what: String,
    command: Option<String>,
}

impl From<Remedy> for WrittenRemedy {
    fn from(remedy: Remedy) -> Self {
        Self { what: remedy.to_string(), command: remedy.command(), kind: remedy.kind }
    }
}

impl From<RemedyKind> for Remedy {
    fn from(kind: RemedyKind) -> Self {
        Self { kind }
    }
}

impl Remedy {
    /// The command that does it, if one does.
    pub fn command(&self) -> Option<String> {
        self.kind.command()
    }
}

impl RemedyKind {
    /// True iff it only shows more of the cause.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::AdaptNodes
                | Self::InspectPlacement { .. }
                | Self::SeeLog
                | Self::SeeNode { .. }
                | Self::SeeServiceLog { .. }
                | Self::SeeTaskErrors { .. }
        )
    }

    fn command(&self) -> Option<String> {
        let command = match self {
            Self::DeployAgain { .. }
            | Self::PublishInHostMode
            | Self::Recreate { .. }
            | Self::Wait { .. } => return None,
            Self::CreateIngress => "docker network create --driver overlay --ingress ingress".to_owned(),
            Self::HealError { signature, .. } => format!("pvcheck explain {signature}"),
            Self::Probe { subject, .. } => format!("pvcheck why {subject} --probe"),
            Self::RollBack { service } => format!("docker service rollback {service}"),
            Self::StopFirst { service, force } => {
                let force = if *force { "--force " } else { "" };
                format!("docker service update --update-order stop-first {force}{service}")
            }
            Self::AdaptNodes => "docker node ls".to_owned(),
            Self::ChooseLargerSubnet { network, prefix, .. } => {
                format!("pvcheck plan-subnet --prefix {prefix} --name {network}")
            }
            Self::ChooseSubnet { network } => format!("pvcheck plan-subnet --name {network}"),
            Self::CountCandidate { network, .. } | Self::CountLost { network } => {
                format!("pvcheck census {network}")
            }
            Self::InspectPlacement { service } => {
                format!(
                    "docker service inspect --format '{{{{json .Spec.TaskTemplate.Placement}}}}' {service}"
                )
            }
            // It plans by itself which way is cheapest, so it needs no name of a network.
            Self::Reclaim { .. } | Self::ReclaimCandidates { .. } => "pvcheck reclaim --apply".to_owned(),
            Self::RecreateUnallocated { network, service, stack } => {
                format!("{} && docker network rm {network}", removal(service, stack.as_deref()))
            }
            Self::RemoveNode { node, .. } | Self::StartNode { node } => {
                format!("docker node rm --force {node}")
            }
            Self::RemoveService { service, .. } => removal(service, None),
            // Drained, so that the removal itself leaks nothing.
            Self::RemoveStack { stack, .. } => removal("", Some(stack)),
            Self::RemoveWaiting { service, stack, .. } => removal(service, stack.as_deref()),
            Self::Retry { service, .. } => {
                format!("docker service update --force {}", service.as_deref().unwrap_or("SERVICE"))
            }
            Self::SeeLog => "pvcheck journal scan --since-engine-start".to_owned(),
            Self::SeeNode { service } | Self::SeeTaskErrors { service } => {
                format!("docker service ps --no-trunc {service}")
            }
            Self::SeeServiceLog { service } => format!("docker service logs --tail 50 {service}"),
            Self::TakeUpdateBack { service, added, .. } => {
                let flags: String = added.iter().map(|n| format!("--network-rm {n} ")).collect();
                format!("docker service update {flags}{service}")
            }
        };
        Some(command)
    }
}

/// A stack is removed as a whole and drained: `docker stack rm` leaks the addresses of tasks that still stop (L1).
fn removal(service: &str, stack: Option<&str>) -> String {
    match stack {
        Some(stack) => format!("pvcheck stack rm {stack} --apply"),
        None => format!("docker service rm {service}"),
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for RemedyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdaptNodes => f.write_str(ADAPT_NODES),
            Self::ChooseLargerSubnet { network, owned, .. } => write_larger_subnet(f, network, *owned),
            Self::ChooseSubnet { .. } => f.write_str("choose a subnet that collides with nothing"),
            Self::CountCandidate { network, owned, usable } => {
                write!(f, "count {network} when no service waits any more: {owned} of {usable} have an owner")
            }
            Self::CountLost { network } => {
                write!(f, "count what the attempts have lost on {network}, when no service waits any more")
            }
            Self::CreateIngress => f.write_str("create the ingress network"),
            Self::DeployAgain { service, stack } => write_deploy_again(f, service, stack.as_deref()),
            Self::HealError { remedy, .. } => f.write_str(remedy),
            Self::Probe { networks, .. } => write_probe(f, networks),
            Self::ReclaimCandidates { networks, led_by } => {
                write_reclaim_candidates(f, networks, led_by.as_deref())
            }
            Self::RollBack { service } => {
                write!(f, "take the last update of {service} back; tasks that run go on running")
            }
            Self::StopFirst { service, .. } => write_stop_first(f, service),
            Self::InspectPlacement { .. } => f.write_str("see what it asks of a node"),
            Self::PublishInHostMode => f.write_str(PUBLISH_IN_HOST_MODE),
            Self::Reclaim { network, leaked, led_by } => {
                write_reclaim(f, network, *leaked, led_by.as_deref())
            }
            Self::Recreate { network } => write_recreate(f, network),
            Self::RecreateUnallocated { network, .. } => write!(
                f,
                "remove what is on {network}, and {network} itself; create it with that subnet, and deploy again"
            ),
            Self::RemoveNode { node, network, addresses } => write_remove_node(f, node, network, *addresses),
            Self::RemoveService { service, network, addresses } => {
                write_unneeded(f, "service", service, *addresses, network)
            }
            Self::RemoveStack { stack, network, addresses } => {
                write_unneeded(f, "stack", stack, *addresses, network)
            }
            Self::RemoveWaiting { service, on, certain, .. } => {
                let loses = if *certain { "loses" } else { "may lose" };
                write_remove_waiting(f, service, loses, &on.join(" and "))
            }
            Self::Retry { network, .. } => {
                write!(f, "{network} has free addresses now: let the allocator try again")
            }
            Self::SeeLog => f.write_str("see in the leading manager's log why it has no subnet"),
            Self::SeeNode { .. } => f.write_str("see on which node it is, and search the log of that node"),
            Self::SeeServiceLog { .. } => f.write_str("see what it logged"),
            Self::SeeTaskErrors { .. } => f.write_str("see the errors of its tasks in full"),
            Self::StartNode { node } => write!(f, "start node {node} again, or remove it for good"),
            Self::TakeUpdateBack { freed_on, .. } => write!(
                f,
                "take the update back: it freed the virtual address on {} that the service still uses",
                freed_on.join(" and ")
            ),
            Self::Wait { network, stopping } => write!(
                f,
                "wait: {stopping} of the tasks that hold an address of {network} are stopping, and give it back by themselves"
            ),
        }
    }
}

fn write_probe(f: &mut fmt::Formatter<'_>, networks: &[String]) -> fmt::Result {
    write!(
        f,
        "probe {}: a service without tasks on each shows which one is full; it takes no container, and its removal lets what waits try again",
        networks.join(" and ")
    )
}

fn write_reclaim_candidates(
    f: &mut fmt::Formatter<'_>,
    networks: &[String],
    led_by: Option<&str>,
) -> fmt::Result {
    let networks = networks.join(" or ");
    write!(f, "take back what is leaked on {networks}, whichever is full; {}", where_to_reclaim(led_by))
}

fn where_to_reclaim(led_by: Option<&str>) -> String {
    match led_by {
        Some(leader) => format!(
            "run it on a manager other than {leader}, which leads and cannot hand over through itself, and nothing is restarted"
        ),
        None => "nothing is restarted where there are managers enough".to_owned(),
    }
}

fn write_stop_first(f: &mut fmt::Formatter<'_>, service: &str) -> fmt::Result {
    write!(
        f,
        "let the update of {service} stop each old task before the new one starts, so that it needs no second address or port"
    )
}

fn write_deploy_again(f: &mut fmt::Formatter<'_>, service: &str, stack: Option<&str>) -> fmt::Result {
    match stack {
        Some(stack) => write!(f, "deploy stack {stack} again"),
        None => write!(f, "create service {service} again"),
    }
}

fn write_reclaim(
    f: &mut fmt::Formatter<'_>,
    network: &str,
    leaked: u64,
    led_by: Option<&str>,
) -> fmt::Result {
    write!(f, "take back the {leaked} leaked addresses of {network}; {}", where_to_reclaim(led_by))
}

fn write_remove_node(f: &mut fmt::Formatter<'_>, node: &str, network: &str, addresses: u64) -> fmt::Result {
    write!(
        f,
        "if node {node}, which is down, does not come back: its removal gives back {addresses} addresses of {network}"
    )
}

fn write_larger_subnet(f: &mut fmt::Formatter<'_>, network: &str, owned: u64) -> fmt::Result {
    write!(
        f,
        "if all of it is needed, {network} is too small for its {owned} owners and those who wait: choose a larger subnet"
    )
}

fn write_recreate(f: &mut fmt::Formatter<'_>, network: &str) -> fmt::Result {
    write!(
        f,
        "recreate {network} with the larger subnet: remove drained what is on it, remove {network}, create it with that subnet, and deploy again"
    )
}

fn write_remove_waiting(f: &mut fmt::Formatter<'_>, service: &str, loses: &str, on: &str) -> fmt::Result {
    write!(
        f,
        "remove {service} until addresses are free: each attempt to serve it {loses} an address on {on}"
    )
}

fn write_unneeded(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    name: &str,
    addresses: u64,
    network: &str,
) -> fmt::Result {
    write!(f, "if {what} {name} is not needed: its removal gives back {addresses} addresses of {network}")
}

#[cfg(test)]
mod tests;
