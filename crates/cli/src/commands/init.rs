//! `pvcheck init`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pvcheck_gates::{Draft, InitOptions, collect_init, draft};
use serde::Serialize;

use crate::args::{self, Args, Output};
use crate::failure::{DONE, Failure};
use crate::files;
use crate::printer::Printer;
use crate::report::{Document, many};
use crate::session::Session;

/// The result, as JSON has it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    written: Option<&'a Path>,
    #[serde(flatten)]
    draft: Draft,
}

impl Document for Report<'_> {
    const KIND: &'static str = "init";
}

pub(crate) async fn run(args: &Args, asked: &args::Init, printer: &Printer) -> Result<u8, Failure> {
    let written = asked.write.as_deref();
    // Before anything is asked.
    if let Some(path) = written.filter(|path| path.symlink_metadata().is_ok()) {
        return Err(not_written(path, &std::io::Error::from(ErrorKind::AlreadyExists)));
    }
    let options = InitOptions {
        ask: asked.ask,
        addresses: asked.address.clone(),
        ca: there(asked.ca.as_deref(), "--ca")?,
        log: there(asked.log.as_deref(), "--log")?,
    };
    let session = Session::open(args, printer).await?;
    let report = Report { written, draft: draft(&collect_init(&session.engine, &options).await?)? };
    if let Some(path) = written {
        files::write_new(path, &report.draft.text).map_err(|e| not_written(path, &e))?;
    }
    printer.done();
    match (printer.output(), written) {
        (Output::Json, _) | (_, Some(_)) => printer.result(&report, || summary(&report))?,
        // It says itself where it is of the embedded engine, since another line would not be TOML.
        (_, None) => printer.print(&report.draft.text)?,
    }
    Ok(DONE)
}

/// The path of a file that is there; `option` is the one that named it. Absolute, since it may be anywhere and relative ones in
/// a configuration are relative to its folder.
fn there(path: Option<&Path>, option: &str) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let found = path.metadata().and_then(|_| std::path::absolute(path));
    found.map(Some).map_err(|e| {
        let shown = path.display();
        Failure::usage(format!("cannot read {shown}: {e}; name another with {option} FILE"))
    })
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let hint = if error.kind() == ErrorKind::AlreadyExists {
        "it is there, and is not overwritten; name another with --write FILE"
    } else {
        "name another with --write FILE"
    };
    Failure::not_done(format!("cannot write {}: {error}: {hint}", path.display()))
}

fn summary(report: &Report<'_>) -> String {
    let Draft { overlays, services, routes, left_out, .. } = report.draft;
    let file = report.written.map_or_else(String::new, |path| path.display().to_string());
    format!(
        "{file}: {}, {}, {}; {left_out} left out, each with the reason\nread it, correct it, then: pvcheck config check {file}\n",
        many(overlays, "overlay"),
        many(services, "service"),
        many(routes, "route")
    )
}
