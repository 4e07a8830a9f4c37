//! Which unit begins after which other one has started: explicit lines, and what systemd adds by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::Evidence;
use crate::execution::{is_of_the_system, slice_above};
use crate::name::UnitName;
use crate::unit::Unit;

/// `unit` begins only when `after` has started, where both are started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) unit: UnitName,
    pub(crate) after: UnitName,
    pub(crate) evidence: Evidence,
    /// True iff systemd adds it by itself, so that there is no line to remove.
    pub(crate) implied: bool,
}

/// The own name of every unit that is known under another one as well.
pub(crate) struct Names(BTreeMap<UnitName, UnitName>);

impl Names {
    pub(crate) fn new<'a>(units: impl IntoIterator<Item = &'a Unit>) -> Self {
        let aliases = |unit: &'a Unit| unit.aliases.iter().map(|alias| (alias.clone(), unit.name.clone()));
        Self(units.into_iter().flat_map(aliases).collect())
    }

    pub(crate) fn own(&self, name: &UnitName) -> UnitName {
        self.0.get(name).unwrap_or(name).clone()
    }
}

/// A unit, and whether systemd brings it rather than the host's own files.
pub(crate) struct Loaded {
    pub(crate) unit: Unit,
    pub(crate) builtin: bool,
}

/// Every order between units, once each. Masked units and bare templates never get a start job, so they order nothing.
pub(crate) fn orders(units: &[Loaded], names: &Names) -> Vec<Order> {
    let alive: Vec<&Loaded> = units.iter().filter(|l| !l.unit.masked && !l.unit.name.is_template()).collect();
    let by_name: BTreeMap<&UnitName, &Unit> = alive.iter().map(|l| (&l.unit.name, &l.unit)).collect();
    let mut found = Orders { names, by_name, list: Vec::new(), seen: BTreeSet::new() };
    for Loaded { unit, builtin } in &alive {
        for reference in &unit.after {
            found.add(&unit.name, &reference.unit, reference.evidence.clone(), *builtin);
        }
        for reference in &unit.before {
            found.add(&reference.unit, &unit.name, reference.evidence.clone(), *builtin);
        }
    }
    for Loaded { unit, .. } in &alive {
        found.activator(unit);
        found.defaults(unit);
        found.processes(unit);
        found.mount(unit);
        found.mounts_for(unit);
        found.shutdown(unit);
    }
    // Last, because a target is not ordered after what is already ordered after the target.
    for Loaded { unit, .. } in &alive {
        found.target(unit);
    }
    found.list
}

/// The mounts that a path lies on and that have a unit, the outermost first.
pub(crate) fn mounts_of<'a>(path: &'a str, exists: impl Fn(&UnitName) -> bool + 'a) -> Vec<UnitName> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut found: Vec<UnitName> = Vec::new();
    for end in ends {
        if let Some(mount) = UnitName::of_mount_point(&path[..end])
            && exists(&mount)
            && !found.contains(&mount)
        {
            found.push(mount);
        }
    }
    found
}

struct Orders<'a> {
    names: &'a Names,
    by_name: BTreeMap<&'a UnitName, &'a Unit>,
    list: Vec<Order>,
    seen: BTreeSet<(UnitName, UnitName)>,
}

impl Orders<'_> {
    fn add(&mut self, unit: &UnitName, after: &UnitName, evidence: Evidence, implied: bool) {
        let (unit, after) = (self.names.own(unit), self.names.own(after));
        if unit != after && self.seen.insert((unit.clone(), after.clone())) {
            self.list.push(Order { unit, after, evidence, implied });
        }
    }

    /// As [`Self::add`], for an order that systemd adds by itself.
    fn imply(&mut self, unit: &UnitName, after: &UnitName, manual: &str) {
        self.add(unit, after, implied(manual.to_owned(), format!("After={after}")), true);
    }

    /// As [`Self::imply`], where the earlier unit is among the units: of systemd's own services and slices a host may lack
    /// some, and what is not there delays nothing.
    fn imply_known(&mut self, unit: &UnitName, after: &UnitName, manual: &str) {
        if self.by_name.contains_key(&self.names.own(after)) {
            self.imply(unit, after, manual);
        }
    }

    fn imply_target(&mut self, unit: &UnitName, after: &str, manual: &str) {
        if let Ok(after) = after.parse() {
            self.imply(unit, &after, manual);
        }
    }

    fn imply_before(&mut self, unit: &UnitName, before: &str, manual: &str) {
        if let Ok(before) = before.parse::<UnitName>() {
            self.add(&before, unit, implied(manual.to_owned(), format!("Before={before}")), true);
        }
    }

    /// Timers, sockets and paths come before the service that they activate, automounts before their mount
    /// (`systemd.timer(5)`, `systemd.socket(5)`, `systemd.path(5)`, `systemd.automount(5)`, implicit dependencies).
    fn activator(&mut self, unit: &Unit) {
        let suffix = unit.name.suffix();
        let kind = match suffix {
            "automount" => "mount",
            "path" | "socket" | "timer" => "service",
            _ => return,
        };
        let own = || format!("{}.{kind}", unit.name.stem()).parse::<UnitName>().ok();
        if let Some(activated) = unit.activates.clone().or_else(own) {
            let source = format!("systemd.{suffix}(5), implicit dependencies");
            self.add(&activated, &unit.name, implied(source, format!("activated by {}", unit.name)), true);
        }
    }

    /// What the unit's processes need, and the slice that they are in (`systemd.exec(5)`, `systemd.slice(5)`).
    fn processes(&mut self, unit: &Unit) {
        for needed in unit.execution.needs(&unit.name) {
            self.imply_known(&unit.name, &needed, "systemd.exec(5), implicit dependencies");
        }
        // Slices need no file: systemd makes those that are named, and those above them.
        let mut inside = unit.name.clone();
        let mut slice = unit.execution.slice(&unit.name);
        while let Some(around) = slice {
            self.imply(&inside, &around, "systemd.slice(5)");
            if !self.by_name.contains_key(&around) {
                self.imply_before(&around, "shutdown.target", "systemd.slice(5), default dependencies");
            }
            slice = slice_above(&around);
            inside = around;
        }
    }

    /// A unit is stopped before the system has shut down, so it comes before that (`systemd.special(7)`, `shutdown.target` and
    /// `umount.target`; systemd, the `add_default_dependencies` of each type). No boot starts either.
    fn shutdown(&mut self, unit: &Unit) {
        if !unit.default_dependencies {
            return;
        }
        let manual = format!("systemd.{}(5), default dependencies", unit.name.suffix());
        match unit.name.suffix() {
            "path" | "scope" | "service" | "slice" | "socket" | "target" | "timer" => {
                self.imply_before(&unit.name, "shutdown.target", &manual);
            }
            "mount" if is_of_the_system(&unit.name) => {}
            "automount" | "mount" | "swap" => self.imply_before(&unit.name, "umount.target", &manual),
            _ => {}
        }
    }

    /// Ordinary services come after the basic system, sockets, timers and paths after the early one and before their
    /// target, timers on the calendar after the clock is set (`systemd.service(5)` and its siblings, default
    /// dependencies).
    fn defaults(&mut self, unit: &Unit) {
        let suffix = unit.name.suffix();
        if !unit.default_dependencies || !matches!(suffix, "path" | "service" | "socket" | "timer") {
            return;
        }
        let manual = format!("systemd.{suffix}(5), default dependencies");
        self.imply_target(&unit.name, "sysinit.target", &manual);
        if suffix == "service" {
            self.imply_target(&unit.name, "basic.target", &manual);
        } else {
            self.imply_before(&unit.name, &format!("{suffix}s.target"), &manual);
        }
        if unit.on_calendar {
            self.imply_target(&unit.name, "time-set.target", &manual);
            self.imply_target(&unit.name, "time-sync.target", &manual);
        }
    }

    /// Mounts come after the mounts above them, and between the targets of local or of remote file systems
    /// (`systemd.mount(5)`, implicit and default dependencies; systemd, `mount_add_default_ordering_dependencies`).
    fn mount(&mut self, unit: &Unit) {
        let suffix = unit.name.suffix();
        if suffix == "swap" && unit.default_dependencies && !unit.over_network {
            self.imply_before(&unit.name, "swap.target", "systemd.swap(5), default dependencies");
        }
        if !matches!(suffix, "automount" | "mount") {
            return;
        }
        let point = unit.name.mount_point();
        let implicit = format!("systemd.{suffix}(5), implicit dependencies");
        // The mount at the same point is the unit itself, or what an automount comes before.
        let is_above =
            |mount: &UnitName| self.by_name.contains_key(mount) && mount.stem() != unit.name.stem();
        for above in mounts_of(&point, is_above) {
            self.imply(&unit.name, &above, &implicit);
        }
        if !unit.default_dependencies || point == "/" {
            return;
        }
        let manual = format!("systemd.{suffix}(5), default dependencies");
        if unit.over_network && suffix == "mount" {
            for target in ["remote-fs-pre.target", "network.target", "network-online.target"] {
                self.imply_target(&unit.name, target, &manual);
            }
            self.imply_before(&unit.name, "remote-fs.target", &manual);
        } else {
            self.imply_target(&unit.name, "local-fs-pre.target", &manual);
            self.imply_before(&unit.name, "local-fs.target", &manual);
        }
    }

    /// A unit comes after the mounts of the paths that it needs (`systemd.unit(5)`, `RequiresMountsFor=`). Paths that
    /// no mount unit covers order nothing.
    fn mounts_for(&mut self, unit: &Unit) {
        for needed in &unit.mounts_for {
            for mount in mounts_of(&needed.path, |mount| self.by_name.contains_key(mount)) {
                // There is a line to remove, but its removal takes the mount's requirement away as well.
                self.add(&unit.name, &mount, needed.evidence.clone(), true);
            }
        }
    }

    /// A target comes after all that it pulls in, unless one of the two refuses default dependencies or the order
    /// is already the other way round (`systemd.target(5)`; systemd, `unit_add_default_target_dependency`).
    fn target(&mut self, target: &Unit) {
        if target.name.suffix() != "target" || !target.default_dependencies {
            return;
        }
        for reference in target.wants.iter().chain(&target.requires).chain(&target.requisite) {
            let member = self.names.own(&reference.unit);
            let refuses = self.by_name.get(&member).is_some_and(|unit| !unit.default_dependencies);
            if !refuses && !self.seen.contains(&(member.clone(), target.name.clone())) {
                let text = format!("After={member}, because of {}", reference.evidence);
                let source = "systemd.target(5), default dependencies".to_owned();
                self.add(&target.name, &member, implied(source, text), true);
            }
        }
    }
}

fn implied(source: String, text: String) -> Evidence {
    Evidence { source, line: None, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Vec<Loaded> {
        let unit = |(name, text): &(&str, &str)| Unit::parse(name, text).unwrap().0;
        files.iter().map(|file| Loaded { unit: unit(file), builtin: false }).collect()
    }

    fn all(units: &[Loaded]) -> Vec<Order> {
        orders(units, &Names::new(units.iter().map(|loaded| &loaded.unit)))
    }

    /// Without the orders that every service has, and those around all that runs.
    fn pairs(files: &[(&str, &str)]) -> Vec<String> {
        let found = all(&load(files));
        let of_all = ["-.slice", "shutdown.target", "system.slice", "umount.target"];
        let is_own = |order: &&Order| {
            let ends = [order.unit.as_str(), order.after.as_str()];
            !order.evidence.source.contains("systemd.service") && !ends.iter().any(|end| of_all.contains(end))
        };
        let named = found.iter().filter(is_own);
        named.map(|order| format!("{}>{}", order.unit, order.after)).collect()
    }

    #[test]
    fn before_is_after_from_the_other_side() {
        assert_eq!(
            pairs(&[
                ("a.service", "[Unit]\nAfter=b.service\nAfter=b.service a.service"),
                ("c.service", "[Unit]\nBefore=a.service"),
            ]),
            ["a.service>b.service", "a.service>c.service"]
        );
    }

    #[test]
    fn targets_come_after_their_members_unless_that_is_refused() {
        let target = "[Unit]\nWants=a.service b.service c.service";
        let files = [
            ("t.target", target),
            ("a.service", ""),
            ("b.service", "[Unit]\nAfter=t.target"),
            ("c.service", "[Unit]\nDefaultDependencies=no"),
        ];
        assert_eq!(pairs(&files), ["b.service>t.target", "t.target>a.service"]);
        assert_eq!(
            pairs(&[("t.target", &format!("{target}\nDefaultDependencies=no"))]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn activators_come_before_their_service_and_their_target() {
        for (kind, target) in [("timer", "timers.target"), ("socket", "sockets.target")] {
            let expected = [
                format!("n.service>n.{kind}"),
                format!("n.{kind}>sysinit.target"),
                format!("{target}>n.{kind}"),
            ];
            assert_eq!(pairs(&[(&format!("n.{kind}"), "")]), expected);
        }
    }

    #[test]
    fn a_socket_comes_before_the_service_that_it_names() {
        let socket = "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/x\nService=other.service";
        assert_eq!(pairs(&[("n.socket", socket)]), ["other.service>n.socket"]);
    }

    #[test]
    fn timers_and_paths_come_before_the_unit_that_they_name() {
        for (kind, section) in [("timer", "Timer"), ("path", "Path")] {
            let text = format!("[Unit]\nDefaultDependencies=no\n[{section}]\nUnit=y.service");
            assert_eq!(pairs(&[(&format!("x.{kind}"), &text)]), [format!("y.service>x.{kind}")]);
        }
    }

    #[test]
    fn an_automount_comes_before_its_mount_and_after_those_above() {
        let quiet = "[Unit]\nDefaultDependencies=no\n[Mount]\nType=ext4";
        let files = [
            ("srv.mount", quiet),
            ("srv-data.mount", quiet),
            ("srv-data.automount", "[Unit]\nDefaultDependencies=no"),
        ];
        let expected =
            ["srv-data.mount>srv.mount", "srv-data.mount>srv-data.automount", "srv-data.automount>srv.mount"];
        assert_eq!(pairs(&files), expected);
    }

    #[test]
    fn timers_on_the_calendar_come_after_the_clock_is_set() {
        let both = vec!["a.timer>time-set.target", "a.timer>time-sync.target"];
        for (text, expected) in [
            ("[Timer]\nOnCalendar=daily", both),
            ("[Timer]\nOnBootSec=5min", vec![]),
            ("[Unit]\nDefaultDependencies=no\n[Timer]\nOnCalendar=daily", vec![]),
        ] {
            let found = pairs(&[("a.timer", text)]);
            let on_time: Vec<&String> = found.iter().filter(|pair| pair.contains("time-s")).collect();
            assert_eq!(on_time, expected, "{text}");
        }
    }

    #[test]
    fn processes_come_after_what_they_need_where_the_host_has_it() {
        let quiet = "[Unit]\nDefaultDependencies=no\n";
        let state = format!("{quiet}[Service]\nPrivateTmp=yes\nStateDirectory=a\nSlice=work.slice");
        let alone = [("a.service", state.as_str())];
        assert_eq!(pairs(&alone), ["a.service>work.slice"]);
        let silent = format!("{quiet}[Service]\nStandardOutput=null");
        let host = [
            alone[0],
            ("systemd-journald.socket", quiet),
            ("systemd-remount-fs.service", silent.as_str()),
            ("systemd-tmpfiles-setup.service", silent.as_str()),
            ("work.slice", quiet),
            ("work-more.slice", quiet),
        ];
        let expected = [
            "a.service>systemd-journald.socket",
            "a.service>systemd-remount-fs.service",
            "a.service>systemd-tmpfiles-setup.service",
            "a.service>work.slice",
            "systemd-journald.service>systemd-journald.socket",
            "work-more.slice>work.slice",
        ];
        assert_eq!(pairs(&host), expected);
    }

    #[test]
    fn services_come_after_the_basic_system() {
        let targets = |text: &str| {
            let found = all(&load(&[("a.service", text)])).into_iter();
            let after = found.filter(|order| order.unit.as_str() == "a.service").map(|order| order.after);
            after.filter(|after| after.suffix() == "target").collect::<Vec<_>>()
        };
        assert_eq!(
            targets("").iter().map(UnitName::as_str).collect::<Vec<_>>(),
            ["sysinit.target", "basic.target"]
        );
        assert_eq!(targets("[Unit]\nDefaultDependencies=no"), []);
    }

    #[test]
    fn what_runs_comes_after_its_slice_and_that_after_those_above_it() {
        let slices = |name: &str, text: &str| {
            let quiet = "[Unit]\nDefaultDependencies=no";
            let files = [(name, text), ("-.slice", quiet), ("system.slice", quiet)];
            let found = all(&load(&files)).into_iter().filter(|order| order.after.suffix() == "slice");
            found.map(|order| format!("{}>{}", order.unit, order.after)).collect::<Vec<_>>()
        };
        assert_eq!(slices("a.service", ""), ["a.service>system.slice", "system.slice>-.slice"]);
        // One that no file is about is made as any other.
        let template = [
            "a@b.service>system-a.slice",
            "shutdown.target>system-a.slice",
            "system-a.slice>system.slice",
            "system.slice>-.slice",
        ];
        assert_eq!(slices("a@b.service", ""), template);
        assert_eq!(slices("proc-x.mount", ""), ["proc-x.mount>-.slice", "system.slice>-.slice"]);
        assert_eq!(slices("a.target", ""), ["system.slice>-.slice"]);
    }

    #[test]
    fn what_stops_with_the_system_comes_before_its_shutdown() {
        for (name, expected) in [
            ("a.service", Some("shutdown.target")),
            ("a.socket", Some("shutdown.target")),
            ("a.path", Some("shutdown.target")),
            ("a.timer", Some("shutdown.target")),
            ("a.target", Some("shutdown.target")),
            ("a.slice", Some("shutdown.target")),
            ("a.mount", Some("umount.target")),
            ("a.automount", Some("umount.target")),
            ("a.swap", Some("umount.target")),
            ("sys-a.mount", None),
            ("a.device", None),
        ] {
            let later = |text: &str| {
                let own =
                    all(&load(&[(name, text)])).into_iter().filter(|order| order.after.as_str() == name);
                let mut later = own.map(|order| order.unit.to_string());
                later.find(|unit| unit == "shutdown.target" || unit == "umount.target")
            };
            assert_eq!(later("").as_deref(), expected, "{name}");
            assert_eq!(later("[Unit]\nDefaultDependencies=no"), None, "{name}");
        }
    }

    #[test]
    fn mounts_are_ordered_by_their_path_and_their_kind() {
        let files = [
            ("srv.mount", "[Mount]\nType=ext4"),
            ("srv-data.mount", "[Mount]\nType=nfs"),
            ("a.service", "[Unit]\nDefaultDependencies=no\nRequiresMountsFor=/srv/data/x"),
        ];
        let expected = [
            "srv.mount>local-fs-pre.target",
            "local-fs.target>srv.mount",
            "srv-data.mount>srv.mount",
            "srv-data.mount>remote-fs-pre.target",
            "srv-data.mount>network.target",
            "srv-data.mount>network-online.target",
            "remote-fs.target>srv-data.mount",
            "a.service>srv.mount",
            "a.service>srv-data.mount",
        ];
        assert_eq!(pairs(&files), expected);
    }

    #[test]
    fn aliases_are_their_unit_and_neither_masked_units_nor_templates_order_anything() {
        let quiet = "[Unit]\nDefaultDependencies=no\nAfter=other.service";
        let mut units = load(&[
            ("real.service", "[Unit]\nDefaultDependencies=no"),
            ("u.service", quiet),
            ("t@.service", quiet),
        ]);
        units[0].unit.aliases.push("other.service".parse().unwrap());
        let of_u = |units: &[Loaded]| {
            let found = all(units).into_iter().filter(|order| order.unit.as_str() == "u.service");
            found.map(|order| order.after.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of_u(&units), ["real.service", "system.slice"]);
        assert_eq!(all(&units).iter().filter(|order| order.unit.is_template()).count(), 0);
        units[1].unit.masked = true;
        assert_eq!(of_u(&units), Vec::<String>::new());
    }
}
