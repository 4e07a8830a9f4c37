//! Routes that a service's labels declare to a router.
//!
//! Kept is what a request can be asked by: hosts and paths. The arguments of other matchers, such as headers, may be secrets.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A route that a label declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeclaredRoute {
    /// The label, such as `traefik.http.routers.shop.rule`.
    pub label: String,
    /// Whether TLS is spoken there, as far as labels say: Traefik's `tls` and the usual names of entry points, Caddy's scheme
    /// and port. `None` where they do not, and in a file of an older pvcheck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// What it takes.
    pub takes: Takes,
}

impl fmt::Display for DeclaredRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.takes {
            Takes::Sites(sites) => {
                let sites: Vec<String> = sites.iter().map(ToString::to_string).collect();
                write!(f, "{} ({})", sites.join(", "), self.label)
            }
            Takes::Unclear(because) => write!(f, "{}, which {because}", self.label),
        }
    }
}

/// What a declared route takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Requests to these.
    Sites(Vec<Site>),
    /// It cannot be said which requests.
    Unclear(Unclear),
}

/// Why it cannot be said what a declared route takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unclear {
    /// It names no host, so it may take any.
    AnyHost,
    /// It has a matcher of this name, or the negation `!`, whose hosts and paths cannot be listed.
    Matcher(String),
    /// It is not written as the router's documentation has it, or too long.
    Syntax,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyHost => f.write_str("names no host"),
            Self::Matcher(name) => write!(f, "has {name}, whose hosts cannot be listed"),
            Self::Syntax => f.write_str("is not understood"),
        }
    }
}

/// A host, and which paths of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Site {
    /// The host, in lower case.
    pub host: String,
    /// The port, where the label names one: of Caddy alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Which paths.
    #[serde(default)]
    pub path: SitePath,
}

/// Which paths of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SitePath {
    /// All of them.
    #[default]
    Any,
    /// This one.
    Is(String),
    /// Those that begin so.
    Begins(String),
}

impl Site {
    /// True iff a request for this host and path is among those taken.
    pub fn takes(&self, host: &str, path: &str) -> bool {
        let takes_path = match &self.path {
            SitePath::Any => true,
            SitePath::Is(own) => path == own,
            SitePath::Begins(prefix) => path.starts_with(prefix.as_str()),
        };
        takes_path && self.host.eq_ignore_ascii_case(host)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.path {
            SitePath::Any => Ok(()),
            SitePath::Is(path) => f.write_str(path),
            SitePath::Begins(prefix) => write!(f, "{prefix}…"),
        }
    }
}

/// The routes that the labels declare, in the order of the labels: Traefik's rules (`traefik.http.routers.NAME.rule`, and
/// `traefik.frontend.rule` of Traefik 1) unless `traefik.enable` is false, and the sites of caddy-docker-proxy (`caddy`,
/// `caddy_0`). Rules for TCP and UDP are no routes of HTTP.
pub fn declared_routes<'a>(labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<DeclaredRoute> {
    let mut disabled = labels.clone().filter(|(name, _)| *name == "traefik.enable");
    let is_enabled = disabled.all(|(_, value)| !value.trim().eq_ignore_ascii_case("false"));
    let siblings = labels.clone();
    let mut all: Vec<DeclaredRoute> = labels
        .filter_map(|(label, value)| {
            let (tls, takes) = match kind(label)? {
                Kind::Traefik(_) | Kind::Traefik1 if !is_enabled => return None,
                Kind::Traefik(router) => (traefik_tls(router, siblings.clone()), rule(value)),
                Kind::Traefik1 => (None, Takes::Unclear(Unclear::Syntax)),
                Kind::Caddy => (Some(caddy_tls(value)), caddy(value)?),
            };
            Some(DeclaredRoute { label: label.to_owned(), tls, takes })
        })
        .collect();
    all.sort();
    all
}

enum Kind<'a> {
    Caddy,
    /// Of the router of this name.
    Traefik(&'a str),
    Traefik1,
}

/// What the labels of Traefik's routers begin with.
const ROUTERS: &str = "traefik.http.routers.";

fn kind(label: &str) -> Option<Kind<'_>> {
    let router = label.strip_prefix(ROUTERS).and_then(|rest| rest.strip_suffix(".rule"));
    if let Some(name) = router.filter(|name| !name.is_empty()) {
        return Some(Kind::Traefik(name));
    }
    if label.starts_with("traefik.") && label.ends_with("frontend.rule") {
        return Some(Kind::Traefik1);
    }
    let number = label.strip_prefix("caddy")?;
    let is_site = number.is_empty()
        || number.strip_prefix('_').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    is_site.then_some(Kind::Caddy)
}

/// Whether a router of Traefik speaks TLS, by its label `tls` or one below it, such as `tls.certresolver`; else by the names
/// of its entry points, which are free, so that only the usual ones tell anything.
fn traefik_tls<'a>(router: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Option<bool> {
    let mut by_entry_points = None;
    for (label, value) in labels {
        let Some(option) = label.strip_prefix(ROUTERS).and_then(|rest| rest.strip_prefix(router)) else {
            continue;
        };
        match option {
            ".tls" => return Some(!value.trim().eq_ignore_ascii_case("false")),
            _ if option.starts_with(".tls.") => return Some(true),
            _ if option.eq_ignore_ascii_case(".entrypoints") => by_entry_points = entry_points_tls(value),
            _ => {}
        }
    }
    by_entry_points
}

fn entry_points_tls(names: &str) -> Option<bool> {
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let is_secure = |name: &String| ["https", "secure", "443", "tls"].iter().any(|part| name.contains(part));
    if names.iter().any(is_secure) {
        return Some(true);
    }
    let is_plain = |name: &String| ["http", "web"].contains(&name.as_str());
    names.iter().all(is_plain).then_some(false)
}

/// Caddy speaks TLS unless every address says `http://` or port 80 (its documentation, "Automatic HTTPS").
fn caddy_tls(value: &str) -> bool {
    let is_plain = |address: &str| {
        address.starts_with("http://") || address.ends_with(":80") || address.contains(":80/")
    };
    !value.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()).all(is_plain)
}

/// Addresses of a Caddyfile's site: `a.example, https://b.example:8443/path`. `None` for a snippet, `(name)`.
fn caddy(value: &str) -> Option<Takes> {
    let value = value.trim();
    if value.starts_with('(') {
        return None;
    }
    let mut sites = BTreeSet::new();
    for address in value.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()) {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) =
            authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let port = port.and_then(|port| port.parse().ok()).filter(|port| ![80, 443].contains(port));
        if host.is_empty() {
            return Some(Takes::Unclear(Unclear::AnyHost));
        }
        // Placeholders are filled in by the router, and a wildcard is no host that can be asked.
        if host.contains(['{', '*', '[']) {
            return Some(Takes::Unclear(Unclear::Matcher(host.to_owned())));
        }
        let path = match path.strip_suffix('*') {
            Some(prefix) => SitePath::Begins(prefix.to_owned()),
            None if matches!(path, "" | "/") => SitePath::Any,
            None => SitePath::Is(path.to_owned()),
        };
        sites.insert(Site { host: host.to_ascii_lowercase(), port, path });
    }
    Some(if sites.is_empty() {
        Takes::Unclear(Unclear::AnyHost)
    } else {
        Takes::Sites(sites.into_iter().collect())
    })
}

/// The most alternatives of a rule, and the deepest that its parentheses go.
const MOST: usize = 64;

/// A rule of Traefik 2 or 3.
fn rule(text: &str) -> Takes {
    let mut rule = Rule { rest: text, depth: 0 };
    let parsed = rule.alternatives().and_then(|all| {
        rule.skip();
        if rule.rest.is_empty() { Ok(all) } else { Err(Unclear::Syntax) }
    });
    let sites = parsed.and_then(|all| {
        let sites: Option<Vec<Vec<Site>>> = all.into_iter().map(Alternative::sites).collect();
        let sites: BTreeSet<Site> = sites.ok_or(Unclear::AnyHost)?.into_iter().flatten().collect();
        Ok(sites.into_iter().collect())
    });
    sites.map_or_else(Takes::Unclear, Takes::Sites)
}

/// Conditions that must all hold. `None`: nothing is asked of it.
#[derive(Clone, Default)]
struct Alternative {
    hosts: Option<BTreeSet<String>>,
    paths: Option<BTreeSet<SitePath>>,
}

impl Alternative {
    /// `None` if it names no host.
    fn sites(self) -> Option<Vec<Site>> {
        let paths = self.paths.unwrap_or_else(|| BTreeSet::from([SitePath::Any]));
        let of = |host: String| {
            paths.iter().map(move |path| Site { host: host.clone(), port: None, path: path.clone() })
        };
        Some(self.hosts?.into_iter().flat_map(of).collect())
    }

    /// Both at once. Of two conditions on paths the second is taken: which of them is the narrower depends on both.
    fn and(&self, other: &Self) -> Self {
        let hosts = match (&self.hosts, &other.hosts) {
            (Some(own), Some(others)) => Some(own.intersection(others).cloned().collect()),
            (own, others) => own.clone().or_else(|| others.clone()),
        };
        Self { hosts, paths: other.paths.clone().or_else(|| self.paths.clone()) }
    }
}

/// A rule that is being read: `Host(`a`) && (PathPrefix(`/x`) || Path(`/y`))`.
struct Rule<'a> {
    rest: &'a str,
    depth: usize,
}

impl Rule<'_> {
    fn alternatives(&mut self) -> Result<Vec<Alternative>, Unclear> {
        let mut all = self.all()?;
        while self.takes("||") {
            all.extend(self.all()?);
        }
        if MOST < all.len() { Err(Unclear::Syntax) } else { Ok(all) }
    }

    fn all(&mut self) -> Result<Vec<Alternative>, Unclear> {
        let mut all = self.one()?;
        while self.takes("&&") {
            let more = self.one()?;
            all = all.iter().flat_map(|own| more.iter().map(|other| own.and(other))).collect();
            if MOST < all.len() {
                return Err(Unclear::Syntax);
            }
        }
        Ok(all)
    }

    fn one(&mut self) -> Result<Vec<Alternative>, Unclear> {
        if self.takes("!") {
            return Err(Unclear::Matcher("!".to_owned()));
        }
        if self.takes("(") {
            self.depth += 1;
            if MOST < self.depth {
                return Err(Unclear::Syntax);
            }
            let inner = self.alternatives()?;
            self.depth -= 1;
            return if self.takes(")") { Ok(inner) } else { Err(Unclear::Syntax) };
        }
        self.skip();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.to_owned();
        self.rest = rest;
        let values = self.values()?;
        matcher(&name, values).map(|one| vec![one])
    }

    /// What stands in parentheses after a matcher's name: texts in backticks or quotes.
    fn values(&mut self) -> Result<Vec<String>, Unclear> {
        let mut values = Vec::new();
        if !self.takes("(") {
            return Err(Unclear::Syntax);
        }
        loop {
            self.skip();
            let quote = self.rest.chars().next().filter(|c| matches!(c, '`' | '"')).ok_or(Unclear::Syntax)?;
            let (value, rest) = self.rest[1..].split_once(quote).ok_or(Unclear::Syntax)?;
            values.push(value.to_owned());
            self.rest = rest;
            if self.takes(")") {
                return Ok(values);
            }
            if !self.takes(",") {
                return Err(Unclear::Syntax);
            }
        }
    }

    fn takes(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => self.rest = rest,
            None => return false,
        }
        true
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// What a matcher asks for (Traefik's documentation, "Rules & Priority", of 2 and 3).
fn matcher(name: &str, values: Vec<String>) -> Result<Alternative, Unclear> {
    let none = Alternative::default();
    match name {
        "Host" | "HostHeader" => {
            let hosts = values.iter().map(|host| host.to_ascii_lowercase()).collect();
            Ok(Alternative { hosts: Some(hosts), ..none })
        }
        "Path" => Ok(Alternative { paths: Some(values.into_iter().map(SitePath::Is).collect()), ..none }),
        "PathPrefix" => {
            Ok(Alternative { paths: Some(values.into_iter().map(SitePath::Begins).collect()), ..none })
        }
        // These narrow what is taken, but neither host nor path.
        "ClientIP" | "Header" | "HeaderRegexp" | "Headers" | "HeadersRegexp" | "Method" | "Query"
        | "QueryRegexp" => Ok(none),
        "" => Err(Unclear::Syntax),
        other => Err(Unclear::Matcher(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(label: &str, value: &str) -> String {
        let all = declared_routes([(label, value)].into_iter());
        let shown = |one: &DeclaredRoute| match &one.takes {
            Takes::Sites(sites) => sites.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Takes::Unclear(why) => format!("? {why}"),
        };
        all.iter().map(shown).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn rules_of_traefik_are_read_to_hosts_and_paths() {
        for (rule, read_as) in [
            ("Host(`Shop.example`)", "shop.example"),
            ("Host(`a.example`, \"b.example\")", "a.example b.example"),
            ("Host(`a.example`) || Host(`b.example`)", "a.example b.example"),
            ("Host(`a.example`) && PathPrefix(`/api`)", "a.example/api…"),
            ("(Host(`a.example`) || Host(`b.example`)) && Path(`/x`)", "a.example/x b.example/x"),
            ("Host(`a.example`) && (PathPrefix(`/x`) || Path(`/y`))", "a.example/y a.example/x…"),
            ("Host(`a.example`)&&Method(`GET`)", "a.example"),
            ("Host(`a.example`) && Header(`x-token`, `s3cret`)", "a.example"),
            ("PathPrefix(`/api`)", "? names no host"),
            ("HostRegexp(`^.+\\.example$`)", "? has HostRegexp, whose hosts cannot be listed"),
            ("Host(`a.example`) && !PathPrefix(`/x`)", "? has !, whose hosts cannot be listed"),
            ("Host(`a.example`", "? is not understood"),
            ("Host(a.example)", "? is not understood"),
            ("Host(`a.example`) and more", "? is not understood"),
            ("", "? is not understood"),
        ] {
            assert_eq!(of("traefik.http.routers.shop.rule", rule), read_as, "{rule}");
        }
        assert_eq!(of("traefik.frontend.rule", "Host:a.example"), "? is not understood");
    }

    #[test]
    fn other_labels_are_no_routes_of_http() {
        for label in [
            "traefik.docker.network",
            "traefik.tcp.routers.db.rule",
            "traefik.http.routers..rule",
            "traefik.http.routers.shop.middlewares",
            "caddy.reverse_proxy",
            "caddy_x",
            "caddyfile",
        ] {
            assert_eq!(of(label, "Host(`a.example`)"), "", "{label}");
        }
        let disabled = [("traefik.enable", "false"), ("traefik.http.routers.a.rule", "Host(`a.example`)")];
        assert_eq!(declared_routes(disabled.into_iter()), []);
    }

    #[test]
    fn sites_of_caddy_are_read() {
        for (value, read_as) in [
            ("a.example", "a.example"),
            ("https://A.example:8443, b.example/api/*", "a.example:8443 b.example/api/…"),
            ("a.example/x", "a.example/x"),
            (":80", "? names no host"),
            ("*.example", "? has *.example, whose hosts cannot be listed"),
            ("{$HOST}", "? has {$HOST}, whose hosts cannot be listed"),
            ("(snippet)", ""),
        ] {
            assert_eq!(of("caddy", value), read_as, "{value}");
            assert_eq!(of("caddy_12", value), read_as, "{value}");
        }
    }

    #[test]
    fn whether_tls_is_spoken_follows_from_labels_or_is_open() {
        let rule = ("traefik.http.routers.a.rule", "Host(`a.example`)");
        for (label, value, tls) in [
            ("traefik.http.routers.a.tls", "true", Some(true)),
            ("traefik.http.routers.a.tls", "false", Some(false)),
            ("traefik.http.routers.a.tls.certresolver", "le", Some(true)),
            ("traefik.http.routers.a.entrypoints", "web-secure", Some(true)),
            ("traefik.http.routers.a.entryPoints", "web, websecure", Some(true)),
            ("traefik.http.routers.a.entrypoints", "web", Some(false)),
            ("traefik.http.routers.a.entrypoints", "internal", None),
            ("traefik.http.routers.ab.tls", "true", None),
            ("traefik.enable", "true", None),
        ] {
            assert_eq!(declared_routes([rule, (label, value)].into_iter())[0].tls, tls, "{label}={value}");
        }
        for (site, tls) in [
            ("a.example", true),
            ("http://a.example", false),
            ("a.example:80/x", false),
            ("a.example:8443", true),
        ] {
            assert_eq!(declared_routes([("caddy", site)].into_iter())[0].tls, Some(tls), "{site}");
        }
    }

    #[test]
    fn a_site_takes_its_own_host_and_paths() {
        let site = |path| Site { host: "a.example".into(), port: None, path };
        for (path, asked, is_taken) in [
            (SitePath::Any, "/x", true),
            (SitePath::Is("/x".into()), "/x", true),
            (SitePath::Is("/x".into()), "/x/y", false),
            (SitePath::Begins("/x".into()), "/x/y", true),
            (SitePath::Begins("/x".into()), "/", false),
        ] {
            assert_eq!(site(path.clone()).takes("A.example", asked), is_taken, "{path:?} {asked}");
            assert!(!site(path).takes("b.example", asked));
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), wild in "[Host(`a|&!) \",]{0,80}") {
            for rule in [text, wild, "(".repeat(10_000)] {
                of("traefik.http.routers.a.rule", &rule);
                of("caddy", &rule);
            }
        }
    }
}
