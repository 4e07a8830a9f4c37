//! Gates of a lab's Swarm, run by the command.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pvcheck_lab::Lab;
use serde_json::Value;

use crate::pvcheck;

/// The verdict of each check, by id.
pub type Verdicts = BTreeMap<String, String>;

/// Runs the command with these words; its exit code and the JSON that it prints.
///
/// # Errors
/// If it ends by a signal or prints no JSON.
pub fn run(lab: &Lab, words: &[&str]) -> Result<(i32, Value), Box<dyn std::error::Error>> {
    let output = lab.command(pvcheck()?).args(words).arg("--quiet").output()?;
    let code = output.status.code().ok_or("ended by a signal")?;
    let document = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: code {code}, {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((code, document))
}

/// The verdict of a report.
pub fn verdict(report: &Value) -> &str {
    report["verdict"].as_str().unwrap_or_default()
}

/// The verdict of each of its checks.
pub fn verdicts(report: &Value) -> Verdicts {
    let checks = report["checks"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks.map(|check| (text(&check["id"]), text(&check["verdict"]))).collect()
}

/// Runs a gate until its verdicts are as wanted, for at most 90 s: Swarm and router need a moment, and a loaded machine more of it.
///
/// # Errors
/// If a run fails, or they are not by then; the error has the last ones.
pub fn until(
    lab: &Lab,
    words: &[&str],
    wanted: impl Fn(&Verdicts) -> bool,
) -> Result<Verdicts, Box<dyn std::error::Error>> {
    let since = Instant::now();
    loop {
        let (_, report) = run(lab, words)?;
        let verdicts = verdicts(&report);
        if wanted(&verdicts) {
            return Ok(verdicts);
        }
        if Duration::from_secs(90) < since.elapsed() {
            return Err(format!("not the expected verdicts within 90 s: {verdicts:?}").into());
        }
    }
}
