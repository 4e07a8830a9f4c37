//! `pvcheck churn` on real engines: both arms in one run, and every shape.

use std::io::Write as _;
use std::process::Command;

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_tests::stacks::IMAGE;
use pvcheck_tests::{Outcome, docker, lab, long, pvcheck};
use serde_json::Value;

const NETWORK: &str = "proxy";

#[test]
fn both_arms_on_bookworm() -> Outcome {
    let shapes: &[&str] = if long() { &SHAPES } else { &SHAPES[..1] };
    churn("churn::both_arms_on_bookworm", Suite::Bookworm, shapes)
}

#[test]
fn every_shape_on_trixie() -> Outcome {
    if !long() {
        return Ok(());
    }
    churn("churn::every_shape_on_trixie", Suite::Trixie, &SHAPES)
}

const SHAPES: [&str; 4] = ["shared+private", "shared", "host-port", "ingress-port"];

fn churn(test: &str, suite: Suite, shapes: &[&str]) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let create = ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK];
    docker(&lab, &create)?;
    let mut lost = 0;
    for shape in shapes {
        let (code, report) = both(&lab, shape)?;
        let (drained, control) = (&report["drained"], &report["stack_rm"]);
        writeln!(
            std::io::stdout(),
            "{test}: {shape}: drained {} leaked in {} ms, control {} in {} ms",
            drained["leaked"],
            drained["removal_ms"],
            control["leaked"],
            control["removal_ms"]
        )?;
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!((&drained["leaked"], &drained["shape"]), (&0.into(), &(*shape).into()), "{report:#}");
        // A stack of two tasks; without a private network nothing is gone before its task.
        let expected = if *shape == "shared" { 0 } else { 2 };
        assert_eq!(control["leaked"], expected, "{report:#}");
        lost += expected;
        assert_eq!(control["pruned"]["leaked"], lost, "{report:#}");
        assert_eq!(report["control_leaked"], expected != 0);
        assert_eq!(docker(&lab, &["service", "ls", "-q"])?, "", "{shape}: something is left");
    }
    lab.down()?;
    Ok(())
}

fn both(lab: &Lab, shape: &str) -> Result<(Option<i32>, Value), Box<dyn std::error::Error>> {
    let words = [
        "churn",
        NETWORK,
        "--order",
        "both",
        "--shape",
        shape,
        "--stop",
        "slow",
        "--stacks",
        "1",
        "--replicas",
        "2",
        "--image",
        IMAGE,
        "--apply",
        "-o",
        "json",
    ];
    let out = Command::new(pvcheck()?).args(words).env("DOCKER_HOST", &lab.info().hosts[0]).output()?;
    let errors = String::from_utf8_lossy(&out.stderr);
    let report = serde_json::from_slice(&out.stdout).map_err(|e| format!("{e}: {errors}"))?;
    Ok((out.status.code(), report))
}
