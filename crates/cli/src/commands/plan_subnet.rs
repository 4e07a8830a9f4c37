//! `pvcheck plan-subnet`.

pub(crate) mod report;

use pvcheck_audit::{SavedSnapshot, default_pools, not_seen, reservations};
use pvcheck_ipam::{
    Index, NetworkName, PlanError, PlanRequest, Reservation, Reservations, Subnet, Workload, plan_subnet,
};

use self::report::Report;
use crate::args::{self, Args};
use crate::failure::{Failure, code_of_found};
use crate::files;
use crate::printer::Printer;
use crate::session::Session;

/// The prefix where neither an option nor the workload sets one: 65,533 addresses. A large subnet costs nothing.
const DEFAULT_PREFIX: u8 = 16;

/// The subnets that are taken, and where that was read.
struct Known {
    list: Vec<Reservation>,
    default_pools: Vec<Subnet>,
    not_seen: Vec<String>,
    nodes: Option<u64>,
    /// `engine`, `snapshot` or `reservations`.
    source: &'static str,
}

pub(crate) async fn run(args: &Args, asked: &args::PlanSubnet, printer: &Printer) -> Result<u8, Failure> {
    let name: NetworkName = asked.name.parse().map_err(|e| Failure::usage(format!("--name: {e}")))?;
    let mut request = request(asked)?;
    // A request that fails on an empty host fails everywhere: refuse it before any call.
    refuse_bad(plan_subnet(&request, &Index::new(Vec::new())).err())?;
    let known = known(args, asked, printer).await?;
    printer.done();
    request.default_pools = known.default_pools;
    request.not_seen = known.not_seen;
    if let (Some(workload), None, Some(nodes)) = (&mut request.workload, asked.nodes, known.nodes) {
        workload.nodes = nodes;
    }
    let index = Index::new(without(known.list, asked.replaces.as_deref())?);
    let planned = plan_subnet(&request, &index);
    let report = match &planned {
        Ok(plan) => Report::of_plan(plan, name),
        Err(error) => Report::of_no_room(error, &request.not_seen).ok_or_else(|| Failure::usage(error))?,
    };
    let report = report.with_facts(&index, known.source);
    printer.result(&report, || report.table())?;
    Ok(code_of_found(planned.is_err()))
}

/// The reservations but for those of the network that is replaced.
fn without(list: Vec<Reservation>, replaced: Option<&str>) -> Result<Vec<Reservation>, Failure> {
    let Some(replaced) = replaced else { return Ok(list) };
    let known = list.len();
    let kept: Vec<Reservation> = list.into_iter().filter(|r| r.owner != replaced).collect();
    if kept.len() == known {
        return Err(Failure::usage(format!("--replaces: nothing is known of a network {replaced}")));
    }
    Ok(kept)
}

fn refuse_bad(error: Option<PlanError>) -> Result<(), Failure> {
    match error {
        None | Some(PlanError::NoRoom { .. }) => Ok(()),
        Some(bad) => Err(Failure::usage(bad)),
    }
}

fn request(asked: &args::PlanSubnet) -> Result<PlanRequest, Failure> {
    let prefer = subnets("--prefer", &asked.prefer)?;
    let workload = asked.services.map(|services| Workload {
        services,
        replicas: asked.replicas,
        nodes: asked.nodes.unwrap_or(1),
        growth_percent: asked.growth,
    });
    let given = asked.prefix.as_deref().map(prefix).transpose()?;
    let sized = workload.is_some() || !prefer.is_empty();
    Ok(PlanRequest {
        prefix: given.or_else(|| (!sized).then_some(DEFAULT_PREFIX)),
        workload,
        prefer,
        allow: subnets("--allow", &asked.allow)?,
        deny: subnets("--deny", &asked.deny)?,
        strategy: asked.strategy,
        ..PlanRequest::default()
    })
}

pub(super) fn prefix(text: &str) -> Result<u8, Failure> {
    let digits = text.strip_prefix('/').unwrap_or(text);
    digits.parse().map_err(|_| {
        Failure::usage(format!("--prefix: {text:?} is not a prefix length: write 1 to 30, for example 16"))
    })
}

fn subnets(option: &str, texts: &[String]) -> Result<Vec<Subnet>, Failure> {
    let parse = |text: &String| Subnet::parse(text).map_err(|e| Failure::usage(format!("{option}: {e}")));
    texts.iter().map(parse).collect()
}

async fn known(args: &Args, asked: &args::PlanSubnet, printer: &Printer) -> Result<Known, Failure> {
    if let Some(path) = &asked.reservations {
        let read = Reservations::from_json(&files::read(path, "--reservations")?)
            .map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        if let [first, more @ ..] = read.duplicates.as_slice() {
            let more =
                if more.is_empty() { String::new() } else { format!(" (and {} more like it)", more.len()) };
            printer.note(&format!("pvcheck: {}: {first}{more}", path.display()));
        }
        let (default_pools, not_seen, nodes) = (Vec::new(), Vec::new(), None);
        return Ok(Known { list: read.list, default_pools, not_seen, nodes, source: "reservations" });
    }
    if let Some(path) = &asked.snapshot {
        return Ok(of_snapshot(&files::load(path, printer)?, "snapshot", printer));
    }
    Ok(of_snapshot(&Session::open(args, printer).await?.snapshot_with_host().await?, "engine", printer))
}

fn of_snapshot(saved: &SavedSnapshot, source: &'static str, printer: &Printer) -> Known {
    let SavedSnapshot { snapshot, host, host_unknown, .. } = saved;
    let lacking = host.as_ref().map(|host| host.lacks(snapshot)).unwrap_or_default();
    if let Some(reason) = host_unknown {
        printer.note(&format!("pvcheck: the host's addresses and routes are not known: {reason}"));
    } else if !lacking.is_empty() {
        printer.note(&format!(
            "pvcheck: this host has no address on the engine's networks {}: it is in another network namespace; run \
             pvcheck where the engine runs",
            lacking.join(", ")
        ));
    }
    Known {
        list: reservations(snapshot, host.as_ref()),
        default_pools: default_pools(snapshot),
        not_seen: not_seen(snapshot, host.as_ref()),
        nodes: Some(snapshot.nodes.len() as u64),
        source,
    }
}
