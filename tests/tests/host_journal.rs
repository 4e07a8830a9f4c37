//! The journal of a booted host, read from its files and by journalctl: both see the same records.

use std::error::Error;

use pvcheck_lab::{HostSpec, Lab};
use pvcheck_tests::{Outcome, booted, long, pvcheck, text};
use serde_json::Value;

#[test]
fn files_and_journalctl_give_the_same_of_a_booted_hosts_journal() -> Outcome {
    let test = "host_journal::files_and_journalctl_give_the_same_of_a_booted_hosts_journal";
    if !long() {
        return Ok(());
    }
    let spec = HostSpec { pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(lab) = booted(test, spec) else { return Ok(()) };
    // Nothing is written while it is read.
    text(lab.command("systemctl").args(["stop", "docker.socket", "docker.service"]))?;

    let whole = both(&lab, &[])?;
    let count = |key: &str| whole[key].as_array().map_or(0, Vec::len);
    assert!(whole["records"].as_u64() > Some(0) && 0 < count("matched"), "{whole:#}");
    let start = whole["engine_start"].as_str().ok_or("the engine's start was not seen")?;
    // journalctl begins at whole seconds, and a scan then says that it has seen what is before.
    let start = &format!("{}Z", start.get(..19).ok_or("no time")?);
    both(&lab, &["--since-engine-start"])?;
    both(&lab, &["--since-allocator-start"])?;
    both(&lab, &["--since", start])?;
    both(&lab, &["--fixed-at", start])?;
    // As many as the program prints, whatever pvcheck makes of them.
    let lines =
        text(lab.command("journalctl").args(["--unit", "docker.service", "--output", "json", "--no-pager"]))?;
    assert_eq!(whole["read"].as_u64(), Some(lines.lines().count() as u64));
    lab.down()?;
    Ok(())
}

/// What both ways say of the same window.
fn both(lab: &Lab, words: &[&str]) -> Result<Value, Box<dyn Error>> {
    // Without a journalctl that it could run.
    let by_files = scan(lab, &["env", "PATH=/nowhere", "/usr/local/bin/pvcheck"], words)?;
    let by_program = scan(lab, &["pvcheck"], &[words, &["--reader", "journalctl"]].concat())?;
    assert_eq!(by_files, by_program, "{words:?}");
    Ok(by_files.1)
}

/// The exit code and the document of a scan.
fn scan(lab: &Lab, program: &[&str], words: &[&str]) -> Result<(Option<i32>, Value), Box<dyn Error>> {
    let (first, rest) = program.split_first().ok_or("no program")?;
    let mut command = lab.command(first);
    command.args(rest).args(["journal", "scan", "--role", "leader", "--quiet", "-o", "json"]).args(words);
    let output = command.output()?;
    let mut scan: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    if words.iter().any(|word| ["--since", "--fixed-at"].contains(word)) {
        // A clock may have been set, so the files are read from before the time: what is there is read, and in no window.
        (scan["read"], scan["coverage"]["first"]) = (Value::Null, Value::Null);
    }
    Ok((output.status.code(), scan))
}
