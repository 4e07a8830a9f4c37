//! What the router does with a request: a function of the services' labels and of the tasks that run.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::Rule;
use crate::id::NetworkId;
use crate::model::Model;
use crate::object::{Service, Task};
use crate::settings::{ANSWER_LABEL, ROUTER_LABEL};
use crate::state::TaskState;

/// Traefik's own API, as a router's service.
const API: &str = "api@internal";

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// No task of the router's service runs, so nobody listens.
    Nobody,
    /// No router's rule takes it.
    NoRule,
    /// The router itself answers it.
    Api,
    /// The service has no running task.
    NoServer,
    /// A task of the service runs, on no network of the router.
    Unreachable,
    /// The service answers.
    Answer {
        /// Its status.
        status: u16,
        /// The name of the task that answers.
        task: String,
    },
}

/// A router that a service's labels make.
#[derive(Clone, Debug)]
pub(crate) struct RouterOf<'a> {
    /// Its name in the labels.
    pub(crate) name: &'a str,
    pub(crate) rule: Rule,
    pub(crate) service: &'a Service,
    /// True iff it leads to the router's own API, not to the service.
    pub(crate) is_api: bool,
}

impl RouterOf<'_> {
    /// The status that the service answers when it runs.
    pub(crate) fn status(&self) -> u16 {
        if self.is_api { 200 } else { answer_of(self.service) }
    }
}

/// Every router, by its name.
pub(crate) fn routers(model: &Model) -> Vec<RouterOf<'_>> {
    let mut all: Vec<_> = model.services.values().flat_map(of_service).collect();
    all.sort_by(|a, b| a.name.cmp(b.name));
    all
}

/// What the router does with a request for this host (without a port) and path.
pub(crate) fn decide(model: &Model, host: &str, path: &str) -> Decision {
    let fronts = model.services.values().filter(|service| is_label(service, ROUTER_LABEL, "true"));
    let own: BTreeSet<&NetworkId> =
        fronts.flat_map(|service| running(model, service)).flat_map(networks).collect();
    if own.is_empty() {
        return Decision::Nobody;
    }
    let fitting = routers(model).into_iter().filter(|router| router.rule.takes(host, path));
    let Some(router) = fitting.max_by_key(|router| router.rule.length) else { return Decision::NoRule };
    if router.is_api {
        return Decision::Api;
    }
    let mut tasks = running(model, router.service).peekable();
    if tasks.peek().is_none() {
        return Decision::NoServer;
    }
    let wanted = wanted_network(&router.service.spec.labels);
    let reachable = |task: &&Task| {
        let named = |id: &NetworkId| model.networks.get(id).map(|network| network.request.name.as_str());
        let mut shared = networks(task).filter(|id| own.contains(id));
        shared.any(|id| wanted.is_none_or(|wanted| named(id) == Some(wanted)))
    };
    match tasks.find(reachable) {
        Some(task) => Decision::Answer { status: answer_of(router.service), task: task.name() },
        None => Decision::Unreachable,
    }
}

/// The routers of a service's labels, as Traefik's Swarm provider makes them where nothing is exposed by default.
fn of_service(service: &Service) -> impl Iterator<Item = RouterOf<'_>> {
    let labels = &service.spec.labels;
    let is_enabled = is_label(service, "traefik.enable", "true");
    // A router without a service of its own gets the one that the labels define. In a Swarm that needs its port, which
    // Traefik cannot see there (its documentation, "Port Detection").
    let has_port = labels.iter().any(|(key, value)| {
        let inner = key.strip_prefix("traefik.http.services.");
        inner.is_some_and(|rest| rest.ends_with(".loadbalancer.server.port")) && value.parse::<u16>().is_ok()
    });
    labels.iter().filter(move |_| is_enabled).filter_map(move |(key, value)| {
        let name = key.strip_prefix("traefik.http.routers.")?.strip_suffix(".rule")?;
        let target = labels.get(&format!("traefik.http.routers.{name}.service"));
        let is_api = target.is_some_and(|target| target == API);
        (is_api || has_port).then_some(())?;
        Some(RouterOf { name, rule: Rule::parse(value)?, service, is_api })
    })
}

/// Traefik 3 reads the first label, Traefik 2 the second. Without either any network that both are on will do.
fn wanted_network(labels: &BTreeMap<String, String>) -> Option<&str> {
    let label = |key| labels.get(key).map(String::as_str);
    label("traefik.swarm.network").or_else(|| label("traefik.docker.network"))
}

fn is_label(service: &Service, key: &str, value: &str) -> bool {
    service.spec.labels.get(key).is_some_and(|own| own == value)
}

fn answer_of(service: &Service) -> u16 {
    service.spec.labels.get(ANSWER_LABEL).and_then(|status| status.parse().ok()).unwrap_or(200)
}

fn running<'a>(model: &'a Model, service: &Service) -> impl Iterator<Item = &'a Task> {
    let ids = model.service_tasks.get(&service.id).into_iter().flatten();
    ids.filter_map(move |id| model.tasks.get(id)).filter(|task| task.state == TaskState::Running)
}

fn networks(task: &Task) -> impl Iterator<Item = &NetworkId> {
    task.attachments.iter().map(|attachment| &attachment.network)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::draft::{NetworkDraft, ServiceDraft};

    const SETTLE: Duration = Duration::from_secs(2);

    /// A router on `front`, and a service `web` that `change` completes.
    fn model(change: impl FnOnce(ServiceDraft) -> ServiceDraft) -> Model {
        let mut model = Model::new();
        for network in ["front", "back"] {
            model.create_network(&NetworkDraft::overlay(network).json()).unwrap();
        }
        model.create_service(ServiceDraft::new("router").on("front").is_router().json()).unwrap();
        model.create_service(change(ServiceDraft::new("web")).json()).unwrap();
        model.advance(SETTLE);
        model
    }

    fn scale(model: &mut Model, service: &str, replicas: u64) {
        model.scale_service(service, replicas).unwrap();
        model.advance(SETTLE);
    }

    fn status(decision: &Decision) -> Option<u16> {
        if let Decision::Answer { status, .. } = decision { Some(*status) } else { None }
    }

    #[test]
    fn a_service_with_labels_and_a_task_on_the_routers_network_answers() {
        let model = model(|web| web.on("front").routed("web", "w.test").answers(303));
        assert_eq!(status(&decide(&model, "w.test", "/")), Some(303));
        assert_eq!(decide(&model, "x.test", "/"), Decision::NoRule);
        let routers = routers(&model);
        assert_eq!(routers.iter().map(|r| (r.name, r.status())).collect::<Vec<_>>(), [("web", 303)]);
    }

    #[test]
    fn an_answer_follows_the_tasks() {
        let mut model = model(|web| web.on("front").routed("web", "w.test"));
        scale(&mut model, "web", 0);
        assert_eq!(decide(&model, "w.test", "/"), Decision::NoServer);
        scale(&mut model, "web", 2);
        assert_eq!(status(&decide(&model, "w.test", "/")), Some(200));
        scale(&mut model, "router", 0);
        assert_eq!(decide(&model, "w.test", "/"), Decision::Nobody);
        assert_eq!(decide(&model, "x.test", "/"), Decision::Nobody);
    }

    #[test]
    fn a_service_on_other_networks_is_out_of_reach() {
        let elsewhere = model(|web| web.on("back").routed("web", "w.test"));
        assert_eq!(decide(&elsewhere, "w.test", "/"), Decision::Unreachable);
        let mut wrong = None;
        for (label, reached) in [("front", true), ("back", false)] {
            let both = |web: ServiceDraft| web.on("front").on("back").routed("web", "w.test");
            let model = model(|web| both(web).label("traefik.swarm.network", label));
            let is_reached = status(&decide(&model, "w.test", "/")).is_some();
            if is_reached != reached {
                wrong = Some(label);
            }
        }
        assert_eq!(wrong, None, "the label chooses the network");
    }

    #[test]
    fn labels_that_make_no_router_make_none() {
        for (key, value) in [
            ("traefik.enable", "false"),
            ("traefik.http.routers.web.rule", "HostRegexp(`.*`)"),
            ("traefik.http.services.web.loadbalancer.server.port", "http"),
        ] {
            let model = model(|web| web.on("front").routed("web", "w.test").label(key, value));
            assert_eq!(decide(&model, "w.test", "/"), Decision::NoRule, "{key}");
        }
    }

    #[test]
    fn the_longest_rule_wins_and_the_api_is_the_routers_own() {
        let model = model(|web| {
            let api = web.on("front").routed("web", "w.test");
            let api = api.label("traefik.http.routers.api.rule", "Host(`w.test`) && PathPrefix(`/api`)");
            api.label("traefik.http.routers.api.service", "api@internal")
        });
        assert_eq!(decide(&model, "w.test", "/api/version"), Decision::Api);
        assert_eq!(status(&decide(&model, "w.test", "/")), Some(200));
    }
}
