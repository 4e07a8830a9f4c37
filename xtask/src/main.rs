//! Development tasks: cargo xtask pvcheck, teeth, test, bench, lab.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod engine_tests;
mod examples;
mod lab;
mod programs;
mod pvcheck;
mod teeth;
mod test;
#[cfg(test)]
mod tests;
mod unit_tests;
mod workspace;

/// Development tasks of pvcheck
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A real Swarm checked end to end: lab up, gates pvcheck.m1 and pvcheck.m2, reports, lab down
    ///
    /// Example: cargo xtask pvcheck --order stack-rm
    Pvcheck(pvcheck::Pvcheck),
    /// Format, clippy, docs, unit and property tests, tests on real engines, the examples of README.md and docs/
    Test(test::Test),
    /// Break a healthy world in one way after the other, and print which checks change: exactly those that are about it
    ///
    /// Example: cargo xtask teeth --embedded
    Teeth(teeth::Teeth),
    /// Speed, as a ratio against what a user would do instead: `audit` (the default), `gates`, `ipam`, `renew`, `routes`, `scale` or `swarm`
    Bench(bench::Bench),
    /// Private engines: start, list, use and remove them
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|program| pvcheck::is_called(&program)) {
        return pvcheck::inside(words);
    }
    if words.next().is_some_and(|word| word == pvcheck::INSIDE) {
        return pvcheck::inside(words);
    }
    let result = match Args::parse().task {
        Task::Pvcheck(args) => pvcheck::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Teeth(args) => teeth::run(&args),
        Task::Bench(args) => bench::run(args),
        Task::Lab(command) => lab::run(command),
    };
    result.unwrap_or_else(|error| {
        // If stderr cannot be written there is nowhere left to report that.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}
