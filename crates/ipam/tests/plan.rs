//! Plans: the host of the incident, every strategy against brute force, bad input.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use pvcheck_ipam::{
    Index, Note, PlanError, PlanRequest, Reason, Rejection, Reservation, Reservations, Strategy, Subnet,
    Workload, plan_subnet,
};

fn subnet(text: &str) -> Subnet {
    Subnet::parse(text).unwrap()
}

const HOST: &str = r#"[
    {"net": "10.0.1.0/24", "owner": "proxy", "source": "docker network"},
    {"net": "10.0.0.0/24", "owner": "ingress", "source": "docker network"},
    {"net": "10.0.2.0/24", "owner": "traefik_internal", "source": "docker network"},
    {"net": "10.0.3.0/24", "owner": "warm-keycloak_internal", "source": "docker network"},
    {"net": "10.0.4.0/24", "owner": "backups_default", "source": "docker network"},
    {"net": "172.17.0.0/16", "owner": "docker0", "source": "docker network"},
    {"net": "172.18.0.0/16", "owner": "docker_gwbridge", "source": "docker network"},
    {"net": "91.98.47.73/32", "owner": "eth0", "source": "host address"},
    {"net": "100.95.31.88/32", "owner": "tailscale0", "source": "host address"},
    {"net": "172.31.1.1/32", "owner": "gateway", "source": "host route"}
]"#;

fn host() -> Index {
    Index::new(Reservations::from_json(HOST).unwrap().list)
}

/// Why a subnet is not suitable, as a plan that prefers it says; `None` if it is chosen.
fn rejected(request: &PlanRequest, index: &Index, candidate: Subnet) -> Option<Rejection> {
    let prefix = request.prefix.or(request.prefer.first().map(|subnet| subnet.prefix()));
    let asked = PlanRequest { prefix, prefer: vec![candidate], ..request.clone() };
    let mut rejected = match plan_subnet(&asked, index) {
        Ok(plan) if plan.preferred => return None,
        Ok(plan) => plan.rejected,
        Err(PlanError::NoRoom { rejected, .. }) => rejected,
        Err(error) => panic!("{candidate}: {error}"),
    };
    Some(rejected.remove(0))
}

fn owners(request: &PlanRequest, candidate: &str) -> Vec<String> {
    let rejection = rejected(request, &host(), subnet(candidate)).unwrap();
    assert_eq!(rejection.reason, Reason::Collides);
    rejection.conflicts.into_iter().map(|conflict| conflict.reservation.owner).collect()
}

#[test]
fn the_host_of_the_incident() {
    let everywhere = vec![subnet("0.0.0.0/0")];
    let request =
        PlanRequest { prefer: vec![subnet("10.10.0.0/16")], allow: everywhere, ..PlanRequest::default() };
    let found = plan_subnet(&request, &host()).unwrap();
    assert_eq!((found.chosen, found.preferred), (subnet("10.10.0.0/16"), true));
    assert_eq!((subnet("10.0.1.0/24").usable(), found.usable), (253, 65_533));
    assert_eq!(found.rejected, []);

    let overlays = ["ingress", "proxy", "traefik_internal", "warm-keycloak_internal", "backups_default"];
    assert_eq!(owners(&request, "10.0.0.0/16"), overlays);
    assert_eq!(owners(&request, "172.17.0.0/16"), ["docker0"]);
    assert_eq!(owners(&request, "172.18.0.0/16"), ["docker_gwbridge"]);
    assert_eq!(owners(&request, "172.31.0.0/16"), ["gateway"]);
    assert_eq!(owners(&request, "100.95.0.0/16"), ["tailscale0"]);
    assert_eq!(owners(&request, "91.98.0.0/16"), ["eth0"]);
    let words = rejected(&request, &host(), subnet("172.31.0.0/16")).unwrap().to_string();
    assert_eq!(words, "172.31.0.0/16 contains 172.31.1.1/32 of gateway (host route)");
    let words = rejected(&request, &host(), subnet("172.17.0.0/16")).unwrap().to_string();
    assert_eq!(words, "172.17.0.0/16 equals 172.17.0.0/16 of docker0 (docker network)");
}

#[test]
fn a_preferred_subnet_that_collides_is_listed_and_another_chosen() {
    let request = PlanRequest {
        prefer: vec![subnet("10.0.0.0/16"), subnet("172.17.0.0/16")],
        default_pools: vec![subnet("10.0.0.0/8")],
        not_seen: vec!["worker-3".into()],
        ..PlanRequest::default()
    };
    let found = plan_subnet(&request, &host()).unwrap();
    assert_eq!((found.chosen, found.preferred), (subnet("10.1.0.0/16"), false));
    let rejected: Vec<_> = found.rejected.iter().map(|rejection| rejection.candidate).collect();
    assert_eq!(rejected, request.prefer, "each once, though the search meets the first again");
    assert_eq!(found.rejected[0].conflicts.len(), 5);
    assert_eq!(found.notes, [Note::DefaultPool { pool: subnet("10.0.0.0/8") }, Note::Unseen { nodes: 1 }]);
    assert_eq!(found.not_seen, ["worker-3"]);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["chosen"], "10.1.0.0/16");
    assert_eq!(json["rejected"][1]["conflicts"][0]["net"], "172.17.0.0/16");
    assert_eq!(json["rejected"][1]["conflicts"][0]["owner"], "docker0");
    assert_eq!(json["rejected"][1]["conflicts"][0]["overlap"], "equal");
    assert_eq!(serde_json::from_value::<pvcheck_ipam::Plan>(json).unwrap(), found);
}

#[test]
fn strategies_differ_where_they_should() {
    let index = Index::new(vec![
        Reservation::new(subnet("10.0.0.0/26").net(), "a", "test"),
        Reservation::new(subnet("10.0.0.128/28").net(), "b", "test"),
        Reservation::new(subnet("10.0.0.160/27").net(), "c", "test"),
    ]);
    let chosen = |strategy| {
        let allow = vec![subnet("10.0.0.0/24")];
        let request = PlanRequest { prefix: Some(28), allow, strategy, ..PlanRequest::default() };
        plan_subnet(&request, &index).unwrap().chosen
    };
    assert_eq!(chosen(Strategy::FirstFit), subnet("10.0.0.64/28"));
    assert_eq!(chosen(Strategy::BestFit), subnet("10.0.0.144/28"));
    assert_eq!(chosen(Strategy::RoomToGrow), subnet("10.0.0.64/28"));
    let grow = PlanRequest {
        prefer: vec![subnet("10.0.0.144/28")],
        strategy: Strategy::RoomToGrow,
        ..PlanRequest::default()
    };
    // The sibling may not grow beyond what is allowed either.
    let alone = PlanRequest {
        allow: vec![subnet("10.0.0.64/28")],
        prefer: vec![subnet("10.0.0.64/28")],
        ..grow.clone()
    };
    let rejection = rejected(&alone, &index, subnet("10.0.0.64/28")).unwrap();
    assert_eq!((rejection.reason, rejection.conflicts.len()), (Reason::SiblingTaken, 0));
    assert_eq!(rejection.to_string(), "10.0.0.64/28 is free, but its sibling is not allowed or not free");
    let rejection = rejected(&grow, &index, subnet("10.0.0.144/28")).unwrap();
    assert_eq!(rejection.reason, Reason::SiblingTaken);
    assert_eq!(
        rejection.to_string(),
        "10.0.0.144/28 is free, but its sibling is not allowed or not free: 10.0.0.128/28 of b (test)"
    );
}

#[test]
fn bad_requests_get_one_line_with_the_mend() {
    let message = |request: PlanRequest| plan_subnet(&request, &host()).unwrap_err().to_string();
    let base = PlanRequest::default;
    let workload = |services| Some(Workload { services, replicas: 1, nodes: 1, growth_percent: 0 });
    assert_eq!(message(base()), "no size given: name a prefix, a workload or a preferred subnet");
    assert_eq!(
        message(PlanRequest { prefix: Some(31), ..base() }),
        "prefix /31 is not a size for an overlay: choose /1 to /30, for example /24"
    );
    assert_eq!(
        message(PlanRequest { prefix: Some(28), workload: workload(5), ..base() }),
        "a /28 has 13 usable addresses and the workload needs 16: choose /27 or wider"
    );
    assert!(
        message(PlanRequest { workload: workload(u64::MAX), ..base() }).contains("split it over networks")
    );
    assert_eq!(
        message(PlanRequest {
            prefix: Some(24),
            allow: vec![subnet("10.1.0.0/16")],
            deny: vec![subnet("10.0.0.0/8")],
            ..base()
        }),
        "the deny list leaves nothing of the allowed subnets: deny less or allow more"
    );
    assert_eq!(
        message(PlanRequest { prefix: Some(16), allow: vec![subnet("172.17.0.0/16")], ..base() }),
        "no free /16 in the allowed subnets: they are taken completely, so allow more"
    );
    assert_eq!(
        message(PlanRequest { prefix: Some(8), ..base() }),
        "no free /8 in the allowed subnets: the largest free block is 10.128.0.0/9, so allow more or ask for less"
    );
    let lone = vec![subnet("10.5.0.0/16")];
    assert_eq!(
        message(PlanRequest { prefix: Some(16), allow: lone, strategy: Strategy::RoomToGrow, ..base() }),
        "no free /16 with a free sibling in the allowed subnets: 10.5.0.0/16 is free without one, so use \
         first-fit or allow more"
    );
}

#[test]
fn no_room_to_grow_names_the_largest_block_where_nothing_of_the_size_is_free() {
    let half = vec![subnet("10.5.0.0/17")];
    let request = PlanRequest {
        prefix: Some(16),
        allow: half,
        strategy: Strategy::RoomToGrow,
        ..PlanRequest::default()
    };
    assert_eq!(
        plan_subnet(&request, &host()).unwrap_err().to_string(),
        "no free /16 with a free sibling in the allowed subnets: the largest free block is 10.5.0.0/17, so \
         allow more or ask for less"
    );
}

#[test]
fn every_rival_of_a_sibling_is_named() {
    let items = [("10.0.0.0/30", "a"), ("10.0.0.8/30", "b")]
        .map(|(net, owner)| Reservation::new(subnet(net).net(), owner, "test"));
    let request = PlanRequest { prefix: Some(28), strategy: Strategy::RoomToGrow, ..PlanRequest::default() };
    let index = Index::new(items.to_vec());
    let rejection = rejected(&request, &index, subnet("10.0.0.16/28")).unwrap();
    assert_eq!(
        rejection.to_string(),
        "10.0.0.16/28 is free, but its sibling is not allowed or not free: 10.0.0.0/30 of a (test), \
         10.0.0.8/30 of b (test)"
    );
}

#[test]
fn a_workload_may_fill_its_prefix_to_the_last_address() {
    let workload = Workload { services: 4, replicas: 1, nodes: 1, growth_percent: 0 };
    let request = PlanRequest { prefix: Some(28), workload: Some(workload), ..PlanRequest::default() };
    let found = plan_subnet(&request, &host()).unwrap();
    assert_eq!((found.needed, found.usable), (Some(13), 13));
}

#[test]
fn notes_say_what_to_know() {
    let noted = |services| {
        let request = PlanRequest {
            workload: Some(Workload { services, replicas: 1, nodes: 1, growth_percent: 0 }),
            default_pools: vec![subnet("10.0.0.0/8")],
            not_seen: vec!["a".into(), "b".into()],
            ..PlanRequest::default()
        };
        plan_subnet(&request, &host()).unwrap().notes.iter().map(Note::to_string).collect::<Vec<_>>()
    };
    assert_eq!(noted(250).len(), 2, "250 VIP services are not too many yet");
    let [pool, unseen, vips] = &noted(251)[..] else { panic!("three things are to be known") };
    assert!(pool.starts_with("it overlaps the Swarm's default address pool 10.0.0.0/8: "), "{pool}");
    assert!(unseen.starts_with("2 nodes were not inspected: "), "{unseen}");
    assert!(vips.starts_with("251 VIP services are slow"), "{vips}");
}

#[test]
fn no_room_says_who_is_in_the_way() {
    let request =
        PlanRequest { prefix: Some(16), allow: vec![subnet("172.16.0.0/14")], ..PlanRequest::default() };
    let mut items = Reservations::from_json(HOST).unwrap().list;
    items.push(Reservation::new(subnet("172.16.9.0/24").net(), "vpn", "config"));
    items.push(Reservation::new(subnet("172.19.0.0/16").net(), "lab", "config"));
    let Err(PlanError::NoRoom { rejected, largest_free, .. }) = plan_subnet(&request, &Index::new(items))
    else {
        panic!("there is no room");
    };
    let owners: Vec<_> = rejected.iter().map(|rejection| &rejection.conflicts[0].reservation.owner).collect();
    assert_eq!(owners, ["vpn", "docker0", "docker_gwbridge", "lab"]);
    assert_eq!(largest_free, Some(subnet("172.16.128.0/17")));
}

#[test]
fn a_workload_finds_its_own_size() {
    let workload = Workload { services: 300, replicas: 2, nodes: 5, growth_percent: 50 };
    let found =
        plan_subnet(&PlanRequest { workload: Some(workload), ..PlanRequest::default() }, &host()).unwrap();
    assert_eq!(found.needed, Some(1_808));
    assert_eq!((found.chosen, found.usable), (subnet("10.0.8.0/21"), 2_045));
    assert_eq!(found.notes, [Note::ManyVips { services: 300 }]);
    assert_eq!(found.rejected.len(), 1);
}

/// A million /28 side by side, and one gap among them.
#[test]
fn a_million_reservations_are_planned() {
    let all = (0_u32..1_000_000).filter(|at| *at != 777_777);
    let items = all.map(|at| {
        let net = Subnet::around(Ipv4Addr::from(0x0A00_0000 + at * 16), 28).unwrap();
        Reservation::new(net.net(), "owner", "test")
    });
    let index = Index::new(items.collect());
    let gap = Subnet::around(Ipv4Addr::from(0x0A00_0000 + 777_777 * 16), 28).unwrap();
    let request = PlanRequest { prefix: Some(28), ..PlanRequest::default() };
    let found = plan_subnet(&request, &index).unwrap();
    assert_eq!(found.chosen, gap);
    assert_eq!(found.rejected.len(), 16);
    assert_eq!(index.count_conflicts(subnet("10.0.0.0/16")), 4_096);
    let wide = rejected(&PlanRequest { prefix: Some(9), ..request }, &index, subnet("10.0.0.0/9")).unwrap();
    assert_eq!((wide.conflicts.len(), wide.conflicts_unlisted), (256, (1 << 19) - 256));
    assert!(wide.to_string().ends_with(", and 524032 more"));
}

fn small_net() -> impl Generator<Value = Subnet> {
    (0_u32..256, 25_u8..=32)
        .prop_map(|(low, prefix)| Subnet::around(Ipv4Addr::from(0x0A00_0000 + low), prefix).unwrap())
}

proptest! {
    /// Against every block of the size, one by one.
    #[test]
    fn plans_agree_with_brute_force(
        held in prop::collection::vec(small_net(), 0..8), deny in prop::collection::vec(small_net(), 0..3),
        allow in prop::collection::vec(small_net(), 1..4), prefix in 25_u8..=30, grow: bool,
    ) {
        let items: Vec<_> = held.iter().map(|net| Reservation::new(net.net(), "o", "t")).collect();
        let index = Index::new(items.iter().rev().cloned().collect());
        let strategy = if grow { Strategy::RoomToGrow } else { Strategy::FirstFit };
        let request = PlanRequest { prefix: Some(prefix), allow, deny, strategy, ..PlanRequest::default() };
        let size = 1_u32 << (32 - prefix);
        let good = |net: Subnet| {
            let addrs = u32::from(net.first())..=u32::from(net.last());
            addrs.map(Ipv4Addr::from).all(|addr| {
                let within = |nets: &[Subnet]| nets.iter().any(|net| net.contains(addr));
                within(&request.allow) && !within(&request.deny) && !within(&held)
            })
        };
        let expected = (0..256 / size)
            .map(|at| Subnet::around(Ipv4Addr::from(0x0A00_0000 + at * size), prefix).unwrap())
            .find(|net| good(*net) && (!grow || good(net.sibling().unwrap())));
        let found = plan_subnet(&request, &index);
        prop_assert_eq!(found.as_ref().ok().map(|plan| plan.chosen), expected);
        prop_assert_eq!(&found, &plan_subnet(&request, &Index::new(items)), "the order of the input matters");
        if let Ok(plan) = found {
            prop_assert_eq!(rejected(&request, &index, plan.chosen), None);
            for rejection in plan.rejected {
                prop_assert!(!good(rejection.candidate) || rejection.reason == Reason::SiblingTaken);
                prop_assert!(rejection.candidate < plan.chosen);
            }
        }
    }

    #[test]
    fn requests_from_anywhere_never_panic(text in "\\PC*", prefix: Option<u8>, nets in prop::collection::vec(any::<(u32, u8)>(), 0..6)) {
        let _ = serde_json::from_str::<PlanRequest>(&text);
        let nets: Vec<_> = nets.iter().filter_map(|(addr, p)| Subnet::around(Ipv4Addr::from(*addr), p % 33)).collect();
        for strategy in [Strategy::FirstFit, Strategy::BestFit, Strategy::RoomToGrow] {
            let (allow, deny) = nets.split_at(nets.len() / 2);
            let request = PlanRequest {
                prefix, prefer: nets.clone(), allow: allow.to_vec(), deny: deny.to_vec(), strategy, ..PlanRequest::default()
            };
            if let Ok(found) = plan_subnet(&request, &host()) {
                prop_assert_eq!(rejected(&request, &host(), found.chosen), None);
            }
        }
    }
}
