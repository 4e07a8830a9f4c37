//! What follows from what a configuration leaves out.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::gate::Gate;
use crate::waived::expired;

/// What follows from what a configuration leaves out. None is an error. In JSON `kind` and `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "Told"))]
pub enum Hint {
    /// It has no overlay.
    NoOverlay,
    /// Canary and churn would have to be deployed on `ingress`.
    IngressFirst,
    /// It has no service.
    NoService,
    /// Which services an entry is about only a Swarm tells.
    NotKnownHere {
        /// The entry: a pattern of names, or `stack NAME`.
        which: String,
    },
    /// It has no route.
    NoRoute,
    /// It has routes, and none of them is core.
    NoCoreRoute,
    /// No route is in this group.
    EmptyGroup {
        /// The group.
        group: String,
    },
    /// It lacks what `pvcheck.m2` deploys: `canary` or `churn`.
    NotDeployable {
        /// The table.
        table: &'static str,
    },
    /// No file declares the first overlay.
    NotDeclared {
        /// The overlay.
        overlay: String,
    },
    /// It does not say where the log is.
    NoJournal,
    /// No stack is known to be a run's.
    NoBusyStacks,
    /// The last day of a waiver is over.
    WaiverExpired {
        /// What it names.
        check: String,
        /// That day.
        expires: Date,
    },
}

impl Hint {
    /// Everything that this configuration leaves out at this time.
    pub(super) fn of(config: &Config, now: Timestamp) -> Vec<Self> {
        let has_overlay = config.overlay().is_some();
        // The gates of a renewal are about the first, unless another is named.
        let undeclared = config.overlay().filter(|first| first.creation.declared.is_none());
        let undeclared = undeclared.map(|o| Self::NotDeclared { overlay: o.name.clone() });
        let several = config.services.iter().filter(|service| !service.which.is_one());
        let several = several.map(|service| Self::NotKnownHere { which: service.which.to_string() });
        let is_empty = |name: &str| !config.routes.iter().any(|route| route.group.as_deref() == Some(name));
        let empty = config.route_groups.iter().filter(|group| is_empty(&group.name));
        let empty = empty.map(|group| Self::EmptyGroup { group: group.name.clone() });
        let no_core = !config.routes.is_empty() && config.core_routes().next().is_none();
        [
            (!has_overlay, Self::NoOverlay),
            (config.overlay().is_some_and(|first| first.name == "ingress"), Self::IngressFirst),
            (config.services.is_empty(), Self::NoService),
            (config.routes.is_empty(), Self::NoRoute),
            (no_core, Self::NoCoreRoute),
            (has_overlay && config.canary.is_none(), Self::NotDeployable { table: "canary" }),
            (has_overlay && config.churn.is_none(), Self::NotDeployable { table: "churn" }),
            (
                config.journal.file.is_none()
                    && config.journal.unit.is_none()
                    && config.journal.nodes.is_empty(),
                Self::NoJournal,
            ),
            (config.window.busy_stacks.is_empty(), Self::NoBusyStacks),
        ]
        .into_iter()
        .filter_map(|(is_so, hint)| is_so.then_some(hint))
        .chain(undeclared)
        .chain(several)
        .chain(empty)
        .chain(
            expired(config, now).map(|waiver| Self::WaiverExpired {
                check: waiver.check.to_string(),
                expires: waiver.expires,
            }),
        )
        .collect()
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NoOverlay => "no_overlay",
            Self::IngressFirst => "ingress_first",
            Self::NoService => "no_service",
            Self::NotKnownHere { .. } => "not_known_here",
            Self::NoRoute => "no_route",
            Self::NoCoreRoute => "no_core_route",
            Self::EmptyGroup { .. } => "empty_group",
            Self::NotDeployable { .. } => "not_deployable",
            Self::NotDeclared { .. } => "not_declared",
            Self::NoJournal => "no_journal",
            Self::NoBusyStacks => "no_busy_stacks",
            Self::WaiverExpired { .. } => "waiver_expired",
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, deploying) = (Gate::FixPlan, Gate::M2);
        match self {
            Self::NoOverlay => f.write_str("no [overlay]: no gate can be run, `pvcheck routes` alone"),
            Self::IngressFirst => write!(
                f,
                "`ingress` is the first overlay: {deploying} cannot be run, since it deploys on the first"
            ),
            Self::NoService => f.write_str("no [[service]]: none has to run"),
            Self::NoRoute => f.write_str("no [[route]]: none has to answer"),
            Self::NoCoreRoute => {
                write!(
                    f,
                    "no route is core: routes.before, routes.during and routes.after of {deploying} stay UNKNOWN"
                )
            }
            Self::EmptyGroup { group } => write!(f, "no [[route]] is in group `{group}`"),
            Self::NotKnownHere { which } => {
                write!(
                    f,
                    "[[service]] {which}: which services these are, the Swarm alone tells; none there is a FAIL"
                )
            }
            Self::NotDeployable { table } => write!(f, "no [{table}]: {deploying} cannot be run"),
            Self::NotDeclared { overlay } => write!(
                f,
                "no [overlay.creation] declared of `{overlay}`: creation.declared of {plan} stays UNKNOWN there"
            ),
            Self::NoJournal => {
                f.write_str("no [journal]: the log is that of unit docker.service, in the journal")
            }
            Self::NoBusyStacks => f.write_str("no [window] busy_stacks: no stack is known to be a run's"),
            Self::WaiverExpired { check, expires } => {
                write!(f, "the [[waiver]] of `{check}` ended on {expires}, and does not count")
            }
        }
    }
}

/// A kind and its text, as JSON has them.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Told { kind: self.kind(), text: self.to_string() }.serialize(serializer)
    }
}
