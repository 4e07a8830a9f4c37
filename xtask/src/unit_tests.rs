//! The tests that need no engine, of every package but that of the engine tests.
//!
//! Their programs wait for the embedded engine, and compute on one core while they do: three run at a time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::programs::{PACKAGES, Programs, in_lanes, verdict};
use crate::workspace;

/// The programs that take a minute or more, the longest first.
const LONGEST: &[&str] = &["engine", "gates", "every_fault", "cli"];
/// How many run at a time.
const LANES: usize = 3;

/// Builds all of them, runs them, and fails with the names of those that failed and the last lines of each.
pub(crate) fn run(root: &Path, environment: &[(OsString, OsString)]) -> anyhow::Result<()> {
    let programs = Programs { root, environment };
    let mut names = names(&metadata(root)?)?;
    programs.build(&["--lib", "--bins", "--examples"], &names)?;
    names.sort_by_key(|name| LONGEST.iter().position(|long| long == name).unwrap_or(LONGEST.len()));
    // The other kinds of tests; examples have been built.
    names.extend(["--lib", "--bins", "--doc"].map(str::to_owned));
    let one = |name: &str| match name {
        kind if kind.starts_with("--") => programs.one(name, &[PACKAGES, &[kind]].concat()),
        test => programs.one(name, &[PACKAGES, &["--test", test]].concat()),
    };
    verdict(in_lanes(names, LANES, &one))
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let words = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    let output = workspace::cargo(&words, root).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` ended with {}", words.join(" "), output.status);
    }
    serde_json::from_slice(&output.stdout).context("cargo's metadata is no JSON")
}

/// The names of all test programs of these packages, each once.
fn names(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    let mut names = BTreeSet::new();
    for package in packages.iter().filter(|package| package["name"] != "pvcheck-tests") {
        let targets = package["targets"].as_array().context("a package has no targets")?;
        let tests = targets.iter().filter(|target| target["kind"][0] == "test");
        names.extend(tests.filter_map(|target| target["name"].as_str()).map(str::to_owned));
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine_tests;

    #[test]
    fn every_test_program_but_those_of_engines_is_run() -> anyhow::Result<()> {
        let root = workspace::root()?;
        let names = names(&metadata(&root)?)?;
        assert!(LONGEST.iter().all(|long| names.iter().any(|name| name == long)), "{names:?}");
        for folder in std::fs::read_dir(root.join("crates"))? {
            let tests = folder?.path().join("tests");
            for entry in tests.read_dir().into_iter().flatten() {
                let path = entry?.path();
                let is_program =
                    path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                assert!(!is_program || names.iter().any(|n| *n == name), "{name} is not run: {names:?}");
            }
        }
        // A run names a program and no package, so that a name of both would run both.
        let of_engines = engine_tests::names(&root.join("tests/tests"))?;
        assert!(of_engines.iter().any(|name| name == "why"), "{of_engines:?}");
        assert!(of_engines.iter().all(|name| !names.contains(name)), "{of_engines:?} {names:?}");
        Ok(())
    }
}
