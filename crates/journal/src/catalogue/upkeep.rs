//! What is logged when addresses, networks or their copies on nodes are not released as they should be.

use crate::signature::Class::{Crash, Duplicate, Leak, LeakFootprint, Noise, Race, Stale};
use crate::signature::Place::{Leader, Manager, Node};
use crate::signature::{Reclassify, Rule, Signature};

const CNM: &str = "moby daemon/libnetwork/cnmallocator/networkallocator.go";
const NET: &str = "swarmkit manager/allocator/network.go";
const EXECUTOR: &str = "moby daemon/cluster/executor/container/executor.go, 20.10.8 and later";
const SERVICE_LINUX: &str = "moby libnetwork/service_linux.go, 18.06 and later";
const KEY_MODIFIED: &str = "Unable to complete atomic operation, key modified";
const RESTART: &str = "move the leadership or restart the leader's engine, which rebuilds the allocator";

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::new("removed-network", LeakFootprint, Leader, &[
        Rule::inner(&["could not find network allocator state for network"]),
        Rule::inner(&["networkallocator: could not find local network state"]),
    ])
    .or(Reclassify::IfNetworkIsOld("old-network"))
    .says(
        "a network was removed while tasks of it were still stopping, so their addresses on other networks are most likely leaked; the number of lines is not the number of addresses",
        "count the leaked addresses of the networks that stay with pvcheck census, free them with pvcheck reclaim, and remove stacks with pvcheck stack rm, which waits for their tasks",
        "cnmallocator releaseEndpoints; moby issue 37338, swarmkit issue 3230; 286 to 455 lines in minutes of churn on real engines",
    ),
    Signature::new("old-network", Noise, Leader, &[]).says(
        "something still refers to a network that was removed long ago; nothing new was lost",
        "nothing",
        "seen for minutes after a network is recreated",
    ),
    // One address with two owners.
    Signature::new("restore-conflict", Duplicate, Leader, &[
        Rule::inner(&["could not allocate VIP from IPAM: Address already in use"]),
        // At any other time an address that a container asked for is taken: fixed-address-refused.
        Rule::inner(&["could not allocate IP from IPAM: Address already in use"]).during(&["during init"]),
    ])
    .says(
        "an address that the Swarm's store assigns to one owner is already held by another",
        "compare addresses of services and tasks, and recreate one of the two that share it",
        CNM,
    ),
    Signature::new("released-twice", Duplicate, Leader, &[
        Rule::message(&["IPAM failure while releasing VIP address"]),
        Rule::message(&["IPAM failure while releasing IP address"]),
    ])
    .says(
        "an address was released that the allocator did not hold, so the allocator and the store disagree and an address may be shared",
        "compare addresses of services and tasks, and move the leadership to rebuild the allocator",
        "cnmallocator; moby issue 33402",
    ),
    Signature::new("peer-duplicate", Duplicate, Node, &[
        Rule::message(&["peerDbAdd transient condition"]),
        Rule::message(&["peerDbDelete transient condition"]),
    ])
    .says(
        "two endpoints of an overlay have the same address, or an old entry is left",
        "compare addresses of services and tasks; if none is shared it passes by itself",
        "moby libnetwork drivers/overlay/peerdb.go",
    ),
    // Leaks.
    Signature::new("vip-without-address", Noise, Leader, &[
        Rule::inner(&["invalid CIDR address"]).during(&["error deallocating vip"]),
        Rule::message(&["Could not parse VIP address", "while releasing"]),
        Rule::message(&["Could not parse IP address", "while releasing"]),
    ])
    .says(
        "a service that never got an address on a network has none to release; the network it names was the full one",
        "find the network's own exhaustion lines in the leader's log",
        "cnmallocator; docker/for-linux issue 176",
    ),
    Signature::new("never-allocated-network-freed", Noise, Leader, &[
        Rule::inner(&["could not get networker state for network"]),
    ])
    .says("a network that was never allocated was removed", "nothing", CNM),
    Signature::new("vip-not-freed", Leak, Leader, &[Rule::message(&["error deallocating vip"])]).says(
        "a virtual address could not be released",
        RESTART,
        CNM,
    ),
    Signature::new("network-not-freed", Leak, Leader, &[
        Rule::message(&["Failed during network free for network"]),
        Rule::inner(&["failed to free driver state for network"]),
    ])
    .says("a removed network's subnet or VXLAN id may stay taken", RESTART, NET),
    Signature::new("resources-not-freed", Leak, Leader, &[
        Rule::message(&["Failed freeing network resources for "]),
        Rule::message(&["Failed deallocation during delete of service"]),
        Rule::message(&["failed to release IP addresses while rolling back allocation for task"]),
        Rule::message(&["error deallocating attachment for network"]),
    ])
    .says("addresses of a task, a service or a node could not be released", RESTART, NET),
    Signature::new("rollback-failed", Leak, Leader, &[Rule::message(&["failed rolling back allocation of"])]).says(
        "an allocation that could not be stored was not undone either",
        RESTART,
        NET,
    ),
    Signature::new("task-commit-lost", Leak, Leader, &[
        Rule::message(&["allocation commit failure for task"]),
    ])
    .says(
        "a task was removed before its address could be stored, and the address stays taken",
        RESTART,
        "swarmkit manager/allocator/network.go procTasksNetwork; 8 of 200 tight create and delete pairs on 29.7.2",
    ),
    // A node's own store and its copies of networks.
    Signature::new("store-conflict-retried", Race, Node, &[
        Rule::inner(&[KEY_MODIFIED, "deleting object", "retrying"]),
        Rule::message(&[KEY_MODIFIED, "deleting object", "retrying"]),
    ])
    .or(Reclassify::IfStartingUp("store-conflict-at-start"))
    .says(
        "a node's own network store was changed while an entry was deleted; the engine tried again",
        "nothing if the network is gone; else remove it again",
        "moby libnetwork/store.go deleteFromStore, up to 26",
    ),
    Signature::new("store-conflict-at-start", Noise, Node, &[]).says(
        "a starting engine cleans up what its last run left in its own network store",
        "nothing",
        "moby libnetwork/store.go deleteFromStore, up to 26",
    ),
    Signature::new("store-conflict", Race, Node, &[Rule::inner(&[KEY_MODIFIED]), Rule::message(&[KEY_MODIFIED])]).says(
        "two writers changed a node's own network store at once; it says nothing about the Swarm's addresses",
        "repeat what failed; restart that node's engine if it stays",
        "moby issue 35310",
    ),
    Signature::new("network-remove-failed", Race, Node, &[Rule::message(&["network ", " remove failed"])]).says(
        "a node could not delete its copy of a network, which may later clash with a new one",
        "find what is still attached on that node (docker network inspect) and stop it",
        "moby daemon/cluster/executor/container/adapter.go removeNetworks",
    ),
    Signature::new("gateway-taken", Stale, Node, &[
        Rule::inner(&["failed to allocate gateway (", "Address already in use"]),
    ])
    .says(
        "a node keeps an old copy of a network with the same subnet, so that its tasks are rejected there",
        "remove the old network on that node, or restart its engine",
        "moby issues 35204 and 35834, swarmkit issue 2657",
    ),
    Signature::new("address-taken", Stale, Node, &[Rule::inner(&["Address already in use"]).without(&[
        "bind:",
        "bind host port",
        "listen ",
        // These have signatures of their own.
        "from IPAM",
        "vxlan interface",
        "container networking",
    ])])
        .says(
            "a node's own address pool has the address in use already: an old endpoint or load balancer",
            "restart that node's engine if it stays",
            "moby issue 40989",
        ),
    Signature::new("network-kept", Stale, Node, &[
        Rule::message(&["should be removed, but still has active attachments"]),
        Rule::message(&["should have its node LB IP changed, but cannot be removed"]),
        Rule::message(&["skipping nil or malformed node network attachment entry"]),
    ])
    .says(
        "the manager released a node's load balancer address while the node still uses it, so it may be handed out twice",
        "drain the node or stop its containers on that network",
        EXECUTOR,
    ),
    Signature::new("lb-not-deleted", Stale, Node, &[
        Rule::message(&["Error deleting load balancer sandbox"]),
        Rule::message(&["Failed to find load balancer endpoint"]),
        Rule::message(&["Failed to delete endpoint", " in "]),
    ])
    .says("a node keeps a load balancer endpoint of a removed network", "restart that node's engine if it stays", "moby libnetwork/network.go"),
    Signature::new("vip-not-programmed", Stale, Node, &[
        Rule::message(&["Unable to find load balancing endpoint for network"]),
        Rule::message(&["Failed add IP alias"]),
        Rule::message(&["Failed to create a new service for vip"]),
    ])
    .says("a service's virtual address does not answer on a node; without IPVS it is logged at each removal", "restart that node's engine if it stays", SERVICE_LINUX),
    Signature::new("endpoint-left", Stale, Node, &[
        Rule::inner(&["endpoint with name", "already exists in network"]),
        Rule::inner(&["subnet sandbox join failed for"]).without(&["vxlan interface"]),
        Rule::inner(&["failed to get network during"]),
        Rule::inner(&["failed to get network from store during join"]),
    ])
    .says(
        "a node's own state of a network does not match: something old is left, or the network is missing there",
        "restart that node's engine if it stays",
        "moby libnetwork",
    ),
    Signature::new("binding-left", Stale, Node, &[Rule::message(&["failed removing service binding for"])]).says(
        "the node could not take a task out of the Swarm's service discovery, so that its name may still lead there",
        "update the service with --force; if it stays, restart that node's engine",
        "moby issue 36966; libnetwork endpoint.go deleteServiceInfoFromCluster",
    ),
    Signature::new("status-race", Crash, Manager, &[
        Rule::message(&["fatal error: concurrent map read and map write"]),
        Rule::message(&["fatal error: concurrent map iteration and map write"]),
    ])
    .says(
        "the engine died of a data race; frequent reads of the address status while networks are created and removed can cause it",
        "read it rarely, one request at a time, and not during deployments",
        "moby daemon/libnetwork/cnmallocator OnGetNetwork, 29.0 and later, executed on 29.7.2",
    ),
    Signature::new("engine-panic", Crash, Manager, &[
        Rule::message(&["panic: runtime error"]),
        Rule::message(&["fatal error: all goroutines are asleep"]),
    ])
    .says("the engine died of a bug", "keep the stack trace that follows and report it upstream", "Go runtime"),
];
