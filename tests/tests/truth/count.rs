//! A count of the leaked addresses of an overlay that uses the docker client alone, and nothing that pvcheck concludes.
//!
//! One unschedulable service asks for more addresses than there are. Addresses are given before a node is chosen, so what
//! its tasks got is everything that was free; what is neither given nor owned is leaked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pvcheck_lab::Lab;
use pvcheck_tests::stacks::IMAGE;
use pvcheck_tests::{docker, docker_json};
use serde_json::Value;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PATIENCE: Duration = Duration::from_mins(1);

/// The leaked addresses at rest: counted until two counts in a row agree, since what has just been stopped may still hold
/// an address that the client no longer lists.
pub(crate) fn leaked(lab: &Lab, network: &str, usable: usize) -> Result<i64> {
    let mut last = None;
    for _ in 0..8 {
        let now = leaked_now(lab, network, usable)?;
        if last == Some(now) {
            return Ok(now);
        }
        last = Some(now);
    }
    Err(format!("eight counts of {network} in a row differ").into())
}

fn leaked_now(lab: &Lab, network: &str, usable: usize) -> Result<i64> {
    let replicas = (usable + 5).to_string();
    let greedy = format!("greedy-{network}");
    unschedulable(
        lab,
        &greedy,
        &["--replicas", &replicas, "--endpoint-mode", "dnsrr", "--network", network],
    )?;
    let outcome = until_served(lab, &greedy).and_then(|()| {
        let id = network_id(lab, network)?;
        let given = addresses(&tasks_of(lab, &greedy)?, &id);
        let owned = owned(lab, &id, &greedy)?;
        let both = given.intersection(&owned).count();
        if both != 0 {
            return Err(format!("{both} addresses of {network} are free and owned").into());
        }
        Ok(signed(usable) - signed(given.len()) - signed(owned.len()) - balancers(lab, &id, &greedy)?)
    });
    let tasks = ids(lab, &greedy)?;
    docker(lab, &["service", "rm", &greedy])?;
    until(|| Ok(living(lab, &tasks)? == 0), "the tasks of the count are gone")?;
    outcome
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A service whose tasks no node can run.
pub(crate) fn unschedulable(lab: &Lab, name: &str, words: &[&str]) -> Result<()> {
    let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", name];
    let nowhere = ["--restart-condition", "none", "--constraint", "node.labels.nowhere==true"];
    docker(lab, &[&create[..], &nowhere, words, &[IMAGE, "true"]].concat()).map(drop)
}

/// Waits until the allocator has come to a service made later that needs no address: what has none by then gets none.
fn until_served(lab: &Lab, greedy: &str) -> Result<()> {
    let wanted = docker(lab, &["service", "inspect", "-f", "{{.Spec.Mode.Replicated.Replicas}}", greedy])?;
    let wanted: usize = wanted.parse()?;
    until(|| Ok(ids(lab, greedy)?.len() == wanted), "all tasks of the count are made")?;
    let later = format!("later-{greedy}");
    unschedulable(lab, &later, &[])?;
    let passed = || {
        let tasks = tasks_of(lab, &later)?;
        Ok(tasks.iter().any(|task| task["Status"]["State"] == "pending"))
    };
    let outcome = until(passed, "the allocator comes to a later service");
    docker(lab, &["service", "rm", &later])?;
    outcome
}

fn network_id(lab: &Lab, network: &str) -> Result<String> {
    docker(lab, &["network", "inspect", "-f", "{{.Id}}", network])
}

/// The ids of all listed tasks of a service; none if it is gone.
pub(crate) fn ids(lab: &Lab, service: &str) -> Result<Vec<String>> {
    let listed = docker(lab, &["service", "ps", "-q", "--no-trunc", service]);
    match listed {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.to_string().contains("no such service") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn tasks_of(lab: &Lab, service: &str) -> Result<Vec<Value>> {
    inspect_tasks(lab, &ids(lab, service)?)
}

fn inspect_tasks(lab: &Lab, ids: &[String]) -> Result<Vec<Value>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<&str> =
        ["inspect", "--type", "task"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let documents = docker_json(lab, &words)?;
    Ok(documents.into_iter().flat_map(|list| list.as_array().cloned().unwrap_or_default()).collect())
}

const ENDED: [&str; 6] = ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"];

/// How many of these tasks the Swarm still has and have not ended.
pub(crate) fn living(lab: &Lab, tasks: &[String]) -> Result<usize> {
    if tasks.is_empty() {
        return Ok(0);
    }
    let mut command = lab.command("docker");
    // It ends with 1 where one is gone, and prints those that are there. An ended task holds no address, and 20.10 keeps
    // those of a removed job for minutes.
    let output =
        command.args(["inspect", "--type", "task", "-f", "{{.Status.State}}"]).args(tasks).output()?;
    let states = String::from_utf8(output.stdout)?;
    Ok(states.lines().filter(|state| !state.is_empty() && !ENDED.contains(state)).count())
}

fn addresses(tasks: &[Value], network: &str) -> BTreeSet<String> {
    let attachments = tasks.iter().flat_map(|t| t["NetworksAttachments"].as_array().into_iter().flatten());
    let here = attachments.filter(|a| a["Network"]["ID"] == network);
    let texts = here.flat_map(|a| a["Addresses"].as_array().into_iter().flatten());
    texts.filter_map(Value::as_str).filter_map(bare).collect()
}

fn bare(address: &str) -> Option<String> {
    address.split('/').next().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The addresses of services, and of tasks that have not ended.
fn owned(lab: &Lab, network: &str, greedy: &str) -> Result<BTreeSet<String>> {
    let mut owned = BTreeSet::new();
    for service in services(lab, greedy)? {
        let vips =
            docker_json(lab, &["service", "inspect", "-f", "{{json .Endpoint.VirtualIPs}}", &service])?;
        let vips = vips.iter().flat_map(|list| list.as_array().into_iter().flatten());
        let here = vips.filter(|vip| vip["NetworkID"] == network);
        owned.extend(here.filter_map(|vip| vip["Addr"].as_str()).filter_map(bare));
        owned.extend(addresses(&unended(&tasks_of(lab, &service)?), network));
    }
    Ok(owned)
}

/// One per node that has a task there.
fn balancers(lab: &Lab, network: &str, greedy: &str) -> Result<i64> {
    let mut nodes = BTreeSet::new();
    for service in services(lab, greedy)? {
        let tasks = unended(&tasks_of(lab, &service)?);
        let here = tasks.iter().filter(|task| !addresses(std::slice::from_ref(*task), network).is_empty());
        nodes
            .extend(here.filter_map(|t| t["NodeID"].as_str()).filter(|id| !id.is_empty()).map(str::to_owned));
    }
    Ok(signed(nodes.len()))
}

fn services(lab: &Lab, greedy: &str) -> Result<Vec<String>> {
    let listed = docker(lab, &["service", "ls", "--format", "{{.Name}}"])?;
    Ok(listed.lines().filter(|name| *name != greedy).map(str::to_owned).collect())
}

fn unended(tasks: &[Value]) -> Vec<Value> {
    let living = |task: &&Value| !ENDED.contains(&task["Status"]["State"].as_str().unwrap_or_default());
    tasks.iter().filter(living).cloned().collect()
}

/// Waits until this is so.
pub(crate) fn until(mut done: impl FnMut() -> Result<bool>, what: &str) -> Result<()> {
    let since = Instant::now();
    while !done()? {
        if PATIENCE < since.elapsed() {
            return Err(format!("not within {} s: {what}", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
