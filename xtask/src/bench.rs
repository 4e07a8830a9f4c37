//! `cargo xtask bench`: speed as a ratio against what a user would do instead, side by side in one run.

use std::process::ExitCode;

use clap::{Args, Subcommand};

mod audit;
mod boot;
mod build;
mod compare;
mod gates;
mod ipam;
mod journal;
mod peak;
mod renew;
mod routes;
mod scale;
mod swarm;
mod table;

/// Arguments of `bench`. Without a subcommand it is `audit`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    audit: audit::Audit,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The audit on a real engine, against the pipeline of inspect and jq that it replaces
    Audit(audit::Audit),
    /// Conflicts and free subnets among up to a million reservations, against netaddr, ipaddress and a straight scan
    ///
    /// Example: cargo xtask bench ipam --sizes 10,1000
    Ipam(ipam::Ipam),
    /// Hundreds of units and up to a thousand waits among them: the time of the boot's analysis, and how it grows
    ///
    /// Example: cargo xtask bench boot --waits 120,1000
    Boot(boot::Boot),
    /// A native scan of a journal of a million entries, beside journalctl and grep; from a cursor; its memory
    ///
    /// Example: cargo xtask bench journal --rounds 3
    Journal(journal::Journal),
    /// Many routes over TLS on loopback, beside curl in parallel and curl one by one
    ///
    /// Example: cargo xtask bench routes --routes 200
    Routes(routes::Routes),
    /// Gate pvcheck.m1 of the cc-ci world, beside docker, curl and grep run by a shell
    ///
    /// Example: cargo xtask bench gates --engine sid
    Gates(gates::Gates),
    /// A Swarm of many services: the audit against the pipeline, its calls counted; censuses of an idle /24 and /16
    ///
    /// Example: cargo xtask bench swarm --services 500
    Swarm(swarm::Swarm),
    /// A renewal by either way, beside the same restarts by docker service update; its calls, and how long each route was dark
    ///
    /// Example: cargo xtask bench renew --engine bookworm
    Renew(renew::Renew),
    /// Sizes that no test machine has, on the embedded engine: audit and why of up to 100,000 tasks, years of deployments, and a
    /// census of a /16 at 95 %
    ///
    /// Example: cargo xtask bench scale --rounds 3
    Scale(scale::Scale),
}

/// Runs one bench and prints its table.
pub(crate) fn run(args: Bench) -> anyhow::Result<ExitCode> {
    match args.what.unwrap_or(What::Audit(args.audit)) {
        What::Audit(args) => audit::run(&args),
        What::Boot(args) => boot::run(&args),
        What::Ipam(args) => ipam::run(&args),
        What::Journal(args) => journal::run(&args),
        What::Swarm(args) => swarm::run(&args),
        What::Renew(args) => renew::run(&args),
        What::Routes(args) => routes::run(&args),
        What::Gates(args) => gates::run(&args),
        What::Scale(args) => scale::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn parse(line: &str) -> Result<Bench, clap::Error> {
        Line::try_parse_from(std::iter::once("bench").chain(line.split_whitespace())).map(|line| line.bench)
    }

    #[test]
    fn without_a_word_it_is_the_audit_with_its_options() {
        assert!(matches!(parse(""), Ok(Bench { what: None, .. })));
        assert!(matches!(parse("--rounds 3"), Ok(Bench { what: None, .. })));
        assert!(matches!(parse("audit --rounds 3"), Ok(Bench { what: Some(What::Audit(_)), .. })));
        assert!(matches!(parse("ipam"), Ok(Bench { what: Some(What::Ipam(_)), .. })));
        assert!(matches!(parse("boot --units 300"), Ok(Bench { what: Some(What::Boot(_)), .. })));
        assert!(matches!(parse("renew --engine sid"), Ok(Bench { what: Some(What::Renew(_)), .. })));
        assert!(matches!(parse("journal --rounds 3"), Ok(Bench { what: Some(What::Journal(_)), .. })));
        assert!(matches!(parse("scale"), Ok(Bench { what: Some(What::Scale(_)), .. })));
        assert!(matches!(parse("swarm"), Ok(Bench { what: Some(What::Swarm(_)), .. })));
    }

    #[test]
    fn options_of_the_audit_do_not_mix_with_another_bench() {
        assert!(parse("--rounds 3 ipam").is_err());
    }
}
