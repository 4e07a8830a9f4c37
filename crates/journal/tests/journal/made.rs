//! Journals as tests need them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pvcheck_journal::Limits;
use tempfile::TempDir;

pub(crate) const VIP: &str = r#"level=error msg="Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2" error="could not find an available IP while allocating VIP""#;

pub(crate) fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(30), ..Limits::default() }
}

/// One entry in systemd's export format; `second` orders them.
pub(crate) fn entry(second: u64, fields: &[(&str, &str)]) -> String {
    let mut text = format!(
        "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={second}000000\n",
        1_781_329_080_000_000 + second * 1_000_000
    );
    text.push_str(
        "_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=0123456789abcdef0123456789abcdef\n",
    );
    for (key, value) in fields {
        writeln!(text, "{key}={value}").unwrap();
    }
    text + "\n"
}

pub(crate) fn engine(second: u64, message: &str) -> String {
    let fields = [
        ("SYSLOG_IDENTIFIER", "dockerd"),
        ("_SYSTEMD_UNIT", "docker.service"),
        ("PRIORITY", "6"),
        ("MESSAGE", message),
    ];
    entry(second, &fields)
}

/// Some of everything: an exhausted start, systemd's start, an exhausted line after it, a container that quotes it, another
/// unit.
pub(crate) fn export() -> String {
    let unit = ("_SYSTEMD_UNIT", "docker.service");
    let container = [
        ("SYSLOG_IDENTIFIER", "dockerd"),
        unit,
        ("CONTAINER_ID", "3f4e5d6c7b8a"),
        ("PRIORITY", "3"),
        ("MESSAGE", VIP),
    ];
    let systemd = [
        ("SYSLOG_IDENTIFIER", "systemd"),
        ("_PID", "1"),
        ("_UID", "0"),
        ("UNIT", "docker.service"),
        ("MESSAGE", "Starting docker.service - Docker Application Container Engine..."),
    ];
    let other = [("_SYSTEMD_UNIT", "other.service"), ("MESSAGE", VIP)];
    [
        engine(1, VIP),
        entry(2, &systemd),
        engine(3, "level=info msg=\"Starting up\""),
        engine(4, VIP),
        entry(5, &container),
        entry(6, &other),
        engine(7, "level=info msg=last"),
    ]
    .concat()
}

/// A directory with that journal, or `None` if it cannot be made here.
pub(crate) fn journal() -> Option<TempDir> {
    journal_of(&export())
}

pub(crate) fn journal_of(export: &str) -> Option<TempDir> {
    let dir = TempDir::new().unwrap();
    add(dir.path(), "all.journal", export.as_bytes(), &[]).then_some(dir)
}

/// Makes a file of a journal; false if that cannot be done here. `settings` are those of systemd's for its format
/// (systemd `docs/ENVIRONMENT.md`).
pub(crate) fn add(dir: &Path, name: &str, export: &[u8], settings: &[(&str, &str)]) -> bool {
    let Some(mut remote) = remote(&dir.join(name)) else { return false };
    let text = dir.join("export");
    fs::write(&text, export).unwrap();
    let made = remote.envs(settings.iter().copied()).arg(&text).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::remove_file(text).unwrap();
    true
}

/// The program that makes a journal file of what it is given; `None` if it is not here.
pub(crate) fn remote(file: &Path) -> Option<Command> {
    let remote = ["/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let has_journalctl = Command::new("journalctl").arg("--version").output().is_ok();
    let (Some(remote), true) = (remote, has_journalctl) else {
        println!("not tested: systemd-journal-remote or journalctl is missing");
        return None;
    };
    let mut command = Command::new(remote);
    command.arg("-o").arg(file);
    Some(command)
}
