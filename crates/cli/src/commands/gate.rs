//! `pvcheck gate`.

use std::path::PathBuf;

use jiff::Timestamp;
use pvcheck_audit::{SavedSnapshot, Snapshot};
use pvcheck_gates::{
    AnyGate, Bundle, BundledConfig, BundledRun, Config, Counting, Gate, GateFacts, GateReport, M2Facts,
    OverlayConfig, OwnCollection, OwnGate, OwnGateError, Preflight, PreflightError, Renewed, RunFacts,
    Unseen, Verdict, annotations, collect_fix_plan, collect_fixed, collect_m1, collect_m2, collect_own,
    collect_run, judge_preconditions, judge_run, junit, markdown, preflight_of, table, waiver_errors,
};
use pvcheck_swarm::{CallError, Operation, Permit, RunId, SavedRenewal, default_state};

use crate::args::{self, Args, GateCommand, Output};
use crate::commands::{claim, finding, status, verify};
use crate::failure::{DONE, Failure, Outcome, REFUSED};
use crate::printer::Printer;
use crate::report::many;
use crate::session::{Session, configured_and_read, guarded, has_config};

pub(crate) mod diff;
mod files;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod replay;

pub(crate) async fn run(args: &Args, asked: &args::Gate, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        GateCommand::List => list::run(args, printer),
        GateCommand::Run(run) => run_gates(args, run, printer).await,
        GateCommand::Diff(asked) => diff::run(asked, printer),
        GateCommand::Claim(asked) => claim::run(args, asked, printer),
        GateCommand::Verify(asked) => {
            let gate = names::existing(args, &asked.gate)?;
            let measured = Box::pin(measure(args, gate, &asked.options, printer));
            verify::run(asked, printer, measured).await
        }
        GateCommand::Status(asked) => status::run(args, asked, printer),
        GateCommand::Finding(asked) => finding::run(args, asked, printer),
    }
}

/// Refuses what is wrong with the words alone, which needs neither the configuration nor the engine.
fn refuse_words(args: &Args, gates: &[&str], options: &args::GateOptions) -> Result<(), Failure> {
    for name in gates {
        match name.parse::<Gate>() {
            Ok(gate) => may_change(name, gate.changes_something(), options)?,
            Err(none) if !has_config(args) => return Err(OwnGateError::from(none).into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn may_change(name: &str, changes_something: bool, options: &args::GateOptions) -> Result<(), Failure> {
    if changes_something && !options.apply {
        return Err(Failure::usage(format!("gate {name} deploys stacks of its own; add --apply to let it")));
    }
    Ok(())
}

/// The gates of these names, in their order, which may do what they do.
fn permitted<'a>(
    names: &[&str],
    config: &'a Config,
    overlay: Option<&'a OverlayConfig>,
    options: &args::GateOptions,
) -> Result<Vec<AnyGate<'a>>, Failure> {
    if let Some(error) = waiver_errors(config, Timestamp::now()).into_iter().next() {
        return Err(Failure::usage(error));
    }
    let own = OwnGate::all(config, overlay)?;
    let permitted = |name: &&str| {
        let gate = AnyGate::named(name, &own)?;
        may_change(name, gate.changes_something(), options)?;
        Ok(gate)
    };
    names.iter().map(permitted).collect()
}

/// The report of one gate, for another command.
async fn measure(
    args: &Args,
    gate: &str,
    options: &args::GateOptions,
    printer: &Printer,
) -> Result<GateReport, Failure> {
    refuse_words(args, &[gate], options)?;
    let (config, session, snapshot) = configured_and_read(args, printer).await?;
    let gates = permitted(&[gate], &config, overlay(&config, options)?, options)?;
    let runner = Runner::new(&session, &config, snapshot, options, printer)?;
    let gate = gates.first().ok_or_else(|| Failure::unknown("no gate was named"))?;
    Ok(runner.run(gate).await?.report)
}

async fn run_gates(args: &Args, asked: &args::GateRun, printer: &Printer) -> Result<u8, Failure> {
    if let Some(bundle) = &asked.replay {
        if args.global.config.is_some() || args.global.engine.is_some() {
            let line = "--replay judges by what the bundle has; leave --config and --engine out";
            return Err(Failure::usage(line));
        }
        return replay::run(bundle, &asked.gates, printer);
    }
    let names: Vec<&str> = asked.gates.iter().map(String::as_str).collect();
    refuse_words(args, &names, &asked.options)?;
    asked.bundle.as_deref().map_or(Ok(()), files::must_be_new)?;
    let (config, session, snapshot) = configured_and_read(args, printer).await?;
    let gates = permitted(&names, &config, overlay(&config, &asked.options)?, &asked.options)?;
    let runner = Runner::new(&session, &config, snapshot, &asked.options, printer)?;
    let mut runs: Vec<BundledRun> = Vec::new();
    for gate in &gates {
        let ran = runner.run(gate).await?;
        // Tables come one by one, because a gate may take minutes; a document of all waits for the last.
        show(&ran.report, printer)?;
        let is_passed = ran.report.verdict == Verdict::Pass;
        runs.push(ran);
        if !is_passed {
            break;
        }
    }
    printer.done();
    let code = runs.last().map_or(DONE, |last| exit_code(&last.facts, &last.report));
    let reports: Vec<&GateReport> = runs.iter().map(|ran| &ran.report).collect();
    show_all(&reports, printer)?;
    let missing = gates.len() - runs.len();
    if 0 < missing {
        printer.note(&format!(
            "pvcheck: {} not begun, because this one did not pass",
            many(missing as u64, "later gate")
        ));
    }
    if let Some(path) = &asked.bundle {
        let bundle = Bundle::new(BundledConfig::of(&config), printer.engine(), runs);
        files::save_bundle(path, &bundle)?;
    }
    Ok(code)
}

/// The exit code of a gate. A refusal goes before the verdict: nothing was deployed, so that there is no finding about it.
fn exit_code(facts: &GateFacts, report: &GateReport) -> u8 {
    match report.verdict {
        Verdict::Pass => DONE,
        _ if facts.was_refused() => REFUSED,
        verdict => verdict.code(),
    }
}

/// Prints a report where the output is not one document of all of them.
fn show(report: &GateReport, printer: &Printer) -> Result<(), Failure> {
    let rendered = match printer.output() {
        Output::Json | Output::Junit | Output::Dot | Output::Mermaid => return Ok(()),
        Output::Table => table(report, printer.engine(), Printer::style()),
        Output::Markdown => markdown(report, printer.engine()),
        Output::Github => annotations(report, printer.engine()),
    };
    printer.print(&printer.marked(rendered))
}

/// Prints all reports where the output is one document: as JSON one gate is one object, several are a list.
fn show_all(reports: &[&GateReport], printer: &Printer) -> Result<(), Failure> {
    match (printer.output(), reports) {
        (Output::Junit, all) => printer.print(&junit(all, printer.engine()).map_err(Failure::unknown)?),
        (Output::Json, [one]) => printer.json(&printer.envelope(*one)),
        (Output::Json, several) => {
            printer.json(&several.iter().map(|one| printer.envelope(*one)).collect::<Vec<_>>())
        }
        _ => Ok(()),
    }
}

/// The overlay that `--network` names, or the first; `None` if the configuration has none.
fn overlay<'a>(config: &'a Config, asked: &args::GateOptions) -> Result<Option<&'a OverlayConfig>, Failure> {
    let Some(name) = &asked.network else { return Ok(config.overlay()) };
    let found = config.overlays.iter().find(|overlay| overlay.name == *name);
    let names = || config.overlays.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
    let missing = || {
        Failure::usage(format!(
            "--network {name}: the configuration has no such [[overlay]]; it has {}",
            names()
        ))
    };
    found.map(Some).ok_or_else(missing)
}

/// The file that the renewal of this overlay left.
fn record(overlay: &OverlayConfig, asked: &args::GateOptions) -> PathBuf {
    let usual = || SavedRenewal::file(default_state(), &overlay.name);
    asked.record.clone().unwrap_or_else(usual)
}

struct Runner<'a> {
    session: &'a Session,
    config: &'a Config,
    /// The overlay that the gates of a renewal are about.
    overlay: Option<&'a OverlayConfig>,
    ready: Preflight,
    asked: &'a args::GateOptions,
    printer: &'a Printer,
}

impl<'a> Runner<'a> {
    fn new(
        session: &'a Session,
        config: &'a Config,
        snapshot: Result<Snapshot, CallError>,
        asked: &'a args::GateOptions,
        printer: &'a Printer,
    ) -> Result<Self, Failure> {
        let overlay = overlay(config, asked)?;
        let mut ready = preflight_of(snapshot, config)?;
        if let Some(overlay) = overlay {
            ready = ready.with_record(record(overlay, asked));
        }
        Ok(Self { session, config, overlay, ready, asked, printer })
    }

    /// Runs a gate and writes its files.
    async fn run(&self, gate: &AnyGate<'_>) -> Result<BundledRun, Failure> {
        let run = collect_run(self.config, gate.name(), &self.ready);
        let facts = match gate {
            AnyGate::BuiltIn(Gate::FixPlan) => self.fix_plan().await?,
            AnyGate::BuiltIn(Gate::Fixed) => self.fixed().await?,
            AnyGate::BuiltIn(Gate::M1) => self.m1().await?,
            AnyGate::BuiltIn(Gate::M2) => self.m2(&run).await?,
            AnyGate::Own(gate) => self.own(gate, &run).await?,
        };
        let report = judge_run(self.config, &run, facts.judge(self.config, gate.name())?);
        let ran = BundledRun { facts, run, report };
        if let Some(out) = &self.asked.out {
            files::save(out, &ran, self.printer)?;
        }
        Ok(ran)
    }

    async fn fix_plan(&self) -> Result<GateFacts, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let facts = collect_fix_plan(engine, self.config, overlay, self.with_host(), &watch).await;
        Ok(GateFacts::FixPlan(Box::new(facts)))
    }

    async fn fixed(&self) -> Result<GateFacts, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let record = record(overlay, self.asked);
        let of = Renewed { overlay, record: &record };
        let collect = async |counting: Counting<'_>| {
            collect_fixed(engine, self.config, &self.ready, of, counting, &watch).await
        };
        Ok(GateFacts::Fixed(Box::new(self.counted(collect).await?)))
    }

    async fn m1(&self) -> Result<GateFacts, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let collect = async |counting: Counting<'_>| {
            collect_m1(engine, self.config, &self.ready, counting, &watch).await
        };
        Ok(GateFacts::M1(Box::new(self.counted(collect).await?)))
    }

    async fn m2(&self, run: &RunFacts) -> Result<GateFacts, Failure> {
        let facts = if let Some(why) = self.kept_from(Gate::M2.name(), run) {
            M2Facts::not_begun(&why)
        } else {
            let (id, watch) = (RunId::unique(), |p| self.printer.show(p));
            let op = Operation::new(&self.session.engine, Permit::granted_by_operator(), &id, &watch);
            let work = async { Ok(collect_m2(op, self.config, &self.ready, self.asked.order).await?) };
            guarded(op, self.printer, work).await?
        };
        Ok(GateFacts::M2(Box::new(facts)))
    }

    async fn own(&self, gate: &OwnGate<'_>, run: &RunFacts) -> Result<GateFacts, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let (id, kept) = (RunId::unique(), self.kept_from(gate.name(), run));
        let op = Operation::new(engine, Permit::granted_by_operator(), &id, &watch);
        let record = self.overlay.map(|overlay| record(overlay, self.asked)).unwrap_or_default();
        let how = OwnCollection {
            record: &record,
            counting: if self.asked.probe { Counting::Probing(op) } else { Counting::Reading },
            deploying: kept.as_ref().map_or(Ok((op, self.asked.order)), Err),
        };
        let work = async { Ok(collect_own(engine, gate, &self.ready, how, self.with_host(), &watch).await?) };
        let facts = if self.asked.probe || gate.changes_something() {
            guarded(op, self.printer, work).await?
        } else {
            work.await?
        };
        Ok(GateFacts::Own(Box::new(facts)))
    }

    /// Why a gate that deploys must not begin: the first of its preconditions that does not hold.
    fn kept_from(&self, gate: &str, run: &RunFacts) -> Option<Unseen> {
        let open = judge_preconditions(self.config, gate, run);
        let open = open.into_iter().find(|check| check.verdict != Verdict::Pass)?;
        Some(Unseen::PreconditionOpen { precondition: open.id })
    }

    /// Reads the Swarm and the host.
    async fn with_host(&self) -> Result<SavedSnapshot, String> {
        self.session.snapshot_with_host().await.map_err(|failure| failure.line)
    }

    /// Collects with `--probe` by a census, and sweeps it if it breaks off; else only reads.
    async fn counted<T>(&self, collect: impl AsyncFnOnce(Counting<'_>) -> T) -> Result<T, Failure> {
        if !self.asked.probe {
            return Ok(collect(Counting::Reading).await);
        }
        // A census creates nothing that lasts and starts no container, so the option is permission enough, as the command
        // `census` is.
        let (permit, run, watch) = (Permit::granted_by_operator(), RunId::unique(), |p| self.printer.show(p));
        let op = Operation::new(&self.session.engine, permit, &run, &watch);
        guarded(op, self.printer, async { Ok(collect(Counting::Probing(op)).await) }).await
    }
}
