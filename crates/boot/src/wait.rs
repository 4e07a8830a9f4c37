//! Declared waits: what no unit file says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::command::Stage;
use crate::gate_url::host_port;
use crate::name::UnitName;
use crate::place::{COMMAND, Place};

/// The start of this unit waits for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The waiting (gated) unit.
    pub unit: UnitName,
    /// What it waits for. Also read as `for`.
    #[serde(alias = "for")]
    pub url: Place,
    /// Which of the unit's commands waits. Where it is `None`, the commands that name the place decide, and
    /// `ExecStart=` if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Stage>,
}

/// This unit makes a host, or a part of it, answer; or a socket or file exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Serves {
    /// The host name, compared without regard to case, with a port as in `127.0.0.1:4001` where only that port counts.
    /// For a socket or file its path, as in `unix:///run/docker.sock`; for a command `command:` and the command.
    #[serde(alias = "place")]
    pub host: String,
    /// The port, where only that one counts and `host` does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The part of the host, such as `/hook`; `None` for all of it. Of several that match, the longest counts.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// The unit that starts the service behind it. When several are declared for the same part, any one suffices.
    pub unit: UnitName,
    /// The unit that starts the router in front of it, where there is one. Without it, it is unknown whether a
    /// probe of this host proves anything about the router.
    #[serde(default)]
    pub via: Option<UnitName>,
}

/// How well a declaration fits a place: first whether it names the port, then how much of the path it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    pub(crate) port: bool,
    prefix: usize,
}

impl Serves {
    /// `None` when it does not fit.
    pub(crate) fn fit(&self, place: &Place) -> Option<Fit> {
        if let Some(path) = place.path() {
            return (self.served_path() == path).then_some(Fit { port: false, prefix: 0 });
        }
        if let Place::Command(words) = place {
            return (self.host.strip_prefix(COMMAND) == Some(words.as_str()))
                .then_some(Fit { port: false, prefix: 0 });
        }
        let (host, port) = place.host_and_port()?;
        let (own_host, own_port) = self.host_and_port()?;
        if !own_host.eq_ignore_ascii_case(host) || own_port.is_some_and(|own| own != port) {
            return None;
        }
        let named = own_port.is_some();
        let Place::Http(url) = place else {
            // A port accepts connections whatever path of it a request would ask for.
            return Some(Fit { port: named, prefix: 0 });
        };
        let prefix = self.path_prefix.as_deref().unwrap_or("").trim_end_matches('/');
        let rest = url.path().strip_prefix(prefix)?;
        // `/hook` covers `/hook` and `/hook/x`, not `/hooks`.
        (rest.is_empty() || rest.starts_with('/')).then_some(Fit { port: named, prefix: prefix.len() })
    }

    /// The host and, where only one counts, its port. A scheme in front is taken off: `tcp://h:1` is `h:1`.
    pub(crate) fn host_and_port(&self) -> Option<(&str, Option<u16>)> {
        let text = self.host.split_once("://").map_or(self.host.as_str(), |(_, rest)| rest);
        let (host, port) = host_port(text.split('/').next()?)?;
        Some((host, self.port.or(port)))
    }

    fn served_path(&self) -> &str {
        let schemes = ["unix://", "file://"];
        schemes.iter().find_map(|scheme| self.host.strip_prefix(scheme)).unwrap_or(&self.host)
    }

    pub(crate) fn units(&self) -> impl Iterator<Item = &UnitName> {
        std::iter::once(&self.unit).chain(&self.via)
    }
}

impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{} is served by {}", self.path_prefix.as_deref().unwrap_or(""), self.unit)?;
        match &self.via {
            Some(via) => write!(f, " through {via}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(host: &str, prefix: Option<&str>) -> Serves {
        let unit = "a.service".parse().unwrap();
        Serves { host: host.to_owned(), port: None, path_prefix: prefix.map(str::to_owned), unit, via: None }
    }

    fn fit(serves: &Serves, place: &str) -> Option<(bool, usize)> {
        serves.fit(&place.parse().unwrap()).map(|fit| (fit.port, fit.prefix))
    }

    #[test]
    fn the_longest_prefix_fits_best() {
        let serves = |prefix| serves("CI.example.net", prefix);
        let url = "https://ci.example.net/hook/x";
        assert_eq!(fit(&serves(None), url), Some((false, 0)));
        assert_eq!(fit(&serves(Some("/")), url), Some((false, 0)));
        assert_eq!(fit(&serves(Some("/hook")), url), Some((false, 5)));
        assert_eq!(fit(&serves(Some("/hook/")), url), Some((false, 5)));
        assert_eq!(fit(&serves(Some("/hoo")), url), None);
        assert_eq!(fit(&serves(None), "https://other.example/"), None);
    }

    #[test]
    fn the_port_belongs_to_the_place() {
        for (host, place, expected) in [
            ("127.0.0.1", "http://127.0.0.1:4001/", Some(false)),
            ("127.0.0.1:4001", "http://127.0.0.1:4001/", Some(true)),
            ("127.0.0.1:8500", "http://127.0.0.1:4001/", None),
            ("h:443", "https://h/", Some(true)),
            ("h:443", "http://h/", None),
            ("tcp://[::1]:5432", "tcp://[::1]:5432", Some(true)),
            ("h", "tcp://h:5432", Some(false)),
            ("unix:///run/x.sock", "unix:///run/x.sock", Some(false)),
            ("/run/ready", "/run/ready", Some(false)),
            ("/run/ready", "/run/other", None),
            ("command:docker", "command:docker", Some(false)),
            ("command:docker", "command:docker wait x", None),
            ("docker", "command:docker", None),
        ] {
            assert_eq!(fit(&serves(host, None), place).map(|fit| fit.0), expected, "{host} {place}");
        }
        let port = Serves { port: Some(4001), ..serves("127.0.0.1", None) };
        assert_eq!(fit(&port, "http://127.0.0.1:4001/"), Some((true, 0)));
        assert_eq!(fit(&port, "http://127.0.0.1/"), None);
    }
}
