//! The command `pvcheck`: arguments, progress, printing, exit codes. It decides nothing about a Swarm.
//!
//! [`main`] is the whole program. `cargo xtask pvcheck` calls it too, so that both run the same code.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod embedded;
mod failure;
mod files;
mod printer;
mod report;
mod session;
mod signatures;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::printer::Printer;

/// Runs a command line, program name first, and returns its exit code: 0 pass or done, 1 a finding, 2 wrong usage,
/// 3 unknown, 4 refused by a guardrail, 130 interrupted and cleaned up.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return refused(&error),
    };
    let printer = Printer::new(&args.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return printer.fail(&failure::Failure::unknown(format!("cannot start a runtime: {error}")));
        }
    };
    let outcome = runtime.block_on(async {
        // Boxed, because a command's future is larger than the main thread's stack should hold.
        Box::pin(run(&args, &printer)).await
    });
    // A blocking thread that still waits for a disk or a name server must not delay the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => printer.fail(&failure),
    }
}

/// Help and version go to stdout with code 0. A usage error is one line on stderr, with code 2.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is not an error.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let parts = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // clap prints a paragraph; scripts and logs get one line, without the usage and the pointer to --help.
    let telling =
        parts.filter(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let line = telling.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    // If stderr is closed there is no other place to report that.
    let _ = writeln!(anstream::stderr(), "pvcheck: {line}; see `pvcheck --help`");
    ExitCode::from(failure::USAGE)
}

async fn run(args: &Args, printer: &Printer) -> Result<u8, failure::Failure> {
    let output = args.global.output;
    if let Some(commands) = args.command.only_of(output) {
        // A table where Markdown was asked for would end up in a ticket unnoticed.
        let line = format!("-o {} is for {commands} only; give -o table or -o json", output.as_str());
        return Err(failure::Failure::usage(line));
    }
    match &args.command {
        Command::Audit(a) => commands::audit::run(args, a, printer).await,
        Command::Boot(a) => commands::boot::run(args, a, printer),
        Command::Census(a) => commands::census::run(args, a, printer).await,
        Command::Check(a) => commands::check::run(args, a, printer),
        Command::Churn(a) => commands::churn::run(args, a, printer).await,
        Command::Config(a) => commands::config::run(a, printer),
        Command::Demo(a) => commands::demo::run(args, a, printer).await,
        Command::Docker(a) => commands::docker::run(args, a, printer).await,
        Command::Doctor => commands::doctor::run(args, printer).await,
        Command::Embedded(a) => commands::embedded::run(a, printer).await,
        Command::Explain(a) => commands::explain::run(args, a, printer),
        Command::Gate(a) => commands::gate::run(args, a, printer).await,
        Command::Guard(a) => commands::guard::run(args, a, printer).await,
        Command::Init(a) => commands::init::run(args, a, printer).await,
        Command::Journal(a) => commands::journal::run(args, a, printer).await,
        Command::Keys(a) => commands::keys::run(a, printer),
        Command::Ledger(a) => commands::ledger::run(args, a, printer),
        Command::PlanSubnet(a) => commands::plan_subnet::run(args, a, printer).await,
        Command::Reclaim(a) => commands::reclaim::run(args, a, printer).await,
        Command::Report(a) => commands::report::run(a, printer),
        Command::Resize(a) => commands::resize::run(args, a, printer).await,
        Command::Routes(a) => commands::routes::run(args, a, printer).await,
        Command::Schema(a) => commands::schema::run(a, printer),
        Command::Stack(a) => commands::stack::run(args, a, printer).await,
        Command::Sweep(a) => commands::sweep::run(args, a, printer).await,
        Command::Window(a) => commands::window::run(args, a, printer).await,
        Command::Why(a) => commands::why::run(args, a, printer).await,
    }
}
