//! `pvcheck stack rm`.

use pvcheck_swarm::{Order, Permit, RemovalOptions, Snapshot, remove_stacks};

use crate::args::{self, Args, StackCommand, StackRm};
use crate::commands::many;
use crate::face::Face;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(args: &Args, asked: &args::Stack, face: &Face) -> Result<u8, Failure> {
    let StackCommand::Rm(asked) = &asked.what;
    let session = Session::open(args).await?;
    if !asked.apply {
        let snapshot = session.engine.snapshot().await?;
        face.done();
        face.print(&plan(&snapshot, asked)?)?;
        return Ok(0);
    }
    let options = RemovalOptions { order: Order::Drained, patience: asked.timeout };
    let permit = Permit::granted_by_operator();
    let removed = remove_stacks(&session.engine, permit, &asked.stacks, &options, &|p| face.show(p)).await?;
    face.done();
    face.result(&removed, || {
        let line = |r: &pvcheck_swarm::StackRemoval| {
            let counts = format!(
                "{}: removed {}, {}, {}",
                r.stack,
                many(count(r.services), "service"),
                many(count(r.networks), "network"),
                many(count(r.stored), "secret or config")
            );
            let left: String = r.left.iter().map(|l| format!("\n  left: {l}")).collect();
            format!("{counts}{left}\n")
        };
        removed.iter().map(line).collect()
    })?;
    Ok(u8::from(removed.iter().any(|r| !r.left.is_empty())))
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn plan(snapshot: &Snapshot, asked: &StackRm) -> Result<String, Failure> {
    let known = snapshot.stacks();
    if let Some(name) = asked.stacks.iter().find(|s| !known.contains(s)) {
        return Err(Failure::usage(format!("there is no stack `{name}`; there are {}", known.join(", "))));
    }
    let line = |stack: &String| {
        let services =
            snapshot.services.iter().filter(|s| s.stack.as_ref() == Some(stack)).map(|s| s.name.clone());
        let networks =
            snapshot.networks.iter().filter(|n| n.stack.as_ref() == Some(stack)).map(|n| n.name.clone());
        format!(
            "{stack}: would remove services {:?}, wait for their tasks, then remove networks {:?}, secrets and configs\n",
            services.collect::<Vec<_>>(),
            networks.collect::<Vec<_>>()
        )
    };
    let lines: String = asked.stacks.iter().map(line).collect();
    Ok(lines + "Nothing was touched; add --apply to do it.\n")
}
