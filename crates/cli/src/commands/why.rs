//! `pvcheck why`.

use std::fmt::Write as _;

use pvcheck_audit::{AllocatorCounts, Network, Probes, Snapshot, TaskError, WaitedOn, Why, why, why_probed};
use pvcheck_swarm::{Operation, Permit, RunId, most_probes, probe};

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::many;
use crate::session::{Session, guarded};
use crate::signatures::known;

/// Holders listed in the table; JSON has all.
const LISTED: usize = 10;

pub(crate) async fn run(args: &Args, asked: &args::Why, printer: &Printer) -> Result<u8, Failure> {
    let mut found = if asked.probe {
        probed(args, asked, printer).await?
    } else {
        let (snapshot, counts) = snapshot(args, asked, printer).await?;
        why(&snapshot, &counts, &asked.subject)?
    };
    found.explain_errors(known);
    printer.done();
    printer.result(&found, || text(&found))?;
    Ok(found.code())
}

/// The answer with probes on the candidates. Where one snapshot decides it, nothing is probed.
async fn probed(args: &Args, asked: &args::Why, printer: &Printer) -> Result<Why, Failure> {
    let session = Session::open(args, printer).await?;
    let (snapshot, counts) = session.counted().await?;
    let found = why(&snapshot, &counts, &asked.subject)?;
    let candidates: Vec<&Network> = snapshot
        .overlays()
        .into_iter()
        .filter(|n| found.candidates.iter().any(|c| c.id == n.id && c.free.is_none()))
        .collect();
    if candidates.is_empty() {
        return Ok(found);
    }
    printer.note(&cost(&found, &candidates));
    let probes = ask(&session, &snapshot, &candidates, printer).await?;
    // Anew: what the probes gave back may have served what waited, and addresses have moved meanwhile.
    let (snapshot, counts) = session.counted().await?;
    Ok(why_probed(&snapshot, &counts, &probes, &asked.subject)?)
}

/// Like a census, the probe is the command's own purpose: it starts no container and leaves nothing.
async fn ask(
    session: &Session,
    snapshot: &Snapshot,
    candidates: &[&Network],
    printer: &Printer,
) -> Result<Probes, Failure> {
    let run = RunId::unique();
    let watch = |p| printer.show(p);
    let op = Operation::new(&session.engine, Permit::granted_by_operator(), &run, &watch);
    guarded(op, printer, async { Ok(probe(op, snapshot, candidates).await?) }).await
}

/// What the probes cost, said before the first one.
fn cost(found: &Why, candidates: &[&Network]) -> String {
    let names = candidates.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(" and ");
    let most = most_probes(candidates.len());
    let mut text = format!(
        "pvcheck: probes {names}, up to {most} services without tasks, removed at the end; each removal lets the allocator try again what waits"
    );
    // Whatever loses an address per attempt is among the findings of the service.
    let losing: Vec<String> =
        found.findings.iter().filter_map(|f| f.loss()).flat_map(pvcheck_audit::Loss::networks).collect();
    if !losing.is_empty() {
        let _ = write!(text, ", which may lose up to {most} addresses of {}", losing.join(" and "));
    }
    text
}

async fn snapshot(
    args: &Args,
    asked: &args::Why,
    printer: &Printer,
) -> Result<(Snapshot, AllocatorCounts), Failure> {
    if let Some(path) = &asked.snapshot {
        let saved = files::load(path, printer)?;
        return Ok((saved.snapshot, saved.counts));
    }
    Session::open(args, printer).await?.counted().await
}

/// The table. Writing to a String cannot fail.
fn text(found: &Why) -> String {
    let mut text = format!("{}\n", found.summary);
    if !found.chain.is_empty() {
        text.push('\n');
    }
    for link in &found.chain {
        let since = link.since.map(|at| format!(", since {at:.0}")).unwrap_or_default();
        let _ = writeln!(text, "  {}: {}{since}\n    {}", link.subject, link.state, link.fact);
    }
    for network in found.network.iter().chain(&found.candidates) {
        held(&mut text, network);
    }
    for finding in &found.findings {
        let _ = writeln!(text, "\n  ! {finding}");
    }
    for error in &found.errors {
        shown(&mut text, error);
    }
    if !found.remedies.is_empty() {
        text.push_str("\nWhat to do, cheapest first:\n");
    }
    for (at, remedy) in found.remedies.iter().enumerate() {
        let _ = writeln!(text, "  {}. {remedy}", at + 1);
        if let Some(command) = remedy.command() {
            let _ = writeln!(text, "     $ {command}");
        }
    }
    text
}

/// An error that tasks show, with what the catalogue knows of it.
fn shown(text: &mut String, error: &TaskError) {
    let _ = writeln!(text, "\n  error of {}: {}", many(error.tasks, "task"), error.text);
    if let Some(known) = &error.known {
        let _ = writeln!(text, "    {}: {}", known.signature, known.meaning);
    }
}

fn held(text: &mut String, network: &WaitedOn) {
    if network.owned == 0 {
        return;
    }
    let subnets = network.subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let _ = writeln!(text, "\n  {} {subnets} is held by", network.name);
    for holder in network.holders.iter().take(LISTED) {
        let (vips, tasks) = (many(holder.vips, "VIP"), many(holder.tasks, "task"));
        let stopping =
            if holder.stopping == 0 { String::new() } else { format!(", {} stopping", holder.stopping) };
        let _ = writeln!(text, "    {:>5}  {} ({vips}, {tasks}{stopping})", holder.total(), holder.service);
    }
    let rest: u64 = network.holders.iter().skip(LISTED).map(pvcheck_audit::Holder::total).sum();
    let others = [
        (rest, "other services"),
        (network.load_balancers, "load balancers of nodes"),
        (network.attachments, "standalone containers"),
        (network.leaked.unwrap_or(0), "no owner: leaked"),
    ];
    for (count, who) in others.into_iter().filter(|(count, _)| 0 < *count) {
        let _ = writeln!(text, "    {count:>5}  {who}");
    }
}
