//! Markers, gaps and noise.

use crate::record::Origin;
use crate::signature::Class::{EngineStart, EngineStop, Gap, LeaderChange, NodeLost, Noise, Refusal};
use crate::signature::Place::{Leader, Manager, Node};
use crate::signature::{Rule, Signature};

const NOTHING: &str = "nothing";
const MEASURED: &str = "seen on 20.10.24";

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::new("engine-start", EngineStart, Node, &[
        Rule::exact("Starting up").by(Origin::Engine),
        Rule::message(&["Starting ", "Docker Application Container Engine"]).by(Origin::Systemd),
    ])
    .says(
        "the engine started; if it leads, every leaked address is free again",
        NOTHING,
        "moby daemon/command/daemon.go start; systemd's line for docker.service",
    ),
    Signature::new("engine-stop", EngineStop, Node, &[
        Rule::exact("Daemon shutdown complete"),
        Rule::exact("Processing signal 'terminated'"),
    ])
    .says("the engine stopped in order", NOTHING, "moby daemon/command/daemon.go"),
    Signature::new("leader-elected", LeaderChange, Manager, &[
        Rule::message(&[" became leader at term "]),
        Rule::message(&[" elected leader ", " at term "]),
        Rule::message(&[" changed leader from ", " at term "]),
    ])
    .says("a manager took the leadership with a new allocator; every leaked address is free again", NOTHING, "etcd raft node.go; seen on 20.10.24"),
    Signature::new("leadership-seen", LeaderChange, Manager, &[
        Rule::message(&["leadership changed from "]),
        Rule::message(&["Swarm initialized global default address pool to"]),
    ])
    .says("a manager says who leads, or a new leader which pools it uses", NOTHING, MEASURED),
    Signature::new("lines-suppressed", Gap, Node, &[
        Rule::message(&["Suppressed ", " messages from "]).by(Origin::Systemd),
        // Of the kernel's it says the same, which takes none of the engine's lines.
        Rule::message(&["missed ", " messages"]).without(&["kernel messages"]).by(Origin::Systemd),
        Rule::message(&["messages lost due to rate-limiting"]).by(Origin::Systemd),
        Rule::message(&[" lost ", " messages from pid ", " due to rate-limiting"]).by(Origin::Systemd),
        Rule::message(&["begin to drop messages due to rate-limiting"]).by(Origin::Systemd),
    ])
    .says(
        "journald or the syslog daemon dropped lines, so that counts are lower bounds",
        "raise RateLimitBurst in journald.conf, or the rate limit of the syslog daemon",
        "systemd journald.conf(5), src/journal/journald-syslog.c; rsyslog runtime/ratelimit.c",
    ),
    Signature::new("network-in-use", Refusal, Manager, &[
        Rule::inner(&["network ", " is in use by task "]),
        Rule::inner(&["network ", " is in use by service "]),
        Rule::inner(&["network ", " has active endpoints"]),
    ])
    .says("the engine refused to remove a network that is in use, which is safe", "remove it when its tasks are gone", "swarmkit manager/controlapi/network.go; moby libnetwork/error.go"),
    Signature::new("node-given-up", NodeLost, Leader, &[
        Rule::message(&["moving tasks to orphaned state for node"]),
        Rule::message(&["worker timed-out", "moving all tasks to", "ORPHANED"]),
    ])
    .says("a node was down for a day; its tasks' addresses come back now", NOTHING, "swarmkit manager/dispatcher/dispatcher.go"),
    // The allocator's noise.
    Signature::new(CENSUS_NOISE, Noise, Leader, &[
        Rule::exact("error reallocating node"),
        Rule::exact("error reallocating network resources for node"),
    ])
    .says(
        "a task that was on no node went away; a bulk census makes one such line for each of its addresses",
        NOTHING,
        "swarmkit manager/allocator/network.go doTaskAlloc; 256 lines for a census of a /24",
    ),
    Signature::new("no-attachment-on-node", Noise, Leader, &[
        Rule::message(&["Failed to find network ", " on node "]),
    ])
    .says(
        "a network was removed on which a node had no load balancer",
        NOTHING,
        "swarmkit manager/allocator/network.go deallocateNodeAttachments, 18.09 and later",
    ),
    // A kernel or a host that lacks something.
    Signature::new("ipvs-missing", Noise, Node, &[
        Rule::message(&["net.ipv4.vs."]),
        Rule::inner(&["net/ipv4/vs/"]),
        Rule::message(&["ipvs family"]),
        Rule::message(&["modprobe ip_vs"]),
        Rule::message(&["modprobe xt_ipvs"]),
    ])
    .says(
        "the kernel has no IPVS: virtual addresses are allocated but not balanced, and the routing mesh carries no traffic",
        "nothing in a lab; on a host that serves traffic load ip_vs",
        MEASURED,
    ),
    Signature::new("kernel-parameter", Noise, Node, &[Rule::message(&["error reading the kernel parameter"])]).says(
        "a kernel parameter that the engine would raise is not there",
        NOTHING,
        MEASURED,
    ),
    Signature::new("bridge-vlan", Noise, Node, &[
        Rule::message(&["enabling default vlan on bridge"]),
        Rule::message(&["reexec to set bridge default vlan failed"]),
    ])
    .says("the default VLAN of an overlay's bridge could not be set, as under a read-only /sys", NOTHING, MEASURED),
    Signature::new("image-pull", Noise, Node, &[
        Rule::message(&["pulling image failed"]),
        Rule::message(&["Not continuing with pull after error"]),
        Rule::message(&["Attempting next endpoint for pull after error"]),
    ])
    .says("an image was not pulled; with the image on the node already its task starts all the same", NOTHING, MEASURED),
    Signature::new("mark-rule-missing", Noise, Node, &[
        Rule::message(&["set up rule failed, [-t mangle -"]),
        Rule::message(&["Failed to delete firewall mark rule in sbox"]),
    ])
    .says(
        "the packet mark of a service's virtual address was not there any more when its load balancer was taken down",
        NOTHING,
        "moby libnetwork/service_linux.go; seen on 20.10.24 with a kernel without IPVS",
    ),
    Signature::new("binding-gone", Noise, Node, &[Rule::message(&["failed to deactivate service binding for container"])]).says(
        "a task's container was gone before it was taken out of the Swarm's service discovery",
        NOTHING,
        "moby daemon/cluster/executor/container/controller.go; seen with a task that is rejected again and again",
    ),
    Signature::new("task-outlived-service", Noise, Leader, &[
        Rule::message(&["Failed to get service ", " for task ", "could not find service"]),
    ])
    .says("a task was still there when its service was gone", NOTHING, "swarmkit manager/allocator/network.go; seen on 20.10.24"),
    Signature::new("api-error", Noise, Node, &[
        Rule::message(&["Handler for ", " returned error: "]),
        Rule::message(&["Error getting service ", " not found"]),
        Rule::message(&["Error getting task ", " not found"]),
        Rule::message(&["Error getting node ", " not found"]),
    ])
    .says("the engine refused a client's request", NOTHING, "moby api/server/server.go, at level error up to 22"),
];

/// The signature of the lines that a bulk census causes and that carry no id.
pub(crate) const CENSUS_NOISE: &str = "node-without-id";
