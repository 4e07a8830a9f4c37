//! Renewals on real engines: what is on a network, what must not change, and a renewal that does something at one of its
//! points.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pvcheck_lab::Lab;
use pvcheck_swarm::{
    Engine, Operation, Permit, RenewalFacts, RenewalOptions, RenewalPoint, RenewalRequest, RunId,
    plan_renewal, renew, silent,
};
use serde_json::{Value, json};

use crate::stacks::{IMAGE, STOPS_AT_ONCE};
use crate::{Outcome, docker, docker_json, pvcheck, text};

/// A line on stdout, which is where a round says what it measured.
pub fn say(line: &str) {
    // A closed stdout loses this line only.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// How long a renewal took, and each of its steps.
pub fn summary(done: &Value) -> String {
    let steps = done["steps"].as_array().into_iter().flatten();
    let steps: Vec<String> =
        steps.map(|s| format!("{} {}", s["step"].as_str().unwrap_or("?"), s["elapsed_ms"])).collect();
    format!("{} ms ({})", done["elapsed_ms"], steps.join(", "))
}

/// What was seen of each route meanwhile: requests, those that another address took, failures, and each outage.
pub fn table(done: &Value) -> String {
    let mut lines = Vec::new();
    for route in done["routes"]["routes"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {}: {} requests, {} elsewhere, {} failed",
            route["name"].as_str().unwrap_or("?"),
            route["probes"],
            route["elsewhere"],
            route["failed"]
        ));
        for outage in route["outages"].as_array().into_iter().flatten() {
            lines.push(format!(
                "    {} to {}, {} failed: {}",
                outage["from"], outage["to"], outage["failed"], outage["reason"]
            ));
        }
    }
    lines.join("\n")
}

/// Creates `proxy` with this subnet and a network `private`, and services of every mode on them.
///
/// # Errors
/// If the client fails.
pub fn renewable(lab: &Lab, subnet: &str) -> Outcome {
    for (name, subnet) in [("proxy", subnet), ("private", "10.20.0.0/24")] {
        docker(lab, &["network", "create", "-d", "overlay", "--attachable", "--subnet", subnet, name])?;
    }
    let create = ["service", "create", "-q", "--no-resolve-image", "--update-monitor", "100ms"];
    let app = [IMAGE, "sh", "-c", STOPS_AT_ONCE];
    for rest in [
        &["--name", "app", "--network", "private", "--network", "name=proxy,alias=web"][..],
        &["--name", "api", "--network", "proxy", "--endpoint-mode", "dnsrr", "--replicas", "2"],
        &["--name", "all", "--network", "proxy", "--network", "private", "--mode", "global"],
        &["--name", "idle", "--network", "proxy", "--replicas", "0"],
    ] {
        docker(lab, &[&create[..], rest, &app].concat())?;
    }
    Ok(())
}

/// `pvcheck resize NETWORK`, and its JSON.
///
/// # Errors
/// If it does not end with 0; with what it said.
pub fn resize(
    lab: &Lab,
    network: &str,
    state: &Path,
    words: &[&str],
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut command = lab.command(pvcheck()?);
    command.args(["resize", network, "-o", "json", "--quiet", "--state"]).arg(state).args(words);
    Ok(serde_json::from_str(&text(&mut command)?)?)
}

/// The specs of all services, as the docker client prints them, with the id of the network written as a word.
///
/// # Errors
/// If the docker client fails.
pub fn specs(lab: &Lab, network: &str) -> Result<BTreeMap<String, Value>, Box<dyn std::error::Error>> {
    let id = docker(lab, &["network", "inspect", "-f", "{{.Id}}", network])?;
    let services = docker(lab, &["service", "ls", "-q"])?;
    let words: Vec<&str> = ["service", "inspect"].into_iter().chain(services.lines()).collect();
    let listed = docker_json(lab, &words)?;
    let neutral = |spec: &Value| serde_json::from_str::<Value>(&spec.to_string().replace(&id, "NETWORK"));
    let mut found = BTreeMap::new();
    for service in listed.iter().filter_map(Value::as_array).flatten() {
        let spec = &service["Spec"];
        found.insert(spec["Name"].as_str().unwrap_or_default().to_owned(), neutral(spec)?);
    }
    Ok(found)
}

/// Renews `proxy` of the engine at `DOCKER_HOST`, and calls `then` at the point with this number, counted from 0. A test's own
/// program does so in a process of its own, with subnet, strategy and folder in its environment: `POINT_TO`,
/// `POINT_STRATEGY`, `POINT_STATE`.
///
/// # Errors
/// If it is not renewed.
pub fn renewed_to(point: usize, lock_lasts: Duration, then: impl Fn() + Send + Sync) -> Outcome {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let (to, strategy) = (variable("POINT_TO")?, variable("POINT_STRATEGY")?);
    let request: RenewalRequest =
        serde_json::from_value(json!({"network": "proxy", "to": {"subnet": to}, "strategy": strategy}))?;
    let engine = variable("DOCKER_HOST")?.parse()?;
    let passed = AtomicUsize::new(0);
    let hook = |_: RenewalPoint| {
        if passed.fetch_add(1, Ordering::Relaxed) == point {
            then();
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::connect(&engine).await?;
        let seen = pvcheck_swarm::read_with_host(&engine).await?;
        let facts = RenewalFacts::of(&engine, seen, "proxy").await?;
        let mut plan = plan_renewal(&facts, &request, &[]);
        plan.ignore_lock();
        let options = RenewalOptions {
            holder: "a test".into(),
            break_lock: Some("a test".into()),
            patience: Duration::from_mins(1),
            hold: false,
            state: variable("POINT_STATE")?.into(),
            lock_lasts,
            hook: &hook,
        };
        let run = RunId::unique();
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        // As the command says it: a test prints the name of an error alone.
        renew(op, &plan, &options).await.map_err(|error| error.to_string())?;
        Ok(())
    })
}
