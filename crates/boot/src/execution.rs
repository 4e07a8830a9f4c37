//! The processes of a unit: what they need is ordered before them, although no line says so.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::file::Assignment;
use crate::name::UnitName;
use crate::specifier;

/// Settings of a unit's processes that bring an order with them (`systemd.exec(5)`, "Implicit dependencies";
/// `systemd.resource-control(5)`, `Slice=`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Execution {
    /// `StandardInput=`.
    input: Option<String>,
    /// `StandardOutput=`.
    output: Option<String>,
    /// `StandardError=`.
    error: Option<String>,
    /// `LogNamespace=`: it logs to a journal of its own.
    namespace: Option<String>,
    /// `PrivateTmp=` where it is set to yes.
    private_tmp: Option<Evidence>,
    /// `DynamicUser=` where it is set to yes, which means a private /tmp as well.
    dynamic_user: Option<Evidence>,
    /// Which of `StateDirectory=`, `CacheDirectory=` and `LogsDirectory=` are set.
    writes: BTreeSet<String>,
    /// True iff it has commands around its start or stop: a socket without any has no processes.
    commands: bool,
    /// `Slice=`.
    slice: Option<UnitName>,
}

impl Execution {
    /// Takes what a line of the unit says of its processes.
    pub(crate) fn apply(&mut self, unit: &UnitName, source: &str, set: &Assignment) {
        if !matches!(set.section.as_str(), "Mount" | "Service" | "Socket" | "Swap") {
            return;
        }
        let value = Some(&set.value).filter(|value| !value.is_empty());
        let yes = || {
            let text = format!("{}={}", set.key, set.value);
            set.is_yes().then(|| Evidence { source: source.to_owned(), line: Some(set.line), text })
        };
        match set.key.as_str() {
            // Without a value they are ignored (systemd, `config_parse_exec_output`).
            "StandardInput" if value.is_some() => self.input = value.cloned(),
            "StandardOutput" if value.is_some() => self.output = value.cloned(),
            "StandardError" if value.is_some() => self.error = value.cloned(),
            "LogNamespace" => self.namespace = value.and_then(|value| specifier::fill(value, unit)),
            "PrivateTmp" => self.private_tmp = yes(),
            "DynamicUser" => self.dynamic_user = yes(),
            "CacheDirectory" | "LogsDirectory" | "StateDirectory" => {
                self.writes.remove(&set.key);
                self.writes.extend(value.map(|_| set.key.clone()));
            }
            "ExecStartPre" | "ExecStartPost" | "ExecStopPre" | "ExecStopPost" => {
                self.commands |= value.is_some();
            }
            "Slice" => {
                let filled = value.and_then(|value| specifier::fill(value, unit));
                self.slice = filled.and_then(|name| name.parse().ok());
            }
            _ => {}
        }
    }

    /// Where the unit's private /tmp is asked for; `None` if it has none.
    pub(crate) fn private_tmp(&self, unit: &UnitName) -> Option<&Evidence> {
        let asked = self.dynamic_user.as_ref().or(self.private_tmp.as_ref());
        asked.filter(|_| self.has_processes(unit))
    }

    /// Units of systemd's own that come before the processes of `unit`, whatever its `DefaultDependencies=` is (systemd,
    /// `unit_add_exec_dependencies`).
    pub(crate) fn needs(&self, unit: &UnitName) -> Vec<UnitName> {
        if !self.has_processes(unit) {
            return Vec::new();
        }
        let mut names: Vec<String> = Vec::new();
        if let Some(namespace) = &self.namespace {
            names.push(format!("systemd-journald@{namespace}.socket"));
            names.push(format!("systemd-journald-varlink@{namespace}.socket"));
        } else if self.logs(unit) {
            names.push("systemd-journald.socket".to_owned());
        }
        // These directories are written to, and their file system may be read-only before.
        if !self.writes.is_empty() {
            names.push("systemd-remount-fs.service".to_owned());
        }
        if self.private_tmp(unit).is_some() {
            names.push("systemd-tmpfiles-setup.service".to_owned());
        }
        names.into_iter().filter_map(|name| name.parse::<UnitName>().ok()).collect()
    }

    /// The slice that the unit is in, which it comes after; `None` if it is the root slice, and for units without cgroups
    /// (systemd, `unit_set_default_slice`).
    pub(crate) fn slice(&self, unit: &UnitName) -> Option<UnitName> {
        let own = || self.slice.clone();
        match unit.suffix() {
            "slice" => slice_above(unit),
            "mount" if is_of_the_system(unit) => own().or_else(root_slice),
            "mount" | "service" | "socket" | "swap" => own().or_else(|| default_slice(unit)),
            "scope" if unit.as_str() == "init.scope" => root_slice(),
            _ => None,
        }
    }

    fn has_processes(&self, unit: &UnitName) -> bool {
        match unit.suffix() {
            "mount" | "service" | "swap" => true,
            "socket" => self.commands,
            _ => false,
        }
    }

    /// True iff the processes write to the journal, where `DefaultStandardOutput=` of the host is `journal`, as systemd is
    /// built; `system.conf` is not read here.
    fn logs(&self, unit: &UnitName) -> bool {
        // The journal's socket is on the root, which for that reason does not log (systemd, `mount_load_root_mount`).
        if unit.as_str() == "-.mount" {
            return false;
        }
        let is_service = unit.suffix() == "service";
        let output = self.output.as_deref().unwrap_or(if is_service { INHERIT } else { "journal" });
        // A service inherits what its input is, where that goes both ways; else what the host's default is (systemd,
        // `service_fix_stdio`).
        let default = is_service && output == INHERIT && !self.input.as_deref().is_some_and(goes_both_ways);
        default || is_log(output) || self.error.as_deref().is_some_and(is_log)
    }
}

const INHERIT: &str = "inherit";

fn goes_both_ways(input: &str) -> bool {
    let kind = input.split(':').next().unwrap_or_default();
    matches!(kind, "fd" | "socket" | "tty" | "tty-fail" | "tty-force")
}

/// `syslog` is an old name for the journal (`systemd.exec(5)`, `StandardOutput=`).
fn is_log(output: &str) -> bool {
    matches!(output.trim_end_matches("+console"), "journal" | "kmsg" | "syslog")
}

fn root_slice() -> Option<UnitName> {
    "-.slice".parse().ok()
}

/// The slice that a slice is in: a-b.slice is in a.slice, and a.slice in the root slice (`systemd.slice(5)`).
pub(crate) fn slice_above(slice: &UnitName) -> Option<UnitName> {
    match slice.stem().rsplit_once('-') {
        _ if slice.stem() == "-" => None,
        Some((above, _)) => format!("{above}.slice").parse().ok(),
        None => root_slice(),
    }
}

/// True iff the mount is one that systemd leaves alone when the system stops: the root, /usr and what the kernel shows of
/// itself (systemd, `mount_is_extrinsic`).
pub(crate) fn is_of_the_system(mount: &UnitName) -> bool {
    let point = mount.mount_point();
    let below = ["/dev", "/proc", "/run/initramfs", "/run/nextroot", "/sys"];
    matches!(point.as_str(), "/" | "/usr") || below.iter().any(|above| Path::new(&point).starts_with(above))
}

/// Instances have a slice for all of their template, whose name is escaped once more, since a dash in it would be a parent
/// (systemd, `unit_set_default_slice`).
fn default_slice(unit: &UnitName) -> Option<UnitName> {
    if unit.instance().is_none_or(str::is_empty) {
        return "system.slice".parse().ok();
    }
    let escaped = unit.prefix().replace('\\', r"\x5c").replace('-', r"\x2d");
    format!("system-{escaped}.slice").parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::name::UnitName;
    use crate::unit::Unit;

    fn needs(name: &str, text: &str) -> Vec<String> {
        let (unit, _) = Unit::parse(name, text).unwrap();
        let needs = unit.execution.needs(&unit.name);
        needs.iter().map(ToString::to_string).collect()
    }

    const JOURNAL: &str = "systemd-journald.socket";

    #[test]
    fn what_writes_to_the_journal_comes_after_its_socket() {
        for (text, logs) in [
            ("", true),
            ("StandardOutput=null", false),
            ("StandardOutput=null\nStandardError=journal", true),
            ("StandardOutput=null\nStandardOutput=", false),
            ("StandardOutput=file:/var/log/x", false),
            ("StandardOutput=journal+console", true),
            ("StandardOutput=inherit", true),
            ("StandardInput=tty-force\nStandardOutput=inherit", false),
            ("StandardInput=tty", false),
            ("StandardInput=fd:x", false),
            ("StandardInput=tty\nStandardOutput=kmsg", true),
            ("StandardInput=file:/x", true),
        ] {
            let expected = if logs { vec![JOURNAL] } else { vec![] };
            assert_eq!(needs("a.service", &format!("[Service]\n{text}")), expected, "{text}");
        }
    }

    #[test]
    fn only_what_has_processes_needs_something() {
        for (name, text, expected) in [
            ("srv.mount", "[Mount]\nType=ext4", vec![JOURNAL]),
            ("-.mount", "[Mount]\nType=ext4", vec![]),
            ("srv.mount", "[Mount]\nStandardOutput=inherit", vec![]),
            ("a.swap", "[Swap]\nWhat=/a", vec![JOURNAL]),
            ("a.socket", "[Socket]\nListenStream=1", vec![]),
            ("a.socket", "[Socket]\nListenStream=1\nExecStartPre=/bin/x", vec![JOURNAL]),
            ("a.target", "[Service]\nStandardOutput=journal", vec![]),
        ] {
            assert_eq!(needs(name, text), expected, "{name} {text}");
        }
    }

    #[test]
    fn directories_and_a_private_tmp_need_what_makes_them() {
        let (writable, tmp) = ("systemd-remount-fs.service", "systemd-tmpfiles-setup.service");
        for (text, expected) in [
            ("StateDirectory=x", vec![writable]),
            ("CacheDirectory=x\nLogsDirectory=x/%m", vec![writable]),
            ("StateDirectory=x\nStateDirectory=", vec![]),
            ("RuntimeDirectory=x", vec![]),
            ("PrivateTmp=yes", vec![tmp]),
            ("PrivateTmp=yes\nPrivateTmp=no", vec![]),
            ("PrivateTmp=no\nDynamicUser=1", vec![tmp]),
            ("LogsDirectory=x\nPrivateTmp=true", vec![writable, tmp]),
        ] {
            let text = format!("[Service]\nStandardOutput=null\n{text}");
            assert_eq!(needs("a.service", &text), expected, "{text}");
        }
    }

    #[test]
    fn a_journal_of_its_own_stands_for_the_hosts() {
        let own = ["systemd-journald@a.socket", "systemd-journald-varlink@a.socket"];
        assert_eq!(needs("x@a.service", "[Service]\nLogNamespace=%i"), own);
    }

    #[test]
    fn units_are_in_the_slice_that_they_name_or_in_that_of_their_kind() {
        for (name, text, expected) in [
            ("a.service", "", Some("system.slice")),
            ("a.service", "[Service]\nSlice=work.slice", Some("work.slice")),
            ("user@7.service", "[Service]\nSlice=user-%i.slice", Some("user-7.slice")),
            ("systemd-cryptsetup@a.service", "", Some(r"system-systemd\x2dcryptsetup.slice")),
            ("a.socket", "", Some("system.slice")),
            ("srv.mount", "[Mount]\nType=ext4", Some("system.slice")),
            ("-.mount", "[Mount]\nType=ext4", Some("-.slice")),
            ("sys-fs-fuse-connections.mount", "", Some("-.slice")),
            ("system.mount", "", Some("system.slice")),
            ("init.scope", "", Some("-.slice")),
            ("srv.mount", "[Mount]\nSlice=work.slice", Some("work.slice")),
            ("a-b-c.slice", "", Some("a-b.slice")),
            ("a.slice", "", Some("-.slice")),
            ("-.slice", "", None),
            ("a.target", "", None),
        ] {
            let (unit, _) = Unit::parse(name, text).unwrap();
            let slice = unit.execution.slice(&unit.name);
            assert_eq!(slice.as_ref().map(UnitName::as_str), expected, "{name} {text}");
        }
    }
}
