//! `pvcheck audit`.

use std::fmt::Write as _;

use pvcheck_audit::{Audit, AuditedNetwork, SavedSnapshot, Snapshot, audit_on};
use pvcheck_ipam::{Pressure, Thresholds};
use pvcheck_swarm::read_counts;

use crate::args::{self, Args};
use crate::failure::{Failure, code_of_found};
use crate::files;
use crate::printer::Printer;
use crate::report::many;
use crate::session::Session;
use crate::signatures::known;

/// Holders listed in the table for a network that was not named; JSON has all.
const LISTED: usize = 5;

pub(crate) async fn run(args: &Args, asked: &args::Audit, printer: &Printer) -> Result<u8, Failure> {
    let saved = snapshot(args, asked, printer).await?;
    printer.done();
    let mut thresholds = Thresholds::default();
    if let Some(high) = asked.high {
        thresholds.high = high;
    }
    let mut report = audit_on(&saved.snapshot, &saved.counts, &thresholds, saved.host.as_ref());
    report.explain_errors(known);
    keep(&mut report, &asked.networks, &saved.snapshot)?;
    printer.result(&report, || table(&report, !asked.networks.is_empty()))?;
    let found = report
        .networks
        .iter()
        .any(|n| !n.duplicates.is_empty() || !n.stuck.is_empty() || n.pressure == Pressure::Full);
    Ok(code_of_found(found || !report.findings.is_empty()))
}

/// Reads a new snapshot and saves it for `--save`, or reads a saved one for `--snapshot`.
async fn snapshot(args: &Args, asked: &args::Audit, printer: &Printer) -> Result<SavedSnapshot, Failure> {
    if let Some(path) = &asked.snapshot {
        return files::load(path, printer);
    }
    let session = Session::open(args, printer).await?;
    let seen = session.snapshot_with_host().await?;
    // The file must judge as the engine does today, so the counts go into it as well.
    let counts = read_counts(&session.engine, &seen.snapshot).await;
    let saved = SavedSnapshot { counts, ..seen };
    if let Some(path) = &asked.save {
        files::save(&saved, path)?;
    }
    Ok(saved)
}

/// Leaves only these networks, and the findings about them, in the report.
fn keep(report: &mut Audit, names: &[String], snapshot: &Snapshot) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        snapshot.named_overlay(name).map_err(Failure::usage)?;
    }
    report.networks.retain(|n| names.iter().any(|name| *name == n.name || name == n.id.as_str()));
    let kept: Vec<&str> = report.networks.iter().map(|n| n.name.as_str()).collect();
    report.findings.retain(|f| f.networks().iter().any(|n| kept.contains(&n.as_str())));
    Ok(())
}

fn table(report: &Audit, named: bool) -> String {
    let swarm = &report.swarm;
    let width = report.networks.iter().map(|n| n.name.chars().count()).max().unwrap_or(0).max(24);
    let mut text = format!(
        "engine {} (API {}), {} of {} nodes are managers\n\n{:<width$} {:>18} {:>7} {:>6} {:>5} {:>6} {:>4} {:>4} {:>6} {:>6}  {}\n",
        swarm.version,
        swarm.api,
        swarm.managers,
        swarm.nodes,
        "NETWORK",
        "SUBNET",
        "USABLE",
        "OWNED",
        "VIPS",
        "TASKS",
        "LBS",
        "ATT",
        "LEAKED",
        "FREE",
        "PRESSURE"
    );
    for network in &report.networks {
        row(&mut text, network, width);
        details(&mut text, network, named);
    }
    for finding in &report.findings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n! {finding}");
    }
    text
}

fn row(text: &mut String, n: &AuditedNetwork, width: usize) {
    let subnet = match n.subnets.as_slice() {
        [] => "not allocated".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    };
    let o = &n.owned;
    let known = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |n| n.to_string());
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{:<width$} {subnet:>18} {:>7} {:>6} {:>5} {:>6} {:>4} {:>4} {:>6} {:>6}  {}",
        n.name,
        n.usable,
        o.total(),
        o.vips,
        o.tasks,
        o.load_balancers,
        o.attachments,
        known(n.leaked),
        known(n.free),
        n.pressure
    );
}

/// The lines below a row: what is wrong always, the holders where the pressure is high or the network was named.
fn details(text: &mut String, n: &AuditedNetwork, named: bool) {
    let stuck = n.stuck.iter().map(|s| format!("-> task {} of {} waits: {s}", s.task, s.service));
    let mut lines: Vec<String> = stuck.collect();
    if 0 < n.on_down_nodes {
        let hosts = n.nodes.iter().filter(|s| s.down);
        let hosts = hosts.map(|s| s.hostname.clone().unwrap_or_else(|| s.node.to_string()));
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        lines.push(format!("-> {} held by tasks of nodes that are down: {hosts}", n.on_down_nodes));
    }
    if named || matches!(n.pressure, Pressure::Full | Pressure::High) {
        let most = if named { usize::MAX } else { LISTED };
        for holder in n.holders.iter().take(most) {
            let (vips, tasks) = (many(holder.vips, "VIP"), many(holder.tasks, "task"));
            lines.push(format!("{:>5}  {} ({vips}, {tasks})", holder.total(), holder.service));
        }
    }
    if named {
        for share in &n.nodes {
            let host = share.hostname.clone().unwrap_or_else(|| share.node.to_string());
            let down = if share.down { ", down" } else { "" };
            lines.push(format!(
                "on {host}{down}: {}, {}, {}",
                many(share.tasks, "task"),
                many(share.attachments, "standalone container"),
                many(share.load_balancers, "load balancer")
            ));
        }
        if 0 < n.ended_tasks {
            lines.push(format!(
                "{} that ended still list an address; they hold none",
                many(n.ended_tasks, "task")
            ));
        }
        lines.extend(n.notes.iter().map(ToString::to_string));
    }
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {line}");
    }
}
