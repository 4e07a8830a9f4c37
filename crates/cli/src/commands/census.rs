//! `pvcheck census`.

use pvcheck_swarm::{Census, CensusOptions, Operation, Permit, RunId, census};

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::session::{Session, guarded};

pub(crate) async fn run(args: &Args, asked: &args::Census, printer: &Printer) -> Result<u8, Failure> {
    let session = Session::open(args).await?;
    // A census creates nothing that lasts and starts no container, so the command itself is permission enough.
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let options =
        CensusOptions { deadline: asked.deadline, method: asked.method, ..CensusOptions::default() };
    let watch = |p| printer.show(p);
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let work = async { Ok(census(op, &asked.network, &options).await?) };
    let found = guarded(op, printer, work).await?;
    printer.done();
    printer.result(&found, || text(&found))?;
    Ok(found.code())
}

fn text(c: &Census) -> String {
    let leaked = c.leaked.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let mut lines = vec![format!(
        "{} {}: {} usable = {} free + {} owned + {} load balancers elsewhere + {leaked} leaked",
        c.network, c.subnet, c.usable, c.handed_out, c.owned, c.load_balancers
    )];
    let list = |addresses: &[std::net::Ipv4Addr]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    if !c.leaked_addresses.is_empty() {
        lines.push(format!("leaked: {}", list(&c.leaked_addresses)));
    }
    if 0 < c.load_balancers {
        lines.push(format!(
            "  {} of these are load balancers of other nodes, which no manager names",
            c.load_balancers
        ));
    }
    if !c.free_and_owned.is_empty() {
        lines.push(format!("free and owned at once: {}", list(&c.free_and_owned)));
    }
    if let Some(reason) = &c.reason {
        let what = if c.complete { "by status" } else { "not complete" };
        lines.push(format!("{what}: {reason}"));
    }
    lines.join("\n") + "\n"
}
