//! The pvcheck.toml of a world.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::id::NetworkId;
use crate::model::Model;
use crate::object::Network;
use crate::router::routers;
use crate::spec::Mode;
use crate::world::DOMAIN;

/// The image of canary and throwaway stacks; the model pulls none.
const IMAGE: &str = "sim/busybox:1";

#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<Overlay<'a>>,
    tls: Tls<'a>,
    journal: Journal<'a>,
    canary: Canary,
    churn: Churn,
    service: Vec<Service<'a>>,
    route: Vec<Route<'a>>,
}

#[derive(Serialize)]
struct Overlay<'a> {
    name: &'a str,
    subnet: String,
    min_free: u32,
}

#[derive(Serialize)]
struct Tls<'a> {
    ca: &'a Path,
}

#[derive(Serialize)]
struct Journal<'a> {
    file: &'a Path,
}

#[derive(Serialize)]
struct Service<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u64>,
    overlay: bool,
}

#[derive(Serialize)]
struct Route<'a> {
    name: &'a str,
    url: String,
    address: SocketAddr,
    expect: [u16; 1],
    service: &'a str,
}

#[derive(Serialize)]
struct Canary {
    image: &'static str,
    url: String,
    address: SocketAddr,
    expect: [u16; 1],
    labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Churn {
    image: &'static str,
    stacks: u32,
    replicas: u32,
}

/// The configuration as TOML: what this model is now, and what the router at `address` answers while all of it runs.
pub(super) fn render(
    model: &Model,
    ca: &Path,
    log: &Path,
    address: SocketAddr,
) -> Result<String, toml::ser::Error> {
    let shared = shared(model);
    let file = File {
        overlay: shared.and_then(overlay),
        tls: Tls { ca },
        journal: Journal { file: log },
        canary: canary(address),
        churn: Churn { image: IMAGE, stacks: 5, replicas: 1 },
        service: services(model, shared.map(|network| &network.id)),
        route: routes(model, address),
    };
    toml::to_string(&file)
}

/// The oldest allocated network that is not `ingress` and that belongs to no stack.
fn shared(model: &Model) -> Option<&Network> {
    let is_shared = |network: &&Network| {
        !network.request.ingress
            && network.state.is_some()
            && !network.request.labels.contains_key("com.docker.stack.namespace")
    };
    model.networks.values().filter(is_shared).min_by_key(|network| network.meta.seq)
}

fn overlay(network: &Network) -> Option<Overlay<'_>> {
    let subnet = network.state.as_ref()?.subnet.to_string();
    Some(Overlay { name: &network.request.name, subnet, min_free: 32 })
}

fn services<'a>(model: &'a Model, shared: Option<&NetworkId>) -> Vec<Service<'a>> {
    let mut services: Vec<_> = model.services.values().collect();
    services.sort_by_key(|service| service.meta.seq);
    let of = |service: &'a crate::object::Service| Service {
        name: &service.spec.name,
        replicas: match service.spec.mode {
            Mode::Replicated(replicas) => Some(replicas),
            Mode::Global | Mode::GlobalJob | Mode::ReplicatedJob(_) => None,
        },
        overlay: shared.is_some_and(|shared| service.networks.contains(shared)),
    };
    services.into_iter().map(of).collect()
}

fn routes(model: &Model, address: SocketAddr) -> Vec<Route<'_>> {
    let routes = routers(model).into_iter().filter_map(|router| {
        let path = if router.is_api { "/api/version" } else { "/" };
        Some(Route {
            name: router.name,
            url: format!("https://{}{path}", router.rule.host()?),
            address,
            expect: [router.status()],
            service: &router.service.spec.name,
        })
    });
    routes.collect()
}

/// A canary with the labels by which Traefik finds it.
fn canary(address: SocketAddr) -> Canary {
    let host = format!("{{stack}}.canary.{DOMAIN}");
    let labels = [
        ("traefik.enable", "true".to_owned()),
        ("traefik.http.routers.{stack}.rule", format!("Host(`{host}`)")),
        ("traefik.http.services.{stack}.loadbalancer.server.port", "80".to_owned()),
    ];
    Canary { image: IMAGE, url: format!("https://{host}/"), address, expect: [200], labels: labels.into() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::world::cc_ci;

    fn table(model: &Model) -> toml::Table {
        let (ca, log) = (PathBuf::from("/w/a \"b\".pem"), PathBuf::from("/w/log"));
        let text = render(model, &ca, &log, "127.0.0.1:8443".parse().unwrap()).unwrap();
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn the_world_is_described_as_it_is() {
        let value = table(&cc_ci().unwrap());
        assert_eq!(value["overlay"]["name"].as_str(), Some("proxy"));
        assert_eq!(value["overlay"]["subnet"].as_str(), Some("10.10.0.0/24"));
        assert_eq!(value["tls"]["ca"].as_str(), Some("/w/a \"b\".pem"));
        let services = value["service"].as_array().unwrap();
        let on_overlay = services.iter().filter(|service| service["overlay"].as_bool() == Some(true)).count();
        assert_eq!((services.len(), on_overlay), (9, 6));
        let routes = value["route"].as_array().unwrap().iter();
        let routes: Vec<_> = routes
            .map(|route| {
                (
                    route["name"].as_str().unwrap(),
                    route["url"].as_str().unwrap(),
                    route["expect"][0].as_integer().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            routes,
            [
                ("bridge", "https://bridge.ci.commoninternet.test/", 404),
                ("dashboard", "https://ci.commoninternet.test/", 200),
                ("drone", "https://drone.ci.commoninternet.test/", 303),
                ("keycloak", "https://keycloak.ci.commoninternet.test/", 200),
                ("report", "https://report.ci.commoninternet.test/", 200),
                ("traefik", "https://traefik.ci.commoninternet.test/api/version", 200),
            ]
        );
    }

    #[test]
    fn an_empty_swarm_has_no_overlay_to_judge() {
        let value = table(&Model::new());
        assert!(value.get("overlay").is_none());
        assert!(value["service"].as_array().is_some_and(Vec::is_empty));
    }
}
