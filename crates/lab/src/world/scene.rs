//! What a world consists of, before it is on a Swarm.

use serde_json::{Value, json};

use crate::world::service::{PROXY, Place, Service, Work, stack_label};
use crate::{RouteInfo, Router};

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
    /// The stack of the router.
    pub(crate) fn router_stack(&self) -> &'static str {
        self.services
            .iter()
            .find(|service| service.work == Work::Route)
            .map_or("router", |service| service.stack)
    }

    /// True iff tasks run on all nodes, so that every engine needs the images.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.services.iter().any(|service| service.place != Place::First)
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
