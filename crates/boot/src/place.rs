//! What a unit waits for: a URL, a socket, a file, another unit, a command or the end of the boot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gate_url::{GateUrl, host_port};
use crate::name::UnitName;

/// What a wait is for.
///
/// Written as `https://HOST/PATH`, `tcp://HOST:PORT`, `unix:///PATH`, `file:///PATH` or `/PATH`, `NAME.service`,
/// `command:PROGRAM` and `boot:finished`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// Every job of the boot has finished, as `systemctl is-system-running --wait` waits for.
    BootFinished,
    /// This command succeeds.
    Command(String),
    /// This file exists.
    File(String),
    /// This URL answers.
    Http(GateUrl),
    /// This port accepts connections.
    Tcp {
        /// The host in lower case; an IPv6 address with its brackets.
        host: String,
        /// The port, from 1.
        port: u16,
    },
    /// This unit has started.
    Unit(UnitName),
    /// This socket accepts connections.
    Unix(String),
}

const BOOT_FINISHED: &str = "boot:finished";

/// What stands in front of a command.
pub(crate) const COMMAND: &str = "command:";

impl Place {
    /// Host and port, where the place has them; the scheme's own port where the URL names none.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        match self {
            Self::Http(url) => Some((url.host(), url.port())),
            Self::Tcp { host, port } => Some((host, *port)),
            Self::BootFinished | Self::Command(_) | Self::File(_) | Self::Unit(_) | Self::Unix(_) => None,
        }
    }

    /// The file or socket, where the place is one.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::File(path) | Self::Unix(path) => Some(path),
            Self::BootFinished | Self::Command(_) | Self::Http(_) | Self::Tcp { .. } | Self::Unit(_) => None,
        }
    }

    /// What a command line that waits for the place would hold.
    pub(crate) fn mark(&self) -> String {
        match self {
            Self::BootFinished => "is-system-running".to_owned(),
            Self::Command(words) => words.clone(),
            Self::File(path) | Self::Unix(path) => path.clone(),
            Self::Http(url) => match url.named_port() {
                Some(port) => format!("{}:{port}", url.host()),
                None => url.host().to_owned(),
            },
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unit(unit) => unit.stem().to_owned(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return path(text).map(Self::File);
        }
        if text == BOOT_FINISHED {
            return Some(Self::BootFinished);
        }
        if let Some(words) = text.strip_prefix(COMMAND) {
            let shown = !words.trim().is_empty() && !words.chars().any(char::is_control);
            return shown.then(|| Self::Command(words.to_owned()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let unit = text.strip_prefix("unit:").unwrap_or(text);
            return unit.parse().ok().map(Self::Unit);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => path(rest).map(Self::File),
            "http" | "https" => text.parse().ok().map(Self::Http),
            "tcp" => {
                let (host, port) = host_port(rest.trim_end_matches('/'))?;
                Some(Self::Tcp { host: host.to_ascii_lowercase(), port: port.filter(|port| *port != 0)? })
            }
            "unix" => path(rest).map(Self::Unix),
            _ => None,
        }
    }
}

/// An absolute path without characters that move a terminal.
fn path(text: &str) -> Option<String> {
    (text.starts_with('/') && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

impl FromStr for Place {
    type Err = PlaceError;

    /// # Errors
    /// If the text is none of the forms, or a URL that holds credentials.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        Self::parse(text).ok_or_else(|| {
            let shown = text.split(['?', '#']).next().unwrap_or_default();
            // The text before an `@` may hold a password.
            let shown = shown.rsplit('@').next().unwrap_or_default();
            PlaceError { given: shown.chars().filter(|c| !c.is_control()).take(80).collect() }
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootFinished => f.write_str(BOOT_FINISHED),
            Self::Command(words) => write!(f, "{COMMAND}{words}"),
            Self::File(path) => f.write_str(path),
            Self::Http(url) => url.fmt(f),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unit(unit) => unit.fmt(f),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, PlaceError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

/// A text that no unit can wait for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{given}` cannot be waited for: write https://HOST/PATH without user or password, tcp://HOST:PORT, unix:///PATH, \
     /PATH, NAME.service, command:PROGRAM or boot:finished"
)]
pub struct PlaceError {
    given: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("https://CI.example.net", "https://ci.example.net/"),
            ("tcp://H:5432", "tcp://h:5432"),
            ("tcp://[::1]:5432/", "tcp://[::1]:5432"),
            ("unix:///run/docker.sock", "unix:///run/docker.sock"),
            ("file:///run/ready", "/run/ready"),
            ("/run/ready", "/run/ready"),
            ("docker.service", "docker.service"),
            ("unit:docker.service", "docker.service"),
            ("command:docker wait db", "command:docker wait db"),
            ("boot:finished", "boot:finished"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "docker",
            "ftp://h/",
            "tcp://h",
            "tcp://h:0",
            "command:",
            "command:\u{1b}[31m",
            "boot:started",
            "tcp://h:99999",
            "unix://run/x",
            "https://me:s3cret@h/",
            "/run/\u{1b}[31m",
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains("https://HOST/PATH") && !error.contains("s3cret"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), likely in r"(https?|tcp|unix|file|unit)?:?/{0,3}[\PC]{0,20}") {
            let _ = (text.parse::<Place>(), likely.parse::<Place>());
        }

        #[test]
        fn what_is_shown_reads_back(text in "(tcp://[a-z.]{1,9}:[1-9][0-9]{0,3}|(unix://)?/[a-z/.]{0,9}|[a-z@]{1,9}\\.service)") {
            let place: Place = text.parse().unwrap();
            prop_assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
    }
}
