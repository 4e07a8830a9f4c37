//! Declared waits: what no unit file says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::command::Stage;
use crate::name::UnitName;
use crate::place::{Place, host_port};

/// The start of this unit waits for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(deny_unknown_fields)]
pub struct Serves {
    /// The host name, compared without regard to case, with a port as in `127.0.0.1:4001` where only that port counts.
    /// For a socket or file its path, as in `unix:///run/docker.sock`.
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
        let rest = url.path.strip_prefix(prefix)?;
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

/// The `http` or `https` URL of a gate: scheme, host, port and path. Its query is dropped, since it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GateUrl {
    tls: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

impl GateUrl {
    /// The host in lower case; an IPv6 address with its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; the scheme's own one where the URL names none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// The port, if the URL names one.
    pub(crate) fn named_port(&self) -> Option<u16> {
        self.port
    }

    /// The path, `/` at least.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True iff it is asked over TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The same way of asking at another place.
    pub(crate) fn at(&self, host: &str, port: Option<u16>, path: &str) -> Self {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Self { tls: self.tls, host: host.to_ascii_lowercase(), port, path }
    }
}

impl FromStr for GateUrl {
    type Err = GateUrlError;

    /// # Errors
    /// If the scheme is not `http` or `https`, if the host or port is missing or malformed, or if the URL
    /// holds credentials.
    fn from_str(text: &str) -> Result<Self, GateUrlError> {
        parse(text).ok_or_else(|| {
            let shown = text.split(['?', '#']).next().unwrap_or_default();
            // The text before an `@` may hold a password.
            let shown = shown.rsplit('@').next().unwrap_or_default();
            GateUrlError { given: shown.chars().filter(|c| !c.is_control()).take(80).collect() }
        })
    }
}

fn parse(text: &str) -> Option<GateUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_port(authority)?;
    let clean = path.chars().all(|c| !c.is_control() && !c.is_whitespace());
    let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    clean.then(|| GateUrl { tls, host: host.to_ascii_lowercase(), port, path })
}

impl fmt::Display for GateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl TryFrom<String> for GateUrl {
    type Error = GateUrlError;

    fn try_from(text: String) -> Result<Self, GateUrlError> {
        text.parse()
    }
}

impl From<GateUrl> for String {
    fn from(url: GateUrl) -> Self {
        url.to_string()
    }
}

/// A text that is not the URL of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("gate URL `{given}` is not usable: write it as https://HOST/PATH, without user or password")]
pub struct GateUrlError {
    given: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gate_urls_are_read() {
        for (text, shown) in [
            ("https://CI.example.net", "https://ci.example.net/"),
            ("http://h:8080/a?token=s3cret#x", "http://h:8080/a"),
            ("https://[::1]:443/", "https://[::1]:443/"),
        ] {
            assert_eq!(text.parse::<GateUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "h/",
            "ftp://h/",
            "https://",
            "https:///x",
            "https://me:s3cret@h/",
            "https://h:x/",
            "https://h:99999/",
        ] {
            let error = text.parse::<GateUrl>().unwrap_err().to_string();
            assert!(error.contains("https://HOST/PATH") && !error.contains("s3cret"), "{text}: {error}");
        }
    }

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
        ] {
            assert_eq!(fit(&serves(host, None), place).map(|fit| fit.0), expected, "{host} {place}");
        }
        let port = Serves { port: Some(4001), ..serves("127.0.0.1", None) };
        assert_eq!(fit(&port, "http://127.0.0.1:4001/"), Some((true, 0)));
        assert_eq!(fit(&port, "http://127.0.0.1/"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), likely in r"https?://[\PC]{0,20}") {
            let _ = (text.parse::<GateUrl>(), likely.parse::<GateUrl>());
        }

        #[test]
        fn what_is_shown_reads_back(text in "https?://[a-zA-Z0-9.-]{1,10}(:[0-9]{1,4})?(/[a-z]{0,4}){0,3}(\\?x)?") {
            let url: GateUrl = text.parse().unwrap();
            prop_assert_eq!(url.to_string().parse::<GateUrl>().unwrap(), url);
        }
    }
}
