//! What systemd says of a unit.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio::process::Command;
use tokio::time::timeout;

/// How long systemd may take.
const LIMIT: Duration = Duration::from_secs(30);

/// These properties of a unit, in systemd's order; one that has several values is there several times.
///
/// # Errors
/// If systemd does not answer, or has not loaded the unit, since its name may be misspelt.
pub(crate) async fn properties(unit: &str, names: &[&str]) -> Result<Vec<(String, String)>, String> {
    let mut command = Command::new("systemctl");
    command.env("TZ", "UTC").args(["show", "--property", "LoadState"]);
    for name in names {
        command.args(["--property", name]);
    }
    let asked = command.args(["--", unit]).kill_on_drop(true).output();
    let output = match timeout(LIMIT, asked).await {
        Err(_) => return Err("systemd does not answer".to_owned()),
        Ok(Err(error)) => return Err(format!("systemctl: {error}")),
        Ok(Ok(output)) => output,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut shown: Vec<(String, String)> = text.lines().filter_map(pair).collect();
    let state = shown.iter().position(|(key, _)| key == "LoadState").map(|at| shown.remove(at).1);
    match state.as_deref() {
        Some("loaded") => Ok(shown),
        Some(state) => Err(format!("systemd has it as {state}")),
        // Without systemd it says so in two lines.
        None => {
            Err(String::from_utf8_lossy(&output.stderr).lines().map(str::trim).collect::<Vec<_>>().join("; "))
        }
    }
}

/// A time as `systemctl show` prints it in UTC, `Fri 2026-11-27 22:49:54 UTC`; nothing and `n/a` stand for never.
///
/// # Errors
/// If it is none; the text says so.
pub(crate) fn time(shown: &str) -> Result<Option<Timestamp>, String> {
    if matches!(shown, "" | "n/a") {
        return Ok(None);
    }
    let unreadable = || format!("`{shown}` is no time in UTC");
    let (_, rest) = shown.split_once(' ').ok_or_else(unreadable)?;
    let civil = rest.strip_suffix(" UTC").ok_or_else(unreadable)?;
    let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", civil).map_err(|_| unreadable())?;
    TimeZone::UTC.to_timestamp(civil).map(Some).map_err(|_| unreadable())
}
