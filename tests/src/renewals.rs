//! Networks that are renewed, and what is compared before and afterwards.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use pvcheck_lab::Lab;
use serde_json::Value;

use crate::{docker, docker_json, pvcheck, text};

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
