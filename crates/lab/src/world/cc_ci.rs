//! World `cc-ci`: what it consists of. Names, networks and statuses are those of a real CI host, under `.test`
//! (RFC 6761).

use serde_json::{Value, json};

use crate::RouteInfo;
use crate::world::images::{BUSYBOX_IMAGE, CADDY_IMAGE, SERVE};

/// The shared overlay.
pub(crate) const PROXY: &str = "proxy";

/// Its subnet.
pub(crate) const PROXY_SUBNET: &str = "10.10.0.0/24";

/// Where the router listens.
pub(crate) const ROUTER: &str = "127.0.0.1:443";

/// Every name of the world ends so.
const DOMAIN: &str = "ci.commoninternet.test";

const TRAEFIK: &str = "traefik_ci_commoninternet_net";
const KEYCLOAK: &str = "warm-keycloak_ci_commoninternet_net";
const BACKUPS: &str = "backups_ci_commoninternet_net";
const DRONE: &str = "drone_ci_commoninternet_net";

/// A stack's own network and its subnet.
const PRIVATE_NETWORKS: [(&str, &str, &str); 3] = [
    (TRAEFIK, "internal", "10.0.2.0/24"),
    (KEYCLOAK, "internal", "10.0.3.0/24"),
    (BACKUPS, "default", "10.0.4.0/24"),
];

/// One service of the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) stack: &'static str,
    task: &'static str,
    /// True iff it is on the shared overlay.
    pub(crate) overlay: bool,
    /// Its stack's own network, by its short name.
    private: Option<&'static str>,
    work: Work,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// Answers `/` on port 80 with a status.
    Answer(u16),
    /// The router: Caddy, where the real host has Traefik.
    Route,
}

const fn service(
    stack: &'static str,
    task: &'static str,
    overlay: bool,
    private: Option<&'static str>,
    work: Work,
) -> Service {
    Service { stack, task, overlay, private, work }
}

/// All services, in the order in which the configuration names them.
pub(crate) const SERVICES: [Service; 9] = [
    service(TRAEFIK, "app", true, Some("internal"), Work::Route),
    service(TRAEFIK, "socket-proxy", false, Some("internal"), Work::Answer(200)),
    service(DRONE, "app", true, None, Work::Answer(303)),
    service(KEYCLOAK, "app", true, Some("internal"), Work::Answer(200)),
    service(KEYCLOAK, "db", false, Some("internal"), Work::Answer(200)),
    service("ccci-bridge", "app", true, None, Work::Answer(404)),
    service("ccci-dashboard", "app", true, None, Work::Answer(200)),
    service("ccci-reports", "app", true, None, Work::Answer(200)),
    service(BACKUPS, "app", false, Some("default"), Work::Answer(200)),
];

impl Service {
    /// The Swarm service's name.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.stack, self.task)
    }

    /// The names of its networks.
    fn networks(&self) -> Vec<String> {
        // The shared overlay first. When a later network is full, the earlier ones lose an address (L2 in
        // docs/leaks.md), so the order is part of the world.
        let shared = self.overlay.then(|| PROXY.to_owned());
        shared.into_iter().chain(self.private.map(|short| format!("{}_{short}", self.stack))).collect()
    }

    /// The body of `POST /services/create`. The task stays on `node`, whose engine has the images.
    pub(crate) fn spec(&self, node: &str, files: &RouterFiles) -> Value {
        let networks: Vec<Value> = self
            .networks()
            .into_iter()
            .map(|network| json!({"Target": network, "Aliases": [self.task]}))
            .collect();
        let mut container = match self.work {
            Work::Answer(status) => json!({"Image": BUSYBOX_IMAGE, "Command": [SERVE, status.to_string()]}),
            Work::Route => router_container(files),
        };
        container["Labels"] = stack_label(self.stack);
        // Docker's default, 10 s, spelt out.
        container["StopGracePeriod"] = json!(10_000_000_000_u64);
        let image = container["Image"].clone();
        let mut spec = json!({
            "Name": self.name(),
            "Labels": {"com.docker.stack.namespace": self.stack, "com.docker.stack.image": image},
            "TaskTemplate": {
                "ContainerSpec": container,
                "Networks": networks,
                "Placement": {"Constraints": [format!("node.id=={node}")]},
                // A task that fails while the world starts is tried again soon.
                "RestartPolicy": {"Condition": "any", "Delay": 200_000_000_u64},
            },
            "Mode": {"Replicated": {"Replicas": 1}},
            "EndpointSpec": {"Mode": "vip"},
        });
        if matches!(self.work, Work::Route) {
            spec["EndpointSpec"] = router_endpoint();
        }
        spec
    }
}

/// What the router is given: ids of a Docker secret and two configs.
#[derive(Clone, Debug)]
pub(crate) struct RouterFiles {
    pub(crate) key: String,
    pub(crate) certificate: String,
    pub(crate) caddyfile: String,
}

/// Names of the router's secret and configs.
pub(crate) fn router_file_name(short: &str) -> String {
    format!("{TRAEFIK}_{short}")
}

/// The labels of whatever belongs to the router's stack.
pub(crate) fn router_labels() -> Value {
    stack_label(TRAEFIK)
}

fn stack_label(stack: &str) -> Value {
    json!({"com.docker.stack.namespace": stack})
}

fn router_container(files: &RouterFiles) -> Value {
    let file = |name: &str, mode: u32| json!({"Name": name, "UID": "0", "GID": "0", "Mode": mode});
    json!({
        "Image": CADDY_IMAGE,
        "Command": ["/usr/bin/caddy", "run", "--config", "/etc/Caddyfile", "--adapter", "caddyfile"],
        "Env": ["XDG_CONFIG_HOME=/tmp", "XDG_DATA_HOME=/tmp", "HOME=/tmp"],
        "Secrets": [{
            "SecretID": files.key,
            "SecretName": router_file_name("key"),
            "File": file("key.pem", 0o400),
        }],
        "Configs": [
            {
                "ConfigID": files.certificate,
                "ConfigName": router_file_name("certificate"),
                "File": file("/etc/certificate.pem", 0o444),
            },
            {
                "ConfigID": files.caddyfile,
                "ConfigName": router_file_name("caddyfile"),
                "File": file("/etc/Caddyfile", 0o444),
            },
        ],
    })
}

/// Without a VIP, as on the real host; dnsrr is possible because its ports are in host mode.
fn router_endpoint() -> Value {
    json!({
        "Mode": "dnsrr",
        "Ports": [{"Protocol": "tcp", "TargetPort": 443, "PublishedPort": 443, "PublishMode": "host"}],
    })
}

/// Bodies of `POST /networks/create`.
pub(crate) fn networks() -> Vec<Value> {
    let network = |name: &str, subnet: &str, labels: Value| {
        json!({
            "Name": name,
            "CheckDuplicate": true,
            "Driver": "overlay",
            "Attachable": name == PROXY,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}]},
            "Labels": labels,
        })
    };
    let own = PRIVATE_NETWORKS
        .iter()
        .map(|(stack, short, subnet)| network(&format!("{stack}_{short}"), subnet, stack_label(stack)));
    std::iter::once(network(PROXY, PROXY_SUBNET, json!({}))).chain(own).collect()
}

/// What the router answers when everything runs.
pub(crate) fn routes() -> Vec<RouteInfo> {
    let traefik = format!("{TRAEFIK}_app");
    let drone = format!("{DRONE}_app");
    [
        ("dashboard", "", "/", 200, "ccci-dashboard_app"),
        ("drone", "drone.", "/", 303, drone.as_str()),
        ("report", "report.", "/", 200, "ccci-reports_app"),
        ("bridge", "bridge.", "/", 404, "ccci-bridge_app"),
        ("traefik", "traefik.", "/api/version", 200, traefik.as_str()),
    ]
    .into_iter()
    .map(|(name, prefix, path, status, service)| RouteInfo {
        name: name.to_owned(),
        url: format!("https://{prefix}{DOMAIN}{path}"),
        address: ROUTER.to_owned(),
        expected: vec![status],
        service: service.to_owned(),
    })
    .collect()
}

/// URL of a canary stack's route; `{stack}` stands for its name.
pub(crate) fn canary_url() -> String {
    format!("https://{{stack}}.canary.{DOMAIN}/")
}

/// The names that the router's certificate is for.
pub(crate) fn certificate_names() -> Vec<String> {
    let mut names = vec![DOMAIN.to_owned()];
    names.extend(
        ["drone", "report", "bridge", "traefik", "keycloak", "*.canary"]
            .map(|prefix| format!("{prefix}.{DOMAIN}")),
    );
    names
}

/// The router's configuration. A service whose task is gone has no address under `tasks.SERVICE`, and the
/// answer is then an error status; looking it up again every 250 ms makes a change show at once.
pub(crate) fn caddyfile() -> String {
    let keycloak = format!("{KEYCLOAK}_app");
    let mut text = String::from(
        "{\n\tadmin off\n\tauto_https off\n\tgrace_period 1s\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n",
    );
    let services = routes().into_iter().filter(|route| route.name != "traefik");
    let mut sites: Vec<(String, String)> =
        services.map(|route| (host_of(&route.url), proxy_to(&route.service))).collect();
    sites.push((format!("keycloak.{DOMAIN}"), proxy_to(&keycloak)));
    // Labels are counted from the right: test, commoninternet, ci, canary, STACK.
    sites.push((format!("*.canary.{DOMAIN}"), proxy_to("{http.request.host.labels.4}_app")));
    sites.push((
        format!("traefik.{DOMAIN}"),
        "\trespond /api/version `{\"Version\":\"lab\"}` 200\n\trespond 404\n".to_owned(),
    ));
    for (host, body) in sites {
        text += &format!("https://{host} {{\n\ttls /etc/certificate.pem /run/secrets/key.pem\n{body}}}\n");
    }
    text
}

fn host_of(url: &str) -> String {
    url.trim_start_matches("https://").split('/').next().unwrap_or_default().to_owned()
}

fn proxy_to(service: &str) -> String {
    format!(
        "\treverse_proxy {{\n\t\tdynamic a {{\n\t\t\tname tasks.{service}\n\t\t\tport 80\n\t\t\trefresh 250ms\n\t\t\tresolvers \
         udp/127.0.0.11:53\n\t\t\tdial_timeout 500ms\n\t\t}}\n\t\ttransport http {{\n\t\t\tdial_timeout 500ms\n\t\t\t\
         response_header_timeout 3s\n\t\t\tkeepalive off\n\t\t}}\n\t}}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn six_of_nine_are_on_the_overlay_and_names_are_unique() {
        let names: BTreeSet<String> = SERVICES.iter().map(Service::name).collect();
        assert_eq!(names.len(), 9);
        assert_eq!(SERVICES.iter().filter(|service| service.overlay).count(), 6);
    }

    #[test]
    fn every_network_of_a_service_exists() {
        let made: BTreeSet<String> =
            networks().iter().map(|network| network["Name"].as_str().unwrap().to_owned()).collect();
        let used: BTreeSet<String> = SERVICES.iter().flat_map(Service::networks).collect();
        assert_eq!(made, used);
    }

    #[test]
    fn every_route_belongs_to_a_service_and_has_a_site_and_a_certificate() {
        let names: BTreeSet<String> = SERVICES.iter().map(Service::name).collect();
        let caddyfile = caddyfile();
        for route in routes() {
            assert!(names.contains(&route.service), "{}", route.service);
            let host = host_of(&route.url);
            assert!(caddyfile.contains(&format!("https://{host} {{")), "{host}");
            assert!(certificate_names().contains(&host), "{host}");
        }
        assert_eq!(caddyfile.matches('{').count(), caddyfile.matches('}').count());
    }

    #[test]
    fn only_the_router_has_no_vip() {
        let files = RouterFiles { key: "k".into(), certificate: "c".into(), caddyfile: "f".into() };
        for service in SERVICES {
            let spec = service.spec("node", &files);
            let router = service.name() == "traefik_ci_commoninternet_net_app";
            assert_eq!(spec["EndpointSpec"]["Mode"] == "dnsrr", router, "{}", service.name());
            assert_eq!(spec["Labels"]["com.docker.stack.namespace"], service.stack);
        }
    }

    fn files() -> RouterFiles {
        RouterFiles { key: "k".into(), certificate: "c".into(), caddyfile: "f".into() }
    }

    #[test]
    fn subnets_do_not_overlap_and_leave_ingress_alone() {
        let first_three = |subnet: &str| subnet.rsplit_once('.').unwrap().0.to_owned();
        let mut taken: BTreeSet<String> = BTreeSet::from([first_three("10.0.0.0/24")]);
        for network in networks() {
            let subnet = network["IPAM"]["Config"][0]["Subnet"].as_str().unwrap();
            assert!(subnet.ends_with(".0/24"), "{subnet}");
            assert!(taken.insert(first_three(subnet)), "{subnet} twice");
        }
    }

    #[test]
    fn only_the_shared_overlay_can_be_attached_to_and_belongs_to_no_stack() {
        for network in networks() {
            let shared = network["Name"] == PROXY;
            assert_eq!(network["Attachable"], shared);
            assert_eq!(network["Labels"].get("com.docker.stack.namespace").is_none(), shared);
        }
    }

    #[test]
    fn every_task_is_pinned_to_the_node_that_has_the_images() {
        for service in SERVICES {
            let spec = service.spec("node7", &files());
            assert_eq!(spec["TaskTemplate"]["Placement"]["Constraints"], json!(["node.id==node7"]));
            let container = &spec["TaskTemplate"]["ContainerSpec"];
            let image = container["Image"].as_str().unwrap();
            assert!([BUSYBOX_IMAGE, CADDY_IMAGE].contains(&image), "{image}");
            assert_eq!(spec["Labels"]["com.docker.stack.image"], image);
        }
    }

    #[test]
    fn the_router_gets_its_key_as_a_secret_that_only_it_may_read() {
        let router = SERVICES.iter().find(|service| matches!(service.work, Work::Route)).unwrap();
        let container = router.spec("n", &files())["TaskTemplate"]["ContainerSpec"].clone();
        assert_eq!(container["Secrets"][0]["SecretID"], "k");
        assert_eq!(container["Secrets"][0]["File"]["Mode"], 0o400);
        let configs: Vec<&str> =
            container["Configs"].as_array().unwrap().iter().filter_map(|c| c["ConfigID"].as_str()).collect();
        assert_eq!(configs, ["c", "f"]);
        for file in ["key.pem", "/etc/certificate.pem", "/etc/Caddyfile"] {
            assert!(container.to_string().contains(file), "{file}");
        }
        assert!(caddyfile().contains("tls /etc/certificate.pem /run/secrets/key.pem"));
    }

    #[test]
    fn routes_expect_what_their_services_answer() {
        for route in routes() {
            let service = SERVICES.iter().find(|service| service.name() == route.service).unwrap();
            match service.work {
                Work::Answer(status) => assert_eq!(route.expected, [status], "{}", route.name),
                Work::Route => assert!(caddyfile().contains("respond /api/version")),
            }
            assert!(service.overlay, "{}: the router reaches only the shared overlay", route.name);
            assert_eq!(route.address, ROUTER);
        }
    }

    #[test]
    fn a_canary_has_a_certificate_and_a_site() {
        let host = host_of(&canary_url()).replace("{stack}", "c1");
        let wildcard = format!("*{}", host.strip_prefix("c1").unwrap());
        assert!(certificate_names().contains(&wildcard), "{wildcard}");
        assert!(caddyfile().contains(&format!("https://{wildcard} {{")));
        // Labels of a host are counted from the right, from 0.
        assert_eq!(host.split('.').rev().nth(4), Some("c1"));
    }

    #[test]
    fn hosts_of_urls() {
        assert_eq!(host_of("https://a.test/b/c"), "a.test");
        assert_eq!(host_of("https://a.test"), "a.test");
        assert_eq!(host_of(""), "");
    }
}
