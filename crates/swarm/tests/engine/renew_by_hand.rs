//! Containers that were attached by hand come along when their network is renewed.

use pvcheck_sim::{Engine as Release, Model, NetworkDraft, OwnerKind, ServiceDraft, Settings, Sim};
use pvcheck_swarm::{
    Direction, NewSubnet, Operation, Renewal, RenewalError, RenewalOptions, RenewalRequest, RenewalStrategy,
    RunId, renew, resume_renewal, roll_back_renewal, silent, unfinished_renewal,
};
use serde_json::{Value, json};

use crate::renew::{BOTH, points};
use crate::renewals::{killed_at, options, planned, planned_for, request, specs, subnet};
use crate::support::{SETTLE, connect, network, objects, permit, quick, service, start, truth, writes};

/// A network with two services, and two containers: `b` has the first address that is free on a new network, which a node's
/// load balancer would be given first.
fn world_of(engine: Release) -> Model {
    let mut model = Model::with_settings(Settings { timings: quick(), engine, ..Settings::default() });
    network(&mut model, "proxy", "10.10.0.0/24");
    network(&mut model, "private", "10.20.0.0/24");
    for (name, address) in [("a", "10.10.0.77"), ("b", "10.10.0.2")] {
        model.attach_container(name, "private", "self").expect("attachable");
        model.advance(SETTLE);
        let endpoint = json!({
            "IPAMConfig": {"IPv4Address": address}, "Aliases": [format!("{name}-web")], "DriverOpts": {"x": name},
        });
        let body = json!({"Container": name, "EndpointConfig": endpoint}).to_string();
        // The balancer has had the lowest address before; it gets another one the second time.
        let connect = |model: &mut Model| model.respond("POST", "/networks/proxy/connect", body.as_bytes());
        if connect(&mut model).status != 200 {
            let off = |model: &mut Model, name: &str| {
                let body = json!({"Container": name}).to_string();
                assert_eq!(model.respond("POST", "/networks/proxy/disconnect", body.as_bytes()).status, 200);
            };
            let again = json!({"Container": "a", "EndpointConfig": {
                "IPAMConfig": {"IPv4Address": "10.10.0.77"}, "Aliases": ["a-web"], "DriverOpts": {"x": "a"}}});
            off(&mut model, "a");
            assert_eq!(
                model.respond("POST", "/networks/proxy/connect", again.to_string().as_bytes()).status,
                200
            );
            assert_eq!(connect(&mut model).status, 200);
        }
    }
    service(&mut model, ServiceDraft::new("app").on("private").on("proxy").replicas(2));
    service(&mut model, ServiceDraft::new("api").on("proxy"));
    model
}

fn world() -> Model {
    world_of(Release::V20_10)
}

/// What both containers have on `proxy`, but for the ids of network and endpoint.
fn places(sim: &Sim) -> Value {
    sim.with_model(|model| {
        let mut of = |name: &str| {
            let shown = model.respond("GET", &format!("/containers/{name}/json"), b"").value();
            let mut place = shown["NetworkSettings"]["Networks"]["proxy"].clone();
            for key in ["NetworkID", "EndpointID", "IPPrefixLen"] {
                place[key] = Value::Null;
            }
            let all = shown["NetworkSettings"]["Networks"]
                .as_object()
                .map(|all| all.keys().cloned().collect::<Vec<_>>());
            json!([place, all])
        };
        json!([of("a"), of("b")])
    })
}

async fn renewed(sim: &Sim, request: &RenewalRequest) -> Result<Renewal, RenewalError> {
    let engine = connect(sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned_for(&engine, request).await;
    assert_eq!(plan.reasons(), Vec::<String>::new());
    renew(Operation::new(&engine, permit(), &run, &silent), &plan, &options(state.path(), &|_| ())).await
}

#[tokio::test]
async fn by_either_way_and_on_any_engine_they_keep_their_addresses_and_aliases() {
    for engine in [Release::V20_10, Release::V28_5] {
        for strategy in BOTH {
            let sim = start(world_of(engine));
            let (before, specs_before) = (places(&sim), specs(&sim));
            assert_eq!(before[1][0]["IPAddress"], "10.10.0.2");
            let done = renewed(&sim, &request(strategy)).await.expect("nothing keeps it");
            assert_eq!((done.containers, done.changed), (2, Vec::<String>::new()), "{strategy:?}");
            assert_eq!(places(&sim), before, "{strategy:?} on {}", engine.version);
            assert_eq!(specs(&sim), specs_before, "{strategy:?}");
            let proxy = truth(&sim, "proxy");
            assert_eq!(proxy.subnet.map(|s| s.to_string()).as_deref(), Some("10.10.0.0/16"));
            assert_eq!(
                (proxy.leaked.len(), proxy.duplicates.len(), proxy.lost.len()),
                (0, 0, 0),
                "{proxy:?}"
            );
            assert_eq!(objects(&sim).0.len(), 0);
        }
    }
}

#[tokio::test]
async fn each_is_in_the_plan_with_its_address() {
    let sim = start(world());
    let engine = connect(&sim).await;
    let plan = planned(&engine, RenewalStrategy::Bridge).await;
    let found: Vec<(&str, String)> =
        plan.containers.iter().map(|c| (c.name.as_str(), c.address.to_string())).collect();
    assert_eq!(found, [("a", "10.10.0.77".to_owned()), ("b", "10.10.0.2".to_owned())]);
    assert_eq!(plan.containers[0].endpoint, json!({"Aliases": ["a-web"], "DriverOpts": {"x": "a"}}));
    let reconnects = plan.steps.iter().filter(|step| step.to_string().starts_with("reconnect")).count();
    assert_eq!(reconnects, 4, "{:?}", plan.steps);
    assert_eq!(writes(&sim), crate::support::NOTHING);
}

/// What is changed in a healthy world, and what the plan then says.
type Broken = (fn(&mut Model), &'static str);

#[tokio::test]
async fn what_cannot_be_taken_along_keeps_it_from_being_begun() {
    let broken: [Broken; 4] = [
        (
            |model| {
                let other = model.add_node(false);
                model.attach_container("far", "proxy", other.as_str()).expect("attachable");
                model.advance(SETTLE);
            },
            "only the engine of that node can connect it",
        ),
        (|model| assert!(model.stop_container("a")), "the container a is set to the network and is exited"),
        (
            // One that is not listed: its place is there, and no container.
            |model| {
                let other = model.add_node(true);
                model.attach_container("far", "proxy", other.as_str()).expect("attachable");
                model.advance(SETTLE);
                model.ask_node(other.as_str()).expect("there");
            },
            "on node1 with 10.10.0.2 was attached by hand",
        ),
        (|_| (), "the container a has 10.10.0.77, which is not in 10.60.0.0/16"),
    ];
    for (n, (change, reason)) in broken.into_iter().enumerate() {
        let mut model = world();
        change(&mut model);
        let sim = start(model);
        let engine = connect(&sim).await;
        let to = if n == 3 { "10.60.0.0/16" } else { "10.10.0.0/16" };
        let request =
            RenewalRequest { to: NewSubnet::Subnet(subnet(to)), ..request(RenewalStrategy::Recreate) };
        let plan = planned_for(&engine, &request).await;
        assert!(plan.reasons().join("; ").contains(reason), "{n}: {:?}", plan.reasons());
        assert_eq!(writes(&sim), crate::support::NOTHING);
    }
}

#[tokio::test]
async fn an_address_outside_is_named_beside_what_the_subnet_overlaps() {
    let mut model = world();
    network(&mut model, "late", "10.60.77.0/24");
    let sim = start(model);
    let to = NewSubnet::Subnet(subnet("10.60.0.0/16"));
    let request = RenewalRequest { to, ..request(RenewalStrategy::Recreate) };
    let reasons = planned_for(&connect(&sim).await, &request).await.reasons().join("; ");
    assert!(reasons.contains("late") && reasons.contains("10.10.0.77, which is not in"), "{reasons}");
}

#[tokio::test]
async fn another_address_is_given_where_that_is_allowed_and_the_old_one_comes_back() {
    for strategy in BOTH {
        let sim = start(world());
        let to = NewSubnet::Subnet(subnet("10.60.0.0/16"));
        let request = RenewalRequest { to, readdress: true, ..request(strategy) };
        let before = places(&sim);
        let done = renewed(&sim, &request).await.expect("nothing keeps it");
        assert_eq!(done.changed, Vec::<String>::new());
        let proxy = truth(&sim, "proxy");
        let by_hand: Vec<_> = proxy.owners.iter().filter(|o| o.kind == OwnerKind::Attachment).collect();
        assert_eq!(by_hand.len(), 2);
        assert!(by_hand.iter().all(|o| subnet("10.60.0.0/16").contains(o.addr)), "{by_hand:?}");
        assert_eq!(places(&sim)[0][0]["Aliases"], before[0][0]["Aliases"]);
    }
}

#[tokio::test]
async fn killed_at_any_point_they_are_where_they_were_or_where_they_belong() {
    let long = std::env::var_os("PVCHECK_LONG").is_some_and(|value| value != "0");
    for strategy in BOTH {
        let all = points(world(), strategy).await;
        for (n, at) in all.iter().enumerate().filter(|(n, _)| long || n % 5 == 2) {
            let back = n % 2 == 0;
            let sim = start(world());
            let before = places(&sim);
            killed_at(&sim, strategy, at).await;
            let engine = connect(&sim).await;
            let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
            let op = Operation::new(&engine, permit(), &run, &silent);
            let hook = |_| ();
            let options =
                RenewalOptions { break_lock: Some("killed".into()), ..options(state.path(), &hook) };
            let done =
                if back { roll_back_renewal(op, &options).await } else { resume_renewal(op, &options).await };
            let done = done.unwrap_or_else(|e| panic!("{strategy:?}, killed at {at:?}: {e}"));
            assert_eq!(done.direction == Direction::Back, back);
            assert_eq!(done.changed, Vec::<String>::new(), "{strategy:?}, killed at {at:?}");
            assert_eq!(places(&sim), before, "{strategy:?}, killed at {at:?}");
        }
    }
}

#[tokio::test]
async fn only_the_engine_of_their_node_goes_on_with_it_as_long_as_that_node_is_there() {
    let mut model = world();
    let (own, other) = (model.node_id("self").expect("there"), model.add_node(true));
    model.add_node(true);
    let sim = start(model);
    let all = points(world(), RenewalStrategy::Recreate).await;
    let at = all.iter().find(|point| point.step == "disconnect").expect("it has containers");
    killed_at(&sim, RenewalStrategy::Recreate, at).await;
    sim.with_model(|model| model.ask_node(other.as_str()).expect("there"));
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let op = Operation::new(&engine, permit(), &run, &silent);
    let hook = |_| ();
    let options = RenewalOptions { break_lock: Some("killed".into()), ..options(state.path(), &hook) };
    let refused = roll_back_renewal(op, &options).await.expect_err("it is not their node");
    let RenewalError::OtherNode { containers, host } = &refused else { panic!("{refused}") };
    assert_eq!((containers.join(" ").as_str(), host.as_str()), ("a b", "node1"));
    assert_eq!(writes(&sim), crate::support::NOTHING);
    assert!(unfinished_renewal(&engine).await.unwrap().is_some());
    // The node is gone for good: what is left is put back, and what went with it is named.
    sim.with_model(|model| {
        model.set_node_down(own.as_str(), true).expect("there");
        model.set_manager(own.as_str(), false).expect("others lead");
        model.remove_node(own.as_str(), true).expect("it is down");
    });
    let done = roll_back_renewal(op, &options).await.expect("the node is not there any more");
    assert_eq!(done.changed, ["the container a is gone", "the container b is gone"]);
}

#[tokio::test]
async fn what_was_detached_or_removed_meanwhile_is_named() {
    let sim = start(world());
    let engine = connect(&sim).await;
    let (state, run) = (tempfile::tempdir().expect("a folder"), RunId::unique());
    let plan = planned(&engine, RenewalStrategy::Recreate).await;
    let hook = |point: pvcheck_swarm::RenewalPoint| {
        if point.step == "create" && point.phase == pvcheck_swarm::Phase::Done {
            sim.with_model(|model| assert!(model.stop_container("a")));
        }
    };
    let op = Operation::new(&engine, permit(), &run, &silent);
    let done = renew(op, &plan, &options(state.path(), &hook)).await.expect("the others go on");
    assert_eq!(done.changed, ["the container a is not connected"]);
}

#[tokio::test]
async fn a_container_that_was_connected_since_the_plan_is_a_drift() {
    let mut model = world();
    model
        .create_network(&NetworkDraft::overlay("spare").subnet("10.30.0.0/24").attachable().json())
        .expect("free");
    let sim = start(model);
    let engine = connect(&sim).await;
    let plan = planned(&engine, RenewalStrategy::Recreate).await;
    sim.with_model(|model| {
        model.attach_container("late", "proxy", "self").expect("attachable");
        model.advance(SETTLE);
    });
    let later = planned(&engine, RenewalStrategy::Recreate).await;
    let drift: Vec<String> = plan.drift(&later).iter().map(ToString::to_string).collect();
    assert_eq!(
        drift,
        ["the container late was connected in another way since the plan was made; plan again"]
    );
}
