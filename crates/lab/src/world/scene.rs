//! What a world consists of, before it is on a Swarm.

use serde_json::{Value, json};

use crate::world::service::{Service, Work, stack_label};
use crate::world::{cc_ci, nodes};
use crate::{RouteInfo, Router, World};

/// The shared overlay.
pub(crate) const PROXY: &str = "proxy";

/// Its subnet.
pub(crate) const PROXY_SUBNET: &str = "10.10.0.0/24";

/// Services, networks and routes.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) router: Router,
    /// In the order in which the configuration names them.
    pub(crate) services: &'static [Service],
    /// A stack's own network: the stack, the network's short name, its subnet.
    pub(crate) private: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) sites: Vec<Site>,
    /// Every name of the world ends so.
    pub(crate) domain: &'static str,
    /// Where a router listens, node by node.
    pub(crate) listens: Vec<String>,
}

/// A host name that the router takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The route's name in a configuration; `None` for one that no configuration asks.
    pub(crate) route: Option<&'static str>,
    pub(crate) host: String,
    pub(crate) target: Target,
}

/// Who answers for a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The service of this name.
    Service(String),
    /// A canary: the service `STACK_app`, where STACK is the first label of the name.
    Canary,
    /// The router itself, at [`VERSION_PATH`].
    Router,
}

/// Where the router tells its version, as Traefik's API does.
pub(crate) const VERSION_PATH: &str = "/api/version";

impl Scene {
    /// The scene of a world whose managers have these addresses; `None` for an empty one.
    pub(crate) fn of(world: World, router: Router, managers: &[String]) -> Option<Self> {
        match world {
            World::Empty => None,
            World::CcCi => Some(cc_ci::scene(router)),
            World::Nodes => Some(nodes::scene(router, managers)),
        }
    }

    /// The stack of the router.
    pub(crate) fn router_stack(&self) -> &'static str {
        self.services
            .iter()
            .find(|service| service.work == Work::Route)
            .map_or("router", |service| service.stack)
    }

    /// True iff tasks run on all nodes, so that every engine needs the images.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.services.iter().any(|service| service.place != crate::world::service::Place::First)
    }

    /// What the router answers when everything runs.
    pub(crate) fn routes(&self) -> Vec<RouteInfo> {
        let route = |site: &Site| {
            let (path, service) = match &site.target {
                Target::Service(name) => ("/", self.services.iter().find(|service| service.name() == *name)?),
                Target::Router => {
                    (VERSION_PATH, self.services.iter().find(|service| service.work == Work::Route)?)
                }
                Target::Canary => return None,
            };
            let status = match service.work {
                Work::Answer(status) => status,
                Work::Route => 200,
            };
            Some(RouteInfo {
                name: site.route?.to_owned(),
                url: format!("https://{}{path}", site.host),
                addresses: self.listens.clone(),
                expected: vec![status],
                service: service.name(),
            })
        };
        self.sites.iter().filter_map(route).collect()
    }

    /// URL of a canary stack's route; `{stack}` stands for its name.
    pub(crate) fn canary_url(&self) -> String {
        format!("https://{{stack}}.canary.{}/", self.domain)
    }

    /// The names that the router's certificate is for.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.host.clone()).collect()
    }

    /// Bodies of `POST /networks/create`.
    pub(crate) fn networks(&self) -> Vec<Value> {
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
        let own = self
            .private
            .iter()
            .map(|(stack, short, subnet)| network(&format!("{stack}_{short}"), subnet, stack_label(stack)));
        std::iter::once(network(PROXY, PROXY_SUBNET, json!({}))).chain(own).collect()
    }
}

/// The site of a canary.
pub(crate) fn canary(domain: &str) -> Site {
    Site { route: None, host: format!("*.canary.{domain}"), target: Target::Canary }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every world with every router, on three nodes.
    fn scenes() -> Vec<Scene> {
        let managers = ["192.0.2.10", "192.0.2.11", "192.0.2.12"].map(str::to_owned);
        let of = |world, router| Scene::of(world, router, &managers).unwrap();
        [World::CcCi, World::Nodes]
            .into_iter()
            .flat_map(|world| [Router::Caddy, Router::Traefik].map(|router| of(world, router)))
            .collect()
    }

    #[test]
    fn an_empty_world_has_nothing() {
        assert!(Scene::of(World::Empty, Router::Caddy, &[]).is_none());
    }

    #[test]
    fn every_network_of_a_service_exists() {
        for scene in scenes() {
            let made: BTreeSet<String> =
                scene.networks().iter().map(|network| network["Name"].as_str().unwrap().to_owned()).collect();
            let used: BTreeSet<String> = scene.services.iter().flat_map(Service::networks).collect();
            assert_eq!(made, used);
        }
    }

    #[test]
    fn every_site_has_its_service_and_a_certificate() {
        for scene in scenes() {
            let names: BTreeSet<String> = scene.services.iter().map(Service::name).collect();
            for site in &scene.sites {
                if let Target::Service(name) = &site.target {
                    assert!(names.contains(name), "{name}");
                }
                assert!(scene.certificate_names().contains(&site.host), "{}", site.host);
            }
            let asked = scene.sites.iter().filter(|site| site.route.is_some()).count();
            assert_eq!(scene.routes().len(), asked, "each of them is answered by somebody");
            for route in scene.routes() {
                let service = scene.services.iter().find(|s| s.name() == route.service).unwrap();
                assert!(service.overlay, "{}: the router reaches only the shared overlay", route.name);
            }
            let canary = scene.canary_url().replace("{stack}", "*");
            assert!(scene.certificate_names().iter().any(|name| canary.contains(name.as_str())), "{canary}");
        }
    }

    #[test]
    fn subnets_do_not_overlap_and_leave_ingress_alone() {
        let first_three = |subnet: &str| subnet.rsplit_once('.').unwrap().0.to_owned();
        for scene in scenes() {
            let mut taken: BTreeSet<String> = BTreeSet::from([first_three("10.0.0.0/24")]);
            for network in scene.networks() {
                let subnet = network["IPAM"]["Config"][0]["Subnet"].as_str().unwrap();
                assert!(subnet.ends_with(".0/24"), "{subnet}");
                assert!(taken.insert(first_three(subnet)), "{subnet} twice");
            }
        }
    }

    #[test]
    fn only_the_shared_overlay_can_be_attached_to_and_belongs_to_no_stack() {
        for network in scenes().iter().flat_map(Scene::networks) {
            let shared = network["Name"] == PROXY;
            assert_eq!(network["Attachable"], shared);
            assert_eq!(network["Labels"].get("com.docker.stack.namespace").is_none(), shared);
        }
    }

    #[test]
    fn a_router_on_each_node_listens_on_each() {
        for scene in scenes() {
            let each = scene.services.iter().any(|s| s.place == crate::world::service::Place::Each);
            assert_eq!(scene.listens.len(), if each { 3 } else { 1 });
            assert_eq!(scene.is_everywhere(), each);
        }
    }
}
