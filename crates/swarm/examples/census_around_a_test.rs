//! A census around a test: did what ran in between lose addresses?
//!
//! `cargo run --example census_around_a_test -- HOST NETWORK COMMAND…` counts the leaked addresses of NETWORK, runs
//! COMMAND, counts again, and ends with 1 if there are more, with 3 if a census was not complete.

use std::error::Error;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use pvcheck_swarm::{
    Census, CensusOptions, Engine, Host, Operation, Permit, RunId, census, silent, sweep_run,
};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let host: Host = match args.next().or_else(|| std::env::var("DOCKER_HOST").ok()) {
        Some(text) => text.parse()?,
        None => Host::default_socket(),
    };
    let network = args.next().ok_or("which network?")?;
    let program = args.next().ok_or("which command?")?;
    let engine = Engine::connect(&host).await?;

    let before = count(&engine, &network).await?;
    let status = Command::new(program).args(args).status()?;
    let after = count(&engine, &network).await?;

    // Unknown is not zero: a census that could not finish says so, and why.
    let (Some(then), Some(now)) = (before.leaked, after.leaked) else {
        let why = after.reason.or(before.reason).map(|doubt| doubt.to_string()).unwrap_or_default();
        writeln!(std::io::stdout(), "leaked: unknown, {why}")?;
        return Ok(ExitCode::from(3));
    };
    let lost: Vec<String> = after
        .leaked_addresses
        .iter()
        .filter(|address| !before.leaked_addresses.contains(address))
        .map(ToString::to_string)
        .collect();
    writeln!(std::io::stdout(), "leaked before {then}, after {now}; lost: {}", lost.join(" "))?;
    Ok(if status.success() && now <= then { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A census makes services that run nothing and removes them; after an error they are swept.
async fn count(engine: &Engine, network: &str) -> Result<Census, Box<dyn Error>> {
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let options = CensusOptions::default();
    let found = census(Operation::new(engine, permit, &run, &silent), network, &options).await;
    if found.is_err() {
        sweep_run(Operation::new(engine, permit, &run, &silent), options.deadline).await?;
    }
    Ok(found?)
}
