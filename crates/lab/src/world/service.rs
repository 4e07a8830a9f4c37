//! One service of a world, and the specification that the engine gets.

use serde_json::{Value, json};

use crate::Router;
use crate::world::images::{BUSYBOX_IMAGE, SERVE};
use crate::world::router::{self, RouterFiles};
use crate::world::scene::{PROXY, Scene};

/// One service of a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) stack: &'static str,
    pub(crate) task: &'static str,
    /// True iff it is on the shared overlay.
    pub(crate) overlay: bool,
    /// Its stack's own network, by its short name.
    pub(crate) private: Option<&'static str>,
    pub(crate) work: Work,
    pub(crate) place: Place,
}

/// What the tasks of a service do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Answers `/` on port 80 with a status.
    Answer(u16),
    /// Routes.
    Route,
}

/// How many tasks a service has, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One, on the first node.
    First,
    /// As many, on any node, and replaced as a service is that must not be away: the new task first, and the old one goes
    /// on answering for a while after it was told to stop, until routers have noticed.
    Anywhere(u64),
    /// One on each node.
    Each,
}

/// How long a task of [`Place::Anywhere`] answers on, in seconds. Swarm takes it out of DNS before it tells it to stop.
const LINGERS: &str = "2";

/// How long the engine watches a new task before it calls an update complete. A fifth of the default, so that a test does
/// not wait for it at each change.
const MONITORED: u64 = 1_000_000_000;

impl Service {
    /// The Swarm service's name.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.stack, self.task)
    }

    /// How many tasks it has on so many nodes.
    pub(crate) fn tasks(&self, nodes: u64) -> u64 {
        match self.place {
            Place::First => 1,
            Place::Anywhere(tasks) => tasks,
            Place::Each => nodes,
        }
    }

    /// The names of its networks.
    pub(crate) fn networks(&self) -> Vec<String> {
        // The shared overlay first. When a later network is full, the earlier ones lose an address (L2 in
        // docs/leaks.md), so the order is part of the world.
        let shared = self.overlay.then(|| PROXY.to_owned());
        shared.into_iter().chain(self.private.map(|short| format!("{}_{short}", self.stack))).collect()
    }

    /// The body of `POST /services/create`. `node` is the first one.
    pub(crate) fn spec(&self, scene: &Scene, node: &str, files: &RouterFiles) -> Value {
        let networks: Vec<Value> = self
            .networks()
            .into_iter()
            .map(|network| json!({"Target": network, "Aliases": [self.task]}))
            .collect();
        let mut container = match self.work {
            Work::Answer(status) => json!({"Image": BUSYBOX_IMAGE, "Command": self.serve(status)}),
            Work::Route => router::container(scene, files),
        };
        container["Labels"] = stack_label(self.stack);
        // Docker's default, 10 s, spelt out.
        container["StopGracePeriod"] = json!(10_000_000_000_u64);
        let mut labels = stack_label(self.stack);
        labels["com.docker.stack.image"] = container["Image"].clone();
        if scene.router == Router::Traefik {
            for (key, value) in router::traefik_labels(scene, self) {
                labels[key] = json!(value);
            }
        }
        let mut spec = json!({
            "Name": self.name(),
            "Labels": labels,
            "TaskTemplate": {
                "ContainerSpec": container,
                "Networks": networks,
                // A task that fails while the world starts is tried again soon.
                "RestartPolicy": {"Condition": "any", "Delay": 200_000_000_u64},
            },
            "Mode": {"Replicated": {"Replicas": self.tasks(1)}},
            "EndpointSpec": {"Mode": "vip"},
        });
        match self.place {
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
        if self.work == Work::Route {
            spec["EndpointSpec"] = router::endpoint();
        }
        spec
    }

    fn serve(&self, status: u16) -> Vec<String> {
        let mut words = vec![SERVE.to_owned(), status.to_string()];
        if let Place::Anywhere(_) = self.place {
            words.push(LINGERS.to_owned());
        }
        words
    }
}

/// One task after the other.
fn update(order: &str) -> Value {
    json!({"Parallelism": 1, "Order": order, "Monitor": MONITORED, "FailureAction": "pause"})
}

/// The labels of whatever belongs to a stack.
pub(crate) fn stack_label(stack: &str) -> Value {
    json!({"com.docker.stack.namespace": stack})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use crate::world::images::{CADDY_IMAGE, TRAEFIK_IMAGE};

    fn specs(world: World, router: Router) -> Vec<(Service, Value)> {
        let scene = Scene::of(world, router, &["192.0.2.10".to_owned()]).unwrap();
        let files = RouterFiles { key: "k".into(), certificate: "c".into(), settings: "s".into() };
        scene.services.iter().map(|service| (*service, service.spec(&scene, "node7", &files))).collect()
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
