mod task_errors;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ids::{NetworkId, NodeId, ServiceId, TaskId};
use crate::record::Record;
use crate::signature::{Reclassify, Rule};
use crate::subjects::Subjects;

const SERVICE: &str = "svc4qm2v9k1t8r3w6y5z0a1b2";
const TASK: &str = "tsk7mg402451row2gmr0g0vsu";
const NETWORK: &str = "netqo8nlftb3wrsc5kja4dlzr";
const NODE: &str = "nodiqbfz7sj0t8368scf9urwi";

/// A line in which `$S`, `$T`, `$N` and `$D` are the ids of a service, a task, a network and a node. What follows ` | ` is
/// the `error` field.
fn line(text: &str) -> Record {
    let text = text.replace("$S", SERVICE).replace("$T", TASK).replace("$N", NETWORK).replace("$D", NODE);
    let (message, error) = text.split_once(" | ").map_or((text.as_str(), None), |(m, e)| (m, Some(e)));
    let field = |name: &str, value: &str| format!(" {name}={value:?}");
    let error = error.map_or(String::new(), |error| field("error", error));
    let line =
        format!("time=\"2026-06-13T05:38:00Z\" level=error{}{error} module=node", field("msg", message));
    Record::parse_line(line.as_bytes())
}

fn id_of(record: &Record) -> Option<&'static str> {
    Catalogue::builtin().classify(record).map(|signature| signature.id)
}

/// Signature; lines that are it; lines that look like it and are not.
const FIXTURES: &[(&str, &[&str], &[&str])] = &[
    (
        "vip-exhausted-on-update",
        &[
            "Failed allocation during update of service $S | could not find an available IP while allocating VIP",
        ],
        &[
            "Failed allocation for service $S | could not find an available IP while allocating VIP",
            "Failed allocation during update of service $S | ingress network is missing",
        ],
    ),
    (
        "vip-exhausted-retry",
        &[
            "Failed allocation of unallocated service $S | could not find an available IP while allocating VIP",
        ],
        &["Failed allocation of unallocated service $S | ingress network is missing"],
    ),
    (
        "vip-exhausted",
        &[
            "Failed allocation for service $S | could not find an available IP while allocating VIP",
            "failed allocating service $S during init | could not find an available IP while allocating VIP",
            // Some engine or forwarder that folds the error into the message.
            "Failed allocation for service $S: could not find an available IP while allocating VIP",
        ],
        &[
            "Failed allocation for service $S | ingress network is missing",
            "Failed allocation for service $S",
        ],
    ),
    (
        "lb-exhausted",
        &["Failed to allocate network resources for node $D | could not find an available IP"],
        &[
            "Failed to allocate network resources for node $D | could not find network allocator state for network $N",
            "task allocation failure | could not find an available IP",
        ],
    ),
    (
        "task-exhausted",
        &[
            "task allocation failure | failed to allocate network IP for task $T network $N: could not find an available IP",
            "task allocation failure | failed during networktask allocation for task $T: failed to allocate network IP for task $T network $N: could not find an available IP",
            "task allocation failure | failed during network allocation for task $T: could not find an available IP",
        ],
        &[
            "task allocation failure | service $S to which task $T belongs has pending allocations",
            "task allocation failure | could not find an available, non-overlapping IPv4 address pool among the defaults",
        ],
    ),
    (
        "address-exhausted",
        &["something new | could not find an available IP"],
        &["something new | could not find an available port", "something new"],
    ),
    (
        "attachments-missing",
        &[
            "fatal task error | node is missing network attachments, ip addresses may be exhausted",
            "task rejected: node is missing network attachments, ip addresses may be exhausted",
        ],
        &["fatal task error | node is missing"],
    ),
    (
        "local-pool-full",
        &[
            "Handler for POST /v1.41/containers/x/start returned error: no available IPv4 addresses on this network's address pools: web (abc)",
            "allocation failed | No available addresses on this pool",
            "allocation failed | no available addresses on this pool",
        ],
        &["allocation failed | no available IPv4 route"],
    ),
    (
        "pools-exhausted",
        &[
            "Failed allocation for network $N | all predefined address pools have been fully subnetted",
            "Failed allocation for network $N | failed allocating pools and gateway IP for network $N: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        ],
        &["task allocation failure | could not find an available IP"],
    ),
    (
        "vxlan-ids-exhausted",
        &[
            "Failed allocation for network $N | could not obtain vxlan id for pool 10.0.1.0/24: no bit available",
            "Failed allocation for network $N | could not assign vxlan id 4097 to pool 10.0.1.0/24: requested bit is already allocated",
        ],
        &["initialized VXLAN UDP port to 4789"],
    ),
    (
        "pool-overlap",
        &[
            "Failed allocation for network $N | failed allocating pools and gateway IP for network $N: invalid pool request: Pool overlaps with other one on this address space",
            "fatal task error | Pool overlaps with other one on this address space",
        ],
        &["Failed allocation for network $N | something else"],
    ),
    (
        "ingress-missing",
        &[
            "Failed allocation for service $S | ingress network is missing",
            "failed allocating ingress network during init | no",
        ],
        &["Creating default ingress network"],
    ),
    (
        "ingress-twice",
        &[
            "Cannot allocate ingress network ing ($N) because another ingress network is already present: ingress ($N)",
        ],
        &["Cannot allocate ingress network ing"],
    ),
    (
        "waits-for-service",
        &[
            "task allocation failure | service $S to which task $T belongs has pending allocations",
            "task allocation failure | service $S to which this task $T belongs has pending allocations",
        ],
        &["task allocation failure | task $T has pending allocations"],
    ),
    (
        "waits-for-network",
        &["task allocation failure | network $N attached to task $T not allocated yet"],
        &["task allocation failure | network $N attached to task $T"],
    ),
    (
        "network-gone",
        &["task allocation failure | failed to retrieve network $N while allocating task $T"],
        &["task allocation failure | failed to retrieve network $N"],
    ),
    (
        "status-of-unallocated",
        &["Handler for GET /v1.52/networks/proxy returned error: cnmallocator: network $N not found"],
        &["Handler for GET /v1.52/networks/proxy returned error: network proxy not found"],
    ),
    (
        "lb-missing",
        &[
            "fatal task error | Failed to find a load balancer IP to use for network: $N",
            "fatal task error | failed to find a load balancer IP to use for network: $N",
        ],
        &["fatal task error | failed to find a load balancer"],
    ),
    (
        "attach-failed",
        &[
            "Handler for POST /v1.41/containers/x/start returned error: attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded",
            "Could not attach to network proxy: rpc error",
            "Failed remove network attachment $T to network $N on allocation failure: rpc error",
        ],
        &["attached to network proxy"],
    ),
    (
        "network-not-allocated",
        &[
            "Failed allocation for network $N | failed allocating pools and gateway IP for network $N: something new",
            "Failed allocation of unallocated network $N | something new",
            "oops | failed allocating pools and gateway IP for network $N: something new",
        ],
        &["Failed allocation for service $S | something new"],
    ),
    (
        "not-restored",
        &[
            "failed allocating network $N during init | something new",
            "failed allocating task $T during init | something new",
        ],
        &[
            "failed allocating service $S during init | could not allocate VIP from IPAM: Address already in use",
        ],
    ),
    (
        "service-not-allocated",
        &[
            "Failed allocation for service $S | something new",
            "Failed allocation during update of service $S | something new",
        ],
        &["Failed allocation for service $S | could not find an available IP while allocating VIP"],
    ),
    (
        "task-not-allocated",
        &["task allocation failure | something new", "task allocation failure"],
        &[
            "task allocation failure | failed to allocate network IP for task $T network $N: could not find an available IP",
        ],
    ),
    (
        "node-not-allocated",
        &[
            "Failed to allocate network resources for node $D | something new",
            "error reallocating network resources for node $D | something new",
            "error reallocating node $D | something new",
        ],
        &[
            "error reallocating node  | node  cannot be found",
            "Failed to allocate network resources for node $D | could not find an available IP",
        ],
    ),
    (
        "commit-failed",
        &[
            "Failed to commit allocation for service $S | context canceled",
            "Failed to commit allocation during update for service $S | context canceled",
            "Failed to commit allocation of network resources for node $D | context canceled",
        ],
        &["Failed to commit raft entry"],
    ),
    (
        "removed-network",
        &[
            "Failed to allocate network resources for node $D | could not find network allocator state for network $N",
            "error deallocating attachment for network $N on node $D | could not find network allocator state for network $N",
            "error deallocating vip | networkallocator: could not find local network state",
        ],
        &["Failed to allocate network resources for node $D | could not find an available IP"],
    ),
    (
        "old-network",
        &[],
        &[
            "Failed to allocate network resources for node $D | could not find network allocator state for network $N",
        ],
    ),
    (
        "restore-conflict",
        &[
            "failed allocating service $S during init | could not allocate VIP from IPAM: Address already in use",
            "failed allocating task $T during init | failed to allocate network IP for task $T network $N: could not allocate IP from IPAM: Address already in use",
        ],
        &[
            "fatal task error | Address already in use",
            "task allocation failure | failed to allocate network IP for task $T network $N: could not allocate IP from IPAM: Address already in use",
        ],
    ),
    (
        "fixed-address-refused",
        &[
            "task allocation failure | failed to allocate network IP for task $T network $N: could not allocate IP from IPAM: Address already in use",
            "task allocation failure | failed to allocate network IP for task $T network $N: could not allocate IP from IPAM: requested address is out of range",
        ],
        &["task allocation failure | could not find an available IP"],
    ),
    (
        "binding-left",
        &[
            "failed removing service binding for 0f1e2d epRec:{web.1.$T web $S 10.0.1.7 10.0.1.8 [] [] [0f1e]} err:network $N not found",
        ],
        &["failed to deactivate service binding for container web.1.$T | No such container: web.1.$T"],
    ),
    (
        "binding-gone",
        &["failed to deactivate service binding for container web.1.$T | No such container: web.1.$T"],
        &["fatal task error | No such container: web.1.$T"],
    ),
    (
        "released-twice",
        &[
            "IPAM failure while releasing VIP address 10.0.1.7 | invalid pool id: ",
            "IPAM failure while releasing IP address 10.0.1.7 | invalid pool id: ",
        ],
        &["error deallocating vip | no"],
    ),
    (
        "peer-duplicate",
        &[
            "peerDbAdd transient condition - Key:{10.0.1.7 02:42:0a:00:01:07} cardinality:2 db state:Set{a, b}",
            "peerDbAdd transient condition: there is more than one endpoint using the same IP",
            "peerDbDelete transient condition - Key:{10.0.1.7 02:42:0a:00:01:07} cardinality:1 db state:Set{a}",
        ],
        &["peerDbAdd"],
    ),
    (
        "vip-without-address",
        &[
            "error deallocating vip | invalid CIDR address: ",
            "Could not parse VIP address  while releasing | invalid CIDR address: ",
            "Could not parse IP address  while releasing",
        ],
        &["error deallocating vip | rpc error"],
    ),
    (
        "never-allocated-network-freed",
        &["Failed during network free for network $N | could not get networker state for network $N"],
        &["Failed during network free for network $N | failed to free driver state for network $N: no"],
    ),
    (
        "vip-not-freed",
        &["error deallocating vip | rpc error"],
        &["error deallocating vip | invalid CIDR address: "],
    ),
    (
        "network-not-freed",
        &[
            "Failed during network free for network $N | failed to free driver state for network $N: no",
            "Failed during network free for network $N | something new",
        ],
        &["Failed during network free for network $N | could not get networker state for network $N"],
    ),
    (
        "resources-not-freed",
        &[
            "Failed freeing network resources for task $T | something new",
            "Failed freeing network resources for node $D | something new",
            "Failed deallocation during delete of service $S | something new",
            "failed to release IP addresses while rolling back allocation for task $T network $N | something new",
            "error deallocating attachment for network $N on node $D | something new",
        ],
        &[
            "error deallocating attachment for network $N on node $D | could not find network allocator state for network $N",
        ],
    ),
    (
        "rollback-failed",
        &[
            "failed rolling back allocation of service $S | something new",
            "failed rolling back allocation of network $N | something new",
        ],
        &["rolling back service $S"],
    ),
    (
        "task-commit-lost",
        &[
            "allocation commit failure for task $T | object does not exist",
            "task allocation commit failure for task $T",
        ],
        &["task allocation failure"],
    ),
    (
        "store-conflict-retried",
        &[
            "Error (Unable to complete atomic operation, key modified) deleting object [endpoint $N 0f1e2d], retrying....",
        ],
        &["fatal task error | Unable to complete atomic operation, key modified"],
    ),
    (
        "store-conflict-at-start",
        &[],
        &[
            "Error (Unable to complete atomic operation, key modified) deleting object [endpoint $N 0f1e2d], retrying....",
        ],
    ),
    (
        "store-conflict",
        &[
            "fatal task error | Unable to complete atomic operation, key modified",
            "network proxy remove failed: Unable to complete atomic operation, key modified",
            "network proxy remove failed | error while removing network: Unable to complete atomic operation, key modified",
        ],
        &["key modified"],
    ),
    (
        "network-remove-failed",
        &["network proxy remove failed: error while removing network", "network $N remove failed: rpc error"],
        &["network proxy removed", "plugin remove failed"],
    ),
    (
        "gateway-taken",
        &["fatal task error | failed to allocate gateway (10.0.1.1): Address already in use"],
        &["fatal task error | starting container failed: Address already in use"],
    ),
    (
        "address-taken",
        &["fatal task error | starting container failed: Address already in use"],
        &["Handler for POST /start returned error: listen tcp 0.0.0.0:80: bind: address already in use"],
    ),
    (
        "network-kept",
        &[
            "network $N should be removed, but still has active attachments",
            "network $N should have its node LB IP changed, but cannot be removed because of active attachments",
            "skipping nil or malformed node network attachment entry",
        ],
        &["network $N should be removed"],
    ),
    (
        "lb-not-deleted",
        &[
            "Error deleting load balancer sandbox: no",
            "Failed to find load balancer endpoint lb-proxy on network proxy: no",
            "Failed to delete endpoint lb-proxy (0f1e2d) in sandbox: no",
        ],
        &["deleting load balancer"],
    ),
    (
        "vip-not-programmed",
        &[
            "Unable to find load balancing endpoint for network $N",
            "Failed add IP alias 10.0.1.7 to network $N LB endpoint interface eth0: no",
            "Failed to create a new service for vip 10.0.1.7 fwmark 257 in sbox lb_abc: no",
        ],
        &["Failed to create a new service"],
    ),
    (
        "endpoint-left",
        &[
            "fatal task error | endpoint with name web.1 already exists in network proxy",
            "fatal task error | subnet sandbox join failed for \"10.0.1.0/24\": no",
            "failed to get network during CreateEndpoint: network $N not found",
            "fatal task error | failed to get network from store during join: no",
        ],
        &["endpoint with name web.1"],
    ),
    ("status-race", &["fatal error: concurrent map read and map write"], &["concurrent map"]),
    (
        "engine-panic",
        &["panic: runtime error: invalid memory address or nil pointer dereference"],
        &["do not panic"],
    ),
    (
        "engine-start",
        &["Starting up"],
        &["Not Starting up yet", "starting containerd", "Starting Docker Application Container Engine..."],
    ),
    ("engine-stop", &["Daemon shutdown complete", "Processing signal 'terminated'"], &["Daemon shutdown"]),
    (
        "leader-elected",
        &[
            "38f174ddaf85df23 became leader at term 2",
            "raft.node: 38f174ddaf85df23 elected leader 38f174ddaf85df23 at term 2",
            "raft.node: 38f174ddaf85df23 changed leader from 1f to 38f174ddaf85df23 at term 2",
        ],
        &[
            "38f174ddaf85df23 became follower at term 2",
            "raft.node: 38f174ddaf85df23 lost leader 1f at term 2",
        ],
    ),
    (
        "leadership-seen",
        &[
            "leadership changed from not yet part of a raft cluster to $D",
            "Swarm initialized global default address pool to: Subnetlist - 10.0.0.0/8: Size 24",
        ],
        &["leadership"],
    ),
    ("lines-suppressed", &[], &["Suppressed 17 messages from docker.service"]),
    (
        "network-in-use",
        &[
            "Handler for DELETE /v1.41/networks/proxy returned error: rpc error: network $N is in use by task $T",
            "remove | network $N is in use by service $S",
            "remove | error while removing network: network proxy id 0f1e2d has active endpoints",
            "remove | network proxy has active endpoints (name:\"web\" id:\"0f1e2d\")",
        ],
        &["network is in use"],
    ),
    (
        "node-given-up",
        &[
            "moving tasks to orphaned state for node: $D",
            "worker timed-out $D in \"down\" state, moving all tasks to \"ORPHANED\" state",
        ],
        &["worker timed-out $D"],
    ),
    (
        "node-without-id",
        &[
            "error reallocating node  | node  cannot be found",
            "error reallocating network resources for node  | node  cannot be found",
        ],
        &["error reallocating node $D | node $D cannot be found"],
    ),
    ("no-attachment-on-node", &["Failed to find network $N on node $D"], &["Failed to find network $N"]),
    (
        "ipvs-missing",
        &[
            "error reading the kernel parameter net.ipv4.vs.conn_reuse_mode | open /proc/sys/net/ipv4/vs/conn_reuse_mode: no such file or directory",
            "Could not get ipvs family information from the kernel. It is possible that ipvs is not enabled in your kernel. Native loadbalancing will not work until this is fixed.",
            "Running modprobe ip_vs failed with message: ``, error: exec: \"modprobe\": executable file not found in $PATH",
        ],
        &[
            "error reading the kernel parameter net.ipv4.neigh.default.gc_thresh3 | open: no such file or directory",
        ],
    ),
    (
        "kernel-parameter",
        &[
            "error reading the kernel parameter net.ipv4.neigh.default.gc_thresh3 | open /proc/sys/net/ipv4/neigh/default/gc_thresh3: no such file or directory",
        ],
        &["error reading the kernel parameter net.ipv4.vs.conn_reuse_mode | no"],
    ),
    (
        "bridge-vlan",
        &[
            "enabling default vlan on bridge br0 failed open /sys/class/net/br0/bridge/default_pvid: permission denied",
            "reexec to set bridge default vlan failed exit status 1",
        ],
        &["bridge br0 failed"],
    ),
    (
        "image-pull",
        &["pulling image failed | Get \"https://registry.example/v2/\": network is unreachable"],
        &["pulling image"],
    ),
    (
        "mark-rule-missing",
        &[
            "set up rule failed, [-t mangle -D INPUT -d 10.0.1.7/32 -j MARK --set-mark 257]:  (iptables failed: no chain)",
            "Failed to delete firewall mark rule in sbox lb_abcd (lb-prox): reexec failed: exit status 5",
        ],
        &["set up rule failed, [-t nat -D OUTPUT]"],
    ),
    (
        "task-outlived-service",
        &[
            "Event api.EventUpdateTask: Failed to get service $S for task $T state NEW: could not find service $S",
        ],
        &["Event api.EventUpdateTask: Failed to get service $S"],
    ),
    (
        "api-error",
        &[
            "Handler for GET /v1.41/networks/x returned error: network x not found",
            "Error getting service nope: service nope not found",
        ],
        &["Handler for DELETE /v1.41/networks/proxy returned error: network $N is in use by task $T"],
    ),
];

#[test]
fn each_signature_has_a_positive_and_a_negative_fixture_that_hold() {
    for (id, positive, negative) in FIXTURES {
        for text in *positive {
            assert_eq!(id_of(&line(text)), Some(*id), "{text}");
        }
        for text in *negative {
            assert_ne!(id_of(&line(text)), Some(*id), "{text}");
        }
    }
    let mut tested: BTreeSet<_> =
        FIXTURES.iter().filter(|(_, _, negative)| !negative.is_empty()).map(|f| f.0).collect();
    // There each text of another signature is a negative one.
    tested.extend(task_errors::KNOWN.iter().map(|known| known.0));
    let known: BTreeSet<_> = Catalogue::builtin().signatures().map(|signature| signature.id).collect();
    assert_eq!(tested, known);
}

#[test]
fn only_what_another_signature_or_systemd_leads_to_has_no_positive_fixture() {
    let without: BTreeSet<_> =
        FIXTURES.iter().filter(|(_, positive, _)| positive.is_empty()).map(|f| f.0).collect();
    let mut turned: BTreeSet<_> = Catalogue::builtin()
        .signatures()
        .filter_map(|signature| match signature.reclassify {
            Reclassify::Never => None,
            Reclassify::IfNetworkIsOld(id) | Reclassify::IfStartingUp(id) => Some(id),
        })
        .collect();
    turned.insert("lines-suppressed");
    assert_eq!(without, turned);
}

#[test]
fn every_fixture_stays_what_it_is_behind_a_journal_prefix_and_in_an_entry() {
    for (id, positive, _) in FIXTURES {
        for text in *positive {
            let raw = line(text).raw;
            let prefixed = format!("Jun 13 05:38:00 host dockerd[812]: {raw}");
            assert_eq!(id_of(&Record::parse_line(prefixed.as_bytes())), Some(*id), "{prefixed}");
            let entry = serde_json::json!({ "MESSAGE": raw, "SYSLOG_IDENTIFIER": "dockerd" }).to_string();
            assert_eq!(id_of(&Record::parse_entry(entry.as_bytes())), Some(*id), "{entry}");
        }
    }
}

#[test]
fn what_systemd_says_counts_only_from_systemd() {
    for (text, id) in [
        ("Starting Docker Application Container Engine...", "engine-start"),
        ("Starting docker.service - Docker Application Container Engine...", "engine-start"),
        ("Suppressed 17 messages from docker.service", "lines-suppressed"),
        ("Forwarding to syslog missed 12 messages.", "lines-suppressed"),
        (
            "imjournal: 210 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
            "lines-suppressed",
        ),
        ("imjournal: begin to drop messages due to rate-limiting", "lines-suppressed"),
    ] {
        let from =
            |ident: &str| Record::parse_line(format!("Jun 13 05:38:00 host {ident}[1]: {text}").as_bytes());
        assert_eq!(id_of(&from("systemd")), Some(id));
        assert_eq!(id_of(&from("dockerd")), None);
    }
}

#[test]
fn a_syslog_daemon_says_that_it_dropped_lines_and_the_kernels_are_not_the_engines() {
    let from = |prefix: &str, text: &str| {
        Record::parse_line(format!("Jun 13 05:38:00 host {prefix}: {text}").as_bytes())
    };
    let lost = "imuxsock: 7 messages lost due to rate-limiting (200 allowed within 5 seconds)";
    for ident in ["rsyslogd", "rsyslogd-2177[55]"] {
        assert_eq!(id_of(&from(ident, lost)), Some("lines-suppressed"), "{ident}");
    }
    assert_eq!(id_of(&from("systemd-journald[99]", "Missed 41 kernel messages")), None);
}

#[test]
fn a_container_that_quotes_a_signature_is_not_the_engine() {
    let raw =
        line("Failed allocation for service $S | could not find an available IP while allocating VIP").raw;
    let entry =
        serde_json::json!({ "MESSAGE": raw, "SYSLOG_IDENTIFIER": "dockerd", "CONTAINER_ID": "3f4e5d6c7b8a" });
    assert_eq!(id_of(&Record::parse_entry(entry.to_string().as_bytes())), None);
}

#[test]
fn a_line_that_cannot_be_parsed_is_matched_as_a_whole() {
    let torn = Record::parse_line(
        br#"ocation for service x" error="could not find an available IP while allocating VIP" mod"#,
    );
    assert_eq!(torn.form, crate::Form::Unparsed);
    assert_eq!(id_of(&torn), Some("vip-exhausted"));
    assert_eq!(
        id_of(&Record::parse_line(b"fatal error: concurrent map read and map write")),
        Some("status-race")
    );
}

#[test]
fn ids_are_taken_out_of_message_error_and_fields() {
    let of = |text: &str| Subjects::of(&line(text));
    let subjects = of(
        "task allocation failure | failed to allocate network IP for task $T network $N: could not find an available IP",
    );
    assert_eq!(subjects.tasks, [TaskId::from(TASK)].into());
    assert_eq!(subjects.networks, [NetworkId::from(NETWORK)].into());
    let subjects = of(
        "Failed to allocate network resources for node $D | could not find network allocator state for network ID $N",
    );
    assert_eq!(
        (subjects.nodes, subjects.networks),
        ([NodeId::from(NODE)].into(), [NetworkId::from(NETWORK)].into())
    );
    assert_eq!(of("network proxy remove failed: no").networks, [NetworkId::from("proxy")].into());
    assert_eq!(
        of("remove | network web_default id 0f1e has active endpoints").networks,
        [NetworkId::from("web_default")].into()
    );
    assert_eq!(of("error reallocating node  | node  cannot be found"), Subjects::default());
    let attached = Record::parse_line(b"level=error msg=\"fatal task error\" service.id= task.id=");
    assert_eq!(Subjects::of(&attached), Subjects::default());
    let field = format!(
        "level=error msg=\"pulling image failed\" node.id={NODE} service.id={SERVICE} task.id={TASK} vip.network={NETWORK}"
    );
    let subjects = Subjects::of(&Record::parse_line(field.as_bytes()));
    assert_eq!((subjects.services, subjects.nodes), ([ServiceId::from(SERVICE)].into(), BTreeSet::new()));
    assert_eq!(
        (subjects.tasks, subjects.networks),
        ([TaskId::from(TASK)].into(), [NetworkId::from(NETWORK)].into())
    );
}

fn texts(rule: &Rule) -> impl Iterator<Item = &'static str> {
    rule.inner.iter().chain(rule.message).chain(rule.without).copied().chain(rule.exact)
}

#[test]
fn the_table_is_sound() {
    let catalogue = Catalogue::builtin();
    let mut ids = BTreeSet::new();
    for signature in catalogue.signatures() {
        let id = signature.id;
        assert!(ids.insert(id), "{id} is there twice");
        for text in [signature.meaning, signature.remedy, signature.source] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{id}: {text}");
        }
        if let Reclassify::IfNetworkIsOld(other) | Reclassify::IfStartingUp(other) = signature.reclassify {
            assert!(
                catalogue.get(other).is_some_and(|other| other.rules.is_empty()),
                "{id} turns to {other}"
            );
        }
        for rule in signature.rules {
            // Texts are searched in what was unescaped, but a quote in one would hide it from unparsed lines.
            assert!(texts(rule).all(|text| !text.is_empty() && !text.contains(['"', '\\'])), "{id}");
            assert!(rule.rank() < 2 || !rule.message.is_empty(), "{id} matches everything");
        }
    }
    assert!(catalogue.get("no-such-signature").is_none());
}

proptest! {
    #[test]
    fn arbitrary_records_never_panic(message in "\\PC{0,80}", error in proptest::option::of("\\PC{0,80}"), which in 0..FIXTURES.len()) {
        let mut record = line(FIXTURES[which].1.first().unwrap_or(&"x"));
        record.message.push_str(&message);
        record.error = error.or(record.error);
        let _ = (id_of(&record), Subjects::of(&record));
    }
}
