//! Signatures: how a known log line is recognised, what it means, what to do.

use serde::{Deserialize, Serialize};

use crate::record::Origin;

/// One known thing that an engine logs: how it is recognised, what it means and what to do about it.
///
/// Ids and classes are part of the JSON that scripts read; they are never renamed.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// A short name in kebab case, unique in the catalogue.
    pub id: &'static str,
    /// What kind of thing it is.
    pub class: Class,
    /// Where it is logged.
    pub place: Place,
    /// Any of these matches. Empty: only another signature's [`Reclassify`] leads to it.
    pub(crate) rules: &'static [Rule],
    /// The condition under which the record counts as another signature.
    pub(crate) reclassify: Reclassify,
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// What to do, one sentence.
    pub remedy: &'static str,
    /// Where the fact is from: upstream file, issue, or a measurement on a real engine.
    pub source: &'static str,
    /// The engine versions that log it, in words; empty where they are not known.
    pub versions: &'static str,
    /// True iff it is an entry of the user's, and no built-in one. Such an entry never says whose log it is, nor which role
    /// its engine has: what it matches may be of any program.
    pub(crate) is_added: bool,
}

/// What kind of thing a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A Swarm network has no free address for a request.
    Exhaustion,
    /// A pool of one node only (a bridge, a legacy overlay) has no address left; nothing of the Swarm's.
    LocalExhaustion,
    /// The address pools that networks are cut from, or the VXLAN ids, are used up.
    PoolsExhausted,
    /// Something waits for an address for another reason than a full network.
    NotAllocated,
    /// A node could not attach a task to a network, for another reason than a missing address.
    NotAttached,
    /// An address was lost to the allocator, or very likely was.
    Leak,
    /// The trace that a removal leaves when tasks were still stopping. Its count is not the count of leaked
    /// addresses.
    LeakFootprint,
    /// One address with two owners, or an allocator that disagrees with the Swarm's store.
    Duplicate,
    /// Two writers met in a node's own store, or a node could not remove its copy of a network.
    Race,
    /// A node keeps networks or endpoints that the Swarm has given up.
    Stale,
    /// The engine died of a bug.
    Crash,
    /// Lines are missing here, so that a count is a lower bound.
    Gap,
    /// A removal that the engine refused, which is safe.
    Refusal,
    /// A node was given up, and its addresses are released.
    NodeLost,
    /// The engine started: its in-memory allocator is new, if it leads.
    EngineStart,
    /// The engine stopped in order.
    EngineStop,
    /// The leadership moved or was taken: the leader's allocator is new.
    LeaderChange,
    /// Known and harmless.
    Noise,
}

impl Class {
    /// One word for it, the same as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhaustion => "exhaustion",
            Self::LocalExhaustion => "local_exhaustion",
            Self::PoolsExhausted => "pools_exhausted",
            Self::NotAllocated => "not_allocated",
            Self::NotAttached => "not_attached",
            Self::Leak => "leak",
            Self::LeakFootprint => "leak_footprint",
            Self::Duplicate => "duplicate",
            Self::Race => "race",
            Self::Stale => "stale",
            Self::Crash => "crash",
            Self::Gap => "gap",
            Self::Refusal => "refusal",
            Self::NodeLost => "node_lost",
            Self::EngineStart => "engine_start",
            Self::EngineStop => "engine_stop",
            Self::LeaderChange => "leader_change",
            Self::Noise => "noise",
        }
    }

    /// True iff it needs attention. Footprints, refusals, markers and noise do not, nor does a gap, which makes a
    /// scan incomplete instead.
    pub fn is_finding(self) -> bool {
        match self {
            Self::Exhaustion
            | Self::LocalExhaustion
            | Self::PoolsExhausted
            | Self::NotAllocated
            | Self::NotAttached
            | Self::Leak
            | Self::Duplicate
            | Self::Race
            | Self::Stale
            | Self::Crash => true,
            Self::LeakFootprint
            | Self::Gap
            | Self::Refusal
            | Self::NodeLost
            | Self::EngineStart
            | Self::EngineStop
            | Self::LeaderChange
            | Self::Noise => false,
        }
    }
}

/// Which engine logs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The manager that leads: the allocator runs there only.
    Leader,
    /// Any manager.
    Manager,
    /// The node that the task or the network is on.
    Node,
    /// The leader or the node, depending on where it happens.
    Any,
}

impl Place {
    /// One word for it, the same as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Manager => "manager",
            Self::Node => "node",
            Self::Any => "any",
        }
    }
}

/// When a record that matched counts as another signature, named by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reclassify {
    /// Never.
    Never,
    /// All of the networks that the record names are known to have been removed long before it.
    IfNetworkIsOld(&'static str),
    /// The engine started less than [`START_UP`] before.
    IfStartingUp(&'static str),
    /// The engine has said since its start that its kernel has no IPVS, by [`WITHOUT_IPVS`].
    IfWithoutIpvs(&'static str),
}

impl Reclassify {
    /// The other signature.
    #[cfg(test)]
    pub(crate) fn other(self) -> Option<&'static str> {
        match self {
            Self::Never => None,
            Self::IfNetworkIsOld(id) | Self::IfStartingUp(id) | Self::IfWithoutIpvs(id) => Some(id),
        }
    }
}

/// The signature by which an engine says that its kernel has no IPVS.
pub(crate) const WITHOUT_IPVS: &str = "ipvs-missing";

/// How long after its start an engine still cleans up what its last run left.
pub(crate) const START_UP: std::time::Duration = std::time::Duration::from_mins(5);

/// A pattern: all of its conditions must hold. Texts are compared without regard to ASCII case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Texts that the record's `error` must contain, or its message where it has no `error`.
    pub(crate) inner: &'static [&'static str],
    /// Texts that the message must contain.
    pub(crate) message: &'static [&'static str],
    /// The whole message, apart from surrounding spaces; case matters.
    pub(crate) exact: Option<&'static str>,
    /// Texts that neither may contain.
    pub(crate) without: &'static [&'static str],
    /// Other fields and their whole values; case matters.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// Who must have written it; `None` for the engine or systemd.
    pub(crate) origin: Option<Origin>,
}

impl Rule {
    /// Rules of lower rank are tried earlier: the inner error decides, and the message is only its context.
    pub(crate) fn rank(&self) -> u8 {
        match (self.inner, self.exact) {
            ([_, ..], _) => 0,
            ([], Some(_)) => 1,
            ([], None) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Catalogue;

    #[test]
    fn words_of_classes_and_places_are_those_of_json() {
        for signature in Catalogue::builtin().signatures() {
            let words = (signature.class.as_str(), signature.place.as_str());
            let json = serde_json::json!([signature.class, signature.place]);
            assert_eq!((json[0].as_str(), json[1].as_str()), (Some(words.0), Some(words.1)));
        }
    }
}
