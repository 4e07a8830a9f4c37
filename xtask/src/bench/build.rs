//! What is measured is built for release, and results stand in the target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::{lab, workspace};

/// Builds for release, as a user would have it, and returns the folder of the results. A debug build measures nothing.
pub(super) fn release_build(what: &[&str]) -> anyhow::Result<PathBuf> {
    lab::say("building for release");
    let mut command = workspace::cargo(&["build", "--release", "--quiet"], &workspace::root()?);
    command.args(what);
    if !command.status().context("cannot run cargo")?.success() {
        bail!("the release build failed");
    }
    Ok(target()?.join("release"))
}

/// The target folder that this program was built into.
pub(super) fn target() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let target = target_of(&program).context("this program is not in a target folder; run it with cargo")?;
    Ok(target.to_owned())
}

/// `target` of `target/debug/xtask`.
fn target_of(program: &Path) -> Option<&Path> {
    program.parent().and_then(Path::parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_two_above_the_program() {
        assert_eq!(target_of(Path::new("/w/target/debug/xtask")), Some(Path::new("/w/target")));
        assert_eq!(target_of(Path::new("xtask")), None);
    }
}
