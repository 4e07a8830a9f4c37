//! The checks of a configuration: each kind of the catalogue, with its overlay, service or route.

use pvcheck_routes::Expected;

use crate::catalogue::{CheckInfo, Kind, Of, Stage};
use crate::config::{Config, GuardConfig, HarnessConfig, OverlayConfig, RouteConfig, ServiceConfig};
use crate::need::Need;

/// A check of a gate, with its overlay, service or route where there is one check for each. What it is about is told by its
/// row in the catalogue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check<'a> {
    OverlaySubnet(&'a OverlayConfig),
    OverlayOwners(&'a OverlayConfig),
    OverlayLeaked(&'a OverlayConfig),
    OverlayHeadroom(&'a OverlayConfig),
    SwarmWaiting,
    Service(&'a ServiceConfig),
    ServicesUnlisted,
    RoutesUnlisted,
    Route(&'a RouteConfig),
    JournalExhaustion,
    RoutesBefore,
    RoutesDuring,
    RoutesAfter,
    CanaryDeploy,
    CanaryRoute,
    CanaryRemoval,
    ChurnCensus,
    ChurnDuplicates,
    ChurnLeaks,
    ChurnRemoval,
    JournalNew,
    Residue,
    RenewalPlan(&'a OverlayConfig),
    RenewalMembers(&'a OverlayConfig),
    WindowClear,
    CreationDeclared(&'a OverlayConfig),
    RenewalEnded(&'a OverlayConfig),
    RenewalNetwork(&'a OverlayConfig),
    RenewalRemoved(&'a OverlayConfig),
    RenewalSpecs(&'a OverlayConfig),
    CreationColumns(&'a OverlayConfig),
    JournalRenewal,
    Precondition(&'a str),
    Harness(&'a HarnessConfig),
    Guard(&'a GuardConfig),
    CreationUnit(&'a OverlayConfig),
}

/// What there is one check of a kind for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subjects<'a> {
    pub(crate) overlays: &'a [OverlayConfig],
    pub(crate) services: &'a [ServiceConfig],
    pub(crate) routes: &'a [RouteConfig],
    pub(crate) harnesses: &'a [HarnessConfig],
    pub(crate) guard: Option<&'a GuardConfig>,
    /// The gates that must have passed before.
    pub(crate) before: &'a [String],
}

impl<'a> Subjects<'a> {
    /// Those of a whole configuration; which gates are to be before depends on the gate.
    pub(crate) fn of(config: &'a Config) -> Self {
        let (overlays, services, routes) = (&config.overlays, &config.services, &config.routes);
        let (harnesses, guard) = (&config.harnesses, config.team_guard());
        Self { overlays, services, routes, harnesses, guard, before: &[] }
    }
}

/// The checks of these kinds, in their order. Kinds about overlays that stand side by side are grouped by overlay, as a
/// reader looks for them.
pub(crate) fn checks_of<'a>(kinds: &[Kind], of: Subjects<'a>) -> Vec<Check<'a>> {
    let is_of_overlay = |kind: &Kind| kind.info().of == Of::Overlay;
    let runs = kinds.chunk_by(|a, b| is_of_overlay(a) && is_of_overlay(b));
    runs.flat_map(|run| match run {
        [kind] if !is_of_overlay(kind) => of_kind(*kind, of),
        run => {
            let of_one = |overlay: &'a OverlayConfig| {
                let alone = Subjects { overlays: std::slice::from_ref(overlay), ..of };
                run.iter().flat_map(move |kind| of_kind(*kind, alone))
            };
            of.overlays.iter().flat_map(of_one).collect()
        }
    })
    .collect()
}

/// The checks of one kind.
fn of_kind<'a>(kind: Kind, of: Subjects<'a>) -> Vec<Check<'a>> {
    let each = |check: fn(&'a OverlayConfig) -> Check<'a>| of.overlays.iter().map(check).collect();
    match kind {
        Kind::OverlaySubnet => each(Check::OverlaySubnet),
        Kind::OverlayOwners => each(Check::OverlayOwners),
        Kind::OverlayLeaked => each(Check::OverlayLeaked),
        Kind::OverlayHeadroom => each(Check::OverlayHeadroom),
        Kind::SwarmWaiting => vec![Check::SwarmWaiting],
        Kind::Service => of.services.iter().map(Check::Service).collect(),
        Kind::ServicesUnlisted => vec![Check::ServicesUnlisted],
        Kind::RoutesUnlisted => vec![Check::RoutesUnlisted],
        Kind::Route => of.routes.iter().map(Check::Route).collect(),
        Kind::JournalExhaustion => vec![Check::JournalExhaustion],
        Kind::RoutesBefore => vec![Check::RoutesBefore],
        Kind::RoutesDuring => vec![Check::RoutesDuring],
        Kind::RoutesAfter => vec![Check::RoutesAfter],
        Kind::CanaryDeploy => vec![Check::CanaryDeploy],
        Kind::CanaryRoute => vec![Check::CanaryRoute],
        Kind::CanaryRemoval => vec![Check::CanaryRemoval],
        Kind::ChurnCensus => vec![Check::ChurnCensus],
        Kind::ChurnDuplicates => vec![Check::ChurnDuplicates],
        Kind::ChurnLeaks => vec![Check::ChurnLeaks],
        Kind::ChurnRemoval => vec![Check::ChurnRemoval],
        Kind::JournalNew => vec![Check::JournalNew],
        Kind::Residue => vec![Check::Residue],
        Kind::RenewalPlan => each(Check::RenewalPlan),
        Kind::RenewalMembers => each(Check::RenewalMembers),
        Kind::WindowClear => vec![Check::WindowClear],
        Kind::CreationDeclared => each(Check::CreationDeclared),
        Kind::RenewalEnded => each(Check::RenewalEnded),
        Kind::RenewalNetwork => each(Check::RenewalNetwork),
        Kind::RenewalRemoved => each(Check::RenewalRemoved),
        Kind::RenewalSpecs => each(Check::RenewalSpecs),
        Kind::CreationColumns => each(Check::CreationColumns),
        Kind::JournalRenewal => vec![Check::JournalRenewal],
        Kind::Harness => of.harnesses.iter().map(Check::Harness).collect(),
        Kind::Guard => of.guard.into_iter().map(Check::Guard).collect(),
        Kind::CreationUnit => {
            let with_unit = of.overlays.iter().filter(|overlay| overlay.creation.unit.is_some());
            with_unit.map(Check::CreationUnit).collect()
        }
        Kind::Precondition => of.before.iter().map(|gate| Check::Precondition(gate)).collect(),
    }
}

impl<'a> Check<'a> {
    /// Its kind.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::OverlaySubnet(_) => Kind::OverlaySubnet,
            Self::OverlayOwners(_) => Kind::OverlayOwners,
            Self::OverlayLeaked(_) => Kind::OverlayLeaked,
            Self::OverlayHeadroom(_) => Kind::OverlayHeadroom,
            Self::SwarmWaiting => Kind::SwarmWaiting,
            Self::Service(_) => Kind::Service,
            Self::ServicesUnlisted => Kind::ServicesUnlisted,
            Self::RoutesUnlisted => Kind::RoutesUnlisted,
            Self::Route(_) => Kind::Route,
            Self::JournalExhaustion => Kind::JournalExhaustion,
            Self::RoutesBefore => Kind::RoutesBefore,
            Self::RoutesDuring => Kind::RoutesDuring,
            Self::RoutesAfter => Kind::RoutesAfter,
            Self::CanaryDeploy => Kind::CanaryDeploy,
            Self::CanaryRoute => Kind::CanaryRoute,
            Self::CanaryRemoval => Kind::CanaryRemoval,
            Self::ChurnCensus => Kind::ChurnCensus,
            Self::ChurnDuplicates => Kind::ChurnDuplicates,
            Self::ChurnLeaks => Kind::ChurnLeaks,
            Self::ChurnRemoval => Kind::ChurnRemoval,
            Self::JournalNew => Kind::JournalNew,
            Self::Residue => Kind::Residue,
            Self::RenewalPlan(_) => Kind::RenewalPlan,
            Self::RenewalMembers(_) => Kind::RenewalMembers,
            Self::WindowClear => Kind::WindowClear,
            Self::CreationDeclared(_) => Kind::CreationDeclared,
            Self::RenewalEnded(_) => Kind::RenewalEnded,
            Self::RenewalNetwork(_) => Kind::RenewalNetwork,
            Self::RenewalRemoved(_) => Kind::RenewalRemoved,
            Self::RenewalSpecs(_) => Kind::RenewalSpecs,
            Self::CreationColumns(_) => Kind::CreationColumns,
            Self::JournalRenewal => Kind::JournalRenewal,
            Self::Precondition(_) => Kind::Precondition,
            Self::Harness(_) => Kind::Harness,
            Self::Guard(_) => Kind::Guard,
            Self::CreationUnit(_) => Kind::CreationUnit,
        }
    }

    /// True iff something is deployed for it. A result that is offered deploys nothing.
    pub(crate) fn deploys(self) -> bool {
        let info = self.info();
        let is_offered = matches!(self, Self::Harness(harness) if harness.is_offered());
        info.stage == Stage::Deployment
            && !is_offered
            && [Need::Canary, Need::Churn, Need::Harness].iter().any(|need| info.needs.contains(need))
    }

    /// Its row in the catalogue.
    pub(crate) fn info(self) -> &'static CheckInfo {
        self.kind().info()
    }

    /// Its id, by which scripts find it in a report. Those of an overlay end with its name where there are several.
    pub(crate) fn id(self, config: &Config) -> String {
        let row = self.info().id;
        let named = |name: &str| row.replace("NAME", name);
        match self {
            Self::Service(service) => named(&service.which.id()),
            Self::Route(route) => named(&route.name),
            Self::Precondition(gate) => named(gate),
            Self::Harness(harness) => named(&harness.name),
            _ => match self.overlay().filter(|_| 1 < config.overlays.len()) {
                Some(overlay) => format!("{row}.{}", overlay.name),
                None => row.to_owned(),
            },
        }
    }

    /// What must have been observed whole for it to pass.
    pub(crate) fn needs(self) -> &'static [Need] {
        self.info().needs
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
            | Self::CreationColumns(overlay)
            | Self::CreationUnit(overlay) => Some(overlay),
            _ => None,
        }
    }

    /// What it shows when it passes, in a sentence.
    pub(crate) fn title(self, config: &Config) -> String {
        let row = self.info();
        match self {
            Self::Service(service) => {
                let which = &service.which;
                let who = if which.is_one() {
                    which.to_string()
                } else {
                    format!("every service {}", which.phrase())
                };
                let place = config.overlay_of(service).map(|overlay| format!(", on {overlay}"));
                format!("{who} runs{}", place.unwrap_or_default())
            }
            Self::Route(route) => {
                let spec = config.route_spec(route);
                let more = if spec.conditions.is_empty() { "" } else { ", and its conditions are met" };
                format!("{} answers {}{more}", route.url, statuses(&spec.expected))
            }
            Self::Harness(harness) => {
                let overlay = config.network_of(harness).unwrap_or("the overlay");
                format!("The run {} passes, on {overlay}", harness.name)
            }
            Self::Precondition(gate) => format!("{gate} has passed before"),
            Self::JournalExhaustion if let Some(since) = config.journal.since => {
                format!("No exhaustion in the engine's log since {since}")
            }
            _ if row.of == Of::First => {
                let name = config.overlay().map_or("the overlay", |o| o.name.as_str());
                row.title.replace("the overlay", name)
            }
            _ => match self.overlay().filter(|_| 1 < config.overlays.len()) {
                Some(overlay) => format!("{}: {}", overlay.name, row.title),
                None => row.title.to_owned(),
            },
        }
    }
}

fn statuses(expected: &[Expected]) -> String {
    expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::catalogue;

    fn config(text: &str) -> Config {
        Config::parse("pvcheck.toml", text).expect("a sound configuration")
    }

    fn table(name: &str) -> String {
        format!("[[overlay]]\nname = \"{name}\"\nsubnet = \"10.10.0.0/24\"\n")
    }

    #[test]
    fn a_title_names_the_overlay_where_there_are_several() {
        let title = |text: &str| {
            let config = config(text);
            Check::OverlayHeadroom(&config.overlays[0]).title(&config)
        };
        assert_eq!(title(&table("proxy")), "Enough addresses are free");
        assert_eq!(title(&(table("proxy") + &table("other"))), "proxy: Enough addresses are free");
    }

    #[test]
    fn every_kind_makes_checks_of_its_own_kind_whose_ids_are_its_row_s() {
        let unit = "[overlay.creation]\nunit = \"init.service\"\n";
        let text = table("proxy")
            + unit
            + &table("other")
            + unit
            + "[[service]]\nname = \"shop\"\n[[route]]\nname = \"shop\"\nurl = \"https://shop.test/\"\n\
               [[harness]]\nname = \"shop\"\nresult = \"shop.json\"\n\
               [guard]\nfile = \"run.sh\"\ncontains = ['a']\n";
        let config = config(&text);
        for row in catalogue() {
            let before = ["pvfix.m1".to_owned()];
            let checks = checks_of(&[row.kind], Subjects { before: &before, ..Subjects::of(&config) });
            let expected = if row.of == Of::Overlay { 2 } else { 1 };
            assert_eq!(checks.len(), expected, "{}", row.id);
            for check in checks {
                let id = check.id(&config);
                assert!(check.kind() == row.kind && row.has(&id), "{id} of {}", row.id);
                assert!(!id.contains("NAME") && !check.title(&config).is_empty());
            }
        }
    }

    #[test]
    fn checks_of_overlays_side_by_side_are_grouped_by_overlay() {
        let config = config(&(table("a") + &table("b")));
        let kinds = [Kind::OverlaySubnet, Kind::OverlayOwners, Kind::SwarmWaiting, Kind::OverlayLeaked];
        let ids: Vec<String> =
            checks_of(&kinds, Subjects::of(&config)).into_iter().map(|check| check.id(&config)).collect();
        assert_eq!(
            ids,
            [
                "overlay.subnet.a",
                "overlay.owners.a",
                "overlay.subnet.b",
                "overlay.owners.b",
                "swarm.waiting",
                "overlay.leaked.a",
                "overlay.leaked.b"
            ]
        );
    }
}
