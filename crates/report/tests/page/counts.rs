//! The map against the figures of the checks, on worlds made by chance.

use proptest::prelude::*;
use pvcheck_audit::{Cell, Occupancy, Snapshot};
use pvcheck_gates::{GateFacts, M1Facts, Observed, Reason, Seen, SeenOverlay};
use pvcheck_sim::Model;
use pvcheck_swarm::{Census, CensusMethod};

use crate::support::*;

/// One step of a world's life.
#[derive(Clone, Debug)]
enum Step {
    Deploy(u64),
    Leak,
    Remove(usize),
    Attach,
    Node,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u64..4).prop_map(Step::Deploy),
        3 => Just(Step::Leak),
        1 => (0_usize..8).prop_map(Step::Remove),
        1 => Just(Step::Attach),
        1 => Just(Step::Node),
    ]
}

fn live(subnet: &str, steps: &[Step]) -> Model {
    let mut model = world(subnet);
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Deploy(replicas) => deploy(&mut model, &format!("app-{n}"), *replicas),
            Step::Leak => leak(&mut model, &format!("gone-{n}")),
            Step::Remove(which) => {
                // Whether that one was deployed is chance, too.
                let _ = model.remove_service(&format!("app-{which}"));
                model.advance(std::time::Duration::from_secs(20));
            }
            Step::Attach => {
                let node =
                    model.node_id("node-1").map_or_else(|_| String::new(), |id| id.as_str().to_owned());
                // A network that is full takes none.
                let _ = model.attach_container(&format!("c-{n}"), "proxy", &node);
            }
            Step::Node => {
                model.add_node(false);
            }
        }
    }
    model
}

fn seen(subnet: &str, facts: &M1Facts) -> SeenOverlay {
    let all = GateFacts::M1(Box::new(facts.clone())).overlays(&config(subnet));
    all.into_iter().next().expect("the one of the configuration")
}

/// The figures that `overlay.headroom` gives: free, usable, owned, leaked.
fn headroom(subnet: &str, facts: &M1Facts) -> Option<(u64, u64, u64, Option<u64>)> {
    let run = m1(&config(subnet), facts.clone());
    let check = run.report.checks.iter().find(|check| check.id == "overlay.headroom").expect("of the gate");
    match check.reason {
        Reason::EnoughFree { free, usable, owned, leaked, .. } => Some((free, usable, owned, Some(leaked))),
        Reason::TooFewFree { free, usable, owned, leaked, .. } => Some((free, usable, owned, leaked)),
        _ => None,
    }
}

fn sum(all: &Occupancy) -> u64 {
    Cell::ALL.iter().filter(|kind| **kind != Cell::Reserved).map(|kind| all.count(*kind)).sum()
}

/// Every kind of cell against what the checks of the same facts say.
fn assert_agrees(subnet: &str, facts: &M1Facts) {
    let overlay = seen(subnet, facts);
    let all = overlay.occupancy.as_ref().expect("a small overlay that is there");
    assert_eq!(sum(all), all.usable, "every usable address is of one kind");
    let nameless = all.owners.load_balancers.len() as u64;
    let outside = all.outside().count() as u64;
    assert_eq!(
        all.held() + outside + nameless_apart(all, nameless),
        all.owners.total(),
        "held as the owners are counted"
    );
    let Some((free, usable, owned, leaked)) = headroom(subnet, facts) else {
        assert!(overlay.leaks.is_err(), "without figures there is no count");
        assert_eq!(all.count(Cell::Free) + all.count(Cell::Leaked) + all.count(Cell::Suspect), 0, "{all:?}");
        return;
    };
    assert_eq!((all.usable, all.owners.total()), (usable, owned));
    match leaked {
        None => {
            assert_eq!(
                all.count(Cell::Free) + all.count(Cell::Leaked) + all.count(Cell::Suspect),
                0,
                "{all:?}"
            );
        }
        Some(leaked) if all.unsettled.is_none() => {
            assert_eq!(all.count(Cell::Free), free, "{all:?}");
            let suspects = all.count(Cell::Suspect);
            let among = if suspects == 0 { 0 } else { nameless };
            assert_eq!(all.count(Cell::Leaked) + suspects - among, leaked, "{all:?}");
        }
        Some(leaked) => {
            assert_eq!(all.count(Cell::Unknown) + all.count(Cell::Leaked), free + leaked + nameless);
        }
    }
}

/// The load balancers whose addresses are not drawn as such.
fn nameless_apart(all: &Occupancy, nameless: u64) -> u64 {
    let named = all.owners.named.iter().map(|owner| owner.address).collect::<std::collections::BTreeSet<_>>();
    let drawn =
        all.cells().filter(|(a, cell)| *cell == Cell::LoadBalancer && !named.contains(a)).count() as u64;
    nameless - drawn
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever a Swarm has been through, the map shows what the checks count, with a census and without.
    #[test]
    fn the_map_agrees_with_the_checks(steps in proptest::collection::vec(step(), 0..7), prefix in 27_u8..=28) {
        let subnet = format!("10.20.0.0/{prefix}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for counting in [true, false] {
            let facts = runtime.block_on(look(live(&subnet, &steps), counting));
            assert_agrees(&subnet, &facts);
        }
    }
}

/// A world with 3 leaks, a service of two tasks and a standalone container.
async fn leaky(counting: bool) -> M1Facts {
    let steps = [Step::Deploy(2), Step::Leak, Step::Leak, Step::Leak, Step::Attach];
    look(live("10.20.0.0/24", &steps), counting).await
}

#[tokio::test]
async fn leaks_that_a_census_names_are_drawn_and_no_others() {
    let facts = leaky(true).await;
    let overlay = seen("10.20.0.0/24", &facts);
    let all = overlay.occupancy.expect("seen");
    let kinds = [
        Cell::Vip,
        Cell::Task,
        Cell::LoadBalancer,
        Cell::Leaked,
        Cell::Suspect,
        Cell::Unknown,
        Cell::Reserved,
    ];
    assert_eq!(kinds.map(|kind| all.count(kind)), [1, 2, 1, 3, 0, 0, 3]);
    let census = facts.leaked.known().and_then(|all| match &all[0].census {
        Seen::Known(census) => Some(census.clone()),
        Seen::Unknown(_) => None,
    });
    let named: Vec<_> = all.cells().filter(|(_, cell)| *cell == Cell::Leaked).map(|(a, _)| a).collect();
    assert_eq!(Some(named), census.map(|census| census.leaked_addresses));
    assert_agrees("10.20.0.0/24", &facts);
}

/// The same world, and one fact less each time: what rested on it is no longer told.
#[tokio::test]
async fn what_is_not_counted_is_neither_free_nor_leaked() {
    let whole = leaky(true).await;
    let broken = |change: fn(&mut Census)| {
        let mut facts = whole.clone();
        if let Seen::Known(counts) = &mut facts.leaked.seen
            && let Seen::Known(census) = &mut counts[0].census
        {
            change(census);
        }
        facts
    };
    let not_complete = broken(|census| census.complete = false);
    let without_names = broken(|census| {
        (census.method, census.leaked_addresses) = (CensusMethod::Status, Vec::new());
    });
    let without_balancer = broken(|census| census.local_load_balancer = None);
    for (facts, leaked) in
        [(leaky(false).await, 0), (not_complete, 0), (without_names, 0), (without_balancer, 3)]
    {
        let all = seen("10.20.0.0/24", &facts).occupancy.expect("seen");
        assert_eq!((all.count(Cell::Free), all.count(Cell::Leaked)), (0, leaked), "{:?}", all.unsettled);
        assert!(all.unsettled.is_some() && 0 < all.count(Cell::Unknown));
        assert_agrees("10.20.0.0/24", &facts);
    }
    assert!(seen("10.20.0.0/24", &whole).occupancy.expect("seen").unsettled.is_none());
}

#[tokio::test]
async fn an_overlay_that_is_not_there_or_not_seen_has_no_map() {
    let mut facts = leaky(true).await;
    let config = config("10.20.0.0/24");
    let snapshot: &mut Snapshot = match &mut facts.snapshot.seen {
        Seen::Known(snapshot) => snapshot,
        Seen::Unknown(why) => panic!("{why}"),
    };
    snapshot.networks.retain(|network| network.name != "proxy");
    let gone = page_of(&config, m1(&config, facts.clone()), None);
    assert!(gone.contains("No map: ") && gone.contains("proxy") && !gone.contains("<figure"), "{gone}");
    let blind = M1Facts {
        snapshot: Observed { seen: unknown::<Snapshot>("x").seen, ..facts.snapshot.clone() },
        ..facts
    };
    let run = m1(&config, blind);
    let page = page_of(&config, run, None);
    assert!(page.contains("No map: ") && page.contains("did not answer"), "{page}");
}
