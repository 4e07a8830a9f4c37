//! What the types of a configuration leave open.

use std::collections::BTreeSet;

use pvcheck_swarm::check_image;

use super::error::ConfigFault;
use super::forms::Placement;
use super::guard;
use super::own_gates::PreconditionConfig;
use super::services::ServiceConfig;
use super::tables::{ChurnConfig, Config, OverlayConfig};
use super::validate_harness;
use crate::gate::Gate;

/// Every fault that the types of the tables cannot exclude, in the order of the tables.
///
/// There is one if nothing is expected, a name is empty or there twice, a service is on an overlay that is not there, the log or what is deployed has two sources, no answer could satisfy a route, an image is no reference, a number is out of bounds, or a gate or precondition names what there is not.
pub(super) fn faults(config: &Config) -> Vec<ConfigFault> {
    let mut found = Vec::new();
    let expects = [config.overlays.len(), config.services.len(), config.routes.len()];
    // `pvcheck churn` reads the tables of what is deployed alone.
    if expects == [0; 3] && config.canary.is_none() && config.churn.is_none() {
        found.push(ConfigFault::Empty);
    }
    found.extend(twice("overlay", config.overlays.iter().map(|o| &o.name)));
    found.extend(misplaced(config));
    let both = |o: &&OverlayConfig| o.creation.deployed.is_some() && o.creation.unit.is_some();
    let twofold = config.overlays.iter().filter(both);
    found.extend(twofold.map(|o| ConfigFault::TwoDeployed { overlay: o.name.clone() }));
    let services: Vec<String> = config.services.iter().map(|service| service.which.id()).collect();
    found.extend(twice("service", services.iter()));
    found.extend(twice("route_group", config.route_groups.iter().map(|group| &group.name)));
    found.extend(twice("route", config.routes.iter().map(|r| &r.name)));
    found.extend(of_groups(config));
    if config.journal.file.is_some() && config.journal.unit.is_some() {
        found.push(ConfigFault::TwoLogs);
    }
    if !config.journal.nodes.is_empty() && (config.journal.file.is_some() || config.journal.unit.is_some()) {
        found.push(ConfigFault::LogOfNoNode);
    }
    found.extend(twice("journal.node", config.journal.nodes.iter().map(|log| &log.node)));
    let unsound = config.routes.iter().filter_map(|route| config.route_spec(route).check().err());
    found.extend(unsound.map(ConfigFault::Route));
    // Any name will do: what the run's own name adds are letters, digits and hyphens.
    found.extend(config.canary.as_ref().and_then(|canary| canary.spec("probe").err()));
    found.extend(undeployable(config));
    found.extend(twice("harness", config.harnesses.iter().map(|harness| &harness.name)));
    found.extend(validate_harness::faults(config));
    found.extend(config.guard.iter().flat_map(guard::faults).map(ConfigFault::Guard));
    found.extend(of_gates(config));
    found.extend(config.churn.iter().flat_map(out_of_bounds));
    found
}

/// Routes in a group that is not there.
fn of_groups(config: &Config) -> impl Iterator<Item = ConfigFault> {
    let groups: Vec<String> = config.route_groups.iter().map(|group| group.name.clone()).collect();
    config.routes.iter().filter_map(move |route| {
        let group = route.group.clone().filter(|group| !groups.contains(group))?;
        Some(ConfigFault::NoSuchGroup { route: route.name.clone(), group, groups: groups.clone() })
    })
}

/// Gates that could not be named, and preconditions of or by gates that there are not. What their patterns name is
/// for [`OwnGate`](crate::OwnGate) to say.
fn of_gates(config: &Config) -> Vec<ConfigFault> {
    let mut found = twice("gate", config.gates.iter().map(|gate| &gate.name));
    for gate in &config.gates {
        let name = gate.name.clone();
        // Its name is that of its files.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // `GATE.facts.json` is the file beside a report.
        let is_of_facts = gate.name.rsplit('.').next() == Some("facts");
        if gate.name.parse::<Gate>().is_ok() {
            found.push(ConfigFault::BuiltInGate { name });
        } else if !gate.name.chars().all(fits) || gate.name.starts_with('.') || is_of_facts {
            found.push(ConfigFault::GateName { name });
        }
    }
    found.extend(twice("precondition", config.preconditions.iter().map(|precondition| &precondition.gate)));
    found.extend(config.preconditions.iter().flat_map(|precondition| of_precondition(config, precondition)));
    found
}

fn of_precondition(config: &Config, precondition: &PreconditionConfig) -> Vec<ConfigFault> {
    let PreconditionConfig { gate, requires, reports, .. } = precondition;
    let is_there =
        |name: &&String| name.parse::<Gate>().is_ok() || config.gates.iter().any(|gate| gate.name == **name);
    let unknown = std::iter::once(gate).chain(requires).filter(|name| !is_there(name));
    let unknown =
        unknown.map(|name| ConfigFault::PreconditionGate { gate: gate.clone(), name: name.clone() });
    let mut found: Vec<ConfigFault> = unknown.collect();
    found.extend(twice("precondition", requires.iter()));
    if requires.is_empty() || requires.contains(gate) || reports.0.is_empty() {
        found.push(ConfigFault::PreconditionEmpty { gate: gate.clone() });
    }
    found
}

/// Services on an overlay that no check is about: each would be a FAIL at every run.
fn misplaced(config: &Config) -> Vec<ConfigFault> {
    let is_here = |name: &str| config.overlays.iter().any(|o| o.name == name);
    let lost = config.services.iter().filter(|service| match &service.overlay {
        Placement::Anywhere => false,
        Placement::First => config.overlays.is_empty(),
        Placement::Named(name) => !is_here(name),
    });
    let fault = |service: &ServiceConfig| ConfigFault::NoSuchOverlay {
        service: service.which.to_string(),
        overlay: match &service.overlay {
            Placement::Named(name) => Some(name.clone()),
            Placement::Anywhere | Placement::First => None,
        },
        overlays: config.overlays.iter().map(|o| o.name.clone()).collect(),
    };
    lost.map(fault).collect()
}

/// Images that no engine takes, before a gate has written anything.
fn undeployable(config: &Config) -> impl Iterator<Item = ConfigFault> {
    let canary = config.canary.as_ref().map(|canary| ("canary", &canary.image));
    let churn = config.churn.as_ref().map(|churn| ("churn", &churn.image));
    let refused = |(table, image): (&'static str, &String)| {
        check_image(image).err().map(|fault| ConfigFault::Image { table, fault })
    };
    canary.into_iter().chain(churn).filter_map(refused)
}

/// Bounds, so that a typo cannot fill a Swarm: what is made must stay small enough to be swept.
fn out_of_bounds(churn: &ChurnConfig) -> impl Iterator<Item = ConfigFault> {
    let bounds =
        [("stacks", churn.stacks, 100), ("replicas", churn.replicas, 100), ("rounds", churn.rounds, 1000)];
    let outside = bounds.into_iter().filter(|(_, given, most)| !(1..=*most).contains(given));
    outside.map(|(field, given, most)| ConfigFault::OutOfBounds { field, given, most })
}

/// Names that are empty, and each name that is there again.
fn twice<'a>(table: &'static str, names: impl Iterator<Item = &'a String>) -> Vec<ConfigFault> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for name in names {
        if name.is_empty() {
            found.push(ConfigFault::Nameless { table });
        } else if !seen.insert(name) {
            found.push(ConfigFault::Duplicate { table, name: name.clone() });
        }
    }
    found
}
