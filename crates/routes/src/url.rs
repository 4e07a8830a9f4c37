//! The URL of a route: checked once, at the edge.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::ServerName;
use serde::Deserialize;
use thiserror::Error;

use crate::text::redact;

/// How a route is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Plain HTTP; default port 80.
    Http,
    /// HTTP over TLS; default port 443.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An `http` or `https` URL with a host that TLS and DNS accept.
///
/// Shown (`Display` and `Debug`) without its query, which may hold a secret; a fragment is dropped, as every HTTP
/// client does.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RouteUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

impl RouteUrl {
    /// Reads a URL as a person writes it in a configuration.
    ///
    /// # Errors
    /// If the scheme is missing or neither `http` nor `https`, if there is no usable host or port, or if
    /// the URL holds a user or password. The error shows the URL without query and credentials.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse(text).map_err(|kind| UrlError { given: redact(text), kind })
    }

    /// True iff it is asked over TLS.
    pub fn speaks_tls(&self) -> bool {
        self.scheme() == Scheme::Https
    }

    /// How the route is reached.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own one when the URL names none; never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query as they go over the wire. May hold a secret: never log it.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The whole of it up to its query.
    pub(crate) fn without_query(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.path())
    }

    /// The path, without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// Host and port as the `Host` header has them: the scheme's own port is left out (RFC 9110, section 7.2).
    pub(crate) fn authority(&self) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for RouteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.target);
        f.write_str(&redact(&url))
    }
}

impl fmt::Debug for RouteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteUrl({self})")
    }
}

impl TryFrom<String> for RouteUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

/// A route URL that cannot be probed. One line: the URL and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("route URL `{given}` {kind}")]
pub struct UrlError {
    given: String,
    kind: UrlErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum UrlErrorKind {
    #[error("has no scheme: write it with http:// or https:// in front")]
    NoScheme,
    #[error("has the scheme `{0}`: only http and https can be probed")]
    OtherScheme(String),
    #[error("has no host: write it as https://HOST/PATH")]
    NoHost,
    #[error("holds a user or password: remove it, probes never send credentials")]
    Credentials,
    #[error("has a bad port: write a number from 1 to 65535, or none")]
    Port,
    #[error(
        "has a host that is neither a DNS name nor an address: write names in ASCII (xn--…), IPv6 in brackets"
    )]
    Host,
    #[error("is not a URL ({0}): percent-encode blanks and other special characters")]
    Syntax(String),
}

fn parse(text: &str) -> Result<RouteUrl, UrlErrorKind> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlErrorKind::NoScheme)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(UrlErrorKind::OtherScheme(redact(scheme))),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlErrorKind::Credentials);
    }
    let (host, port) = split_port(authority)?;
    let port = port.unwrap_or(scheme.default_port());
    Ok(RouteUrl { scheme, host: host_name(host)?, port, target: target(&rest[authority.len()..])? })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlErrorKind> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(UrlErrorKind::Host)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    if host.is_empty() {
        return Err(UrlErrorKind::NoHost);
    }
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or(UrlErrorKind::Host)?;
    // `parse` alone would take "+80".
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlErrorKind::Port);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(UrlErrorKind::Port),
        Ok(number) => Ok((host, Some(number))),
    }
}

fn host_name(host: &str) -> Result<String, UrlErrorKind> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: std::net::Ipv6Addr = inner.parse().map_err(|_| UrlErrorKind::Host)?;
        return Ok(address.to_string());
    }
    let host = host.to_ascii_lowercase();
    ServerName::try_from(host.as_str()).map_err(|_| UrlErrorKind::Host)?;
    Ok(host)
}

fn target(rest: &str) -> Result<String, UrlErrorKind> {
    let without_fragment = rest.split('#').next().unwrap_or_default();
    let path = if without_fragment.starts_with('/') {
        without_fragment.to_owned()
    } else {
        format!("/{without_fragment}")
    };
    match path.parse::<http::uri::PathAndQuery>() {
        Ok(parsed) => Ok(parsed.as_str().to_owned()),
        Err(error) => Err(UrlErrorKind::Syntax(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_urls_are_taken_apart() {
        for (text, scheme, host, port, target, authority) in [
            ("https://Ci.Example.net", Scheme::Https, "ci.example.net", 443, "/", "ci.example.net"),
            ("http://h:8080/a/b?x=1#f", Scheme::Http, "h", 8080, "/a/b?x=1", "h:8080"),
            ("https://[::1]:443?q", Scheme::Https, "::1", 443, "/?q", "[::1]"),
            ("HTTP://10.10.0.2:443/", Scheme::Http, "10.10.0.2", 443, "/", "10.10.0.2:443"),
            (
                "https://under_score.example/",
                Scheme::Https,
                "under_score.example",
                443,
                "/",
                "under_score.example",
            ),
        ] {
            let url = RouteUrl::parse(text).unwrap();
            assert_eq!(
                (url.scheme(), url.host(), url.port(), url.target(), url.authority().as_str()),
                (scheme, host, port, target, authority),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_urls_name_themselves_and_the_fix() {
        for (text, part) in [
            ("ci.example.net", "has no scheme"),
            ("", "has no scheme"),
            ("ftp://h/", "`ftp`: only http and https"),
            ("https://", "has no host"),
            ("https:///path", "has no host"),
            ("https://:443/", "has no host"),
            ("https://me:s3cret@h/", "holds a user or password"),
            ("https://h:0/", "bad port"),
            ("https://h:/", "bad port"),
            ("https://h:+80/", "bad port"),
            ("https://h:65536/", "bad port"),
            ("https://h:8:9/", "bad port"),
            ("https://bücher.example/", "write names in ASCII"),
            ("https://a b/", "neither a DNS name"),
            ("https://[::1/", "IPv6 in brackets"),
            ("https://[zz]/", "IPv6 in brackets"),
            ("https://[::1]x/", "IPv6 in brackets"),
            ("https://h/a b", "percent-encode"),
        ] {
            let error = RouteUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_shown_url_hides_its_query() {
        let url = RouteUrl::parse("https://h/hook?token=s3cret").unwrap();
        assert_eq!(url.to_string(), "https://h/hook?[redacted]");
        assert!(!format!("{url:?}").contains("s3cret"));
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = RouteUrl::parse(&text);
        }

        #[test]
        fn never_panics_after_a_scheme(text in r"https?://[\PC]{0,40}") {
            if let Ok(url) = RouteUrl::parse(&text) {
                prop_assert!(!url.host().is_empty());
                prop_assert!(url.port() != 0);
                prop_assert!(url.target().starts_with('/'));
            }
        }

        #[test]
        fn what_is_shown_reads_back(
            https in any::<bool>(), host in "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5}){0,2}",
            port in 1u16.., path in "(/[a-z0-9]{0,5}){0,3}",
        ) {
            let scheme = if https { "https" } else { "http" };
            let url = RouteUrl::parse(&format!("{scheme}://{host}:{port}{path}")).unwrap();
            prop_assert_eq!(url.port(), port);
            prop_assert_eq!(url.host(), host);
            prop_assert_eq!(&RouteUrl::parse(&url.to_string()).unwrap(), &url);
        }
    }
}
