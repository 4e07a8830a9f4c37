//! The tests on real engines: each file of `tests/tests` is a program of its own and starts labs of its own.
//!
//! They wait for engines more than they compute, so they run two at a time. Those that count all labs of the machine, or
//! that measure, run alone and first.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{lab, workspace};

#[cfg(test)]
mod tests;

/// Files that need the machine for themselves.
const ALONE: &[&str] = &["lab", "removal"];
/// Those that take minutes, the longest first, so that no lane waits at the end for one of them.
const LONGEST: &[&str] = &[
    "why",
    "leaks",
    "subnets",
    "reclaim",
    "renew",
    "availability",
    "renewed_whole",
    "renewal_blockers",
    "renewal_takeover",
    "renewal_faults",
    "pvcheck",
    "world",
    "teeth",
    "killed",
    "faults",
    "differential",
    "docker_client",
    "status",
];
/// How many of the others run at a time: two cores are enough for two that wait.
const LANES: usize = 3;
/// How many lines of a program that failed are said again at the end, where a reader of a long log looks first.
const LAST_LINES: usize = 40;

/// Runs all of them, prints what each printed once it has ended, and fails with the names of those that failed and the
/// last lines of each.
pub(crate) fn run(root: &Path, environment: &[(OsString, OsString)]) -> anyhow::Result<()> {
    let tests = Tests { root, environment };
    // Built once and before all, so that no test waits for another one's build lock while its deadline runs.
    tests.must(&["build", "--package", "xtask", "--package", "pvcheck-cli"])?;
    tests.must(&["test", "--package", "pvcheck-tests", "--no-run"])?;
    let (alone, others) = split(names(&root.join("tests/tests"))?);
    let mut failed = in_lanes(alone, 1, &|name| tests.one(name));
    failed.extend(in_lanes(others, LANES, &|name| tests.one(name)));
    verdict(failed)
}

/// The names of the test programs of a folder, sorted.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
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

/// Runs `one` for each name, at most `lanes` at a time, and returns a line for each that failed.
fn in_lanes(
    names: Vec<String>,
    lanes: usize,
    one: &(dyn Fn(&str) -> anyhow::Result<()> + Sync),
) -> Vec<String> {
    let queue = Mutex::new(VecDeque::from(names));
    let failed = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(name) = next() {
                    if let (Err(why), Ok(mut failed)) = (one(&name), failed.lock()) {
                        failed.push(format!("{name}: {why:#}"));
                    }
                }
            });
        }
    });
    // A lane that panicked must not hide what failed in the others.
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// An error that names all that failed, sorted, since lanes end in any order.
fn verdict(mut failed: Vec<String>) -> anyhow::Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    failed.sort();
    bail!("{}", failed.join("\n"))
}

/// The last lines of what was printed.
fn last_lines(printed: &str) -> String {
    let lines: Vec<&str> = printed.trim().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// What is said of a test program that has ended: all that it printed, then one line.
fn closing(name: &str, held: bool, printed: &str, took: Duration) -> String {
    let held = if held { "held" } else { "FAILED" };
    format!("{}\n-- {name} {held}, {:.0} s", printed.trim(), took.as_secs_f32())
}

struct Tests<'a> {
    root: &'a Path,
    environment: &'a [(OsString, OsString)],
}

impl Tests<'_> {
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = workspace::cargo(words, self.root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn must(&self, words: &[&str]) -> anyhow::Result<()> {
        workspace::must(&mut self.cargo(words), words)
    }

    /// Runs one, and prints what it printed.
    fn one(&self, name: &str) -> anyhow::Result<()> {
        let since = Instant::now();
        let printed = tempfile::NamedTempFile::new().context("cannot make a file for the output")?;
        let words = ["test", "--quiet", "--package", "pvcheck-tests", "--test", name];
        let mut command = self.cargo(&words);
        // One at a time: the tests of a program may share a lab, and each lab is several engines on two cores.
        command.args(["--", "--nocapture", "--test-threads", "1"]);
        // Both streams append to one file, so that their lines keep the order in which they were written.
        let append = File::options().append(true).open(printed.path()).context("cannot open the output")?;
        let both = append.try_clone().context("cannot open the output")?;
        let status = command.stdin(Stdio::null()).stdout(append).stderr(both).status();
        let status = status.context("cannot run cargo")?;
        let text = std::fs::read(printed.path()).context("cannot read the output")?;
        let text = String::from_utf8_lossy(&text);
        lab::say(&closing(name, status.success(), &text, since.elapsed()));
        if !status.success() {
            bail!("{status}\n{}", last_lines(&text));
        }
        Ok(())
    }
}
