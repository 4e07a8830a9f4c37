//! `pvcheck resize`.

mod text;

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use pvcheck_gates::{HookConfig, HookReport, RenewalConfig, collect_window, judge_window, run_hook};
use pvcheck_ipam::Subnet;
use pvcheck_routes::{Prober, Recorder, RouteSpec, WatchPlan, WatchSummary};
use pvcheck_swarm::{
    Direction, NewSubnet, Operation, Permit, Progress, Renewal, RenewalError, RenewalFacts, RenewalOptions,
    RenewalPlan, RenewalRequest, RunId, Unfinished, plan_renewal, renew, resume_renewal, roll_back_renewal,
    sweep_run, unfinished_renewal,
};
use serde::Serialize;

use crate::args::{self, Args, Output, Renewing, ResizeCommand};
use crate::commands::plan_subnet::prefix;
use crate::commands::routes::watched;
use crate::failure::{DONE, Failure, NOT_DONE, REFUSED};
use crate::files;
use crate::printer::Printer;
use crate::report::Document;
use crate::session::{PATIENCE, Session, config, holder, interrupted};

impl Document for RenewalPlan {
    const KIND: &'static str = "renewal-plan";
}

/// A renewal, with what was seen of the configured routes meanwhile.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Renewed {
    #[serde(flatten)]
    renewal: Renewal,
    /// `null` where no route is configured.
    routes: Option<WatchSummary>,
    /// What the configured commands did, before and after.
    hooks: Vec<HookReport>,
}

impl Document for Renewed {
    const KIND: &'static str = "renewal";
}

/// Where a renewal stands, as JSON.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Status {
    under_way: Option<Unfinished>,
}

impl Document for Status {
    const KIND: &'static str = "renewal-status";
}

pub(crate) async fn run(args: &Args, asked: &args::Resize, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        Some(ResizeCommand::Status) => status(args, printer).await,
        Some(ResizeCommand::Resume(renewing)) => finish(args, renewing, printer, true).await,
        Some(ResizeCommand::Rollback(renewing)) => finish(args, renewing, printer, false).await,
        None => plan(args, asked, printer).await,
    }
}

async fn status(args: &Args, printer: &Printer) -> Result<u8, Failure> {
    let session = Session::open(args, printer).await?;
    let found = unfinished_renewal(&session.engine).await?.map(|(found, _)| found);
    printer.done();
    let status = Status { under_way: found };
    printer.result(&status, || text::status(status.under_way.as_ref()))?;
    Ok(DONE)
}

async fn plan(args: &Args, asked: &args::Resize, printer: &Printer) -> Result<u8, Failure> {
    let file = asked.apply.as_deref().filter(|file| !file.is_empty());
    let saved = file.map(|file| read_plan(Path::new(file))).transpose()?;
    let request = request(asked, saved.as_ref())?;
    let session = Session::open(args, printer).await?;
    let plan = planned(args, &session, &request, asked, saved.as_ref()).await?;
    printer.done();
    if asked.apply.is_some() && plan.can_be_done() {
        return apply(args, &session, &plan, asked, printer).await;
    }
    if let Some(file) = &asked.save {
        let text = serde_json::to_string_pretty(&printer.envelope(&plan)).map_err(Failure::unknown)?;
        files::save_text(file, &(text + "\n"))?;
    }
    printer.result(&plan, || match printer.output() {
        Output::Markdown => text::markdown(&plan),
        _ => text::plan(&plan),
    })?;
    Ok(if plan.can_be_done() { DONE } else { REFUSED })
}

/// The plan for the Swarm as it is now; with an earlier one, what has changed since keeps it from being done.
async fn planned(
    args: &Args,
    session: &Session,
    request: &RenewalRequest,
    asked: &args::Resize,
    earlier: Option<&RenewalPlan>,
) -> Result<RenewalPlan, Failure> {
    let seen = session.snapshot_with_host().await?;
    let facts = RenewalFacts::of(&session.engine, seen, &request.network).await?;
    let busy = busy(args, session).await?;
    let mut plan = plan_renewal(&facts, request, &busy);
    if asked.renewing.break_lock.is_some() {
        plan.ignore_lock();
    }
    if let Some(earlier) = earlier {
        plan.blockers.extend(earlier.drift(&plan));
    }
    Ok(plan)
}

/// What makes the window busy, where one is configured.
async fn busy(args: &Args, session: &Session) -> Result<Vec<String>, Failure> {
    if !has_config(args) {
        return Ok(Vec::new());
    }
    let config = config(args)?;
    let facts = collect_window(&session.engine, &config.window).await?;
    let window = judge_window(&config.window, &facts, None);
    let others = window.signals.iter().filter(|signal| !signal.is_in_every_plan());
    Ok(others.map(ToString::to_string).collect())
}

/// The configured commands before and after.
fn around(args: &Args) -> Result<RenewalConfig, Failure> {
    if has_config(args) { Ok(config(args)?.renewal) } else { Ok(RenewalConfig::default()) }
}

fn running(hook: &HookConfig) -> Progress {
    Progress::Step(format!("running {}", hook.command.first().map_or("", String::as_str)))
}

async fn run_to_signal(hook: &HookConfig, printer: &Printer) -> Result<HookReport, Failure> {
    printer.show(running(hook));
    tokio::select! {
        done = run_hook(hook) => Ok(done),
        name = interrupted() => Err(Failure::interrupted(format!("interrupted ({name}); the command was killed"))),
    }
}

/// True iff a configuration is named, or lies here.
fn has_config(args: &Args) -> bool {
    args.global.config.is_some() || Path::new("pvcheck.toml").exists()
}

fn request(asked: &args::Resize, saved: Option<&RenewalPlan>) -> Result<RenewalRequest, Failure> {
    let network = asked.network.clone().unwrap_or_default();
    if let Some(saved) = saved {
        if saved.request.network != network {
            return Err(Failure::usage(format!(
                "the plan is for {}, not for {network}; name the network of the plan",
                saved.request.network
            )));
        }
        // What was chosen then is what was read and agreed to.
        let to = saved.to.map_or(saved.request.to, |pool| NewSubnet::Subnet(pool.subnet));
        return Ok(RenewalRequest { to, strategy: saved.strategy, ..saved.request.clone() });
    }
    let subnet = |option: &str, text: &str| {
        Subnet::parse(text).map_err(|error| Failure::usage(format!("{option}: {error}")))
    };
    let to = match (&asked.to, &asked.prefix) {
        (Some(text), _) => NewSubnet::Subnet(subnet("--to", text)?),
        (None, Some(text)) => NewSubnet::Prefix(prefix(text)?),
        (None, None) if ["resume", "rollback", "status"].contains(&network.as_str()) => {
            return Err(Failure::usage(format!(
                "put the options behind it: `pvcheck resize {network} OPTIONS`"
            )));
        }
        (None, None) => {
            return Err(Failure::usage(
                "name the new subnet with --to CIDR, or its size with --prefix LENGTH",
            ));
        }
    };
    Ok(RenewalRequest {
        network,
        to,
        range: asked.ip_range.as_deref().map(|text| subnet("--ip-range", text)).transpose()?,
        strategy: asked.strategy.0,
        rerun_jobs: asked.rerun_jobs,
        readdress: asked.readdress,
    })
}

fn read_plan(file: &Path) -> Result<RenewalPlan, Failure> {
    serde_json::from_str(&files::read(file, "--apply")?).map_err(|error| {
        Failure::usage(format!(
            "{}: {error}; write such a file with `pvcheck resize NETWORK --to CIDR --save FILE`",
            file.display()
        ))
    })
}

fn options(renewing: &Renewing, hold: bool) -> RenewalOptions<'static> {
    RenewalOptions {
        holder: holder(),
        break_lock: renewing.break_lock.clone(),
        patience: renewing.timeout,
        hold,
        state: renewing.state.clone(),
        lock_lasts: pvcheck_swarm::RENEWAL_LOCK,
        hook: &|_| {},
    }
}

/// How the routes are asked meanwhile; it ends with the renewal.
const WATCH: WatchPlan =
    WatchPlan { interval: Duration::from_millis(100), duration: Duration::from_hours(24 * 365) };

/// The routes of the configuration, if one is named or lies here; none is needed.
fn routes(args: &Args) -> Result<Option<(Prober, Vec<RouteSpec>)>, Failure> {
    if !has_config(args) {
        return Ok(None);
    }
    let config = config(args)?;
    let specs = config.route_specs();
    if specs.is_empty() {
        return Ok(None);
    }
    Ok(Some((config.prober().map_err(Failure::usage)?, specs)))
}

async fn apply(
    args: &Args,
    session: &Session,
    plan: &RenewalPlan,
    asked: &args::Resize,
    printer: &Printer,
) -> Result<u8, Failure> {
    let routes = routes(args)?;
    let around = around(args)?;
    let mut hooks = Vec::new();
    for hook in &around.before {
        let done = run_to_signal(hook, printer).await?;
        if done.failure.is_some() {
            return Err(Failure::not_done(format!(
                "{done}; nothing of the Swarm was touched: {}",
                done.output.trim()
            )));
        }
        hooks.push(done);
    }
    // They may have taken minutes.
    let again = if hooks.is_empty() {
        plan.clone()
    } else {
        planned(args, session, &plan.request, asked, Some(plan)).await?
    };
    let plan = &again;
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let watch = |p| printer.show(p);
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let options = options(&asked.renewing, asked.hold);
    match watched_meanwhile(routes.as_ref(), renew(op, plan, &options)).await {
        Ok((Err(RenewalError::Refused { plan }), _)) => {
            printer.done();
            printer.result(&*plan, || text::plan(&plan))?;
            Ok(REFUSED)
        }
        Ok((outcome, seen)) => conclude(outcome?, seen, hooks, &around, printer).await,
        Err(name) => undo(op, &options, printer, name).await,
    }
}

/// Does the work while the routes are asked; the name of a signal that ended it.
async fn watched_meanwhile<T>(
    routes: Option<&(Prober, Vec<RouteSpec>)>,
    work: impl Future<Output = T>,
) -> Result<(T, Option<WatchSummary>), &'static str> {
    let mut recorder = Recorder::new();
    let watching = async {
        if let Some((prober, specs)) = routes {
            prober.record(specs, WATCH, &mut recorder, |_, _| ()).await;
        }
        // The work ends it.
        std::future::pending::<Infallible>().await
    };
    let done = tokio::select! {
        done = Box::pin(work) => done,
        name = interrupted() => return Err(name),
        never = watching => match never {},
    };
    Ok((done, routes.map(|_| recorder.summary())))
}

/// Runs the commands that belong after a renewal, unless it was one back, and prints the result: also where a signal ends
/// one of them, since the renewal is done.
async fn conclude(
    renewal: Renewal,
    routes: Option<WatchSummary>,
    mut hooks: Vec<HookReport>,
    around: &RenewalConfig,
    printer: &Printer,
) -> Result<u8, Failure> {
    let after = if renewal.direction == Direction::Forward { around.after.as_slice() } else { &[] };
    let mut ended_by = None;
    for hook in after {
        printer.show(running(hook));
        tokio::select! {
            done = run_hook(hook) => hooks.push(done),
            name = interrupted() => {
                ended_by = Some(name);
                hooks.push(HookReport::interrupted(hook));
                break;
            }
        }
    }
    let code = print(&Renewed { renewal, routes, hooks }, printer)?;
    match ended_by {
        None => Ok(code),
        Some(name) => Err(Failure::interrupted(format!(
            "interrupted ({name}) in a command after the renewal, which is done; run the rest of [[renewal.after]] by hand"
        ))),
    }
}

/// After a signal: everything is put back, unless it is to be left. A second signal ends this process.
async fn undo(
    op: Operation<'_>,
    options: &RenewalOptions<'_>,
    printer: &Printer,
    name: &str,
) -> Result<u8, Failure> {
    // A census may have been under way.
    let left = sweep_run(op, PATIENCE).await?.left;
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        printer.note(&format!("pvcheck: this is left, run `pvcheck sweep --apply`: {}", left.join("; ")));
    }
    if options.hold && unfinished_renewal(op.engine).await?.is_some() {
        return Err(Failure::interrupted(format!(
            "interrupted ({name}) and left where it stands; run `pvcheck resize resume` or `pvcheck resize rollback`"
        )));
    }
    printer.note("pvcheck: interrupted, putting everything back");
    match Box::pin(roll_back_renewal(op, options)).await {
        Ok(done) if done.changed.is_empty() => {
            Err(Failure::interrupted(format!("interrupted ({name}); everything is as it was")))
        }
        Ok(done) => Err(Failure::not_done(format!(
            "interrupted ({name}) and put back, but this is not as it was: {}",
            done.changed.join(", ")
        ))),
        Err(RenewalError::NothingUnderWay) => Err(Failure::interrupted(format!(
            "interrupted ({name}); no step was under way: it had not begun, or was done"
        ))),
        Err(error) => {
            Err(Failure::not_done(format!("interrupted ({name}); {error}; run `pvcheck resize rollback`")))
        }
    }
}

async fn finish(args: &Args, renewing: &Renewing, printer: &Printer, forward: bool) -> Result<u8, Failure> {
    let (routes, around) = (routes(args)?, around(args)?);
    let session = Session::open(args, printer).await?;
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let watch = |p| printer.show(p);
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let options = options(renewing, true);
    let work = async {
        if forward { resume_renewal(op, &options).await } else { roll_back_renewal(op, &options).await }
    };
    match watched_meanwhile(routes.as_ref(), work).await {
        Ok((done, seen)) => conclude(done?, seen, Vec::new(), &around, printer).await,
        Err(name) => {
            let again = if forward { "resume` or `pvcheck resize rollback" } else { "rollback" };
            Err(Failure::interrupted(format!(
                "interrupted ({name}) and left where it stands; run `pvcheck resize {again}`"
            )))
        }
    }
}

fn print(done: &Renewed, printer: &Printer) -> Result<u8, Failure> {
    printer.done();
    printer.result(done, || {
        let hooks: String = done.hooks.iter().map(|hook| format!("{hook}\n")).collect();
        text::done(&done.renewal) + &hooks + &done.routes.as_ref().map(watched).unwrap_or_default()
    })?;
    let failed = done.hooks.iter().any(|hook| hook.failure.is_some());
    Ok(if done.renewal.changed.is_empty() && !failed { DONE } else { NOT_DONE })
}
