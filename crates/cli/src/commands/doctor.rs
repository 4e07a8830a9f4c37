//! `pvcheck doctor`.

use pvcheck_audit::EngineKind;
use pvcheck_gates::{Diagnosis, DoctorFacts, Examined, Seen, collect_doctor, diagnose};
use serde::Serialize;

use crate::args::Args;
use crate::commands::config::read_and_review;
use crate::failure::{Failure, Outcome as _};
use crate::printer::Printer;
use crate::report::Document;
use crate::session::whereabouts;

/// The result, as JSON has it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Report {
    #[serde(flatten)]
    diagnosis: Diagnosis,
    facts: DoctorFacts,
}

impl Document for Report {
    const KIND: &'static str = "doctor";
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<u8, Failure> {
    let here = whereabouts(args).await?;
    let read = here.config.as_ref().map(|path| read_and_review(path, "--config")).transpose()?;
    let (config, review) = read.map_or((None, None), |(config, review)| (config, Some(review)));
    let facts = collect_doctor(&here.host, config.as_ref(), review.as_ref()).await;
    if let Seen::Known(heard) = &facts.standing {
        printer.rests_on(heard.standing.kind);
    } else if args.global.engine.is_some() {
        printer.rests_on(EngineKind::Embedded);
    }
    let report = Report { diagnosis: diagnose(&facts), facts };
    printer.done();
    printer.result(&report, || report.diagnosis.examined.iter().map(line).collect())?;
    Ok(report.diagnosis.code())
}

fn line(one: &Examined) -> String {
    let (health, symptom) = (one.symptom.health(), &one.symptom);
    let remedy = symptom.remedy().map_or_else(String::new, |remedy| format!("{:21}-> {remedy}\n", ""));
    format!("{health:<8} {:<11} {symptom}\n{remedy}", one.id)
}
