//! World `nodes`: a router on each node, and services of one task and more that run on any of them. Names are under `.test`
//! (RFC 6761).

use crate::Router;
use crate::world::scene::{Scene, Site, Target, canary};
use crate::world::service::{Place, Service, Work};

const DOMAIN: &str = "nodes.test";

/// What answers: its name, its tasks and its status.
const ANSWERING: [(&str, u64, u16); 5] =
    [("shop", 3, 200), ("forum", 2, 200), ("login", 2, 303), ("wiki", 1, 200), ("hooks", 1, 404)];

const SERVICES: [Service; 6] = [
    Service {
        stack: "edge",
        task: "router",
        overlay: true,
        private: None,
        work: Work::Route,
        place: Place::Each,
    },
    answering(0),
    answering(1),
    answering(2),
    answering(3),
    answering(4),
];

const fn answering(index: usize) -> Service {
    let (stack, tasks, status) = ANSWERING[index];
    let (work, place) = (Work::Answer(status), Place::Anywhere(tasks));
    Service { stack, task: "app", overlay: true, private: None, work, place }
}

/// The world, with the addresses of its nodes.
pub(crate) fn scene(router: Router, nodes: &[String]) -> Scene {
    let answering = ANSWERING.iter().map(|(name, ..)| Site {
        route: Some(name),
        host: format!("{name}.{DOMAIN}"),
        target: Target::Service(format!("{name}_app")),
    });
    let version = Site { route: Some("router"), host: format!("router.{DOMAIN}"), target: Target::Router };
    Scene {
        router,
        services: &SERVICES,
        private: &[],
        sites: answering.chain([version, canary(DOMAIN)]).collect(),
        domain: DOMAIN,
        listens: nodes.iter().map(|address| format!("{address}:443")).collect(),
    }
}
