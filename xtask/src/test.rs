//! `cargo xtask test`: everything that must hold before a change goes in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;

use crate::examples::Mode;
use crate::{engine_tests, examples, lab};

/// Arguments of `test`.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Only the steps whose name contains this: format, clippy, docs, unit, journald, engine, examples
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The long rounds of the engine tests as well: every kill, every size, every suite
    #[arg(long)]
    long: bool,
    /// Write what the examples print into their pages, instead of comparing; read the diff afterwards
    #[arg(long)]
    bless: bool,
}

/// One step: its name, and what it runs.
struct Step {
    name: &'static str,
    run: fn(&Places) -> anyhow::Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: |p| p.cargo(&["fmt", "--all", "--check"], &[]) },
    Step {
        name: "clippy",
        run: |p| p.cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[]),
    },
    Step {
        name: "docs",
        run: |p| p.cargo(&["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")]),
    },
    Step { name: "unit", run: |p| p.cargo(&["test", "--workspace", "--exclude", "pvcheck-tests"], &[]) },
    Step { name: "journald", run: journald },
    Step { name: "engine", run: engine },
    Step { name: "examples", run: |p| examples::run(&p.root, &p.program, p.examples) },
];

/// Where things are.
struct Places {
    root: PathBuf,
    /// This program.
    program: PathBuf,
    /// Tests that could not be run leave a note here: a file by the test's name with the reason in it.
    not_run: PathBuf,
    /// Whether the engine tests go their long rounds.
    long: bool,
    /// Whether the examples' pages are compared or rewritten.
    examples: Mode,
}

/// Runs the steps in order, stops at the first that fails, and lists what was not run.
pub(crate) fn run(args: &Test) -> anyhow::Result<ExitCode> {
    let root = root()?;
    let not_run = root.join("target/not-run");
    if not_run.exists() {
        std::fs::remove_dir_all(&not_run).context("cannot clear target/not-run")?;
    }
    std::fs::create_dir_all(&not_run).context("cannot make target/not-run")?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let examples = if args.bless { Mode::Bless } else { Mode::Compare };
    let places = Places { root, program, not_run, long: args.long, examples };
    let wanted = |step: &&Step| args.only.as_ref().is_none_or(|only| step.name.contains(only.as_str()));
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    if steps.is_empty() {
        bail!("no step has that name; give format, clippy, docs, unit, journald, engine or examples");
    }
    let begun = Instant::now();
    for (n, step) in steps.iter().enumerate() {
        lab::say(&format!("== {} ({} of {})", step.name, n + 1, steps.len()));
        let since = Instant::now();
        (step.run)(&places).with_context(|| format!("step {} failed", step.name))?;
        lab::say(&format!("== {} held, {:.0} s", step.name, since.elapsed().as_secs_f32()));
    }
    let skipped = places.skipped()?;
    lab::say(&format!("== all {} steps held, {:.0} s", steps.len(), begun.elapsed().as_secs_f32()));
    for line in &skipped {
        lab::say(&format!("NOT RUN: {line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The reader of the systemd journal, which needs libsystemd to build.
fn journald(places: &Places) -> anyhow::Result<()> {
    let probe = Command::new("pkg-config").args(["--exists", "libsystemd"]).status();
    if probe.is_ok_and(|status| status.success()) {
        return places.cargo(&["test", "--package", "pvcheck-journal", "--features", "journald"], &[]);
    }
    let why = "libsystemd is not here; install libsystemd-dev and pkg-config";
    if std::env::var_os("PVCHECK_REQUIRE_ENGINE").is_some_and(|value| value != "0") {
        bail!("{why}");
    }
    std::fs::write(places.not_run.join("journald"), why).context("cannot write to target/not-run")
}

fn engine(places: &Places) -> anyhow::Result<()> {
    engine_tests::run(&places.root, &places.environment())
}

impl Places {
    fn cargo(&self, words: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(words).current_dir(&self.root);
        command.envs(self.environment()).envs(environment.iter().copied());
        let status = command.status().context("cannot run cargo")?;
        if !status.success() {
            bail!("`cargo {}` ended with {status}", words.join(" "));
        }
        Ok(())
    }

    /// What the tests are told.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut told = vec![("PVCHECK_NOT_RUN".into(), self.not_run.clone().into_os_string())];
        if self.long {
            told.push(("PVCHECK_LONG".into(), "1".into()));
        }
        told
    }

    /// What was not run, with the reason; nothing may be on this list where an engine is required.
    fn skipped(&self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(&self.not_run).context("cannot list target/not-run")? {
            let path = entry.context("cannot list target/not-run")?.path();
            let why = std::fs::read_to_string(&path).context("cannot read a note of target/not-run")?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            lines.push(format!("{name}: {why}"));
        }
        lines.sort();
        Ok(lines)
    }
}

/// The workspace's root, wherever the command was called.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_owned).context("xtask stands in no workspace")
}
