//! `pvcheck gate`.

use std::path::PathBuf;

use pvcheck_audit::SavedSnapshot;
use pvcheck_gates::{
    AnyGate, Config, Counting, Gate, GateReport, M2Facts, OverlayConfig, OwnCollection, OwnGate,
    OwnGateError, Preflight, PreflightError, Renewed, RunFacts, Unseen, Verdict, collect_fix_plan,
    collect_fixed, collect_m1, collect_m2, collect_own, collect_run, judge_fix_plan, judge_fixed, judge_m1,
    judge_m2, judge_own, judge_preconditions, judge_run, markdown, preflight, table,
};
use pvcheck_swarm::{Operation, Permit, RunId, SavedRenewal, default_state};
use serde::Serialize;

use crate::args::{self, Args, GateCommand, Output};
use crate::commands::{claim, finding, status, verify};
use crate::failure::{DONE, Failure, Outcome, REFUSED};
use crate::printer::Printer;
use crate::report::many;
use crate::session::{Session, configured, guarded, has_config};

mod files;
mod list;
pub(crate) mod names;

pub(crate) async fn run(args: &Args, asked: &args::Gate, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        GateCommand::List => list::run(args, printer),
        GateCommand::Run(run) => run_gates(args, run, printer).await,
        GateCommand::Claim(asked) => claim::run(args, asked, printer),
        GateCommand::Verify(asked) => {
            let gate = names::existing(args, &asked.gate)?;
            verify::run(asked, printer, measure(args, gate, &asked.options, printer)).await
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
    let (config, session) = configured(args, printer).await?;
    let gates = permitted(&[gate], &config, overlay(&config, options)?, options)?;
    let runner = Runner::new(&session, &config, options, printer).await?;
    let gate = gates.first().ok_or_else(|| Failure::unknown("no gate was named"))?;
    Ok(runner.run(gate).await?.0)
}

async fn run_gates(args: &Args, asked: &args::GateRun, printer: &Printer) -> Result<u8, Failure> {
    let names: Vec<&str> = asked.gates.iter().map(String::as_str).collect();
    refuse_words(args, &names, &asked.options)?;
    let (config, session) = configured(args, printer).await?;
    let gates = permitted(&names, &config, overlay(&config, &asked.options)?, &asked.options)?;
    let runner = Runner::new(&session, &config, &asked.options, printer).await?;
    let mut reports = Vec::new();
    let mut code = DONE;
    for gate in &gates {
        let (report, refused) = runner.run(gate).await?;
        // Tables come one by one, because a gate may take minutes; JSON is one document and waits for the last.
        if printer.output() != Output::Json {
            let rendered = if printer.output() == Output::Table {
                table(&report, printer.engine(), Printer::style())
            } else {
                markdown(&report, printer.engine())
            };
            printer.print(&printer.marked(rendered))?;
        }
        let verdict = report.verdict;
        reports.push(report);
        if verdict != Verdict::Pass {
            // A refusal goes before the verdict: nothing was deployed, so that there is no finding about it.
            code = if refused { REFUSED } else { verdict.code() };
            break;
        }
    }
    printer.done();
    print_json(&reports, printer)?;
    let missing = gates.len() - reports.len();
    if 0 < missing {
        printer.note(&format!(
            "pvcheck: {} not begun, because this one did not pass",
            many(missing as u64, "later gate")
        ));
    }
    Ok(code)
}

/// One gate is one object, several are a list.
fn print_json(reports: &[GateReport], printer: &Printer) -> Result<(), Failure> {
    match (printer.output(), reports) {
        (Output::Json, [one]) => printer.json(&printer.envelope(one)),
        (Output::Json, several) => {
            printer.json(&several.iter().map(|one| printer.envelope(one)).collect::<Vec<_>>())
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
    async fn new(
        session: &'a Session,
        config: &'a Config,
        asked: &'a args::GateOptions,
        printer: &'a Printer,
    ) -> Result<Self, Failure> {
        let overlay = overlay(config, asked)?;
        let ready = preflight(&session.engine, config).await?;
        Ok(Self { session, config, overlay, ready, asked, printer })
    }

    /// Runs a gate and writes its files. The report, and true iff a guardrail kept it from deploying.
    async fn run(&self, gate: &AnyGate<'_>) -> Result<(GateReport, bool), Failure> {
        let run = collect_run(self.config, gate.name(), &self.ready);
        match gate {
            AnyGate::BuiltIn(Gate::FixPlan) => self.fix_plan(&run).await,
            AnyGate::BuiltIn(Gate::Fixed) => self.fixed(&run).await,
            AnyGate::BuiltIn(Gate::M1) => self.m1(&run).await,
            AnyGate::BuiltIn(Gate::M2) => self.m2(&run).await,
            AnyGate::Own(gate) => self.own(gate, &run).await,
        }
    }

    async fn fix_plan(&self, run: &RunFacts) -> Result<(GateReport, bool), Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let facts = collect_fix_plan(engine, self.config, overlay, self.with_host(), &watch).await;
        Ok((self.save(judge_fix_plan(self.config, &facts), &facts, run)?, false))
    }

    async fn fixed(&self, run: &RunFacts) -> Result<(GateReport, bool), Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let record = self.record(overlay);
        let of = Renewed { overlay, record: &record };
        let collect = async |counting: Counting<'_>| {
            collect_fixed(engine, self.config, &self.ready, of, counting, &watch).await
        };
        let facts = self.counted(collect).await?;
        Ok((self.save(judge_fixed(self.config, &facts), &facts, run)?, false))
    }

    async fn m1(&self, run: &RunFacts) -> Result<(GateReport, bool), Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let collect = async |counting: Counting<'_>| {
            collect_m1(engine, self.config, &self.ready, counting, &watch).await
        };
        let facts = self.counted(collect).await?;
        Ok((self.save(judge_m1(self.config, &facts), &facts, run)?, false))
    }

    async fn m2(&self, run: &RunFacts) -> Result<(GateReport, bool), Failure> {
        let facts = match self.kept_from(Gate::M2.name(), run) {
            Some(why) => M2Facts::not_begun(&why),
            None => {
                let (id, watch) = (RunId::unique(), |p| self.printer.show(p));
                let op = Operation::new(&self.session.engine, Permit::granted_by_operator(), &id, &watch);
                let work = async { Ok(collect_m2(op, self.config, &self.ready, self.asked.order).await?) };
                guarded(op, self.printer, work).await?
            }
        };
        Ok((self.save(judge_m2(self.config, &facts), &facts, run)?, facts.was_refused()))
    }

    async fn own(&self, gate: &OwnGate<'_>, run: &RunFacts) -> Result<(GateReport, bool), Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let (id, kept) = (RunId::unique(), self.kept_from(gate.name(), run));
        let op = Operation::new(engine, Permit::granted_by_operator(), &id, &watch);
        let record = self.overlay.map(|overlay| self.record(overlay)).unwrap_or_default();
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
        Ok((self.save(judge_own(gate, &facts), &facts, run)?, facts.was_refused()))
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

    /// The file that the renewal of this overlay left.
    fn record(&self, overlay: &OverlayConfig) -> PathBuf {
        let usual = || SavedRenewal::file(default_state(), &overlay.name);
        self.asked.record.clone().unwrap_or_else(usual)
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

    /// The whole report, which is written where that was asked for.
    fn save<F: Serialize>(
        &self,
        report: GateReport,
        facts: &F,
        run: &RunFacts,
    ) -> Result<GateReport, Failure> {
        let report = judge_run(self.config, run, report);
        if let Some(out) = &self.asked.out {
            files::save(out, &report, facts, run, self.printer)?;
        }
        Ok(report)
    }
}
