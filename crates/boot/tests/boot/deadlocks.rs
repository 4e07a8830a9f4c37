//! Which waits are deadlocks, and what gets out of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use pvcheck_boot::{BootReport, Deadlock, LinkKind, Remedy, Serves, Unit, UnitSet, Wait, WaitOutcome};

const HOST: [(&str, &str); 6] = [
    (
        "multi-user.target",
        "[Unit]\nRequires=basic.target\nAfter=basic.target\n\
         Wants=swarm-init.service deploy-proxy.service deploy-bridge.service deploy-dashboard.service\n\
         Wants=deploy-drone.service\n",
    ),
    ("swarm-init.service", "[Service]\nType=oneshot\n"),
    (
        "deploy-proxy.service",
        "[Unit]\nAfter=swarm-init.service\n[Service]\nType=oneshot\nTimeoutStartSec=900\n\
         ExecStart=/bin/warm_reconcile.py traefik\n",
    ),
    ("deploy-bridge.service", "[Unit]\nAfter=deploy-proxy.service\n[Service]\nType=oneshot\n"),
    (
        "deploy-dashboard.service",
        "[Unit]\nAfter=deploy-proxy.service \\\n  swarm-init.service\n[Service]\nType=oneshot\n",
    ),
    ("deploy-drone.service", "[Unit]\nAfter=deploy-proxy.service\n[Service]\nType=oneshot\n"),
];

fn units(files: &[(&str, &str)]) -> Vec<Unit> {
    files.iter().map(|(name, text)| Unit::parse(name, text).unwrap().0).collect()
}

/// The host with one file replaced.
fn host_with(name: &str, text: &str) -> Vec<Unit> {
    let mut files = HOST.to_vec();
    files.iter_mut().filter(|file| file.0 == name).for_each(|file| file.1 = text);
    units(&files)
}

/// The analysis of a set that is known to be whole.
fn analyse(units: &[Unit], waits: &[Wait], serves: &[Serves]) -> BootReport {
    pvcheck_boot::analyse(&UnitSet::whole(units.to_vec()), waits, serves)
}

fn wait(unit: &str, url: &str) -> Wait {
    Wait { unit: unit.parse().unwrap(), url: url.parse().unwrap(), during: None }
}

fn serves(host: &str, unit: &str, via: Option<&str>) -> Serves {
    let via = via.map(|via| via.parse().unwrap());
    Serves { host: host.to_owned(), port: None, path_prefix: None, unit: unit.parse().unwrap(), via }
}

fn served() -> Vec<Serves> {
    let proxy = Some("deploy-proxy.service");
    vec![
        serves("ci.commoninternet.net", "deploy-dashboard.service", proxy),
        serves("drone.ci.commoninternet.net", "deploy-drone.service", proxy),
        Serves {
            path_prefix: Some("/api/version".to_owned()),
            ..serves("traefik.ci.commoninternet.net", "deploy-proxy.service", None)
        },
    ]
}

fn probing(url: &str) -> BootReport {
    analyse(&units(&HOST), &[wait("deploy-proxy.service", url)], &served())
}

fn only(report: &BootReport) -> &Deadlock {
    assert_eq!(report.deadlocks.len(), 1, "{report:#?}");
    &report.deadlocks[0]
}

fn remedy<'a>(deadlock: &'a Deadlock, part: &str) -> &'a Remedy {
    let found: Vec<_> =
        deadlock.remedies.iter().filter(|remedy| remedy.change.to_string().contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {:#?}", deadlock.remedies);
    found[0]
}

fn flags(remedy: &Remedy) -> (bool, Option<bool>) {
    (remedy.breaks_cycle, remedy.keeps_proof)
}

#[test]
fn a_gate_on_what_comes_after_it_is_a_deadlock() {
    let report = probing("https://ci.commoninternet.net/");
    let deadlock = only(&report);
    let (proxy, dashboard) = ("deploy-proxy.service", "deploy-dashboard.service");
    let url = "https://ci.commoninternet.net/";
    let chain: Vec<_> = deadlock.chain.iter().map(|l| (l.from.as_str(), l.to.as_str(), l.kind)).collect();
    let expected = [
        (proxy, url, LinkKind::WaitsFor),
        (url, dashboard, LinkKind::Serves),
        (dashboard, proxy, LinkKind::After),
    ];
    assert_eq!(chain, expected);
    assert_eq!(deadlock.chain[2].evidence, "After=deploy-proxy.service (deploy-dashboard.service:2)");
    assert_eq!(deadlock.bound_ms, Some(900_000));
    assert_eq!(deadlock.bound_reason.to_string(), "TimeoutStartSec=900 (deploy-proxy.service:5)");
    assert_eq!(report.deadlock_free(), Some(false));
    assert_eq!(report.waits[0].outcome, WaitOutcome::Deadlock);
}

#[test]
fn a_gate_on_the_units_own_service_is_none() {
    let report = probing("https://traefik.ci.commoninternet.net/api/version");
    assert_eq!(report.deadlocks, []);
    assert_eq!((report.waits[0].outcome, report.deadlock_free()), (WaitOutcome::Free, Some(true)));
}

#[test]
fn moving_the_gate_to_drone_would_still_be_circular() {
    let deadlock = &probing("https://drone.ci.commoninternet.net/").deadlocks[0];
    assert_eq!(deadlock.chain[1].to, "deploy-drone.service");
}

#[test]
fn remedies_were_tried() {
    let report = probing("https://ci.commoninternet.net/");
    let deadlock = only(&report);
    let own = remedy(deadlock, "wait for https://traefik.ci.commoninternet.net/api/version");
    assert_eq!(flags(own), (true, Some(true)));
    let drone = remedy(deadlock, "wait for https://drone.ci.commoninternet.net/");
    assert_eq!(flags(drone), (false, Some(true)), "it goes through the proxy, but comes after it");
    assert_eq!(flags(remedy(deadlock, "remove After=deploy-proxy.service")), (true, Some(true)));
    assert_eq!(flags(remedy(deadlock, "reverse the order")), (true, Some(true)));
    assert_eq!(flags(remedy(deadlock, "without waiting for https")), (true, Some(false)));
    let useless: Vec<_> = deadlock.remedies.iter().map(|remedy| !remedy.breaks_cycle).collect();
    assert!(useless.is_sorted(), "what does not help comes last: {useless:?}");
}

#[test]
fn a_second_way_back_makes_a_remedy_useless() {
    let text = "[Unit]\nAfter=deploy-proxy.service deploy-bridge.service\n[Service]\nType=oneshot\n";
    let units = host_with("deploy-dashboard.service", text);
    let waits = [wait("deploy-proxy.service", "https://ci.commoninternet.net/")];
    let report = analyse(&units, &waits, &served());
    let deadlock = only(&report);
    assert_eq!(deadlock.chain.len(), 3, "the shortest chain is shown");
    assert!(!remedy(deadlock, "remove After=deploy-proxy.service").breaks_cycle);
    assert!(!remedy(deadlock, "reverse the order").breaks_cycle, "the bridge still leads back");
    assert!(remedy(deadlock, "traefik").breaks_cycle);
}

#[test]
fn the_order_may_lead_back_through_others_and_through_before() {
    let files = [
        ("gate.service", "[Unit]\nBefore=middle.target\nWants=middle.target\n[Service]\nType=oneshot"),
        ("middle.target", ""),
        ("app.service", "[Unit]\nAfter=middle.target"),
    ];
    let waits = [wait("gate.service", "http://app.example/x?token=s3cret")];
    let report = analyse(&units(&files), &waits, &[serves("app.example", "app.service", None)]);
    let deadlock = only(&report);
    let kinds: Vec<_> = deadlock.chain.iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [LinkKind::WaitsFor, LinkKind::Serves, LinkKind::After, LinkKind::After]);
    assert_eq!(deadlock.chain[3].evidence, "Before=middle.target (gate.service:2)");
    assert_eq!((deadlock.bound_ms, deadlock.chain[3].to.as_str()), (None, "gate.service"));
    assert!(deadlock.bound_reason.to_string().starts_with("no limit"), "{}", deadlock.bound_reason);
    assert!(!serde_json::to_string(&report).unwrap().contains("s3cret"));
    assert_eq!(flags(remedy(deadlock, "endpoint of the service that it starts itself")), (true, Some(true)));
    assert!(remedy(deadlock, "remove Before=middle.target").breaks_cycle);
    assert!(deadlock.reproduction.iter().all(|line| !line.contains("middle.target")));
}

#[test]
fn an_implied_order_is_no_remedy_but_a_chain() {
    let files =
        [("net.service", "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target"), ("app.service", "")];
    let waits = [wait("net.service", "https://app.example/")];
    let report = analyse(&units(&files), &waits, &[serves("app.example", "app.service", None)]);
    let deadlock = only(&report);
    assert!(deadlock.chain[2].evidence.contains("systemd.service(5), default dependencies"));
    assert!(
        deadlock.remedies.iter().all(|remedy| !remedy.change.to_string().contains("After=sysinit.target ("))
    );
    assert_eq!(
        (deadlock.bound_ms, deadlock.bound_reason.to_string().contains("default limit")),
        (Some(90_000), true)
    );
}

#[test]
fn a_router_that_comes_after_the_gate_is_a_deadlock_too() {
    let files = [("gate.service", ""), ("router.service", "[Unit]\nAfter=gate.service"), ("app.service", "")];
    let waits = [wait("gate.service", "https://app.example/")];
    let direct = analyse(&units(&files), &waits, &[serves("app.example", "app.service", None)]);
    assert_eq!(direct.deadlock_free(), Some(true));
    let routed = [serves("app.example", "app.service", Some("router.service"))];
    assert_eq!(only(&analyse(&units(&files), &waits, &routed)).chain[1].to, "router.service");
}

#[test]
fn two_gates_can_hold_each_other_up() {
    // a waits for x; x comes after b; b waits for y; y comes after a. No unit file names any of it.
    let files = [
        ("a.service", "[Service]\nTimeoutStartSec=10min"),
        ("b.service", "[Service]\nTimeoutStartSec=2min"),
        ("x.service", "[Unit]\nAfter=b.service"),
        ("y.service", "[Unit]\nAfter=a.service"),
    ];
    let waits = [wait("a.service", "https://x.example/"), wait("b.service", "https://y.example/")];
    let served = [serves("x.example", "x.service", None), serves("y.example", "y.service", None)];
    let report = analyse(&units(&files), &waits, &served);
    let deadlock = only(&report);
    assert_eq!(deadlock.chain.len(), 6, "{:#?}", deadlock.chain);
    assert_eq!(deadlock.bound_ms, Some(120_000), "the first to give up ends it");
    assert!(report.waits.iter().all(|row| row.outcome == WaitOutcome::Deadlock));
    assert!(remedy(deadlock, "remove After=b.service").breaks_cycle);
}

#[test]
fn one_of_several_servers_is_enough() {
    let files = [("gate.service", ""), ("late.service", "[Unit]\nAfter=gate.service"), ("early.service", "")];
    let waits = [wait("gate.service", "https://app.example/")];
    let late = serves("app.example", "late.service", None);
    let both = [late.clone(), serves("app.example", "early.service", None)];
    assert_eq!(analyse(&units(&files), &waits, &both).deadlocks, []);
    assert_eq!(analyse(&units(&files), &waits, &[late.clone(), late]).deadlocks.len(), 1);
}

#[test]
fn a_way_out_for_one_gate_is_one_for_those_behind_it() {
    // Were only x-late.service there, a and b would hold each other up as above.
    let files = [
        ("a.service", ""),
        ("b.service", ""),
        ("x-late.service", "[Unit]\nAfter=b.service"),
        ("x-early.service", ""),
        ("y.service", "[Unit]\nAfter=a.service"),
    ];
    let waits = [wait("a.service", "https://x.example/"), wait("b.service", "https://y.example/")];
    let served = [
        serves("x.example", "x-late.service", None),
        serves("x.example", "x-early.service", None),
        serves("y.example", "y.service", None),
    ];
    assert_eq!(analyse(&units(&files), &waits, &served).deadlock_free(), Some(true));
    assert_eq!(analyse(&units(&files), &waits, &[served[0].clone(), served[2].clone()]).deadlocks.len(), 1);
}

#[test]
fn a_wait_for_the_units_own_service_is_not_to_blame_for_anothers() {
    let mut served = served();
    served.push(serves("init.example", "swarm-init.service", None));
    let waits = [
        wait("deploy-proxy.service", "https://traefik.ci.commoninternet.net/api/version"),
        wait("swarm-init.service", "https://ci.commoninternet.net/"),
    ];
    let report = analyse(&units(&HOST), &waits, &served);
    assert_eq!(only(&report).chain[0].from, "swarm-init.service");
    let outcomes: Vec<_> = report.waits.iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, [WaitOutcome::Free, WaitOutcome::Deadlock]);
}

#[test]
fn a_remedy_that_only_moves_the_deadlock_is_none() {
    let waits = [
        wait("deploy-proxy.service", "https://ci.commoninternet.net/"),
        // Fine as things are: the proxy comes first. In reverse order it is the next deadlock.
        wait("deploy-dashboard.service", "https://traefik.ci.commoninternet.net/api/version"),
    ];
    let report = analyse(&units(&HOST), &waits, &served());
    let deadlock = only(&report);
    assert_eq!(report.waits[1].outcome, WaitOutcome::Free);
    assert!(!remedy(deadlock, "reverse the order").breaks_cycle);
    assert!(remedy(deadlock, "remove After=deploy-proxy.service").breaks_cycle);
}

#[test]
fn the_more_specific_declaration_counts() {
    let files = [("gate.service", ""), ("late.service", "[Unit]\nAfter=gate.service"), ("early.service", "")];
    let waits = [wait("gate.service", "https://app.example/hook")];
    let hook =
        Serves { path_prefix: Some("/hook".to_owned()), ..serves("app.example", "early.service", None) };
    let report = analyse(&units(&files), &waits, &[serves("app.example", "late.service", None), hook]);
    assert_eq!(report.deadlock_free(), Some(true));
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let files = [("gate.service", ""), ("app.service", "")];
    let mut masked = units(&files);
    masked[1].masked = true;
    let waits = [wait("gate.service", "https://app.example/")];
    for (units, served, reason) in [
        (units(&files), vec![], "no unit is known to serve https://app.example/"),
        (
            units(&files),
            vec![serves("app.example", "gone.service", None)],
            "gone.service is not among the units",
        ),
        (units(&files[1..]), vec![serves("app.example", "app.service", None)], "gate.service is not among"),
        (masked, vec![serves("app.example", "app.service", None)], "app.service is masked"),
    ] {
        let report = analyse(&units, &waits, &served);
        assert_eq!((report.waits[0].outcome, report.deadlock_free()), (WaitOutcome::Unknown, None));
        let found = report.waits[0].reason.as_ref().unwrap().to_string();
        assert!(found.starts_with(reason), "{found}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["waits"][0]["reason"], found);
        assert!(json["waits"][0]["kind"].is_string(), "{json}");
        assert_eq!(serde_json::from_value::<BootReport>(json).unwrap(), report);
    }
    assert_eq!(analyse(&units(&files), &[], &[]).deadlock_free(), None, "nothing declared, nothing proven");
}

#[test]
fn a_free_wait_names_the_units_that_were_not_seen() {
    let files = [
        ("gate.service", ""),
        ("app.service", "[Unit]\nAfter=middle.service\nWants=far.service middle.service"),
        ("middle.service", "[Unit]\nAfter=unread.service"),
        ("other.service", "[Unit]\nAfter=unrelated.service"),
    ];
    let waits = [wait("gate.service", "https://app.example/")];
    let report = analyse(&units(&files), &waits, &[serves("app.example", "app.service", None)]);
    assert_eq!(report.waits[0].outcome, WaitOutcome::Free);
    assert_eq!(report.waits[0].not_seen, ["unread.service".parse().unwrap()]);
}

#[test]
fn a_probe_without_tls_or_past_the_router_proves_less() {
    let mut served = served();
    served.push(serves("elsewhere.example", "swarm-init.service", None));
    served.push(serves("other.example", "swarm-init.service", Some("deploy-bridge.service")));
    let waits = [wait("deploy-proxy.service", "https://ci.commoninternet.net/")];
    let report = analyse(&units(&HOST), &waits, &served);
    let deadlock = only(&report);
    assert_eq!(flags(remedy(deadlock, "elsewhere.example")), (true, None));
    assert_eq!(flags(remedy(deadlock, "other.example")), (false, Some(false)));
}

#[test]
fn what_a_change_brought_in_is_told_from_what_was_there() {
    let waits = [
        wait("deploy-proxy.service", "https://ci.commoninternet.net/"),
        wait("swarm-init.service", "https://drone.ci.commoninternet.net/"),
    ];
    let before = analyse(&units(&HOST), &waits[..1], &served());
    let after = analyse(&units(&HOST), &waits, &served());
    let nothing = before.clone().introduced_since(&before);
    assert_eq!((nothing.deadlock_free(), nothing.known_before), (Some(true), Some(1)), "{nothing:#?}");
    let new = after.introduced_since(&before);
    assert_eq!((only(&new).chain[0].from.as_str(), new.known_before), ("swarm-init.service", Some(1)));
    assert_eq!(new.deadlock_free(), Some(false));
}

#[test]
fn the_reproduction_starts_the_gated_unit_alone() {
    let report = probing("https://ci.commoninternet.net/");
    assert_eq!(
        only(&report).reproduction,
        [
            "systemctl stop deploy-proxy.service deploy-dashboard.service",
            "systemctl reset-failed deploy-proxy.service deploy-dashboard.service",
            "systemctl start --no-block deploy-proxy.service",
            "journalctl --follow --unit deploy-proxy.service",
            "systemctl start deploy-proxy.service deploy-dashboard.service",
        ]
    );
}

#[test]
fn the_report_has_the_promised_shape_and_reads_back() {
    let report = probing("https://ci.commoninternet.net/");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["units"], 6);
    let kinds: Vec<_> =
        json["deadlocks"][0]["chain"].as_array().unwrap().iter().map(|l| &l["kind"]).collect();
    assert_eq!(kinds, ["waits-for", "serves", "after"]);
    assert!(json["deadlocks"][0]["remedies"][0]["breaks_cycle"].as_bool().unwrap());
    let deadlock = &json["deadlocks"][0];
    assert_eq!((&deadlock["bound_kind"], deadlock["bound_reason"].is_string()), (&"configured".into(), true));
    for remedy in deadlock["remedies"].as_array().unwrap() {
        assert!(remedy["kind"].is_string() && remedy["change"].is_string(), "{remedy}");
    }
    assert_eq!(
        (&json["waits"][0]["reason"], &json["waits"][0]["kind"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(serde_json::from_value::<BootReport>(json).unwrap(), report);
}

/// A small world: unit `i` may be after units with a lower number (so the order has no cycle of its own), waits
/// are from unit to server, and each server has a host of its own.
#[derive(Clone, Debug)]
struct Small {
    units: usize,
    after: Vec<(usize, usize)>,
    waits: Vec<(usize, usize)>,
    before_instead: Vec<bool>,
}

fn small() -> impl Strategy<Value = Small> {
    (2usize..8).prop_flat_map(|units| {
        let pair = (0..units, 0..units);
        let after = proptest::collection::vec(pair.clone(), 0..14);
        let waits = proptest::collection::vec(pair, 0..4);
        (Just(units), after, waits, proptest::collection::vec(any::<bool>(), 14)).prop_map(
            |(units, after, waits, before_instead)| {
                let ordered = after.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b)));
                Small { units, after: ordered.collect(), waits, before_instead }
            },
        )
    })
}

impl Small {
    fn units(&self) -> Vec<Unit> {
        let text = |unit| {
            let lines =
                self.after.iter().zip(&self.before_instead).filter_map(|((later, earlier), before)| {
                    match (*before, unit == *later, unit == *earlier) {
                        (true, _, true) => Some(format!("Before=u{later}.service")),
                        (false, true, _) => Some(format!("After=u{earlier}.service")),
                        _ => None,
                    }
                });
            let lines: Vec<String> = lines.collect();
            format!("[Unit]\nDefaultDependencies=no\n{}", lines.join("\n"))
        };
        (0..self.units).map(|n| Unit::parse(&format!("u{n}.service"), &text(n)).unwrap().0).collect()
    }

    fn report(&self) -> BootReport {
        let waits =
            self.waits.iter().map(|(from, to)| wait(&format!("u{from}.service"), &format!("https://h{to}/")));
        let served = (0..self.units).map(|n| serves(&format!("h{n}"), &format!("u{n}.service"), None));
        analyse(&self.units(), &waits.collect::<Vec<_>>(), &served.collect::<Vec<_>>())
    }

    /// Plays the boot: begins and finishes units until nothing moves any more, and returns those not done.
    fn stuck(&self) -> BTreeSet<usize> {
        let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let moves = begun.len() + done.len();
            for unit in 0..self.units {
                if self
                    .after
                    .iter()
                    .filter(|(later, _)| *later == unit)
                    .all(|(_, earlier)| done.contains(earlier))
                {
                    begun.insert(unit);
                }
                let served =
                    self.waits.iter().filter(|(from, _)| *from == unit).all(|(_, to)| begun.contains(to));
                if begun.contains(&unit) && served {
                    done.insert(unit);
                }
            }
            if begun.len() + done.len() == moves {
                return (0..self.units).filter(|unit| !done.contains(unit)).collect();
            }
        }
    }

    /// Whether `from` is ordered after `to`, by trying every path.
    fn reaches(&self, from: usize, to: usize) -> bool {
        from == to || self.after.iter().any(|(later, earlier)| *later == from && self.reaches(*earlier, to))
    }
}

proptest! {
    #[test]
    fn deadlocks_are_there_exactly_when_the_boot_gets_stuck(small in small()) {
        let (report, stuck) = (small.report(), small.stuck());
        prop_assert_eq!(report.deadlocks.is_empty(), stuck.is_empty(), "{:?}", stuck);
        for deadlock in &report.deadlocks {
            for link in deadlock.chain.iter().filter(|link| link.kind == LinkKind::WaitsFor) {
                let unit: usize = link.from[1..].trim_end_matches(".service").parse().unwrap();
                prop_assert!(stuck.contains(&unit));
            }
        }
    }

    #[test]
    fn a_single_wait_agrees_with_reachability(small in small()) {
        let small = Small { waits: small.waits.first().copied().into_iter().collect(), ..small };
        let expected = small.waits.iter().any(|(from, to)| from != to && small.reaches(*to, *from));
        prop_assert_eq!(!small.report().deadlocks.is_empty(), expected);
    }

    #[test]
    fn chains_are_closed_and_a_dropped_wait_always_helps_alone(small in small()) {
        for deadlock in small.report().deadlocks {
            let next = deadlock.chain.iter().cycle().skip(1);
            prop_assert!(deadlock.chain.iter().zip(next).all(|(link, next)| link.to == next.from));
            let single = deadlock.chain.iter().filter(|link| link.kind == LinkKind::WaitsFor).count() == 1;
            let dropped = deadlock.remedies.iter().find(|remedy| remedy.change.to_string().starts_with("start ")).unwrap();
            prop_assert!(!single || dropped.breaks_cycle);
            prop_assert_eq!(dropped.keeps_proof, Some(false));
        }
    }
}
