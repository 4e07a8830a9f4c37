//! The tests on real engines: each file of `tests/tests` is a program of its own and starts labs of its own.
//!
//! They wait for engines more than they compute, so they run two at a time. Those that look at all labs of the machine, or
//! that measure, run by themselves first.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::lab;

/// Files that need the machine for themselves.
const ALONE: &[&str] = &["lab", "removal"];
/// How many of the others run at a time.
const LANES: usize = 2;

/// Runs all of them, prints what each printed once it has ended, and fails with the names of those that failed.
pub(crate) fn run(root: &Path, environment: &[(OsString, OsString)]) -> anyhow::Result<()> {
    let tests = Tests { root, environment };
    tests.must(&["build", "--package", "xtask", "--package", "pvcheck-cli"])?;
    tests.must(&["test", "--package", "pvcheck-tests", "--no-run"])?;
    let names = names(&root.join("tests/tests"))?;
    let (alone, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|n| ALONE.contains(&n.as_str()));
    let mut failed = tests.all(alone, 1);
    failed.extend(tests.all(others, LANES));
    if failed.is_empty() {
        return Ok(());
    }
    failed.sort();
    bail!("{}", failed.join("; "))
}

/// The names of the test programs of a folder.
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

struct Tests<'a> {
    root: &'a Path,
    environment: &'a [(OsString, OsString)],
}

impl Tests<'_> {
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.args(words).current_dir(self.root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn must(&self, words: &[&str]) -> anyhow::Result<()> {
        let status = self.cargo(words).status().context("cannot run cargo")?;
        if !status.success() {
            bail!("`cargo {}` ended with {status}", words.join(" "));
        }
        Ok(())
    }

    /// Runs these, so many at a time, and says what failed.
    fn all(&self, names: Vec<String>, lanes: usize) -> Vec<String> {
        let queue = Mutex::new(VecDeque::from(names));
        let failed = Mutex::new(Vec::new());
        let next = || queue.lock().ok()?.pop_front();
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    while let Some(name) = next() {
                        if let (Err(why), Ok(mut failed)) = (self.one(&name), failed.lock()) {
                            failed.push(format!("{name}: {why:#}"));
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs one, and prints what it printed.
    fn one(&self, name: &str) -> anyhow::Result<()> {
        let since = Instant::now();
        let printed = tempfile::NamedTempFile::new().context("cannot make a file for what is printed")?;
        let file = || -> anyhow::Result<File> { printed.reopen().context("cannot open what is printed") };
        let words = ["test", "--quiet", "--package", "pvcheck-tests", "--test", name];
        let mut command = self.cargo(&words);
        command.args(["--", "--nocapture", "--test-threads", "1"]);
        // Both ends go to one file in the order in which they are written.
        let append =
            File::options().append(true).open(printed.path()).context("cannot open what is printed")?;
        let both = append.try_clone().context("cannot open what is printed")?;
        let status = command.stdin(Stdio::null()).stdout(append).stderr(both).status();
        let status = status.context("cannot run cargo")?;
        let text = std::io::read_to_string(file()?).context("cannot read what was printed")?;
        let held = if status.success() { "held" } else { "FAILED" };
        lab::say(&format!("{}\n-- {name} {held}, {:.0} s", text.trim(), since.elapsed().as_secs_f32()));
        if !status.success() {
            bail!("{status}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_need_the_machine_for_themselves_are_there() -> anyhow::Result<()> {
        let names = names(&crate::test::root()?.join("tests/tests"))?;
        let missing: Vec<_> = ALONE.iter().filter(|alone| !names.iter().any(|n| n == *alone)).collect();
        assert!(missing.is_empty(), "{missing:?} of {names:?}");
        Ok(())
    }

    #[test]
    fn one_that_fails_is_named() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tests = Tests { root, environment: &[] };
        let failed = tests.all(vec!["no_such_test_program".into()], LANES);
        assert!(
            matches!(failed.as_slice(), [one] if one.starts_with("no_such_test_program: ")),
            "{failed:?}"
        );
    }
}
