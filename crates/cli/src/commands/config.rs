//! `pvcheck config`.

use std::path::Path;

use jiff::Timestamp;
use pvcheck_gates::{Config, Review, ReviewedGate, look_at_files, review};

use crate::args::{self, ConfigCommand};
use crate::failure::{Failure, Outcome as _};
use crate::files;
use crate::printer::Printer;
use crate::report::{Document, many};

impl Document for Review {
    const KIND: &'static str = "config-check";
}

pub(crate) fn run(asked: &args::Config, printer: &Printer) -> Result<u8, Failure> {
    let ConfigCommand::Check(check) = &asked.what;
    let (_, review) = read_and_review(&check.file, "FILE")?;
    printer.done();
    printer.result(&review, || text(&review))?;
    Ok(review.code())
}

/// Reads a configuration and says all that is wrong with it; `option` is the one that named it. `None` where it is no
/// configuration.
pub(crate) fn read_and_review(path: &Path, option: &str) -> Result<(Option<Config>, Review), Failure> {
    let (file, text) = (path.display().to_string(), files::read(path, option)?);
    Ok(match Config::of_file_with_all_errors(path, &text) {
        Err(errors) => (None, Review::refused(&file, errors)),
        Ok(config) => {
            let review = review(&file, &config, &look_at_files(&config), Timestamp::now());
            (Some(config), review)
        }
    })
}

fn text(review: &Review) -> String {
    if !review.right {
        let lines = review.errors.iter().map(|error| format!("{error}\n"));
        let count = many(review.errors.len() as u64, "error");
        return lines.chain([format!("{}: {count}\n", review.file)]).collect();
    }
    let overlays = review.overlays.iter();
    let overlays = overlays.map(|o| format!("{} {}, {} free wanted", o.name, o.subnet, o.min_free));
    let services = review.services.iter().map(|service| {
        let tasks = service.tasks.as_ref().map(|tasks| format!(", {tasks}")).unwrap_or_default();
        let overlay = service.overlay.as_ref().map(|overlay| format!(" on {overlay}")).unwrap_or_default();
        format!("{}{overlay}{tasks}", service.name)
    });
    let routes = review.routes.iter().map(|route| {
        let group = route.group.as_ref().map(|group| format!(", of {group}")).unwrap_or_default();
        let core = if route.core { "" } else { ", not core" };
        format!("{} {}{group}{core}", route.name, route.url)
    });
    let mut text = format!("{} is right\n", review.file);
    text += &listed("overlays", overlays);
    text += &listed("services", services);
    text += &listed("routes", routes);
    text += &listed("gates", review.gates.iter().map(gate));
    text + &review.hints.iter().map(|hint| format!("hint: {hint}\n")).collect::<String>()
}

fn listed(what: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() { format!("{what}: none\n") } else { format!("{what}:\n{}", lines.concat()) }
}

fn gate(gate: &ReviewedGate) -> String {
    let apply = if gate.changes_something { ", needs --apply" } else { "" };
    let after = match gate.requires.as_slice() {
        [] => String::new(),
        before => format!(", after {}", before.join(" and ")),
    };
    format!("{}, {}{apply}{after}", gate.name, many(gate.checks as u64, "check"))
}
