//! `cargo xtask lab up|host|down|list|exec`: private engines and hosts from the command line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use pvcheck_lab::{
    Cancel, FaultProxy, FaultRule, Gate, HostSpec, Lab, LabError, LabName, LabSpec, Progress, ProgressSink,
    Router, Suite, World,
};
use serde::Serialize;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[cfg(test)]
mod tests;

/// Exit code of wrong arguments, as clap has it.
pub(crate) const USAGE: u8 = 2;

/// Exit code where this machine cannot run the test at all: the result is unknown, as in `pvcheck` itself.
pub(crate) const NOT_TESTED: u8 = 3;

/// Exit code after an interruption, when everything is cleaned up (128 + SIGINT, as shells have it).
pub(crate) const INTERRUPTED: u8 = 130;

/// What to do with labs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a lab and print its facts as one JSON object, for example `lab up --world cc-ci --name demo`
    Up(Up),
    /// Boot a whole host with systemd, whose units make the Swarm and deploy world cc-ci, for example `lab host --name demo`
    Host(Host),
    /// Remove a lab with its engines, namespaces and files, for example `lab down demo`
    Down(Down),
    /// Print all labs as a JSON array
    List,
    /// Serve the proxy of `lab up --fault`
    #[command(hide = true)]
    Proxy(Proxy),
    /// Run a command inside a lab, for example `lab exec demo -- docker service ls`
    Exec(Exec),
}

/// Arguments of `lab up`.
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Engines that form the Swarm, all of them managers
    #[arg(long, default_value_t = 1, value_name = "N")]
    managers: usize,
    /// Further engines that have joined no Swarm
    #[arg(long, default_value_t = 0, value_name = "N")]
    spares: usize,
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Name of the lab, up to 11 characters [default: made up]
    #[arg(long)]
    name: Option<LabName>,
    /// What runs on the Swarm: empty, cc-ci, or nodes, which has a router on each node
    #[arg(long, default_value = "empty")]
    world: World,
    /// What routes there: caddy, or traefik, which pip fetches
    #[arg(long, default_value = "caddy")]
    router: Router,
    /// Put a proxy in front of the first manager that breaks calls, for example 'GET /tasks: status 500, times 2'; may be
    /// repeated, docs/embedded.md has the kinds
    #[arg(long, value_name = "RULE")]
    fault: Vec<FaultRule>,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// Arguments of `lab host`.
#[derive(Args, Debug)]
pub(crate) struct Host {
    /// Name of the lab, up to 11 characters [default: made up]
    #[arg(long)]
    name: Option<LabName>,
    /// What deploy-proxy.service waits for, and how the dashboard's unit is ordered: router, dashboard (the boot hangs),
    /// dashboard-behind-bridge (it hangs too), dashboard-unordered, dashboard-first, or drone (it hangs too)
    #[arg(long, default_value = "router")]
    gate: Gate,
    /// Time that the gate has
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    gate_limit: u32,
    /// An empty Swarm instead of the world
    #[arg(long, conflicts_with_all = ["gate", "gate_limit"])]
    empty: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// Arguments of `lab proxy`.
#[derive(Args, Debug)]
pub(crate) struct Proxy {
    /// Where to listen
    #[arg(long)]
    socket: PathBuf,
    /// Socket of the engine
    #[arg(long)]
    engine: PathBuf,
    /// What goes wrong
    #[arg(long)]
    fault: Vec<FaultRule>,
}

/// Arguments of `lab down`.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct Down {
    /// Names of labs
    names: Vec<LabName>,
    /// All labs that are left over: their owner was killed, or their engines are gone
    #[arg(long)]
    stale: bool,
}

/// Arguments of `lab exec`.
#[derive(Args, Debug)]
pub(crate) struct Exec {
    /// Name of the lab
    name: LabName,
    /// Engine to run on, counted from 0; spares follow after the managers
    #[arg(long, default_value_t = 0, value_name = "N")]
    manager: usize,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// An error of a lab that the command expects: what it says on stderr, if anything, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) line: Option<String>,
    pub(crate) code: u8,
}

impl Ending {
    /// Maps an error to its ending.
    ///
    /// # Errors
    /// If the error is a fault rather than an expected ending; it is handed back unchanged.
    pub(crate) fn of(error: LabError) -> Result<Self, LabError> {
        match error {
            // The signal handler has printed a line already.
            LabError::Cancelled => Ok(Self { line: None, code: INTERRUPTED }),
            LabError::SuiteNotOffered { .. } => Ok(Self { line: Some(error.to_string()), code: NOT_TESTED }),
            LabError::EngineCount { .. } => Ok(Self { line: Some(format!("error: {error}")), code: USAGE }),
            other => Err(other),
        }
    }

    /// Prints the line to stderr and returns the code.
    pub(crate) fn exit(self) -> ExitCode {
        if let Some(line) = &self.line {
            say(line);
        }
        ExitCode::from(self.code)
    }
}

/// Runs one of the commands.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => up(args),
        Command::Host(args) => host(args),
        Command::Down(args) => down(&args),
        Command::List => print(&Lab::list()?).map(|()| ExitCode::SUCCESS),
        Command::Exec(args) => exec(&args),
        Command::Proxy(args) => proxy(args),
    }
}

impl Up {
    fn spec(self) -> LabSpec {
        LabSpec {
            managers: self.managers,
            spares: self.spares,
            suite: self.engine,
            name: self.name,
            world: self.world,
            router: self.router,
            cancel: Cancel::default(),
        }
    }
}

fn up(args: Up) -> anyhow::Result<ExitCode> {
    let (quiet, faults) = (args.quiet, args.fault.clone());
    match up_unless_interrupted(args.spec(), quiet)? {
        Ok(mut lab) => {
            if !faults.is_empty() {
                put_in_front(&mut lab, &faults)?;
            }
            keep(lab)
        }
        Err(error) => Ok(Ending::of(error)?.exit()),
    }
}

/// Leaves the lab up and prints its facts.
fn keep(lab: Lab) -> anyhow::Result<ExitCode> {
    let info = lab.keep()?;
    // A lab whose name never reached its user would run until the machine is restarted.
    print(&info).or_else(|error| Lab::down_named(&info.name).map_err(Into::into).and(Err(error)))?;
    Ok(ExitCode::SUCCESS)
}

impl Host {
    fn spec(self, pvcheck: PathBuf) -> HostSpec {
        HostSpec {
            name: self.name,
            gate: (!self.empty).then_some(self.gate),
            gate_limit: Duration::from_secs(self.gate_limit.into()),
            pvcheck: Some(pvcheck),
            cancel: Cancel::default(),
        }
    }
}

fn host(args: Host) -> anyhow::Result<ExitCode> {
    let quiet = args.quiet;
    // By the name of pvcheck this program is pvcheck.
    let spec = args.spec(std::env::current_exe().context("cannot find this program")?);
    let cancel = spec.cancel.clone();
    match unless_interrupted(&cancel, quiet, move |progress| Lab::boot(spec, progress))? {
        Ok(lab) => keep(lab),
        Err(error) => Ok(Ending::of(error)?.exit()),
    }
}

/// The proxy is this program, as a process that outlives this one.
fn put_in_front(lab: &mut Lab, faults: &[FaultRule]) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    lab.put_in_front(|socket, engine| {
        let mut command = process::Command::new(program);
        command.args(["lab", "proxy", "--socket"]).arg(socket).arg("--engine").arg(engine);
        command.args(faults.iter().map(|rule| format!("--fault={rule}")));
        command
    })?;
    Ok(())
}

fn proxy(args: Proxy) -> anyhow::Result<ExitCode> {
    FaultProxy::start(&args.socket, &args.engine, args.fault)?.serve();
    Ok(ExitCode::SUCCESS)
}

/// Starts a lab on a thread of its own while this one waits for signals. A signal cancels the start, and what was made so
/// far is removed before this returns.
///
/// # Errors
/// If the runtime or the signal handlers cannot be set up; the inner result is that of the lab.
pub(crate) fn up_unless_interrupted(spec: LabSpec, quiet: bool) -> anyhow::Result<Result<Lab, LabError>> {
    let cancel = spec.cancel.clone();
    unless_interrupted(&cancel, quiet, move |progress| Lab::up(spec, progress))
}

/// As [`up_unless_interrupted`], for whatever makes a lab and obeys `cancel`.
fn unless_interrupted(
    cancel: &Cancel,
    quiet: bool,
    start: impl FnOnce(ProgressSink<'_>) -> Result<Lab, LabError> + Send + 'static,
) -> anyhow::Result<Result<Lab, LabError>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (done, mut result) = oneshot::channel();
        let given_up = cancel.clone();
        // `Lab::up` blocks for most of a minute: on this thread no signal would be seen meanwhile.
        let worker = std::thread::spawn(move || {
            // The receiver cannot be gone: the loop below ends only with this value.
            let _ = done.send(make(&given_up, quiet, start));
        });
        let result = loop {
            tokio::select! {
                result = &mut result => break result,
                Some(()) = interrupt.recv() => {},
                Some(()) = terminate.recv() => {},
                Some(()) = hangup.recv() => {},
            }
            // A second signal changes nothing: half a clean-up would leave mounts and namespaces behind.
            if !cancel.is_cancelled() {
                cancel.cancel();
                say("interrupted; cleaning up");
            }
        };
        drop(worker);
        result.context("the lab's thread ended early")
    })
}

/// A line of progress with the seconds since `lab up` began.
fn stamped(elapsed: Duration, message: &str) -> String {
    format!("[{:5.1}s] {message}", elapsed.as_secs_f32())
}

fn make(
    cancel: &Cancel,
    quiet: bool,
    start: impl FnOnce(ProgressSink<'_>) -> Result<Lab, LabError>,
) -> Result<Lab, LabError> {
    let progress = |progress: Progress| {
        if !quiet {
            say(&stamped(progress.elapsed, &progress.message));
        }
    };
    let lab = start(&progress)?;
    // The signal may have come after the last check on the way up.
    if cancel.is_cancelled() {
        lab.down()?;
        return Err(LabError::Cancelled);
    }
    Ok(lab)
}

fn down(args: &Down) -> anyhow::Result<ExitCode> {
    for name in &args.names {
        Lab::down_named(name)?;
    }
    if args.stale {
        for name in Lab::down_stale()? {
            say(&format!("removed {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Replaces this process by the command (execve(2)), so that signals and the exit code are those of the command.
fn exec(args: &Exec) -> anyhow::Result<ExitCode> {
    let lab = Lab::attach(&args.name)?;
    let (program, rest) = args.command.split_first().context("no command given")?;
    let error = lab.command_on(args.manager, program).args(rest).exec();
    Err(error).context("cannot run nsenter")
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    write_json(&mut io::stdout().lock(), value)
}

/// One JSON document on a line of its own, so that a script can read it with one call.
fn write_json(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush().map_err(Into::into)
}

/// A line on stderr; stdout is for results.
pub(crate) fn say(line: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "{line}");
}
