//! The gates that come with pvcheck: the one table of their names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::catalogue::{Kind, Stage};
use crate::need::Need;

/// A gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// A renewal that is planned.
    FixPlan,
    /// A renewal that was done.
    Fixed,
    /// The control plane and its routes.
    M1,
    /// A deploy through the router, and a churn.
    M2,
}

/// There is no gate of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no such gate `{name}`; the gates are {}", all(own))]
pub struct NoSuchGate {
    /// The name that was given.
    pub name: String,
    /// The gates of the configuration's own.
    pub own: Vec<String>,
}

fn all(own: &[String]) -> String {
    let names = Gate::ALL.iter().map(ToString::to_string).chain(own.iter().cloned());
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Gate {
    /// Every gate, in the order in which they are to be run.
    pub const ALL: [Self; 4] = [Self::FixPlan, Self::Fixed, Self::M1, Self::M2];

    /// Its name on the command line, in reports and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::FixPlan => "pvfix.m1",
            Self::Fixed => "pvfix.m2",
            Self::M1 => "pvcheck.m1",
            Self::M2 => "pvcheck.m2",
        }
    }

    /// What it is about, as the end of a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::FixPlan => "a renewal that nothing keeps from being done, and that is declared",
            Self::Fixed => "a renewed overlay: as declared and deployed, with every service as it was",
            Self::M1 => "the control plane and its routes",
            Self::M2 => "a canary through the router and a churn that must lose nothing",
        }
    }

    /// Its checks, in the order of its report.
    pub(crate) fn checks(self) -> &'static [Kind] {
        match self {
            Self::FixPlan => &FIX_PLAN,
            Self::Fixed => &FIXED,
            Self::M1 => &M1,
            Self::M2 => &M2,
        }
    }

    /// The ids of its checks in the catalogue, in the order of its report.
    pub fn check_ids(self) -> impl Iterator<Item = &'static str> {
        self.checks().iter().map(|kind| kind.info().id)
    }

    /// True iff it deploys and removes stacks of its own, and so needs `--apply`.
    pub fn changes_something(self) -> bool {
        self.checks().iter().any(|kind| kind.info().stage == Stage::Deployment)
    }

    /// True iff it counts leaked addresses, by a census where `--probe` allows one.
    pub fn takes_a_probe(self) -> bool {
        !self.changes_something()
            && self.checks().iter().any(|kind| kind.info().needs.contains(&Need::Leaked))
    }
}

const FIX_PLAN: [Kind; 4] =
    [Kind::RenewalPlan, Kind::RenewalMembers, Kind::WindowClear, Kind::CreationDeclared];

const FIXED: [Kind; 14] = [
    Kind::OverlaySubnet,
    Kind::OverlayOwners,
    Kind::OverlayLeaked,
    Kind::OverlayHeadroom,
    Kind::SwarmWaiting,
    Kind::RenewalEnded,
    Kind::RenewalNetwork,
    Kind::RenewalRemoved,
    Kind::RenewalSpecs,
    Kind::CreationColumns,
    Kind::CreationUnit,
    Kind::Service,
    Kind::Route,
    Kind::JournalRenewal,
];

const M1: [Kind; 11] = [
    Kind::OverlaySubnet,
    Kind::OverlayOwners,
    Kind::OverlayLeaked,
    Kind::OverlayHeadroom,
    Kind::SwarmWaiting,
    Kind::Service,
    Kind::ServicesUnlisted,
    Kind::RoutesUnlisted,
    Kind::Route,
    Kind::JournalExhaustion,
    Kind::Guard,
];

const M2: [Kind; 14] = [
    Kind::RoutesBefore,
    Kind::OverlayLeaked,
    Kind::RoutesDuring,
    Kind::CanaryDeploy,
    Kind::CanaryRoute,
    Kind::CanaryRemoval,
    Kind::ChurnCensus,
    Kind::ChurnDuplicates,
    Kind::ChurnLeaks,
    Kind::ChurnRemoval,
    Kind::Harness,
    Kind::RoutesAfter,
    Kind::JournalNew,
    Kind::Residue,
];

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Gate {
    type Err = NoSuchGate;

    fn from_str(name: &str) -> Result<Self, NoSuchGate> {
        let found = Self::ALL.into_iter().find(|gate| gate.name() == name);
        found.ok_or_else(|| NoSuchGate { name: name.to_owned(), own: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_by_its_name_and_the_error_of_an_unknown_one_names_them() {
        for gate in Gate::ALL {
            assert_eq!(gate.to_string().parse(), Ok(gate));
        }
        let error = "pvcheck.m9".parse::<Gate>().unwrap_err().to_string();
        assert_eq!(
            error,
            "no such gate `pvcheck.m9`; the gates are `pvfix.m1`, `pvfix.m2`, `pvcheck.m1`, `pvcheck.m2`"
        );
    }

    #[test]
    fn a_gate_says_what_it_is_about_and_whether_it_deploys() {
        let changing: Vec<Gate> = Gate::ALL.into_iter().filter(|gate| gate.changes_something()).collect();
        assert_eq!(changing, [Gate::M2]);
        let counting: Vec<Gate> = Gate::ALL.into_iter().filter(|gate| gate.takes_a_probe()).collect();
        assert_eq!(counting, [Gate::Fixed, Gate::M1]);
        assert!(Gate::FixPlan.about().contains("declared") && Gate::Fixed.about().contains("renewed"));
        assert!(Gate::M1.about().contains("control plane") && Gate::M2.about().contains("canary"));
    }
}
