//! Cargo, and where the workspace is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The cargo that runs this program, else the one on PATH, in a folder.
pub(crate) fn cargo(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(words).current_dir(folder);
    for name in std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_a_package(name)) {
        command.env_remove(name);
    }
    command
}

/// True iff cargo sets it for what it runs, and to another value for each package. The build script of ring asks to be run
/// again when one of them changes, and with it all that is above ring would be built again.
fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Runs a cargo command to its end.
///
/// # Errors
/// If it cannot be started or does not succeed; the error names the command line.
pub(crate) fn must(command: &mut Command, words: &[&str]) -> anyhow::Result<()> {
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}", words.join(" "));
    }
    Ok(())
}

/// The workspace's root, wherever the command was called.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_owned).context("xtask has no folder above it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_named_with_its_words() {
        let error = must(&mut Command::new("false"), &["fmt", "--check"]).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("`cargo fmt --check` ended with "), "{error}");
        assert!(must(&mut Command::new("true"), &[]).is_ok());
    }

    #[test]
    fn cargo_runs_in_the_folder_that_it_is_given() {
        let command = cargo(&["test", "--quiet"], Path::new("/w"));
        assert_eq!(command.get_current_dir(), Some(Path::new("/w")));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["test", "--quiet"]);
    }

    #[test]
    fn what_cargo_says_of_the_package_that_it_runs_is_not_handed_on() {
        let removed = cargo(&[], Path::new("/w"));
        let removed: Vec<_> =
            removed.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(removed.contains(&OsStr::new(name)), "{name} is set for a test, and stays");
        }
        assert!(!is_of_a_package(OsStr::new("CARGO_HOME")) && !is_of_a_package(OsStr::new("PATH")));
    }

    #[test]
    fn the_root_is_the_workspace() -> anyhow::Result<()> {
        let manifest = std::fs::read_to_string(root()?.join("Cargo.toml"))?;
        assert!(manifest.contains("[workspace]"));
        Ok(())
    }
}
