//! A configuration that is written from what is live: it reads back, whatever the Swarm is called, and names all there is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pvcheck_audit::{NetworkId, ServiceMode, Snapshot};
use pvcheck_gates::{Config, InitError, InitFacts, LogSeen, Placement, TasksWanted, Which, draft};
use pvcheck_routes::{BodyFact, RouteFact};
use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};

use crate::support::*;

fn facts(snapshot: Snapshot) -> InitFacts {
    let log = LogSeen::NotFound("there is none".into());
    InitFacts { snapshot, log, addresses: Vec::new(), ca: None, answers: None, without_tls: BTreeMap::new() }
}

fn read(text: &str) -> Config {
    Config::parse("pvcheck.toml", text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn drafted(facts: &InitFacts) -> (String, Config) {
    let text = draft(facts).expect("there is something to expect").text;
    let config = read(&text);
    (text, config)
}

/// The world's own snapshot, with the labels of its services.
async fn world() -> Snapshot {
    look(cc_ci()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_is_written_as_it_is() {
    let (text, config) = drafted(&facts(world().await));
    let overlays: Vec<(&str, String)> =
        config.overlays.iter().map(|o| (o.name.as_str(), o.subnet.to_string())).collect();
    assert_eq!(overlays[0], ("proxy", "10.10.0.0/24".to_owned()));
    assert_eq!(overlays.len(), 4, "ingress is a comment: {text}");
    assert!(text.contains("# name = \"ingress\"\n"), "{text}");
    for (name, on_proxy) in SERVICES {
        let service = config.services.iter().find(|s| s.which == Which::Named(name.into()));
        let service = service.expect(name);
        assert_eq!(service.tasks, TasksWanted::AsAsked, "{name}: left to Swarm");
        assert_eq!(
            service.overlay == Placement::Named("proxy".into()),
            on_proxy,
            "{name}: {:?}",
            service.overlay
        );
        assert!(service.overlay != Placement::Anywhere, "{name} has addresses somewhere");
    }
    let routes: BTreeSet<(&str, String)> =
        config.routes.iter().map(|r| (r.name.as_str(), r.url.to_string())).collect();
    assert_eq!(routes.len(), 6, "{routes:?}");
    assert!(routes.contains(&("drone", "https://drone.ci.commoninternet.test/".to_owned())), "{routes:?}");
    assert!(text.contains("Its labels do not say whether TLS is spoken there"), "{text}");
    assert!(config.canary.is_none() && config.churn.is_none() && config.journal.unit.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_expected_is_a_comment_with_its_reason() {
    let mut snapshot = world().await;
    for service in &mut snapshot.services {
        match service.name.as_str() {
            "ccci-bridge_app" => service.mode = ServiceMode::Replicated(0),
            "ccci-reports_app" => service.run = Some("r1".into()),
            _ => {}
        }
    }
    for network in &mut snapshot.networks {
        match network.name.as_str() {
            "backups_internal" => network.pools.clear(),
            "traefik_internal" => network.ipv6_subnets.push("fd00::/64".parse().expect("a subnet")),
            "warm-keycloak_internal" => network.run = Some("r1".into()),
            _ => {}
        }
    }
    let labels = [
        ("traefik.http.routers.all.rule", "HostRegexp(`.*`)"),
        ("traefik.http.routers.api.rule", "Host(`a.test`) && PathPrefix(`/api`)"),
        ("traefik.http.routers.api.entrypoints", "web"),
        ("traefik.http.routers.odd.rule", "Host(`a b`)"),
    ];
    let shop = snapshot.services.iter_mut().find(|s| s.name == "ccci-dashboard_app").expect("there");
    shop.declared = Some(pvcheck_audit::declared_routes(labels.into_iter()));
    let written = draft(&facts(snapshot)).expect("there is something to expect");
    let (text, config) = (&written.text, read(&written.text));
    assert_eq!(config.overlays.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["proxy"]);
    let names: Vec<String> = config.services.iter().map(|s| s.which.to_string()).collect();
    assert!(
        !names.contains(&"ccci-bridge_app".to_owned()) && !text.contains("ccci-reports_app"),
        "{names:?}"
    );
    for part in [
        "# Left out: it asks for no task.\n# [[service]]\n# name = \"ccci-bridge_app\"",
        "# Left out: Swarm has given it no subnet yet.\n# [[overlay]]\n# name = \"backups_internal\"",
        "IPv6 subnet",
        "From label traefik.http.routers.all.rule of ccci-dashboard_app. No route: it has HostRegexp",
        "From label traefik.http.routers.odd.rule of ccci-dashboard_app. No route: ",
        "url = \"http://a.test/api\"",
    ] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(!text.contains("warm-keycloak_internal"), "of a run: {text}");
    // Two networks and ingress, one service, two rules.
    assert_eq!((written.overlays, written.left_out), (1, 6), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_decides_what_is_expected() {
    let snapshot = world().await;
    let names = read(&draft(&facts(snapshot.clone())).expect("sound").text);
    let answer = |name: &str, status: u16| RouteFact {
        url: names.routes.iter().find(|r| r.name == name).expect(name).url.to_string(),
        ..route(name, status)
    };
    let refused = RouteFact { status: None, body: None, ..answer("keycloak", 200) };
    let empty =
        RouteFact { body: Some(BodyFact { complete: true, ..BodyFact::default() }), ..answer("report", 200) };
    let answers = vec![
        answer("bridge", 404),
        answer("dashboard", 200),
        answer("drone", 303),
        refused,
        empty,
        answer("traefik", 503),
    ];
    let asked = InitFacts {
        answers: Some(answers),
        addresses: vec![
            "192.0.2.1:443".parse().expect("an address"),
            "192.0.2.2:443".parse().expect("an address"),
        ],
        log: LogSeen::File("/var/log/dockerd.log".into()),
        ca: Some("/etc/ca \"x\".pem".into()),
        without_tls: BTreeMap::from([("bridge".to_owned(), "it was\nrefused".to_owned())]),
        ..facts(snapshot)
    };
    let (text, config) = drafted(&asked);
    let specs = config.route_specs();
    let expected: Vec<(&str, String)> =
        specs.iter().map(|r| (r.name.as_str(), format!("{:?}", r.expected))).collect();
    let status = |n: u16| format!("{:?}", vec![pvcheck_routes::Expected::Status(n)]);
    assert_eq!(
        expected,
        [("bridge", status(404)), ("dashboard", status(200)), ("drone", status(303))],
        "{text}"
    );
    for part in [
        "# name = \"keycloak\"",
        "# name = \"report\"",
        "# name = \"traefik\"",
        "it answers 503",
        "# https gave no answer (it was\u{fffd}refused); asked without TLS.\n[[route]]\nname = \"bridge\"",
    ] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(config.routes.iter().all(|r| r.address.as_slice().len() == 2));
    assert_eq!(config.tls.ca, Some("/etc/ca \"x\".pem".into()));
    assert_eq!(config.journal.file, Some("/var/log/dockerd.log".into()));
}

/// An overlay that is full must not pass: room for one address is asked for at least.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_overlay_is_asked_for_room() {
    let mut snapshot = world().await;
    let proxy = snapshot.networks.iter_mut().find(|network| network.name == "proxy").expect("there");
    for pool in &mut proxy.pools {
        pool.subnet = "10.10.0.0/30".parse().expect("a subnet");
    }
    let (text, config) = drafted(&facts(snapshot));
    let of_proxy = config.overlays.iter().find(|overlay| overlay.name == "proxy").expect("there");
    assert_eq!(of_proxy.min_free, 1, "{text}");
    assert!(text.contains(" are not owned now, fewer than the usual 16: is it large enough?\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swarm_with_nothing_to_expect_is_said_to_have_nothing() {
    let empty = facts(look(Model::new()).await);
    assert!(matches!(draft(&empty), Err(InitError::Nothing)), "{:?}", draft(&empty));
}

/// A model with some networks and services, whose labels may be anything.
fn model(networks: &[(String, u8)], services: &[(u64, Vec<usize>, String)]) -> Model {
    let mut model = Model::new();
    model.settings_mut().timings = quick();
    for (number, (name, prefix)) in networks.iter().enumerate() {
        let draft = NetworkDraft::overlay(name).subnet(&format!("11.{number}.0.0/{prefix}"));
        // A name that the model refuses makes no network.
        let _ = model.create_network(&draft.json());
    }
    for (number, (replicas, on, rule)) in services.iter().enumerate() {
        let mut draft = ServiceDraft::new(&format!("svc-{number}")).replicas(*replicas);
        for network in on.iter().filter_map(|at| networks.get(*at)) {
            draft = draft.on(&network.0);
        }
        draft = draft.label(&format!("traefik.http.routers.r{number}.rule"), rule).label("caddy", rule);
        let _ = model.create_service(draft.json());
    }
    model.advance(SETTLE);
    model
}

fn rules() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(Host|Path|HostRegexp)\\(`[a-z.\\n\"\\\\]{0,12}`\\)( (&&|\\|\\|) PathPrefix\\(`/[a-z{*?#]{0,5}`\\))?",
        "(https?://)?[a-z]{1,8}\\.test(:[0-9]{1,6})?(/[a-z*]{0,4})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// Whatever a Swarm has and however it is called, the text reads back and has exactly what it says.
    #[test]
    fn what_is_written_of_any_model_reads_back(
        networks in prop::collection::vec(("[a-z][a-z0-9_.-]{0,8}", 24_u8..=29), 0..4),
        services in prop::collection::vec((0_u64..3, prop::collection::vec(0_usize..4, 0..3), rules()), 0..5),
        odd in prop::collection::vec(any::<String>(), 6),
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let mut snapshot = runtime.block_on(look(model(&networks, &services)));
        for round in 0..2 {
            let written = draft(&facts(snapshot.clone()));
            match &written {
                Ok(written) => {
                    let config = read(&written.text);
                    prop_assert_eq!(config.overlays.len() as u64, written.overlays);
                    prop_assert_eq!(config.services.len() as u64, written.services);
                    prop_assert_eq!(config.routes.len() as u64, written.routes);
                }
                Err(InitError::Nothing) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
            if round == 0 {
                // Names as no engine takes them, since a snapshot is only as good as who sent it.
                let names = snapshot.networks.iter_mut().map(|n| &mut n.name);
                let names = names.chain(snapshot.services.iter_mut().map(|s| &mut s.name));
                for (name, odd) in names.zip(odd.iter().cycle()) {
                    name.clone_from(odd);
                }
                for (at, network) in snapshot.networks.iter_mut().enumerate() {
                    network.id = NetworkId::new(format!("{at}"));
                }
            }
        }
    }
}
