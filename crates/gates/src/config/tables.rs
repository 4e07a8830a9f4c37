//! The tables of `pvcheck.toml`: what is expected of a Swarm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pvcheck_ipam::Subnet;
use pvcheck_journal::Source;
use pvcheck_routes::{Addresses, Expected, MaterialError, Prober, Request, Roots, RouteSpec, RouteUrl};
use serde::Deserialize;

use super::error::ConfigFault;
use super::forms::{self, Pattern, Placement};
use super::guard::GuardConfig;
use super::harness::HarnessConfig;
use super::hook::HookConfig;
use super::journal::{JournalConfig, NodeLog, unit_source};
use super::own_gates::{GateConfig, PreconditionConfig};
use super::routes::{RouteConfig, RouteGroupConfig};
use super::services::ServiceConfig;
use super::waivers::WaiverConfig;

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
    /// What routes of a group have in common.
    #[serde(default, rename = "route_group")]
    pub route_groups: Vec<RouteGroupConfig>,
    /// The stack that is deployed once through the router.
    pub canary: Option<CanaryConfig>,
    /// The throwaway stacks.
    pub churn: Option<ChurnConfig>,
    /// Runs of the team's own, as a proof.
    #[serde(default, rename = "harness")]
    pub harnesses: Vec<HarnessConfig>,
    /// What a team has for the day on which addresses run out again, and what pvcheck may do then.
    pub guard: Option<GuardConfig>,
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

fn default_min_free() -> u64 {
    16
}

fn one_task() -> u32 {
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

    /// The team's own guard; `None` if the configuration names no file of one.
    pub(crate) fn team_guard(&self) -> Option<&GuardConfig> {
        self.guard.as_ref().filter(|guard| guard.is_of_a_team())
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

    /// The engine's log, where it is not one for each node: the file, else the unit's journal, else that of `docker.service`.
    pub(crate) fn log_source(&self) -> Source {
        match &self.journal.file {
            Some(file) => Source::File(self.file(file)),
            None => unit_source(self.journal.unit.as_deref()),
        }
    }

    /// The log of a node.
    pub(crate) fn source_of(&self, log: &NodeLog) -> Source {
        log.source(&self.folder)
    }

    /// Its routes, ready to be asked.
    pub fn route_specs(&self) -> Vec<RouteSpec> {
        self.routes.iter().map(|route| self.route_spec(route)).collect()
    }

    /// Those of its routes that a gate asks between its steps, and that stop it.
    pub(crate) fn core_route_specs(&self) -> Vec<RouteSpec> {
        self.core_routes().map(|route| self.route_spec(route)).collect()
    }

    /// Those of its routes without which nothing may be deployed.
    pub(crate) fn core_routes(&self) -> impl Iterator<Item = &RouteConfig> {
        self.routes.iter().filter(|route| route.is_core(self.group_of(route)))
    }

    /// One of its routes, ready to be asked.
    pub(crate) fn route_spec(&self, route: &RouteConfig) -> RouteSpec {
        route.spec(self.group_of(route), &self.folder)
    }

    /// The group of a route; `None` where it names none, or one that is not there.
    fn group_of(&self, route: &RouteConfig) -> Option<&RouteGroupConfig> {
        let name = route.group.as_ref()?;
        self.route_groups.iter().find(|group| group.name == *name)
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
        let each = self.route_specs().into_iter().filter(|spec| spec.request != Request::default());
        each.filter_map(|spec| Prober::for_routes(&roots, &[spec]).err()).collect()
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
