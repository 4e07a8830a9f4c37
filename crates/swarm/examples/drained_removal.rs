//! A deploy harness: deploy a stack, run a check, and always remove the stack, drained.
//!
//! `cargo run --example drained_removal -- HOST NETWORK IMAGE` deploys one task on NETWORK and on a private network of
//! its own, checks that it has an address there, and removes everything again, whether the check passed or not.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use pvcheck_audit::owners;
use pvcheck_swarm::{
    Engine, Host, Operation, Order, Permit, RemovalOptions, RunId, StackSpec, deploy, remove_stacks, silent,
    sweep_run, wait_running,
};

/// How long the stack may take to run, and to stop.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let host: Host = match args.next().or_else(|| std::env::var("DOCKER_HOST").ok()) {
        Some(text) => text.parse()?,
        None => Host::default_socket(),
    };
    let network = args.next().ok_or("which network?")?;
    let image = args.next().ok_or("which image?")?;
    let engine = Engine::connect(&host).await?;

    // Everything that is created carries this run's label, so that a sweep finds it even if this process is killed.
    let run = RunId::unique();
    let shared = engine.snapshot().await?.named_overlay(&network)?.id.clone();
    let plan = StackSpec {
        name: format!("harness-{run}"),
        image,
        command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"].map(String::from).to_vec(),
        replicas: 1,
        shared,
        private: true,
        publish: None,
        labels: Vec::new(),
    };
    // The check's outcome is kept until the stack is gone; `?` in between would leave it standing.
    let outcome = deploy_and_check(&engine, &plan, &run, &network).await;
    remove(&engine, &plan.name, &run).await?;
    writeln!(std::io::stdout(), "{}", outcome?)?;
    Ok(())
}

async fn deploy_and_check(
    engine: &Engine,
    plan: &StackSpec,
    run: &RunId,
    network: &str,
) -> Result<String, Box<dyn Error>> {
    // A permit is made on purpose: it says that this program may change the Swarm.
    deploy(Operation::new(engine, Permit::granted_by_operator(), run, &silent), plan).await?;
    let snapshot = wait_running(engine, std::slice::from_ref(plan), PATIENCE).await?;
    let held = owners(&snapshot, snapshot.named_overlay(network)?);
    let service = plan.service_name();
    let mine = held.named.iter().filter(|o| o.service.as_deref() == Some(&service) && o.task.is_some());
    let address = mine.map(|o| o.address).next().ok_or("the task has no address")?;
    Ok(format!("checked {address}, then removed the stack"))
}

async fn remove(engine: &Engine, stack: &str, run: &RunId) -> Result<(), Box<dyn Error>> {
    let permit = Permit::granted_by_operator();
    let options = RemovalOptions { order: Order::Drained, patience: PATIENCE };
    // Services, then a wait for their tasks, then the rest: this order loses no address of the shared network.
    let removed = remove_stacks(
        Operation::new(engine, permit, &RunId::unique(), &silent),
        &[stack.to_owned()],
        &options,
    )
    .await;
    // A deployment that failed may have left a part of a stack; each part carries the run's label.
    let swept = sweep_run(Operation::new(engine, permit, run, &silent), PATIENCE).await?;
    let left = removed.into_iter().flatten().flat_map(|r| r.left).chain(swept.left).collect::<Vec<_>>();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("left: {}", left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")).into())
    }
}
