//! What the types of a configuration leave open.

use std::collections::BTreeSet;

use pvcheck_swarm::check_image;

use super::error::ConfigFault;
use super::forms::Placement;
use super::own_gates::PreconditionConfig;
use super::tables::{ChurnConfig, Config, OverlayConfig};
use crate::gate::Gate;

/// Returns the first fault that the types of the tables cannot exclude.
///
/// # Errors
/// If nothing is expected, a name is empty or there twice, a service is on an overlay that is not there, the log or what is deployed has two sources, no answer could satisfy a route, an image is no reference, or a number is out of bounds.
pub(super) fn validate(config: &Config) -> Result<(), ConfigFault> {
    let expects = [config.overlays.len(), config.services.len(), config.routes.len()];
    // `pvcheck churn` reads the tables of what is deployed alone.
    if expects == [0; 3] && config.canary.is_none() && config.churn.is_none() {
        return Err(ConfigFault::Empty);
    }
    unique("overlay", config.overlays.iter().map(|o| &o.name))?;
    placed(config)?;
    let both = |o: &&OverlayConfig| o.creation.deployed.is_some() && o.creation.unit.is_some();
    if let Some(overlay) = config.overlays.iter().find(both) {
        return Err(ConfigFault::TwoDeployed { overlay: overlay.name.clone() });
    }
    unique("service", config.services.iter().map(|s| &s.name))?;
    unique("route", config.routes.iter().map(|r| &r.name))?;
    if config.journal.file.is_some() && config.journal.unit.is_some() {
        return Err(ConfigFault::TwoLogs);
    }
    for route in &config.routes {
        config.route_spec(route).check()?;
    }
    if let Some(canary) = &config.canary {
        // Any name will do: what the run's own name adds are letters, digits and hyphens.
        canary.spec("probe")?;
    }
    deployable(config)?;
    gates(config)?;
    config.churn.as_ref().map_or(Ok(()), bounded)
}

/// Refuses gates that could not be named, and preconditions of or by gates that there are not. What their patterns name is
/// for [`OwnGate`](crate::OwnGate) to say.
fn gates(config: &Config) -> Result<(), ConfigFault> {
    unique("gate", config.gates.iter().map(|gate| &gate.name))?;
    for gate in &config.gates {
        let name = || gate.name.clone();
        if gate.name.parse::<Gate>().is_ok() {
            return Err(ConfigFault::BuiltInGate { name: name() });
        }
        // Its name is that of its files.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // `GATE.facts.json` is the file beside a report.
        let is_of_facts = gate.name.rsplit('.').next() == Some("facts");
        if !gate.name.chars().all(fits) || gate.name.starts_with('.') || is_of_facts {
            return Err(ConfigFault::GateName { name: name() });
        }
    }
    let is_there =
        |name: &String| name.parse::<Gate>().is_ok() || config.gates.iter().any(|gate| gate.name == *name);
    unique("precondition", config.preconditions.iter().map(|precondition| &precondition.gate))?;
    for precondition in &config.preconditions {
        let PreconditionConfig { gate, requires, reports, .. } = precondition;
        let named = std::iter::once(gate).chain(requires);
        if let Some(name) = named.into_iter().find(|name| !is_there(name)) {
            return Err(ConfigFault::PreconditionGate { gate: gate.clone(), name: name.clone() });
        }
        unique("precondition", requires.iter())?;
        if requires.is_empty() || requires.contains(gate) || reports.0.is_empty() {
            return Err(ConfigFault::PreconditionEmpty { gate: gate.clone() });
        }
    }
    Ok(())
}

/// Refuses a service on an overlay that no check is about: it would be a FAIL at every run.
fn placed(config: &Config) -> Result<(), ConfigFault> {
    let is_here = |name: &str| config.overlays.iter().any(|o| o.name == name);
    let lost = config.services.iter().find(|service| match &service.overlay {
        Placement::Anywhere => false,
        Placement::First => config.overlays.is_empty(),
        Placement::Named(name) => !is_here(name),
    });
    let Some(service) = lost else { return Ok(()) };
    Err(ConfigFault::NoSuchOverlay {
        service: service.name.clone(),
        overlay: match &service.overlay {
            Placement::Named(name) => Some(name.clone()),
            Placement::Anywhere | Placement::First => None,
        },
        overlays: config.overlays.iter().map(|o| o.name.clone()).collect(),
    })
}

/// Refuses an image that no engine takes, before a gate has written anything.
fn deployable(config: &Config) -> Result<(), ConfigFault> {
    let canary = config.canary.as_ref().map(|canary| ("canary", &canary.image));
    let churn = config.churn.as_ref().map(|churn| ("churn", &churn.image));
    for (table, image) in canary.into_iter().chain(churn) {
        check_image(image).map_err(|fault| ConfigFault::Image { table, fault })?;
    }
    Ok(())
}

/// Bounds, so that a typo cannot fill a Swarm: what is made must stay small enough to be swept.
fn bounded(churn: &ChurnConfig) -> Result<(), ConfigFault> {
    let within = |field, given, most| {
        let is_inside = (1..=most).contains(&given);
        is_inside.then_some(()).ok_or(ConfigFault::OutOfBounds { field, given, most })
    };
    within("stacks", churn.stacks, 100)?;
    within("replicas", churn.replicas, 100)?;
    within("rounds", churn.rounds, 1000)
}

fn unique<'a>(table: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), ConfigFault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(ConfigFault::Nameless { table });
        }
        if !seen.insert(name) {
            return Err(ConfigFault::Duplicate { table, name: name.clone() });
        }
    }
    Ok(())
}
