//! The objects of a Swarm, as the manager's store keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pvcheck_ipam::Subnet;
use serde_json::{Value, json};

use crate::id::{NetworkId, NodeId, ServiceId, TaskId};
use crate::spec::{Order, ServiceSpec};
use crate::state::{Availability, TaskState};

/// Raft index and times of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    /// Order of creation.
    pub(crate) seq: u64,
    pub(crate) index: u64,
    pub(crate) created: Duration,
    pub(crate) updated: Duration,
}

/// What was asked for when a network was created.
#[derive(Clone, Debug)]
pub(crate) struct NetworkRequest {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) subnet: Option<Subnet>,
    /// The subnet as it was written, host bits and all: it is shown like that.
    pub(crate) subnet_text: Option<String>,
    pub(crate) range: Option<Subnet>,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) ingress: bool,
}

/// What the allocator gave to a network.
#[derive(Clone, Debug)]
pub(crate) struct NetworkState {
    pub(crate) subnet: Subnet,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) vxlan_id: u64,
}

/// A swarm-scoped network. `state` is absent while it is unallocated.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) id: NetworkId,
    pub(crate) meta: Meta,
    pub(crate) request: NetworkRequest,
    pub(crate) state: Option<NetworkState>,
    /// The network as tasks carry it.
    pub(crate) copy: Arc<Value>,
}

/// A network of this node only.
#[derive(Clone, Debug)]
pub(crate) struct LocalNetwork {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) subnet: Option<Subnet>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created: Duration,
    pub(crate) predefined: bool,
    /// Its id for services, where the Swarm has it as well.
    pub(crate) swarm_id: Option<String>,
}

/// A virtual address of a service. Without an address it only says that one is needed on this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vip {
    pub(crate) network: NetworkId,
    pub(crate) addr: Option<Ipv4Addr>,
    pub(crate) prefix: u8,
}

/// Progress of a rolling update.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) started: Duration,
    pub(crate) completed: Option<Duration>,
    /// The new task that failed; the update stops there, which is the default failure action.
    pub(crate) paused_by: Option<TaskId>,
    /// True iff it goes back to the specification before, as a user asked for.
    pub(crate) is_rollback: bool,
    /// True iff the service was updated again since, with the same specification: the rollout goes on, and the service no
    /// longer shows it (swarmkit `manager/controlapi/service.go`, `UpdateService`).
    pub(crate) hidden: bool,
    pub(crate) waiting: BTreeSet<Slot>,
    pub(crate) active: Vec<SlotUpdate>,
}

impl Update {
    pub(crate) fn is_going(&self) -> bool {
        self.completed.is_none() && self.paused_by.is_none()
    }
}

/// A slot whose task is being replaced.
#[derive(Clone, Debug)]
pub(crate) struct SlotUpdate {
    pub(crate) new: TaskId,
    pub(crate) old: Vec<TaskId>,
    pub(crate) order: Order,
}

/// How often a job was executed (moby `api/types/swarm.JobStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobStatus {
    /// 0 for the first execution; each update is another one.
    pub(crate) iteration: u64,
    pub(crate) last_execution: Duration,
}

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) id: ServiceId,
    pub(crate) meta: Meta,
    pub(crate) spec: ServiceSpec,
    pub(crate) raw: Value,
    pub(crate) previous: Option<Value>,
    /// Changes with each update, and goes back with a rollback (swarmkit `manager/controlapi/service.go`).
    pub(crate) spec_version: u64,
    pub(crate) previous_version: u64,
    pub(crate) template: Arc<Value>,
    /// Swarm networks of the specification, in its order.
    pub(crate) networks: Vec<NetworkId>,
    pub(crate) vips: Vec<Vip>,
    /// What the specification said of the endpoint when the allocator wrote the service last; `None` before that. The
    /// tasks that get addresses take it over.
    pub(crate) endpoint: Option<Arc<Value>>,
    pub(crate) update: Option<Update>,
    /// True iff its specification was written by a rollback.
    pub(crate) rolled_back: bool,
    /// The task whose failure made Swarm take the last update back by itself.
    pub(crate) blamed: Option<TaskId>,
    /// `None` unless it is a job.
    pub(crate) job: Option<JobStatus>,
}

impl Service {
    /// The part of the specification whose change replaces tasks, apart from the template.
    pub(crate) fn endpoint_spec(&self) -> &Value {
        &self.raw["EndpointSpec"]
    }
}

/// The place of a task in its service: a number, or a node where the service is global.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Number(u64),
    Node(NodeId),
}

/// A task's place on a network.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) network: NetworkId,
    pub(crate) copy: Arc<Value>,
    pub(crate) addr: Ipv4Addr,
    pub(crate) prefix: u8,
}

/// What a task runs.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A container that was started and attached by hand (`docker run --network`).
    Attached {
        container: String,
    },
    Service {
        service: ServiceId,
        name: String,
        slot: Slot,
    },
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) meta: Meta,
    pub(crate) work: Work,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) template: Arc<Value>,
    pub(crate) endpoint_spec: Arc<Value>,
    /// Of its service when it was made.
    pub(crate) spec_version: u64,
    /// Networks that it needs, the ingress network first.
    pub(crate) wants: Vec<NetworkId>,
    /// The address that an attached container asks for.
    pub(crate) asked: Option<Ipv4Addr>,
    /// Empty until it has its addresses; kept after they were released, as the engine does.
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) node: Option<NodeId>,
    pub(crate) state: TaskState,
    pub(crate) since: Duration,
    pub(crate) message: &'static str,
    pub(crate) error: String,
    pub(crate) desired: TaskState,
    pub(crate) container_id: Option<String>,
    /// The execution of its job that it belongs to; `None` unless its service is a job.
    pub(crate) iteration: Option<u64>,
    pub(crate) stop: Duration,
    /// How long its container runs before it ends successfully; `None` until it is stopped.
    pub(crate) finish: Option<Duration>,
    /// True iff the node's networks count it.
    pub(crate) counted: bool,
    /// True iff the agent has been asked to stop it.
    pub(crate) stopping: bool,
}

impl Task {
    pub(crate) fn service(&self) -> Option<&ServiceId> {
        match &self.work {
            Work::Attached { .. } => None,
            Work::Service { service, .. } => Some(service),
        }
    }

    pub(crate) fn slot(&self) -> Option<&Slot> {
        match &self.work {
            Work::Attached { .. } => None,
            Work::Service { slot, .. } => Some(slot),
        }
    }

    /// The container's name: `SERVICE.SLOT.TASK`, or what the user chose. A job's slot 0 counts as no slot, and
    /// the node's id stands there instead (swarmkit `api/naming/naming.go`, `Task`).
    pub(crate) fn name(&self) -> String {
        match &self.work {
            Work::Attached { container } => container.clone(),
            Work::Service { name, slot: Slot::Number(0), .. } => {
                let node = self.node.as_ref().map(NodeId::as_str).unwrap_or_default();
                format!("{name}.{node}.{}", self.id)
            }
            Work::Service { name, slot: Slot::Number(number), .. } => format!("{name}.{number}.{}", self.id),
            Work::Service { name, slot: Slot::Node(node), .. } => format!("{name}.{node}.{}", self.id),
        }
    }

    /// True iff it has not been asked to stop. A job's task has the desired state `complete` from the start and
    /// runs on: the agent stops from `shutdown` on (swarmkit `agent/exec/controller.go`, `Do`).
    pub(crate) fn is_wanted(&self) -> bool {
        self.desired <= TaskState::Complete
    }
}

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) meta: Meta,
    pub(crate) hostname: String,
    pub(crate) addr: Ipv4Addr,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) manager: bool,
    pub(crate) availability: Availability,
    pub(crate) down_since: Option<Duration>,
    /// Live tasks on it.
    pub(crate) load: u64,
    /// Its load balancers' addresses; `None` where there was no address to have.
    pub(crate) balancers: BTreeMap<NetworkId, Option<Ipv4Addr>>,
}

impl Node {
    /// True iff it has to give its tasks up (swarmkit `manager/orchestrator/task.go`, `InvalidNode`).
    pub(crate) fn is_invalid(&self) -> bool {
        self.down_since.is_some() || self.availability == Availability::Drain
    }

    pub(crate) fn takes_tasks(&self) -> bool {
        self.down_since.is_none() && self.availability == Availability::Active
    }
}

/// A secret or a config.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) id: String,
    pub(crate) meta: Meta,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) data: Value,
}

/// A container that was started by hand.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) running: bool,
    /// What was asked for on each of its networks.
    pub(crate) settings: BTreeMap<NetworkId, Value>,
}

/// Tells the two stores of [`Blob`]s apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobKind {
    Config,
    Secret,
}

impl BlobKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secret => "secret",
        }
    }
}

/// The template of a task that stands for an attached container.
pub(crate) fn attachment_template(container: &str, network: &NetworkId) -> Value {
    json!({
        "NetworkAttachmentSpec": {"ContainerID": container},
        "Networks": [{"Target": network.as_str()}],
        "ForceUpdate": 0,
        "Runtime": "attachment",
    })
}

/// The slots that got a task since they were last looked at. A leader keeps them in its memory only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reaper {
    pub(crate) dirty: BTreeMap<ServiceId, BTreeSet<Slot>>,
    /// Whether a look is on the agenda.
    pub(crate) due: bool,
}
