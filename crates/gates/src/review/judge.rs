//! What is wrong with a configuration, and what it has: a pure function of it and of what was seen of its files.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pvcheck_ipam::Subnet;
use serde::{Serialize, Serializer};
use thiserror::Error;

use super::files::{ConfigFiles, FileState, NamedFile};
use super::hint::{Hint, Told};
use crate::check::{Subjects, checks_of};
use crate::config::{Config, ConfigError, TasksWanted};
use crate::gate::Gate;
use crate::own_gate::{OwnGate, OwnGateError};
use crate::waived::{WaiverError, waiver_errors};

/// What a configuration has, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Review {
    /// The file.
    pub file: String,
    /// True iff nothing is wrong with it.
    pub right: bool,
    /// What is wrong with it.
    pub errors: Vec<ReviewError>,
    /// Its overlays, in their order.
    pub overlays: Vec<ReviewedOverlay>,
    /// Its services, in their order.
    pub services: Vec<ReviewedService>,
    /// Its routes, in their order.
    pub routes: Vec<ReviewedRoute>,
    /// The gates that can be run on it: those that come with pvcheck, then its own.
    pub gates: Vec<ReviewedGate>,
    /// What follows from what it leaves out.
    pub hints: Vec<Hint>,
}

/// An overlay of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReviewedOverlay {
    /// Its name.
    pub name: String,
    /// The subnet that it should have.
    pub subnet: Subnet,
    /// Addresses that must be free.
    pub min_free: u64,
    /// Leaked addresses that are accepted.
    pub max_leaked: u64,
}

/// A service of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReviewedService {
    /// Its name, a pattern of names, or `stack NAME`.
    pub name: String,
    /// How many tasks of each must run: `3 tasks`, `at least 2 tasks`; `None` where that is as the service asks.
    pub tasks: Option<String>,
    /// The overlay that it must be on.
    pub overlay: Option<String>,
}

/// A route of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReviewedRoute {
    /// Its name.
    pub name: String,
    /// Its URL, without its query.
    pub url: String,
    /// The group that it is in.
    pub group: Option<String>,
    /// True iff a gate that deploys stops where it does not answer.
    pub core: bool,
}

/// A gate that can be run on a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReviewedGate {
    /// Its name.
    pub name: String,
    /// How many checks it has here, preconditions among them.
    pub checks: usize,
    /// True iff it deploys stacks of its own, and so needs `--apply`.
    pub changes_something: bool,
    /// The gates that must have passed before.
    pub requires: Vec<String>,
}

/// Something that is wrong with a configuration. The text is one line, which says where and what to do; in JSON `kind` and
/// `text`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Told"))]
pub enum ReviewError {
    /// It cannot be read, or contradicts itself.
    #[error(transparent)]
    Config(ConfigError),
    /// A gate of its own cannot be made.
    #[error("{file}: {error}")]
    Gate {
        /// The configuration.
        file: String,
        /// Why.
        error: OwnGateError,
    },
    /// Authorities, credentials, a client certificate or the team's own signatures cannot be used.
    #[error("{file}: {error}")]
    Material {
        /// The configuration.
        file: String,
        /// Why.
        error: String,
    },
    /// A waiver of it cannot be used.
    #[error("{file}: {error}")]
    Waiver {
        /// The configuration.
        file: String,
        /// Why.
        error: WaiverError,
    },
    /// A file that it names is not one that a check can read.
    #[error("{file}: {}: {} {}", .named.field, .named.path.display(), state(&.named.state))]
    File {
        /// The configuration.
        file: String,
        /// The file, and where it is named.
        named: NamedFile,
    },
}

fn state(state: &FileState) -> String {
    match state {
        FileState::There => "is there".to_owned(),
        FileState::NotAFile => "is not a regular file; name one".to_owned(),
        FileState::NotThere => {
            "is not there; name another, or check the configuration on the host that has it".to_owned()
        }
        FileState::NotSeen(why) => format!("cannot be looked at: {why}; check its path and permissions"),
    }
}

impl ReviewError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Config(ConfigError::Meaning { .. }) => "meaning",
            Self::Config(ConfigError::Syntax { .. }) => "syntax",
            Self::Config(ConfigError::Unreadable { .. }) => "unreadable",
            Self::Gate { .. } => "gate",
            Self::Waiver { .. } => "waiver",
            Self::Material { .. } => "material",
            Self::File { .. } => "file",
        }
    }
}

impl Serialize for ReviewError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Told { kind: self.kind(), text: self.to_string() }.serialize(serializer)
    }
}

impl Review {
    /// The review of a text that is no configuration.
    pub fn refused(file: &str, errors: Vec<ConfigError>) -> Self {
        Self {
            file: file.to_owned(),
            right: false,
            errors: errors.into_iter().map(ReviewError::Config).collect(),
            overlays: Vec::new(),
            services: Vec::new(),
            routes: Vec::new(),
            gates: Vec::new(),
            hints: Vec::new(),
        }
    }
}

/// Reviews a configuration that could be read, with what was seen of its files, for a run at this time. `file` is its name in
/// errors.
pub fn review(file: &str, config: &Config, files: &ConfigFiles, now: Timestamp) -> Review {
    let mut errors = Vec::new();
    let missing = files.named.iter().filter(|named| named.state != FileState::There);
    errors.extend(missing.map(|named| ReviewError::File { file: file.to_owned(), named: named.clone() }));
    let material = files.material.iter();
    errors
        .extend(material.map(|error| ReviewError::Material { file: file.to_owned(), error: error.clone() }));
    let waivers = waiver_errors(config, now).into_iter();
    errors.extend(waivers.map(|error| ReviewError::Waiver { file: file.to_owned(), error }));
    let mut gates = if config.overlay().is_some() { built_in(config) } else { Vec::new() };
    for own in OwnGate::each(config, None) {
        match own {
            Ok(own) => gates.push(of_own(config, &own)),
            Err(error) => errors.push(ReviewError::Gate { file: file.to_owned(), error }),
        }
    }
    let overlays = config.overlays.iter().map(|o| ReviewedOverlay {
        name: o.name.clone(),
        subnet: o.subnet,
        min_free: o.min_free,
        max_leaked: o.max_leaked,
    });
    let services = config.services.iter().map(|service| ReviewedService {
        name: service.which.to_string(),
        tasks: (service.tasks != TasksWanted::AsAsked).then(|| service.tasks.to_string()),
        overlay: config.overlay_of(service).map(str::to_owned),
    });
    let core: BTreeSet<&str> = config.core_routes().map(|route| route.name.as_str()).collect();
    let routes = config.routes.iter().map(|route| ReviewedRoute {
        name: route.name.clone(),
        url: route.url.to_string(),
        group: route.group.clone(),
        core: core.contains(route.name.as_str()),
    });
    Review {
        file: file.to_owned(),
        right: errors.is_empty(),
        errors,
        overlays: overlays.collect(),
        services: services.collect(),
        routes: routes.collect(),
        gates,
        hints: Hint::of(config, now),
    }
}

/// The gates that come with pvcheck and that this configuration has all for.
fn built_in(config: &Config) -> Vec<ReviewedGate> {
    let deployable = config.canary.is_some() && config.churn.is_some();
    let gates = Gate::ALL.into_iter().filter(|gate| deployable || !gate.changes_something());
    let of = |gate: Gate| {
        let requires = requires(config, gate.name());
        let whole = Subjects::of(config);
        // The gates of a renewal are about one overlay.
        let overlays = match gate {
            Gate::FixPlan | Gate::Fixed => whole.overlays.get(..1).unwrap_or_default(),
            Gate::M1 | Gate::M2 => whole.overlays,
        };
        ReviewedGate {
            name: gate.name().to_owned(),
            checks: checks_of(gate.checks(), Subjects { overlays, ..whole }).len() + requires.len(),
            changes_something: gate.changes_something(),
            requires,
        }
    };
    gates.map(of).collect()
}

fn of_own(config: &Config, gate: &OwnGate<'_>) -> ReviewedGate {
    let requires = requires(config, gate.name());
    ReviewedGate {
        name: gate.name().to_owned(),
        checks: gate.check_ids().len() + requires.len(),
        changes_something: gate.changes_something(),
        requires,
    }
}

/// The gates that must have passed before this one.
fn requires(config: &Config, gate: &str) -> Vec<String> {
    let own = config.preconditions.iter().filter(|precondition| precondition.gate == gate);
    own.flat_map(|precondition| precondition.requires.iter().cloned()).collect()
}
