//! Options of a new lab, and the types that they are made of.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Gate, LabError};

/// The largest number of engines (managers and spares) in one lab.
pub(crate) const MAX_ENGINES: usize = 7;

/// Options of a new lab.
#[derive(Clone, Debug)]
pub struct LabSpec {
    /// Engines that form the Swarm, all of them managers; at least 1, and with the spares at most 7.
    pub managers: usize,
    /// Additional engines that have joined no Swarm, reachable from the managers; 0 by default.
    pub spares: usize,
    /// The Debian suite whose engine is wanted; None takes the engine on PATH, else the machine's own suite.
    pub suite: Option<Suite>,
    /// The lab's name; None makes one up.
    pub name: Option<LabName>,
    /// What runs on the Swarm at the start.
    pub world: World,
    /// What routes in that world.
    pub router: Router,
    /// Set by another thread or a signal handler to give up: [`crate::Lab::up`] then cleans up and returns
    /// [`LabError::Cancelled`].
    pub cancel: Cancel,
}

impl Default for LabSpec {
    /// One manager, no spare, an empty Swarm.
    fn default() -> Self {
        Self {
            managers: 1,
            spares: 0,
            suite: None,
            name: None,
            world: World::Empty,
            router: Router::Caddy,
            cancel: Cancel::default(),
        }
    }
}

impl LabSpec {
    /// Managers and spares together, when the number is one that a lab can have.
    pub(crate) fn engines(&self) -> Result<usize, LabError> {
        let asked = self.managers.saturating_add(self.spares);
        if self.managers < 1 || MAX_ENGINES < asked {
            return Err(LabError::EngineCount { asked, max: MAX_ENGINES });
        }
        Ok(asked)
    }
}

/// Options of a new lab that is a whole host.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// The lab's name; None makes one up.
    pub name: Option<LabName>,
    /// World `cc-ci` as units, with this gate; None is an empty Swarm.
    pub gate: Option<Gate>,
    /// `TimeoutStartSec=` of the gate's unit, in whole seconds; 900 s on the real host.
    pub gate_limit: Duration,
    /// A program that the host has as `/usr/local/bin/pvcheck`.
    pub pvcheck: Option<PathBuf>,
    /// As [`LabSpec::cancel`].
    pub cancel: Cancel,
}

impl Default for HostSpec {
    /// The world as the real host has it now, without a `pvcheck`, and a gate of one minute.
    fn default() -> Self {
        Self {
            name: None,
            gate: Some(Gate::default()),
            gate_limit: Duration::from_mins(1),
            pvcheck: None,
            cancel: Cancel::default(),
        }
    }
}

/// A flag that tells a lab on its way up to stop and clean up. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the lab to give up.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True iff [`Cancel::cancel`] was called on this flag or a clone of it.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        if self.is_cancelled() { Err(LabError::Cancelled) } else { Ok(()) }
    }
}

/// A lab's name: 1 to 11 characters of `a-z`, `0-9` and `-`, the first a letter, the last no `-`. It becomes
/// part of namespace and host names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

impl LabName {
    /// A name made up: `l` and eight random hexadecimal digits.
    pub(crate) fn random() -> Self {
        let digits = uuid::Uuid::now_v7().simple().to_string();
        Self(format!("l{}", &digits[digits.len() - 8..]))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabName {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        match name_fault(name) {
            Some(reason) => Err(LabError::NameInvalid { name: name.to_owned(), reason }),
            None => Ok(Self(name.to_owned())),
        }
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        Some("is empty")
    } else if 11 < name.len() {
        Some("is longer than 11 characters")
    } else if !name.chars().all(allowed) {
        Some("has a character that is not allowed")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        Some("must start with a letter and not end with -")
    } else {
        None
    }
}

impl TryFrom<String> for LabName {
    type Error = LabError;

    fn try_from(name: String) -> Result<Self, LabError> {
        name.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> Self {
        name.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Debian suite whose engine can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Debian 12: engine 20.10.24, API 1.41.
    Bookworm,
    /// Debian 13: engine 26.1.5, API 1.45.
    Trixie,
    /// Debian unstable: 28.5.2 when this was written; it moves on, so the version found is in the facts.
    Sid,
}

impl Suite {
    /// The name in package sources.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Suite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bookworm" => Ok(Self::Bookworm),
            "trixie" => Ok(Self::Trixie),
            "sid" => Ok(Self::Sid),
            _ => Err(format!("unknown suite {text:?}: use bookworm, trixie or sid")),
        }
    }
}

/// What runs on the Swarm at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Nothing.
    Empty,
    /// A CI host in small: nine services behind a router on the overlay `proxy`, all on the first node.
    CcCi,
    /// A router on each node, and five services of one to three tasks behind them on any node, on the overlay `proxy`.
    Nodes,
}

impl World {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::CcCi => "cc-ci",
            Self::Nodes => "nodes",
        }
    }
}

impl FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "empty" => Ok(Self::Empty),
            "cc-ci" => Ok(Self::CcCi),
            "nodes" => Ok(Self::Nodes),
            _ => Err(format!("unknown world {text:?}: use empty, cc-ci or nodes")),
        }
    }
}

/// What routes in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Router {
    /// Caddy, of Debian, whose configuration names the services.
    Caddy,
    /// Traefik, of the Python Package Index, which finds services by their labels and one network of each by a pin.
    Traefik,
}

impl Router {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
        }
    }
}

impl FromStr for Router {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "caddy" => Ok(Self::Caddy),
            "traefik" => Ok(Self::Traefik),
            _ => Err(format!("unknown router {text:?}: use caddy or traefik")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "lab-1", "abcdefghijk", "l0123abcd"] {
            assert_eq!(good.parse::<LabName>().unwrap().as_str(), good);
        }
        for bad in ["", "abcdefghijkl", "A", "1a", "-a", "a-", "a_b", "a/b", "..", "ä"] {
            assert!(matches!(bad.parse::<LabName>(), Err(LabError::NameInvalid { .. })), "{bad:?}");
        }
        assert!(LabName::random().as_str().parse::<LabName>().is_ok());
        assert_ne!(LabName::random(), LabName::random());
    }

    #[test]
    fn a_bad_name_is_refused_in_json_too() {
        assert!(serde_json::from_str::<LabName>("\"../x\"").is_err());
    }

    #[test]
    fn engine_counts() {
        let count = |managers, spares| LabSpec { managers, spares, ..LabSpec::default() }.engines();
        assert_eq!(count(1, 0).unwrap(), 1);
        assert_eq!(count(3, 2).unwrap(), 5);
        for (managers, spares) in [(0, 1), (8, 0), (usize::MAX, 1)] {
            assert!(matches!(count(managers, spares), Err(LabError::EngineCount { .. })));
        }
    }

    #[test]
    fn words_round_trip() {
        for suite in [Suite::Bookworm, Suite::Trixie, Suite::Sid] {
            assert_eq!(suite.as_str().parse::<Suite>().unwrap(), suite);
        }
        for world in [World::Empty, World::CcCi, World::Nodes] {
            assert_eq!(world.as_str().parse::<World>().unwrap(), world);
        }
        for router in [Router::Caddy, Router::Traefik] {
            assert_eq!(router.as_str().parse::<Router>().unwrap(), router);
        }
        assert!("woody".parse::<Suite>().unwrap_err().contains("bookworm"));
    }

    #[test]
    fn a_refused_name_says_what_is_wrong_and_what_is_right() {
        for (bad, reason) in [
            ("", "is empty"),
            ("abcdefghijkl", "is longer than 11 characters"),
            ("a_b", "has a character that is not allowed"),
            ("1a", "must start with a letter and not end with -"),
        ] {
            let text = bad.parse::<LabName>().unwrap_err().to_string();
            assert!(text.contains(reason) && text.contains("use 1 to 11 characters"), "{text}");
        }
    }

    proptest::proptest! {
        /// A name becomes a folder, a part of namespace and host names, and a cgroup.
        #[test]
        fn an_accepted_name_is_one_harmless_path_component(text in "[a-zA-Z0-9._/ -]{0,13}") {
            if let Ok(name) = text.parse::<LabName>() {
                let path = std::path::Path::new(name.as_str());
                proptest::prop_assert_eq!(path.components().count(), 1);
                proptest::prop_assert!(path.file_name().is_some() && name.as_str().len() <= 11);
                let json = serde_json::to_string(&name).unwrap();
                proptest::prop_assert_eq!(serde_json::from_str::<LabName>(&json).unwrap(), name);
            }
        }
    }
}
