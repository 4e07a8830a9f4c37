//! `pvcheck routes`.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use jiff::Timestamp;
use pvcheck_routes::{Prober, RoutesReport};

use crate::args::Args;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::session::{brings_its_own, config, configured};

/// Routes that are asked at once.
const SIDE_BY_SIDE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not zero");

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<u8, Failure> {
    // No engine is asked; the session of an embedded one is held, because the world's router ends with it.
    let (config, _session) = if brings_its_own(args) {
        let (config, session) = configured(args, printer).await?;
        (config, Some(session))
    } else {
        (config(args)?, None)
    };
    let prober = Prober::new(&config.roots()).map_err(Failure::usage)?;
    let facts = prober.probe_all(&config.route_specs(), Timestamp::now(), SIDE_BY_SIDE).await;
    let report = RoutesReport::new(facts);
    printer.done();
    printer.result(&report, || text(&report))?;
    Ok(report.verdict().code())
}

fn text(report: &RoutesReport) -> String {
    report.routes.iter().fold(String::new(), |mut text, row| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<7} {:<12} {}  {}  ({} ms)",
            row.verdict.verdict, row.fact.name, row.fact.url, row.verdict.reason, row.fact.timing_ms.total
        );
        text
    })
}
