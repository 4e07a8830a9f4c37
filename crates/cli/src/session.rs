//! What commands share: the connection, the configuration, and what an interruption leads to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, SavedSnapshot, Snapshot};
use pvcheck_gates::Config;
use pvcheck_sim::ServedWorld;
use pvcheck_swarm::{CallError, ConnectError, Engine, Host, Operation, read_counts, sweep_run};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, EngineChoice};
use crate::embedded::embedded;
use crate::failure::{Failure, INTERRUPTED, NOT_DONE, REFUSED, USAGE};
use crate::files;
use crate::printer::Printer;

/// The deadline of a call while a reclaim is resumed: an engine without a quorum answers late or never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The configuration that is read where none is named.
const DEFAULT_CONFIG: &str = "pvcheck.toml";

/// A connection to an engine. An embedded engine ends with it.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    embedded: Option<ServedWorld>,
}

impl Session {
    pub(crate) async fn open(args: &Args, printer: &Printer) -> Result<Self, Failure> {
        Ok(Self::open_if_answered(args, false, printer).await??)
    }

    /// As [`Session::open`]; the inner error says why no manager answers. One that `may_be_demoted` need not be one at the moment.
    pub(crate) async fn open_if_answered(
        args: &Args,
        may_be_demoted: bool,
        printer: &Printer,
    ) -> Result<Result<Self, ConnectError>, Failure> {
        let (host, embedded) = place(args).await?;
        Ok(manager(&host, may_be_demoted).await.map(|engine| {
            printer.rests_on(engine.kind());
            Self { engine, embedded }
        }))
    }

    /// As [`Session::open`], and reads the Swarm along with it, which takes less than one after the other.
    async fn open_and_read(
        args: &Args,
        printer: &Printer,
    ) -> Result<(Self, Result<Snapshot, CallError>), Failure> {
        let (host, embedded) = place(args).await?;
        let (engine, snapshot) = Engine::connect_and_read(&host).await?;
        printer.rests_on(engine.kind());
        Ok((Self { engine, embedded }, snapshot))
    }

    /// As [`Session::open`], for an engine that may not be a manager at the moment.
    pub(crate) async fn reach(args: &Args, printer: &Printer) -> Result<Self, Failure> {
        if args.global.engine.is_some() {
            return Self::open(args, printer).await;
        }
        Ok(Self { engine: Engine::reach(&host(args)?, PATIENCE).await?, embedded: None })
    }

    /// The configuration that is given, else that of the embedded engine's world.
    pub(crate) fn config(&self, args: &Args, given: Option<Config>) -> Result<Config, Failure> {
        match (given, &self.embedded) {
            (None, Some(world)) => config_of(&world.config()),
            (Some(config), _) => Ok(config),
            (None, None) => config(args),
        }
    }

    /// Reads a snapshot, and the allocator's own counts where the engine has them (API 1.52 and later).
    pub(crate) async fn counted(&self) -> Result<(Snapshot, AllocatorCounts), Failure> {
        let snapshot = self.engine.snapshot().await?;
        let counts = read_counts(&self.engine, &snapshot).await;
        Ok((snapshot, counts))
    }

    /// Reads a snapshot of the Swarm and of the host. The embedded engine is on no host, so this machine's addresses and
    /// routes are left out.
    pub(crate) async fn snapshot_with_host(&self) -> Result<SavedSnapshot, Failure> {
        Ok(pvcheck_swarm::read_with_host(&self.engine).await?)
    }
}

/// Where the engine is, and the file of the configuration if there is one: that of `--config`, else the embedded engine's own,
/// else `./pvcheck.toml` if it is there. Nothing is asked.
pub(crate) async fn whereabouts(args: &Args) -> Result<Whereabouts, Failure> {
    let embedded = match args.global.engine {
        Some(EngineChoice::Embedded) => Some(embedded().await?),
        None => None,
    };
    let host = match &embedded {
        Some(world) => world.sim().host().parse::<Host>().map_err(Failure::unknown)?,
        None => host(args)?,
    };
    let config = match &embedded {
        Some(world) if args.global.config.is_none() => Some(world.config()),
        _ if has_config(args) => Some(config_path(args).to_owned()),
        _ => None,
    };
    Ok(Whereabouts { host, config, _embedded: embedded })
}

/// What [`whereabouts`] found. An embedded engine ends with it.
pub(crate) struct Whereabouts {
    pub(crate) host: Host,
    pub(crate) config: Option<PathBuf>,
    _embedded: Option<ServedWorld>,
}

/// Where the engine of a session is, and the embedded one itself.
async fn place(args: &Args) -> Result<(Host, Option<ServedWorld>), Failure> {
    match args.global.engine {
        Some(EngineChoice::Embedded) => {
            let world = embedded().await?;
            Ok((world.sim().host().parse::<Host>().map_err(Failure::unknown)?, Some(world)))
        }
        None => Ok((host(args)?, None)),
    }
}

/// Connects to a manager, or to one that a reclaim has demoted if it `may_be_demoted`.
pub(crate) async fn manager(host: &Host, may_be_demoted: bool) -> Result<Engine, ConnectError> {
    match Engine::connect(host).await {
        Err(ConnectError::Inactive { .. } | ConnectError::Worker { .. }) if may_be_demoted => {
            Engine::reach(host, PATIENCE).await
        }
        outcome => outcome,
    }
}

/// The engine's address: `--host`, else DOCKER_HOST, else Docker's default socket.
///
/// It is parsed here and not by clap, so that a DOCKER_HOST that pvcheck cannot use does not stop commands without engine.
fn host(args: &Args) -> Result<Host, Failure> {
    match args.global.host.as_deref() {
        None | Some("") => Ok(Host::default_socket()),
        Some(text) => text.parse().map_err(Failure::usage),
    }
}

/// Opens a session with a configuration: that of `--config`, else the embedded engine's own of its world, else
/// `./pvcheck.toml`. A file that is given is read first, so that nothing is asked where it is wrong.
pub(crate) async fn configured(args: &Args, printer: &Printer) -> Result<(Config, Session), Failure> {
    let given = given(args)?;
    let session = Session::open(args, printer).await?;
    Ok((session.config(args, given)?, session))
}

/// As [`configured`], and reads the Swarm along with the connection.
pub(crate) async fn configured_and_read(
    args: &Args,
    printer: &Printer,
) -> Result<(Config, Session, Result<Snapshot, CallError>), Failure> {
    let given = given(args)?;
    let (session, snapshot) = Session::open_and_read(args, printer).await?;
    Ok((session.config(args, given)?, session, snapshot))
}

/// The configuration, unless it comes with the embedded engine.
fn given(args: &Args) -> Result<Option<Config>, Failure> {
    if brings_its_own(args) { Ok(None) } else { config(args).map(Some) }
}

/// True iff the configuration is that of the embedded engine's world.
pub(crate) fn brings_its_own(args: &Args) -> bool {
    args.global.engine.is_some() && args.global.config.is_none()
}

/// True iff a configuration is named or there, which a gate of its own may be in.
pub(crate) fn has_config(args: &Args) -> bool {
    !brings_its_own(args) && (args.global.config.is_some() || Path::new(DEFAULT_CONFIG).exists())
}

/// Reads the configuration given with `--config`, or `./pvcheck.toml`.
pub(crate) fn config(args: &Args) -> Result<Config, Failure> {
    config_of(config_path(args))
}

fn config_path(args: &Args) -> &Path {
    args.global.config.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG))
}

fn config_of(path: &Path) -> Result<Config, Failure> {
    Ok(Config::of_file(path, &files::read(path, "--config")?)?)
}

/// Runs `work`, which creates objects in the Swarm, until it ends or a signal arrives. After an error or a signal it sweeps
/// what the run created; a signal ends the command with code 130.
pub(crate) async fn guarded<T>(
    op: Operation<'_>,
    printer: &Printer,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let outcome = tokio::select! {
        outcome = Box::pin(work) => outcome,
        name = interrupted() => Err(Failure::interrupted(format!("interrupted ({name}); everything of this run was removed"))),
    };
    if let Err(failure) = outcome {
        return Err(cleaned(op, printer, failure).await);
    }
    outcome
}

/// How this process identifies itself in the lock.
pub(crate) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("pvcheck on {}, process {}", host.trim(), std::process::id())
}

/// Runs `work` until it ends or a signal arrives. On a signal, the error says how to finish by hand.
///
/// For removals of stacks that pvcheck did not create: a sweep must not touch those.
pub(crate) async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        outcome = Box::pin(work) => outcome,
        name = interrupted() => Err(Failure::interrupted(format!(
            "interrupted ({name}); run the command again to remove what is left, no address is lost by that"
        ))),
    }
}

async fn cleaned(op: Operation<'_>, printer: &Printer, failure: Failure) -> Failure {
    if failure.code == INTERRUPTED {
        printer.note("pvcheck: interrupted, cleaning up");
    }
    let swept = sweep_run(op, Duration::from_mins(1)).await;
    let left = match swept {
        Ok(removed) if removed.left.is_empty() => return failure,
        Ok(removed) => removed.left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        // What was created is on record: where a sweep names nothing from it, nothing is left.
        Err(_) => return failure,
    };
    with_rest(&failure, &left)
}

/// The failure after a sweep that left something. Its exit code stays, unless that code says that everything was cleaned up
/// or that nothing was touched.
fn with_rest(failure: &Failure, left: &str) -> Failure {
    let code = if matches!(failure.code, INTERRUPTED | USAGE | REFUSED) { NOT_DONE } else { failure.code };
    let line = failure.line.replace("; everything of this run was removed", "");
    Failure { code, line: format!("{line}; but this is left, run `pvcheck sweep --apply`: {left}") }
}

/// Waits for SIGINT, SIGTERM or SIGHUP, and returns its name for a message.
pub(crate) async fn interrupted() -> &'static str {
    let wait = async |kind, name| match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
            name
        }
        // Without a handler the signal keeps its default action, which ends the process.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        name = wait(SignalKind::interrupt(), "Ctrl-C") => name,
        name = wait(SignalKind::terminate(), "terminated") => name,
        name = wait(SignalKind::hangup(), "hung up") => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_does_not_change_what_happened() {
        for (code, after_sweep) in [(1, 1), (3, 3), (2, 1), (4, 1), (INTERRUPTED, 1)] {
            let failure = Failure { code, line: "it broke; everything of this run was removed".into() };
            let after = with_rest(&failure, "service x");
            assert_eq!(after.code, after_sweep, "{code}");
            assert_eq!(after.line, "it broke; but this is left, run `pvcheck sweep --apply`: service x");
        }
    }
}
