//! `pvcheck stack rm`.

use pvcheck_swarm::{Order, Permit, RemovalOptions, RemovalPlan, StackRemoval, plan_removal, remove_stacks};
use serde::Serialize;

use crate::args::{self, Args, StackCommand, StackRm};
use crate::commands::{Envelope, many};
use crate::face::Face;
use crate::failure::Failure;
use crate::session::{Session, until_interrupted};

/// What is printed as JSON: a plan without `--apply`, else what was done.
#[derive(Serialize)]
struct Report<T> {
    applied: bool,
    stacks: Vec<T>,
}

pub(crate) async fn run(args: &Args, asked: &args::Stack, face: &Face) -> Result<u8, Failure> {
    let StackCommand::Rm(asked) = &asked.what;
    let session = Session::open(args).await?;
    if asked.apply { apply(&session, asked, face).await } else { plan(&session, asked, face).await }
}

async fn plan(session: &Session, asked: &StackRm, face: &Face) -> Result<u8, Failure> {
    let stacks = plan_removal(&session.engine, &asked.stacks).await?;
    face.done();
    let report = Envelope::new("stack-rm", Report { applied: false, stacks });
    face.result(&report, || {
        let lines: String = report.body.stacks.iter().map(planned).collect();
        lines + "Nothing was touched; add --apply to do it.\n"
    })?;
    Ok(0)
}

fn planned(plan: &RemovalPlan) -> String {
    let listed = |what: &str, names: &[String]| {
        let rows = names.iter().map(|n| format!("  {what} {n}\n"));
        rows.collect::<String>()
    };
    format!(
        "{}: would remove, in this order\n{}  (wait until their tasks are gone)\n{}{}{}",
        plan.stack,
        listed("service", &plan.services),
        listed("network", &plan.networks),
        listed("secret", &plan.secrets),
        listed("config", &plan.configs)
    )
}

async fn apply(session: &Session, asked: &StackRm, face: &Face) -> Result<u8, Failure> {
    let options = RemovalOptions { order: Order::Drained, patience: asked.removal.timeout };
    let permit = Permit::granted_by_operator();
    let watch = |p| face.show(p);
    let removal =
        async { Ok(remove_stacks(&session.engine, permit, &asked.stacks, &options, &watch).await?) };
    let stacks = until_interrupted(removal).await?;
    face.done();
    let report = Envelope::new("stack-rm", Report { applied: true, stacks });
    face.result(&report, || report.body.stacks.iter().map(done).collect())?;
    Ok(u8::from(report.body.stacks.iter().any(|r| !r.left.is_empty())))
}

fn done(removal: &StackRemoval) -> String {
    let left: String = removal.left.iter().map(|l| format!("  left: {l}\n")).collect();
    format!(
        "{}: removed {}, {}, {}\n{left}",
        removal.stack,
        many(removal.services, "service"),
        many(removal.networks, "network"),
        many(removal.stored, "secret or config")
    )
}
