//! The text of a configuration. Pure.

use std::path::Path;

use pvcheck_audit::EngineKind;
use serde::Serialize;

use super::facts::{InitError, InitFacts, LogSeen};
use super::page::{Page, Table, inline};
use super::proposed::proposed;
use super::{overlays, services};
use crate::config::{Config, ConfigError, ConfigFault, DOCKER_UNIT};

/// A configuration as text, with what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Draft {
    /// The text, a `pvcheck.toml`.
    pub text: String,
    /// Overlays in it.
    pub overlays: u64,
    /// Services in it.
    pub services: u64,
    /// Routes in it.
    pub routes: u64,
    /// Overlays, services and routes that are there as comments, each with the reason.
    pub left_out: u64,
}

/// What stands at the top.
const ABOUT: &str = "What is expected of a Swarm, as it was when `pvcheck init` read it. It describes what was there, not what should be:\n\
    read each table, correct it, and take out what need not be. Then\n  \
    pvcheck config check FILE                              is it right?\n  \
    pvcheck gate run pvcheck.m1 --probe --config FILE      is the Swarm as it says?\n\
    Unknown fields are refused with line and column; relative paths are relative to this file's folder. docs/gates.md has every\n\
    field.";

/// Examples of tables that no Swarm tells.
const EXAMPLES: &str = "[window]\n\
    busy_stacks = ['^[a-z0-9]{4}-[0-9a-f]{6}(_|$)']   # stacks that are a run's, as regular expressions\n\
    \n\
    [canary]                                          # one stack, deployed and reached through the router\n\
    image = \"busybox:1.37\"\n\
    command = [\"sh\", \"-c\", \"mkdir /www; echo canary > /www/index.html; exec httpd -f -p 80 -h /www\"]\n\
    url = \"https://{stack}.example.net/\"\n\
    [canary.labels]\n\
    \"traefik.enable\" = \"true\"\n\
    \"traefik.http.routers.{stack}.rule\" = \"Host(`{stack}.example.net`)\"\n\
    \"traefik.http.services.{stack}.loadbalancer.server.port\" = \"80\"\n\
    \n\
    [churn]                                           # throwaway stacks between two censuses\n\
    image = \"busybox:1.37\"\n\
    command = [\"sh\", \"-c\", \"trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done\"]";

/// Writes the configuration that is true of these facts, and reads it back.
///
/// # Errors
/// If the Swarm has nothing that could be expected. If the text does not read back, which is a defect.
pub fn draft(facts: &InitFacts) -> Result<Draft, InitError> {
    let (snapshot, mut page) = (&facts.snapshot, Page::default());
    page.comment(ABOUT);
    if snapshot.engine.kind == EngineKind::Embedded {
        page.comment("(embedded engine: a model of a Swarm, no real one was asked)");
    }
    let (overlays, no_overlays) = overlays::write(&mut page, snapshot);
    around(&mut page, facts);
    let (services, no_services) = services::write(&mut page, snapshot, &overlays::checkable(snapshot));
    let (routes, no_routes) = write_routes(&mut page, facts);
    page.heading("Not to be learnt from a Swarm", "Gate pvcheck.m2 needs [canary] and [churn], the quiet window needs [window]. Take the `#` away and adapt:");
    page.comment(EXAMPLES);
    let text = page.text();
    match Config::of_file(Path::new("pvcheck.toml"), &text) {
        Ok(_) => {
            Ok(Draft { text, overlays, services, routes, left_out: no_overlays + no_services + no_routes })
        }
        Err(ConfigError::Meaning { fault: ConfigFault::Empty, .. }) => Err(InitError::Nothing),
        Err(error) => Err(InitError::NotReadBack(error)),
    }
}

/// Log and authorities.
fn around(page: &mut Page, facts: &InitFacts) {
    page.heading(
        "The engine's log",
        "journal.exhaustion looks in it for networks that ran out of addresses since the engine's start; `since = \"2026-11-01\"`\n\
         leaves out what was mended before.",
    );
    let managers = facts.snapshot.nodes.iter().filter(|node| node.manager);
    let managers: Vec<String> = managers.map(|node| inline(&node.hostname)).collect();
    if 1 < managers.len() {
        page.comment(&format!(
            "Managers: {}. The leader's log decides, and a [journal] alone is that of the engine that is asked. To have\n\
             them all, name each in its place: [[journal.node]] with node = \"{}\", and file or unit.",
            managers.join(", "),
            managers[0]
        ));
    }
    let journal = Table::new("[journal]");
    match &facts.log {
        LogSeen::File(file) => page.table(journal.field("file", file.display().to_string())),
        LogSeen::Unit(unit) => page.table(journal.field("unit", unit.as_str())),
        LogSeen::NotFound(why) => {
            let because = format!("Not found: {why}. Name the unit, or file = \"/var/log/dockerd.log\".");
            page.table_off(&because, journal.field("unit", DOCKER_UNIT));
        }
    }
    page.heading("Whom TLS trusts", "The system's authorities, unless a file of others is named.");
    let tls = Table::new("[tls]");
    match &facts.ca {
        Some(ca) => page.table(tls.field("ca", ca.display().to_string())),
        None => page.table_off("None was named (--ca FILE).", tls.field("ca", "ca.pem")),
    }
}

fn write_routes(page: &mut Page, facts: &InitFacts) -> (u64, u64) {
    let asked = match &facts.answers {
        Some(_) => "Each was asked once: `expect` is the status that it gave.",
        None => {
            "None was asked: `expect` is 200 unless you say another status. `pvcheck init --ask` asks each once."
        }
    };
    page.heading(
        "Routes that must answer",
        &format!("From the labels of services, as Traefik 2 and 3 and caddy-docker-proxy read them.\n{asked}\n`address = \"IP:PORT\"` pins a route to one router whatever DNS says."),
    );
    let (mut count, mut left_out) = (0, 0);
    for route in proposed(&facts.snapshot) {
        if route.write(page, facts) {
            count += 1;
        } else {
            left_out += 1;
        }
    }
    (count, left_out)
}
