//! `pvcheck gate`.

use std::path::Path;

use pvcheck_gates::{
    Config, Counting, Gate, GateReport, OverlayConfig, Preflight, PreflightError, Renewed, Verdict,
    collect_fix_plan, collect_fixed, collect_m1, collect_m2, judge_fix_plan, judge_fixed, judge_m1, judge_m2,
    markdown, preflight, table,
};
use pvcheck_swarm::{Operation, Permit, RunId, SavedRenewal, default_state};
use serde::Serialize;

use crate::args::{self, Args, GateCommand, Output};
use crate::commands::{claim, finding, status, verify};
use crate::failure::{DONE, Failure, Outcome, REFUSED};
use crate::printer::Printer;
use crate::report::{Document, many};
use crate::session::{Session, configured, guarded};

/// The list as JSON.
#[derive(Serialize)]
struct List {
    gates: [Listed; Gate::ALL.len()],
}

impl Document for List {
    const KIND: &'static str = "gates";
}

/// A gate in the list.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    about: &'static str,
    changes_something: bool,
    #[serde(skip)]
    takes_a_probe: bool,
}

impl Listed {
    fn of(gate: Gate) -> Self {
        Self {
            name: gate.name(),
            about: gate.about(),
            changes_something: gate.changes_something(),
            takes_a_probe: gate.takes_a_probe(),
        }
    }

    fn line(&self) -> String {
        let needs = match (self.changes_something, self.takes_a_probe) {
            (true, _) => "needs --apply",
            (false, true) => "changes nothing, unless --probe asks for a census",
            (false, false) => "changes nothing",
        };
        format!("{:<10}  {}; {needs}\n", self.name, self.about)
    }
}

pub(crate) async fn run(args: &Args, asked: &args::Gate, printer: &Printer) -> Result<u8, Failure> {
    match &asked.what {
        GateCommand::List => {
            printer.done();
            let list = List { gates: Gate::ALL.map(Listed::of) };
            printer.result(&list, || list.gates.iter().map(Listed::line).collect())?;
            Ok(DONE)
        }
        GateCommand::Run(run) => run_gates(args, run, printer).await,
        GateCommand::Claim(claim) => claim::run(claim, printer),
        GateCommand::Verify(asked) => {
            verify::run(asked, printer, measure(args, asked.gate, &asked.options, printer)).await
        }
        GateCommand::Status(asked) => status::run(asked, printer),
        GateCommand::Finding(asked) => finding::run(asked, printer),
    }
}

async fn run_gates(args: &Args, asked: &args::GateRun, printer: &Printer) -> Result<u8, Failure> {
    refuse_without_apply(&asked.gates, &asked.options)?;
    let (config, session) = configured(args, printer).await?;
    let runner = Runner::new(&session, &config, &asked.options, printer).await?;
    let mut reports = Vec::new();
    let mut code = DONE;
    for gate in &asked.gates {
        let (report, refused) = runner.run(*gate).await?;
        code = if refused { REFUSED } else { code };
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
            code = if code == REFUSED { REFUSED } else { verdict.code() };
            break;
        }
    }
    printer.done();
    print_json(&reports, printer)?;
    let missing = asked.gates.len() - reports.len();
    if 0 < missing {
        printer.note(&format!(
            "pvcheck: {} not begun, because this one did not pass",
            many(missing as u64, "later gate")
        ));
    }
    Ok(code)
}

/// The report of one gate, for another command.
async fn measure(
    args: &Args,
    gate: Gate,
    options: &args::GateOptions,
    printer: &Printer,
) -> Result<GateReport, Failure> {
    refuse_without_apply(&[gate], options)?;
    let (config, session) = configured(args, printer).await?;
    let (report, _) = Runner::new(&session, &config, options, printer).await?.run(gate).await?;
    Ok(report)
}

/// Before the configuration and the engine: what is wrong with the words alone needs neither.
fn refuse_without_apply(gates: &[Gate], options: &args::GateOptions) -> Result<(), Failure> {
    match gates.iter().find(|gate| gate.changes_something()) {
        Some(gate) if !options.apply => {
            Err(Failure::usage(format!("gate {gate} deploys stacks of its own; add --apply to let it")))
        }
        _ => Ok(()),
    }
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

    /// The report of a gate, and true iff a guardrail kept it from beginning.
    async fn run(&self, gate: Gate) -> Result<(GateReport, bool), Failure> {
        match gate {
            Gate::FixPlan => Ok((self.fix_plan().await?, false)),
            Gate::Fixed => Ok((self.fixed().await?, false)),
            Gate::M1 => Ok((self.m1().await?, false)),
            Gate::M2 => self.m2().await,
        }
    }

    async fn fix_plan(&self) -> Result<GateReport, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let read = async { self.session.snapshot_with_host().await.map_err(|failure| failure.line) };
        let facts = collect_fix_plan(engine, self.config, overlay, read, &watch).await;
        let report = judge_fix_plan(self.config, &facts);
        self.save(&report, &facts)?;
        Ok(report)
    }

    async fn fixed(&self) -> Result<GateReport, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let overlay = self.overlay.ok_or(PreflightError::NoOverlay)?;
        let usual = || SavedRenewal::file(default_state(), &overlay.name);
        let record = self.asked.record.clone().unwrap_or_else(usual);
        let of = Renewed { overlay, record: &record };
        let collect = async |counting: Counting<'_>| {
            collect_fixed(engine, self.config, &self.ready, of, counting, &watch).await
        };
        let facts = self.counted(collect).await?;
        let report = judge_fixed(self.config, &facts);
        self.save(&report, &facts)?;
        Ok(report)
    }

    async fn m1(&self) -> Result<GateReport, Failure> {
        let (engine, watch) = (&self.session.engine, |p| self.printer.show(p));
        let collect = async |counting: Counting<'_>| {
            collect_m1(engine, self.config, &self.ready, counting, &watch).await
        };
        let facts = self.counted(collect).await?;
        let report = judge_m1(self.config, &facts);
        self.save(&report, &facts)?;
        Ok(report)
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

    /// The report, and true iff a guardrail kept the churn from beginning.
    async fn m2(&self) -> Result<(GateReport, bool), Failure> {
        let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
        let watch = |p| self.printer.show(p);
        let op = Operation::new(&self.session.engine, permit, &run, &watch);
        let work = async { Ok(collect_m2(op, self.config, &self.ready, self.asked.order).await?) };
        let facts = guarded(op, self.printer, work).await?;
        let report = judge_m2(self.config, &facts);
        self.save(&report, &facts)?;
        Ok((report, facts.was_refused()))
    }

    fn save<F: Serialize>(&self, report: &GateReport, facts: &F) -> Result<(), Failure> {
        let Some(out) = &self.asked.out else { return Ok(()) };
        write(out, &format!("{}.json", report.gate), &pretty(&self.printer.envelope(report))?)?;
        write(out, &format!("{}.facts.json", report.gate), &pretty(facts)?)?;
        write(out, &format!("{}.md", report.gate), &markdown(report, self.printer.engine()))
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let failed = |e: std::io::Error| Failure::not_done(format!("cannot write {}: {e}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(&path, text).map_err(failed)
}

fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(Failure::unknown)
}
