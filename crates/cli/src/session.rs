//! A command's connection, its configuration, and what happens when it is interrupted.

use std::path::Path;
use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, SavedSnapshot, Snapshot};
use pvcheck_gates::Config;
use pvcheck_sim::Sim;
use pvcheck_swarm::{Engine, Host, Operation, read_counts, sweep_run};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, EngineKind};
use crate::embedded::embedded;
use crate::failure::{Failure, INTERRUPTED, NOT_DONE, REFUSED, USAGE};
use crate::printer::Printer;

/// The deadline of a call to an engine that may be in trouble.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine to talk to; an embedded one ends with the session.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    embedded: Option<Sim>,
}

impl Session {
    pub(crate) async fn open(args: &Args) -> Result<Self, Failure> {
        let (host, embedded) = match args.global.engine {
            Some(EngineKind::Embedded) => {
                let sim = embedded().await?;
                (sim.host().parse::<Host>().map_err(Failure::unknown)?, Some(sim))
            }
            None => (host(args)?, None),
        };
        Ok(Self { engine: Engine::connect(&host).await?, embedded })
    }

    /// As [`Session::open`], for an engine that may be no manager at the moment.
    pub(crate) async fn reach(args: &Args) -> Result<Self, Failure> {
        if args.global.engine.is_some() {
            return Self::open(args).await;
        }
        Ok(Self { engine: Engine::reach(&host(args)?, PATIENCE).await?, embedded: None })
    }

    /// The Swarm, and the allocator's own counts where the engine tells them.
    pub(crate) async fn counted(&self) -> Result<(Snapshot, AllocatorCounts), Failure> {
        let snapshot = self.engine.snapshot().await?;
        let statuses = read_counts(&self.engine, &snapshot).await;
        Ok((snapshot, statuses))
    }

    /// The Swarm and the host. An embedded engine has no host: what this machine has is none of its business.
    pub(crate) async fn look(&self) -> Result<SavedSnapshot, Failure> {
        if self.embedded.is_none() {
            return Ok(pvcheck_swarm::read_with_host(&self.engine).await?);
        }
        let host_unknown = Some("the embedded engine has no host".to_owned());
        let (snapshot, statuses) = (self.engine.snapshot().await?, AllocatorCounts::default());
        Ok(SavedSnapshot { snapshot, host: None, host_unknown, counts: statuses })
    }
}

/// The engine's address: `--host`, else DOCKER_HOST, else Docker's own socket. Commands that need no engine never look.
fn host(args: &Args) -> Result<Host, Failure> {
    match args.global.host.as_deref() {
        None | Some("") => Ok(Host::default_socket()),
        Some(text) => text.parse().map_err(Failure::usage),
    }
}

/// The configuration that was named, or `./pvcheck.toml`.
pub(crate) fn config(args: &Args) -> Result<Config, Failure> {
    let path = args.global.config.as_deref().unwrap_or(Path::new("pvcheck.toml"));
    Ok(Config::load(path)?)
}

/// Runs something that makes things in the Swarm. However it ends, what it made is swept: after an error, and after
/// Ctrl-C, a hang-up or a termination, which end it with code 130.
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

/// Who asks, for whoever meets the lock.
pub(crate) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("pvcheck on {}, process {}", host.trim(), std::process::id())
}

/// Removes what somebody else made, which no sweep may finish: after Ctrl-C, a hang-up or a termination it is said how the
/// rest goes.
pub(crate) async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        outcome = Box::pin(work) => outcome,
        name = interrupted() => Err(Failure::interrupted(format!(
            "interrupted ({name}); run it again to remove what is left, nothing is lost by that"
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
        Err(error) => format!("whatever was made, for the sweep failed: {error}"),
    };
    with_rest(&failure, &left)
}

/// A failure after which something is left. Its own exit code stays, unless it said that all was cleaned up or that
/// nothing was touched.
fn with_rest(failure: &Failure, left: &str) -> Failure {
    let code = if matches!(failure.code, INTERRUPTED | USAGE | REFUSED) { NOT_DONE } else { failure.code };
    let line = failure.line.replace("; everything of this run was removed", "");
    Failure { code, line: format!("{line}; but this is left, run `pvcheck sweep --apply`: {left}") }
}

/// Waits for the first signal that asks to end, and gives its name.
pub(crate) async fn interrupted() -> &'static str {
    let wait = async |kind, name| match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
            name
        }
        // Without a handler the signal ends the process as it always did.
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
        for (code, told) in [(1, 1), (3, 3), (2, 1), (4, 1), (INTERRUPTED, 1)] {
            let failure = Failure { code, line: "it broke; everything of this run was removed".into() };
            let after = with_rest(&failure, "service x");
            assert_eq!(after.code, told, "{code}");
            assert_eq!(after.line, "it broke; but this is left, run `pvcheck sweep --apply`: service x");
        }
    }
}
