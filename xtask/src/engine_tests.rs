//! The tests on real engines: each file of `tests/tests` is a program of its own and starts labs of its own.
//!
//! They wait for engines more than they compute, so they run three at a time. Those that count all labs of the machine, or
//! that measure, run alone and first.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;

use crate::programs::{PACKAGES, Programs, in_lanes, verdict};

#[cfg(test)]
mod tests;

/// Files that need the machine for themselves.
const ALONE: &[&str] = &["lab", "removal"];
/// Those that take minutes, the longest first, so that no lane waits at the end for one of them.
const LONGEST: &[&str] = &[
    "renew",
    "leaks",
    "why",
    "host",
    "reclaim",
    "availability",
    "pvcheck",
    "subnets",
    "teeth",
    "renewed_whole",
    "faults",
    "renewal_faults",
    "census",
    "quiet_log",
    "world",
    "any_swarm",
    "killed",
    "embedding",
    "guarded",
    "host_guard",
    "renewal_blockers",
    "docker_client",
    "churn",
    "jobs",
    "differential",
    "renewal_takeover",
    "truth",
];
/// How many of the others run at a time: two cores are enough for three that wait. With four, what waits for an engine for a
/// minute was seen to be too late.
const LANES: usize = 3;

/// Runs all of them, prints what each printed once it has ended, and fails with the names of those that failed and the
/// last lines of each.
pub(crate) fn run(root: &Path, environment: &[(OsString, OsString)]) -> anyhow::Result<()> {
    let tests = Programs { root, environment };
    // Built once and before all, so that no test waits for another one's build lock while its deadline runs.
    tests.must(&["build", "--package", "xtask", "--package", "pvcheck-cli"])?;
    let names = names(&root.join("tests/tests"))?;
    tests.build(&[], &names)?;
    // One test at a time: those of a program may share a lab, and each lab is several engines on two cores.
    let one = |name: &str| {
        let alone = ["--test", name, "--", "--nocapture", "--test-threads", "1"];
        tests.one(name, &[PACKAGES, &alone].concat())
    };
    let (alone, others) = split(names);
    let mut failed = in_lanes(alone, 1, &one);
    failed.extend(in_lanes(others, LANES, &one));
    verdict(failed)
}

/// The names of the test programs of a folder, sorted.
pub(crate) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).context("cannot list the engine tests")? {
        let path = entry.context("cannot list the engine tests")?.path();
        if path.extension().is_some_and(|e| e == "rs")
            && let Some(name) = path.file_stem().and_then(|n| n.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Those that need the machine for themselves, and the others, those that take longest first.
fn split(names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (alone, mut others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| ALONE.contains(&name.as_str()));
    others.sort_by_key(|name| LONGEST.iter().position(|long| long == name).unwrap_or(LONGEST.len()));
    (alone, others)
}
