//! `pvcheck census`.

use pvcheck_swarm::{Census, CensusMethod, CensusOptions, Operation, Permit, RunId, census};

use crate::args::{self, Args};
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::session::{Session, guarded};

pub(crate) async fn run(args: &Args, asked: &args::Census, printer: &Printer) -> Result<u8, Failure> {
    let session = Session::open(args, printer).await?;
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
    if !c.leaked_or_load_balancers.is_empty() {
        let whose = match c.leaked {
            Some(0) => "load balancers of other nodes".to_owned(),
            _ => format!(
                "{leaked} leaked and {} load balancers of other nodes, which no manager tells apart",
                c.load_balancers
            ),
        };
        lines.push(format!("{whose}: {}", list(&c.leaked_or_load_balancers)));
    }
    if !c.free_and_owned.is_empty() {
        lines.push(format!("free and owned at once: {}", list(&c.free_and_owned)));
    }
    if let Some(reason) = &c.reason {
        let what = match (c.complete, c.method) {
            (false, _) => "not complete",
            (true, CensusMethod::Waiting) => "without a probe",
            (true, _) => "by status",
        };
        lines.push(format!("{what}: {reason}"));
    }
    lines.join("\n") + "\n"
}
