//! `cargo xtask lab up|down|list|exec`: private engines from the command line.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use pvcheck_lab::{Cancel, Lab, LabError, LabName, LabSpec, Progress, Suite, World};
use serde::Serialize;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Exit code of wrong arguments, as clap has it.
const USAGE: u8 = 2;

/// Exit code of what could not be tried here.
pub(crate) const NOT_TESTED: u8 = 3;

/// Exit code after an interruption, when everything is cleaned up.
pub(crate) const INTERRUPTED: u8 = 130;

/// What to do with labs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a lab and print its facts as one JSON object, for example `lab up --world cc-ci --name demo`
    Up(Up),
    /// Remove a lab and everything of it, for example `lab down demo`
    Down(Down),
    /// Print all labs as a JSON array
    List,
    /// Run a command inside a lab, for example `lab exec demo -- docker service ls`
    Exec(Exec),
}

/// Arguments of `lab up`.
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Engines that form the Swarm, all of them managers
    #[arg(long, default_value_t = 1, value_name = "N")]
    managers: usize,
    /// Engines beside them that have joined nothing
    #[arg(long, default_value_t = 0, value_name = "N")]
    spares: usize,
    /// Debian suite of the engine: bookworm, trixie or sid [default: the engine on PATH, else this machine's suite]
    #[arg(long, value_name = "SUITE")]
    engine: Option<Suite>,
    /// Name of the lab, up to 11 characters [default: made up]
    #[arg(long)]
    name: Option<LabName>,
    /// What runs on the Swarm: empty or cc-ci
    #[arg(long, default_value = "empty")]
    world: World,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// Arguments of `lab down`.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct Down {
    /// Names of labs
    names: Vec<LabName>,
    /// All labs that nobody will take down: their owner was killed, or their engines are gone
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

/// Runs one of the commands.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => up(args),
        Command::Down(args) => down(&args),
        Command::List => print(&Lab::list()?).map(|()| ExitCode::SUCCESS),
        Command::Exec(args) => exec(&args),
    }
}

fn up(args: Up) -> anyhow::Result<ExitCode> {
    let quiet = args.quiet;
    let spec = LabSpec {
        managers: args.managers,
        spares: args.spares,
        suite: args.engine,
        name: args.name,
        world: args.world,
        cancel: Cancel::default(),
    };
    match up_unless_interrupted(spec, quiet)? {
        Ok(lab) => {
            let info = lab.keep()?;
            // A lab that nobody has heard of would stay for ever.
            print(&info).or_else(|error| Lab::down_named(&info.name).map_err(Into::into).and(Err(error)))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(LabError::Cancelled) => Ok(ExitCode::from(INTERRUPTED)),
        Err(error @ LabError::SuiteNotOffered { .. }) => {
            say(&format!("{error}"));
            Ok(ExitCode::from(NOT_TESTED))
        }
        Err(error @ LabError::EngineCount { .. }) => {
            say(&format!("error: {error}"));
            Ok(ExitCode::from(USAGE))
        }
        Err(error) => Err(error.into()),
    }
}

/// The lab comes up on a thread of its own while this one listens for signals; a signal makes it stop and clean up.
pub(crate) fn up_unless_interrupted(spec: LabSpec, quiet: bool) -> anyhow::Result<Result<Lab, LabError>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let cancel = spec.cancel.clone();
        let (done, mut result) = oneshot::channel();
        let worker = std::thread::spawn(move || {
            // The receiver waits for exactly this.
            let _ = done.send(make(spec, quiet));
        });
        let result = loop {
            tokio::select! {
                result = &mut result => break result,
                Some(()) = interrupt.recv() => {},
                Some(()) = terminate.recv() => {},
                Some(()) = hangup.recv() => {},
            }
            if !cancel.is_cancelled() {
                cancel.cancel();
                say("interrupted; cleaning up");
            }
        };
        drop(worker);
        result.context("the lab's thread ended early")
    })
}

fn make(spec: LabSpec, quiet: bool) -> Result<Lab, LabError> {
    let cancel = spec.cancel.clone();
    let progress = |progress: Progress| {
        if !quiet {
            say(&format!("[{:5.1}s] {}", progress.elapsed.as_secs_f32(), progress.message));
        }
    };
    let lab = Lab::up(spec, &progress)?;
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

/// Becomes the command, so that signals and exit code are its own.
fn exec(args: &Exec) -> anyhow::Result<ExitCode> {
    let lab = Lab::attach(&args.name)?;
    let (program, rest) = args.command.split_first().context("no command given")?;
    let error = lab.command_on(args.manager, program).args(rest).exec();
    Err(error).context("cannot run nsenter")
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    writeln!(stdout)?;
    stdout.flush().map_err(Into::into)
}

pub(crate) fn say(line: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "{line}");
}
