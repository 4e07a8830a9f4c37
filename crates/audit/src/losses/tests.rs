use super::*;
use crate::faults::Finding;
use crate::holders::duplicates;
use crate::seen::{AllocatorCounts, EndpointMode, Snapshot};
use crate::testing::{counts, dnsrr, network, owned_full, service, task};

fn found(snapshot: &Snapshot, allocator: &AllocatorCounts) -> Vec<Loss> {
    let waiting = Waiting::of(snapshot, allocator);
    let overlays = snapshot.overlays();
    let twice: Vec<_> = overlays.iter().map(|n| (*n, duplicates(waiting.owners(n)))).collect();
    losses(&waiting, &twice)
}

/// `full` has no address left; `a`, `b` and `ingress` have plenty.
fn networks() -> Snapshot {
    let mut world = owned_full();
    world.networks.extend([
        network("a", "10.2.0.0/28"),
        network("b", "10.3.0.0/28"),
        network("bare", ""),
        network("ingress", "10.0.0.0/24"),
    ]);
    world
}

/// What a service that waits on these networks in this order loses: surely, perhaps, and what refuses.
#[test]
fn what_retries_lose_depends_on_the_order_of_the_networks() {
    let none: &[&str] = &[];
    for (wants, mesh, endpoint, on, perhaps, refusing) in [
        (&["a", "full"][..], false, EndpointMode::Vip, &["a"][..], none, Some("full")),
        (&["a", "b", "full"], false, EndpointMode::Vip, &["a", "b"], none, Some("full")),
        (&["a", "full", "b"], false, EndpointMode::Vip, &["a"], none, Some("full")),
        (&["a", "bare"], false, EndpointMode::Vip, &["a"], none, Some("bare")),
        (&["a", "b"], false, EndpointMode::Vip, none, &["a"], None),
        // The mesh comes first and is rolled back, so it costs nothing, whether it refuses or not.
        (&["a", "full"], true, EndpointMode::Vip, &["a"], none, Some("full")),
        (&["full", "a"], false, EndpointMode::Vip, none, none, None),
        (&["full"], false, EndpointMode::Vip, none, none, None),
        (&["a", "full"], false, EndpointMode::Dnsrr, none, none, None),
    ] {
        let mut snapshot = networks();
        let vips: Vec<_> = wants.iter().map(|n| (*n, "")).collect();
        snapshot.services.push(Service { publishes_ingress: mesh, endpoint, ..service("late", &vips) });
        let found = found(&snapshot, &AllocatorCounts::default());
        if on.is_empty() && perhaps.is_empty() {
            assert_eq!(found, [], "{wants:?}");
            continue;
        }
        let expected = LossKind::RetriesLoseAddresses {
            service: "late".into(),
            on: on.iter().map(ToString::to_string).collect(),
            perhaps: perhaps.iter().map(ToString::to_string).collect(),
            refusing: refusing.map(str::to_owned),
            after_update: false,
        };
        assert_eq!(found, [Loss { kind: expected }], "{wants:?}, mesh {mesh}");
        let suffering = if on.is_empty() { perhaps } else { on };
        assert_eq!(
            (found[0].service(), found[0].networks().as_slice()),
            (Some("late"), &suffering.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
        );
        let words = found[0].to_string();
        let begins = match refusing {
            Some(network) => format!("service late waits for {network}, and each attempt to serve it loses"),
            None => "service late waits, and each attempt to serve it may lose".to_owned(),
        };
        assert!(words.starts_with(&begins), "{words}");
        assert!(words.ends_with("; remove late before anything else"), "{words}");
    }
}

#[test]
fn a_mesh_that_refuses_costs_nothing_elsewhere() {
    let mut snapshot = networks();
    let late = service("late", &[("a", ""), ("b", "")]);
    snapshot.services.push(Service { publishes_ingress: true, ..late });
    assert_eq!(found(&snapshot, &counts(&[("ingress", 256, 0)])), []);
    assert_eq!(found(&snapshot, &counts(&[("ingress", 10, 246)])).len(), 1);
}

#[test]
fn an_update_that_failed_freed_what_the_service_still_uses() {
    let mut snapshot = networks();
    snapshot.services.push(service("app", &[("a", "10.2.0.2"), ("full", "")]));
    let found = found(&snapshot, &AllocatorCounts::default());
    let [retries, freed] = found.as_slice() else { panic!("{found:?}") };
    assert!(
        matches!(&retries.kind, LossKind::RetriesLoseAddresses { after_update: true, .. }),
        "{retries:?}"
    );
    assert!(retries.to_string().ends_with("; take the last update of app back before anything else"));
    let vip = FreedVip { address: "10.2.0.2".parse().unwrap(), network: "a".into() };
    let expected =
        LossKind::LiveVipFreed { service: "app".into(), addresses: vec![vip], wanted: vec!["full".into()] };
    assert_eq!(freed.kind, expected);
    assert!(freed.to_string().contains("asked for full, which refuses"), "{freed}");
    assert_eq!((freed.service(), freed.networks()), (Some("app"), vec!["a".to_owned()]));
}

#[test]
fn an_address_with_two_holders_names_both() {
    let mut snapshot = networks();
    snapshot.services.push(service("one", &[("a", "10.2.0.2")]));
    snapshot.services.push(dnsrr("two", &["a"]));
    let state = crate::seen::TaskState::Running;
    snapshot.tasks.push(task("t", "two", state, &[("a", "10.2.0.2")]));
    let found = found(&snapshot, &AllocatorCounts::default());
    let [same] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        same.to_string(),
        "10.2.0.2 on a has 2 holders: task t of two and the virtual address of one; remove and redeploy one of them"
    );
    assert_eq!(same.networks(), ["a"]);
}

/// Today's fields stay, and the document reads back.
#[test]
fn json_has_the_kind_its_data_and_the_sentence() {
    let mut snapshot = networks();
    snapshot.services.push(service("app", &[("a", "10.2.0.2"), ("full", "")]));
    snapshot.services.push(service("twin", &[("a", "10.2.0.2")]));
    let found = found(&snapshot, &AllocatorCounts::default());
    let kinds = ["retries_lose_addresses", "live_vip_freed", "same_address"];
    assert_eq!(found.len(), kinds.len(), "{found:?}");
    for (loss, kind) in found.iter().zip(kinds) {
        let written = serde_json::to_value(loss).unwrap();
        assert_eq!((&written["kind"], &written["text"]), (&kind.into(), &loss.to_string().into()));
        assert_eq!(written["service"], "app");
        assert_eq!(written["networks"], serde_json::json!(["a"]));
        assert_eq!(&serde_json::from_value::<Loss>(written.clone()).unwrap(), loss);
        let finding: Finding = serde_json::from_value(written).unwrap();
        assert_eq!((finding.loss(), finding.to_string()), (Some(loss), loss.to_string()));
    }
}
