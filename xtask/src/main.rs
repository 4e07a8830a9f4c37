//! Development tasks: cargo xtask pvcheck, test, bench, lab.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

mod lab;

/// Development tasks of pvcheck
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Private engines: start, list, use and remove them
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Lab(command) => lab::run(command),
    };
    result.unwrap_or_else(|error| {
        // There is nowhere left to report a stderr that cannot be written.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}
