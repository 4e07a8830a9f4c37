//! `pvcheck guard`.

mod text;

use std::path::Path;
use std::time::Duration;

use pvcheck_gates::{Config, GuardConfig};
use pvcheck_guard::{
    Explained, ForeignGuard, Guard, GuardOptions, Look, act, check_foreign, explained, unreached, watch,
};
use pvcheck_swarm::{
    ConnectError, Engine, Host, Operation, Permit, ReclaimOptions, RunId, resume_reclaim, unfinished_run,
};

use crate::args::{self, Args};
use crate::failure::{DONE, Failure, INTERRUPTED, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::Document;
use crate::session::{Session, brings_its_own, config, guarded, has_config, holder, manager};

/// How long something must wait for an address before it counts.
const PATIENCE: Duration = Duration::from_secs(3);

impl Document for Guard {
    const KIND: &'static str = "guard";
}

impl Document for Explained {
    const KIND: &'static str = "guard-table";
}

impl Document for ForeignGuard {
    const KIND: &'static str = "guard-check";
}

pub(crate) async fn run(args: &Args, asked: &args::Guard, printer: &Printer) -> Result<u8, Failure> {
    if (asked.explain || asked.check.is_some()) && args.global.config.is_some() {
        return Err(Failure::usage("--explain and --check rest on no configuration; leave --config out"));
    }
    if asked.explain {
        let table = explained();
        printer.done();
        printer.result(&table, || table.to_string())?;
        return Ok(DONE);
    }
    if let Some(file) = &asked.check {
        let guard = check_foreign(&file.display().to_string(), &files::read(file, "--check")?);
        printer.done();
        printer.result(&guard, || text::foreign(&guard))?;
        return Ok(guard.verdict.code());
    }
    let given = if has_config(args) { Some(config(args)?) } else { None };
    // What an interrupted cure has demoted is still the engine that can finish it.
    let unfinished = unfinished_run(folder(asked)).is_some();
    let guard = match Session::open_if_answered(args, unfinished, printer).await? {
        Err(why) => blind(&why, &own(given.as_ref()), asked).await?,
        Ok(session) => {
            let expected = given.is_some() || brings_its_own(args);
            let config = if expected { Some(session.config(args, given)?) } else { None };
            let helpers = helpers(&asked.helper, unfinished, printer).await;
            on(&session.engine, &helpers, config.as_ref(), &own(config.as_ref()), asked, printer).await?
        }
    };
    printer.done();
    printer.result(&guard, || text::guard(&guard))?;
    Ok(guard.code())
}

fn own(config: Option<&Config>) -> GuardConfig {
    config.and_then(|config| config.guard.clone()).unwrap_or_default()
}

/// The folder of the state, in which a reclaim keeps its step log.
fn folder(asked: &args::Guard) -> &Path {
    asked.state.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The other managers that were named.
#[derive(Default)]
struct Helpers {
    engines: Vec<Engine>,
    /// Those that do not answer: a guard that ended because one of them is down would be blind just then.
    unanswered: Vec<String>,
}

async fn helpers(hosts: &[Host], may_be_demoted: bool, printer: &Printer) -> Helpers {
    let mut helpers = Helpers::default();
    for host in hosts {
        match manager(host, may_be_demoted).await {
            Ok(engine) => helpers.engines.push(engine),
            Err(error) => {
                printer.note(&format!("pvcheck: going on without {host}: {error}"));
                helpers.unanswered.push(host.to_string());
            }
        }
    }
    helpers
}

/// What is left to do where no manager answers.
async fn blind(why: &ConnectError, own: &GuardConfig, asked: &args::Guard) -> Result<Guard, Failure> {
    let holder = holder();
    let options = GuardOptions { config: own, state: &asked.state, holder: &holder, hook: &|_| {} };
    Ok(unreached(why, asked.apply, folder(asked), options).await?)
}

async fn on(
    engine: &Engine,
    helpers: &Helpers,
    config: Option<&Config>,
    own: &GuardConfig,
    asked: &args::Guard,
    printer: &Printer,
) -> Result<Guard, Failure> {
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let watcher = |progress| printer.show(progress);
    let op = Operation::new(engine, permit, &run, &watcher);
    let folder = folder(asked);
    let Helpers { engines: others, unanswered } = helpers;
    let look = Look {
        op,
        others,
        unanswered,
        config,
        probe: asked.probe,
        patience: PATIENCE,
        reclaim_state: folder,
    };
    let holder = holder();
    let options = GuardOptions { config: own, state: &asked.state, holder: &holder, hook: &|_| {} };
    let work =
        async { Ok(if asked.apply { act(look, options).await? } else { watch(look, options).await? }) };
    let outcome = guarded(op, printer, work).await;
    // An interrupted cure is finished before this ends: a sweep needs a leader.
    match outcome {
        Err(failure) if failure.code == INTERRUPTED && unfinished_run(folder).as_ref() == Some(&run) => {
            printer.note("pvcheck: interrupted, restoring the managers first");
            let resumed = Box::pin(resume_reclaim(op, others, &resuming(own, folder, &holder))).await;
            match resumed {
                Ok(_) => Err(failure),
                Err(error) => Err(Failure::not_done(format!(
                    "interrupted; {error}; run `pvcheck reclaim --resume --state {}`",
                    folder.display()
                ))),
            }
        }
        outcome => outcome,
    }
}

fn resuming<'a>(own: &GuardConfig, folder: &Path, holder: &str) -> ReclaimOptions<'a> {
    ReclaimOptions {
        networks: Vec::new(),
        wish: pvcheck_swarm::Wish { only: None, restart_allowed: false, busy_allowed: false },
        state: folder.to_owned(),
        holder: holder.to_owned(),
        break_lock: None,
        restart_command: own.restart_command.clone(),
        force_new_cluster: false,
        hook: &|_| {},
    }
}
