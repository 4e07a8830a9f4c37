//! `pvcheck explain`: a signature, or a check.

use std::fmt::Write as _;

use pvcheck_gates::check_info;
use pvcheck_journal::{Catalogue, Class, Place, Signature, UnknownSignature};
use serde::Serialize;

use crate::args::{self, Args};
use crate::commands::check;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::report::Document;
use crate::signatures;

/// What the catalogue knows of one signature.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Explained {
    signature: &'static str,
    class: Class,
    place: Place,
    meaning: &'static str,
    remedy: &'static str,
    source: &'static str,
    /// The engine versions that log it, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<&'static str>,
}

impl Document for Explained {
    const KIND: &'static str = "explain";
}

pub(crate) fn run(args: &Args, asked: &args::Explain, printer: &Printer) -> Result<u8, Failure> {
    let catalogue = signatures::catalogue(asked.catalogue.as_deref())?;
    let found = match (find(catalogue, &asked.subject), check_info(asked.subject.trim())) {
        (Ok(found), _) => found,
        (Err(_), Ok(info)) => return check::explain(args, info, printer),
        (Err(unknown), Err(none)) if looks_like_a_check(&asked.subject, &unknown.near, &none.near) => {
            return Err(none.into());
        }
        (Err(unknown), Err(_)) => return Err(unknown.into()),
    };
    let explained = Explained {
        signature: found.id,
        class: found.class,
        place: found.place,
        meaning: found.meaning,
        remedy: found.remedy,
        source: found.source,
        versions: Some(found.versions).filter(|versions| !versions.is_empty()),
    };
    printer.done();
    printer.result(&explained, || table(&explained))?;
    Ok(0)
}

/// By name, or by the error that a task shows, which is a sentence.
fn find(catalogue: &Catalogue, text: &str) -> Result<&'static Signature, UnknownSignature> {
    let by_error = || catalogue.of_task_error(text).filter(|_| text.trim().contains(' '));
    catalogue.explain(text).or_else(|unknown| by_error().ok_or(unknown))
}

/// True iff what was asked for is no sentence, and has a dot in it as ids of checks have, or is spelled like one of them and
/// like no signature.
fn looks_like_a_check(text: &str, signatures: &[&str], checks: &[&str]) -> bool {
    !text.trim().contains(' ') && (text.contains('.') || (signatures.is_empty() && !checks.is_empty()))
}

fn table(explained: &Explained) -> String {
    let place = match explained.place {
        Place::Leader => "the log of the manager that leads",
        Place::Manager => "the log of any manager",
        Place::Node => "the log of the node that the task or network is on",
        Place::Any => "the log of the manager that leads, or of the node that the task or network is on",
    };
    let mut text = format!("{} ({})\n", explained.signature, explained.class.as_str());
    for (label, value) in [
        ("meaning:", explained.meaning),
        ("remedy:", explained.remedy),
        ("place:", place),
        ("source:", explained.source),
        ("versions:", explained.versions.unwrap_or_default()),
    ] {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<9} {value}");
        }
    }
    text
}
