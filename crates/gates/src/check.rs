//! The catalogue of checks: the one table of their ids and titles.

use crate::config::{RouteConfig, ServiceConfig};

/// A check of a gate, with its service or route where there is one check for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check<'a> {
    /// The overlay has the subnet that the configuration declares.
    OverlaySubnet,
    /// Every owned address lies in the overlay's subnet and has one owner.
    OverlayOwners,
    /// At least `min_free` addresses of the overlay have no owner.
    OverlayHeadroom,
    /// No service lacks a VIP and no task waits for an address, on whatever network.
    SwarmWaiting,
    /// This service has as many running tasks as declared, on the overlay if it must be there.
    Service(&'a ServiceConfig),
    /// This route gives one of the statuses declared.
    Route(&'a RouteConfig),
    /// The engine has logged no exhaustion since it started.
    JournalExhaustion,
    /// Every route gives one of its statuses before anything is deployed.
    RoutesBefore,
    /// A stack with a service on the overlay comes up and has an address.
    CanaryDeploy,
    /// The router serves that stack.
    CanaryRoute,
    /// Nothing is left of that stack after its removal.
    CanaryRemoval,
    /// The censuses before and after the churn went once round the allocator's ring.
    ChurnCensus,
    /// The allocator hands out no address that has an owner.
    ChurnDuplicates,
    /// No address more is leaked after the churn than before.
    ChurnLeaks,
    /// The engine refused no removal of a throwaway stack.
    ChurnRemoval,
    /// The engine has logged nothing about lost or missing addresses since the run began.
    JournalNew,
    /// Nothing with the run's label is left.
    Residue,
}

impl Check<'_> {
    /// Its id, by which scripts find it in a report.
    pub(crate) fn id(self) -> String {
        match self {
            Self::OverlaySubnet => "overlay.subnet".into(),
            Self::OverlayOwners => "overlay.owners".into(),
            Self::OverlayHeadroom => "overlay.headroom".into(),
            Self::SwarmWaiting => "swarm.waiting".into(),
            Self::Service(service) => format!("service.{}", service.name),
            Self::Route(route) => format!("route.{}", route.name),
            Self::JournalExhaustion => "journal.exhaustion".into(),
            Self::RoutesBefore => "routes.before".into(),
            Self::CanaryDeploy => "canary.deploy".into(),
            Self::CanaryRoute => "canary.route".into(),
            Self::CanaryRemoval => "canary.removal".into(),
            Self::ChurnCensus => "churn.census".into(),
            Self::ChurnDuplicates => "churn.duplicates".into(),
            Self::ChurnLeaks => "churn.leaks".into(),
            Self::ChurnRemoval => "churn.removal".into(),
            Self::JournalNew => "journal.new".into(),
            Self::Residue => "residue".into(),
        }
    }

    /// What it shows when it passes, in a sentence about the overlay of this name.
    pub(crate) fn title(self, overlay: &str) -> String {
        match self {
            Self::OverlaySubnet => "The overlay has the declared subnet".into(),
            Self::OverlayOwners => "Every owned address is the overlay's and has one owner".into(),
            Self::OverlayHeadroom => "Enough addresses have no owner".into(),
            Self::SwarmWaiting => "No service or task waits for an address".into(),
            Self::Service(service) if service.overlay => format!("{} runs, on {overlay}", service.name),
            Self::Service(service) => format!("{} runs", service.name),
            Self::Route(route) => format!("{} answers {}", route.url, statuses(&route.expect)),
            Self::JournalExhaustion => "No exhaustion in the engine's log since the engine started".into(),
            Self::RoutesBefore => "Every core route answers before anything is deployed".into(),
            Self::CanaryDeploy => format!("A canary stack runs on {overlay}"),
            Self::CanaryRoute => "The canary answers through the router".into(),
            Self::CanaryRemoval => "The canary is removed completely".into(),
            Self::ChurnCensus => format!("A census of {overlay} before and after is complete"),
            Self::ChurnDuplicates => format!("No address of {overlay} is free and owned at once"),
            Self::ChurnLeaks => format!("Deploying and removing stacks leaks no address of {overlay}"),
            Self::ChurnRemoval => "Every throwaway stack is removed, no removal is refused".into(),
            Self::JournalNew => "No new signature of lost or missing addresses in the engine's log".into(),
            Self::Residue => "Nothing of this run is left".into(),
        }
    }
}

fn statuses(expected: &[u16]) -> String {
    expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
