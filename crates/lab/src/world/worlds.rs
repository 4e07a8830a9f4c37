//! The worlds by their names.

use crate::world::scene::Scene;
use crate::world::{cc_ci, nodes};
use crate::{Router, World};

/// What a world consists of where the managers have these addresses; `None` for an empty one.
pub(crate) fn scene(world: World, router: Router, managers: &[String]) -> Option<Scene> {
    match world {
        World::Empty => None,
        World::CcCi => Some(cc_ci::scene(router)),
        World::Nodes => Some(nodes::scene(router, managers)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::world::scene::Target;
    use crate::world::service::{PROXY, Place, Service};

    /// Every world with every router, on three nodes.
    fn scenes() -> Vec<Scene> {
        let managers = ["192.0.2.10", "192.0.2.11", "192.0.2.12"].map(str::to_owned);
        let of = |world, router| scene(world, router, &managers).unwrap();
        [World::CcCi, World::Nodes]
            .into_iter()
            .flat_map(|world| [Router::Caddy, Router::Traefik].map(|router| of(world, router)))
            .collect()
    }

    #[test]
    fn an_empty_world_has_nothing() {
        assert!(scene(World::Empty, Router::Caddy, &[]).is_none());
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
            let each = scene.services.iter().any(|s| s.place == Place::Each);
            assert_eq!(scene.listens.len(), if each { 3 } else { 1 });
            assert_eq!(scene.is_everywhere(), each);
        }
    }
}
