//! What a unit says about itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::{Command, Stage};
use crate::evidence::Evidence;
use crate::execution::Execution;
use crate::name::UnitName;
use crate::span::Span;

/// `DefaultTimeoutStartSec=` as systemd is built. A host may set another in `system.conf`, which is not read here.
const DEFAULT_TIMEOUT_START: Duration = Duration::from_secs(90);

/// Another unit that a unit names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reference {
    /// The named unit.
    pub unit: UnitName,
    /// Where it is named.
    pub evidence: Evidence,
}

/// One unit with its drop-ins applied: the settings that matter to the order and length of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Other names of the same unit.
    pub aliases: Vec<UnitName>,
    /// True iff it is masked, so that it can never start.
    pub masked: bool,
    /// Units that must have started before this one begins, where both are started.
    pub after: Vec<Reference>,
    /// Units that begin only when this one has started, where both are started.
    pub before: Vec<Reference>,
    /// Units that are started with it, and without which it fails (`Requires=`, `BindsTo=`).
    pub requires: Vec<Reference>,
    /// Units without which it fails, and which it does not start (`Requisite=`).
    pub requisite: Vec<Reference>,
    /// Units that are started with it (`Wants=`, `Upholds=`).
    pub wants: Vec<Reference>,
    /// Targets and other units that start it once it is enabled (`WantedBy=`, `RequiredBy=`).
    pub wanted_by: Vec<Reference>,
    /// Paths whose mounts it needs: those of `RequiresMountsFor=` and `WantsMountsFor=`, and those that systemd takes
    /// from what it is about, such as `StateDirectory=`, `ListenStream=` and a mount's own `What=`.
    pub mounts_for: Vec<MountsFor>,
    /// True iff it is a mount or swap of a network file system, by its `Type=` or the option `_netdev`.
    pub over_network: bool,
    /// True iff `BusName=` is set.
    pub bus_name: bool,
    /// `Type=` of a service; `None` when not set, which means `simple`.
    pub service_type: Option<String>,
    /// `TimeoutStartSec=` or `TimeoutSec=` with where it stands; `None` when not set.
    pub timeout_start: Option<(Span, Evidence)>,
    /// `ListenStream=` of a socket.
    pub listens: Vec<Listen>,
    /// `Service=` of a socket, `Unit=` of a timer or a path; `None` when not set, which means the service of the same name.
    pub activates: Option<UnitName>,
    /// True iff `RemainAfterExit=` is set, so that it stays active once its command has ended.
    pub remains: bool,
    /// True iff it is a timer with `OnCalendar=`, which means nothing before the clock is set.
    pub on_calendar: bool,
    /// What is set of its processes.
    pub execution: Execution,
    /// `DefaultDependencies=`: whether systemd adds the usual order by itself.
    pub default_dependencies: bool,
    /// The commands of its start, in order. They may hold secrets: kept out of JSON, and never printed.
    #[serde(skip)]
    pub commands: Vec<Command>,
}

/// A path whose mounts a unit needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MountsFor {
    /// The absolute path.
    pub path: String,
    /// Where it is named.
    pub evidence: Evidence,
}

/// What a socket listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listen {
    /// A path, a port, or an address with its port.
    pub on: String,
    /// Where it is set.
    pub evidence: Evidence,
}

impl Unit {
    pub(crate) fn empty(name: UnitName) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            masked: false,
            after: Vec::new(),
            before: Vec::new(),
            requires: Vec::new(),
            requisite: Vec::new(),
            wants: Vec::new(),
            wanted_by: Vec::new(),
            mounts_for: Vec::new(),
            over_network: false,
            bus_name: false,
            service_type: None,
            timeout_start: None,
            listens: Vec::new(),
            activates: None,
            remains: false,
            on_calendar: false,
            execution: Execution::default(),
            default_dependencies: true,
            commands: Vec::new(),
        }
    }

    /// How long systemd lets this unit start before it gives up; `None` if it never does, the default of
    /// `Type=oneshot` (`systemd.service(5)`).
    ///
    /// It is an upper bound: what the unit runs may give up earlier by itself, and may even report success then.
    pub fn start_bound(&self) -> Option<Duration> {
        match &self.timeout_start {
            Some((Span::Finite(limit), _)) => Some(*limit),
            None if self.name.suffix() == "service" && self.service_type.as_deref() != Some("oneshot") => {
                Some(DEFAULT_TIMEOUT_START)
            }
            Some((Span::Infinite, _)) | None => None,
        }
    }

    /// True iff it counts as started as soon as `ExecStart=` has been begun, so that what the command does afterwards
    /// delays nothing: `Type=simple`, `exec` and `idle`, and a service without a type that has a command and no bus
    /// name (`systemd.service(5)`).
    pub fn starts_at_once(&self) -> bool {
        match self.service_type.as_deref() {
            Some("simple" | "exec" | "idle") => true,
            Some(_) => false,
            None => !self.bus_name && self.at(Stage::ExecStart).next().is_some(),
        }
    }

    /// The commands of one stage.
    pub(crate) fn at(&self, stage: Stage) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(move |command| command.stage == stage)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn unit(text: &str) -> Unit {
        let (unit, warnings) = Unit::parse("a.service", text).unwrap();
        assert_eq!(warnings, []);
        unit
    }

    #[test]
    fn the_start_is_bounded_as_systemd_does() {
        for (text, bound) in [
            ("[Service]\nTimeoutStartSec=900", Some(900)),
            ("[Service]\nTimeoutSec=5", Some(5)),
            ("[Service]\nTimeoutStartSec=0", None),
            ("[Service]\nTimeoutStartSec=infinity", None),
            ("[Service]\nType=oneshot", None),
            ("[Service]\nType=oneshot\nTimeoutStartSec=900", Some(900)),
            ("[Service]\nType=notify", Some(90)),
            ("", Some(90)),
        ] {
            assert_eq!(unit(text).start_bound(), bound.map(Duration::from_secs), "{text}");
        }
        let (target, _) = Unit::parse("a.target", "").unwrap();
        assert_eq!(target.start_bound(), None);
    }

    #[test]
    fn the_type_says_when_a_service_counts_as_started() {
        for (text, at_once) in [
            ("ExecStart=/bin/x", true),
            ("Type=simple", true),
            ("Type=exec", true),
            ("Type=idle", true),
            ("Type=oneshot\nExecStart=/bin/x", false),
            ("Type=notify", false),
            ("Type=forking", false),
            ("BusName=a.b\nExecStart=/bin/x", false),
            ("ExecStartPre=/bin/x", false),
            ("", false),
        ] {
            assert_eq!(unit(&format!("[Service]\n{text}")).starts_at_once(), at_once, "{text}");
        }
    }

    #[test]
    fn commands_and_environment_stay_out_of_json() {
        let unit = unit("[Service]\nExecStart=/bin/x --token s3cret\nEnvironment=T=s3cret");
        assert!(!serde_json::to_string(&unit).unwrap().contains("s3cret"));
    }
}
