//! `pvcheck churn`.

use std::time::Duration;

use pvcheck_gates::ChurnConfig;
use pvcheck_swarm::{
    CensusOptions, Churn, ChurnComparison, ChurnPlan, ChurnShape, LockAs, Operation, Order, Permit, RunId,
    check_image, churn, churn_both,
};
use serde::Serialize;

use crate::args::{self, Args, ChurnOrder, Stop};
use crate::failure::{DONE, Failure, Outcome};
use crate::printer::Printer;
use crate::report::{Document, many};
use crate::session::{Session, config, guarded, holder};

/// Addresses that must stay free at the peak, so that a deploy by others does not fail meanwhile.
const RESERVE: u64 = 16;

pub(crate) async fn run(args: &Args, asked: &args::Churn, printer: &Printer) -> Result<u8, Failure> {
    let plan = plan(args, asked)?;
    let session = Session::open(args, printer).await?;
    if !asked.apply {
        let snapshot = session.engine.snapshot().await?;
        snapshot.named_overlay(&plan.network).map_err(Failure::usage)?;
        printer.done();
        let report = Planned::of(&plan, asked.order);
        printer.result(&report, || planned(&plan, asked.order))?;
        return Ok(DONE);
    }
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let watch = |p| printer.show(p);
    let op = Operation::new(&session.engine, permit, &run, &watch);
    if asked.order == ChurnOrder::Both {
        let work = async { Ok(churn_both(op, &plan).await?) };
        let done = guarded(op, printer, work).await?;
        printer.done();
        printer.result(&done, || comparison(&done))?;
        return Ok(done.code());
    }
    let work = async { Ok(churn(op, &plan).await?) };
    let done = guarded(op, printer, work).await?;
    printer.done();
    printer.result(&done, || text(&done))?;
    Ok(done.code())
}

fn comparison(done: &ChurnComparison) -> String {
    let verdict = match (done.spared, done.control_leaked) {
        (Some(spared), Some(true)) => format!("the drained order saved {spared} addresses"),
        (_, Some(false)) => {
            "the control leaked nothing, so this shape shows nothing about the order".to_owned()
        }
        _ => "unknown which order leaked what".to_owned(),
    };
    format!(
        "drained   {}control   {}{verdict}; its slowest removal took {} ms, that of the control {} ms\n",
        text(&done.drained),
        text(&done.stack_rm),
        done.drained.removal_ms,
        done.stack_rm.removal_ms
    )
}

fn plan(args: &Args, asked: &args::Churn) -> Result<ChurnPlan, Failure> {
    let (image, command) = if let Some(image) = &asked.image {
        (image.clone(), asked.command.clone())
    } else {
        let configured = config(args)?.churn;
        let ChurnConfig { image, command, .. } = configured.ok_or_else(|| {
            Failure::usage("which image? give --image IMAGE, or [churn] in the configuration")
        })?;
        (image, if asked.command.is_empty() { command } else { asked.command.clone() })
    };
    check_image(&image).map_err(Failure::usage)?;
    let command = asked.stop.map_or(command, Stop::command);
    let order = match asked.order {
        ChurnOrder::One(order) => order,
        ChurnOrder::Both => Order::Drained,
    };
    Ok(ChurnPlan {
        network: asked.network.clone(),
        stacks: asked.stacks,
        replicas: asked.replicas,
        rounds: asked.rounds,
        order,
        shape: asked.shape,
        image,
        command,
        reserve: RESERVE,
        patience: Duration::from_mins(1),
        census: CensusOptions::default(),
        lock: Some(LockAs { holder: holder(), break_held: asked.break_lock.clone() }),
    })
}

/// What a churn would do, as JSON.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Planned<'a> {
    network: &'a str,
    order: &'static str,
    shape: &'static str,
    stacks: u32,
    replicas: u32,
    rounds: u32,
    peak_addresses: u64,
}

impl Document for Planned<'_> {
    const KIND: &'static str = "churn-plan";
}

impl<'a> Planned<'a> {
    fn of(plan: &'a ChurnPlan, order: ChurnOrder) -> Self {
        Self {
            network: &plan.network,
            order: order_name(order),
            shape: plan.shape.as_str(),
            stacks: plan.stacks,
            replicas: plan.replicas,
            rounds: plan.rounds,
            peak_addresses: plan.peak_addresses(),
        }
    }
}

fn order_name(order: ChurnOrder) -> &'static str {
    match order {
        ChurnOrder::One(order) => order.as_str(),
        ChurnOrder::Both => "both",
    }
}

fn planned(plan: &ChurnPlan, order: ChurnOrder) -> String {
    let more = match plan.shape {
        ChurnShape::Shared => "",
        ChurnShape::HostPort => " and a private network, a port published on the node",
        ChurnShape::IngressPort => " and a private network, a port published through ingress",
        ChurnShape::SharedAndPrivate => " and a private network",
    };
    format!(
        "would deploy and remove {} with {} each on {}{more}, {}, order {}, with a census before and after;\n\
         at the peak that takes {} addresses of {}. Nothing was touched; add --apply to do it.\n",
        many(plan.stacks.into(), "stack"),
        many(plan.replicas.into(), "task"),
        plan.network,
        many(plan.rounds.into(), "round"),
        order_name(order),
        plan.peak_addresses(),
        plan.network
    )
}

fn text(c: &Churn) -> String {
    let leaked = c.leaked.map_or_else(|| "an unknown number".to_owned(), |n| n.to_string());
    let mut lines = vec![format!(
        "{}: {} leaked in {}, order {} (owned before {}, deployed {}, after {})",
        c.network,
        leaked,
        many(c.cycles, "cycle"),
        c.order.as_str(),
        c.baseline.owned,
        c.deployed.owned,
        c.pruned.as_ref().unwrap_or(&c.removed).owned
    )];
    if !c.leaked_addresses.is_empty() {
        let list = c.leaked_addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        lines.push(format!("leaked: {}", list.join(" ")));
    }
    if let (Some(rate), Some(left)) = (&c.leak_per_cycle, &c.cycles_to_exhaustion) {
        lines.push(format!(
            "per cycle {:.2}, with 95 % confidence at most {:.2}: the free addresses last at least {} cycles",
            rate.estimate, rate.upper95, left.lower95
        ));
    }
    let complaints = c.errors.iter().chain(&c.residue);
    lines.extend(complaints.map(|line| format!("left: {line}")));
    if !c.strangers.is_empty() {
        lines.push(format!("stacks of others came or went meanwhile: {}", c.strangers.join(", ")));
    }
    lines.join("\n") + "\n"
}
