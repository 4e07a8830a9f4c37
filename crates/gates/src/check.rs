//! The catalogue of checks: the one table of their ids, titles and needs.

use pvcheck_routes::Expected;

use crate::config::{Config, OverlayConfig, RouteConfig, ServiceConfig};
use crate::need::Need;

/// A check of a gate, with its overlay, service or route where there is one check for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check<'a> {
    /// The overlay has the subnet that the configuration declares.
    OverlaySubnet(&'a OverlayConfig),
    /// Every owned address lies in the overlay's subnet and has one owner.
    OverlayOwners(&'a OverlayConfig),
    /// At most `max_leaked` addresses of the overlay are given out without an owner.
    OverlayLeaked(&'a OverlayConfig),
    /// At least `min_free` addresses of the overlay are neither owned nor leaked.
    OverlayHeadroom(&'a OverlayConfig),
    /// No service lacks a VIP and no task waits for an address, on whatever network.
    SwarmWaiting,
    /// This service runs as it asks to, or as declared, on the overlay if it must be there.
    Service(&'a ServiceConfig),
    /// Every service of the Swarm stands in the configuration. Advisory: a gate passes without it.
    ServicesUnlisted,
    /// Every route that a service's labels declare has a `[[route]]`. Advisory too.
    RoutesUnlisted,
    /// This route gives one of the statuses declared, and its conditions are met.
    Route(&'a RouteConfig),
    /// The engine has logged no exhaustion since it started.
    JournalExhaustion,
    /// Every route gives one of its statuses before anything is deployed.
    RoutesBefore,
    /// Every route goes on giving one while stacks are deployed and removed.
    RoutesDuring,
    /// Every route gives one when everything is removed again.
    RoutesAfter,
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
    /// A renewal of this overlay to its declared subnet is planned, and nothing keeps it from being done.
    RenewalPlan(&'a OverlayConfig),
    /// That plan names every service that is on the overlay, or is to be.
    RenewalMembers(&'a OverlayConfig),
    /// Nothing is at work.
    WindowClear,
    /// The declared file creates the overlay with the declared subnet.
    CreationDeclared(&'a OverlayConfig),
    /// The overlay is the network that the renewal created.
    RenewalNetwork(&'a OverlayConfig),
    /// Neither the old network nor the holding network of the renewal is left.
    RenewalRemoved(&'a OverlayConfig),
    /// Every service that was moved has the spec that it had, but for the network's id.
    RenewalSpecs(&'a OverlayConfig),
    /// The renewal ended, with the new subnet, and left neither itself nor its lock in the Swarm.
    RenewalEnded(&'a OverlayConfig),
    /// The subnet that is declared, the one that is deployed and the live one are the same.
    CreationColumns(&'a OverlayConfig),
    /// The engine has logged nothing about lost or missing addresses since the overlay was created.
    JournalRenewal,
    /// The engine has logged nothing about lost or missing addresses since the run began.
    JournalNew,
    /// Nothing with the run's label is left.
    Residue,
}

impl<'a> Check<'a> {
    /// Its id, by which scripts find it in a report. Those of an overlay end with its name where there are several.
    pub(crate) fn id(self, config: &Config) -> String {
        let of = |id: &str, overlay: &OverlayConfig| match config.overlays.len() {
            0 | 1 => id.to_owned(),
            _ => format!("{id}.{}", overlay.name),
        };
        match self {
            Self::OverlaySubnet(overlay) => of("overlay.subnet", overlay),
            Self::OverlayOwners(overlay) => of("overlay.owners", overlay),
            Self::OverlayLeaked(overlay) => of("overlay.leaked", overlay),
            Self::OverlayHeadroom(overlay) => of("overlay.headroom", overlay),
            Self::SwarmWaiting => "swarm.waiting".into(),
            Self::Service(service) => format!("service.{}", service.name),
            Self::ServicesUnlisted => "services.unlisted".into(),
            Self::RoutesUnlisted => "routes.unlisted".into(),
            Self::Route(route) => format!("route.{}", route.name),
            Self::JournalExhaustion => "journal.exhaustion".into(),
            Self::RoutesBefore => "routes.before".into(),
            Self::RoutesDuring => "routes.during".into(),
            Self::RoutesAfter => "routes.after".into(),
            Self::CanaryDeploy => "canary.deploy".into(),
            Self::CanaryRoute => "canary.route".into(),
            Self::CanaryRemoval => "canary.removal".into(),
            Self::ChurnCensus => "churn.census".into(),
            Self::ChurnDuplicates => "churn.duplicates".into(),
            Self::ChurnLeaks => "churn.leaks".into(),
            Self::ChurnRemoval => "churn.removal".into(),
            Self::RenewalPlan(overlay) => of("renewal.plan", overlay),
            Self::RenewalMembers(overlay) => of("renewal.members", overlay),
            Self::WindowClear => "window.clear".into(),
            Self::CreationDeclared(overlay) => of("creation.declared", overlay),
            Self::RenewalNetwork(overlay) => of("renewal.network", overlay),
            Self::RenewalRemoved(overlay) => of("renewal.removed", overlay),
            Self::RenewalSpecs(overlay) => of("renewal.specs", overlay),
            Self::RenewalEnded(overlay) => of("renewal.ended", overlay),
            Self::CreationColumns(overlay) => of("creation.columns", overlay),
            Self::JournalRenewal => "journal.renewal".into(),
            Self::JournalNew => "journal.new".into(),
            Self::Residue => "residue".into(),
        }
    }

    /// What must have been observed whole for it to pass. A judging function that reads anything else breaks a test
    /// (`tests/gates/coverage.rs`): the check would change with an observation that its row does not name.
    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::OverlaySubnet(_)
            | Self::OverlayOwners(_)
            | Self::SwarmWaiting
            | Self::Service(_)
            | Self::ServicesUnlisted
            | Self::RoutesUnlisted => &[Need::Snapshot],
            Self::OverlayLeaked(_) => &[Need::Leaked],
            Self::OverlayHeadroom(_) => &[Need::Snapshot, Need::Leaked],
            Self::Route(_) | Self::RoutesBefore => &[Need::Routes],
            Self::RoutesDuring => &[Need::RoutesDuring],
            Self::RoutesAfter => &[Need::RoutesAfter],
            // The snapshot says whether the engine leads; only the leader logs that addresses run out.
            Self::JournalExhaustion | Self::JournalRenewal => &[Need::Journal, Need::Snapshot],
            Self::RenewalPlan(_) => &[Need::Plan],
            Self::RenewalMembers(_) => &[Need::Plan, Need::Snapshot],
            Self::WindowClear => &[Need::Window],
            Self::CreationDeclared(_) => &[Need::Declared],
            Self::RenewalNetwork(_) => &[Need::Record, Need::Proof, Need::Snapshot],
            Self::RenewalRemoved(_) => &[Need::Record, Need::Snapshot],
            Self::RenewalSpecs(_) | Self::RenewalEnded(_) => &[Need::Record, Need::Proof],
            Self::CreationColumns(_) => &[Need::Declared, Need::Deployed, Need::Snapshot],
            Self::JournalNew => &[Need::Journal],
            Self::CanaryDeploy | Self::CanaryRemoval => &[Need::Canary],
            Self::CanaryRoute => &[Need::Canary, Need::CanaryRoute],
            Self::ChurnCensus | Self::ChurnDuplicates | Self::ChurnLeaks => {
                &[Need::Churn, Need::CensusBefore, Need::CensusAfter]
            }
            Self::ChurnRemoval => &[Need::Churn],
            Self::Residue => &[Need::Residue],
        }
    }

    /// True iff a gate cannot pass without it.
    pub(crate) fn is_required(self) -> bool {
        // What a configuration does not name may well be meant to run; only its owner can tell.
        !matches!(self, Self::ServicesUnlisted | Self::RoutesUnlisted)
    }

    /// The overlay that it is about, if it is about one alone.
    pub(crate) fn overlay(self) -> Option<&'a OverlayConfig> {
        match self {
            Self::OverlaySubnet(overlay)
            | Self::OverlayOwners(overlay)
            | Self::OverlayLeaked(overlay)
            | Self::OverlayHeadroom(overlay)
            | Self::RenewalPlan(overlay)
            | Self::RenewalMembers(overlay)
            | Self::CreationDeclared(overlay)
            | Self::RenewalNetwork(overlay)
            | Self::RenewalRemoved(overlay)
            | Self::RenewalSpecs(overlay)
            | Self::RenewalEnded(overlay)
            | Self::CreationColumns(overlay) => Some(overlay),
            _ => None,
        }
    }

    /// What it shows when it passes, in a sentence.
    pub(crate) fn title(self, config: &Config) -> String {
        let several = 1 < config.overlays.len();
        let of = |sentence: &str| match self.overlay().filter(|_| several) {
            Some(overlay) => format!("{}: {sentence}", overlay.name),
            None => sentence.to_owned(),
        };
        let churned = config.overlay().map_or("the overlay", |o| o.name.as_str());
        match self {
            Self::OverlaySubnet(_) => of("The overlay has the declared subnet"),
            Self::OverlayOwners(_) => of("Every owned address is the overlay's and has one owner"),
            Self::OverlayLeaked(_) => of("No more addresses are leaked than accepted"),
            Self::OverlayHeadroom(_) => of("Enough addresses are free"),
            Self::SwarmWaiting => "No service or task waits for an address".into(),
            Self::Service(service) => match config.overlay_of(service) {
                Some(overlay) => format!("{} runs, on {overlay}", service.name),
                None => format!("{} runs", service.name),
            },
            Self::ServicesUnlisted => "Every service of the Swarm stands in the configuration".into(),
            Self::RoutesUnlisted => "Every route that a service's labels declare is asked".into(),
            Self::Route(route) => {
                let more = if route.conditions.is_empty() { "" } else { ", and its conditions are met" };
                format!("{} answers {}{more}", route.url, statuses(&route.expect))
            }
            Self::JournalExhaustion => "No exhaustion in the engine's log since the engine started".into(),
            Self::RoutesBefore => "Every core route answers before anything is deployed".into(),
            Self::RoutesDuring => "Every core route answers while stacks come and go".into(),
            Self::RoutesAfter => "Every core route answers after everything is removed".into(),
            Self::CanaryDeploy => format!("A canary stack runs on {churned}"),
            Self::CanaryRoute => "The canary answers through the router".into(),
            Self::CanaryRemoval => "The canary is removed completely".into(),
            Self::ChurnCensus => format!("A census of {churned} before and after is complete"),
            Self::ChurnDuplicates => format!("No address of {churned} is free and owned at once"),
            Self::ChurnLeaks => format!("Deploying and removing stacks leaks no address of {churned}"),
            Self::ChurnRemoval => "Every throwaway stack is removed, no removal is refused".into(),
            Self::RenewalPlan(_) => of("Nothing keeps the renewal to the declared subnet from being done"),
            Self::RenewalMembers(_) => of("The plan names every service on the overlay"),
            Self::WindowClear => "Nothing is at work".into(),
            Self::CreationDeclared(_) => of("The declared create line has the declared subnet"),
            Self::RenewalNetwork(_) => of("The overlay is the network that the renewal created"),
            Self::RenewalRemoved(_) => of("The old network and the holding network are gone"),
            Self::RenewalSpecs(_) => {
                of("Every service has its former specification but for the network's id")
            }
            Self::RenewalEnded(_) => of("The renewal has ended and left no lock"),
            Self::CreationColumns(_) => of("Declared, deployed and live subnet are the same"),
            Self::JournalRenewal => {
                "No signature of lost or missing addresses in the engine's log since the overlay was created"
                    .into()
            }
            Self::JournalNew => "No new signature of lost or missing addresses in the engine's log".into(),
            Self::Residue => "Nothing of this run is left".into(),
        }
    }
}

fn statuses(expected: &[Expected]) -> String {
    expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_the_overlay_where_there_are_several() {
        let table = |name: &str| format!("[[overlay]]\nname = \"{name}\"\nsubnet = \"10.10.0.0/24\"\n");
        let title = |text: &str| {
            let config = Config::parse("pvcheck.toml", text).expect("a sound configuration");
            Check::OverlayHeadroom(&config.overlays[0]).title(&config)
        };
        assert_eq!(title(&table("proxy")), "Enough addresses are free");
        assert_eq!(title(&(table("proxy") + &table("other"))), "proxy: Enough addresses are free");
    }
}
