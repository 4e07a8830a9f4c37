//! The command by which anyone sees the same: the docker client's where it shows it, else curl, grep, journalctl, or
//! pvcheck's own.
//!
//! A line for a POSIX shell, made of the configuration and of what was recorded, so that a replay has the same one. Names are
//! quoted; no value of a credential and no word of a configured command stands in one.

use std::path::Path;

use pvcheck_journal::{Scan, Since};
use pvcheck_routes::shell_quoted as quoted;
use pvcheck_swarm::RUN_LABEL;

use crate::check::Check;
use crate::config::{
    Config, DOCKER_UNIT, GuardConfig, HarnessConfig, LogPlace, OverlayConfig, Pattern, Which,
};
use crate::creation::Activation;
use crate::gate::Gate;

/// What the engine writes when a network has no address left; the catalogue of `pvcheck explain` has the sources.
const EXHAUSTION: &str =
    "could not find an available IP|no available IPv4 addresses|node is missing network attachments";

/// The command that knows every signature.
const SCAN: &str = "pvcheck journal scan";

/// All services, as an argument of the docker client.
const ALL_SERVICES: &str = "$(docker service ls -q)";

/// How to see what this check is about, where its evidence does not know better.
pub(crate) fn command(config: &Config, about: Check<'_>) -> String {
    match about {
        Check::OverlaySubnet(overlay) | Check::CreationColumns(overlay) => {
            network(&overlay.name, "{{json .IPAM.Config}}")
        }
        Check::OverlayOwners(_) => tasks("{{.ID}} {{json .NetworksAttachments}}"),
        Check::OverlayLeaked(overlay) | Check::OverlayHeadroom(overlay) => census(overlay),
        Check::SwarmWaiting => format!(
            "docker service ps --filter desired-state=running --format '{{{{.Name}}}} {{{{.CurrentState}}}} {{{{.Error}}}}' {ALL_SERVICES}"
        ),
        Check::Service(service) => services_of(&service.which),
        Check::ServicesUnlisted => "docker service ls".to_owned(),
        Check::RoutesUnlisted => services("{{.Spec.Name}} {{json .Spec.Labels}}"),
        Check::Route(_) | Check::RoutesBefore | Check::RoutesDuring | Check::RoutesAfter => {
            "pvcheck routes".to_owned()
        }
        Check::JournalExhaustion if config.journal.catalogue.is_none() => {
            configured_log(config, grep, |unit| journal(unit, ""))
        }
        Check::JournalExhaustion | Check::JournalNew | Check::JournalRenewal => configured_log(
            config,
            |file| format!("{SCAN} --file {}{}", quoted(file), catalogue(config)),
            |unit| format!("{SCAN} --unit {}{}", quoted(unit), catalogue(config)),
        ),
        Check::CanaryDeploy | Check::CanaryRoute => run_again(Gate::M2),
        Check::CanaryRemoval | Check::ChurnRemoval | Check::Residue => {
            format!(
                "docker service ls --filter label={RUN_LABEL}; docker network ls --filter label={RUN_LABEL}"
            )
        }
        Check::ChurnCensus | Check::ChurnDuplicates | Check::ChurnLeaks => churn(config),
        Check::Harness(harness) => of_harness(harness),
        Check::Guard(guard) => of_guard(guard),
        Check::RenewalPlan(overlay) | Check::RenewalMembers(overlay) => {
            format!("pvcheck resize {} --to {}", quoted(&overlay.name), overlay.subnet)
        }
        Check::WindowClear => "pvcheck window".to_owned(),
        Check::CreationDeclared(overlay) => declared(overlay),
        Check::CreationUnit(overlay) => activation(overlay),
        Check::RenewalEnded(_) => "pvcheck resize status".to_owned(),
        Check::RenewalNetwork(overlay) => network(&overlay.name, "{{.Id}} {{.Created}} {{json .IPAM}}"),
        Check::RenewalRemoved(_) => "docker network ls --no-trunc --filter driver=overlay".to_owned(),
        Check::RenewalSpecs(_) => services("{{json .Spec}}"),
        Check::Precondition(gate) => format!("pvcheck gate run {}", quoted(gate)),
    }
}

/// A network, by this template of the docker client.
pub(crate) fn network(name: &str, template: &str) -> String {
    format!("docker network inspect {} --format '{template}'", quoted(name))
}

/// The virtual addresses of every service.
pub(crate) fn vips() -> String {
    services("{{.Spec.Name}} {{json .Endpoint.VirtualIPs}}")
}

/// The specification of a service.
pub(crate) fn spec(service: &str) -> String {
    format!("docker service inspect {} --format '{{{{json .Spec}}}}'", quoted(service))
}

/// The create line in what is declared.
pub(crate) fn declared(overlay: &OverlayConfig) -> String {
    overlay.creation.declared.as_deref().map_or_else(check_config, create_line)
}

/// The create line in what is deployed: a file, or what a unit runs.
pub(crate) fn deployed(overlay: &OverlayConfig) -> String {
    match (&overlay.creation.deployed, &overlay.creation.unit) {
        (Some(file), _) => create_line(file),
        (None, Some(unit)) => format!("systemctl cat {}", quoted(unit)),
        (None, None) => check_config(),
    }
}

/// When the unit was active, and when the network was created.
fn activation(overlay: &OverlayConfig) -> String {
    let Some(unit) = &overlay.creation.unit else { return check_config() };
    let properties = Activation::PROPERTIES.join(",");
    let name = quoted(&overlay.name);
    format!(
        "systemctl show -p {properties} {}; docker network inspect {name} --format '{{{{.Created}}}}'",
        quoted(unit)
    )
}

/// The verdict and the time in a gate's report.
pub(crate) fn report(file: &str) -> String {
    format!("grep -E '\"(gate|verdict|swarm|at)\":' {}", quoted(file))
}

/// The log that was scanned for exhaustion, from where the scan began.
pub(crate) fn log(config: &Config, scan: &Scan) -> String {
    match (file_of(scan), scan.since) {
        // The team's own signatures are known to pvcheck alone.
        _ if config.journal.catalogue.is_some() => signatures(config, scan),
        // `grep` knows no times.
        (Some(_), Since::At(_)) => signatures(config, scan),
        (Some(file), _) => grep(file),
        (None, _) => {
            let from = scan.window.from;
            let since = from.map(|from| from.strftime(" --since '%Y-%m-%d %H:%M:%S UTC'").to_string());
            journal(unit_of(scan), &since.unwrap_or_default())
        }
    }
}

/// The log that was scanned for every signature of the catalogue, from where the scan began.
pub(crate) fn signatures(config: &Config, scan: &Scan) -> String {
    let place = match file_of(scan) {
        Some(file) => format!("--file {}", quoted(file)),
        None => format!("--unit {}", quoted(unit_of(scan))),
    };
    let from = match scan.since {
        Since::At(at) => Some(at),
        _ => scan.window.from,
    };
    let since = from.map(|from| format!(" --since {from}")).unwrap_or_default();
    format!("{SCAN} {place}{since}{}", catalogue(config))
}

/// The team's own signatures, where the configuration has any.
fn catalogue(config: &Config) -> String {
    let file = config.journal.catalogue.as_ref();
    file.map(|file| format!(" --catalogue {}", quoted(&file.display().to_string()))).unwrap_or_default()
}

fn file_of(scan: &Scan) -> Option<&str> {
    scan.source.strip_prefix("file ")
}

fn unit_of(scan: &Scan) -> &str {
    let unit = scan.source.strip_prefix("journal of unit ").and_then(|rest| rest.split(' ').next());
    unit.unwrap_or(DOCKER_UNIT)
}

/// What a harness said, in this file.
pub(crate) fn result(file: &str) -> String {
    format!("cat {}", quoted(file))
}

/// The lines of a file that match each of these.
pub(crate) fn lines<'a>(patterns: impl Iterator<Item = &'a str>, file: &str) -> String {
    // Perl's patterns are the nearest to Rust's that a shell has, and grep takes one of them at a time. After -e, so that one
    // that begins with a hyphen is no option.
    let each = patterns.map(|pattern| format!("grep -nP -e {} {}", quoted(pattern), quoted(file)));
    each.collect::<Vec<_>>().join("; ")
}

/// The digest of a file.
pub(crate) fn digest_of(file: &str) -> String {
    format!("sha256sum {}", quoted(file))
}

fn of_guard(guard: &GuardConfig) -> String {
    lines(guard.contains.iter().chain(&guard.absent).map(Pattern::as_str), &guard.file.display().to_string())
}

fn of_harness(harness: &HarnessConfig) -> String {
    if harness.is_offered() { result(&harness.result.display().to_string()) } else { run_again(Gate::M2) }
}

fn run_again(gate: Gate) -> String {
    format!("pvcheck gate run {gate} --apply")
}

fn census(overlay: &OverlayConfig) -> String {
    format!("pvcheck census {}", quoted(&overlay.name))
}

fn churn(config: &Config) -> String {
    let network = config.overlay().map_or_else(|| "NETWORK".to_owned(), |overlay| quoted(&overlay.name));
    let shape = config.churn.as_ref().map(|churn| {
        format!(" --stacks {} --replicas {} --rounds {}", churn.stacks, churn.replicas, churn.rounds)
    });
    format!("pvcheck churn {network}{} --apply", shape.unwrap_or_default())
}

fn services(template: &str) -> String {
    format!("docker service inspect --format '{template}' {ALL_SERVICES}")
}

fn tasks(template: &str) -> String {
    format!(
        "docker inspect --type=task --format '{template}' $(docker service ps -q --filter desired-state=running {ALL_SERVICES})"
    )
}

fn check_config() -> String {
    "pvcheck config check".to_owned()
}

fn create_line(file: &Path) -> String {
    format!("grep -nE 'network create|subnet' {}", quoted(&file.display().to_string()))
}

/// Of a pattern, the services whose names begin as it does: the client's filter knows no more.
fn services_of(which: &Which) -> String {
    match which {
        Which::Named(name) => format!("docker service ps {}", quoted(name)),
        Which::OfStack(stack) => format!("docker stack services {}", quoted(stack)),
        Which::Alike(pattern) => {
            let beginning = pattern.split('*').next().unwrap_or_default();
            format!("docker service ls --filter {}", quoted(&format!("name={beginning}")))
        }
    }
}

fn configured_log(
    config: &Config,
    of_file: impl Fn(&str) -> String,
    of_unit: impl Fn(&str) -> String,
) -> String {
    let journal = &config.journal;
    let of_place = |place: &LogPlace| match place {
        LogPlace::File(file) => of_file(&file.display().to_string()),
        LogPlace::Unit(unit) => of_unit(unit),
    };
    match &journal.file {
        Some(file) => of_file(&file.display().to_string()),
        None if journal.nodes.is_empty() => of_unit(journal.unit.as_deref().unwrap_or(DOCKER_UNIT)),
        None => journal.nodes.iter().map(|log| of_place(&log.place)).collect::<Vec<_>>().join("; "),
    }
}

fn grep(file: &str) -> String {
    format!("grep -nE '{EXHAUSTION}' {}", quoted(file))
}

fn journal(unit: &str, since: &str) -> String {
    format!("journalctl -u {} -o cat{since} | grep -E '{EXHAUSTION}'", quoted(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> Config {
        let text = format!("[overlay]\nname = {name}\nsubnet = \"10.10.0.0/24\"\n");
        Config::parse("pvcheck.toml", &text).expect("sound")
    }

    #[test]
    fn a_name_that_a_shell_would_read_is_quoted() {
        let config = config("\"a'b; $(reboot)\"");
        let line = command(&config, Check::OverlaySubnet(&config.overlays[0]));
        assert_eq!(line, r"docker network inspect 'a'\''b; $(reboot)' --format '{{json .IPAM.Config}}'");
        assert_eq!(
            command(&config, Check::OverlayLeaked(&config.overlays[0])),
            r"pvcheck census 'a'\''b; $(reboot)'"
        );
    }

    #[test]
    fn a_log_is_searched_where_it_was_read_and_from_where_the_scan_began() {
        let scanner =
            pvcheck_journal::Scanner::since(pvcheck_journal::Catalogue::builtin(), Since::Beginning, None);
        let config = config("\"proxy\"");
        let mut scan = scanner.source("file /var/log/my docker.log").finish();
        assert!(log(&config, &scan).ends_with(" '/var/log/my docker.log'"), "{}", log(&config, &scan));
        scan.source = "journal of unit docker.service --namespace x".to_owned();
        scan.window.from = Some("2026-06-13T05:30:00Z".parse().expect("a time"));
        assert!(
            log(&config, &scan)
                .starts_with("journalctl -u docker.service -o cat --since '2026-06-13 05:30:00 UTC' | "),
            "{}",
            log(&config, &scan)
        );
        assert_eq!(
            signatures(&config, &scan),
            "pvcheck journal scan --unit docker.service --since 2026-06-13T05:30:00Z",
            "every signature, not exhaustion alone"
        );
        scan.source = "file /var/log/docker.log".to_owned();
        assert!(log(&config, &scan).starts_with("grep -nE "), "{}", log(&config, &scan));
        scan.since = Since::At("2026-06-13T06:00:00Z".parse().expect("a time"));
        assert_eq!(
            log(&config, &scan),
            "pvcheck journal scan --file /var/log/docker.log --since 2026-06-13T06:00:00Z"
        );
    }
}
