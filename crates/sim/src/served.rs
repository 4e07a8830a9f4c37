//! A world as a whole: an engine, a router in front of its services, and files that describe both.

mod config;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::model::Model;
use crate::router::{Router, RouterError};
use crate::server::{Sim, SimOptions, StartError};
use crate::world::DOMAIN;

/// How a [`ServedWorld`] is started.
#[derive(Clone, Debug, Default)]
pub struct WorldOptions {
    /// Path of the engine's socket; `docker.sock` in the world's folder where absent.
    pub socket: Option<PathBuf>,
    /// The folder for the world's files; it must exist. Where absent, a temporary one is made and removed again.
    pub folder: Option<PathBuf>,
}

/// Why a [`ServedWorld`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] StartError),
    /// The router did not start.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// A file of the world could not be written.
    #[error("could not write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A running world: the model behind a socket, its router, and in a folder the engine's log (`dockerd.log`), the router's
/// authority (`ca.pem`) and what is to be expected of the world (`pvcheck.toml`). Dropping it ends all of it, and removes the
/// folder if it is temporary.
///
/// ```
/// use pvcheck_sim::{ServedWorld, WorldOptions, world};
///
/// let world = ServedWorld::start(world::cc_ci().expect("a world"), &WorldOptions::default())?;
/// assert!(world.config().is_file());
/// assert!(world.router().ip().is_loopback());
/// # Ok::<(), pvcheck_sim::WorldError>(())
/// ```
#[derive(Debug)]
pub struct ServedWorld {
    // The router goes first: it asks the engine.
    router: Router,
    sim: Arc<Sim>,
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl ServedWorld {
    /// Starts serving a model with its router. The configuration expects what the model is at this moment: its services, on
    /// the first overlay that is not `ingress`, and the routes that their labels make.
    ///
    /// # Errors
    /// If engine or router do not start, or a file cannot be written. Then nothing is left running.
    pub fn start(model: Model, options: &WorldOptions) -> Result<Self, WorldError> {
        let (temporary, folder) = place(options.folder.as_deref())?;
        let log = folder.join("dockerd.log");
        let socket = options.socket.clone().unwrap_or_else(|| folder.join("docker.sock"));
        let sim = Sim::start(
            model,
            SimOptions { socket: Some(socket), log_file: Some(log.clone()), faults: Vec::new() },
        )?;
        let sim = Arc::new(sim);
        let router = Router::start(Arc::clone(&sim), &names())?;
        let world = Self { router, sim, folder, _temporary: temporary };
        world.write("ca.pem", world.router.ca())?;
        let config = world.sim.with_model(|model| config::render(model, &world.ca(), &log, world.router()));
        let config = config
            .map_err(|source| WorldError::File { path: world.config(), source: io::Error::other(source) })?;
        world.write("pvcheck.toml", &config)?;
        Ok(world)
    }

    /// The engine.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Where the router listens.
    pub fn router(&self) -> SocketAddr {
        self.router.address()
    }

    /// The router's certificate authority, a PEM file.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// What is to be expected of the world, a pvcheck.toml.
    pub fn config(&self) -> PathBuf {
        self.folder.join("pvcheck.toml")
    }

    /// The engine's log, a file.
    pub fn log(&self) -> PathBuf {
        self.folder.join("dockerd.log")
    }

    fn write(&self, name: &str, text: &str) -> Result<(), WorldError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|source| WorldError::File { path, source })
    }
}

/// The names that the router's certificate is for: the world's domain, its services, its canaries.
fn names() -> Vec<String> {
    ["", "*.", "*.canary."].map(|prefix| format!("{prefix}{DOMAIN}")).to_vec()
}

fn place(folder: Option<&Path>) -> Result<(Option<TempDir>, PathBuf), WorldError> {
    if let Some(folder) = folder {
        // The log is read from another working directory, perhaps.
        let absolute = std::path::absolute(folder);
        let path = absolute.map_err(|source| WorldError::File { path: folder.to_owned(), source })?;
        return Ok((None, path));
    }
    let dir = tempfile::Builder::new().prefix("pvcheck-sim").tempdir().map_err(StartError::Directory)?;
    let path = dir.path().to_owned();
    Ok((Some(dir), path))
}
