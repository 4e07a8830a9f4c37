//! The settings of a unit's files, taken one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::{Command, Stage};
use crate::evidence::Evidence;
use crate::file::{Assignment, UnitFile, Warning};
use crate::lexer::tokens;
use crate::name::{UnitName, UnitNameError};
use crate::opaque::{FileKind, opaque};
use crate::span::Span;
use crate::specifier;
use crate::unit::{Listen, MountsFor, Reference, Unit};
use crate::words::Token;

impl Unit {
    /// A unit from the text of its only file.
    ///
    /// # Errors
    /// If `name` is not a unit name. Odd lines are warnings.
    pub fn parse(name: &str, text: &str) -> Result<(Self, Vec<Warning>), UnitNameError> {
        let name: UnitName = name.parse()?;
        let (file, mut warnings) = UnitFile::parse(name.as_str(), text);
        let (unit, more) = Self::from_files(name, &[file]);
        warnings.extend(more);
        Ok((unit, warnings))
    }

    /// A unit from its file and then its drop-ins, in the order in which systemd applies them.
    pub fn from_files(name: UnitName, files: &[UnitFile]) -> (Self, Vec<Warning>) {
        let mut builder = Builder::new(Self::empty(name));
        for file in files {
            for assignment in &file.assignments {
                builder.apply(&file.source, assignment);
            }
        }
        builder.finish()
    }
}

/// Network file systems (systemd, `fstype_is_network`, without those that no distribution packages any more).
const NETWORK_FILE_SYSTEMS: [&str; 12] =
    ["afs", "ceph", "cifs", "gfs", "gfs2", "glusterfs", "ncp", "nfs", "nfs4", "ocfs2", "smb3", "sshfs"];

struct Builder {
    unit: Unit,
    environment: BTreeMap<String, String>,
    folder: Option<String>,
    warnings: Vec<Warning>,
}

impl Builder {
    fn new(unit: Unit) -> Self {
        Self { unit, environment: BTreeMap::new(), folder: None, warnings: Vec::new() }
    }

    fn finish(mut self) -> (Unit, Vec<Warning>) {
        for command in &mut self.unit.commands {
            command.environment.clone_from(&self.environment);
            command.folder.clone_from(&self.folder);
            command.opaque = opaque(&command.runs(), None, |_| FileKind::Missing);
        }
        // systemd, `unit_add_exec_dependencies`; /tmp itself is wanted, and there need not be a mount of it.
        if let Some(evidence) = self.unit.execution.private_tmp(&self.unit.name).cloned() {
            let mounts = ["/tmp", "/var/tmp"]
                .map(|path| MountsFor { path: path.to_owned(), evidence: evidence.clone() });
            self.unit.mounts_for.extend(mounts);
        }
        (self.unit, self.warnings)
    }

    fn apply(&mut self, source: &str, set: &Assignment) {
        self.unit.execution.apply(&self.unit.name, source, set);
        match (set.section.as_str(), set.key.as_str()) {
            ("Unit", "After" | "Before" | "Requires" | "Requisite" | "BindsTo" | "Wants" | "Upholds")
            | ("Install", "WantedBy" | "RequiredBy") => self.references(source, set),
            ("Unit", "DefaultDependencies") => self.default_dependencies(source, set),
            ("Service", "Environment") => self.environment(set),
            ("Service", "RemainAfterExit") => self.unit.remains = set.is_yes(),
            ("Socket", "ListenStream") => {
                self.listens(source, set);
                self.mounts_for(source, set);
            }
            ("Socket", "Service") | ("Path" | "Timer", "Unit") => {
                self.unit.activates = set.value.parse().ok();
            }
            ("Service", "WorkingDirectory") => {
                self.folder =
                    Some(set.value.trim_start_matches('-').to_owned()).filter(|f| f.starts_with('/'));
                // One that may be missing, as `-/srv` says, needs no mount (systemd, `unit_add_exec_dependencies`).
                self.mounts_for(source, set);
            }
            ("Unit", "RequiresMountsFor" | "WantsMountsFor")
            | ("Service", "RootDirectory" | "RootImage")
            | (
                "Socket",
                "ListenDatagram"
                | "ListenFIFO"
                | "ListenSequentialPacket"
                | "ListenSpecial"
                | "RootDirectory"
                | "RootImage"
                | "WorkingDirectory",
            )
            | ("Path", "DirectoryNotEmpty" | "PathChanged" | "PathExists" | "PathModified")
            | ("Mount" | "Swap", "What") => self.mounts_for(source, set),
            // The time of its last run is kept there (systemd, `timer_setup_persistent`).
            ("Timer", "Persistent") if set.is_yes() => {
                let path = "/var/lib/systemd/timers".to_owned();
                let evidence = evidence(source, set, &format!("Persistent={}", set.value));
                self.unit.mounts_for.push(MountsFor { path, evidence });
            }
            ("Timer", key) => self.timer(key, set),
            ("Service", "BusName") => self.unit.bus_name = !set.value.is_empty(),
            ("Service", "Type") => {
                self.unit.service_type = Some(set.value.clone()).filter(|value| !value.is_empty());
            }
            ("Service", "TimeoutStartSec" | "TimeoutSec") => self.timeout(source, set),
            ("Service", key) => {
                if let Some(stage) = Stage::of_key(key) {
                    self.command(source, set, stage);
                } else if let Some(base) = base_of(key) {
                    self.own_directories(source, set, base);
                }
            }
            ("Mount" | "Swap", "Type") => {
                self.unit.over_network |=
                    NETWORK_FILE_SYSTEMS.contains(&set.value.trim_start_matches("fuse."));
            }
            ("Mount" | "Swap", "Options") => {
                self.unit.over_network |= set.value.split(',').any(|option| option.trim() == "_netdev");
            }
            _ => {}
        }
    }

    /// Dependencies only ever add up: an empty assignment does not reset them, other than with most lists
    /// (`systemd.unit(5)`, the note on drop-ins).
    fn references(&mut self, source: &str, set: &Assignment) {
        if set.value.is_empty() {
            let text = format!(
                "{}= is empty: systemd does not reset dependencies, override the whole unit",
                set.key
            );
            return self.warn(source, set, text);
        }
        for word in set.value.split_whitespace() {
            // A template has no instance: what %i stands for is known once an instance is made of it.
            if word.contains('%') && self.unit.name.is_template() {
                continue;
            }
            let word = specifier::fill(word, &self.unit.name).unwrap_or_else(|| word.to_owned());
            match word.trim_matches(['"', '\'']).parse::<UnitName>() {
                Ok(unit) => {
                    let evidence = evidence(source, set, &format!("{}={unit}", set.key));
                    self.list(&set.key).push(Reference { unit, evidence });
                }
                Err(error) => {
                    self.warn(source, set, format!("{}= names no unit that is known here: {error}", set.key));
                }
            }
        }
    }

    fn list(&mut self, key: &str) -> &mut Vec<Reference> {
        match key {
            "After" => &mut self.unit.after,
            "Before" => &mut self.unit.before,
            "Requisite" => &mut self.unit.requisite,
            "WantedBy" | "RequiredBy" => &mut self.unit.wanted_by,
            "Wants" | "Upholds" => &mut self.unit.wants,
            _ => &mut self.unit.requires,
        }
    }

    fn default_dependencies(&mut self, source: &str, set: &Assignment) {
        match set.value.to_ascii_lowercase().as_str() {
            _ if set.is_yes() => self.unit.default_dependencies = true,
            "0" | "no" | "n" | "false" | "f" | "off" => self.unit.default_dependencies = false,
            _ => {
                self.warn(
                    source,
                    set,
                    "DefaultDependencies= is neither yes nor no: it is ignored".to_owned(),
                );
            }
        }
    }

    /// Without a value each of a timer's times forgets what all of them had (`systemd.timer(5)`).
    fn timer(&mut self, key: &str, set: &Assignment) {
        let times = [
            "OnActiveSec",
            "OnBootSec",
            "OnCalendar",
            "OnStartupSec",
            "OnUnitActiveSec",
            "OnUnitInactiveSec",
        ];
        if times.contains(&key) {
            let kept = self.unit.on_calendar || key == "OnCalendar";
            self.unit.on_calendar = kept && !set.value.is_empty();
        }
    }

    /// 0 means no limit, from before systemd knew `infinity` (systemd, `config_parse_service_timeout`).
    fn timeout(&mut self, source: &str, set: &Assignment) {
        match set.value.parse() {
            Ok(span) => {
                let span = if span == Span::Finite(Duration::ZERO) { Span::Infinite } else { span };
                let text = format!("{}={}", set.key, set.value);
                self.unit.timeout_start = Some((span, evidence(source, set, &text)));
            }
            Err(error) => self.warn(source, set, format!("{}= is ignored: {error}", set.key)),
        }
    }

    /// An empty assignment resets the commands of its own key alone (`systemd.service(5)`).
    fn command(&mut self, source: &str, set: &Assignment, stage: Stage) {
        if set.value.is_empty() {
            self.unit.commands.retain(|command| command.stage != stage);
            return;
        }
        let evidence = evidence(source, set, &format!("{}=", set.key));
        let line = specifier::fill(&set.value, &self.unit.name).unwrap_or_else(|| set.value.clone());
        self.unit.commands.push(Command::new(stage, line, evidence));
    }

    /// `Environment=` adds up, and without a value forgets what it had (`systemd.exec(5)`).
    fn environment(&mut self, set: &Assignment) {
        if set.value.is_empty() {
            self.environment.clear();
        }
        for token in tokens(&set.value).list {
            if let Token::Word(word) = token
                && let Some((name, value)) = word.text.split_once('=')
            {
                let value = specifier::fill(value, &self.unit.name).unwrap_or_else(|| value.to_owned());
                self.environment.insert(name.to_owned(), value);
            }
        }
    }

    /// Without a value `ListenStream=` forgets all that it had (`systemd.socket(5)`).
    fn listens(&mut self, source: &str, set: &Assignment) {
        if set.value.is_empty() {
            self.unit.listens.clear();
            return;
        }
        let on = specifier::fill(&set.value, &self.unit.name).unwrap_or_else(|| set.value.clone());
        let evidence = evidence(source, set, &format!("{}={on}", set.key));
        self.unit.listens.push(Listen { on, evidence });
    }

    /// Special values, and those that begin with `-`, are no paths that are needed.
    fn mounts_for(&mut self, source: &str, set: &Assignment) {
        for word in set.value.split_whitespace() {
            let Some(word) = specifier::fill(word, &self.unit.name) else { continue };
            let path = word.trim_matches(['"', '\'']);
            if path.starts_with('/') {
                let evidence = evidence(source, set, &format!("{}={path}", set.key));
                self.unit.mounts_for.push(MountsFor { path: path.to_owned(), evidence });
            }
        }
    }

    /// A directory may be followed by the names of links to it, as in `data:old-data` (`systemd.exec(5)`).
    fn own_directories(&mut self, source: &str, set: &Assignment, base: &str) {
        for word in set.value.split_whitespace() {
            let Some(word) = specifier::fill(word, &self.unit.name) else { continue };
            let name = word.split(':').next().unwrap_or_default();
            let evidence = evidence(source, set, &format!("{}={name}", set.key));
            self.unit.mounts_for.push(MountsFor { path: format!("{base}/{name}"), evidence });
        }
    }

    fn warn(&mut self, source: &str, set: &Assignment, text: String) {
        self.warnings.push(Warning { source: source.to_owned(), line: Some(set.line), text });
    }
}

/// Where the system's manager makes the directories that a service has of its own, and on whose mounts it depends
/// (`systemd.exec(5)`, "Implicit dependencies").
fn base_of(key: &str) -> Option<&'static str> {
    Some(match key {
        "CacheDirectory" => "/var/cache",
        "ConfigurationDirectory" => "/etc",
        "LogsDirectory" => "/var/log",
        "RuntimeDirectory" => "/run",
        "StateDirectory" => "/var/lib",
        _ => return None,
    })
}

fn evidence(source: &str, set: &Assignment, text: &str) -> Evidence {
    Evidence { source: source.to_owned(), line: Some(set.line), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::unit::tests::unit;

    fn names(list: &[Reference]) -> Vec<&str> {
        list.iter().map(|reference| reference.unit.as_str()).collect()
    }

    #[test]
    fn repeated_keys_add_up() {
        let unit = unit(
            "[Unit]\nAfter=b.service c.target\nAfter=d.service\nBefore=e.service\nWants=f.service\nBindsTo=g.service",
        );
        assert_eq!(names(&unit.after), ["b.service", "c.target", "d.service"]);
        assert_eq!(names(&unit.before), ["e.service"]);
        assert_eq!((names(&unit.wants), names(&unit.requires)), (vec!["f.service"], vec!["g.service"]));
        assert_eq!(unit.after[2].evidence.to_string(), "After=d.service (a.service:3)");
    }

    #[test]
    fn an_empty_assignment_resets_commands_but_not_dependencies() {
        let text = "[Unit]\nAfter=b.service\nAfter=\n[Service]\nExecStart=/bin/old\nExecStart=\nExecStart=/bin/new x";
        let (unit, warnings) = Unit::parse("a.service", text).unwrap();
        let commands: Vec<_> = unit.at(Stage::ExecStart).map(|command| command.line.as_str()).collect();
        assert_eq!(commands, ["/bin/new x"]);
        assert_eq!(names(&unit.after), ["b.service"]);
        assert!(warnings[0].to_string().contains("a.service:3: After= is empty"), "{warnings:?}");
    }

    #[test]
    fn drop_ins_are_applied_in_order() {
        let parse = |source, text| UnitFile::parse(source, text).0;
        let files = [
            parse("a.service", "[Service]\nTimeoutStartSec=900\nType=oneshot"),
            parse("10.conf", "[Service]\nTimeoutStartSec=15min 1s\n[Unit]\nAfter=b.service"),
        ];
        let (unit, warnings) = Unit::from_files("a.service".parse().unwrap(), &files);
        assert_eq!(warnings, []);
        assert_eq!(unit.start_bound(), Some(Duration::from_secs(901)));
        assert_eq!(unit.timeout_start.unwrap().1.to_string(), "TimeoutStartSec=15min 1s (10.conf:2)");
        assert_eq!(unit.after[0].evidence.source, "10.conf");
    }

    #[test]
    fn what_is_not_understood_is_a_warning() {
        let text =
            "[Unit]\nAfter=%i.service ok.service\nDefaultDependencies=maybe\n[Service]\nTimeoutStartSec=soon";
        let (unit, warnings) = Unit::parse("a.service", text).unwrap();
        assert_eq!(names(&unit.after), ["ok.service"]);
        assert!(unit.default_dependencies && unit.timeout_start.is_none());
        assert_eq!(warnings.iter().map(|w| w.line.unwrap()).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn a_template_may_speak_of_its_instances() {
        let (unit, warnings) = Unit::parse("a@.service", "[Unit]\nAfter=b@%i.service c.service").unwrap();
        assert_eq!((names(&unit.after), warnings), (vec!["c.service"], vec![]));
    }

    #[test]
    fn an_instance_fills_in_its_specifiers() {
        let text = "[Unit]\nAfter=b@%i.service\nBefore=vpn-%i.target\nRequiresMountsFor=/srv/%I\n";
        let (unit, warnings) = Unit::parse("a@x.service", text).unwrap();
        assert_eq!((names(&unit.after), names(&unit.before)), (vec!["b@x.service"], vec!["vpn-x.target"]));
        assert_eq!((unit.mounts_for[0].path.as_str(), warnings), ("/srv/x", vec![]));
    }

    #[test]
    fn mounts_are_needed_for_what_a_unit_is_about() {
        for (name, text, paths) in [
            (
                "a.service",
                "[Service]\nStateDirectory=a/b c:d\nLogsDirectory=%p",
                &["/var/lib/a/b", "/var/lib/c", "/var/log/a"][..],
            ),
            (
                "a.service",
                "[Service]\nWorkingDirectory=/srv/a\nRootImage=/srv/x.raw",
                &["/srv/a", "/srv/x.raw"],
            ),
            ("a.service", "[Service]\nWorkingDirectory=~", &[]),
            ("a.service", "[Service]\nWorkingDirectory=-/srv/a", &[]),
            ("a.timer", "[Timer]\nOnCalendar=daily\nPersistent=true", &["/var/lib/systemd/timers"]),
            ("a.timer", "[Timer]\nOnCalendar=daily\nPersistent=no", &[]),
            ("a.socket", "[Socket]\nListenStream=/srv/a.sock\nListenStream=80", &["/srv/a.sock"]),
            ("a.path", "[Path]\nPathExists=/srv/x", &["/srv/x"]),
            ("a.mount", "[Mount]\nWhat=/srv/a.img", &["/srv/a.img"]),
            ("a.mount", "[Mount]\nWhat=nas:/a", &[]),
        ] {
            let (unit, _) = Unit::parse(name, text).unwrap();
            let found: Vec<_> = unit.mounts_for.iter().map(|needed| needed.path.as_str()).collect();
            assert_eq!(found, paths, "{text}");
        }
    }

    #[test]
    fn a_mount_is_over_the_network_by_its_type_or_its_option() {
        for (text, network) in [
            ("Type=nfs", true),
            ("Type=fuse.sshfs", true),
            ("Type=ext4\nOptions=ro,_netdev", true),
            ("Type=ext4", false),
        ] {
            let (unit, _) = Unit::parse("srv.mount", &format!("[Mount]\n{text}")).unwrap();
            assert_eq!(unit.over_network, network, "{text}");
        }
    }

    #[test]
    fn a_timer_is_on_the_calendar_until_its_times_are_reset() {
        for (text, on_calendar) in [
            ("OnCalendar=daily", true),
            ("OnCalendar=daily\nOnBootSec=5min", true),
            ("OnBootSec=5min", false),
            ("OnCalendar=daily\nOnBootSec=\nOnBootSec=5min", false),
            ("OnCalendar=\nOnCalendar=weekly", true),
        ] {
            let (unit, _) = Unit::parse("a.timer", &format!("[Timer]\n{text}")).unwrap();
            assert_eq!(unit.on_calendar, on_calendar, "{text}");
        }
    }

    #[test]
    fn a_private_tmp_needs_the_mounts_below_it() {
        let unit = unit("[Service]\nPrivateTmp=yes");
        let paths: Vec<&str> = unit.mounts_for.iter().map(|needed| needed.path.as_str()).collect();
        assert_eq!(paths, ["/tmp", "/var/tmp"]);
        assert_eq!(unit.mounts_for[0].evidence.to_string(), "PrivateTmp=yes (a.service:2)");
    }

    proptest! {
        #[test]
        fn never_panics(name in "[a-z%@]{0,3}\\.(service|target|conf)", bytes in any::<Vec<u8>>()) {
            let _ = Unit::parse(&name, &String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn never_panics_on_likely_text(
            text in r"(\[(Unit|Service)\]\n|(After|Before|Wants|Type|TimeoutStartSec|ExecStart)=[a-z0-9.% \\]{0,12}\n){0,20}",
        ) {
            prop_assert!(Unit::parse("a.service", &text).is_ok());
        }
    }
}
