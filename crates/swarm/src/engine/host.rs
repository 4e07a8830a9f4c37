//! The address of an engine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The address of a Docker engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// A unix socket, `unix:///path`.
    Unix(PathBuf),
}

/// Why a host address was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// The path of `unix://` is not absolute.
    #[error("engine address `{0}` has no absolute path; write it as unix:///var/run/docker.sock")]
    NotAbsolute(String),
    /// Any scheme but `unix://`, or none.
    #[error(
        "engine address `{0}` is not a unix socket; give unix:///PATH (forward a remote one with ssh -L)"
    )]
    Scheme(String),
}

impl Host {
    /// Docker's default socket, `unix:///var/run/docker.sock`.
    pub fn default_socket() -> Self {
        Self::Unix(PathBuf::from("/var/run/docker.sock"))
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        match self {
            Self::Unix(path) => path,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let Some(path) = text.strip_prefix("unix://") else {
            return Err(HostError::Scheme(text.to_owned()));
        };
        if !path.starts_with('/') {
            return Err(HostError::NotAbsolute(text.to_owned()));
        }
        Ok(Self::Unix(PathBuf::from(path)))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_address_survives_the_round_trip() {
        let host: Host = "unix:///run/x.sock".parse().unwrap();
        assert_eq!(host.socket(), Path::new("/run/x.sock"));
        assert_eq!(host.to_string(), "unix:///run/x.sock");
    }

    #[test]
    fn other_addresses_are_refused_with_the_way_to_write_them() {
        for bad in ["", "/var/run/docker.sock", "tcp://127.0.0.1:2375", "ssh://host", "unix//x"] {
            assert!(matches!(bad.parse::<Host>(), Err(HostError::Scheme(_))), "{bad}");
        }
        assert!(matches!("unix://docker.sock".parse::<Host>(), Err(HostError::NotAbsolute(_))));
    }

    #[test]
    fn a_refusal_quotes_the_address_and_shows_the_form_that_is_accepted() {
        for (bad, form) in [
            ("tcp://127.0.0.1:2375", "give unix:///PATH (forward a remote one with ssh -L)"),
            ("unix://docker.sock", "write it as unix:///var/run/docker.sock"),
        ] {
            let error = bad.parse::<Host>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.ends_with(form), "{error}");
        }
    }

    #[test]
    fn json_has_the_address_as_text_and_refuses_any_other() {
        let host = Host::default_socket();
        let json = serde_json::to_value(&host).unwrap();
        assert_eq!(json, "unix:///var/run/docker.sock");
        assert_eq!(serde_json::from_value::<Host>(json).unwrap(), host);
        assert!(serde_json::from_value::<Host>("tcp://127.0.0.1:2375".into()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_absolute_path_is_kept_as_it_is(path in "/.{0,40}") {
            let host: Host = format!("unix://{path}").parse().unwrap();
            proptest::prop_assert_eq!(host.socket(), Path::new(&path));
            proptest::prop_assert_eq!(host.to_string().parse::<Host>().unwrap(), host);
        }
    }
}
