//! The pvcheck.toml of a world.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::RouteInfo;
use crate::world::images::{BUSYBOX_IMAGE, SERVE};
use crate::world::router;
use crate::world::scene::{PROXY_SUBNET, Scene};
use crate::world::service::PROXY;

#[derive(Serialize)]
struct File<'a> {
    overlay: Overlay,
    tls: Tls<'a>,
    journal: Log<'a>,
    canary: Canary,
    churn: Churn,
    service: Vec<Service>,
    route: Vec<Route>,
}

#[derive(Serialize)]
struct Overlay {
    name: &'static str,
    subnet: &'static str,
    min_free: u32,
}

#[derive(Serialize)]
struct Tls<'a> {
    ca: &'a Path,
}

/// Where the engine's log is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Log<'a> {
    File(&'a Path),
    /// A unit of the systemd journal.
    Unit(&'a str),
}

#[derive(Serialize)]
struct Service {
    name: String,
    replicas: u64,
    overlay: bool,
}

#[derive(Serialize)]
struct Route {
    name: String,
    url: String,
    address: Vec<String>,
    expect: Vec<u16>,
    service: String,
}

#[derive(Serialize)]
struct Canary {
    image: &'static str,
    command: Vec<String>,
    url: String,
    address: Vec<String>,
    expect: Vec<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Churn {
    image: &'static str,
    command: Vec<String>,
    stacks: u32,
    replicas: u32,
}

/// The configuration of a scene on so many nodes, as TOML.
pub(crate) fn render(scene: &Scene, nodes: u64, ca: &Path, log: Log<'_>) -> Result<String, toml::ser::Error> {
    let command = |linger: &str| [SERVE, "200", linger].map(str::to_owned).to_vec();
    let file = File {
        overlay: Overlay { name: PROXY, subnet: PROXY_SUBNET, min_free: 32 },
        tls: Tls { ca },
        journal: log,
        canary: Canary {
            image: BUSYBOX_IMAGE,
            command: command("0"),
            url: scene.canary_url(),
            address: scene.listens.clone(),
            expect: vec![200],
            labels: router::canary_labels(scene).into_iter().collect(),
        },
        // A leak needs tasks that are still stopping when their networks go.
        churn: Churn { image: BUSYBOX_IMAGE, command: command("2"), stacks: 5, replicas: 1 },
        service: scene
            .services
            .iter()
            .map(|service| Service {
                name: service.name(),
                replicas: service.tasks(nodes),
                overlay: service.overlay,
            })
            .collect(),
        route: scene.routes().into_iter().map(Route::from).collect(),
    };
    toml::to_string(&file)
}

impl From<RouteInfo> for Route {
    fn from(route: RouteInfo) -> Self {
        let RouteInfo { name, url, addresses: address, expected, service } = route;
        Self { name, url, address, expect: expected, service }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::worlds;
    use crate::{Router, World};

    fn scene(world: World, router: Router) -> Scene {
        let managers = ["192.0.2.10", "192.0.2.11", "192.0.2.12"].map(str::to_owned);
        worlds::scene(world, router, &managers).unwrap()
    }

    fn table_of(scene: &Scene) -> toml::Table {
        toml::from_str(&render(scene, 3, Path::new("/l/ca.pem"), Log::File(Path::new("/l/log"))).unwrap())
            .unwrap()
    }

    fn table() -> toml::Table {
        table_of(&scene(World::CcCi, Router::Caddy))
    }

    #[test]
    fn tables() {
        let value = table();
        assert_eq!(value["overlay"]["subnet"].as_str(), Some("10.10.0.0/24"));
        assert_eq!(value["service"].as_array().map(Vec::len), Some(9));
        assert_eq!(value["service"][0]["name"].as_str(), Some("traefik_ci_commoninternet_net_app"));
        assert_eq!(value["route"][1]["expect"][0].as_integer(), Some(303));
        assert_eq!(value["canary"]["url"].as_str(), Some("https://{stack}.canary.ci.commoninternet.test/"));
        assert!(value["canary"].get("labels").is_none(), "Caddy finds it by its name");
        assert_eq!(value["churn"]["command"][2].as_str(), Some("2"));
    }

    #[test]
    fn paths_are_the_labs_and_every_service_of_the_world_is_listed_once() {
        let value = table();
        assert_eq!(value["tls"]["ca"].as_str(), Some("/l/ca.pem"));
        assert_eq!(value["journal"]["file"].as_str(), Some("/l/log"));
        let services = value["service"].as_array().unwrap();
        let on_overlay = services.iter().filter(|service| service["overlay"].as_bool() == Some(true)).count();
        assert_eq!((services.len(), on_overlay), (9, 6));
        let names: std::collections::BTreeSet<&str> =
            services.iter().filter_map(|service| service["name"].as_str()).collect();
        assert_eq!(names.len(), 9);
    }

    #[test]
    fn a_log_in_the_journal_is_named_by_its_unit() {
        let scene = scene(World::CcCi, Router::Caddy);
        let text = render(&scene, 1, Path::new("/l/ca.pem"), Log::Unit("docker.service")).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(value["journal"].to_string(), "{ unit = \"docker.service\" }");
    }

    #[test]
    fn routes_are_taken_over_field_by_field() {
        for world in [World::CcCi, World::Nodes] {
            let scene = scene(world, Router::Caddy);
            let value = table_of(&scene);
            let written = value["route"].as_array().unwrap();
            assert_eq!(written.len(), scene.routes().len());
            for (route, written) in scene.routes().iter().zip(written) {
                for (key, expected) in
                    [("name", &route.name), ("url", &route.url), ("service", &route.service)]
                {
                    assert_eq!(written[key].as_str(), Some(expected.as_str()));
                }
                let addresses: Vec<&str> =
                    written["address"].as_array().unwrap().iter().filter_map(|a| a.as_str()).collect();
                assert_eq!(addresses, route.addresses);
            }
        }
    }

    #[test]
    fn a_router_is_expected_on_each_node_and_asked_on_each() {
        let value = table_of(&scene(World::Nodes, Router::Caddy));
        let tasks = |name: &str| {
            let services = value["service"].as_array().unwrap();
            services.iter().find(|s| s["name"].as_str() == Some(name)).unwrap()["replicas"].as_integer()
        };
        assert_eq!((tasks("edge_router"), tasks("shop_app"), tasks("wiki_app")), (Some(3), Some(3), Some(1)));
        assert_eq!(value["route"][0]["address"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn traefik_finds_a_canary_by_labels() {
        let value = table_of(&scene(World::CcCi, Router::Traefik));
        let rule = value["canary"]["labels"]["traefik.http.routers.{stack}.rule"].as_str();
        assert_eq!(rule, Some("Host(`{stack}.canary.ci.commoninternet.test`)"));
    }

    #[test]
    fn a_path_with_quotes_survives() {
        let odd = Path::new("/l/a \"b\"\\c");
        let text = render(&scene(World::CcCi, Router::Caddy), 1, odd, Log::File(odd)).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(value["tls"]["ca"].as_str(), odd.to_str());
    }

    #[test]
    fn throwaway_tasks_linger_in_churn_and_not_in_the_canary() {
        let value = table();
        assert_eq!(value["canary"]["command"][2].as_str(), Some("0"));
        assert_eq!(value["canary"]["image"], value["churn"]["image"]);
        assert!(value["churn"]["command"][2].as_str().unwrap().parse::<u32>().unwrap() > 0);
    }
}
