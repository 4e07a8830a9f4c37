//! Drained removal on real engines: its time compared with that of the containers alone, and that it loses nothing.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_swarm::{
    Census, CensusOptions, Engine, Operation, Permit, RemovalOptions, RunId, census, remove_stacks, silent,
};
use pvcheck_tests::stacks::{STOPS_AT_ONCE, STOPS_IN_2_S, Shape, deploy, stack_rm, until_gone};
use pvcheck_tests::{Outcome, docker, host, lab, long};
use serde_json::Value;

const NETWORK: &str = "proxy";
/// Stacks side by side, and tasks of each.
const STACKS: usize = 4;
const REPLICAS: usize = 3;
/// What a drained removal may take, against the time that its containers take.
const AT_MOST: f64 = 1.1;

#[tokio::test]
async fn on_bookworm() -> Outcome {
    removal("removal::on_bookworm", Suite::Bookworm).await
}

#[tokio::test]
async fn on_trixie() -> Outcome {
    if !long() {
        return Ok(());
    }
    removal("removal::on_trixie", Suite::Trixie).await
}

#[tokio::test]
async fn on_sid() -> Outcome {
    if !long() {
        return Ok(());
    }
    removal("removal::on_sid", Suite::Sid).await
}

async fn removal(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    let create = ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK];
    docker(&lab, &create)?;
    for round in 0..if long() { 5 } else { 1 } {
        against_plain(test, &lab, &engine, round).await?;
    }
    for round in 0..if long() { 20 } else { 0 } {
        let names: Vec<String> = (0..8).map(|n| format!("quick-{round}-{n}")).collect();
        deploy(&lab, &names, Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })?;
        drained(&engine, &names).await?;
    }
    let found = count(&engine).await?;
    assert!(found.complete && found.leaked == Some(0), "{found:?}");
    let log = fs::read_to_string(&lab.info().log[0])?;
    let footprint = log.matches("could not find network allocator state").count();
    assert_eq!(footprint, 0, "the leak's footprint is in the engine's log");
    lab.down()?;
    Ok(())
}

/// The time of a drained removal, and what the containers of the same stacks take when only their services are removed.
async fn against_plain(test: &str, lab: &Lab, engine: &Engine, round: u32) -> Outcome {
    let names = slow(lab, &format!("plain-{round}"))?;
    let services: Vec<String> = names.iter().map(|name| format!("{name}_app")).collect();
    let since = Instant::now();
    docker(
        lab,
        &["service", "rm"].into_iter().chain(services.iter().map(String::as_str)).collect::<Vec<_>>(),
    )?;
    let plain = ends(engine, since).await?;
    stack_rm(lab, &names)?;
    until_gone(engine, &names).await?;

    let names = slow(lab, &format!("drained-{round}"))?;
    let since = Instant::now();
    let (took, ours) = tokio::join!(drained(engine, &names), ends(engine, since));
    let (took, ours) = (took?, ours?);
    let ratio = |to: Duration| took.as_secs_f64() / to.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{test}: {STACKS} stacks × {REPLICAS} tasks in {took:.2?}; containers exited {:.2?} (ratio {:.3}), tasks stopped \
         {:.2?} ({:.3}), containers gone {:.2?} ({:.3}); services alone: {plain:.2?}, ratios {:.3} {:.3} {:.3}",
        ours.exited,
        ratio(ours.exited),
        ours.stopped,
        ratio(ours.stopped),
        ours.gone,
        ratio(ours.gone),
        ratio(plain.exited),
        ratio(plain.stopped),
        ratio(plain.gone),
    )?;
    // Measured by two observers of the same tasks at the same time; another removal takes another time.
    assert!(ratio(ours.stopped) < AT_MOST, "{took:?} {ours:?}");
    Ok(())
}

fn slow(lab: &Lab, prefix: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let names: Vec<String> = (0..STACKS).map(|n| format!("{prefix}-{n}")).collect();
    deploy(lab, &names, Shape { shared: NETWORK, replicas: REPLICAS, script: STOPS_IN_2_S })?;
    Ok(names)
}

async fn drained(engine: &Engine, names: &[String]) -> Result<Duration, Box<dyn std::error::Error>> {
    let since = Instant::now();
    let options = RemovalOptions::default();
    let done = remove_stacks(
        Operation::new(engine, Permit::granted_by_operator(), &RunId::unique(), &silent),
        names,
        &options,
    )
    .await?;
    let took = since.elapsed();
    assert!(done.iter().all(|r| r.left.is_empty() && r.networks == 1), "{done:?}");
    Ok(took)
}

/// How long containers took to end, seen from outside.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    /// Until `docker ps` showed none of them.
    exited: Duration,
    /// Until the Swarm knew that none of their tasks runs.
    stopped: Duration,
    /// Until `docker ps --all` showed none of them.
    gone: Duration,
}

async fn ends(engine: &Engine, since: Instant) -> Result<Ends, Box<dyn std::error::Error>> {
    let mut ends = Ends::default();
    loop {
        let containers: Vec<Value> = engine.connection().get("/containers/json?all=1").await?;
        let tasks: Vec<Value> = engine.connection().get("/tasks").await?;
        let now = since.elapsed();
        if containers.iter().any(|c| c["State"] == "running") {
            ends.exited = now;
        }
        if tasks.iter().any(|t| t["Status"]["State"] == "running") {
            ends.stopped = now;
        }
        if containers.is_empty() && tasks.is_empty() {
            ends.gone = now;
            return Ok(ends);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(engine: &Engine) -> Result<Census, Box<dyn std::error::Error>> {
    let permit = Permit::granted_by_operator();
    Ok(census(Operation::new(engine, permit, &RunId::unique(), &silent), NETWORK, &CensusOptions::default())
        .await?)
}
