//! `pvcheck embedded`.

use std::path::{Path, PathBuf};

use pvcheck_audit::EngineKind;
use pvcheck_sim::{Model, Refusal, Settings, Sim, SimOptions, incident, world};
use serde::Serialize;

use crate::args::{self, EmbeddedCommand, EmbeddedUp, Output, WorldChoice};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::report::Document;
use crate::session::interrupted;

/// The engine that was started, as JSON has it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Served {
    socket: PathBuf,
    host: String,
    world: WorldChoice,
    version: &'static str,
    managers: u8,
    seed: u64,
    /// As text, since that is how they are given.
    faults: Vec<String>,
}

impl Document for Served {
    const KIND: &'static str = "embedded-up";
}

pub(crate) async fn run(asked: &args::Embedded, printer: &Printer) -> Result<u8, Failure> {
    let EmbeddedCommand::Up(up) = &asked.what;
    tokio::select! {
        // First, so that a signal is waited for before there is a socket to be removed.
        biased;
        name = interrupted() => {
            printer.note(&format!("pvcheck: ended ({name}); the socket is removed"));
            Ok(0)
        }
        failure = serve(up, printer) => Err(failure),
    }
}

/// Serves until it is dropped; returns only if it cannot.
async fn serve(up: &EmbeddedUp, printer: &Printer) -> Failure {
    match started(up, printer).await {
        // The engine is kept: it ends when this future is dropped.
        Ok(_engine) => std::future::pending().await,
        Err(failure) => failure,
    }
}

async fn started(up: &EmbeddedUp, printer: &Printer) -> Result<Sim, Failure> {
    let socket = absolute(&up.socket)?;
    let (choice, managers) = (up.world, up.managers);
    let settings = Settings { engine: up.version, seed: up.seed, ..Settings::default() };
    // A full world takes a while.
    let built = tokio::task::spawn_blocking(move || model(choice, managers, settings)).await;
    let model = built.map_err(Failure::unknown)?.map_err(Failure::unknown)?;
    let options = SimOptions { socket: Some(socket), log_file: None, faults: up.fault.clone() };
    let engine = Sim::start(model, options)?;
    printer.done();
    printer.rests_on(EngineKind::Embedded);
    let served = Served {
        socket: engine.socket().to_owned(),
        host: engine.host(),
        world: up.world,
        version: up.version.version,
        managers,
        seed: up.seed,
        faults: up.fault.iter().map(ToString::to_string).collect(),
    };
    match printer.output() {
        Output::Json => printer.result(&served, String::new)?,
        _ => printer.print(&line(&served))?,
    }
    Ok(engine)
}

fn model(choice: WorldChoice, managers: u8, settings: Settings) -> Result<Model, Refusal> {
    let mut model = match choice {
        WorldChoice::CcCi => world::cc_ci_with(settings)?,
        WorldChoice::Incident => incident(settings)?,
        WorldChoice::Empty => Model::with_settings(settings),
    };
    for _ in 1..managers {
        model.add_node(true);
    }
    Ok(model)
}

/// The path from the root on, since the docker client takes no other; it has to be text, as a part of a URL.
fn absolute(socket: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(socket).ok().filter(|path| path.to_str().is_some());
    let wrong = || format!("--socket {}: give a path in UTF-8, such as /tmp/swarm.sock", socket.display());
    path.ok_or_else(|| Failure::usage(wrong()))
}

fn line(served: &Served) -> String {
    let Served { version, host, .. } = served;
    format!("embedded engine {version}, a model of a Swarm: DOCKER_HOST={host} docker service ls\n")
}
