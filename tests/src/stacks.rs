//! Stacks as the docker client deploys and removes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pvcheck_audit::{Snapshot, owners};
use pvcheck_lab::Lab;
use pvcheck_swarm::Engine;

use crate::{Outcome, docker, text};

/// The image that every lab has.
pub const IMAGE: &str = "pvcheck-lab/busybox:1";
/// Stops at once.
pub const STOPS_AT_ONCE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
/// Stops slowly enough that a network is gone before the task.
pub const STOPS_IN_2_S: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done";

/// A stack of one service `app` on a private network `internal` and on a shared one: the shape that leaks.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The shared overlay.
    pub shared: &'a str,
    /// Tasks.
    pub replicas: usize,
    /// What they run, for `sh -c`.
    pub script: &'a str,
}

/// Deploys such stacks with the docker client and waits until all tasks run.
///
/// # Errors
/// If the client fails, or the tasks do not run within a minute.
pub fn deploy(lab: &Lab, names: &[String], shape: Shape<'_>) -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut compose = format!("version: '3.8'\nservices:\n  app:\n    image: {IMAGE}\n");
    let command = serde_json::to_string(&["sh", "-c", shape.script])?;
    writeln!(compose, "    command: {command}\n    networks: [internal, {}]", shape.shared)?;
    writeln!(compose, "    deploy: {{replicas: {}}}", shape.replicas)?;
    writeln!(compose, "networks:\n  internal: {{}}\n  {}: {{external: true}}", shape.shared)?;
    let file = folder.path().join("compose.yml");
    std::fs::write(&file, compose)?;
    for name in names {
        let mut client = lab.command("docker");
        // By its stream: inside of a whole host the file is not there.
        client.args(["stack", "deploy", "--resolve-image", "never", "-c", "-"]).arg(name);
        text(client.stdin(File::open(&file)?))?;
    }
    let since = Instant::now();
    while running(lab, names)? < names.len() * shape.replicas {
        if Duration::from_mins(1) < since.elapsed() {
            return Err("the stacks do not run".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Running tasks of these stacks, on any node.
fn running(lab: &Lab, stacks: &[String]) -> Result<usize, Box<dyn std::error::Error>> {
    let listed = docker(lab, &["service", "ls", "--format", "{{.Name}} {{.Replicas}}"])?;
    let tasks = |line: &str| -> Option<usize> {
        let (name, replicas) = line.split_once(' ')?;
        let ours = stacks.iter().any(|stack| name.strip_suffix("_app") == Some(stack));
        if ours { replicas.split('/').next()?.parse().ok() } else { None }
    };
    Ok(listed.lines().filter_map(tasks).sum())
}

/// `docker stack rm`, and again for the stack that it names while it ends with "in use by task", as an operator would:
/// for some milliseconds the tasks' desired state is still `running`, and Swarm refuses to remove their network.
///
/// # Errors
/// If it is refused for another reason, or 50 times.
pub fn stack_rm(lab: &Lab, names: &[String]) -> Outcome {
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

/// Loses so many addresses of a network: each task of a stack that comes and goes loses one. It takes one more that is free, and
/// waits first until the tasks of removed services have given theirs back.
///
/// # Errors
/// If the stack does not come or go.
pub async fn leak(lab: &Lab, engine: &Engine, network: &str, so_many: usize) -> Outcome {
    let names = ["gone".to_owned()];
    until_gone(engine, &[]).await?;
    deploy(lab, &names, Shape { shared: network, replicas: so_many, script: STOPS_IN_2_S })?;
    stack_rm(lab, &names)?;
    until_gone(engine, &names).await
}

/// Addresses on the network of the running tasks of these stacks.
///
/// # Errors
/// If a call fails, or the network does not exist.
pub async fn task_addresses(
    engine: &Engine,
    network: &str,
    stacks: &[String],
) -> Result<BTreeSet<Ipv4Addr>, Box<dyn std::error::Error>> {
    let snapshot = engine.snapshot().await?;
    let network = snapshot.overlay(network).ok_or("no such overlay")?;
    let of_stack = |stack: &Option<String>| stack.as_ref().is_some_and(|stack| stacks.contains(stack));
    let services = snapshot.services.iter().filter(|s| of_stack(&s.stack));
    let ours: BTreeSet<_> =
        services.flat_map(|s| snapshot.running_tasks(&s.id)).map(|t| t.id.clone()).collect();
    let named = owners(&snapshot, network).named.into_iter();
    Ok(named.filter(|o| o.task.as_ref().is_some_and(|t| ours.contains(t))).map(|o| o.address).collect())
}

/// Waits until neither a part of the stacks nor a task of a removed service is left.
///
/// # Errors
/// If a call fails, or a minute is over.
pub async fn until_gone(engine: &Engine, stacks: &[String]) -> Outcome {
    let since = Instant::now();
    loop {
        let snapshot = engine.snapshot().await?;
        let alive = snapshot.stacks().iter().any(|s| stacks.contains(s));
        if !alive && !has_orphans(&snapshot) {
            return Ok(());
        }
        if Duration::from_mins(1) < since.elapsed() {
            return Err("the stacks do not go".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// True iff a task's service is gone.
pub fn has_orphans(snapshot: &Snapshot) -> bool {
    let gone = |id| snapshot.service(id).is_none();
    snapshot.tasks.iter().any(|t| t.service.as_ref().is_some_and(gone))
}
