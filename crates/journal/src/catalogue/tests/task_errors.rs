//! Every error about networks, addresses and load balancers that a task can show, by the file that has it.
//!
//! Taken from moby master of August 2026 (`daemon/`, `daemon/libnetwork/`), engines 18.09 to 28.5 where the text differs,
//! docker/libnetwork up to 20.10, and swarmkit master of August 2026.

use proptest::prelude::*;

use super::super::*;
use crate::record::Record;
use crate::signature::Class;

/// Signature, file, texts.
pub(super) type Known = (&'static str, &'static str, &'static [&'static str]);

const N: &str = "netqo8nlftb3wrsc5kja4dlzr";

pub(super) const KNOWN: &[Known] = &[
    // moby daemon/cluster and daemon.
    (
        "attachments-missing",
        "daemon/cluster/executor/container/adapter.go",
        &["node is missing network attachments, ip addresses may be exhausted"],
    ),
    ("lb-not-made", "daemon/cluster/executor/container/adapter.go", &["error getting attachment store"]),
    (
        "subnet-invalid",
        "daemon/cluster/executor/container/network.go",
        &["invalid subnet: netip.ParsePrefix(\"x\")", "invalid ip range: x", "invalid gateway: x"],
    ),
    (
        "lb-missing",
        "daemon/network.go",
        &[
            "failed to find a load balancer IP to use for network: $N",
            "Failed to find a load balancer IP to use for network: $N",
        ],
    ),
    ("network-missing", "daemon/network.go", &["could not find network by ID: network $N not found"]),
    (
        "network-ambiguous",
        "daemon/network.go",
        &[
            "network web is ambiguous (2 matches found on name)",
            "network 0f is ambiguous (2 matches found based on ID prefix)",
        ],
    ),
    (
        "node-not-in-swarm",
        "daemon/network.go",
        &[
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
            "cluster provider is not initialized",
            "netcontroller is nil: network $N not found",
        ],
    ),
    (
        "subnet-invalid",
        "daemon/network.go",
        &[
            "driver-opt \"com.docker.network.enable_ipv6\" is not a valid bool",
            "invalid network config:\ninvalid subnet 10.0.0.1/24: it should be 10.0.0.0/24",
            "invalid ip-range 10.0.1.0/24: parent subnet 10.0.0.0/24 doesn't contain ip-range",
            "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
            "invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address",
        ],
    ),
    (
        "address-not-of-network",
        "daemon/network.go",
        &[
            "invalid IPv4 address: 10.0.0.",
            "invalid IPv6 address: fd00::x",
            "invalid link-local IP address: [x]",
        ],
    ),
    ("network-missing", "daemon/network.go", &["network cannot be nil"]),
    ("endpoint-conflict", "daemon/network.go", &["endpoint cannot be nil"]),
    (
        "sandbox-failed",
        "daemon/container_operations.go",
        &[
            "error locating sandbox id 0f1e2d: sandbox 0f1e2d not found",
            "Update network failed: Failure in refresh sandbox 0f1e2d: no",
        ],
    ),
    (
        "endpoint-conflict",
        "daemon/container_operations.go",
        &[
            "web.1 is already attached to network web_default",
            "Container 0f1e is marked for removal and cannot be connected or disconnected to the network",
        ],
    ),
    (
        "network-missing",
        "daemon/container_operations.go",
        &[
            "could not find network web after successful attachment",
            "could not find a network matching network mode web: network web not found",
        ],
    ),
    (
        "address-not-of-network",
        "daemon/container_operations.go",
        &[
            "user-specified IP address is supported on user-defined networks only",
            "invalid endpoint settings:\nno configured subnet contains IP address 10.0.9.9",
            "no configured subnet contains IP address 10.0.9.9",
        ],
    ),
    (
        "binding-failed",
        "daemon/container_operations.go",
        &[
            "activate container service binding for web.1 failed: no",
            "failed to activate service binding for container web.1: no",
            "updating join info failed: no",
        ],
    ),
    (
        "attach-failed",
        "daemon/cluster/networks.go",
        &[
            "Could not attach to network $N: rpc error: code = NotFound desc = no",
            "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded",
        ],
    ),
    (
        "not-attachable",
        "daemon/cluster/networks.go",
        &[
            "could not find attacher for container 0f1e to network $N",
            "could not find network attachment for container 0f1e to network $N",
        ],
    ),
    (
        "node-not-in-swarm",
        "daemon/cluster/networks.go",
        &[
            "invalid cluster node while attaching to network",
            "invalid cluster node while waiting for detachment",
        ],
    ),
    (
        "network-missing",
        "daemon/cluster/networks.go",
        &["could not find the corresponding predefined swarm network: network $N not found"],
    ),
    // libnetwork, of every network.
    (
        "network-missing",
        "libnetwork/error.go",
        &["network $N not found", "starting container failed: network $N not found"],
    ),
    ("network-exists", "libnetwork/error.go", &["network with name web already exists"]),
    ("endpoint-conflict", "libnetwork/error.go", &["endpoint with name web.1 id 0f1e has active containers"]),
    (
        "network-in-use",
        "libnetwork/error.go",
        &[
            "network web has active endpoints (name:\"web.1\" id:\"0f1e\")",
            "network web id 0f1e has active endpoints",
        ],
    ),
    (
        "config-network-missing",
        "libnetwork/controller.go",
        &[
            "configuration network \"web\" does not exist",
            "Failed to apply configuration: no",
            "cannot create endpoint on configuration-only network",
            "configuration network \"web\" not found",
        ],
    ),
    ("subnet-invalid", "libnetwork/controller.go", &["IPv4 cannot be disabled in a Swarm scoped network"]),
    (
        "node-not-in-swarm",
        "libnetwork/controller.go",
        &[
            "Cannot create a multi-host network from a worker node. Please create the network from a manager node.",
            "cannot create a swarm scoped network when swarm is not active",
            "failed to get bind address",
        ],
    ),
    (
        "ingress-sandbox",
        "libnetwork/controller.go",
        &["ingress sandbox already present", "Ingress network can only be global scope network"],
    ),
    (
        "endpoint-conflict",
        "libnetwork/controller.go",
        &[
            "container 0f1e is already present in sandbox 1a2b",
            "failed to update the store state of sandbox: no",
        ],
    ),
    (
        "sandbox-failed",
        "libnetwork/controller.go",
        &[
            "network sandbox for container 0f1e not found",
            "sandbox 0f1e not found",
            "failed to create default sandbox: no",
            "failed to create new osl sandbox: no",
        ],
    ),
    (
        "network-driver-missing",
        "libnetwork/controller.go",
        &[
            "could not resolve driver weave in registry",
            "invalid ipam driver: \"x\"",
            "failed to get default address space: unknown ipam type \"x\"",
        ],
    ),
    (
        "gateway-network-failed",
        "libnetwork/default_gateway.go",
        &[
            "container 0f1e: endpoint create on GW Network failed: no",
            "container 0f1e: endpoint join on GW Network failed: no",
            "container 0f1e: endpoint leaving GW Network failed: no",
            "container 0f1e: deleting endpoint on GW Network failed: no",
            "error creating external connectivity network: no",
        ],
    ),
    (
        "local-pool-full",
        "libnetwork/default_gateway.go",
        &[
            "container 0f1e: endpoint create on GW Network failed: no available IPv4 addresses on this network's address pools: docker_gwbridge (0f1e)",
        ],
    ),
    ("network-missing", "libnetwork/endpoint.go", &["invalid network object in endpoint web.1"]),
    (
        "endpoint-left",
        "libnetwork/endpoint.go",
        &[
            "failed to get network from store during join: no",
            "failed to get network during CreateEndpoint: no",
        ],
    ),
    (
        "endpoint-conflict",
        "libnetwork/endpoint.go",
        &[
            "failed to get endpoint from store during join: no",
            "another container is attached to the same network endpoint",
            "failed to store endpoint: no",
            "failed to delete endpoint: no",
        ],
    ),
    ("network-driver-missing", "libnetwork/endpoint.go", &["failed to get driver during join: no"]),
    (
        "gateway-network-failed",
        "libnetwork/endpoint.go",
        &["updating external connectivity for IPv4 endpoint 0f1e: no"],
    ),
    (
        "port-taken",
        "libnetwork/endpoint.go",
        &[
            "driver failed programming external connectivity on endpoint web.1 (0f1e): Bind for 0.0.0.0:80 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint web.1 (0f1e): Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
            "failed to set up container networking: driver failed programming external connectivity on endpoint web.1 (0f1e): failed to bind host port 0.0.0.0:80/tcp: address already in use",
        ],
    ),
    (
        "rules-failed",
        "libnetwork/endpoint.go",
        &[
            "driver failed programming external connectivity on endpoint web.1 (0f1e):  (iptables failed: iptables --wait -t nat -A DOCKER: iptables: No chain/target/match by that name.)",
        ],
    ),
    (
        "binding-failed",
        "libnetwork/endpoint.go",
        &["could not add service state for endpoint web.1 to cluster on UpdateDNSNames: no"],
    ),
    (
        "sandbox-failed",
        "libnetwork/endpoint.go",
        &["failed to set default gateway: no", "invalid Sandbox passed to endpoint join: <nil>"],
    ),
    (
        "address-not-of-network",
        "libnetwork/endpoint.go",
        &[
            "invalid address 10.0.9.9: It does not belong to any of this network's subnets",
            "Invalid address fd00:db8::5: It does not belong to any of this network's subnets",
            "no IPv4 information available for endpoint web.1",
        ],
    ),
    (
        "local-pool-full",
        "libnetwork/endpoint.go",
        &["no available IPv4 addresses on this network's address pools: web (0f1e)"],
    ),
    (
        "endpoint-conflict",
        "libnetwork/endpoint_info.go",
        &[
            "endpoint interface MAC address present (02:42). Cannot be modified with 02:43.",
            "could not find endpoint 0f1e: no",
        ],
    ),
    (
        "address-not-of-network",
        "libnetwork/endpoint_info.go",
        &[
            "tried to set nil IP address to endpoint interface",
            "endpoint interface IP present (10.0.0.2). Cannot be modified with (10.0.0.3).",
        ],
    ),
    (
        "network-missing",
        "libnetwork/endpoint_info.go",
        &[
            "could not find network in store to get latest endpoint web.1: no",
            "could not find network in store for driver info: no",
        ],
    ),
    (
        "endpoint-conflict",
        "libnetwork/network.go",
        &["failed to add endpoint: no", "failed to create endpoint web.1 on network web: no"],
    ),
    ("endpoint-left", "libnetwork/network.go", &["endpoint with name web.1 already exists in network web"]),
    (
        "address-not-of-network",
        "libnetwork/network.go",
        &["invalid link local IP address: 169.254.0.1", "invalid preferred address \"x\": no"],
    ),
    (
        "subnet-invalid",
        "libnetwork/network.go",
        &[
            "invalid gateway address 10.0.0.x in Ipam configuration",
            "failed to parse gateway address (10.0.0.x) returned by ipam driver: no",
            "auxiliary address: (a:10.0.9.9) must belong to the master pool: 10.0.0.0/24",
            "failed to allocate secondary ip address (a:10.0.0.9): no",
        ],
    ),
    (
        "gateway-taken",
        "libnetwork/network.go",
        &["failed to allocate gateway (10.0.1.1): Address already in use"],
    ),
    ("network-missing", "libnetwork/network.go", &["unknown network web id 0f1e"]),
    ("sandbox-failed", "libnetwork/resolver.go", &["error in opening name server socket no"]),
    ("rules-failed", "libnetwork/resolver.go", &["setting up DNAT/SNAT rules failed: no"]),
    (
        "binding-failed",
        "libnetwork/sandbox.go",
        &[
            "could not update state for endpoint web.1 into cluster: no",
            "failed to disable service on sandbox:0f1e, for endpoints web.1",
        ],
    ),
    (
        "sandbox-failed",
        "libnetwork/sandbox_linux.go",
        &[
            "failed to set gateway: network is unreachable",
            "failed to set IPv4 default route: no",
            "failed to set IPv6 gateway (fd00::1): no",
            "osl sandbox unavailable in ExecFunc for 0f1e",
            "cannot populate network resources for container 0f1e, no osSbox, sandbox gone",
            "failed to add interface veth1a2b to sandbox: no",
            "failed to add static route 10.0.0.0/8: no",
        ],
    ),
    (
        "lb-not-made",
        "libnetwork/sandbox_linux.go",
        &["failed disable ARP for VIP: no", "failed to add virtual ip 10.0.1.2/32 to loopback: no"],
    ),
    (
        "lb-not-made",
        "libnetwork/service_linux.go",
        &["Unable to find load balancing endpoint for network $N"],
    ),
    ("lb-not-made", "libnetwork/service_linux.go", &["Load balancing endpoint lb-web(0f1e) removed from $N"]),
    (
        "rules-failed",
        "libnetwork/service_linux.go",
        &[
            "failed to create ingress chain: DOCKER-INGRESS in table nat: no",
            "failed to add jump rule in OUTPUT to ingress chain: no",
            "failed to program ingress ports: no",
            "set up rule failed, [-t mangle -A PREROUTING]: no",
            "failed to insert ingress localhost POSTROUTING rule for docker_gwbridge: no",
        ],
    ),
    (
        "endpoint-conflict",
        "libnetwork/store.go",
        &[
            "failed to update store for object type *libnetwork.Endpoint: no",
            "could not update the kvobject to latest when trying to delete: no",
        ],
    ),
    (
        "store-conflict",
        "libnetwork/store.go",
        &[
            "failed to update store for object type *libnetwork.endpointCnt: Unable to complete atomic operation, key modified",
        ],
    ),
    // libnetwork's overlay.
    (
        "encryption-missing",
        "libnetwork/drivers/overlay",
        &[
            "cannot join secure network: encryption keys not present",
            "cannot join secure network: required modules to install IPSEC rules are missing on host",
            "encryption key is not present",
            "could not add mangle rule: no",
            "Error while checking for SA existence: no",
            "no primary key found for networking:ipsec subsystem: 1 keys found on controller, expected at least 2",
        ],
    ),
    (
        "endpoint-conflict",
        "libnetwork/drivers/overlay",
        &[
            "could not find endpoint with id 0f1e",
            "endpoint id \"0f1e\" not found",
            "invalid endpoint id",
            "invalid MAC address \"02\" assigned to endpoint: unexpected length",
        ],
    ),
    (
        "address-not-of-network",
        "libnetwork/drivers/overlay",
        &[
            "could not find subnet for endpoint 0f1e",
            "no matching subnet for IP \"10.0.9.9/24\" in network \"$N\"",
            "create endpoint was not passed interface IP address",
            "couldn't find the subnet \"10.0.9.9\" in network \"$N\"",
        ],
    ),
    ("endpoint-left", "libnetwork/drivers/overlay", &["subnet sandbox join failed for \"10.0.0.0/24\": no"]),
    (
        "vxlan-taken",
        "libnetwork/drivers/overlay",
        &[
            "error creating vxlan interface: file exists",
            "subnet sandbox join failed for \"10.0.0.0/24\": error creating vxlan interface: file exists",
            "starting container failed: subnet sandbox join failed for \"10.0.0.0/24\": error creating vxlan interface: file exists",
            "network sandbox join failed: subnet sandbox join failed for \"10.0.0.0/24\": vxlan interface creation failed for subnet \"10.0.0.0/24\": failed to set vxlan up: file exists",
            "error creating vxlan interface: address already in use",
        ],
    ),
    (
        "vxlan-unsupported",
        "libnetwork/drivers/overlay",
        &[
            "error creating vxlan interface: operation not supported",
            "subnet sandbox join failed for \"10.0.0.0/24\": error creating vxlan interface: operation not supported",
        ],
    ),
    (
        "sandbox-failed",
        "libnetwork/drivers/overlay",
        &[
            "network sandbox join failed: no",
            "could not get network sandbox: no",
            "could not get network sandbox (oper true): no",
            "bridge creation in sandbox failed for subnet \"10.0.0.0/24\": no",
            "error generating veth name1: no",
            "error creating veth pair: no",
            "could not find link by name veth1a2b: no",
            "cound not find link by name veth1a2b: no",
            "could not add veth pair inside the network sandbox: no",
            "could not set mac address (02:42) to the container interface: no",
            "failed to enable default vlan on bridge br0: no",
            "failed to get ns handle for /run/docker/netns/1-net: no",
            "failed to get netlink handle for ns /run/docker/netns/1-net: no",
            "failed to find interface with name veth1a2b: no",
            "overlay: failed to add local endpoint to network peer db: no",
            "peer add operation failed: no",
            "could not add neighbor entry into the sandbox: no",
            "could not add fdb entry into the sandbox: no",
        ],
    ),
    (
        "network-exists",
        "libnetwork/drivers/overlay",
        &["attempt to create overlay network $N that already exists"],
    ),
    ("network-exists", "libnetwork/drivers/bridge", &["network $N exists"]),
    ("subnet-invalid", "libnetwork/drivers/overlay", &["ipv4 pool is empty", "invalid MTU value: -1"]),
    (
        "vni-missing",
        "libnetwork/drivers/overlay",
        &[
            "no VNI provided",
            "insufficient vnis(0) passed to overlay",
            "couldn't get vxlan id for \"10.0.0.0/24\": no",
            "invalid vxlan id value \"x\" passed",
            "failed to allocate vxlan id: no",
        ],
    ),
    (
        "network-missing",
        "libnetwork/drivers/overlay",
        &[
            "invalid network id",
            "network \"$N\" not found",
            "network id \"$N\" not found",
            "could not find network with id $N",
            "getting network \"$N\" from datastore failed no",
        ],
    ),
    (
        "route-conflict",
        "libnetwork/drivers/overlay",
        &[
            "overlay subnet 10.0.0.0/24 failed check with host route table: requested network overlaps with existing network",
            "overlay subnet 10.0.0.0/24 failed check with nameserver: 10.0.0.2: no",
        ],
    ),
    (
        "node-not-in-swarm",
        "libnetwork/drivers/overlay",
        &[
            "overlay: cannot determine address family of transport: the local data-plane address is not currently known",
        ],
    ),
    // Address management on the node.
    (
        "local-pool-full",
        "libnetwork/ipamapi",
        &["no available addresses on this pool", "No available addresses on this pool"],
    ),
    (
        "address-taken",
        "libnetwork/ipamapi",
        &["Address already in use", "starting container failed: Address already in use"],
    ),
    ("address-not-of-network", "libnetwork/ipamapi", &["requested address is out of range"]),
    (
        "pool-overlap",
        "libnetwork/ipamapi",
        &[
            "Pool overlaps with other one on this address space",
            "invalid pool request: Pool overlaps with other one on this address space",
        ],
    ),
    (
        "pools-exhausted",
        "libnetwork/ipamapi",
        &[
            "all predefined address pools have been fully subnetted",
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        ],
    ),
    (
        "pool-state-lost",
        "libnetwork/ipamapi",
        &[
            "invalid address space",
            "invalid address pool",
            "invalid address subpool",
            "no address returned",
            "address space does not contain specified address pool",
        ],
    ),
    (
        "pool-state-lost",
        "libnetwork/ipams/defaultipam",
        &[
            "invalid pool id: ",
            "cannot find address pool for poolID:GlobalDefault/10.0.0.0/24",
            "cannot find address space GlobalDefault (most likely the backing datastore is not configured)",
            "pool configuration failed because of no",
            "could not find bitmask in datastore for 10.0.0.0/24 on address 10.0.0.2 request from pool x: no",
            "failed to perform atomic write (no). retry might fix the error",
            "failed to parse pool request for address space \"x\" pool \"y\" subpool \"\": no",
        ],
    ),
    // Namespaces.
    (
        "sandbox-failed",
        "libnetwork/osl",
        &[
            "could not find an appropriate master \"br0\" for \"veth1a2b\"",
            "failed to set namespace on link \"veth1a2b\": no",
            "failed get network namespace \"/run/docker/netns/1a2b\": no such file or directory",
            "failed to set link up: no",
            "error setting interface \"eth0\" IP to 10.0.0.2/24: cannot program address 10.0.0.2/24: no",
            "failed to create bridge \"br0\": no",
            "failed to get link by name \"veth1a2b\": no",
            "error renaming interface \"veth1a2b\" to \"eth0\": file exists",
            "failed to create a netlink handle: no",
            "bind-mount /proc/1/ns/net -> /run/docker/netns/1a2b: no",
            "failed to find interface veth1a2b in sandbox",
            "setting into container netns \"x\" failed: no",
            "failed to configure ipv6: no",
            "MAC address changed, got 02:42, expected 02:43",
        ],
    ),
    (
        "route-conflict",
        "libnetwork/osl",
        &[
            "cannot program address 10.0.0.2/24 in sandbox interface because it conflicts with existing route {Ifindex: 2}",
        ],
    ),
    // The leader.
    (
        "vip-exhausted",
        "cnmallocator/networkallocator.go",
        &["could not find an available IP while allocating VIP"],
    ),
    ("address-exhausted", "cnmallocator/networkallocator.go", &["could not find an available IP"]),
    (
        "task-exhausted",
        "cnmallocator/networkallocator.go",
        &[
            "failed to allocate network IP for task tsk7mg402451row2gmr0g0vsu network $N: could not find an available IP",
        ],
    ),
    (
        "fixed-address-refused",
        "cnmallocator/networkallocator.go",
        &[
            "failed to allocate network IP for task tsk7mg402451row2gmr0g0vsu network $N: could not allocate IP from IPAM: Address already in use",
            "could not allocate IP from IPAM: requested address is out of range",
            "could not parse address string 10.0.0.x: no",
        ],
    ),
    (
        "restore-conflict",
        "cnmallocator/networkallocator.go",
        &["could not allocate VIP from IPAM: Address already in use"],
    ),
    (
        "removed-network",
        "cnmallocator/networkallocator.go",
        &[
            "could not find network allocator state for network $N",
            "networkallocator: could not find local network state",
        ],
    ),
    (
        "network-driver-missing",
        "cnmallocator/networkallocator.go",
        &[
            "network driver weave not found",
            "could not resolve IPAM driver x",
            "failed to resolve IPAM while allocating: no",
        ],
    ),
    (
        "network-not-allocated",
        "cnmallocator/networkallocator.go",
        &["failed allocating pools and gateway IP for network $N: no"],
    ),
    (
        "vxlan-ids-exhausted",
        "drivers/overlay/ovmanager",
        &[
            "could not obtain vxlan id for pool 10.0.0.0/24: no",
            "could not assign vxlan id 4097 to pool 10.0.0.0/24: no",
        ],
    ),
    ("ingress-missing", "swarmkit manager/allocator/network.go", &["ingress network is missing"]),
    (
        "waits-for-service",
        "swarmkit manager/allocator/network.go",
        &[
            "service svc4qm2v9k1t8r3w6y5z0a1b2 to which task tsk7mg402451row2gmr0g0vsu belongs has pending allocations",
        ],
    ),
    (
        "waits-for-network",
        "swarmkit manager/allocator/network.go",
        &["network $N attached to task tsk7mg402451row2gmr0g0vsu not allocated yet"],
    ),
    (
        "network-gone",
        "swarmkit manager/allocator/network.go",
        &["failed to retrieve network $N while allocating task tsk7mg402451row2gmr0g0vsu"],
    ),
    (
        "not-attachable",
        "swarmkit manager/resourceapi/allocator.go",
        &["rpc error: code = PermissionDenied desc = network web not manually attachable"],
    ),
    (
        "port-taken",
        "swarmkit manager/scheduler/filter.go",
        &["no suitable node (host-mode port already in use on 3 nodes)"],
    ),
    (
        "network-driver-missing",
        "swarmkit manager/scheduler/filter.go",
        &["no suitable node (missing plugin on 3 nodes)"],
    ),
    // What comes with the next engine.
    (
        "task-network-unknown",
        "somewhere",
        &["a network did something new", "the gateway is of no use", "an endpoint that nothing is known of"],
    ),
];

#[test]
fn every_error_of_a_task_has_a_meaning_and_a_remedy() {
    let mut unlike = Vec::new();
    for (id, file, texts) in KNOWN {
        for text in *texts {
            let found = Catalogue::builtin().of_task_error(&text.replace("$N", N));
            if found.is_none_or(|signature| signature.id != *id) {
                unlike.push((id, file, text, found.map(|signature| signature.id)));
            }
            assert!(found.is_none_or(|found| found.meaning.len() > 20 && found.remedy.len() > 10));
        }
    }
    assert!(unlike.is_empty(), "{unlike:#?}");
}

#[test]
fn each_is_a_finding_in_the_log_where_it_is_logged_again_and_again() {
    for (id, _, texts) in KNOWN {
        for text in *texts {
            let line = format!(
                "time=\"2026-06-13T05:38:00Z\" level=error msg=\"fatal task error\" error={:?} module=node/agent/taskmanager node.id=x task.id=y",
                text.replace("$N", N)
            );
            let found = Catalogue::builtin().classify(&Record::parse_line(line.as_bytes()));
            let by_message = *id == "attach-failed";
            assert!(by_message || found.is_some_and(|found| found.id == *id), "{text}: {found:?}");
        }
    }
}

#[test]
fn what_is_about_something_else_is_not_known() {
    for text in [
        "",
        "task: non-zero exit (1)",
        "No such image: web:latest",
        "No such container: app-lb-1",
        "starting container failed: OCI runtime create failed: exec: \"/network\": stat /network: no such file or directory",
        "Get \"https://registry.test/v2/\": dial tcp: lookup registry.test: network is unreachable",
        "invalid mount config for type \"bind\": bind source path does not exist: /srv",
        "dockerexec: unhealthy container",
        "no suitable node (insufficient resources on 3 nodes)",
        "error looking up volume plugin x: plugin \"x\" not found",
        "assigned node no longer meets constraints",
    ] {
        assert_eq!(Catalogue::builtin().of_task_error(text).map(|found| found.id), None, "{text}");
    }
}

#[test]
fn every_signature_of_tasks_has_a_text_here() {
    let tested: std::collections::BTreeSet<_> = KNOWN.iter().map(|known| known.0).collect();
    for signature in Catalogue::builtin().signatures().filter(|s| s.class == Class::NotAttached) {
        assert!(tested.contains(signature.id), "{}", signature.id);
    }
}

#[test]
fn a_request_of_a_client_that_fails_alike_is_no_finding() {
    for (_, _, texts) in KNOWN.iter().filter(|known| {
        matches!(known.0, "network-exists" | "network-missing" | "network-ambiguous" | "subnet-invalid")
    }) {
        for text in *texts {
            let text = text.replace("$N", N);
            let line = format!(
                "level=error msg={:?}",
                format!("Handler for POST /v1.41/networks/create returned error: {text}")
            );
            let found = Catalogue::builtin().classify(&Record::parse_line(line.as_bytes())).unwrap();
            assert!(!found.class.is_finding(), "{text}: {}", found.id);
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_known_or_not(text in "\\PC{0,80}") {
        let _ = Catalogue::builtin().of_task_error(&text);
    }
}
