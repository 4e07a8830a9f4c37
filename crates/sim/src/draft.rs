//! Builders for the bodies of `POST /networks/create` and `POST /services/create`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::settings::{ANSWER_LABEL, FINISH_LABEL, NEEDS_LABEL, ROUTER_LABEL, STOP_LABEL};

/// Body of a network to create.
///
/// ```
/// use pvcheck_sim::NetworkDraft;
///
/// let body = NetworkDraft::overlay("proxy").subnet("10.10.0.0/24").attachable().json();
/// assert_eq!(body["IPAM"]["Config"][0]["Subnet"], "10.10.0.0/24");
/// ```
#[derive(Clone, Debug)]
pub struct NetworkDraft(Value);

impl NetworkDraft {
    /// An overlay whose subnet comes from the Swarm's pool.
    pub fn overlay(name: &str) -> Self {
        Self(json!({"Name": name, "Driver": "overlay", "Labels": {}}))
    }

    /// A bridge of this node only.
    pub fn bridge(name: &str) -> Self {
        Self(json!({"Name": name, "Driver": "bridge", "Labels": {}}))
    }

    /// With this subnet.
    #[must_use]
    pub fn subnet(mut self, subnet: &str) -> Self {
        self.0["IPAM"] = json!({"Driver": "default", "Config": [{"Subnet": subnet}]});
        self
    }

    /// Containers may be attached by hand.
    #[must_use]
    pub fn attachable(mut self) -> Self {
        self.0["Attachable"] = json!(true);
        self
    }

    /// With a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["Labels"][key] = json!(value);
        self
    }

    /// The body.
    pub fn json(self) -> Value {
        self.0
    }
}

/// Body of a service to create: one replica, VIP mode, no network, unless a method changes it.
///
/// ```
/// use pvcheck_sim::ServiceDraft;
///
/// let body = ServiceDraft::new("web").on("proxy").replicas(3).json();
/// assert_eq!(body["Mode"]["Replicated"]["Replicas"], 3);
/// ```
#[derive(Clone, Debug)]
pub struct ServiceDraft(Value);

impl ServiceDraft {
    /// A service of this name.
    pub fn new(name: &str) -> Self {
        Self(json!({
            "Name": name,
            "Labels": {},
            "TaskTemplate": {"ContainerSpec": {"Image": "sim/busybox:1"}, "Networks": [], "Placement": {}},
            "Mode": {"Replicated": {"Replicas": 1}},
            "EndpointSpec": {"Mode": "vip"},
        }))
    }

    /// On this network, after those named before.
    #[must_use]
    pub fn on(mut self, network: &str) -> Self {
        if let Some(networks) = self.0["TaskTemplate"]["Networks"].as_array_mut() {
            networks.push(json!({"Target": network}));
        }
        self
    }

    /// With this many replicas.
    #[must_use]
    pub fn replicas(mut self, replicas: u64) -> Self {
        self.0["Mode"] = json!({"Replicated": {"Replicas": replicas}});
        self
    }

    /// One task on every node.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.0["Mode"] = json!({"Global": {}});
        self
    }

    /// A job that runs one task to its end on every node.
    #[must_use]
    pub fn global_job(mut self) -> Self {
        self.0["Mode"] = json!({"GlobalJob": {}});
        self
    }

    /// A job that runs tasks, up to `max_concurrent` at once, until `total_completions` have ended successfully.
    #[must_use]
    pub fn replicated_job(mut self, max_concurrent: u64, total_completions: u64) -> Self {
        self.0["Mode"] = json!({"ReplicatedJob":
            {"MaxConcurrent": max_concurrent, "TotalCompletions": total_completions}});
        self
    }

    /// Without VIPs.
    #[must_use]
    pub fn dnsrr(mut self) -> Self {
        self.0["EndpointSpec"]["Mode"] = json!("dnsrr");
        self
    }

    /// Publishes a port in mode `ingress` or `host`.
    #[must_use]
    pub fn publish(mut self, published: u16, target: u16, mode: &str) -> Self {
        let port =
            json!({"Protocol": "tcp", "TargetPort": target, "PublishedPort": published, "PublishMode": mode});
        match self.0["EndpointSpec"]["Ports"].as_array_mut() {
            Some(ports) => ports.push(port),
            None => self.0["EndpointSpec"]["Ports"] = json!([port]),
        }
        self
    }

    /// With a placement constraint such as `node.labels.disk==ssd`.
    #[must_use]
    pub fn constraint(mut self, constraint: &str) -> Self {
        self.0["TaskTemplate"]["Placement"] = json!({"Constraints": [constraint]});
        self
    }

    /// With a label of the service.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["Labels"][key] = json!(value);
        self
    }

    /// As part of a stack.
    #[must_use]
    pub fn stack(self, stack: &str) -> Self {
        self.label("com.docker.stack.namespace", stack)
    }

    /// Tasks take this long to stop.
    #[must_use]
    pub fn stops_in(self, time: Duration) -> Self {
        self.label(STOP_LABEL, &time.as_millis().to_string())
    }

    /// Containers end successfully after they have run for this long.
    #[must_use]
    pub fn finishes_in(self, time: Duration) -> Self {
        self.label(FINISH_LABEL, &time.as_millis().to_string())
    }

    /// Containers exit with an error as they start, unless they have an address in this subnet.
    #[must_use]
    pub fn needs_subnet(self, subnet: &str) -> Self {
        self.label(NEEDS_LABEL, subnet)
    }

    /// What an update does when a new task fails: `pause`, `continue` or `rollback`.
    #[must_use]
    pub fn failure_action(mut self, action: &str) -> Self {
        self.0["UpdateConfig"]["FailureAction"] = json!(action);
        self
    }

    /// Its containers answer requests with this status instead of 200.
    #[must_use]
    pub fn answers(self, status: u16) -> Self {
        self.label(ANSWER_LABEL, &status.to_string())
    }

    /// It is the world's router: requests are answered while a task of it runs, and reach services on its networks.
    #[must_use]
    pub fn is_router(self) -> Self {
        self.label(ROUTER_LABEL, "true")
    }

    /// With the labels by which Traefik routes this host's requests to it, under this name.
    #[must_use]
    pub fn routed(self, name: &str, host: &str) -> Self {
        self.label("traefik.enable", "true")
            .label(&format!("traefik.http.routers.{name}.rule"), &format!("Host(`{host}`)"))
            .label(&format!("traefik.http.services.{name}.loadbalancer.server.port"), "80")
    }

    /// New tasks start before old ones stop when the service is updated.
    #[must_use]
    pub fn start_first(mut self) -> Self {
        self.0["UpdateConfig"]["Parallelism"] = json!(1);
        self.0["UpdateConfig"]["Order"] = json!("start-first");
        self
    }

    /// The body.
    pub fn json(self) -> Value {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn a_fresh_draft_is_accepted_as_it_is() {
        let mut model = Model::new();
        assert!(model.create_network(&NetworkDraft::overlay("net").json()).is_ok());
        assert!(model.create_network(&NetworkDraft::bridge("local").json()).is_ok());
        assert!(model.create_service(ServiceDraft::new("app").json()).is_ok());
    }

    #[test]
    fn a_networks_fields_are_where_the_engine_reads_them() {
        let body = NetworkDraft::overlay("n").subnet("10.1.0.0/24").attachable().label("a", "b").json();
        let expected = json!({
            "Name": "n", "Driver": "overlay", "Labels": {"a": "b"}, "Attachable": true,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.1.0.0/24"}]},
        });
        assert_eq!(body, expected);
        assert_eq!(NetworkDraft::bridge("n").json()["Driver"], "bridge");
    }

    #[test]
    fn each_mode_replaces_the_one_before() {
        let draft = || ServiceDraft::new("app");
        for (draft, mode) in [
            (draft(), json!({"Replicated": {"Replicas": 1}})),
            (draft().replicas(0), json!({"Replicated": {"Replicas": 0}})),
            (draft().global(), json!({"Global": {}})),
            (draft().global().replicas(2), json!({"Replicated": {"Replicas": 2}})),
            (draft().global_job(), json!({"GlobalJob": {}})),
            (
                draft().global_job().replicated_job(2, 5),
                json!({"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}}),
            ),
        ] {
            assert_eq!(draft.json()["Mode"], mode);
        }
    }

    #[test]
    fn networks_and_ports_add_up_in_order() {
        let body = ServiceDraft::new("app")
            .on("a")
            .on("b")
            .publish(80, 8080, "ingress")
            .publish(443, 8443, "host")
            .json();
        assert_eq!(body["TaskTemplate"]["Networks"], json!([{"Target": "a"}, {"Target": "b"}]));
        let ports = body["EndpointSpec"]["Ports"].as_array().expect("two");
        assert_eq!((&ports[0]["PublishedPort"], &ports[0]["PublishMode"]), (&json!(80), &json!("ingress")));
        assert_eq!((&ports[1]["TargetPort"], &ports[1]["PublishMode"]), (&json!(8443), &json!("host")));
        assert_eq!(body["EndpointSpec"]["Mode"], "vip", "publishing leaves the mode alone");
    }

    #[test]
    fn times_become_labels_in_milliseconds() {
        let body = ServiceDraft::new("app")
            .stops_in(Duration::from_millis(1500))
            .finishes_in(Duration::from_secs(2))
            .stack("shop")
            .json();
        let expected = json!({
            "pvcheck.sim.stop_ms": "1500", "pvcheck.sim.finish_ms": "2000",
            "com.docker.stack.namespace": "shop",
        });
        assert_eq!(body["Labels"], expected);
    }
}
