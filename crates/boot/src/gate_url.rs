//! The URL of a gate: what it asks, and nothing secret.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The `http` or `https` URL of a gate: scheme, host, port and path. Its query is dropped, since it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// A host and its port, as in `h`, `h:4001` and `[::1]:4001`. `None` if either is malformed.
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = text.rfind(']').map_or_else(|| text.find(':'), |end| Some(end + 1));
    let (host, port) = text.split_at(host_end.unwrap_or(text.len()));
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    let valid = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    valid.then_some((host, port))
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
