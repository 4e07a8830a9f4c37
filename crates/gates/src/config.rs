//! `pvcheck.toml`: what is expected of a Swarm.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pvcheck_ipam::Subnet;
use pvcheck_routes::{HttpVersion, Roots, RouteSpec, RouteUrl, SpecError, UrlError};
use serde::Deserialize;
use thiserror::Error;

/// What is expected of a Swarm, and what a gate may deploy on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The shared overlay under test.
    pub overlay: OverlayConfig,
    /// Whom TLS trusts.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Where the engine's log is.
    #[serde(default)]
    pub journal: JournalConfig,
    /// Services that must run.
    #[serde(default, rename = "service")]
    pub services: Vec<ServiceConfig>,
    /// Routes that must answer.
    #[serde(default, rename = "route")]
    pub routes: Vec<RouteConfig>,
    /// The stack that is deployed once through the router.
    pub canary: Option<CanaryConfig>,
    /// The throwaway stacks.
    pub churn: Option<ChurnConfig>,
    #[serde(skip)]
    digest: String,
    #[serde(skip)]
    folder: PathBuf,
}

/// The shared overlay under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlayConfig {
    /// Its name.
    pub name: String,
    /// The subnet it should have.
    pub subnet: Subnet,
    /// Addresses that its owners must leave free.
    #[serde(default = "default_min_free")]
    pub min_free: u64,
}

/// Whom TLS trusts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file of certificate authorities; the system's own where absent.
    pub ca: Option<PathBuf>,
}

/// Where the engine's log is: one of the two, the unit `docker.service` where both are absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// A file that the engine's output goes to.
    pub file: Option<PathBuf>,
    /// A unit whose records `journalctl` gives.
    pub unit: Option<String>,
}

/// A service that must run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its name.
    pub name: String,
    /// How many of its tasks must run.
    #[serde(default = "one")]
    pub replicas: u64,
    /// True iff they must be on the overlay under test, with addresses of its subnet.
    #[serde(default)]
    pub overlay: bool,
}

/// A route that must answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Its name in reports.
    pub name: String,
    /// What is asked for.
    pub url: RouteUrl,
    /// Whom to ask, whatever the name resolves to.
    pub address: Option<SocketAddr>,
    /// The statuses that are fine.
    #[serde(default = "ok")]
    pub expect: Vec<u16>,
    /// The service behind it, named when it fails.
    pub service: Option<String>,
    /// `1.1` or `2`; whatever is agreed on where absent.
    pub http: Option<HttpVersion>,
}

/// The stack that is deployed once through the router.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryConfig {
    /// Its image.
    pub image: String,
    /// What it runs; the image's own where empty.
    #[serde(default)]
    pub command: Vec<String>,
    /// Where it is reached; `{stack}` stands for its name.
    pub url: String,
    /// Whom to ask, whatever the name resolves to.
    pub address: Option<SocketAddr>,
    /// The statuses that are fine.
    #[serde(default = "ok")]
    pub expect: Vec<u16>,
    /// Labels of its service, such as a router wants; `{stack}` stands for its name.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The throwaway stacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnConfig {
    /// Their image.
    pub image: String,
    /// What they run; the image's own where empty.
    #[serde(default)]
    pub command: Vec<String>,
    /// How many at once.
    #[serde(default = "five")]
    pub stacks: u32,
    /// Tasks of each.
    #[serde(default = "one_task")]
    pub replicas: u32,
    /// Rounds.
    #[serde(default = "one_task")]
    pub rounds: u32,
}

fn default_min_free() -> u64 {
    16
}

fn one() -> u64 {
    1
}

fn one_task() -> u32 {
    1
}

fn five() -> u32 {
    5
}

fn ok() -> Vec<u16> {
    vec![200]
}

/// Why a configuration was refused, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}; name another with --config FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is no TOML, or not this TOML.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It contradicts itself, or asks for something that there is not.
    #[error("{file}: {fault}")]
    Meaning {
        /// The file.
        file: String,
        /// What is wrong, and what to write.
        fault: ConfigFault,
    },
}

/// What is wrong with a configuration whose syntax is right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigFault {
    /// The canary's URL is none.
    #[error("[canary] url: {0}")]
    CanaryUrl(UrlError),
    /// The canary's route is one that no answer could satisfy.
    #[error("[canary]: {0}")]
    Canary(SpecError),
    /// Two entries of a table have one name.
    #[error("[[{table}]] `{name}` stands there twice; remove one")]
    Duplicate {
        /// `service` or `route`.
        table: &'static str,
        /// The name.
        name: String,
    },
    /// An entry has an empty name.
    #[error("a [[{table}]] has an empty name; give it one")]
    Nameless {
        /// `service` or `route`.
        table: &'static str,
    },
    /// A number of the churn is out of its bounds.
    #[error("[churn] {field} is {given}; give 1 to {most}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// Its value.
        given: u32,
        /// The largest one that is taken; the smallest is 1.
        most: u32,
    },
    /// A route is one that no answer could satisfy.
    #[error(transparent)]
    Route(#[from] SpecError),
    /// The log is both in a file and in a unit's journal.
    #[error("[journal] has both `file` and `unit`; keep one")]
    TwoLogs,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, has unknown or wrong fields (with line and column), or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        let mut config = Self::parse(&path.display().to_string(), &text)?;
        path.parent().unwrap_or(Path::new("")).clone_into(&mut config.folder);
        Ok(config)
    }

    /// Reads a text; `file` is its name in errors.
    ///
    /// # Errors
    /// As [`Config::load`], but for reading.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|e| syntax(file, text, &e))?;
        let meaning = |fault| ConfigError::Meaning { file: file.to_owned(), fault };
        config.validate().map_err(meaning)?;
        config.digest = digest(text);
        Ok(config)
    }

    /// SHA-256 of the text it was read from, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whom TLS trusts. A relative path is relative to the configuration's folder.
    pub fn roots(&self) -> Roots {
        self.tls.ca.as_ref().map_or(Roots::System, |ca| Roots::Pem(self.folder.join(ca)))
    }

    /// The engine's log file, if it is one.
    pub fn log_file(&self) -> Option<PathBuf> {
        self.journal.file.as_ref().map(|file| self.folder.join(file))
    }

    /// Its routes, ready to be asked.
    pub fn route_specs(&self) -> Vec<RouteSpec> {
        self.routes.iter().map(RouteConfig::spec).collect()
    }

    fn validate(&self) -> Result<(), ConfigFault> {
        unique("service", self.services.iter().map(|s| &s.name))?;
        unique("route", self.routes.iter().map(|r| &r.name))?;
        if self.journal.file.is_some() && self.journal.unit.is_some() {
            return Err(ConfigFault::TwoLogs);
        }
        for route in &self.routes {
            route.spec().check()?;
        }
        if let Some(canary) = &self.canary {
            canary.spec("probe")?;
        }
        self.churn.as_ref().map_or(Ok(()), ChurnConfig::validate)
    }
}

impl RouteConfig {
    /// The route, ready to be asked.
    pub fn spec(&self) -> RouteSpec {
        let mut spec = RouteSpec::new(&self.name, self.url.clone());
        spec.address = self.address;
        spec.expected.clone_from(&self.expect);
        spec.http = self.http;
        spec
    }
}

impl CanaryConfig {
    /// The way to a canary of this name.
    ///
    /// # Errors
    /// When the URL is none, with the mend.
    pub fn spec(&self, stack: &str) -> Result<RouteSpec, ConfigFault> {
        let url = RouteUrl::parse(&self.url.replace("{stack}", stack)).map_err(ConfigFault::CanaryUrl)?;
        let mut spec = RouteSpec::new("canary", url);
        spec.address = self.address;
        spec.expected.clone_from(&self.expect);
        // One try among many until the router has noticed the canary: none may take long.
        spec.deadline = Duration::from_secs(5);
        spec.check().map_err(ConfigFault::Canary)?;
        Ok(spec)
    }

    /// Its labels, with the name filled in.
    pub fn labels_for(&self, stack: &str) -> Vec<(String, String)> {
        let fill = |text: &String| text.replace("{stack}", stack);
        self.labels.iter().map(|(key, value)| (fill(key), fill(value))).collect()
    }
}

impl ChurnConfig {
    fn validate(&self) -> Result<(), ConfigFault> {
        let bounded = |field, given, most| {
            let is_inside = (1..=most).contains(&given);
            is_inside.then_some(()).ok_or(ConfigFault::OutOfBounds { field, given, most })
        };
        bounded("stacks", self.stacks, 100)?;
        bounded("replicas", self.replicas, 100)?;
        bounded("rounds", self.rounds, 1000)
    }
}

fn unique<'a>(table: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), ConfigFault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(ConfigFault::Nameless { table });
        }
        if !seen.insert(name) {
            return Err(ConfigFault::Duplicate { table, name: name.clone() });
        }
    }
    Ok(())
}

fn syntax(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    ConfigError::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        reason: error.message().replace('\n', ", "),
    }
}

fn digest(text: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/16\"\n";

    fn refused(text: &str) -> String {
        let error = Config::parse("pvcheck.toml", text).unwrap_err().to_string();
        assert!(!error.contains('\n'), "more than one line: {error}");
        error
    }

    #[test]
    fn errors_name_the_place() {
        assert!(refused("[overlay]\nname = \"x\n").starts_with("pvcheck.toml:2:"));
        let unknown = refused(&format!("{GOOD}\n[[service]]\nname = \"a\"\nreplica = 1\n"));
        assert!(unknown.starts_with("pvcheck.toml:7:1: ") && unknown.contains("replica"), "{unknown}");
        let bits = refused("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.7/16\"\n");
        assert!(bits.starts_with("pvcheck.toml:3:10: ") && bits.contains("10.10.0.0/16"), "{bits}");
        let url = refused(&format!("{GOOD}[[route]]\nname = \"a\"\nurl = \"ftp://x/\"\n"));
        assert!(url.starts_with("pvcheck.toml:6:7: "), "{url}");
        assert!(refused("").contains("overlay"));
    }

    #[test]
    fn contradictions_are_refused() {
        let twice = format!("{GOOD}[[service]]\nname = \"a\"\n[[service]]\nname = \"a\"\n");
        assert!(refused(&twice).contains("`a` stands there twice"));
        assert!(refused(&format!("{GOOD}[journal]\nfile = \"x\"\nunit = \"y\"\n")).contains("keep one"));
        assert!(refused(&format!("{GOOD}[churn]\nimage = \"x\"\nstacks = 0\n")).contains("give 1 to 100"));
        assert!(refused(&format!("{GOOD}[canary]\nimage = \"x\"\nurl = \"nothing\"\n")).contains("[canary]"));
    }

    #[test]
    fn the_digest_is_that_of_the_text() {
        let digest = |text: &str| Config::parse("x", text).unwrap().digest().to_owned();
        assert_eq!(digest(GOOD), digest(GOOD));
        assert_ne!(digest(GOOD), digest(&format!("{GOOD}# changed\n")));
        assert_eq!(digest(GOOD).len(), 64);
    }
}
