//! `pvcheck why`.

use std::fmt::Write as _;

use pvcheck_audit::{AllocatorCounts, Snapshot, WaitedOn, Why, why};

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::printer::Printer;
use crate::report::many;
use crate::session::Session;

/// Holders listed in the table; JSON has all.
const LISTED: usize = 10;

pub(crate) async fn run(args: &Args, asked: &args::Why, printer: &Printer) -> Result<u8, Failure> {
    let (snapshot, counts) = snapshot(args, asked).await?;
    printer.done();
    let found = why(&snapshot, &counts, &asked.subject)?;
    printer.result(&found, || text(&found))?;
    Ok(found.code())
}

async fn snapshot(args: &Args, asked: &args::Why) -> Result<(Snapshot, AllocatorCounts), Failure> {
    if let Some(path) = &asked.snapshot {
        let saved = files::load(path)?;
        return Ok((saved.snapshot, saved.counts));
    }
    Session::open(args).await?.counted().await
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
