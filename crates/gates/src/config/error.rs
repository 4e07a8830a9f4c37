//! Why a configuration was refused.

use std::path::PathBuf;

use pvcheck_routes::{SpecError, UrlError};
use pvcheck_swarm::ImageError;
use thiserror::Error;

use super::guard::GuardFault;
use super::harness_fault::HarnessFault;

/// Why a configuration was refused. The text is one line and names the place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}; name another with --config FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is not TOML, or has unknown, missing or wrong fields.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It contradicts itself, or a value is out of bounds.
    #[error("{file}: {fault}")]
    Meaning {
        /// The file.
        file: String,
        /// What is wrong, and what to write.
        fault: ConfigFault,
    },
}

/// What is wrong with a configuration whose syntax is right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigFault {
    /// The canary's URL is invalid.
    #[error("[canary] url: {0}")]
    CanaryUrl(UrlError),
    /// No answer could satisfy the canary's route.
    #[error("[canary]: {0}")]
    Canary(SpecError),
    /// The engine would refuse an image.
    #[error("[{table}] {fault}")]
    Image {
        /// `canary` or `churn`.
        table: &'static str,
        /// What is wrong with it.
        fault: ImageError,
    },
    /// Two entries of a table have one name.
    #[error("[[{table}]] `{name}` is there twice; remove one")]
    Duplicate {
        /// The table: `overlay`, `service`, `route`.
        table: &'static str,
        /// The name.
        name: String,
    },
    /// It expects nothing, so that every gate and every route would be without a check.
    #[error("nothing is expected; add an [overlay], a [[service]] or a [[route]] (see examples/cc-ci.toml)")]
    Empty,
    /// An entry has an empty name.
    #[error("a [[{table}]] has an empty name; give it one")]
    Nameless {
        /// The table: `overlay`, `service`, `route`.
        table: &'static str,
    },
    /// A service must be on an overlay that the configuration does not have.
    #[error("[[service]] `{service}` is to be on {}; {}", where_to_be(.overlay.as_deref()), which_there_are(.overlays))]
    NoSuchOverlay {
        /// The service.
        service: String,
        /// The overlay that it names; `None` for `overlay = true`.
        overlay: Option<String>,
        /// The overlays of the configuration.
        overlays: Vec<String>,
    },
    /// A route is in a group that the configuration does not have.
    #[error("[[route]] `{route}` is in group `{group}`; {}", which_groups(.groups))]
    NoSuchGroup {
        /// The route.
        route: String,
        /// The group that it names.
        group: String,
        /// The groups of the configuration.
        groups: Vec<String>,
    },
    /// A number of the churn is out of its bounds.
    #[error("[churn] {field} is {given}; give 1 to {most}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// Its value.
        given: u32,
        /// The largest value accepted; the smallest is 1.
        most: u32,
    },
    /// No answer could satisfy a route.
    #[error(transparent)]
    Route(#[from] SpecError),
    /// What is deployed is both a file and a unit.
    #[error("[overlay.creation] of `{overlay}` has both `deployed` and `unit`; keep one")]
    TwoDeployed {
        /// The overlay.
        overlay: String,
    },
    /// A harness cannot be what it says.
    #[error("[[harness]] `{name}`: {fault}")]
    Harness {
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: HarnessFault,
    },
    /// A guard cannot be what it says.
    #[error("[guard]: {0}")]
    Guard(GuardFault),
    /// A gate has the name of one that comes with pvcheck.
    #[error("[[gate]] `{name}` has the name of a gate that comes with pvcheck; give it another")]
    BuiltInGate {
        /// The name.
        name: String,
    },
    /// A gate's name is none for a file.
    #[error(
        "[[gate]] `{name}`: its reports are named after it; give it letters, digits, `.`, `-` and `_`, and no end `.facts`"
    )]
    GateName {
        /// The name.
        name: String,
    },
    /// A precondition names a gate that there is not.
    #[error(
        "[precondition] of `{gate}`: there is no gate `{name}`; `pvcheck gate list --config FILE` prints them"
    )]
    PreconditionGate {
        /// The gate that has the precondition.
        gate: String,
        /// The name.
        name: String,
    },
    /// A precondition asks for nothing, or for the gate itself.
    #[error("[precondition] of `{gate}` must require another gate and name where its reports are")]
    PreconditionEmpty {
        /// The gate that has the precondition.
        gate: String,
    },
    /// The log is both in a file and in a unit's journal.
    #[error("[journal] has both `file` and `unit`; keep one")]
    TwoLogs,
    /// There is a log without a node beside those of nodes.
    #[error(
        "[journal] has a log of no node beside those of [[journal.node]]; write a [[journal.node]] for it too"
    )]
    LogOfNoNode,
}

fn where_to_be(overlay: Option<&str>) -> String {
    overlay.map_or_else(|| "the overlay under test".to_owned(), |name| format!("overlay `{name}`"))
}

fn which_there_are(overlays: &[String]) -> String {
    if overlays.is_empty() {
        return "add an [overlay], or leave `overlay` out".to_owned();
    }
    format!("the overlays here are {}; name one of them, or add an [[overlay]]", overlays.join(", "))
}

fn which_groups(groups: &[String]) -> String {
    if groups.is_empty() {
        return "add a [[route_group]] of that name, or leave `group` out".to_owned();
    }
    format!("the groups here are {}; name one of them, or add a [[route_group]]", groups.join(", "))
}

impl ConfigError {
    /// The place of a syntax error, from the byte at which the parser stopped.
    pub(super) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Self::Syntax {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: error.message().replace('\n', ", "),
        }
    }
}
