//! `pvcheck audit`.

use std::fmt::Write as _;

use pvcheck_swarm::{Audit, AuditedNetwork, Snapshot, audit};

use crate::args::{self, Args};
use crate::face::Face;
use crate::failure::Failure;
use crate::files;
use crate::session::Session;

pub(crate) async fn run(args: &Args, asked: &args::Audit, face: &Face) -> Result<u8, Failure> {
    let snapshot = look(args, asked).await?;
    face.done();
    let mut report = audit(&snapshot);
    keep(&mut report, &asked.networks, &snapshot)?;
    face.result(&report, || table(&report))?;
    let found = report
        .networks
        .iter()
        .any(|n| !n.duplicates.is_empty() || !n.stuck.is_empty() || n.pressure == "full");
    Ok(u8::from(found))
}

/// A new look, kept if that was asked for, or one that was kept.
async fn look(args: &Args, asked: &args::Audit) -> Result<Snapshot, Failure> {
    if let Some(path) = &asked.snapshot {
        return Ok(files::load(path)?.snapshot);
    }
    let session = Session::open(args).await?;
    let Some(path) = &asked.save else {
        return Ok(session.engine.snapshot().await?);
    };
    let look = session.look().await?;
    files::save(&look, path)?;
    Ok(look.snapshot)
}

fn keep(report: &mut Audit, names: &[String], snapshot: &Snapshot) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        snapshot.named_overlay(name).map_err(Failure::usage)?;
    }
    report.networks.retain(|n| names.iter().any(|name| *name == n.name || name == n.id.as_str()));
    Ok(())
}

fn table(report: &Audit) -> String {
    let engine = &report.engine;
    let mut text = format!(
        "engine {} (API {}), {} of {} nodes are managers\n\n{:<44} {:>18} {:>7} {:>6} {:>5} {:>6} {:>4} {:>5}  {}\n",
        engine.version,
        engine.api,
        engine.managers,
        engine.nodes,
        "NETWORK",
        "SUBNET",
        "USABLE",
        "OWNED",
        "VIPS",
        "TASKS",
        "LBS",
        "ATT",
        "PRESSURE"
    );
    for network in &report.networks {
        row(&mut text, network);
    }
    text
}

fn row(text: &mut String, n: &AuditedNetwork) {
    let subnet = match n.subnets.as_slice() {
        [] => "not allocated".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    };
    let o = &n.owned;
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{:<44} {subnet:>18} {:>7} {:>6} {:>5} {:>6} {:>4} {:>5}  {}",
        n.name,
        n.usable,
        o.total(),
        o.vips,
        o.tasks,
        o.load_balancers,
        o.attachments,
        n.pressure
    );
    let duplicates = n.duplicates.iter().map(|a| format!("{a} has more than one owner"));
    let stuck = n.stuck.iter().map(|s| format!("task {} of {} waits: {}", s.task, s.service, s.reason));
    for line in duplicates.chain(stuck) {
        let _ = writeln!(text, "    -> {line}");
    }
}
