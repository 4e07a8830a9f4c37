//! The journal of a booted host, read by libsystemd (feature `journald`) and by journalctl: both see the same records.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use pvcheck_lab::{HostSpec, Lab};
use pvcheck_tests::{Outcome, booted, long, not_run, pvcheck, pvcheck_with, text};
use serde_json::Value;

/// In the long rounds only, since it takes another build of the command.
#[test]
fn libsystemd_and_journalctl_read_the_same_of_a_booted_hosts_journal() -> Outcome {
    let test = "host_journal::libsystemd_and_journalctl_read_the_same_of_a_booted_hosts_journal";
    if !long() {
        return Ok(());
    }
    let probe = Command::new("pkg-config").args(["--exists", "libsystemd"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        not_run(test, "libsystemd is missing; install libsystemd-dev and pkg-config");
        return Ok(());
    }
    let built = pvcheck_with("journald")?;
    let spec = HostSpec { pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(lab) = booted(test, spec) else { return Ok(()) };
    // The folder of the engine's socket has the same path in the host.
    let socket = lab.info().hosts.first().and_then(|host| host.strip_prefix("unix://"));
    let native = Path::new(socket.ok_or("no socket")?).with_file_name("pvcheck-journald");
    std::fs::copy(built, &native)?;
    let native = native.to_str().ok_or("a path that is not UTF-8")?;
    // Nothing is written while it is read.
    text(lab.command("systemctl").args(["stop", "docker.socket", "docker.service"]))?;

    let whole = both(&lab, native, &[])?;
    let count = |key: &str| whole[key].as_array().map_or(0, Vec::len);
    assert!(whole["records"].as_u64() > Some(0) && 0 < count("matched"), "{whole:#}");
    let start = whole["engine_start"].as_str().ok_or("the engine's start was not seen")?;
    both(&lab, native, &["--since-engine-start"])?;
    both(&lab, native, &["--since-allocator-start"])?;
    both(&lab, native, &["--since", start])?;
    both(&lab, native, &["--fixed-at", start])?;
    lab.down()?;
    Ok(())
}

/// What both programs say of the same window.
fn both(lab: &Lab, native: &str, words: &[&str]) -> Result<Value, Box<dyn Error>> {
    // Without a journalctl that it could run.
    let by_library = scan(lab, &["env", "PATH=/nowhere", native], words)?;
    let by_program = scan(lab, &["pvcheck"], words)?;
    assert_eq!(by_library, by_program, "{words:?}");
    Ok(by_program.1)
}

/// The exit code and the document of a scan.
fn scan(lab: &Lab, program: &[&str], words: &[&str]) -> Result<(Option<i32>, Value), Box<dyn Error>> {
    let (first, rest) = program.split_first().ok_or("no program")?;
    let mut command = lab.command(first);
    command.args(rest).args(["journal", "scan", "--role", "leader", "--quiet", "-o", "json"]).args(words);
    let output = command.output()?;
    let scan: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), scan))
}
