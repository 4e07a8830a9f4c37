//! What was read of the files that create a network, and what that says.

use std::fmt;

use pvcheck_ipam::Subnet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::activation::Activation;
use crate::fault::list;
use crate::observed::Seen;

/// What a line asks for as the network's subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// These IPv4 subnets; none if it names IPv6 ones alone.
    Subnets(Vec<Subnet>),
    /// None: Swarm takes one from its default pool.
    DefaultPool,
    /// What only the program that runs the line knows: a variable, a substitution.
    Unresolved(String),
    /// What is no subnet.
    NoSubnet(String),
}

/// A line that creates the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateLine {
    /// Its number, from 1.
    pub line: u64,
    /// Which subnet it asks for.
    pub asked: Asked,
    /// The name where only the program that runs the line knows whether it is this network's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// Its path; of a unit's own command the unit.
    pub file: String,
    /// The unit and setting that run it, where it was reached from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_by: Option<String>,
    /// The lines in it that create the network.
    pub lines: Vec<CreateLine>,
}

/// The files of one column. A unit may run several.
pub type Places = Vec<Place>;

/// The two columns that are files; the third, the live network, is in the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreationFacts {
    /// The network.
    pub network: String,
    /// What is declared.
    pub declared: Seen<Places>,
    /// What is deployed.
    pub deployed: Seen<Places>,
    /// When the unit that creates it was activated; `None` where the configuration names no unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Seen<Activation>>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The source of the configuration.
    Declared,
    /// What runs on the host.
    Deployed,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Declared => "declared",
            Self::Deployed => "deployed",
        })
    }
}

/// Why files do not say with which subnet they create the network.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ColumnError {
    /// No line creates it.
    #[error("no line of {} creates {network}", list(.files, ", "))]
    NoLine {
        /// The files.
        files: Vec<String>,
        /// The network.
        network: String,
    },
    /// The name or the subnet is a variable's.
    #[error("{at} has {text}, which only running it tells")]
    Unresolved {
        /// File and line.
        at: String,
        /// What stands there.
        text: String,
    },
    /// Lines ask for different subnets.
    #[error("{} ask for different subnets", list(.at, " and "))]
    Contradiction {
        /// Each with file, line and what it asks for.
        at: Vec<String>,
    },
    /// It names no subnet.
    #[error("{at} names no --subnet, so Swarm's default pool decides")]
    DefaultPool {
        /// File and line.
        at: String,
    },
    /// It names something that is no subnet, or not one IPv4 subnet alone.
    #[error("{at} asks for {asked}, which is not one IPv4 subnet")]
    NotOne {
        /// File and line.
        at: String,
        /// What it asks for.
        asked: String,
    },
}

impl ColumnError {
    /// True iff it is wrong whatever runs it; else only unknown.
    pub(crate) fn is_fault(&self) -> bool {
        match self {
            Self::NoLine { .. } | Self::Unresolved { .. } => false,
            Self::Contradiction { .. } | Self::DefaultPool { .. } | Self::NotOne { .. } => true,
        }
    }
}

impl ColumnError {
    /// File and line, with what runs it: the first of several.
    pub(crate) fn at(&self) -> Option<&str> {
        match self {
            Self::NoLine { .. } => None,
            Self::Contradiction { at } => at.first().map(String::as_str),
            Self::Unresolved { at, .. } | Self::DefaultPool { at } | Self::NotOne { at, .. } => Some(at),
        }
    }
}

impl Place {
    fn at(&self, line: &CreateLine) -> String {
        let run_by = self.run_by.as_ref().map(|unit| format!(" ({unit})")).unwrap_or_default();
        format!("{}:{}{run_by}", self.file, line.line)
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subnets(subnets) if subnets.is_empty() => f.write_str("no IPv4 subnet"),
            Self::Subnets(subnets) => f.write_str(&list(subnets, ", ")),
            Self::DefaultPool => f.write_str("no subnet"),
            Self::Unresolved(text) | Self::NoSubnet(text) => f.write_str(text),
        }
    }
}

/// The one subnet with which these files create the network, and where that stands.
///
/// # Errors
/// If no line creates it, one of them cannot be resolved, or they do not name one and the same IPv4 subnet.
pub(crate) fn subnet_of(places: &[Place], network: &str) -> Result<(Subnet, String), ColumnError> {
    let lines: Vec<(&Place, &CreateLine)> =
        places.iter().flat_map(|place| place.lines.iter().map(move |line| (place, line))).collect();
    let Some(((place, first), rest)) = lines.split_first() else {
        let files = places.iter().map(|place| place.file.clone()).collect();
        return Err(ColumnError::NoLine { files, network: network.to_owned() });
    };
    // Two lines that say the same, such as one for each case of a script, are one.
    if rest.iter().any(|(_, line)| line.asked != first.asked || line.named != first.named) {
        let at = lines.iter().map(|(place, line)| format!("{} ({})", place.at(line), line.asked)).collect();
        return Err(ColumnError::Contradiction { at });
    }
    let at = place.at(first);
    if let Some(text) = &first.named {
        return Err(ColumnError::Unresolved { at, text: text.clone() });
    }
    match &first.asked {
        Asked::Subnets(subnets) if let [only] = subnets.as_slice() => Ok((*only, at)),
        Asked::DefaultPool => Err(ColumnError::DefaultPool { at }),
        Asked::Unresolved(text) => Err(ColumnError::Unresolved { at, text: text.clone() }),
        Asked::Subnets(_) | Asked::NoSubnet(_) => {
            Err(ColumnError::NotOne { at, asked: first.asked.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: u64, asked: Asked) -> CreateLine {
        CreateLine { line, asked, named: None }
    }

    fn place(lines: Vec<CreateLine>) -> Place {
        Place { file: "swarm.nix".into(), run_by: None, lines }
    }

    fn net(text: &str) -> Subnet {
        Subnet::parse(text).expect("a subnet")
    }

    #[test]
    fn lines_that_say_the_same_are_one_and_others_contradict() {
        let wide = || Asked::Subnets(vec![net("10.10.0.0/16")]);
        let same = [place(vec![line(3, wide()), line(9, wide())])];
        assert_eq!(subnet_of(&same, "proxy"), Ok((net("10.10.0.0/16"), "swarm.nix:3".to_owned())));
        for other in
            [Asked::Subnets(vec![net("10.10.0.0/24")]), Asked::DefaultPool, Asked::Unresolved("$NET".into())]
        {
            let why = subnet_of(&[place(vec![line(3, wide()), line(9, other)])], "proxy").unwrap_err();
            assert!(matches!(why, ColumnError::Contradiction { .. }) && why.is_fault(), "{why}");
            assert!(why.to_string().contains("swarm.nix:3 (10.10.0.0/16) and swarm.nix:9 ("), "{why}");
        }
    }

    #[test]
    fn what_is_not_one_subnet_is_a_fault_or_unknown() {
        let two = Asked::Subnets(vec![net("10.10.0.0/16"), net("10.11.0.0/16")]);
        for (lines, is_fault, text) in [
            (vec![], false, "no line of swarm.nix creates proxy"),
            (vec![line(1, Asked::Unresolved("$NET".into()))], false, "swarm.nix:1 has $NET, which only"),
            (vec![line(1, Asked::DefaultPool)], true, "names no --subnet, so Swarm's default pool decides"),
            (vec![line(1, Asked::NoSubnet("10.10/16".into()))], true, "asks for 10.10/16, which is not one"),
            (vec![line(1, two)], true, "asks for 10.10.0.0/16, 10.11.0.0/16, which is not one"),
            (vec![line(1, Asked::Subnets(vec![]))], true, "asks for no IPv4 subnet, which is not one"),
        ] {
            let why = subnet_of(&[place(lines)], "proxy").unwrap_err();
            assert_eq!(why.is_fault(), is_fault, "{why}");
            assert!(why.to_string().contains(text), "{why}");
        }
        let named =
            CreateLine { named: Some("$NAME".into()), ..line(1, Asked::Subnets(vec![net("10.0.0.0/8")])) };
        assert!(!subnet_of(&[place(vec![named])], "proxy").unwrap_err().is_fault());
    }
}
