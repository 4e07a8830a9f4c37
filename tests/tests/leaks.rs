//! What `docker stack rm` leaks, made by hand with the docker client on real engines, is what the census says.

use std::collections::BTreeSet;
use std::io::Write as _;

use pvcheck_lab::{Lab, LabSpec, Suite, World};
use pvcheck_swarm::{
    Census, CensusMethod, CensusOptions, Engine, Operation, Permit, RemovalOptions, RunId, census,
    remove_stacks, silent,
};
use pvcheck_tests::stacks::{STOPS_IN_2_S, Shape, deploy, stack_rm, task_addresses, until_gone};
use pvcheck_tests::{Outcome, docker, host, lab, lab_of, long};

const NETWORK: &str = "proxy";
/// Stacks side by side and tasks of each.
const SHAPES: [(usize, usize); 4] = [(1, 1), (1, 3), (8, 1), (4, 3)];

#[tokio::test]
async fn on_bookworm() -> Outcome {
    one("leaks::on_bookworm", Suite::Bookworm).await
}

#[tokio::test]
async fn on_trixie() -> Outcome {
    one("leaks::on_trixie", Suite::Trixie).await
}

#[tokio::test]
async fn on_sid() -> Outcome {
    if long() { one("leaks::on_sid", Suite::Sid).await } else { Ok(()) }
}

#[tokio::test]
async fn with_three_managers() -> Outcome {
    let shapes: &[_] = if long() { &SHAPES } else { &SHAPES[1..2] };
    three("leaks::with_three_managers", Suite::Bookworm, shapes).await
}

#[tokio::test]
async fn with_three_managers_on_trixie() -> Outcome {
    if long() { three("leaks::with_three_managers_on_trixie", Suite::Trixie, &SHAPES).await } else { Ok(()) }
}

#[tokio::test]
async fn with_three_managers_on_sid() -> Outcome {
    if long() { three("leaks::with_three_managers_on_sid", Suite::Sid, &SHAPES).await } else { Ok(()) }
}

async fn one(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    leaks(test, lab, &SHAPES, 0).await
}

/// Load balancers of other nodes cannot be distinguished from leaks by their address, so they are taken off the count; and a
/// census that is asked for at once waits for the tasks that still stop.
async fn three(test: &str, suite: Suite, shapes: &[(usize, usize)]) -> Outcome {
    let spec = LabSpec { managers: 3, suite: Some(suite), ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    leaks(test, lab, shapes, 2).await
}

/// Removes stacks of each shape by the docker client's own order: one address per task, and exactly those that the tasks
/// had. Then drained, under the same concurrency: nothing more.
async fn leaks(test: &str, lab: Lab, shapes: &[(usize, usize)], load_balancers: u64) -> Outcome {
    let engine = Engine::connect(&host(&lab)).await?;
    let create = ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK];
    docker(&lab, &create)?;
    assert_eq!(count(&engine).await?.leaked, Some(0), "a new network has no leak");
    // Every node runs a task of it, and so has a load balancer.
    let resident = Shape { shared: NETWORK, replicas: 4, script: STOPS_IN_2_S };
    deploy(&lab, &["resident".into()], resident)?;

    let mut lost = BTreeSet::new();
    for &(stacks, replicas) in shapes {
        let names: Vec<String> = (0..stacks).map(|n| format!("run-{stacks}{replicas}{n}")).collect();
        deploy(&lab, &names, Shape { replicas, ..resident })?;
        let held = task_addresses(&engine, NETWORK, &names).await?;
        assert_eq!(held.len(), stacks * replicas);
        stack_rm(&lab, &names)?;
        if load_balancers == 0 {
            until_gone(&engine, &names).await?;
        }
        lost.extend(held);
        let found = count(&engine).await?;
        assert!(found.complete, "{found:?}");
        let expected = (Some(lost.len() as u64), load_balancers);
        assert_eq!((found.leaked, found.load_balancers), expected, "{stacks} × {replicas}: {found:?}");
        assert_named(&found, &lost, load_balancers);
        writeln!(
            std::io::stdout(),
            "{test}: {stacks} stacks × {replicas} tasks: {} leaked in all, by bulk and by cursor, {load_balancers} \
             load balancers of other nodes",
            lost.len()
        )?;
    }

    let names: Vec<String> = (0..4).map(|n| format!("drained-{n}")).collect();
    deploy(&lab, &names, Shape { replicas: 3, ..resident })?;
    let permit = Permit::granted_by_operator();
    let removed = remove_stacks(
        Operation::new(&engine, permit, &RunId::unique(), &silent),
        &names,
        &RemovalOptions::default(),
    )
    .await?;
    assert!(removed.iter().all(|r| r.left.is_empty() && r.networks == 1), "{removed:?}");
    let found = count(&engine).await?;
    assert_eq!(found.leaked, Some(lost.len() as u64), "drained removal lost an address: {found:?}");
    assert_named(&found, &lost, load_balancers);
    assert_eq!(found.handed_out + found.owned + load_balancers + lost.len() as u64, 253);
    writeln!(std::io::stdout(), "{test}: 4 stacks × 3 tasks drained: nothing more")?;
    lab.down()?;
    Ok(())
}

/// The named addresses are those that were lost, and the load balancers, which cannot be distinguished from them.
fn assert_named(found: &Census, lost: &BTreeSet<std::net::Ipv4Addr>, load_balancers: u64) {
    let lists = [&found.leaked_addresses, &found.leaked_or_load_balancers];
    let named: BTreeSet<_> = lists.into_iter().flatten().copied().collect();
    assert_eq!(found.leaked_addresses.is_empty(), 0 < load_balancers || lost.is_empty(), "{found:?}");
    assert!(lost.is_subset(&named), "{lost:?} {found:?}");
    assert_eq!(named.len() as u64, lost.len() as u64 + load_balancers, "{lost:?} {found:?}");
}

/// By both methods, which have to say the same.
async fn count(engine: &Engine) -> Result<Census, Box<dyn std::error::Error>> {
    let by = async |method| {
        let options = CensusOptions { method: Some(method), ..CensusOptions::default() };
        census(
            Operation::new(engine, Permit::granted_by_operator(), &RunId::unique(), &silent),
            NETWORK,
            &options,
        )
        .await
    };
    let (bulk, cursor) = (by(CensusMethod::Bulk).await?, by(CensusMethod::Cursor).await?);
    assert_eq!(bulk.leaked_or_load_balancers, cursor.leaked_or_load_balancers, "{bulk:?} {cursor:?}");
    assert_eq!(bulk.leaked_addresses, cursor.leaked_addresses, "{bulk:?} {cursor:?}");
    assert_eq!((bulk.complete, bulk.leaked), (cursor.complete, cursor.leaked), "{bulk:?} {cursor:?}");
    Ok(bulk)
}
