//! The log of an engine on which everything went well has no finding, whatever its version.

use std::io::Write as _;

use pvcheck_lab::{Suite, World};
use pvcheck_tests::stacks::IMAGE;
use pvcheck_tests::{Outcome, docker, lab, long, pvcheck};
use serde_json::Value;

#[test]
fn of_bookworm() -> Outcome {
    quiet("quiet_log::of_bookworm", Suite::Bookworm)
}

#[test]
fn of_trixie() -> Outcome {
    if long() { quiet("quiet_log::of_trixie", Suite::Trixie) } else { Ok(()) }
}

#[test]
fn of_sid() -> Outcome {
    quiet("quiet_log::of_sid", Suite::Sid)
}

/// Stacks that come and go one after the other, drained, and a census before and after.
fn quiet(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    docker(
        &lab,
        &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", "proxy"],
    )?;
    let words = [
        "churn",
        "proxy",
        "--order",
        "drained",
        "--shape",
        "shared+private",
        "--stop",
        "quick",
        "--image",
        IMAGE,
    ];
    let churn = lab
        .command(pvcheck()?)
        .args(words)
        .args(["--stacks", "2", "--replicas", "2", "--rounds", "1", "--apply", "-o", "json"])
        .output()?;
    let errors = String::from_utf8_lossy(&churn.stderr);
    let churned: Value = serde_json::from_slice(&churn.stdout).map_err(|e| format!("{e}: {errors}"))?;
    assert_eq!((churn.status.code(), &churned["leaked"]), (Some(0), &0.into()), "{churned:#}");

    let log = lab.info().log.first().ok_or("no log")?;
    let scan = lab.command(pvcheck()?).args(["journal", "scan", "-o", "json", "--file"]).arg(log).output()?;
    let report: Value = serde_json::from_slice(&scan.stdout)?;
    let matched = report["matched"].as_array().ok_or("no matches")?;
    let known: Vec<String> = matched.iter().map(|m| format!("{} {}", m["signature"], m["count"])).collect();
    let engine = lab.info().engine.version.as_deref().unwrap_or("unknown").to_owned();
    writeln!(
        std::io::stdout(),
        "{test}: engine {engine}: {} records, {} errors that no signature knows; {}",
        report["records"],
        report["unclassified_errors"],
        known.join(", ")
    )?;
    // With a finding it would be 1.
    assert_eq!((scan.status.code(), &report["complete"]), (Some(0), &true.into()), "{report:#}");
    lab.down()?;
    Ok(())
}
