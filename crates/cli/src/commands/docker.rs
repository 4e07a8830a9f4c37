//! `pvcheck docker`: commands of the docker client, without the leak.

use pvcheck_swarm::{
    Operation, Order, Permit, Progress, RemovalOptions, RunId, StackRemoval, find_stacks, remove_stacks,
};

use crate::args::{Args, Docker, DockerCommand, DockerStackCommand, DockerStackRm};
use crate::failure::{DONE, Failure, code_of_found};
use crate::printer::Printer;
use crate::session::{Session, until_interrupted};

pub(crate) async fn run(args: &Args, asked: &Docker, printer: &Printer) -> Result<u8, Failure> {
    let DockerCommand::Stack(stack) = &asked.what;
    let DockerStackCommand::Rm(asked) = &stack.what;
    stack_rm(args, asked, printer).await
}

async fn stack_rm(args: &Args, asked: &DockerStackRm, printer: &Printer) -> Result<u8, Failure> {
    if let Some(name) = asked.stacks.iter().find(|name| is_blank(name)) {
        return Err(Failure::not_done(format!("invalid stack name: {name:?}")));
    }
    let session = Session::open(args, printer).await?;
    let found = find_stacks(&session.engine, &asked.stacks).await?;
    for name in &found.missing {
        printer.note(&format!("Nothing found in stack: {name}"));
    }
    if found.present.is_empty() {
        printer.done();
        return Ok(DONE);
    }
    let options = RemovalOptions { order: Order::Drained, patience: asked.removal.timeout };
    let permit = Permit::granted_by_operator();
    let watch = |progress| match line(&progress) {
        // A closed pipe must not end a removal half-way.
        Some(line) => drop(printer.print(&line)),
        None => printer.show(progress),
    };
    let run = RunId::unique();
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let removal = async { Ok(remove_stacks(op, &found.present, &options).await?) };
    let removed = until_interrupted(removal).await?;
    printer.done();
    let incomplete: Vec<_> = removed.iter().filter(|r| !r.left.is_empty()).collect();
    for line in incomplete.iter().flat_map(|r| complaint(r)) {
        printer.note(&line);
    }
    Ok(code_of_found(!incomplete.is_empty()))
}

/// The client's own rule: a name of only blanks and quotes is invalid (docker/cli cli/command/stack, `validateStackName`).
fn is_blank(name: &str) -> bool {
    name.chars().all(|c| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// The line that the client prints for this step, if any.
fn line(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Removing { what, name } => Some(format!("Removing {what} {name}\n")),
        _ => None,
    }
}

fn complaint(removal: &StackRemoval) -> Vec<String> {
    let left = removal.left.iter().map(|left| format!("Failed to remove {left}"));
    left.chain([format!("Failed to remove some resources from stack: {}", removal.stack)]).collect()
}
