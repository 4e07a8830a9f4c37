//! A network in the three forms in which people declare it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::subnet::{Subnet, quoted};

/// A name that Docker accepts for a network: a letter or digit, then letters, digits, `_`, `.` and `-` (moby
/// `daemon/names`). Safe in a shell, in Nix and in YAML.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct NetworkName(String);

/// A text that Docker does not accept as the name of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given} is not a network name: start with a letter or digit, then use letters, digits, `_`, `.` or `-`"
)]
pub struct NetworkNameError {
    given: String,
}

impl NetworkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkName {
    type Err = NetworkNameError;

    fn from_str(text: &str) -> Result<Self, NetworkNameError> {
        let tail = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(tail) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NetworkNameError { given: quoted(text) })
        }
    }
}

impl TryFrom<String> for NetworkName {
    type Error = NetworkNameError;

    fn try_from(text: String) -> Result<Self, NetworkNameError> {
        text.parse()
    }
}

impl From<NetworkName> for String {
    fn from(name: NetworkName) -> Self {
        name.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An overlay to declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Declaration {
    /// Its name.
    pub name: NetworkName,
    /// Its subnet.
    pub subnet: Subnet,
    /// True iff containers may be attached by hand.
    pub attachable: bool,
}

impl Declaration {
    /// The command that creates it.
    pub fn docker_command(&self) -> String {
        let Self { name, subnet, .. } = self;
        format!("docker network create --driver overlay{} --subnet {subnet} {name}", self.attachable_flag())
    }

    /// One line for the script of a NixOS unit: creates the network if none has that name. It does not
    /// notice an existing one with another subnet.
    pub fn nixos_line(&self) -> String {
        let Self { name, subnet, .. } = self;
        format!(
            "${{pkgs.docker}}/bin/docker network inspect {name} >/dev/null 2>&1 || \
             ${{pkgs.docker}}/bin/docker network create --driver overlay{} --subnet {subnet} {name}",
            self.attachable_flag()
        )
    }

    /// The stanza of a Compose file whose stack creates it, under its own name without the stack's.
    pub fn compose_stanza(&self) -> String {
        let Self { name, subnet, attachable } = self;
        format!(
            "networks:\n  \"{name}\":\n    name: \"{name}\"\n    driver: overlay\n    attachable: {attachable}\n    \
             ipam:\n      config:\n        - subnet: \"{subnet}\"\n"
        )
    }

    fn attachable_flag(&self) -> &'static str {
        if self.attachable { " --attachable" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxy() -> Declaration {
        let subnet = Subnet::parse("10.10.0.0/16").unwrap();
        Declaration { name: "proxy".parse().unwrap(), subnet, attachable: true }
    }

    #[test]
    fn the_three_forms() {
        let command = "docker network create --driver overlay --attachable --subnet 10.10.0.0/16 proxy";
        assert_eq!(proxy().docker_command(), command);
        assert_eq!(
            proxy().nixos_line(),
            format!(
                "${{pkgs.docker}}/bin/docker network inspect proxy >/dev/null 2>&1 || ${{pkgs.docker}}/bin/{command}"
            )
        );
        assert_eq!(
            proxy().compose_stanza(),
            "networks:\n  \"proxy\":\n    name: \"proxy\"\n    driver: overlay\n    attachable: true\n    ipam:\n      config:\n        - subnet: \"10.10.0.0/16\"\n"
        );
        let closed = Declaration { attachable: false, ..proxy() };
        assert!(!closed.docker_command().contains("attachable"));
        assert!(closed.compose_stanza().contains("attachable: false"));
    }

    #[test]
    fn names_that_docker_refuses() {
        for name in ["", "-x", "a b", "a;rm", "a$b", "a\nb", "ä", "\"", "../a"] {
            let error = name.parse::<NetworkName>().unwrap_err().to_string();
            assert!(error.contains("is not a network name: start with"), "{error}");
        }
        assert!(serde_json::from_str::<NetworkName>("\"a b\"").is_err());
        assert_eq!(serde_json::to_string(&proxy().name).unwrap(), "\"proxy\"");
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_its_word(text in "\\PC{0,12}") {
            if let Ok(name) = text.parse::<NetworkName>() {
                prop_assert_eq!(name.as_str(), &text);
                let command = Declaration { name, ..proxy() }.docker_command();
                prop_assert_eq!(command.split_whitespace().count(), 9);
                prop_assert!(!command.contains(['\'', '"', '$', '`', ';', '&', '|', '\\']));
            }
        }
    }
}
