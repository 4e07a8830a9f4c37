//! Test programs, run some at a time: each is one call of cargo.

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

/// The packages that every run names, those of the engine tests too: with others cargo takes other features, and builds what
/// has been built again.
pub(crate) const PACKAGES: &[&str] = &["--workspace"];

/// How many lines of a program that failed are said again at the end, where a reader of a long log looks first.
const LAST_LINES: usize = 40;

/// Runs `one` for each name, at most `lanes` at a time, and returns a line for each that failed.
pub(crate) fn in_lanes(
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
pub(crate) fn verdict(mut failed: Vec<String>) -> anyhow::Result<()> {
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

/// Where test programs run, and what they are told.
pub(crate) struct Programs<'a> {
    pub(crate) root: &'a Path,
    pub(crate) environment: &'a [(OsString, OsString)],
}

impl Programs<'_> {
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = workspace::cargo(words, self.root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a cargo command to its end.
    pub(crate) fn must(&self, words: &[&str]) -> anyhow::Result<()> {
        workspace::must(&mut self.cargo(words), words)
    }

    /// Builds the test programs of these names, and tests of these kinds.
    pub(crate) fn build(&self, kinds: &[&str], names: &[String]) -> anyhow::Result<()> {
        let named = names.iter().flat_map(|name| ["--test", name.as_str()]);
        let words: Vec<&str> = ["test", "--no-run"].iter().chain(PACKAGES).chain(kinds).copied().collect();
        self.must(&words.into_iter().chain(named).collect::<Vec<_>>())
    }

    /// Runs `cargo test` with these words, and prints what it printed.
    pub(crate) fn one(&self, name: &str, words: &[&str]) -> anyhow::Result<()> {
        let since = Instant::now();
        let printed = tempfile::NamedTempFile::new().context("cannot make a file for the output")?;
        let mut command = self.cargo(&["test", "--quiet"]);
        command.args(words);
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
