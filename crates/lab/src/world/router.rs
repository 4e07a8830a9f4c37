//! The router of a world: Caddy, whose configuration names the services, or Traefik, which finds them by their labels.
//!
//! Both reach the tasks of a service by their own addresses, not by its VIP: a kernel without IPVS does not balance one.

use serde_json::{Value, json};

use crate::Router;
use crate::world::images::{CADDY_IMAGE, TRAEFIK_IMAGE};
use crate::world::scene::{Scene, Site, Target, VERSION_PATH};
use crate::world::service::{PROXY, Service, Work};

const KEY: &str = "/run/secrets/key.pem";
const CERTIFICATE: &str = "/etc/certificate.pem";

/// What the router is given: ids of a Docker secret and two configs.
#[derive(Clone, Debug)]
pub(crate) struct RouterFiles {
    pub(crate) key: String,
    pub(crate) certificate: String,
    pub(crate) settings: String,
}

/// Names of the router's secret and configs.
pub(crate) fn file_name(scene: &Scene, short: &str) -> String {
    format!("{}_{short}", scene.router_stack())
}

/// The path of the router's configuration file in its container.
pub(crate) fn settings_path(router: Router) -> &'static str {
    match router {
        Router::Caddy => "/etc/Caddyfile",
        Router::Traefik => "/etc/traefik.toml",
    }
}

/// Its container.
pub(crate) fn container(scene: &Scene, files: &RouterFiles) -> Value {
    let file = |name: &str, mode: u32| json!({"Name": name, "UID": "0", "GID": "0", "Mode": mode});
    let config = |id: &str, short: &str, path: &str| json!({"ConfigID": id, "ConfigName": file_name(scene, short), "File": file(path, 0o444)});
    let mut container = json!({
        "Env": ["XDG_CONFIG_HOME=/tmp", "XDG_DATA_HOME=/tmp", "HOME=/tmp"],
        "Secrets": [{
            "SecretID": files.key,
            "SecretName": file_name(scene, "key"),
            "File": file("key.pem", 0o400),
        }],
        "Configs": [
            config(&files.certificate, "certificate", CERTIFICATE),
            config(&files.settings, "settings", settings_path(scene.router)),
        ],
    });
    match scene.router {
        Router::Caddy => {
            let path = settings_path(scene.router);
            container["Image"] = json!(CADDY_IMAGE);
            container["Command"] =
                json!(["/usr/bin/caddy", "run", "--config", path, "--adapter", "caddyfile"]);
        }
        Router::Traefik => {
            container["Image"] = json!(TRAEFIK_IMAGE);
            container["Command"] = json!(traefik());
            // Every engine of a lab listens there too, in a folder that only it sees.
            let socket = "/var/run/docker.sock";
            container["Mounts"] =
                json!([{"Type": "bind", "Source": "/run/docker.sock", "Target": socket, "ReadOnly": true}]);
        }
    }
    container
}

/// Without a VIP, as on the real host; dnsrr is possible because its ports are in host mode.
pub(crate) fn endpoint() -> Value {
    json!({
        "Mode": "dnsrr",
        "Ports": [{"Protocol": "tcp", "TargetPort": 443, "PublishedPort": 443, "PublishMode": "host"}],
    })
}

/// Its configuration file.
pub(crate) fn settings(scene: &Scene) -> String {
    match scene.router {
        Router::Caddy => caddyfile(scene),
        Router::Traefik => format!(
            "[tls.stores.default.defaultCertificate]\ncertFile = \"{CERTIFICATE}\"\nkeyFile = \"{KEY}\"\n"
        ),
    }
}

/// A service whose task is gone has no address under `tasks.SERVICE`, and the answer is then an error status; looking it
/// up again every 250 ms makes a change show at once.
fn caddyfile(scene: &Scene) -> String {
    // Where a client must not notice, a router asks another task when one does not take its connection: the other nodes
    // hear of a task that has gone a moment later.
    let retries =
        if scene.is_everywhere() { "\t\tlb_try_duration 5s\n\t\tlb_try_interval 100ms\n" } else { "" };
    let mut text = String::from(
        "{\n\tadmin off\n\tauto_https off\n\tgrace_period 1s\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n",
    );
    for site in &scene.sites {
        let body = match &site.target {
            Target::Service(service) => proxy_to(service, retries),
            // Labels are counted from the right: test, DOMAIN, and so on.
            Target::Canary => {
                let place = site.host.split('.').count() - 1;
                proxy_to(&format!("{{http.request.host.labels.{place}}}_app"), retries)
            }
            Target::Router => {
                format!("\trespond {VERSION_PATH} `{{\"Version\":\"lab\"}}` 200\n\trespond 404\n")
            }
        };
        text += &format!("https://{} {{\n\ttls {CERTIFICATE} {KEY}\n{body}}}\n", site.host);
    }
    text
}

fn proxy_to(service: &str, retries: &str) -> String {
    format!(
        "\treverse_proxy {{\n{retries}\t\tdynamic a {{\n\t\t\tname tasks.{service}\n\t\t\tport 80\n\t\t\trefresh 250ms\n\t\t\tresolvers \
         udp/127.0.0.11:53\n\t\t\tdial_timeout 500ms\n\t\t}}\n\t\ttransport http {{\n\t\t\tdial_timeout 500ms\n\t\t\t\
         response_header_timeout 3s\n\t\t\tkeepalive off\n\t\t}}\n\t}}\n"
    )
}

/// Traefik and its options. It reads the Swarm every second instead of every 15, and takes a change over at once instead of
/// after two seconds: until then it asks tasks that are gone.
fn traefik() -> Vec<String> {
    let options = [
        "entrypoints.websecure.address=:443",
        "entrypoints.websecure.http.tls=true",
        "entrypoints.websecure.transport.lifecycle.gracetimeout=1s",
        &format!("providers.swarm.network={PROXY}"),
        "providers.swarm.exposedbydefault=false",
        "providers.swarm.refreshseconds=1",
        "providers.providersthrottleduration=100ms",
        &format!("providers.file.filename={}", settings_path(Router::Traefik)),
        "api=true",
        // Which address answered which request.
        "accesslog=true",
        "log.level=WARN",
        "global.checknewversion=false",
        "global.sendanonymoususage=false",
    ]
    .map(|option| format!("--{option}"));
    std::iter::once("/usr/bin/traefik".to_owned()).chain(options).collect()
}

/// The labels by which Traefik finds a service; none for one without a site.
pub(crate) fn traefik_labels(scene: &Scene, service: &Service) -> Vec<(String, String)> {
    let name = service.name();
    let is_router = service.work == Work::Route;
    let own = |site: &&Site| match &site.target {
        Target::Service(target) => *target == name,
        Target::Router => is_router,
        Target::Canary => false,
    };
    let Some(site) = scene.sites.iter().find(own) else { return Vec::new() };
    let id = site.host.split('.').next().unwrap_or_default();
    let mut labels = labels_for(id, &site.host);
    if is_router {
        labels.push((format!("traefik.http.routers.{id}.service"), "api@internal".to_owned()));
    }
    // Of two services the network is named by a label, of the others by the router's option alone.
    if ["dashboard", "wiki"].contains(&site.route.unwrap_or_default()) {
        labels.push(("traefik.swarm.network".to_owned(), PROXY.to_owned()));
    }
    labels
}

/// The labels of a canary; `{stack}` stands for its name.
pub(crate) fn canary_labels(scene: &Scene) -> Vec<(String, String)> {
    match scene.router {
        Router::Caddy => Vec::new(),
        Router::Traefik => labels_for("{stack}", &format!("{{stack}}.canary.{}", scene.domain)),
    }
}

fn labels_for(id: &str, host: &str) -> Vec<(String, String)> {
    vec![
        ("traefik.enable".to_owned(), "true".to_owned()),
        (format!("traefik.http.routers.{id}.rule"), format!("Host(`{host}`)")),
        (format!("traefik.http.services.{id}.loadbalancer.server.port"), "80".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use crate::world::worlds;

    #[test]
    fn caddy_has_a_block_for_every_site() {
        for world in [World::CcCi, World::Nodes] {
            let scene = worlds::scene(world, Router::Caddy, &[]).unwrap();
            let text = settings(&scene);
            for site in &scene.sites {
                assert!(text.contains(&format!("https://{} {{", site.host)), "{}", site.host);
            }
            assert_eq!(text.matches('{').count(), text.matches('}').count());
            assert!(text.contains("tls /etc/certificate.pem /run/secrets/key.pem"));
            assert!(text.contains("respond /api/version"));
            // Labels of a host are counted from the right, from 0.
            let canary = scene.canary_url().replace("{stack}", "c1");
            let host = canary.trim_start_matches("https://").trim_end_matches('/');
            let place = host.split('.').rev().position(|label| label == "c1").unwrap();
            assert!(text.contains(&format!("tasks.{{http.request.host.labels.{place}}}_app")), "{place}");
        }
    }

    #[test]
    fn traefik_gets_its_certificate_from_the_files_that_it_has() {
        let scene = worlds::scene(World::CcCi, Router::Traefik, &[]).unwrap();
        let text = settings(&scene);
        assert!(text.contains(CERTIFICATE) && text.contains(KEY), "{text}");
        assert!(traefik().contains(&"--providers.file.filename=/etc/traefik.toml".to_owned()));
    }
}
