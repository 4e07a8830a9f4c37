//! The units of a host, and the scripts and stack files that they run: one unit for the Swarm, one for each stack. Names and
//! order are those of the real host, where NixOS makes them.

use std::time::Duration;

use crate::systemd::files::RootFile;
use crate::systemd::gate::Gate;
use crate::systemd::stack_file::{FOLDER, settings_name, stack_file};
use crate::world::certificates::Certificates;
use crate::world::router;
use crate::world::scene::{PROXY_SUBNET, Scene};
use crate::world::service::PROXY;
use crate::{LabError, RouteInfo};

/// The folder of the scripts, on the host.
const SCRIPTS: &str = "usr/local/lib/cc-ci";

/// Where the images are, on the host.
pub(crate) const IMAGES: &str = "/var/lib/cc-ci/images";

/// The unit of the router.
const PROXY_UNIT: &str = "deploy-proxy";

/// Each stack's unit.
const STACKS: [(&str, &str); 7] = [
    (PROXY_UNIT, "traefik_ci_commoninternet_net"),
    ("deploy-drone", "drone_ci_commoninternet_net"),
    ("deploy-bridge", "ccci-bridge"),
    ("deploy-dashboard", "ccci-dashboard"),
    ("deploy-reports", "ccci-reports"),
    ("warm-keycloak", "warm-keycloak_ci_commoninternet_net"),
    ("deploy-backupbot", "backups_ci_commoninternet_net"),
];

/// The world's stacks on a host: what they are, the gate of the router's, and the time that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) certificates: &'a Certificates,
    pub(crate) gate: Gate,
    pub(crate) gate_limit: Duration,
}

/// The unit that makes the Swarm.
pub(crate) fn swarm() -> Vec<RootFile> {
    let mut files = enabled(
        "swarm-init",
        "[Unit]\nDescription=The Swarm and its images\nRequires=docker.service\nAfter=docker.service\n",
        "",
    );
    files.push(RootFile::script(
        format!("{SCRIPTS}/swarm-init"),
        format!(
            "#!/bin/sh\nset -eu\n\
             for image in busybox caddy; do\n\
             \x20   docker image inspect \"pvcheck-lab/$image:1\" >/dev/null 2>&1 ||\n\
             \x20       docker import \"{IMAGES}/$image.tar\" \"pvcheck-lab/$image:1\"\n\
             done\n\
             if [ \"$(docker info --format '{{{{.Swarm.LocalNodeState}}}}')\" != active ]; then\n\
             \x20   # It prints a token, which is for nobody's log.\n\
             \x20   docker swarm init --advertise-addr 127.0.0.1 >/dev/null\n\
             fi\n\
             # Converges: only what is missing is made.\n\
             docker network inspect {PROXY} >/dev/null 2>&1 ||\n\
             \x20   docker network create --driver overlay --attachable --subnet {PROXY_SUBNET} {PROXY}\n"
        ),
    ));
    files
}

/// The units of the world's stacks.
///
/// # Errors
/// If the scene has not the route that the gate waits for.
pub(crate) fn stacks(world: Stacks<'_>) -> Result<Vec<RootFile>, LabError> {
    let Stacks { scene, certificates, gate, gate_limit } = world;
    let none =
        || LabError::io("find in the world the route", gate.route())(std::io::ErrorKind::NotFound.into());
    let route = scene.routes().into_iter().find(|route| route.name == gate.route()).ok_or_else(none)?;
    let mut files = vec![
        RootFile::text(format!("{FOLDER}/ca.pem"), &certificates.ca),
        RootFile::text(format!("{FOLDER}/certificate.pem"), &certificates.leaf),
        RootFile::secret(format!("{FOLDER}/key.pem"), &certificates.leaf_key),
        RootFile::text(format!("{FOLDER}/{}", settings_name(scene)), router::settings(scene)),
    ];
    for (unit, stack) in STACKS {
        let limit = if unit == PROXY_UNIT {
            format!("TimeoutStartSec={}\n", gate_limit.as_secs())
        } else {
            String::new()
        };
        files.extend(enabled(unit, &header(unit, stack, gate), &limit));
        files.push(RootFile::text(format!("{FOLDER}/{stack}.yml"), stack_file(scene, stack)));
        let wait = if unit == PROXY_UNIT { health_gate(&route) } else { String::new() };
        files.push(RootFile::script(
            format!("{SCRIPTS}/{unit}"),
            format!(
                "#!/bin/sh\nset -eu\n\
                 docker stack deploy --resolve-image never --compose-file /{FOLDER}/{stack}.yml {stack}\n{wait}"
            ),
        ));
    }
    Ok(files)
}

/// What a unit is ordered after. `Wants=` only where the real host has it: a stack is deployed even if the gate has failed.
fn header(unit: &str, stack: &str, gate: Gate) -> String {
    let (wants, after) = match unit {
        PROXY_UNIT => (gate.before_gate(), gate.before_gate()),
        "deploy-dashboard" => (&[][..], gate.before_dashboard()),
        _ => (&[][..], &["deploy-proxy.service"][..]),
    };
    let line = |key: &str, units: &[&str]| match units {
        [] => String::new(),
        units => format!("{key}={}\n", units.join(" ")),
    };
    let after: Vec<&str> = ["swarm-init.service"].iter().chain(after).copied().collect();
    format!(
        "[Unit]\nDescription=Stack {stack}\nRequires=swarm-init.service\n{}{}",
        line("Wants", wants),
        line("After", &after)
    )
}

/// The router counts as up once a name is routed and its certificate holds. The name is pinned to this host, so that the
/// gate asks no name server.
fn health_gate(route: &RouteInfo) -> String {
    let host = route.url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    let expected: Vec<String> = route.expected.iter().map(ToString::to_string).collect();
    format!(
        "# The gate.\n\
         until [ \"$(curl --silent --output /dev/null --write-out '%{{http_code}}' --max-time 5 \\\n\
         \x20   --cacert /{FOLDER}/ca.pem --resolve {host}:443:127.0.0.1 {})\" = {} ]; do\n\
         \x20   sleep 1\n\
         done\n",
        route.url,
        expected.join(" ")
    )
}

/// A unit that runs the script of its name once, and the link that starts it at boot.
fn enabled(unit: &str, header: &str, more: &str) -> Vec<RootFile> {
    let text = format!(
        "{header}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{more}ExecStart=/{SCRIPTS}/{unit}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    let units = "etc/systemd/system";
    let file = RootFile::text(format!("{units}/{unit}.service"), text);
    // The link of `systemctl enable`, which leads to the file by its path on the host.
    let link = RootFile::link(
        format!("{units}/multi-user.target.wants/{unit}.service"),
        format!("/{units}/{unit}.service"),
    );
    vec![file, link]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Router;
    use crate::systemd::files::Content;
    use crate::world::service::Service;
    use crate::world::{certificates, worlds};

    fn files(gate: Gate) -> Vec<RootFile> {
        let scene = worlds::scene(crate::World::CcCi, Router::Caddy, &[]).unwrap();
        let certificates = certificates::make(&scene.certificate_names()).unwrap();
        let world =
            Stacks { scene: &scene, certificates: &certificates, gate, gate_limit: Duration::from_mins(1) };
        let mut files = swarm();
        files.extend(stacks(world).unwrap());
        files
    }

    fn text(files: &[RootFile], path: &str) -> String {
        match files.iter().find(|file| file.path == path).map(|file| &file.content) {
            Some(Content::Text(text) | Content::Script(text)) => text.clone(),
            other => panic!("{path}: {other:?}"),
        }
    }

    fn after(files: &[RootFile], unit: &str) -> String {
        let text = text(files, &format!("etc/systemd/system/{unit}.service"));
        text.lines().find_map(|line| line.strip_prefix("After=")).unwrap().to_owned()
    }

    #[test]
    fn every_stack_of_the_world_has_its_unit() {
        let scene = worlds::scene(crate::World::CcCi, Router::Caddy, &[]).unwrap();
        let stacks: BTreeSet<&str> = scene.services.iter().map(|service: &Service| service.stack).collect();
        assert_eq!(stacks, STACKS.iter().map(|(_, stack)| *stack).collect());
        let files = files(Gate::Router);
        for (unit, stack) in STACKS {
            let script = text(&files, &format!("usr/local/lib/cc-ci/{unit}"));
            assert!(script.contains(&format!("/etc/cc-ci/{stack}.yml {stack}\n")), "{script}");
            let link = files.iter().find(|f| f.path.ends_with(&format!("wants/{unit}.service"))).unwrap();
            assert_eq!(link.content, Content::Link(format!("/etc/systemd/system/{unit}.service")));
        }
    }

    #[test]
    fn the_units_are_ordered_as_on_the_real_host() {
        let files = files(Gate::Dashboard);
        assert_eq!(after(&files, "swarm-init"), "docker.service");
        assert_eq!(after(&files, "deploy-proxy"), "swarm-init.service");
        for unit in ["deploy-drone", "deploy-bridge", "deploy-reports", "warm-keycloak", "deploy-backupbot"] {
            assert_eq!(after(&files, unit), "swarm-init.service deploy-proxy.service", "{unit}");
        }
        let dashboard = "swarm-init.service deploy-bridge.service deploy-proxy.service";
        assert_eq!(after(&files, "deploy-dashboard"), dashboard);
        let gate = text(&files, "etc/systemd/system/deploy-proxy.service");
        assert!(gate.contains("\nTimeoutStartSec=60\n") && gate.contains("\nType=oneshot\n"), "{gate}");
    }

    #[test]
    fn a_gate_waits_for_one_status_of_one_url() {
        for (gate, url, status) in [
            (Gate::Router, "https://traefik.ci.commoninternet.test/api/version", "200"),
            (Gate::Dashboard, "https://ci.commoninternet.test/", "200"),
            (Gate::Drone, "https://drone.ci.commoninternet.test/", "303"),
        ] {
            let script = text(&files(gate), "usr/local/lib/cc-ci/deploy-proxy");
            assert!(script.contains(&format!(" {url})\" = {status} ]; do\n")), "{script}");
        }
        let other = text(&files(Gate::Router), "usr/local/lib/cc-ci/deploy-drone");
        assert!(!other.contains("curl"), "{other}");
    }

    #[test]
    fn remedies_change_what_they_are_about_and_nothing_else() {
        let unordered = files(Gate::DashboardUnordered);
        assert_eq!(after(&unordered, "deploy-dashboard"), "swarm-init.service");
        assert_eq!(after(&unordered, "deploy-proxy"), "swarm-init.service");
        let first = files(Gate::DashboardFirst);
        assert_eq!(after(&first, "deploy-proxy"), "swarm-init.service deploy-dashboard.service");
        assert!(
            text(&first, "etc/systemd/system/deploy-proxy.service")
                .contains("\nWants=deploy-dashboard.service\n")
        );
        let half = files(Gate::DashboardBehindBridge);
        assert_eq!(after(&half, "deploy-dashboard"), "swarm-init.service deploy-bridge.service");
    }

    #[test]
    fn the_key_is_roots_alone() {
        let files = files(Gate::Router);
        let key: Vec<_> = files.iter().filter(|f| matches!(f.content, Content::Secret(_))).collect();
        assert_eq!(key.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["etc/cc-ci/key.pem"]);
    }
}
