//! Why a node rejected a task or could not start it, as far as networks, addresses and load balancers are concerned.
//!
//! A task's error is what the node's engine logs as `fatal task error` (swarmkit `agent/exec/controller.go` Do) and what `docker
//! service ps --no-trunc` shows. Every rule asks for that message, because a client that sends a bad request gets the same texts.
//! The last signature takes what is about networks and not known.

use crate::signature::Class::{NotAllocated, NotAttached, Stale};
use crate::signature::Place::{Leader, Node};
use crate::signature::{Rule, Signature};

/// The message under which an engine logs why a task failed (swarmkit `agent/exec/controller.go` Do).
pub(super) const FATAL: &str = "fatal task error";

const OVERLAY: &str = "moby daemon/libnetwork/drivers/overlay, up to 24 docker/libnetwork drivers/overlay";
const LIBNETWORK: &str = "moby daemon/libnetwork endpoint.go, network.go, sandbox.go, store.go";
const SANDBOX: &str =
    "moby daemon/libnetwork sandbox_linux.go, osl/interface_linux.go, osl/namespace_linux.go";

/// A rule on the error of a task.
const fn error(inner: &'static [&'static str]) -> Rule {
    Rule::inner(inner).during(&[FATAL])
}

pub(super) const SIGNATURES: &[Signature] = &[
    Signature::new("fixed-address-refused", NotAllocated, Leader, &[
        Rule::inner(&["could not allocate IP from IPAM: Address already in use"]),
        Rule::inner(&["could not allocate IP from IPAM: requested address is out of range"]),
        Rule::inner(&["could not parse address string"]),
    ])
    .says(
        "a container or service asked for a fixed address (docker run --ip) that has an owner, is the network's own, or lies outside of its subnet; no address is held twice",
        "ask for a free address of the subnet, or for none",
        "moby issue 31018; cnmallocator allocateNetworkIPs, libnetwork ipamapi ErrIPAlreadyAllocated and ErrIPOutOfRange",
    ),
    // What explains a missing network goes before it.
    Signature::new("node-not-in-swarm", NotAttached, Node, &[
        error(&["cannot create a swarm scoped network when swarm is not active"]),
        error(&["Cannot create a multi-host network from a worker node"]),
        error(&["This node is not a swarm manager"]),
        error(&["invalid cluster node"]),
        error(&["cluster provider is not initialized"]),
        error(&["local data-plane address is not currently known"]),
        error(&["failed to get bind address"]),
        error(&["netcontroller is nil"]),
    ])
    .says(
        "the node's engine did not know yet, or no longer, that it is in the Swarm",
        "check the node's state with docker node ls and its data path address with docker info; restart its engine if it is not ready",
        "libnetwork controller.go NewNetwork, drivers/overlay overlay.go",
    ),
    Signature::new("not-attachable", NotAttached, Leader, &[
        error(&["not manually attachable"]),
        error(&["could not find attacher for container"]),
        error(&["could not find network attachment for container"]),
    ])
    .says(
        "a container outside of any service asked for a network that is not attachable, or its attachment is gone",
        "create the network with --attachable",
        "swarmkit manager/resourceapi/allocator.go; moby daemon/cluster/networks.go",
    ),
    Signature::new("network-driver-missing", NotAttached, Node, &[
        error(&["could not resolve driver"]),
        error(&["network driver", "not found"]),
        error(&["could not resolve IPAM driver"]),
        error(&["failed to get driver"]),
        error(&["failed to resolve IPAM"]),
        error(&["invalid ipam driver"]),
        error(&["unknown ipam type"]),
        error(&["missing plugin on"]),
        error(&["couldn't find network driver"]),
    ])
    .says(
        "the node has no such network or IPAM driver: its plugin is missing or disabled",
        "install and enable the plugin on that node, or constrain the service to nodes that have it",
        "libnetwork controller.go loadDriver; swarmkit manager/scheduler/filter.go PluginFilter",
    ),
    // The node's copy of a network.
    Signature::new("network-exists", Stale, Node, &[
        error(&["attempt to create overlay network", "that already exists"]),
        error(&["network with name", "already exists"]),
        error(&["network ", " exists"]).without(&["endpoint with name", "file exists"]),
    ])
    .says(
        "the node still has its copy of a network from before a crash, so that it rejects every task of that network, again and again",
        "drain the node, restart its engine, and set it active again; if it stays, recreate the network",
        "moby issue 38318; libnetwork drivers/bridge createNetwork, drivers/overlay ov_network.go CreateNetwork",
    ),
    Signature::new("network-ambiguous", NotAttached, Node, &[error(&["network ", "is ambiguous"])]).says(
        "several networks of that name or id prefix are on the node",
        "remove all but one of them on that node (docker network ls)",
        "moby daemon/network.go FindNetwork",
    ),
    Signature::new("config-network-missing", NotAttached, Node, &[
        error(&["configuration network"]),
        error(&["configuration-only network"]),
        error(&["Failed to apply configuration"]),
    ])
    .says(
        "the network takes its configuration from a network that the node does not have",
        "create that network with --config-only on every node",
        "moby daemon/libnetwork/controller.go NewNetwork",
    ),
    Signature::new("network-missing", Stale, Node, &[
        error(&["network ", " not found"]).without(&["network driver", "network sandbox", "OCI runtime"]),
        error(&["unknown network"]),
        error(&["could not find network"]),
        error(&["could not find a network"]),
        error(&["could not find the corresponding predefined swarm network"]),
        error(&["invalid network id"]),
        error(&["network cannot be nil"]),
        error(&["failed to get network"]),
        error(&["invalid network object in endpoint"]),
        error(&["getting network ", "from datastore failed"]),
    ])
    .says(
        "the node lacks a network that its task asks for: it was removed while tasks were starting, or the node lost its copy",
        "if managers still list the network, restart that node's engine, else recreate the network and update the service with --force",
        "moby issues 36966 and 35288; libnetwork error.go ErrNoSuchNetwork",
    ),
    // Addresses.
    Signature::new("address-not-of-network", NotAttached, Node, &[
        error(&["It does not belong to any of this network's subnets"]),
        error(&["no configured subnet contains IP address"]),
        error(&["no matching subnet for IP"]),
        error(&["couldn't find the subnet"]),
        error(&["could not find the subnet"]),
        error(&["could not find subnet for endpoint"]),
        error(&["requested address is out of range"]),
        error(&["invalid IPv4 address"]),
        error(&["invalid IPv6 address"]),
        error(&["invalid link-local IP address"]),
        error(&["invalid link local IP address"]),
        error(&["user-specified IP address is supported on user-defined networks only"]),
        error(&["tried to set nil IP address"]),
        error(&["endpoint interface IP present"]),
        error(&["was not passed interface IP address"]),
        error(&["invalid preferred address"]),
        error(&["no IPv", "information available for endpoint"]),
    ])
    .says(
        "the task's address is not one of the network's subnets on that node: an IPv6 address was asked for, which a Swarm does not allocate, or the node keeps an older copy of the network",
        "ask for no IPv6 address on a Swarm's network; else drain the node, restart its engine, and set it active again",
        "moby issue 41624; libnetwork endpoint.go assignAddressVersion, drivers/overlay ov_endpoint.go",
    ),
    Signature::new("subnet-invalid", NotAttached, Node, &[
        error(&["invalid subnet"]),
        error(&["invalid ip range"]),
        error(&["invalid ip-range"]),
        error(&["invalid gateway"]),
        error(&["invalid network config"]),
        error(&["invalid auxiliary address"]),
        error(&["auxiliary address: "]),
        error(&["failed to allocate secondary ip address"]),
        error(&["failed to parse gateway address"]),
        error(&["ipv4 pool is empty"]),
        error(&["non parsable secondary ip address"]),
        error(&["driver-opt ", "is not a valid bool"]),
        error(&["IPv4 cannot be disabled in a Swarm scoped network"]),
        error(&["invalid MTU value"]),
    ])
    .says(
        "the node refuses the network's own configuration: its subnet, range, gateway or options",
        "recreate the network with a subnet that pvcheck plan-subnet proposes and without the option that is named",
        "moby daemon/network.go, daemon/cluster/executor/container/network.go, 27 and later",
    ),
    Signature::new("route-conflict", NotAttached, Node, &[
        error(&["conflicts with existing route"]),
        error(&["failed check with host route table"]),
        error(&["failed check with nameserver"]),
        error(&["requested network overlaps with existing network"]),
        error(&["non-overlapping", "address pool"]),
    ])
    .says(
        "the network's subnet overlaps a route, a name server or another network of that node",
        "recreate the network with a subnet that pvcheck plan-subnet proposes",
        "libnetwork osl/interface_linux.go checkRouteConflict, drivers/overlay ov_network.go up to 24",
    ),
    Signature::new("pool-state-lost", Stale, Node, &[
        error(&["invalid pool id"]),
        error(&["cannot find address pool"]),
        error(&["cannot find address space"]),
        error(&["invalid address space"]),
        error(&["invalid address pool"]),
        error(&["invalid address subpool"]),
        error(&["invalid pool request"]),
        error(&["does not contain specified address pool"]),
        error(&["no address returned"]),
        error(&["pool configuration failed"]),
        error(&["could not find bitmask in datastore"]),
        error(&["failed to perform atomic write"]),
        error(&["failed to get default address space"]),
        error(&["failed to parse pool request"]),
        error(&["failed to allocate requested address"]),
        error(&["failed to retrieve pool"]),
    ])
    .says(
        "the node's own record of address pools does not have the network's",
        "drain the node, restart its engine, and set it active again",
        "libnetwork ipams/defaultipam, up to 26 ipam/allocator.go",
    ),
    // The overlay's data path.
    Signature::new("vxlan-taken", Stale, Node, &[
        Rule::inner(&["error creating vxlan interface: file exists"]),
        error(&["error creating vxlan interface: address already in use"]),
        error(&["vxlan interface creation failed", "exists"]),
    ])
    .says(
        "the node has a VXLAN device with the network's id or port already: one that the engine left, or one of another program",
        "find it with ip -d link show type vxlan, on the host and in /run/docker/netns, and remove it with ip link delete; or drain the node and restart its engine",
        "libnetwork issue 1765; drivers/overlay ov_utils.go createVxlan",
    ),
    Signature::new("vxlan-unsupported", NotAttached, Node, &[
        error(&["error creating vxlan interface: operation not supported"]),
        error(&["error creating vxlan interface: operation not permitted"]),
        error(&["vxlan", "operation not supported"]),
    ])
    .says(
        "the node's kernel makes no VXLAN device, so that no overlay works there",
        "load the module vxlan on that node; a virtual machine or container may not allow it",
        OVERLAY,
    ),
    Signature::new("vni-missing", NotAttached, Node, &[
        error(&["no VNI provided"]),
        error(&["insufficient vnis("]),
        error(&["vxlan id"]),
    ])
    .says(
        "the network reached the node without a valid VXLAN id, as one that the leader never allocated",
        "recreate the network",
        OVERLAY,
    ),
    Signature::new("encryption-missing", NotAttached, Node, &[
        error(&["cannot join secure network"]),
        error(&["encryption key is not present"]),
        error(&["required modules to install IPSEC rules are missing"]),
        error(&["while checking for S", "existence"]),
        error(&["could not ", " mangle rule"]),
        error(&["could not ", " input drop rule"]),
        error(&["no primary key found for"]),
    ])
    .says(
        "the network is encrypted, and the node has no keys or no IPsec in its kernel",
        "load the modules xfrm_user, esp4 and xt_policy there, or restart its engine to get the keys; else recreate the network without encryption",
        "libnetwork drivers/overlay joinleave.go, encryption.go",
    ),
    Signature::new("rules-failed", NotAttached, Node, &[
        error(&["iptables"]),
        error(&["nftables"]),
        error(&["failed to program ingress ports"]),
        error(&["set up rule failed"]),
        error(&["ingress chain"]),
        error(&["failed to add jump rule"]),
        error(&["failed to insert ingress localhost POSTROUTING rule"]),
        error(&["setting up DNAT/SNAT rules failed"]),
        error(&["overlay network chain"]),
    ])
    .says(
        "the node's packet filter refused a rule of the engine's: a firewall was reloaded and took the engine's chains, or a module is missing",
        "restart that node's engine, which makes its chains again, and reload a firewall only before it",
        "libnetwork service_linux.go, drivers/bridge",
    ),
    Signature::new("port-taken", NotAttached, Node, &[
        error(&["port is already allocated"]),
        error(&["host-mode port already in use"]),
        error(&["driver failed programming external connectivity"]),
        error(&["failed to start userland proxy"]),
        error(&["failed to bind host port"]),
        error(&["failed to set up container networking", "address already in use"]),
    ])
    .says(
        "a port that the task publishes on the node is held by another process or task",
        "find the holder with ss -ltnup on that node; update the service with --update-order stop-first where its own old task holds it",
        "libnetwork drivers/bridge port_mapping_linux.go, portallocator; swarmkit manager/scheduler/filter.go HostPortFilter; moby issue 36934",
    ),
    Signature::new("gateway-network-failed", NotAttached, Node, &[
        error(&["on GW Network failed"]),
        error(&["leaving GW Network failed"]),
        error(&["error creating external connectivity network"]),
        error(&["updating gateway endpoint"]),
        error(&["updating external connectivity"]),
        error(&["programming external connectivity"]),
    ])
    .says(
        "the node could not attach the task to docker_gwbridge, its local way out",
        "inspect docker_gwbridge on that node; with none of its tasks running it may be removed, and the engine makes it again",
        "libnetwork default_gateway.go",
    ),
    Signature::new("ingress-sandbox", Stale, Node, &[error(&["ingress sandbox already present"]), error(&["Ingress network can only be"])]).says(
        "the node has a sandbox of an older ingress network",
        "drain the node, restart its engine, and set it active again",
        "libnetwork controller.go NewSandbox",
    ),
    Signature::new("lb-not-made", NotAttached, Node, &[
        error(&["error getting attachment store"]),
        error(&["load balancer"]),
        error(&["load balancing endpoint"]),
        error(&["failed disable ARP for VIP"]),
        error(&["failed to add virtual ip"]),
    ])
    .says(
        "the node could not make the network's load balancer",
        "check the leader's log for lb-exhausted; without it drain the node, restart its engine, and set it active again",
        "moby daemon/network.go, daemon/cluster/executor/container/adapter.go, libnetwork service_linux.go",
    ),
    Signature::new("binding-failed", NotAttached, Node, &[
        error(&["service binding"]),
        error(&["updating join info failed"]),
        error(&["failed to disable service on sandbox"]),
        error(&["could not update state for endpoint"]),
        error(&["service state for endpoint"]),
    ])
    .says(
        "the node could not enter the task into the Swarm's service discovery",
        "update the service with --force; if it stays, restart that node's engine",
        "moby daemon/container_operations.go ActivateContainerServiceBinding; libnetwork sandbox.go EnableService",
    ),
    // Endpoints and sandboxes.
    Signature::new("endpoint-conflict", Stale, Node, &[
        error(&["another container is attached to the same network endpoint"]),
        error(&["is already present in sandbox"]),
        error(&["is already attached to network"]),
        error(&["has active containers"]),
        error(&["endpoint", "not found"]).without(&["OCI runtime", "http"]),
        error(&["could not find endpoint"]),
        error(&["failed to get endpoint"]),
        error(&["failed to add endpoint"]),
        error(&["failed to store endpoint"]),
        error(&["failed to delete endpoint"]),
        error(&["failed to update store for object type"]),
        error(&["could not update the kvobject"]),
        error(&["failed to update the store state"]),
        error(&["failed to create endpoint"]),
        error(&["invalid endpoint id"]),
        error(&["endpoint cannot be nil"]),
        error(&["endpoint interface MAC address present"]),
        error(&["assigned to endpoint"]),
        error(&["marked for removal and cannot be connected"]),
    ])
    .says(
        "the node's record of endpoints does not fit the task: an old endpoint is left, or the new one is gone",
        "drain the node, restart its engine, and set it active again",
        LIBNETWORK,
    ),
    Signature::new("sandbox-failed", NotAttached, Node, &[
        error(&["sandbox"]).without(&["OCI runtime"]),
        error(&["network namespace"]),
        error(&["container netns"]),
        error(&["veth"]),
        error(&["netlink handle"]),
        error(&["ns handle"]),
        error(&["failed to set namespace on link"]),
        error(&["failed to set link"]),
        error(&["failed to set gateway"]),
        error(&["failed to set IPv"]),
        error(&["default route"]),
        error(&["failed to set default gateway"]),
        error(&["find link by name"]),
        error(&["failed to get link by name"]),
        error(&["failed to find interface"]),
        error(&["failed to create bridge"]),
        error(&["failed to enable default vlan on bridge"]),
        error(&["an appropriate master"]),
        error(&["error renaming interface"]),
        error(&["error setting interface"]),
        error(&["error deleting interface"]),
        error(&["vxlan interface"]),
        error(&["set mac address"]),
        error(&["MAC address changed"]),
        error(&["failed to configure ipv6"]),
        error(&["failed to disable IPv6"]),
        error(&["failed to check IPv6 addresses"]),
        error(&["failed to add static route"]),
        error(&["failed to advertise addresses"]),
        error(&["failed to refresh link attributes"]),
        error(&["get bridge protinfo"]),
        error(&["sysctl"]).without(&["OCI runtime"]),
        error(&["neighbor entr"]),
        error(&["fdb entry"]),
        error(&["peer add operation failed"]),
        error(&["network peer db"]),
        error(&["no route to"]).without(&["no route to host"]),
        error(&["bind-mount ", "netns"]),
        error(&["error in opening name"]),
    ])
    .says(
        "the node could not build the task's network devices, mostly because an older namespace or device is left",
        "drain the node, restart its engine, and set it active again; if it stays, read the kernel's log",
        SANDBOX,
    ),
];

/// What is about networks and matches nothing else. Tried last of all.
pub(super) const UNKNOWN: &[Signature] = &[
    Signature::new("task-network-unknown", NotAttached, Node, &[
        unknown(&["network"]),
        unknown(&["endpoint"]),
        unknown(&["overlay"]),
        unknown(&["subnet"]),
        unknown(&["ipam"]),
        unknown(&["vxlan"]),
        unknown(&["load balanc"]),
        unknown(&["gateway"]),
        unknown(&["IP address"]),
    ])
    .says(
        "a task failed on that node for a reason that has to do with networks and that is not known here",
        "read that engine's log around the time; if every task fails there, drain the node, restart its engine, and set it active again",
        "moby daemon/libnetwork",
    ),
];

/// What is about the network of the Swarm and not of a registry or of the program in the container.
const fn unknown(inner: &'static [&'static str]) -> Rule {
    error(inner).without(&[
        "network is unreachable",
        "dial tcp",
        "No such image",
        "pull access denied",
        "http://",
        "https://",
        "OCI runtime",
        "gateway timeout",
        "bad gateway",
    ])
}
