//! `pvcheck routes`.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use jiff::Timestamp;
use pvcheck_routes::{Prober, Recorder, RouteSpec, RoutesReport, Verdict, WatchPlan, WatchSummary, judge};
use pvcheck_swarm::Progress;

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::session::{brings_its_own, config, configured, interrupted};

/// Routes that are asked at once.
const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");

pub(crate) async fn run(args: &Args, asked: &args::Routes, printer: &Printer) -> Result<u8, Failure> {
    // No engine is asked; the session of an embedded one is held, because the world's router ends with it.
    let (config, _session) = if brings_its_own(args) {
        let (config, session) = configured(args, printer).await?;
        (config, Some(session))
    } else {
        (config(args)?, None)
    };
    let prober = config.prober().map_err(Failure::usage)?;
    if let Some(duration) = asked.watch {
        let plan = WatchPlan { interval: asked.every, duration };
        let summary = watch(&prober, &config.route_specs(), plan, printer).await;
        printer.done();
        printer.result(&summary, || watched(&summary))?;
        return Ok(summary.verdict().code());
    }
    let facts = prober.ask_all(&config.route_specs(), Timestamp::now, SIDE_BY_SIDE).await;
    let report = RoutesReport::new(facts);
    printer.done();
    printer.result(&report, || text(&report))?;
    Ok(report.verdict().code())
}

/// Asks all routes until the time is over, or a signal arrives: what was seen until then counts.
async fn watch(prober: &Prober, specs: &[RouteSpec], plan: WatchPlan, printer: &Printer) -> WatchSummary {
    let mut recorder = Recorder::new();
    let all = prober.record(specs, plan, &mut recorder, |asked, failed| {
        printer.show(Progress::Step(format!("{asked} requests, {failed} failed")));
    });
    tokio::select! {
        () = all => {}
        _ = interrupted() => {}
    }
    recorder.summary()
}

/// One line for each route, and one for each outage of it.
pub(crate) fn watched(summary: &WatchSummary) -> String {
    let mut text = format!(
        "{:<7} {:<20} {:>9} {:>9} {:>7} {:>8} {:>12}\n",
        "", "route", "requests", "elsewhere", "failed", "outages", "longest gap"
    );
    for record in &summary.routes {
        let longest = record.longest_outage_ms().map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        let (verdict, name) = (record.verdict(), &record.name);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{verdict:<7} {name:<20} {:>9} {:>9} {:>7} {:>8} {longest:>12}",
            record.probes, record.elsewhere, record.failed, record.outages_seen
        );
    }
    for record in &summary.routes {
        for outage in &record.outages {
            let end = outage.to.map_or_else(|| "not back yet".to_owned(), |at| format!("back at {at}"));
            let _ = writeln!(
                text,
                "{}: down from {}, {end}, {} ms, {} failed: {}",
                record.name,
                outage.from,
                outage.observed_ms(),
                outage.failed,
                outage.reason
            );
        }
    }
    text
}

fn text(report: &RoutesReport) -> String {
    report.routes.iter().fold(String::new(), |mut text, row| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<7} {:<12} {}  {}  ({} ms){}",
            row.verdict.verdict,
            row.fact.name,
            row.fact.url,
            row.verdict.reason,
            row.fact.timing_ms.total,
            row.fact.attempt().map(|attempt| format!(" ({attempt})")).unwrap_or_default()
        );
        for (number, earlier) in (1..).zip(&row.fact.earlier) {
            let _ = writeln!(text, "        attempt {number} at {}: {}", earlier.at, judge(earlier).reason);
        }
        let repeat = row.fact.curl.as_ref().filter(|_| row.verdict.verdict != Verdict::Pass);
        if let Some(curl) = repeat {
            let _ = writeln!(text, "        to repeat it: {curl}");
        }
        text
    })
}
