//! The units that come with systemd and that every boot goes through, for sets of units that lack them.
//!
//! A folder of one's own units holds no `basic.target`; without it, an order that leads through it would be lost.
//! Directives that matter to the order are as in systemd 252, `units/*.target`.

use crate::file::UnitFile;
use crate::name::UnitName;
use crate::unit::Unit;

/// What `default.target` stands for where no link says so (systemd links it so, `units/meson.build`).
pub(crate) const DEFAULT_TARGET: &str = "graphical.target";

const WITH_ORDER: [(&str, &str); 13] = [
    // There from the beginning, whatever is started (systemd, `perpetual`).
    ("-.mount", "DefaultDependencies=no"),
    ("-.slice", "DefaultDependencies=no"),
    (
        "basic.target",
        "Requires=sysinit.target\nWants=sockets.target timers.target paths.target slices.target\n\
         After=sysinit.target sockets.target paths.target slices.target",
    ),
    ("graphical.target", "Requires=multi-user.target\nAfter=multi-user.target"),
    ("init.scope", "DefaultDependencies=no"),
    ("local-fs.target", "DefaultDependencies=no\nAfter=local-fs-pre.target"),
    // Distributions enable remote-fs.target by their presets.
    ("multi-user.target", "Requires=basic.target\nWants=remote-fs.target\nAfter=basic.target"),
    ("network-online.target", "After=network.target"),
    ("network.target", "After=network-pre.target"),
    ("remote-fs.target", "DefaultDependencies=no\nAfter=remote-fs-pre.target"),
    (
        "sysinit.target",
        "DefaultDependencies=no\nWants=local-fs.target swap.target\nAfter=local-fs.target swap.target",
    ),
    ("system.slice", "DefaultDependencies=no"),
    ("timers.target", "DefaultDependencies=no"),
];

/// Targets of `systemd.special(7)` that only mark a point: what is ordered around them says so itself.
const MARKS: [&str; 29] = [
    "boot-complete.target",
    "cryptsetup-pre.target",
    "cryptsetup.target",
    "emergency.target",
    "first-boot-complete.target",
    "getty-pre.target",
    "getty.target",
    "integritysetup-pre.target",
    "integritysetup.target",
    "local-fs-pre.target",
    "machines.target",
    "network-pre.target",
    "nss-lookup.target",
    "nss-user-lookup.target",
    "paths.target",
    "printer.target",
    "remote-cryptsetup.target",
    "remote-fs-pre.target",
    "rescue.target",
    "rpcbind.target",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "swap.target",
    "time-set.target",
    "time-sync.target",
    "umount.target",
    "veritysetup-pre.target",
    "veritysetup.target",
];

/// True iff systemd itself brings the unit.
pub(crate) fn has(name: &UnitName) -> bool {
    text(name.as_str()).is_some()
}

/// The unit's file as systemd brings it; `None` for any other unit.
pub(crate) fn file(name: &UnitName) -> Option<UnitFile> {
    let text = text(name.as_str())?;
    Some(UnitFile::parse(&format!("systemd's own {name}"), &format!("[Unit]\n{text}\n")).0)
}

/// All of them.
pub(crate) fn units() -> Vec<Unit> {
    let names = WITH_ORDER.iter().map(|(name, _)| *name).chain(MARKS);
    let names = names.filter_map(|name| name.parse().ok());
    names.filter_map(|name: UnitName| Some(Unit::from_files(name.clone(), &[file(&name)?]).0)).collect()
}

fn text(name: &str) -> Option<&'static str> {
    let listed = WITH_ORDER.iter().find(|(listed, _)| *listed == name).map(|(_, text)| *text);
    listed.or_else(|| MARKS.contains(&name).then_some(""))
}
