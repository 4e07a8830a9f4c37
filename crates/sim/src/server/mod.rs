//! The model behind a unix socket.

mod events;
mod handle;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::fault::{FaultRule, Faults};
use crate::model::Model;

/// How often the model's time is brought up to the clock's between requests.
const TICK: Duration = Duration::from_millis(5);

/// How a [`Sim`] is started.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// Path of the socket; without it a temporary directory is made for it and removed again.
    pub socket: Option<PathBuf>,
    /// File that the engine's log is appended to.
    pub log_file: Option<PathBuf>,
    /// Faults from the first call on, as by [`Sim::inject`].
    pub faults: Vec<FaultRule>,
}

/// One request that came in, whatever was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The HTTP method.
    pub method: String,
    /// Path and query, with the version prefix if there was one.
    pub target: String,
}

/// Why a [`Sim`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The temporary directory for the socket could not be made.
    #[error("could not make a directory for the socket")]
    Directory(#[source] io::Error),
    /// The socket could not be bound: the path exists, is too long (107 bytes), or may not be written.
    #[error("cannot listen on {path}: {}", why_not(source))]
    Listen {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log file could not be opened.
    #[error("could not open the log file {path}")]
    LogFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server's thread or runtime could not be started.
    #[error("could not start the server")]
    Runtime(#[source] io::Error),
}

/// A running engine: the model, driven by the real clock, behind a unix socket. It runs on a thread of its own, so
/// it works in and outside of async code; dropping it stops the thread and removes the socket.
///
/// ```
/// use pvcheck_sim::{Model, Sim, SimOptions};
///
/// let sim = Sim::start(Model::new(), SimOptions::default())?;
/// assert!(sim.host().starts_with("unix://"));
/// let networks = sim.with_model(|model| model.truth().networks.len());
/// assert_eq!(networks, 1, "ingress");
/// # Ok::<(), pvcheck_sim::StartError>(())
/// ```
#[derive(Debug)]
pub struct Sim {
    shared: Arc<Shared>,
    socket: PathBuf,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    _dir: Option<TempDir>,
}

/// What the server's thread and the owner of a [`Sim`] share.
#[derive(Debug)]
struct Shared {
    engine: Mutex<Running>,
    requests: Mutex<Vec<RequestRecord>>,
    faults: Mutex<Faults>,
}

/// The model and what ties it to the clock and the log file.
#[derive(Debug)]
struct Running {
    model: Model,
    started: Instant,
    /// The model's time when it was started.
    base: Duration,
    log: Option<File>,
    logged: u64,
}

impl Running {
    /// Brings the model's time up to the clock's.
    fn catch_up(&mut self) {
        let now = self.base.saturating_add(self.started.elapsed());
        self.model.advance_to(now);
        self.write_log();
    }

    /// A log file that cannot be written (a full disk) loses lines and affects nothing else; the model keeps
    /// them.
    fn write_log(&mut self) {
        let (lines, end) = self.model.log_since(self.logged);
        if let Some(log) = &mut self.log {
            for line in lines {
                let _ = writeln!(log, "{line}");
            }
        }
        self.logged = end;
    }
}

impl Sim {
    /// Starts serving a model. Its time goes on from where it is, and its wall clock is set to now.
    ///
    /// # Errors
    /// If the socket cannot be bound, the log file not be opened, or the server's thread not be started.
    pub fn start(model: Model, options: SimOptions) -> Result<Self, StartError> {
        let (dir, socket) = place(options.socket)?;
        let log = options.log_file.map(|path| open_log(&path)).transpose()?;
        let listener = listen(&socket)?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(running(model, log)),
            requests: Mutex::new(Vec::new()),
            faults: Mutex::new(Faults::new(options.faults)),
        });
        let (stop, stopped) = watch::channel(false);
        // A runtime on a thread of its own: a caller may be async or not, and dropping a runtime within another
        // panics.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Runtime)?;
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("pvcheck-sim".to_owned());
        let thread = thread.spawn(move || runtime.block_on(handle::serve(served, listener, stopped)));
        let thread = Some(thread.map_err(StartError::Runtime)?);
        Ok(Self { shared, socket, stop, thread, _dir: dir })
    }

    /// The engine's address, as `DOCKER_HOST` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Reads or changes the model at the present moment; requests wait meanwhile.
    pub fn with_model<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        let mut running = lock(&self.shared.engine);
        running.catch_up();
        let result = act(&mut running.model);
        running.write_log();
        result
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.shared.requests).clear();
    }

    /// Adds a fault to what comes next. Rules are tried in the order in which they were added; the first that
    /// fits a request is used.
    pub fn inject(&self, rule: FaultRule) {
        lock(&self.shared.faults).add(rule);
    }

    /// Removes all faults. Requests that stall already stay stalled.
    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread was printed there; there is nothing left to stop.
            let _ = thread.join();
        }
        // A socket in a temporary directory goes with it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The socket's path, and the temporary directory that was made for it.
fn place(socket: Option<PathBuf>) -> Result<(Option<TempDir>, PathBuf), StartError> {
    if let Some(socket) = socket {
        return Ok((None, socket));
    }
    let dir = tempfile::Builder::new().prefix("pvcheck-sim").tempdir().map_err(StartError::Directory)?;
    let socket = dir.path().join("docker.sock");
    Ok((Some(dir), socket))
}

fn open_log(path: &Path) -> Result<File, StartError> {
    let opened = File::options().create(true).append(true).open(path);
    opened.map_err(|source| StartError::LogFile { path: path.to_owned(), source })
}

/// What to do about a socket that cannot be bound.
fn why_not(source: &io::Error) -> String {
    let why = match source.kind() {
        io::ErrorKind::AddrInUse => {
            "it is there already; give another path, or remove it if no engine serves it"
        }
        io::ErrorKind::InvalidInput => "the path is too long; a socket's path has at most 107 bytes",
        io::ErrorKind::NotFound => "there is no such folder; make it, or give another path",
        _ => return source.to_string(),
    };
    why.to_owned()
}

fn listen(socket: &Path) -> Result<UnixListener, StartError> {
    let failed = |source| StartError::Listen { path: socket.to_owned(), source };
    let listener = UnixListener::bind(socket).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn running(mut model: Model, log: Option<File>) -> Running {
    let base = model.now();
    model.set_clock(Timestamp::now());
    Running { model, started: Instant::now(), base, log, logged: 0 }
}

/// Ignores poisoning: a test that failed while it held the lock still wants to read the model.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
