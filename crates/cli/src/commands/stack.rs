//! `pvcheck stack rm`.

use pvcheck_swarm::{
    Operation, Order, Permit, RemovalOptions, RemovalPlan, RunId, StackRemoval, plan_removal, remove_stacks,
};
use serde::Serialize;

use crate::args::{self, Args, StackCommand, StackRm};
use crate::failure::{DONE, Failure, code_of_found};
use crate::printer::Printer;
use crate::report::{Document, many};
use crate::session::{Session, until_interrupted};

/// The result, as JSON has it: the plan without `--apply`, what was done with it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Report<'a> {
    applied: bool,
    stacks: Vec<Stack<'a>>,
}

/// A stack that would be removed, or that was.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Stack<'a> {
    Planned(&'a RemovalPlan),
    Removed(&'a StackRemoval),
}

impl Document for Report<'_> {
    const KIND: &'static str = "stack-rm";
}

pub(crate) async fn run(args: &Args, asked: &args::Stack, printer: &Printer) -> Result<u8, Failure> {
    let StackCommand::Rm(asked) = &asked.what;
    let session = Session::open(args, printer).await?;
    if asked.apply { apply(&session, asked, printer).await } else { plan(&session, asked, printer).await }
}

async fn plan(session: &Session, asked: &StackRm, printer: &Printer) -> Result<u8, Failure> {
    let stacks = plan_removal(&session.engine, &asked.stacks).await?;
    printer.done();
    let report = Report { applied: false, stacks: stacks.iter().map(Stack::Planned).collect() };
    printer.result(&report, || {
        let lines: String = stacks.iter().map(planned).collect();
        lines + "Nothing was touched; add --apply to do it.\n"
    })?;
    Ok(DONE)
}

fn planned(plan: &RemovalPlan) -> String {
    let listed = |what: &str, names: &[String]| {
        let rows = names.iter().map(|n| format!("  {what} {n}\n"));
        rows.collect::<String>()
    };
    let used: String = plan
        .used
        .iter()
        .map(|u| {
            let services = u.services.join(", ");
            format!("  {} stays while it is used: {services} is on it, and not of this stack\n", u.network)
        })
        .collect();
    format!(
        "{}: would remove, in this order\n{}  (wait until their tasks are gone)\n{}{}{}{used}",
        plan.stack,
        listed("service", &plan.services),
        listed("network", &plan.networks),
        listed("secret", &plan.secrets),
        listed("config", &plan.configs)
    )
}

async fn apply(session: &Session, asked: &StackRm, printer: &Printer) -> Result<u8, Failure> {
    let options = RemovalOptions { order: Order::Drained, patience: asked.removal.timeout };
    let permit = Permit::granted_by_operator();
    let watch = |p| printer.show(p);
    let run = RunId::unique();
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let removal = async { Ok(remove_stacks(op, &asked.stacks, &options).await?) };
    let stacks = until_interrupted(removal).await?;
    printer.done();
    let report = Report { applied: true, stacks: stacks.iter().map(Stack::Removed).collect() };
    printer.result(&report, || stacks.iter().map(done).collect())?;
    Ok(code_of_found(stacks.iter().any(|r| !r.left.is_empty())))
}

fn done(removal: &StackRemoval) -> String {
    let left: String = removal.left.iter().map(|l| format!("  left: {l}\n")).collect();
    format!(
        "{}: removed {}, {}, {}\n{left}",
        removal.stack,
        many(removal.services, "service"),
        many(removal.networks, "network"),
        secrets_and_configs(removal.stored)
    )
}

fn secrets_and_configs(stored: u64) -> String {
    match stored {
        1 => "1 secret or config".to_owned(),
        n => format!("{n} secrets and configs"),
    }
}
