//! `cargo xtask test`: everything that must hold before a change goes in.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::examples::Mode;
use crate::programs::PACKAGES;
use crate::workspace::{cargo, must, root};
use crate::{engine_tests, examples, lab, unit_tests};

#[cfg(test)]
mod tests;

/// Arguments of `test`.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Only the steps whose name contains this: format, clippy, docs, unit, journald, engine, pages, examples
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The long rounds of the engine tests as well: every kill, every size, every suite
    #[arg(long)]
    long: bool,
    /// Write generated tables and what the examples print into their pages, instead of comparing; read the diff afterwards
    #[arg(long)]
    bless: bool,
}

/// One step: its name, and what it runs.
struct Step {
    name: &'static str,
    run: fn(&Places) -> anyhow::Result<()>,
}

/// In this order, because a step that fails ends the run: the quickest answer comes first.
const STEPS: &[Step] = &[
    Step { name: "format", run: |p| p.cargo(&["fmt", "--all", "--check"], &[]) },
    Step {
        name: "clippy",
        run: |p| p.cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[]),
    },
    // rustdoc only warns of a link that leads nowhere.
    Step {
        name: "docs",
        run: |p| p.cargo(&["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")]),
    },
    Step { name: "unit", run: |p| unit_tests::run(&p.root, &p.environment()) },
    Step { name: "journald", run: journald },
    Step { name: "engine", run: |p| engine_tests::run(&p.root, &p.environment()) },
    Step { name: "pages", run: pages },
    Step { name: "examples", run: |p| examples::run(&p.root, &p.program, p.examples) },
];

/// What every step needs to know.
struct Places {
    root: PathBuf,
    /// This program.
    program: PathBuf,
    /// A test that could not be run leaves a note here: a file by the test's name with the reason in it.
    not_run: PathBuf,
    /// True iff the engine tests go their long rounds.
    long: bool,
    /// Whether the pages of the examples are compared or rewritten.
    examples: Mode,
}

/// Runs the steps in order, stops at the first that fails, and lists what was not run.
pub(crate) fn run(args: &Test) -> anyhow::Result<ExitCode> {
    let steps = selected(args.only.as_deref())?;
    let root = root()?;
    let not_run = root.join("target/not-run");
    if not_run.exists() {
        // A note of an earlier run would be read as one of this run.
        std::fs::remove_dir_all(&not_run).context("cannot clear target/not-run")?;
    }
    std::fs::create_dir_all(&not_run).context("cannot make target/not-run")?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let examples = if args.bless { Mode::Bless } else { Mode::Compare };
    let places = Places { root, program, not_run, long: args.long, examples };
    let begun = Instant::now();
    run_steps(&steps, &places, &|line| lab::say(line))?;
    for line in closing(steps.len(), begun.elapsed(), &notes(&places.not_run)?) {
        lab::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// The steps whose name contains `only`, in their order; all of them without it.
///
/// # Errors
/// If no step has such a name; the error lists the names.
fn selected(only: Option<&str>) -> anyhow::Result<Vec<&'static Step>> {
    let steps: Vec<_> =
        STEPS.iter().filter(|step| only.is_none_or(|only| step.name.contains(only))).collect();
    if steps.is_empty() {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step is called {}; give one of {}", only.unwrap_or_default(), names.join(", "));
    }
    Ok(steps)
}

fn run_steps(steps: &[&Step], places: &Places, say: &dyn Fn(&str)) -> anyhow::Result<()> {
    for (n, step) in steps.iter().enumerate() {
        say(&format!("== {} ({} of {})", step.name, n + 1, steps.len()));
        let since = Instant::now();
        (step.run)(places).with_context(|| format!("step {} failed", step.name))?;
        say(&format!("== {} held, {:.0} s", step.name, since.elapsed().as_secs_f32()));
    }
    Ok(())
}

/// The last lines of a run that held: the total, then each test that was not run, so that it is not overlooked.
fn closing(steps: usize, took: Duration, notes: &[String]) -> Vec<String> {
    let total = format!("== all {steps} steps held, {:.0} s", took.as_secs_f32());
    std::iter::once(total).chain(notes.iter().map(|note| format!("NOT RUN: {note}"))).collect()
}

/// What was not run and why, by name: one file of `folder` for each test.
fn notes(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).context("cannot list target/not-run")? {
        let path = entry.context("cannot list target/not-run")?.path();
        let why = std::fs::read_to_string(&path).context("cannot read a note of target/not-run")?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        lines.push(format!("{name}: {why}"));
    }
    lines.sort();
    Ok(lines)
}

/// The tables of pages, the schemas in docs/schemas and the example of a bundle, all written from the code. Step unit compares them too; this one can
/// write them.
fn pages(places: &Places) -> anyhow::Result<()> {
    let bless = ("PVCHECK_BLESS", if places.examples == Mode::Bless { "1" } else { "" });
    // Of the same packages as step unit, so that nothing is built again with other features.
    let written = |test: &str, filter: &[&str]| {
        let words = [&["test", "--quiet"], PACKAGES, &["--test", test], filter].concat();
        places.cargo(&words, &[bless])
    };
    written("pages", &[])?;
    written("cli", &["the_committed_schemas"])
}

/// The reader of the systemd journal, which needs libsystemd to build.
fn journald(places: &Places) -> anyhow::Result<()> {
    let probe = Command::new("pkg-config").args(["--exists", "libsystemd"]).status();
    if probe.is_ok_and(|status| status.success()) {
        places.cargo(&["check", "--package", "pvcheck-cli", "--features", "journald"], &[])?;
        return places.cargo(&["test", "--package", "pvcheck-journal", "--features", "journald"], &[]);
    }
    let required = std::env::var_os("PVCHECK_REQUIRE_ENGINE");
    skip(
        &places.not_run,
        "journald",
        "libsystemd is missing; install libsystemd-dev and pkg-config",
        required.as_deref(),
    )
}

/// Leaves a note that a step was not run.
///
/// # Errors
/// If `required` (the value of `PVCHECK_REQUIRE_ENGINE`) says that nothing may be left out, or the note cannot be written.
fn skip(folder: &Path, name: &str, why: &str, required: Option<&OsStr>) -> anyhow::Result<()> {
    // The same reading of the variable as in the engine tests: set, and not 0.
    if required.is_some_and(|value| value != "0") {
        bail!("{why}");
    }
    std::fs::write(folder.join(name), why).context("cannot write to target/not-run")
}

impl Places {
    fn cargo(&self, words: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut command = cargo(words, &self.root);
        command.envs(self.environment()).envs(environment.iter().copied());
        must(&mut command, words)
    }

    /// What the tests read from their environment.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut variables = vec![("PVCHECK_NOT_RUN".into(), self.not_run.clone().into_os_string())];
        if self.long {
            variables.push(("PVCHECK_LONG".into(), "1".into()));
        }
        variables
    }
}
