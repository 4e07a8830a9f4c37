//! What `docker stack rm` leaks, made by hand with the docker client on real engines, is what the census says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite, World};
use pvcheck_swarm::{
    Census, CensusMethod, CensusOptions, Engine, Owners, Permit, RemovalOptions, RunId, census, owners,
    remove_stacks, silent,
};
use pvcheck_tests::{Outcome, docker, host, lab, lab_of, text};

const NETWORK: &str = "proxy";
/// Stops slowly enough that the network is gone before the task.
const STOPS_IN_2_S: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done";

#[tokio::test]
async fn on_bookworm() -> Outcome {
    leaks("leaks::on_bookworm", Suite::Bookworm).await
}

#[tokio::test]
async fn on_trixie() -> Outcome {
    leaks("leaks::on_trixie", Suite::Trixie).await
}

/// Load balancers of other nodes cannot be told from leaks by their address, so they are taken off the count; and a
/// census that is asked for at once waits for the tasks that still stop.
#[tokio::test]
async fn with_three_managers() -> Outcome {
    let spec = LabSpec { managers: 3, ..LabSpec::default() };
    let Some(lab) = lab_of("leaks::with_three_managers", spec) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    docker(
        &lab,
        &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK],
    )?;
    deploy(&lab, &engine, 1, 4).await?;
    let names = deploy(&lab, &engine, 1, 3).await?;
    let held = task_addresses(&engine, &names).await?;
    let nodes: BTreeSet<_> = engine.snapshot().await?.tasks.into_iter().filter_map(|t| t.node).collect();
    assert_eq!((held.len(), nodes.len()), (3, 3), "every node runs a task");
    stack_rm(&lab, &names)?;
    let found = count(&engine).await?;
    assert!(found.complete, "{found:?}");
    assert_eq!((found.leaked, found.load_balancers), (Some(3), 2), "{found:?}");
    assert!(held.iter().all(|a| found.leaked_addresses.contains(a)), "held {held:?}, {found:?}");
    assert_eq!(found.handed_out + found.owned + 2 + 3, 253);
    lab.down()?;
    Ok(())
}

async fn leaks(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    docker(
        &lab,
        &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK],
    )?;
    assert_eq!(count(&engine).await?.leaked, Some(0), "a new network has no leak");

    // By the docker client's own order: one address per task, and exactly those that the tasks had.
    let mut lost = BTreeSet::new();
    for (stacks, replicas) in [(1, 1), (1, 3), (8, 1), (4, 3)] {
        let names = deploy(&lab, &engine, stacks, replicas).await?;
        let held = task_addresses(&engine, &names).await?;
        assert_eq!(held.len(), stacks * replicas);
        stack_rm(&lab, &names)?;
        until_gone(&engine, &names).await?;
        lost.extend(held);
        let found = count(&engine).await?;
        assert!(found.complete, "{found:?}");
        assert_eq!(found.leaked, Some(lost.len() as u64), "{stacks} stacks × {replicas} replicas: {found:?}");
        assert_eq!(BTreeSet::from_iter(found.leaked_addresses), lost);
    }

    // Drained, under the same concurrency: nothing more.
    let names = deploy(&lab, &engine, 4, 3).await?;
    let removed =
        remove_stacks(&engine, Permit::granted_by_operator(), &names, &RemovalOptions::default(), &silent)
            .await?;
    assert!(removed.iter().all(|r| r.left.is_empty() && r.networks == 1), "{removed:?}");
    let found = count(&engine).await?;
    assert_eq!(BTreeSet::from_iter(found.leaked_addresses), lost, "drained removal lost an address");
    assert_eq!(found.handed_out + found.owned + lost.len() as u64, 253);
    lab.down()?;
    Ok(())
}

/// By both methods, which have to say the same.
async fn count(engine: &Engine) -> Result<Census, Box<dyn std::error::Error>> {
    let by = async |method| {
        let options = CensusOptions { method: Some(method), ..CensusOptions::default() };
        census(engine, Permit::granted_by_operator(), NETWORK, &options, &RunId::unique(), &silent).await
    };
    let (bulk, cursor) = (by(CensusMethod::Bulk).await?, by(CensusMethod::Cursor).await?);
    assert_eq!(bulk.leaked_addresses, cursor.leaked_addresses, "{bulk:?} {cursor:?}");
    assert_eq!((bulk.complete, bulk.leaked), (cursor.complete, cursor.leaked), "{bulk:?} {cursor:?}");
    Ok(bulk)
}

/// Stacks of the shape that leaks: a private network and the shared one.
async fn deploy(
    lab: &Lab,
    engine: &Engine,
    stacks: usize,
    replicas: usize,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut compose = String::from("version: '3.8'\nservices:\n  app:\n    image: pvcheck-lab/busybox:1\n");
    let command = serde_json::to_string(&["sh", "-c", STOPS_IN_2_S])?;
    writeln!(compose, "    command: {command}\n    networks: [internal, {NETWORK}]")?;
    writeln!(compose, "    deploy: {{replicas: {replicas}}}")?;
    writeln!(compose, "networks:\n  internal: {{}}\n  {NETWORK}: {{external: true}}")?;
    let file = folder.path().join("compose.yml");
    std::fs::write(&file, compose)?;
    let names: Vec<String> = (0..stacks).map(|n| format!("run-{stacks}{replicas}{n}")).collect();
    for name in &names {
        text(
            lab.command("docker")
                .args(["stack", "deploy", "--resolve-image", "never", "-c"])
                .arg(&file)
                .arg(name),
        )?;
    }
    let since = Instant::now();
    while task_addresses(engine, &names).await?.len() < stacks * replicas {
        assert!(since.elapsed() < Duration::from_mins(1), "the stacks do not run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(names)
}

/// `docker stack rm`, and again for the stack that it names while it ends with "in use by task", as an operator would:
/// for some milliseconds Swarm still wants the tasks and refuses to remove their network.
fn stack_rm(lab: &Lab, names: &[String]) -> Outcome {
    for name in names {
        let mut tries = 0;
        while let Err(error) = docker(lab, &["stack", "rm", name]) {
            tries += 1;
            if 50 < tries || !error.to_string().contains("in use by task") {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Addresses on the shared network of the stacks' running tasks.
async fn task_addresses(
    engine: &Engine,
    stacks: &[String],
) -> Result<BTreeSet<Ipv4Addr>, Box<dyn std::error::Error>> {
    let snapshot = engine.snapshot().await?;
    let network = snapshot.overlay(NETWORK).ok_or("no overlay")?;
    let ours: BTreeSet<_> = snapshot
        .services
        .iter()
        .filter(|s| s.stack.as_ref().is_some_and(|stack| stacks.contains(stack)))
        .flat_map(|s| snapshot.running_tasks(&s.id))
        .map(|t| t.id.clone())
        .collect();
    let Owners { named, .. } = owners(&snapshot, network);
    Ok(named
        .into_iter()
        .filter(|o| o.task.as_ref().is_some_and(|t| ours.contains(t)))
        .map(|o| o.address)
        .collect())
}

/// Waits until neither a service nor a task of the stacks is left.
async fn until_gone(engine: &Engine, stacks: &[String]) -> Outcome {
    let since = Instant::now();
    loop {
        let snapshot = engine.snapshot().await?;
        let alive = snapshot.stacks().iter().any(|s| stacks.contains(s));
        let orphans = snapshot
            .tasks
            .iter()
            .any(|t| t.service.as_ref().is_some_and(|id| snapshot.service(id).is_none()));
        if !alive && !orphans {
            return Ok(());
        }
        assert!(since.elapsed() < Duration::from_mins(1), "the stacks do not go");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
