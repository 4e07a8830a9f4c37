//! The specification of a service, as the engine gets it.

use serde_json::{Value, json};

use crate::Router;
use crate::world::images::{BUSYBOX_IMAGE, SERVE};
use crate::world::router::{self, RouterFiles};
use crate::world::scene::Scene;
use crate::world::service::{Place, Service, Work, stack_label};

/// How long a task of [`Place::Anywhere`] answers on, in seconds. Swarm takes it out of DNS before it tells it to stop.
const LINGERS: &str = "2";

/// How long the engine watches a new task before it calls an update complete. A fifth of the default, so that a test does
/// not wait for it at each change.
const MONITORED: u64 = 1_000_000_000;

/// The body of `POST /services/create`. `node` is the first one.
pub(crate) fn spec(service: &Service, scene: &Scene, node: &str, files: &RouterFiles) -> Value {
    let networks: Vec<Value> = service
        .networks()
        .into_iter()
        .map(|network| json!({"Target": network, "Aliases": [service.task]}))
        .collect();
    let mut container = match service.work {
        Work::Answer(status) => json!({"Image": BUSYBOX_IMAGE, "Command": serve(service, status)}),
        Work::Route => router::container(scene, files),
    };
    container["Labels"] = stack_label(service.stack);
    // Docker's default, 10 s, spelt out.
    container["StopGracePeriod"] = json!(10_000_000_000_u64);
    let mut labels = stack_label(service.stack);
    labels["com.docker.stack.image"] = container["Image"].clone();
    if scene.router == Router::Traefik {
        for (key, value) in router::traefik_labels(scene, service) {
            labels[key] = json!(value);
        }
    }
    let mut spec = json!({
        "Name": service.name(),
        "Labels": labels,
        "TaskTemplate": {
            "ContainerSpec": container,
            "Networks": networks,
            // A task that fails while the world starts is tried again soon.
            "RestartPolicy": {"Condition": "any", "Delay": 200_000_000_u64},
        },
        "Mode": {"Replicated": {"Replicas": service.tasks(1)}},
        "EndpointSpec": {"Mode": "vip"},
    });
    match service.place {
        // Its engine may be the only one that has the images.
        Place::First => {
            spec["TaskTemplate"]["Placement"] = json!({"Constraints": [format!("node.id=={node}")]});
        }
        Place::Anywhere(_) => spec["UpdateConfig"] = update("start-first"),
        Place::Each => {
            spec["Mode"] = json!({"Global": {}});
            spec["UpdateConfig"] = update("stop-first");
        }
    }
    if service.work == Work::Route {
        spec["EndpointSpec"] = router::endpoint();
    }
    spec
}

fn serve(service: &Service, status: u16) -> Vec<String> {
    let mut words = vec![SERVE.to_owned(), status.to_string()];
    if let Place::Anywhere(_) = service.place {
        words.push(LINGERS.to_owned());
    }
    words
}

/// One task after the other.
fn update(order: &str) -> Value {
    json!({"Parallelism": 1, "Order": order, "Monitor": MONITORED, "FailureAction": "pause"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use crate::world::images::{CADDY_IMAGE, TRAEFIK_IMAGE};
    use crate::world::worlds;

    fn specs(world: World, router: Router) -> Vec<(Service, Value)> {
        let scene = worlds::scene(world, router, &["192.0.2.10".to_owned()]).unwrap();
        let files = RouterFiles { key: "k".into(), certificate: "c".into(), settings: "s".into() };
        scene.services.iter().map(|service| (*service, spec(service, &scene, "node7", &files))).collect()
    }

    #[test]
    fn only_the_router_has_no_vip() {
        for (service, spec) in specs(World::CcCi, Router::Caddy) {
            assert_eq!(spec["EndpointSpec"]["Mode"] == "dnsrr", service.work == Work::Route);
            assert_eq!(spec["Labels"]["com.docker.stack.namespace"], service.stack);
        }
    }

    #[test]
    fn a_task_is_pinned_to_the_first_node_unless_every_node_has_the_images() {
        for (_, spec) in specs(World::CcCi, Router::Caddy) {
            assert_eq!(spec["TaskTemplate"]["Placement"]["Constraints"], json!(["node.id==node7"]));
            let image = spec["TaskTemplate"]["ContainerSpec"]["Image"].as_str().unwrap();
            assert!([BUSYBOX_IMAGE, CADDY_IMAGE].contains(&image), "{image}");
            assert_eq!(spec["Labels"]["com.docker.stack.image"], image);
        }
        for (service, spec) in specs(World::Nodes, Router::Caddy) {
            assert!(spec["TaskTemplate"].get("Placement").is_none());
            assert_eq!(spec["Mode"].get("Global").is_some(), service.work == Work::Route);
            let first = if service.work == Work::Route { "stop-first" } else { "start-first" };
            assert_eq!(
                (&spec["UpdateConfig"]["Order"], &spec["UpdateConfig"]["Parallelism"]),
                (&json!(first), &json!(1))
            );
        }
    }

    #[test]
    fn the_router_gets_its_key_as_a_secret_that_only_it_may_read() {
        for (router, image) in [(Router::Caddy, CADDY_IMAGE), (Router::Traefik, TRAEFIK_IMAGE)] {
            let (_, spec) = specs(World::CcCi, router).remove(0);
            let container = &spec["TaskTemplate"]["ContainerSpec"];
            assert_eq!(container["Image"], image);
            assert_eq!(container["Secrets"][0]["SecretID"], "k");
            assert_eq!(container["Secrets"][0]["File"]["Mode"], 0o400);
            let configs: Vec<&str> = container["Configs"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|c| c["ConfigID"].as_str())
                .collect();
            assert_eq!(configs, ["c", "s"]);
        }
    }

    #[test]
    fn traefik_finds_by_labels_what_has_a_route_and_pins_one_service_by_a_label() {
        let found = |key: &str| -> Vec<String> {
            let specs = specs(World::CcCi, Router::Traefik).into_iter();
            specs.filter(|(_, spec)| spec["Labels"].get(key).is_some()).map(|(s, _)| s.name()).collect()
        };
        assert_eq!(found("traefik.enable").len(), 6);
        assert_eq!(found("traefik.swarm.network"), ["ccci-dashboard_app"]);
        let (_, router) = specs(World::CcCi, Router::Traefik).remove(0);
        let command = router["TaskTemplate"]["ContainerSpec"]["Command"].to_string();
        assert!(command.contains("\"--providers.swarm.network=proxy\""), "{command}");
        assert_eq!(router["Labels"]["traefik.http.routers.traefik.service"], "api@internal");
    }
}
