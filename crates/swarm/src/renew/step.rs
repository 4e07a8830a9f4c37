//! The steps of a renewal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::attached::AttachedContainer;
use super::member::Member;
use super::pins::Pin;
use super::strategy::RenewalStrategy;

/// Services that are updated at the same time, at most. A router is updated alone.
const AT_ONCE: usize = 8;

/// One of the networks of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The network that goes.
    Old,
    /// The one that holds the services in between.
    Holding,
    /// The one that comes.
    New,
}

/// Which of these networks a service is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// On the old one: the beginning.
    Old,
    /// On the old one and the holding one.
    OldAndHolding,
    /// On the holding one.
    Holding,
    /// On none.
    Off,
    /// On the holding one and the new one.
    HoldingAndNew,
    /// On the new one: the end.
    New,
}

impl Place {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Old, Self::Holding, Self::New];
}

impl Stage {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Old, Self::OldAndHolding, Self::Holding, Self::Off, Self::HoldingAndNew, Self::New];

    /// The networks, in the order in which they are listed.
    pub(super) fn places(self) -> &'static [Place] {
        match self {
            Self::Old => &[Place::Old],
            Self::OldAndHolding => &[Place::Old, Place::Holding],
            Self::Holding => &[Place::Holding],
            Self::Off => &[],
            Self::HoldingAndNew => &[Place::Holding, Place::New],
            Self::New => &[Place::New],
        }
    }

    /// True iff it is passed through while the old network is there.
    pub(super) fn is_first_half(self) -> bool {
        matches!(self, Self::OldAndHolding | Self::Holding | Self::Off)
    }

    /// True iff this place of a spec names the holding network on this stage.
    ///
    /// A label is the service's own: it names a network that all of its tasks are on, those of before and those of after the
    /// update, so it changes when the service leaves a network. A router's option is for all its backends: it changes when
    /// the router joins, since by then each of them is on both networks, and before the first of them leaves. Of a backend
    /// that is not on the network that is named Traefik takes any other, such as one that it is not on itself.
    pub(super) fn is_held(self, pin: &Pin) -> bool {
        match self {
            Self::Holding => true,
            Self::OldAndHolding => pin.is_option(),
            Self::HoldingAndNew => !pin.is_option(),
            Self::Old | Self::Off | Self::New => false,
        }
    }
}

/// One step. Each can be done again: what is done already is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum RenewalStep {
    /// The holding network is created, and seen to be allocated.
    CreateHolding,
    /// Services are updated, and all their tasks seen to run on these networks.
    Move {
        /// Where they are afterwards.
        to: Stage,
        /// Their names.
        services: Vec<String>,
    },
    /// Containers that were attached by hand are connected to these networks, and disconnected from the others.
    Carry {
        /// Where they are afterwards.
        to: Stage,
        /// Their names.
        containers: Vec<String>,
    },
    /// No task is left that holds an address of the network.
    Drain {
        /// The network.
        network: Place,
    },
    /// The network is removed.
    Remove {
        /// The network.
        network: Place,
    },
    /// The network is created with its new subnet, and seen to be allocated.
    Create,
    /// Every update is over. Until then Swarm watches the new tasks, and one that fails may make it stop the update or take
    /// it back, and with it the service's networks.
    Confirm,
}

impl RenewalStep {
    /// Its name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateHolding => "create-holding",
            Self::Move { to: Stage::OldAndHolding, .. } => "join-holding",
            Self::Move { to: Stage::Holding, .. } => "leave-old",
            Self::Move { to: Stage::Off, .. } => "detach",
            Self::Move { to: Stage::HoldingAndNew, .. } => "join-new",
            Self::Move { to: Stage::New, .. } => "leave-holding",
            Self::Move { to: Stage::Old, .. } => "attach-old",
            Self::Carry { to: Stage::OldAndHolding, .. } => "connect-holding",
            Self::Carry { to: Stage::Holding, .. } => "disconnect-old",
            Self::Carry { to: Stage::Off, .. } => "disconnect",
            Self::Carry { to: Stage::HoldingAndNew, .. } => "connect-new",
            Self::Carry { to: Stage::New, .. } => "connect-new-alone",
            Self::Carry { to: Stage::Old, .. } => "connect-old",
            Self::Drain { network: Place::Holding } => "drain-holding",
            Self::Drain { .. } => "drain",
            Self::Remove { network: Place::Holding } => "remove-holding",
            Self::Remove { .. } => "remove",
            Self::Create => "create",
            Self::Confirm => "confirm",
        }
    }

    /// Services that it updates.
    pub fn services(&self) -> &[String] {
        match self {
            Self::Move { services, .. } => services,
            _ => &[],
        }
    }
}

impl fmt::Display for RenewalStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateHolding => f.write_str("create the holding network"),
            Self::Move { to, services } => write!(f, "move {}: {}", whereto(*to), services.join(", ")),
            Self::Carry { to, containers } => {
                write!(f, "reconnect {}: {}", whereto(*to), containers.join(", "))
            }
            Self::Drain { network } => write!(f, "wait until no task holds an address of {}", name(*network)),
            Self::Remove { network } => write!(f, "remove {}", name(*network)),
            Self::Create => f.write_str("create the network with its new subnet"),
            Self::Confirm => f.write_str("wait until every update is complete"),
        }
    }
}

fn whereto(to: Stage) -> &'static str {
    match to {
        Stage::Old => "back onto the old network",
        Stage::OldAndHolding => "onto the holding network as well",
        Stage::Holding => "off the old network",
        Stage::Off => "off the network",
        Stage::HoldingAndNew => "onto the new network as well",
        Stage::New => "onto the new network alone",
    }
}

fn name(place: Place) -> &'static str {
    match place {
        Place::Old => "the old network",
        Place::Holding => "the holding network",
        Place::New => "the new network",
    }
}

/// All steps, in their order. Containers join the new network before its services, so that no task is given an address of
/// theirs, and leave the old one after them, since a task that starts there meanwhile could be.
pub(super) fn steps(
    strategy: RenewalStrategy,
    members: &[Member],
    containers: &[AttachedContainer],
) -> Vec<RenewalStep> {
    let all = |to: Stage| {
        // A router is still on a network when its backends have left it, and there before they are on it alone. By `bridge`
        // it also joins after them: see `Stage::is_held`.
        let routers_first = to == Stage::New && strategy == RenewalStrategy::Recreate;
        let mut batches = batches(members);
        if !routers_first {
            batches.reverse();
        }
        batches.into_iter().map(move |services| RenewalStep::Move { to, services })
    };
    let carried = |to: Stage| {
        let containers: Vec<String> = containers.iter().map(|c| c.name.clone()).collect();
        (!containers.is_empty()).then_some(RenewalStep::Carry { to, containers })
    };
    let gone = |network| [RenewalStep::Drain { network }, RenewalStep::Remove { network }];
    let mut steps = Vec::new();
    match strategy {
        RenewalStrategy::Bridge => {
            steps.push(RenewalStep::CreateHolding);
            steps.extend(carried(Stage::OldAndHolding));
            steps.extend(all(Stage::OldAndHolding).chain(all(Stage::Holding)));
            steps.extend(carried(Stage::Holding));
            steps.extend(gone(Place::Old));
            steps.push(RenewalStep::Create);
            steps.extend(carried(Stage::HoldingAndNew));
            steps.extend(all(Stage::HoldingAndNew).chain(all(Stage::New)));
            steps.extend(carried(Stage::New));
            steps.extend(gone(Place::Holding));
            steps.push(RenewalStep::Confirm);
        }
        RenewalStrategy::Recreate => {
            steps.extend(all(Stage::Off));
            steps.extend(carried(Stage::Off));
            steps.extend(gone(Place::Old));
            steps.push(RenewalStep::Create);
            steps.extend(carried(Stage::New));
            steps.extend(all(Stage::New));
            steps.push(RenewalStep::Confirm);
        }
    }
    steps
}

/// The services, routers first: each of them by itself, then all others.
pub(super) fn batches(members: &[Member]) -> Vec<Vec<String>> {
    let routers = members.iter().filter(|m| m.is_router()).map(|m| vec![m.name.clone()]);
    let others: Vec<String> = members.iter().filter(|m| !m.is_router()).map(|m| m.name.clone()).collect();
    routers.chain(others.chunks(AT_ONCE).map(<[String]>::to_vec)).collect()
}

/// A moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is recorded, and not done.
    Begun,
    /// It is done, and not recorded as done.
    Acted,
    /// It is recorded as done.
    Done,
}

/// Forward to the new subnet, or back to the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the new subnet.
    Forward,
    /// To the old one.
    Back,
}

/// A point between two actions, at which the hook of the options is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenewalPoint {
    /// Where to.
    pub direction: Direction,
    /// The step's place in the order, from 0.
    pub at: usize,
    /// The step's name.
    pub step: String,
    /// Which moment of it.
    pub phase: Phase,
}

#[cfg(test)]
mod tests {
    use super::super::member::example;
    use super::*;

    fn member(name: &str, publishes: bool) -> Member {
        Member { publishes, host_ports: publishes, ..example(name) }
    }

    #[test]
    fn a_router_follows_its_backends_unless_they_would_be_there_without_it() {
        let members = [member("app", false), member("router", true), member("db", false)];
        let moves = |strategy| -> Vec<(Stage, String)> {
            let steps = steps(strategy, &members, &[]);
            steps
                .iter()
                .filter_map(|step| match step {
                    RenewalStep::Move { to, services } => Some((*to, services.join("+"))),
                    _ => None,
                })
                .collect()
        };
        let (router, others) = ("router".to_owned(), "app+db".to_owned());
        let bridge: Vec<(Stage, String)> =
            [Stage::OldAndHolding, Stage::Holding, Stage::HoldingAndNew, Stage::New]
                .into_iter()
                .flat_map(|stage| [&others, &router].map(|name| (stage, name.clone())))
                .collect();
        assert_eq!(moves(RenewalStrategy::Bridge), bridge);
        let recreate = [
            (Stage::Off, others.clone()),
            (Stage::Off, router.clone()),
            (Stage::New, router),
            (Stage::New, others),
        ];
        assert_eq!(moves(RenewalStrategy::Recreate), recreate);
    }

    #[test]
    fn what_names_the_network_for_its_backends_is_a_router_without_a_port_too() {
        let option = Pin::Argument { list: "Args".into(), flag: "--providers.swarm.network".into() };
        let behind = Member { pins: vec![option], ..member("behind-a-tunnel", false) };
        let label = Pin::Label { key: "traefik.swarm.network".into() };
        let app = Member { pins: vec![label], ..member("app", false) };
        assert_eq!(batches(&[app, behind]), [["behind-a-tunnel"], ["app"]]);
    }

    #[test]
    fn an_option_changes_where_its_router_joins_and_a_label_where_its_service_leaves() {
        let option = Pin::Variable { key: "CADDY_INGRESS_NETWORKS".into() };
        let label = Pin::Label { key: "caddy_ingress_network".into() };
        let held = |pin: &Pin| {
            [Stage::Old, Stage::OldAndHolding, Stage::Holding, Stage::HoldingAndNew, Stage::New]
                .map(|stage| stage.is_held(pin))
        };
        assert_eq!(held(&option), [false, true, true, false, false]);
        assert_eq!(held(&label), [false, false, true, true, false]);
    }

    #[test]
    fn containers_leave_after_the_services_and_are_the_first_to_come_back() {
        let container = AttachedContainer {
            id: pvcheck_audit::ContainerId::new("c"),
            name: "hand".into(),
            node: pvcheck_audit::NodeId::new("n"),
            host: "h".into(),
            address: [10, 0, 0, 7].into(),
            endpoint: serde_json::Value::Null,
        };
        let members = [member("app", false)];
        let names = |strategy| -> Vec<&str> {
            steps(strategy, &members, std::slice::from_ref(&container))
                .iter()
                .map(RenewalStep::name)
                .collect()
        };
        let bridge = [
            ["create-holding", "connect-holding", "join-holding", "leave-old"],
            ["disconnect-old", "drain", "remove", "create"],
            ["connect-new", "join-new", "leave-holding", "connect-new-alone"],
        ];
        assert_eq!(
            names(RenewalStrategy::Bridge),
            [&bridge.concat()[..], &["drain-holding", "remove-holding", "confirm"]].concat()
        );
        let recreate = [
            "detach",
            "disconnect",
            "drain",
            "remove",
            "create",
            "connect-new-alone",
            "leave-holding",
            "confirm",
        ];
        assert_eq!(names(RenewalStrategy::Recreate), recreate);
    }

    #[test]
    fn many_services_go_in_batches() {
        let members: Vec<Member> = (0..20).map(|n| member(&format!("s{n}"), false)).collect();
        assert_eq!(batches(&members).iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 4]);
    }

    #[test]
    fn a_network_without_services_is_only_removed_and_created() {
        let names = |strategy| steps(strategy, &[], &[]).iter().map(RenewalStep::name).collect::<Vec<_>>();
        assert_eq!(names(RenewalStrategy::Recreate), ["drain", "remove", "create", "confirm"]);
    }
}
