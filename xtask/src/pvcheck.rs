//! `cargo xtask pvcheck`: a Swarm, checked end to end; a real one where this machine can run it, else the embedded one.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use pvcheck_lab::{Lab, LabSpec, World};
use tokio::signal::unix::{SignalKind, signal};

use self::engine::{Chosen, EngineChoice, Refused, Situation, choose, instead};
use crate::lab;

mod engine;
#[cfg(test)]
mod tests;

/// First argument with which this program runs as `pvcheck` itself. The gates run inside the network namespace of a lab,
/// because its routes exist only there, and this program is the one binary that is certain to be built.
pub(crate) const INSIDE: &str = "as-pvcheck";

/// True iff this program was called by the name of `pvcheck`, as on a host of a lab.
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "pvcheck")
}

/// Arguments of `pvcheck`.
#[derive(Args, Debug)]
pub(crate) struct Pvcheck {
    /// How throwaway stacks are removed: drained (leaks nothing) or stack-rm (as `docker stack rm`, which leaks)
    #[arg(long, default_value = "drained", value_parser = ["drained", "stack-rm"])]
    order: String,
    /// The engine: a Debian suite (bookworm, trixie or sid), or embedded, a model that needs neither root nor Docker [default:
    /// the engine on PATH, else this machine's suite, else embedded]
    #[arg(long, value_name = "SUITE|embedded", conflicts_with = "host")]
    engine: Option<EngineChoice>,
    /// Run the same gates on this Swarm instead of a lab; needs --config
    #[arg(long, value_name = "URL", requires = "config")]
    host: Option<String>,
    /// What is expected of that Swarm
    #[arg(long, value_name = "FILE", requires = "host")]
    config: Option<PathBuf>,
    /// Leave the lab up and print its name
    #[arg(long, conflicts_with = "host")]
    keep: bool,
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "target/pvcheck")]
    out: PathBuf,
}

/// Runs both gates, in a lab, on the embedded engine or on the Swarm of `--host`, and returns their exit code.
pub(crate) fn run(args: &Pvcheck) -> anyhow::Result<ExitCode> {
    if let (Some(host), Some(config)) = (&args.host, &args.config) {
        return Ok(gates_here(on_swarm(args, host, config)?));
    }
    let required = std::env::var_os("PVCHECK_REQUIRE_ENGINE").is_some_and(|value| value != "0");
    let chosen = choose(Situation {
        asked: args.engine,
        keep: args.keep,
        available: Lab::available(),
        on_path: Lab::has_engine_on_path(),
        required,
    });
    match chosen {
        Ok(real @ Chosen::Real(_)) => lab::say(&real.to_string()),
        other => return on_chosen(args, other),
    }
    let suite = args.engine.and_then(EngineChoice::suite);
    let spec = LabSpec { suite, world: World::CcCi, ..LabSpec::default() };
    match lab::up_unless_interrupted(spec, false)? {
        Ok(lab) => in_lab(lab, args),
        // Only now is it known that no package can be fetched.
        Err(why) if why.is_of_the_machine() && args.engine.is_none() => {
            on_chosen(args, instead(why, required, args.keep))
        }
        Err(error) => Ok(lab::Ending::of(error)?.exit()),
    }
}

/// Runs the gates on the embedded engine, or says why on none.
fn on_chosen(args: &Pvcheck, chosen: Result<Chosen, Refused>) -> anyhow::Result<ExitCode> {
    match chosen {
        Ok(chosen) => {
            lab::say(&chosen.to_string());
            let code = gates_here(on_embedded(args)?);
            lab::say(&format!("reports: {}", args.out.display()));
            Ok(code)
        }
        Err(refused) => {
            lab::say(&refused.to_string());
            Ok(ExitCode::from(refused.code()))
        }
    }
}

/// Runs the gates in this process.
fn gates_here(arguments: Vec<OsString>) -> ExitCode {
    pvcheck_cli::main(std::iter::once("pvcheck".into()).chain(arguments))
}

fn in_lab(lab: Lab, args: &Pvcheck) -> anyhow::Result<ExitCode> {
    let outcome = gates_in(&lab, args);
    // A lab in which the gates could not even be started is of no use to inspect, so --keep does not hold for it.
    if args.keep && outcome.is_ok() {
        let info = lab.keep()?;
        lab::say(&format!("lab {} stays up; `cargo xtask lab down {}` removes it", info.name, info.name));
        return outcome;
    }
    lab::say("taking the lab down");
    lab.down()?;
    outcome
}

/// Runs the gates as a process of its own in the network namespace of the lab, where its routes are.
fn gates_in(lab: &Lab, args: &Pvcheck) -> anyhow::Result<ExitCode> {
    let info = lab.info();
    let host = info.hosts.first().context("the lab has no engine")?;
    let config = info.config.as_deref().context("the lab's world has no configuration")?;
    let mut command = lab.command(std::env::current_exe().context("cannot find this program")?);
    command.arg(INSIDE).args(on_swarm(args, host, config)?);
    let code = wait_forwarding(&mut command)?;
    lab::say(&format!("reports: {}", args.out.display()));
    Ok(ExitCode::from(code))
}

/// The command line of the gates on this Swarm, without the program's name.
fn on_swarm(args: &Pvcheck, host: &str, config: &Path) -> anyhow::Result<Vec<OsString>> {
    let mut arguments = gate_arguments(args)?;
    arguments.extend(["--host".into(), host.into(), "--config".into(), config.into()]);
    Ok(arguments)
}

/// As [`on_swarm`], on the embedded engine, whose world brings its configuration.
fn on_embedded(args: &Pvcheck) -> anyhow::Result<Vec<OsString>> {
    let mut arguments = gate_arguments(args)?;
    arguments.extend(["--engine".into(), "embedded".into()]);
    Ok(arguments)
}

fn gate_arguments(args: &Pvcheck) -> anyhow::Result<Vec<OsString>> {
    // The process in the lab may have another working directory.
    let out = std::path::absolute(&args.out).context("cannot resolve --out")?;
    let mut arguments: Vec<OsString> =
        ["gate", "run", "pvcheck.m1", "pvcheck.m2", "--apply"].iter().map(Into::into).collect();
    // Without a census, engines before Docker 29 leave it unknown what is leaked already, and so the gate.
    arguments.extend(["--probe", "--order", &args.order].iter().map(OsString::from));
    arguments.extend(["--out".into(), out.into()]);
    Ok(arguments)
}

/// Starts the gates and waits until they end. A signal is passed on to them; they clean up and end.
fn wait_forwarding(command: &mut Command) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The handlers come first: a signal between the start of the gates and a later handler would end this process and
        // leave the lab up.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = command.spawn().context("cannot run the gates in the lab")?;
        // The lab hands out a std command, whose end tokio cannot await; 50 ms is short compared with any gate.
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    if let Some(status) = child.try_wait()? {
                        return Ok(code_of(status.code()));
                    }
                }
                Some(()) = interrupt.recv() => pass_on(&child)?,
                Some(()) = terminate.recv() => pass_on(&child)?,
                Some(()) = hangup.recv() => pass_on(&child)?,
            }
        }
    })
}

/// The exit code to hand on. A process that a signal ended has none: it was interrupted.
fn code_of(code: Option<i32>) -> u8 {
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(lab::INTERRUPTED)
}

/// Asks the gates to clean up and end. Ctrl-C on a terminal has reached them already; a second one does no harm.
fn pass_on(child: &Child) -> anyhow::Result<()> {
    let raw = i32::try_from(child.id()).context("a process id out of range")?;
    let Some(pid) = rustix::process::Pid::from_raw(raw) else { bail!("a process without an id") };
    match rustix::process::kill_process(pid, rustix::process::Signal::TERM) {
        // ESRCH: they have ended since the last tick.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("cannot reach the gates"),
    }
}

/// Becomes `pvcheck`: the arguments after [`INSIDE`], or after the program's name.
pub(crate) fn inside(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // What was printed so far is visible before a long step begins.
    let _ = std::io::stderr().flush();
    pvcheck_cli::main(std::iter::once("pvcheck".into()).chain(arguments))
}
