//! The model: its parts, its time, and its agenda.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::allocator::Allocator;
use crate::engine_log::EngineLog;
use crate::event_log::EventLog;
use crate::id::{IdGen, NetworkId, NodeId, ServiceId, TaskId};
use crate::object::{Blob, BlobKind, Container, LocalNetwork, Meta, Network, Node, Reaper, Service, Task};
use crate::settings::Settings;
use crate::state::Membership;

/// Something that is due at a later time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The allocator learns of a network.
    NetworkCreated(NetworkId),
    /// Allocator and orchestrator learn of a service or of its change.
    ServiceChanged { service: ServiceId, created: bool },
    /// The scheduler chooses a node.
    Schedule(TaskId),
    /// The agent brings a task one state further.
    Step(TaskId),
    /// The container has ended by itself, without an error.
    Finished(TaskId),
    /// The container has ended after it was asked to stop.
    Stopped(TaskId),
    /// The updater takes an update back, because this task of it failed.
    RollBack { service: ServiceId, failed: TaskId },
    /// The reaper deletes a task from the store.
    Reap(TaskId),
    /// The reaper looks at the slots that got a new task.
    TrimHistory,
    /// The node has been down for too long, if it is down since then.
    NodeLost { node: NodeId, since: Duration },
}

/// A Swarm manager, its nodes and its tasks: pure, with a clock of its own that only its caller moves.
///
/// Calls take effect at the present moment; what takes time (a container that stops, a retry) happens in
/// [`Model::advance`], in order of time, so the result does not depend on the size of the steps.
///
/// ```
/// use std::time::Duration;
/// use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};
///
/// let mut model = Model::new();
/// model.create_network(&NetworkDraft::overlay("shared").json())?;
/// model.create_network(&NetworkDraft::overlay("private").json())?;
/// let stack = ServiceDraft::new("app").on("private").on("shared").replicas(3);
/// model.create_service(stack.json())?;
/// model.advance(Duration::from_secs(1));
///
/// // What `docker stack rm` does: the network goes while the tasks still stop.
/// model.remove_service("app")?;
/// model.remove_network("private")?;
/// model.advance(Duration::from_secs(1));
/// assert_eq!(model.truth().leaked("shared").map(<[_]>::len), Some(3));
/// # Ok::<(), pvcheck_sim::Refusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) settings: Settings,
    /// The wall clock's time at model time 0.
    epoch: Timestamp,
    pub(crate) now: Duration,
    pub(crate) ids: IdGen,
    pub(crate) index: u64,
    pub(crate) seq: u64,
    agenda: BTreeMap<(Duration, u64), Event>,
    pub(crate) cluster: Cluster,
    pub(crate) networks: BTreeMap<NetworkId, Network>,
    pub(crate) services: BTreeMap<ServiceId, Service>,
    /// Services by name, so that a name is found among many without a walk over all of them.
    pub(crate) service_names: BTreeMap<String, ServiceId>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) configs: BTreeMap<String, Blob>,
    pub(crate) secrets: BTreeMap<String, Blob>,
    /// Tasks by service, also of services that are gone.
    pub(crate) service_tasks: BTreeMap<ServiceId, BTreeSet<TaskId>>,
    pub(crate) reaper: Reaper,
    /// Live tasks by node and network.
    pub(crate) node_uses: BTreeMap<(NodeId, NetworkId), u64>,
    pub(crate) local_networks: Vec<LocalNetwork>,
    /// Containers that were started by hand, by id.
    pub(crate) containers: BTreeMap<String, Container>,
    /// This node's copies of removed networks, kept while a task of this node uses them.
    pub(crate) stale_networks: BTreeMap<NetworkId, Network>,
    pub(crate) allocator: Allocator,
    pub(crate) last_retry: Duration,
    pub(crate) next_vxlan: u64,
    /// Index of the pool's subnet behind the last one handed out.
    pub(crate) next_subnet: u64,
    /// Updates that failed after they had released live addresses (L3).
    pub(crate) failed_updates: u64,
    /// Live tasks whose addresses a new leader did not restore.
    pub(crate) unrestored_tasks: u64,
    log: EngineLog,
    pub(crate) events: EventLog,
}

/// The Swarm as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) meta: Meta,
    pub(crate) membership: Membership,
    /// The node whose engine answers the calls.
    pub(crate) local: NodeId,
    pub(crate) leader: NodeId,
    pub(crate) term: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// A fresh Swarm of one manager with its ingress network, on engine 20.10.24.
    pub fn new() -> Self {
        Self::with_settings(Settings::default())
    }

    /// A fresh Swarm of one manager with its ingress network.
    pub fn with_settings(settings: Settings) -> Self {
        let mut ids = IdGen::seeded(settings.seed);
        let local = NodeId::new(ids.object());
        let meta = Meta { seq: 0, index: 1, created: Duration::ZERO, updated: Duration::ZERO };
        let cluster = Cluster {
            id: ids.object(),
            meta,
            membership: Membership::Manager,
            local: local.clone(),
            leader: local.clone(),
            term: 2,
        };
        let log = EngineLog::new(settings.log_lines);
        let mut model = Self {
            settings,
            epoch: Timestamp::UNIX_EPOCH,
            now: Duration::ZERO,
            ids,
            index: 10,
            seq: 0,
            agenda: BTreeMap::new(),
            cluster,
            networks: BTreeMap::new(),
            services: BTreeMap::new(),
            service_names: BTreeMap::new(),
            tasks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            service_tasks: BTreeMap::new(),
            reaper: Reaper::default(),
            node_uses: BTreeMap::new(),
            local_networks: Vec::new(),
            containers: BTreeMap::new(),
            stale_networks: BTreeMap::new(),
            allocator: Allocator::default(),
            last_retry: Duration::ZERO,
            // The first id of the range that overlays take theirs from (moby `ovmanager`, `vxlanIDStart`).
            next_vxlan: 4096,
            next_subnet: 0,
            failed_updates: 0,
            unrestored_tasks: 0,
            log,
            events: EventLog::default(),
        };
        model.log_start();
        model.log_leadership();
        model.add_local_networks();
        model.add_node_as(&local, true);
        model.add_ingress();
        model.run();
        model
    }

    /// The settings. Timings can be changed while the model runs; what is scheduled already keeps its time.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Time since the model began.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.advance_to(self.now.saturating_add(by));
    }

    /// Lets time pass until `then`; nothing happens if that is not later than now.
    pub fn advance_to(&mut self, then: Duration) {
        // From event to event rather than by a fixed step: the result does not depend on how a caller slices
        // time.
        while let Some((&(due, _), _)) = self.agenda.first_key_value()
            && due <= then
        {
            self.now = self.now.max(due);
            self.run();
        }
        self.now = self.now.max(then);
    }

    /// When the next event is due; `None` if nothing is scheduled.
    pub fn next_event(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Sets the wall clock. Without it the model begins at the Unix epoch. All times in answers and in the log
    /// move with it, past ones included.
    pub fn set_clock(&mut self, now: Timestamp) {
        // Only the epoch moves. Model time never jumps, so what is scheduled keeps its place.
        let elapsed = SignedDuration::try_from(self.now).unwrap_or(SignedDuration::ZERO);
        self.epoch = now.checked_sub(elapsed).unwrap_or(now);
        self.refresh_network_copies();
    }

    /// The engine's log, oldest line first: the logrus text that dockerd writes. The oldest lines are dropped
    /// beyond [`Settings::log_lines`].
    pub fn log(&self) -> impl Iterator<Item = String> {
        self.log.since(0).map(|(time, line)| self.log_line(time, line))
    }

    /// The lines from number `from` on, and the number to go on with. Lines are numbered from 0.
    pub fn log_since(&self, from: u64) -> (impl Iterator<Item = String>, u64) {
        (self.log.since(from).map(|(time, line)| self.log_line(time, line)), self.log.end())
    }

    fn log_line(&self, time: Duration, line: &str) -> String {
        format!("time=\"{:.9}\" {line}", self.at(time))
    }

    /// Sets whether this engine is a manager, a worker, or in no Swarm. Nothing else changes.
    pub fn set_membership(&mut self, membership: Membership) {
        self.cluster.membership = membership;
    }

    /// Whether this engine is a manager, a worker, or in no Swarm.
    pub fn membership(&self) -> Membership {
        self.cluster.membership
    }

    /// Does what is due now, until nothing more is, and then lets the allocator commit.
    pub(crate) fn run(&mut self) {
        loop {
            while let Some(entry) = self.agenda.first_entry() {
                if self.now < entry.key().0 {
                    break;
                }
                let event = entry.remove();
                self.handle_event(event);
            }
            // A commit can make more events due at this very moment, such as the scheduling of tasks that just
            // got an address.
            if !self.commit() {
                break;
            }
        }
    }

    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.seq += 1;
        // The sequence number keeps events of the same moment in the order in which they were scheduled.
        self.agenda.insert((self.now.saturating_add(after), self.seq), event);
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::NetworkCreated(id) => self.on_network_created(&id),
            Event::ServiceChanged { service, created } => self.on_service_changed(&service, created),
            Event::Schedule(id) => self.place_task(&id),
            Event::Step(id) => self.step_task(&id),
            Event::Finished(id) => self.on_finished(&id),
            Event::Stopped(id) => self.on_stopped(&id),
            Event::RollBack { service, failed } => self.take_back(&service, &failed),
            Event::Reap(id) => self.forget_task(&id),
            Event::TrimHistory => self.trim_history(),
            Event::NodeLost { node, since } => self.on_node_lost(&node, since),
        }
    }

    /// Adds an event of Swarm scope (moby `daemon/events.go`, `logClusterEvent`).
    pub(crate) fn tell(&mut self, kind: &str, action: &str, id: &str, name: &str) {
        let at = self.at(self.now);
        self.events.push(json!({
            "Type": kind,
            "Action": action,
            "Actor": {"ID": id, "Attributes": {"name": name}},
            "scope": "swarm",
            "time": at.as_second(),
            "timeNano": i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX),
        }));
    }

    pub(crate) fn new_meta(&mut self) -> Meta {
        self.seq += 1;
        self.index += 1;
        Meta { seq: self.seq, index: self.index, created: self.now, updated: self.now }
    }

    /// What an object's meta becomes when it is written again.
    pub(crate) fn touched(&mut self, meta: Meta) -> Meta {
        self.index += 1;
        Meta { index: self.index, updated: self.now, ..meta }
    }

    /// The wall clock's time at a time of the model.
    pub(crate) fn at(&self, time: Duration) -> Timestamp {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.epoch.checked_add(time).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn blobs(&self, kind: BlobKind) -> &BTreeMap<String, Blob> {
        match kind {
            BlobKind::Config => &self.configs,
            BlobKind::Secret => &self.secrets,
        }
    }

    pub(crate) fn blobs_mut(&mut self, kind: BlobKind) -> &mut BTreeMap<String, Blob> {
        match kind {
            BlobKind::Config => &mut self.configs,
            BlobKind::Secret => &mut self.secrets,
        }
    }

    /// Logs an error of the manager, as the allocator does.
    pub(crate) fn log_error(&mut self, msg: &str, error: Option<&str>) {
        let node = self.cluster.leader.as_str();
        let mut fields = Vec::with_capacity(3);
        fields.extend(error.map(|error| ("error", error)));
        fields.extend([("module", "node"), ("node.id", node)]);
        self.log.write(self.now, "error", msg, &fields);
    }

    /// Logs the end of a container on the leader's node, as every engine does (moby `libcontainerd/supervisor` "ignoring event",
    /// 20.10 to 29): the one line that a removal of tasks leaves in a quiet log.
    pub(crate) fn log_container_end(&mut self, task: &TaskId) {
        let container = task.as_str();
        let topic = [("topic", "/tasks/delete"), ("type", "*events.TaskDelete")];
        let fields = [
            ("container", container),
            ("module", "libcontainerd"),
            ("namespace", "moby"),
            topic[0],
            topic[1],
        ];
        self.log.write(self.now, "info", "ignoring event", &fields);
    }

    /// Logs the line with which every engine begins (moby `daemon/command/daemon.go`, 20.10 to 29): a reader of the log knows by
    /// it that nothing is missing before.
    fn log_start(&mut self) {
        self.log.write(self.now, "info", "Starting up", &[]);
    }

    /// Logs the two lines that mark a new leader; no leak from before them is left.
    pub(crate) fn log_leadership(&mut self) {
        let leader = self.cluster.leader.as_str();
        let raft = leader.get(..16).unwrap_or(leader);
        let term = self.cluster.term;
        let fields = [("module", "raft"), ("node.id", leader)];
        self.log.write(self.now, "info", &format!("{raft} became leader at term {term}"), &fields);
        let text = format!("raft.node: {raft} elected leader {raft} at term {term}");
        self.log.write(self.now, "info", &text, &fields);
    }
}
