//! The tables of `pvcheck.toml`: what is expected of a Swarm.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pvcheck_ipam::Subnet;
use pvcheck_journal::{Journalctl, Source};
use pvcheck_routes::{
    Addresses, Conditions, Expected, HttpVersion, MaterialError, Prober, Request, Roots, RouteSpec, RouteUrl,
};
use serde::Deserialize;

use super::error::ConfigFault;
use super::forms::{self, Pattern, Placement};
use super::harness::HarnessConfig;
use super::own_gates::{GateConfig, PreconditionConfig};
use super::waivers::WaiverConfig;

/// The unit that writes the engine's log where nothing else is configured.
pub(crate) const DOCKER_UNIT: &str = "docker.service";

/// What is expected of a Swarm, and what a gate may deploy on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The overlays under test: one `[overlay]`, or several `[[overlay]]`. On the first of them canary and churn deploy.
    #[serde(default, rename = "overlay", deserialize_with = "forms::one_or_several")]
    pub overlays: Vec<OverlayConfig>,
    /// Which certificate authorities TLS trusts.
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
    /// Runs of the team's own, as a proof.
    #[serde(default, rename = "harness")]
    pub harnesses: Vec<HarnessConfig>,
    /// Gates of its own, beside those that come with pvcheck.
    #[serde(default, rename = "gate")]
    pub gates: Vec<GateConfig>,
    /// What must have passed before a gate: one `[precondition]`, or several `[[precondition]]`.
    #[serde(default, rename = "precondition", deserialize_with = "forms::one_or_several")]
    pub preconditions: Vec<PreconditionConfig>,
    /// Checks that may be open for a while.
    #[serde(default, rename = "waiver")]
    pub waivers: Vec<WaiverConfig>,
    /// What makes a time a bad one for a change.
    #[serde(default)]
    pub window: WindowConfig,
    /// What is to be done around the renewal of a network, and is not Swarm's.
    #[serde(default)]
    pub renewal: RenewalConfig,
    #[serde(skip)]
    pub(super) digest: String,
    #[serde(skip)]
    pub(super) folder: PathBuf,
    #[serde(skip)]
    pub(super) file: String,
    #[serde(skip)]
    pub(super) text: String,
}

/// An overlay under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlayConfig {
    /// Its name.
    pub name: String,
    /// The subnet it should have.
    pub subnet: Subnet,
    /// Addresses that must be free: neither owned nor leaked.
    #[serde(default = "default_min_free")]
    pub min_free: u64,
    /// Leaked addresses that are accepted. None by default: a leak means that the overlay will be full one day.
    #[serde(default)]
    pub max_leaked: u64,
    /// Which files create it.
    #[serde(default)]
    pub creation: CreationConfig,
}

/// Which files create an overlay: what is declared, and what is deployed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreationConfig {
    /// The file that has the create line in the configuration's source.
    pub declared: Option<PathBuf>,
    /// The file that has it on the host.
    pub deployed: Option<PathBuf>,
    /// In place of `deployed`, the unit that runs it.
    pub unit: Option<String>,
}

/// Which certificate authorities TLS trusts.
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
    /// How many of its tasks must run; what the service itself asks for, and at least one, where absent.
    pub replicas: Option<u64>,
    /// On which overlay they must be, with addresses of its subnet.
    #[serde(default)]
    pub overlay: Placement,
}

/// A route that must answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Its name in reports.
    pub name: String,
    /// The URL to ask.
    pub url: RouteUrl,
    /// Where to connect to, whatever the name resolves to.
    #[serde(default)]
    pub address: Addresses,
    /// The statuses that are fine.
    #[serde(default = "ok")]
    pub expect: Vec<Expected>,
    /// How it is asked.
    #[serde(default)]
    pub request: Request,
    /// What else must hold of the answer.
    #[serde(default)]
    pub conditions: Conditions,
    /// The service behind it, named when it fails.
    pub service: Option<String>,
    /// `1.1` or `2`; whatever is agreed on where absent.
    pub http: Option<HttpVersion>,
    /// True iff a 2xx answer without a body is fine.
    #[serde(default)]
    pub allow_empty: bool,
    /// True iff the head of the answer is enough, as of a stream.
    #[serde(default)]
    pub headers_suffice: bool,
    /// True iff a page that a router or web server sends of itself is fine.
    #[serde(default)]
    pub allow_default: bool,
    /// The time for everything, in milliseconds; 10 s where absent.
    pub deadline_ms: Option<NonZeroU64>,
    /// How often it may be asked until it answers as expected, 1 to 5; for its own check alone.
    #[serde(default = "one_attempt")]
    pub attempts: u32,
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
    /// Where to connect to, whatever the name resolves to.
    #[serde(default)]
    pub address: Addresses,
    /// The statuses that are fine.
    #[serde(default = "ok")]
    pub expect: Vec<Expected>,
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

/// What makes a time a bad one for a change, beside what the Swarm itself shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowConfig {
    /// Stacks that are a run's, by their names.
    pub busy_stacks: Vec<Pattern>,
    /// Those of them that may stay.
    pub may_stay: Vec<Pattern>,
    /// Processes of this host that must not run, by their command lines.
    pub processes: Vec<Pattern>,
    /// Units that must not be at work.
    pub units: Vec<String>,
    /// Timers that must not fire soon.
    pub timers: Vec<String>,
    /// How soon that is, in minutes.
    pub timers_within_minutes: u32,
    /// Files that are there as long as something is at work.
    pub lock_files: Vec<PathBuf>,
    /// Commands that end with 0 iff nothing is at work.
    pub commands: Vec<Vec<String>>,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            busy_stacks: Vec::new(),
            may_stay: Vec::new(),
            processes: Vec::new(),
            units: Vec::new(),
            timers: Vec::new(),
            timers_within_minutes: 60,
            lock_files: Vec::new(),
            commands: Vec::new(),
        }
    }
}

/// Commands around the renewal of a network, such as those that rebuild a host's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalConfig {
    /// Before the first step, in this order; one that fails keeps the renewal from being begun.
    #[serde(default)]
    pub before: Vec<HookConfig>,
    /// After the last step, in this order, all of them.
    #[serde(default)]
    pub after: Vec<HookConfig>,
}

/// A command that is run on this host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Its program and words.
    pub command: Vec<String>,
    /// How long it may take, in seconds.
    #[serde(default = "ten_minutes")]
    pub timeout_s: u64,
}

fn ten_minutes() -> u64 {
    600
}

fn default_min_free() -> u64 {
    16
}

fn one_task() -> u32 {
    1
}

fn one_attempt() -> u32 {
    1
}

fn five() -> u32 {
    5
}

fn ok() -> Vec<Expected> {
    vec![Expected::Status(200)]
}

impl Config {
    /// SHA-256 of the text it was read from, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The overlay on which canary and churn deploy: the first; `None` if the configuration has none.
    pub fn overlay(&self) -> Option<&OverlayConfig> {
        self.overlays.first()
    }

    /// The name of the overlay that this service must be on; `None` if it may be anywhere.
    pub(crate) fn overlay_of<'a>(&'a self, service: &'a ServiceConfig) -> Option<&'a str> {
        match &service.overlay {
            Placement::Anywhere => None,
            Placement::First => self.overlay().map(|o| o.name.as_str()),
            Placement::Named(name) => Some(name),
        }
    }

    /// The name of the overlay that this harness must join; `None` only where the configuration is refused.
    pub(crate) fn network_of<'a>(&'a self, harness: &'a HarnessConfig) -> Option<&'a str> {
        match &harness.overlay {
            Placement::Anywhere => None,
            Placement::First => self.overlay().map(|o| o.name.as_str()),
            Placement::Named(name) => Some(name),
        }
    }

    /// The certificate authorities that TLS trusts. A relative path is relative to the configuration's folder.
    pub fn roots(&self) -> Roots {
        self.tls.ca.as_ref().map_or(Roots::System, |ca| Roots::Pem(self.folder.join(ca)))
    }

    /// A file of the configuration. A relative path is relative to the configuration's folder.
    pub(crate) fn file(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The engine's log file, if it is one.
    pub(crate) fn log_file(&self) -> Option<PathBuf> {
        self.journal.file.as_ref().map(|file| self.folder.join(file))
    }

    /// The engine's log: the file, else the unit's journal, else that of `docker.service`.
    pub(crate) fn log_source(&self) -> Source {
        match self.log_file() {
            Some(file) => Source::File(file),
            None => unit_source(self.journal.unit.as_deref()),
        }
    }

    /// Its routes, ready to be asked.
    pub fn route_specs(&self) -> Vec<RouteSpec> {
        self.routes.iter().map(|route| self.route_spec(route)).collect()
    }

    /// One of its routes, ready to be asked.
    pub(crate) fn route_spec(&self, route: &RouteConfig) -> RouteSpec {
        route.spec(&self.folder)
    }

    /// A prober with everything that its routes need: authorities, credentials, client certificates.
    ///
    /// # Errors
    /// If one of them cannot be read or used; the error names the route.
    pub fn prober(&self) -> Result<Prober, MaterialError> {
        Prober::for_routes(&self.roots(), &self.route_specs())
    }

    /// Everything for which [`Config::prober`] may fail: the authorities, or where these can be read what each route's request
    /// needs.
    pub(crate) fn material_errors(&self) -> Vec<MaterialError> {
        let roots = self.roots();
        if let Err(error) = Prober::new(&roots) {
            return vec![error.into()];
        }
        let specs = self.routes.iter().filter(|route| route.request != Request::default());
        let each = specs.map(|route| self.route_spec(route));
        each.filter_map(|spec| Prober::for_routes(&roots, &[spec]).err()).collect()
    }
}

/// The journal of a unit; of the one that writes the engine's log where none is named.
pub(crate) fn unit_source(unit: Option<&str>) -> Source {
    Source::Journalctl(Journalctl::unit(unit.unwrap_or(DOCKER_UNIT)))
}

impl RouteConfig {
    /// The route, ready to be asked. Relative paths are relative to this folder.
    fn spec(&self, folder: &Path) -> RouteSpec {
        let mut spec = RouteSpec::new(&self.name, self.url.clone());
        spec.address.clone_from(&self.address);
        spec.expected.clone_from(&self.expect);
        spec.request = self.request.clone().within(folder);
        spec.conditions.clone_from(&self.conditions);
        spec.http = self.http;
        spec.allow_empty = self.allow_empty;
        spec.headers_suffice = self.headers_suffice;
        spec.allow_default = self.allow_default;
        spec.attempts = self.attempts;
        if let Some(deadline) = self.deadline_ms {
            spec.deadline = Duration::from_millis(deadline.get());
        }
        spec
    }
}

impl CanaryConfig {
    /// The route of a canary of this name.
    ///
    /// # Errors
    /// If the URL is invalid; the error says how to fix it.
    pub(crate) fn spec(&self, stack: &str) -> Result<RouteSpec, ConfigFault> {
        let url = RouteUrl::parse(&self.url.replace("{stack}", stack)).map_err(ConfigFault::CanaryUrl)?;
        let mut spec = RouteSpec::new("canary", url);
        spec.address.clone_from(&self.address);
        spec.expected.clone_from(&self.expect);
        // This is one of many tries until the router has discovered the canary, so none of them may take long.
        spec.deadline = Duration::from_secs(5);
        spec.check().map_err(ConfigFault::Canary)?;
        Ok(spec)
    }

    /// Its labels, with the name filled in.
    pub(crate) fn labels_for(&self, stack: &str) -> Vec<(String, String)> {
        let fill = |text: &String| text.replace("{stack}", stack);
        self.labels.iter().map(|(key, value)| (fill(key), fill(value))).collect()
    }
}
