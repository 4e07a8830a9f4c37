//! The census against what the model knows: address for address, or not at all.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use pvcheck_sim::{Fault, FaultRule, Membership, Model, NetworkDraft, OwnerKind, ServiceDraft, Sim};
use pvcheck_swarm::{
    CallErrorKind, Census, CensusError, CensusMethod, CensusOptions, Doubt, Operation, Progress, census,
    silent,
};
use serde_json::json;

use crate::support::*;

async fn taken(sim: &Sim, name: &str) -> Result<Census, CensusError> {
    taken_by(sim, name, None).await
}

async fn taken_by(sim: &Sim, name: &str, method: Option<CensusMethod>) -> Result<Census, CensusError> {
    let engine = connect(sim).await;
    let options = CensusOptions { method, ..CensusOptions::default() };
    census(Operation::new(&engine, permit(), &run("census"), &silent), name, &options).await
}

/// `shared` with so many services of one task, and so many leaked addresses.
fn world(subnet: &str, services: u64, leaks: u64) -> Model {
    let mut model = with_shared(subnet);
    for n in 0..services {
        service(&mut model, ServiceDraft::new(&format!("s{n}")).on("shared"));
    }
    leak(&mut model, "shared", leaks);
    model
}

/// Takes a census, compares it with the truth, and the world after it with the world before.
async fn assert_exact(subnet: &str, services: u64, leaks: u64, method: CensusMethod) {
    let sim = start(world(subnet, services, leaks));
    let (before, others) = (truth(&sim, "shared"), objects(&sim));
    assert_eq!(before.leaked.len() as u64, leaks, "the world is as it was meant");
    let found = taken_by(&sim, "shared", Some(method)).await.expect("nothing is in its way");
    let shown = format!("{subnet}, {services} services, {leaks} leaks: {found:?}");
    assert_eq!((found.complete, found.reason.as_ref()), (true, None), "{shown}");
    assert_eq!(found.leaked, Some(leaks), "{shown}");
    assert_eq!(found.leaked_addresses, before.leaked, "{shown}");
    assert_eq!(Some(found.handed_out), before.free, "{shown}");
    assert_eq!(found.owned, before.owners.len() as u64, "{shown}");
    assert_eq!((found.load_balancers, found.method), (0, method), "{shown}");
    assert_eq!(found.usable, found.handed_out + found.owned + leaks, "{shown}");
    assert_eq!((found.network.as_str(), found.subnet.as_str()), ("shared", subnet));
    assert_eq!(found.free_and_owned, NO_ADDRESS);
    assert_eq!(truth(&sim, "shared"), before, "it gave everything back");
    assert_eq!(objects(&sim), others, "and left nothing");
}

#[tokio::test]
async fn every_leak_is_named_and_nothing_else() {
    let cases = [
        ("10.90.0.0/24", 0, 0),
        ("10.90.0.0/24", 4, 0),
        ("10.90.0.0/24", 4, 9),
        ("10.90.0.0/28", 1, 0),
        ("10.90.0.0/28", 1, 4),
        ("10.90.0.0/28", 0, 5),
        // A batch that cannot be served whole: the census has to notice that the pool is at its end.
        ("10.90.0.0/28", 3, 4),
        // Nothing free at all.
        ("10.90.0.0/28", 6, 0),
        ("10.90.0.0/29", 0, 2),
    ];
    for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
        let each = cases.map(|(subnet, services, leaks)| assert_exact(subnet, services, leaks, method));
        join_all(each.map(Box::pin)).await;
    }
}

/// Who frees and takes an address within one turn is seen only by a look in the middle of it.
#[tokio::test]
async fn a_long_turn_of_the_cursor_looks_at_what_others_do_on_the_way() {
    let looks = async |subnet: &str| {
        let sim = start(world(subnet, 1, 0));
        let found =
            taken_by(&sim, "shared", Some(CensusMethod::Cursor)).await.expect("nothing is in its way");
        assert_eq!((found.complete, found.leaked), (true, Some(0)));
        sim.requests().iter().filter(|r| r.method == "GET" && r.target.ends_with("/tasks")).count()
    };
    // 252 steps instead of 12: at least three looks more, one every 64 steps.
    let (few, many) = (looks("10.90.0.0/28").await, looks("10.90.0.0/24").await);
    assert!(few + 3 <= many, "{few} and {many} looks");
}

/// One turn may have been moved unseen; so what it leaves over has to be left over by another one too.
#[tokio::test]
async fn what_is_leaked_is_seen_in_two_turns() {
    let sim = start(world("10.90.0.0/28", 1, 2));
    let found = taken_by(&sim, "shared", Some(CensusMethod::Cursor)).await.expect("nothing is in its way");
    assert_eq!((found.complete, found.leaked), (true, Some(2)));
    let asked = sim.requests().iter().filter(|r| r.method == "POST").count() as u64;
    assert!(found.handed_out * 2 <= asked, "{asked} times for {} addresses", found.handed_out);
}

/// On a large network a task asks for several addresses.
#[tokio::test]
async fn a_large_network_is_counted_by_few_tasks() {
    let mut model = world("10.90.0.0/20", 2, 5);
    let nowhere = ServiceDraft::new("nowhere").on("shared").replicas(9).constraint("node.labels.no==1");
    service(&mut model, nowhere);
    let sim = start(model);
    let before = truth(&sim, "shared");
    let found = taken_by(&sim, "shared", Some(CensusMethod::Bulk)).await.unwrap();
    assert!(found.complete, "{:?}", found.reason);
    assert_eq!((found.leaked_addresses, Some(found.handed_out)), (before.leaked.clone(), before.free));
    assert_eq!(truth(&sim, "shared"), before, "it gave everything back");
}

#[tokio::test]
async fn attached_containers_and_tasks_that_wait_for_a_node_are_owners() {
    let mut model = world("10.90.0.0/24", 2, 3);
    model.attach_container("by-hand", "shared", "self").expect("attachable");
    service(
        &mut model,
        ServiceDraft::new("nowhere").on("shared").replicas(3).constraint("node.labels.no==1"),
    );
    let sim = start(model);
    let before = truth(&sim, "shared");
    let found = taken(&sim, "shared").await.unwrap();
    assert_eq!((found.leaked, &found.leaked_addresses), (Some(3), &before.leaked));
    assert_eq!(found.owned, before.owners.len() as u64);
}

/// The world with a removed service of three tasks that take so long to stop.
fn dying(stop: Duration) -> Sim {
    let mut model = world("10.90.0.0/24", 2, 3);
    service(&mut model, ServiceDraft::new("dying").on("shared").replicas(3).stops_in(stop));
    model.remove_service("dying").expect("there");
    start(model)
}

#[tokio::test]
async fn tasks_that_are_just_stopping_are_not_called_leaked() {
    let sim = dying(Duration::from_millis(400));
    let found = taken(&sim, "shared").await.unwrap();
    assert_eq!(
        (found.leaked, &found.leaked_addresses),
        (Some(3), &truth(&sim, "shared").leaked),
        "{found:?}"
    );
}

/// A task that has ended stays in the list for a moment, with the address that it has lost.
#[tokio::test]
async fn ended_tasks_that_are_still_listed_hide_no_leak() {
    let mut model = with_shared("10.90.0.0/28");
    service(&mut model, ServiceDraft::new("stays").on("shared"));
    network(&mut model, "own", "10.91.0.0/24");
    service(&mut model, ServiceDraft::new("gone").on("own").on("shared").replicas(3));
    let reap = Duration::from_millis(600);
    model.settings_mut().timings.reap = reap;
    model.remove_service("gone").expect("there");
    model.remove_network("own").expect("no wanted task is on it");
    model.advance(reap / 2);
    let leaked = model.truth().leaked("shared").expect("there").to_vec();
    assert_eq!(leaked.len(), 3, "they have ended");
    let sim = start(model);
    assert!(3 < tasks(&sim), "and are still listed");
    let found = taken(&sim, "shared").await.unwrap();
    assert!(found.complete, "{found:?}");
    assert_eq!(found.leaked_addresses, leaked, "{found:?}");
}

#[tokio::test]
async fn tasks_that_never_stop_make_it_unknown_or_are_owners() {
    let sim = dying(Duration::from_hours(1));
    let engine = connect(&sim).await;
    let options = CensusOptions { deadline: Duration::from_secs(2), ..CensusOptions::default() };
    let found =
        census(Operation::new(&engine, permit(), &run("dying"), &silent), "shared", &options).await.unwrap();
    if found.complete {
        assert_eq!(found.leaked_addresses, truth(&sim, "shared").leaked, "{found:?}");
    } else {
        assert!(found.leaked.is_none() && found.reason.is_some(), "{found:?}");
    }
}

#[tokio::test]
async fn load_balancers_of_other_nodes_are_counted_and_not_called_leaks() {
    let mut model = with_shared("10.90.0.0/24");
    model.add_node(false);
    model.add_node(false);
    service(&mut model, ServiceDraft::new("spread").on("shared").replicas(6));
    leak(&mut model, "shared", 4);
    let sim = start(model);
    let before = truth(&sim, "shared");
    let local = sim.with_model(|model| model.node_id("self").expect("there")).to_string();
    let elsewhere = before.owners.iter().filter(|o| o.kind == OwnerKind::LoadBalancer && o.id != local);
    let elsewhere: BTreeSet<Ipv4Addr> = elsewhere.map(|o| o.addr).collect();
    assert_eq!(elsewhere.len(), 2);
    let found = taken(&sim, "shared").await.unwrap();
    assert_eq!((found.load_balancers, found.leaked), (2, Some(4)));
    let suspects: BTreeSet<Ipv4Addr> = before.leaked.iter().copied().chain(elsewhere).collect();
    assert_eq!(found.leaked_addresses, NO_ADDRESS, "as many as the number, or none");
    assert_eq!(found.leaked_or_load_balancers.iter().copied().collect::<BTreeSet<_>>(), suspects);
}

#[tokio::test]
async fn it_makes_services_of_its_own_and_touches_no_other() {
    let sim = start(world("10.90.0.0/24", 4, 2));
    taken(&sim, "shared").await.unwrap();
    let writes = writes(&sim);
    let (made, removed): (Vec<_>, Vec<_>) = writes.iter().partition(|w| w.ends_with("/services/create"));
    assert!(4 < made.len() && made.len() == removed.len(), "{writes:?}");
    let deletes_a_service = |w: &&String| w.starts_with("DELETE /v1.41/services/");
    assert!(removed.iter().all(deletes_a_service), "{writes:?}");
}

#[tokio::test]
async fn its_json_is_what_scripts_rely_on() {
    let sim = start(world("10.90.0.0/28", 1, 2));
    let json = serde_json::to_value(taken(&sim, "shared").await.unwrap()).unwrap();
    assert_eq!((&json["network"], &json["subnet"]), (&json!("shared"), &json!("10.90.0.0/28")));
    for count in ["usable", "handed_out", "owned", "load_balancers", "leaked", "elapsed_ms"] {
        assert!(json[count].is_u64(), "{count}: {json}");
    }
    let leaked = sim.with_model(|model| json!(model.truth().leaked("shared")));
    assert_eq!(json["leaked_addresses"], leaked);
    assert_eq!((&json["method"], &json["complete"]), (&json!("cursor"), &json!(true)));
    assert!(json["reason"].is_null());
}

#[tokio::test]
async fn out_of_time_is_unknown_and_not_zero() {
    let sim = start(world("10.90.0.0/24", 1, 0));
    let engine = connect(&sim).await;
    let options = CensusOptions { deadline: Duration::from_millis(1), ..CensusOptions::default() };
    let found =
        census(Operation::new(&engine, permit(), &run("short"), &silent), "shared", &options).await.unwrap();
    assert_eq!((found.complete, found.leaked, found.leaked_addresses.len()), (false, None, 0));
    assert!(found.reason == Some(Doubt::TimeUp), "{found:?}");
    assert!(serde_json::to_value(&found).unwrap()["leaked"].is_null());
    assert_eq!(objects(&sim).0, BTreeSet::new(), "cut short, it still tidies up");
}

#[tokio::test]
async fn it_never_holds_more_than_its_share() {
    let sim = start(world("10.90.0.0/24", 1, 0));
    let engine = connect(&sim).await;
    let method = Some(CensusMethod::Bulk);
    let options = CensusOptions { most_held: 10, method, ..CensusOptions::default() };
    let least = std::sync::Mutex::new(u64::MAX);
    let watch = |_| {
        // Between batches, when progress is told, everything is given back.
        let free = truth(&sim, "shared").free.expect("allocated");
        let mut least = least.lock().expect("no panic before");
        *least = free.min(*least);
    };
    let taken =
        census(Operation::new(&engine, permit(), &run("modest"), &watch), "shared", &options).await.unwrap();
    assert_eq!((taken.complete, taken.leaked), (true, Some(0)));
    assert_eq!(*least.lock().unwrap(), taken.handed_out, "a batch has ended before the next begins");
    let asked = sim.requests().iter().filter(|r| r.method == "POST").count() as u64;
    assert!(taken.handed_out / 10 <= asked, "{asked} batches of at most ten");
}

#[tokio::test]
async fn the_size_decides_on_the_method() {
    for (subnet, method) in [("10.90.0.0/21", CensusMethod::Cursor), ("10.90.0.0/20", CensusMethod::Bulk)] {
        let sim = start(world(subnet, 0, 0));
        let engine = connect(&sim).await;
        let options = CensusOptions { deadline: Duration::from_millis(1), ..CensusOptions::default() };
        let found = census(Operation::new(&engine, permit(), &run("sized"), &silent), "shared", &options)
            .await
            .unwrap();
        assert_eq!((found.method, found.complete), (method, false), "{subnet}");
    }
}

/// No task can be attached to it by name; a published port takes an address there all the same.
#[tokio::test]
async fn ingress_can_be_asked_by_cursor_only() {
    let sim = start(with_shared("10.90.0.0/24"));
    let before = truth(&sim, "ingress");
    let found = taken(&sim, "ingress").await.unwrap();
    assert_eq!(
        (found.complete, found.leaked, found.method),
        (true, Some(0), CensusMethod::Cursor),
        "{found:?}"
    );
    assert_eq!(Some(found.handed_out), before.free);
    assert_eq!(truth(&sim, "ingress"), before);
    let error = taken_by(&sim, "ingress", Some(CensusMethod::Bulk)).await.unwrap_err();
    assert!(matches!(&error, CensusError::IngressInBulk(_)), "{error:?}");
    assert_one_line(&error);
}

/// While a service waits, every address that a census gives back lets it lose another one (L2).
#[tokio::test]
async fn it_is_refused_while_a_service_waits_and_nothing_is_made() {
    let mut model = world("10.90.0.0/28", 6, 0);
    service(&mut model, ServiceDraft::new("seventh").on("shared"));
    network(&mut model, "other", "10.91.0.0/24");
    let sim = start(model);
    for name in ["other", "ingress"] {
        let error = taken(&sim, name).await.unwrap_err();
        assert!(
            matches!(&error, CensusError::ServiceWaits { service, network, .. }
            if service == "seventh" && network == "shared"),
            "{error:?}"
        );
        assert_one_line(&error);
        assert!(error.to_string().contains("seventh") && error.to_string().contains("shared"), "{error}");
        assert_eq!(writes(&sim), NOTHING, "{name}");
    }
}

/// Four services, three leaked addresses and the VIP of a fifth fill it: its task waits there alone, so nothing is free.
#[tokio::test]
async fn where_the_waiting_proves_the_count_no_address_is_asked_for() {
    let mut model = world("10.90.0.0/28", 4, 3);
    service(&mut model, ServiceDraft::new("fifth").on("shared"));
    // What lacks an address for less than five seconds may only be being made.
    model.advance(SETTLE);
    let sim = start(model);
    let really = truth(&sim, "shared");
    assert_eq!(really.free, Some(0), "the world is as it was meant");
    for method in [None, Some(CensusMethod::Bulk)] {
        let found = taken_by(&sim, "shared", method).await.expect("the waiting does not matter");
        assert_eq!((found.complete, found.method), (true, CensusMethod::Waiting), "{found:?}");
        assert_eq!((found.leaked, &found.leaked_addresses), (Some(3), &really.leaked), "{found:?}");
        assert_eq!(found.usable, found.owned + 3, "{found:?}");
        // A service without a network, made and removed, shows that the allocator is at work.
        let writes = writes(&sim);
        let [made, removed] = writes.as_slice() else { panic!("{writes:?}") };
        assert!(made.starts_with("POST ") && removed.starts_with("DELETE "), "{writes:?}");
    }
    assert_eq!(truth(&sim, "shared"), really);
}

/// An allocator that hangs serves no one, however much is free: that something waits proves nothing then.
#[tokio::test]
async fn what_waits_for_an_allocator_that_hangs_proves_no_leak() {
    let mut model = world("10.90.0.0/28", 1, 2);
    model.settings_mut().timings.allocation = Duration::from_hours(1);
    model.create_service(ServiceDraft::new("late").on("shared").json()).expect("a fresh name");
    model.advance(SETTLE);
    let sim = start(model);
    let error = taken(&sim, "shared").await.unwrap_err();
    assert!(matches!(&error, CensusError::ServiceWaits { service, .. } if service == "late"), "{error:?}");
}

/// Each attempt to serve them takes and gives back an address, in no list and no event.
#[tokio::test]
async fn it_is_refused_while_tasks_wait_that_have_the_network_among_theirs() {
    let mut model = world("10.90.0.0/24", 1, 0);
    network(&mut model, "full", "10.91.0.0/29");
    let waits = ServiceDraft::new("waits").on("shared").on("full").replicas(9).dnsrr();
    service(&mut model, waits.constraint("node.labels.no==1"));
    let sim = start(model);
    let error = taken(&sim, "shared").await.unwrap_err();
    assert!(matches!(&error, CensusError::TasksWait { service, .. } if service == "waits"), "{error:?}");
    assert_one_line(&error);
    assert_eq!(writes(&sim), NOTHING);
}

/// Without its events no turn says anything: the census would go round until its time is up, and stay incomplete.
#[tokio::test]
async fn a_stream_of_events_that_stands_still_is_opened_again() {
    let sim = start(world("10.90.0.0/28", 1, 2));
    sim.inject(FaultRule::new(Fault::StallBody { after_bytes: 1 }).path("/events").nth(1));
    let found = taken(&sim, "shared").await.expect("nothing is in its way");
    assert_eq!((found.complete, found.leaked), (true, Some(2)), "{found:?}");
    let streams = sim.requests().iter().filter(|request| request.target.contains("/events")).count();
    assert_eq!(streams, 2);
}

/// Whatever answers 404 to it, what was to be removed is still listed.
#[tokio::test]
async fn a_removal_that_was_not_done_is_named_and_ends_it() {
    for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
        let sim = start(world("10.90.0.0/28", 1, 0));
        sim.inject(FaultRule::new(Fault::Fail { status: 404 }).method("DELETE"));
        let engine = connect(&sim).await;
        let options = CensusOptions {
            deadline: Duration::from_secs(8),
            method: Some(method),
            ..CensusOptions::default()
        };
        let op_run = run("stays");
        let ended = census(Operation::new(&engine, permit(), &op_run, &silent), "shared", &options).await;
        let left = objects(&sim).0;
        assert!(!left.is_empty(), "the fault did its part");
        let error = ended.expect_err("no count where a service of the census stays");
        assert!(
            matches!(&error, CensusError::Call(call)
                if matches!(call.kind, CallErrorKind::StillThere) && call.path.starts_with("/services/")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_network_that_is_not_there_is_refused_with_what_there_is() {
    let sim = start(cc_ci());
    for name in ["prox", "", "docker_gwbridge", "bridge"] {
        let error = taken(&sim, name).await.unwrap_err();
        assert!(matches!(&error, CensusError::NoSuchNetwork { .. }), "{error:?}");
        assert_one_line(&error);
        assert!(error.to_string().contains("ingress, backups_internal, proxy"), "{error}");
        assert_eq!(writes(&sim), NOTHING, "{name}");
    }
}

#[tokio::test]
async fn a_network_without_a_subnet_is_refused_with_the_mend() {
    let mut model = with_shared("10.90.0.0/24");
    model.create_network(&NetworkDraft::overlay("clash").subnet("10.90.0.0/16").json()).unwrap();
    model.advance(SETTLE);
    let sim = start(model);
    let error = taken(&sim, "clash").await.unwrap_err();
    assert!(matches!(&error, CensusError::NotAllocated(name) if name == "clash"), "{error:?}");
    assert_one_line(&error);
    assert!(error.to_string().contains("--subnet"), "{error}");
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn a_manager_that_is_demoted_half_way_is_an_error() {
    let sim = start(world("10.90.0.0/24", 1, 0));
    let engine = connect(&sim).await;
    let demote = |_| sim.with_model(|model| model.set_membership(Membership::Worker));
    let options = CensusOptions::default();
    let error = census(Operation::new(&engine, permit(), &run("demoted"), &demote), "shared", &options)
        .await
        .unwrap_err();
    assert!(matches!(&error, CensusError::Call(call) if call.status() == Some(503)), "{error:?}");
    assert_one_line(&error);
}

/// What another service held while the census went round is not leaked, though no look at the owners, before or after, shows
/// who it was.
#[tokio::test]
async fn who_comes_and_goes_while_it_goes_round_yields_no_false_leak() {
    let sim = start(world("10.90.0.0/24", 2, 3));
    let really = truth(&sim, "shared").leaked;
    let engine = connect(&sim).await;
    let (coming, guests) = (AtomicU64::new(0), AtomicU64::new(0));
    // In the first half of each turn a service comes with every batch and another one goes; then all have gone.
    let busy = |progress| {
        let Progress::Count { done, total, .. } = progress else { return };
        let n = coming.fetch_add(1, Ordering::Relaxed);
        sim.with_model(|model| {
            if let Some(before) = n.checked_sub(1) {
                // In the second half there is none to remove.
                drop(model.remove_service(&format!("guest-{before}")));
            }
            if done * 2 < total {
                let draft = ServiceDraft::new(&format!("guest-{n}")).on("shared").replicas(12).dnsrr();
                model.create_service(draft.json()).expect("a fresh name");
                guests.fetch_add(1, Ordering::Relaxed);
            }
        });
    };
    let method = Some(CensusMethod::Bulk);
    let options = CensusOptions { deadline: Duration::from_secs(5), method, ..CensusOptions::default() };
    let found =
        census(Operation::new(&engine, permit(), &run("busy"), &busy), "shared", &options).await.unwrap();
    assert!(4 < guests.load(Ordering::Relaxed), "there was some coming and going");
    assert!(!found.complete || found.leaked_addresses == really, "{found:?} but really {really:?}");
    assert!(found.complete || found.leaked.is_none(), "{found:?}");
}
