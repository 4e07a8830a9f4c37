//! What the leader's allocator logs when a service, task or node gets no address.

use crate::signature::Class::{Exhaustion, LocalExhaustion, NotAllocated, PoolsExhausted};
use crate::signature::Place::{Any, Leader, Node};
use crate::signature::{Rule, Signature};

const NO_VIP: &str = "could not find an available IP while allocating VIP";
/// Also the beginning of [`NO_VIP`], so that rules for it exclude that one.
const NO_ADDRESS: &str = "could not find an available IP";
const CNM: &str = "moby daemon/libnetwork/cnmallocator/networkallocator.go";
const NET: &str = "swarmkit manager/allocator/network.go";

pub(super) const SIGNATURES: &[Signature] = &[
    // An address of a Swarm network is missing.
    Signature::new("vip-exhausted-on-update", Exhaustion, Leader, &[
        Rule::inner(&[NO_VIP]).during(&["Failed allocation during update of service"]),
    ])
    .says(
        "an update asked a full network for a virtual address; the service's other live addresses may have been freed by the failed attempt and handed to others",
        "free addresses on the network, then check whether two services share an address",
        "cnmallocator AllocateService; reproduced on 20.10, 28.5 and 29.7",
    ),
    Signature::new("vip-exhausted-retry", Exhaustion, Leader, &[
        Rule::inner(&[NO_VIP]).during(&["Failed allocation of unallocated"]),
    ])
    .says(
        "the leader tried a waiting service again and the network is still full; each try may lose an address on the service's other networks",
        "free addresses on the network, or remove the waiting service",
        "swarmkit manager/allocator/network.go procUnallocatedServices, logged at debug only",
    ),
    Signature::new("vip-exhausted", Exhaustion, Leader, &[Rule::inner(&[NO_VIP])]).says(
        "a network has no free address for a service's virtual address, so the service stays without one and its tasks stay new",
        "take a census of the network to learn whether addresses are owned or leaked, then reclaim them or renew the network with a larger subnet",
        "cnmallocator allocateVIP, engines 1.12.6 to 29; moby issue 37338",
    ),
    Signature::new("lb-exhausted", Exhaustion, Leader, &[
        Rule::inner(&[NO_ADDRESS]).during(&["network resources for node"]).without(&[NO_VIP]),
    ])
    .says(
        "a network has no free address for a node's load balancer, so tasks on that node are rejected after 30 s and replaced, again and again",
        "free addresses on the network; the node is tried again only when one of its tasks changes",
        NET,
    ),
    Signature::new("task-exhausted", Exhaustion, Leader, &[
        Rule::inner(&[NO_ADDRESS, "network IP for task"]).without(&[NO_VIP]),
        Rule::inner(&[NO_ADDRESS]).during(&["task allocation failure"]).without(&[NO_VIP]),
        Rule::inner(&[NO_ADDRESS]).during(&["allocation for task"]).without(&[NO_VIP]),
    ])
    .says(
        "a network has no free address for a task, which stays new until an address is released",
        "take a census of the network, then reclaim addresses or renew the network with a larger subnet",
        "cnmallocator AllocateTask; up to 17.06 with another prefix",
    ),
    Signature::new("address-exhausted", Exhaustion, Leader, &[Rule::inner(&[NO_ADDRESS]).without(&[NO_VIP])]).says(
        "a network has no free address for a request",
        "take a census of the networks named, then reclaim addresses or renew the network with a larger subnet",
        CNM,
    ),
    Signature::new("attachments-missing", Exhaustion, Node, &[
        Rule::inner(&["node is missing network attachments, ip addresses may be exhausted"]),
    ])
    .says(
        "the node's load balancer got no address within 30 s, so its task was rejected",
        "check the leader's log for lb-exhausted; without it this may be the false alarm of engines 23 and 24 with generic resources",
        "moby daemon/cluster/executor/container/adapter.go, 18.09 and later; moby issue 44378",
    ),
    Signature::new("local-pool-full", LocalExhaustion, Node, &[
        Rule::inner(&["no available addresses on this pool"]),
        Rule::inner(&["no available IPv", " addresses on this network's address pools"]),
    ])
    .says(
        "a network of this node only (a bridge or a legacy overlay) has no free address",
        "remove containers from it or recreate it with a larger subnet; reclaiming the Swarm's addresses does not help",
        "moby libnetwork ipamapi ErrNoAvailableIPs, endpoint.go assignAddressVersion",
    ),
    Signature::new("pools-exhausted", PoolsExhausted, Leader, &[
        Rule::inner(&["all predefined address pools have been fully subnetted"]),
        Rule::inner(&["could not find an available, non-overlapping IPv"]),
    ])
    .says(
        "no free subnet is left in the default address pools, so a new network cannot be allocated; existing networks are not affected",
        "remove unused networks or create this one with an explicit subnet outside the pools' used ranges",
        "moby libnetwork ipam, up to 26 and from 27",
    ),
    Signature::new("vxlan-ids-exhausted", PoolsExhausted, Leader, &[
        Rule::inner(&["could not obtain vxlan id for pool"]),
        Rule::inner(&["could not assign vxlan id"]),
    ])
    .says(
        "the overlay driver has no VXLAN id for a network, so that the network stays unallocated",
        "remove unused overlay networks, then create the network again",
        "moby libnetwork drivers/overlay/ovmanager",
    ),
    // A conflict of subnets, or a network that is not there.
    Signature::new("pool-overlap", NotAllocated, Any, &[
        Rule::inner(&["Pool overlaps with other one on this address space"]),
    ])
    .says(
        "a network's subnet overlaps another one: on the leader another overlay's, on a node a local network's",
        "remove the network and create it with a free subnet",
        "moby libnetwork ipamapi; moby issues 48137 and 50011",
    ),
    Signature::new("ingress-missing", NotAllocated, Leader, &[
        Rule::inner(&["ingress network is missing"]),
        Rule::message(&["failed allocating ingress network during init"]),
    ])
    .says(
        "a service publishes a port through the routing mesh, but the Swarm has no ingress network",
        "create one (docker network create --driver overlay --ingress) or publish in host mode",
        NET,
    ),
    Signature::new("ingress-twice", NotAllocated, Leader, &[
        Rule::message(&["Cannot allocate ingress network", "another ingress network is already present"]),
    ])
    .says("a second ingress network was made and stays unallocated", "remove one of the two", NET),
    Signature::new("waits-for-service", NotAllocated, Leader, &[
        Rule::inner(&["service ", "task ", "belongs has pending allocations"]),
    ])
    .says(
        "a task waits because its service has no virtual address yet; the cause is logged once, for the service",
        "find the service's own line",
        "swarmkit manager/allocator/network.go allocateTask; up to 18.03 in other words",
    ),
    Signature::new("waits-for-network", NotAllocated, Leader, &[Rule::inner(&["attached to task", "not allocated yet"])])
        .says(
            "a task waits for a network that was never allocated: an overlap, no free pool or no VXLAN id",
            "find the network's own line, then recreate the network",
            NET,
        ),
    Signature::new("network-gone", NotAllocated, Leader, &[
        Rule::inner(&["failed to retrieve network", "while allocating task"]),
    ])
    .says("a task asks for a network that was deleted meanwhile", "recreate the network or remove it from the service", NET),
    Signature::new("status-of-unallocated", NotAllocated, Leader, &[Rule::inner(&["cnmallocator: network ", " not found"])])
        .says(
            "a client read the address status while a network is unallocated, so look-ups by name fail",
            "use a prefix of the id, and recreate the unallocated network",
            "moby daemon/libnetwork/cnmallocator extra_status.go, 29.0 to 29.7.2; moby pull request 53325",
        ),
    Signature::new("lb-missing", NotAllocated, Node, &[
        Rule::inner(&["failed to find a load balancer IP to use for network"]),
    ])
    .says(
        "the node has no load balancer address for a network that a task needs",
        "check the leader's log for lb-exhausted",
        "moby daemon/network.go, 17.10 and later",
    ),
    Signature::new("attach-failed", NotAllocated, Node, &[
        Rule::inner(&["attaching to network failed, make sure your network options are correct"]),
        Rule::message(&["Could not attach to network"]),
        Rule::message(&["Failed remove network attachment", "on allocation failure"]),
    ])
    .says(
        "a standalone container got no address within 20 s",
        "find the reason in the leader's log; usually the network is full",
        "moby daemon/cluster/networks.go",
    ),
    // The same messages with an inner error that is not known.
    Signature::new("network-not-allocated", NotAllocated, Leader, &[
        Rule::message(&["Failed allocation for network"]),
        Rule::message(&["Failed allocation of unallocated network"]),
        Rule::inner(&["failed allocating pools and gateway IP for network"]),
    ])
    .says(
        "a network was created but got no subnet, although the client's request succeeded",
        "read the error, remove the network and create it again with another subnet",
        "swarmkit manager/allocator/network.go; moby issue 48137",
    ),
    Signature::new("not-restored", NotAllocated, Leader, &[Rule::message(&["failed allocating ", " during init"])]).says(
        "a new leader could not take over something that the Swarm's store records",
        "read the error and recreate what it names",
        "swarmkit manager/allocator/network.go doNetworkInit",
    ),
    Signature::new("service-not-allocated", NotAllocated, Leader, &[
        Rule::message(&["Failed allocation for service"]),
        Rule::message(&["Failed allocation during update of service"]),
        Rule::message(&["Failed allocation of unallocated service"]),
    ])
    .says("a service got no virtual address, for a reason that is not a full network", "read the error", NET),
    Signature::new("task-not-allocated", NotAllocated, Leader, &[Rule::message(&["task allocation failure"])]).says(
        "a task got no address, for a reason that is not a full network",
        "read the error",
        NET,
    ),
    Signature::new("node-not-allocated", NotAllocated, Leader, &[
        Rule::message(&["Failed to allocate network resources for node"]),
        Rule::message(&["error reallocating network resources for node"]),
        Rule::message(&["error reallocating node"]),
    ])
    .says("a node's load balancer address could not be settled", "read the error", NET),
    Signature::new("commit-failed", NotAllocated, Leader, &[
        Rule::message(&["Failed to commit allocation "]),
    ])
    .says(
        "an allocation could not be written to the Swarm's store and was rolled back",
        "check whether the managers lost their quorum at that time",
        NET,
    ),
];
