//! `cargo xtask teeth`: a healthy world is broken in one way after the other, and every check of the gates beside each.

use std::process::ExitCode;

use pvcheck_lab::Lab;

use crate::lab;
use crate::workspace::{cargo, must, root};

/// Break a healthy world in one way after the other, and print which checks change
#[derive(Debug, clap::Args)]
pub(crate) struct Teeth {
    /// The embedded engine and recorded facts only, without a real one
    #[arg(long)]
    embedded: bool,
}

/// Runs the matrix on facts and on the embedded engine, then on a real one.
///
/// # Errors
/// If a cell is wrong, or the tests cannot be built.
pub(crate) fn run(args: &Teeth) -> anyhow::Result<ExitCode> {
    let root = root()?;
    let test = |words: &[&str]| {
        let words = [&["test", "--quiet"], words, &["--", "--nocapture", "--test-threads", "1"]].concat();
        must(&mut cargo(&words, &root), &words)
    };
    lab::say("== recorded facts and the embedded engine");
    test(&["--package", "pvcheck-gates", "--test", "gates", "teeth::"])?;
    if args.embedded {
        return Ok(ExitCode::SUCCESS);
    }
    if let Err(why) = Lab::available() {
        lab::say(&format!("NOT RUN on a real engine: {why}"));
        let is_required = std::env::var_os("PVCHECK_REQUIRE_ENGINE").is_some_and(|value| value != "0");
        return Ok(if is_required { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    lab::say("== a real engine");
    // The tests start these programs.
    must(
        &mut cargo(&["build", "--quiet", "--package", "xtask", "--package", "pvcheck-cli"], &root),
        &["build"],
    )?;
    test(&["--package", "pvcheck-tests", "--test", "teeth"])?;
    Ok(ExitCode::SUCCESS)
}
