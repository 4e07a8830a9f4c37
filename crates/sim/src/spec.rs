//! A service's specification, as the model understands it. The raw JSON is kept as well and returned
//! unchanged, so that fields which the model does not know survive.

use std::collections::BTreeMap;
use std::time::Duration;

use pvcheck_ipam::Subnet;
use serde_json::{Map, Value, json};

use crate::json::{items, text};
use crate::refusal::Refusal;
use crate::settings::{FINISH_LABEL, NEEDS_LABEL, STOP_LABEL};
use crate::validate;

/// A bound of the model, not of Swarm: its tasks live in memory.
const MOST_REPLICAS: u64 = 100_000;

/// The kinds of `Spec.Mode`, as the Engine API names them.
const MODES: [&str; 4] = ["Global", "GlobalJob", "Replicated", "ReplicatedJob"];

/// How many tasks a service has, and whether they are meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Global,
    GlobalJob,
    Replicated(u64),
    ReplicatedJob(ReplicatedJob),
}

/// The two numbers of a replicated job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicatedJob {
    /// Tasks that may be under way at once.
    pub(crate) max_concurrent: u64,
    /// Tasks that have to end successfully.
    pub(crate) total_completions: u64,
}

impl Mode {
    /// True iff its tasks are meant to end by themselves.
    pub(crate) fn is_job(self) -> bool {
        matches!(self, Self::GlobalJob | Self::ReplicatedJob(_))
    }

    /// True iff both are the same kind of mode; Swarm changes the numbers of a mode, never its kind.
    pub(crate) fn is_kind_of(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// The word that filters of `GET /services` use (moby `daemon/cluster/services.go`, `GetServices`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::GlobalJob => "global-job",
            Self::Replicated(_) => "replicated",
            Self::ReplicatedJob(_) => "replicated-job",
        }
    }
}

/// Order of the steps of a rolling update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    StartFirst,
    StopFirst,
}

/// What an update does when a new task of it fails (swarmkit `api/types.proto`, `UpdateConfig.FailureAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureAction {
    Continue,
    Pause,
    Rollback,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) published: u64,
    pub(crate) protocol: String,
    pub(crate) ingress: bool,
}

/// `key == value` or `key != value`; `None` for what does not have that form, which no node meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) key: String,
    pub(crate) equal: bool,
    pub(crate) value: String,
}

/// What the model needs to know of a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceSpec {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) mode: Mode,
    pub(crate) dnsrr: bool,
    pub(crate) ports: Vec<Port>,
    pub(crate) constraints: Vec<Option<Constraint>>,
    pub(crate) stop: Option<Duration>,
    /// How long its containers run before they end successfully; `None` until they are stopped.
    pub(crate) finish: Option<Duration>,
    /// Tasks that are updated at once; 0 is all.
    pub(crate) parallelism: u64,
    pub(crate) order: Order,
    pub(crate) failure_action: FailureAction,
    /// The subnet in which its containers need an address to run.
    pub(crate) needs: Option<Subnet>,
}

impl ServiceSpec {
    /// Reads a specification and refuses what the engine refuses.
    pub(crate) fn read(raw: &Value) -> Result<Self, Refusal> {
        let invalid = |text: &str| Refusal::InvalidArgument(text.to_owned());
        let template = &raw["TaskTemplate"];
        validate::service(raw)?;
        let spec = Self {
            name: text(&raw["Name"]).to_owned(),
            labels: labels(&raw["Labels"]),
            mode: mode(&raw["Mode"])?,
            dnsrr: text(&raw["EndpointSpec"]["Mode"]).eq_ignore_ascii_case("dnsrr"),
            ports: items(&raw["EndpointSpec"]["Ports"]).map(port).collect(),
            constraints: items(&template["Placement"]["Constraints"]).map(|c| constraint(text(c))).collect(),
            stop: label_ms(raw, STOP_LABEL),
            finish: label_ms(raw, FINISH_LABEL),
            parallelism: raw["UpdateConfig"]["Parallelism"].as_u64().unwrap_or(1),
            order: order(&raw["UpdateConfig"]["Order"]),
            failure_action: failure_action(&raw["UpdateConfig"]["FailureAction"]),
            needs: raw["Labels"][NEEDS_LABEL].as_str().and_then(|text| Subnet::parse(text).ok()),
        };
        if items(&raw["EndpointSpec"]["Ports"]).any(|port| !port.is_object()) {
            return Err(invalid("EndpointSpec: a port is not an object"));
        }
        // swarmkit `manager/controlapi/service.go`, `validateJob`.
        if spec.mode.is_job() && raw["UpdateConfig"].is_object() {
            return Err(invalid("Jobs may not have an update config"));
        }
        // The routing mesh forwards to VIPs (swarmkit `controlapi/service.go`, `validateEndpointSpec`).
        if spec.dnsrr && spec.needs_ingress() {
            return Err(invalid(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
            ));
        }
        Ok(spec)
    }

    /// True iff a port is published through the routing mesh (swarmkit `IsIngressNetworkNeeded`).
    pub(crate) fn needs_ingress(&self) -> bool {
        self.ports.iter().any(|port| port.ingress)
    }
}

/// The specification as the engine stores it: absent parts that it fills in, networks named by id.
pub(crate) fn stored(mut raw: Value, networks: &[String]) -> Value {
    raw = fill(raw, "Labels", json!({}));
    let template = raw["TaskTemplate"].take();
    let mut template = fill(fill(template, "ForceUpdate", json!(0)), "Runtime", json!("container"));
    let attachments =
        if raw["Networks"].is_array() { raw["Networks"].take() } else { template["Networks"].take() };
    template["Networks"] = renamed(attachments, networks);
    // The engine leaves the field out rather than print an empty list.
    if networks.is_empty() {
        drop_field(&mut template, "Networks");
    }
    raw["TaskTemplate"] = template;
    drop_field(&mut raw, "Networks");
    if !MODES.iter().any(|kind| raw["Mode"][*kind].is_object()) {
        raw["Mode"] = json!({"Replicated": {"Replicas": 1}});
    }
    if raw["Mode"]["ReplicatedJob"].is_object() {
        let job = replicated_job(&raw["Mode"]["ReplicatedJob"]);
        raw["Mode"]["ReplicatedJob"] =
            json!({"MaxConcurrent": job.max_concurrent, "TotalCompletions": job.total_completions});
    }
    if raw["Mode"]["Replicated"].is_object() {
        raw["Mode"]["Replicated"] = fill(raw["Mode"]["Replicated"].take(), "Replicas", json!(1));
    }
    if raw["EndpointSpec"].is_object() {
        // An endpoint that is given gets its default mode; one that is absent stays absent.
        raw["EndpointSpec"] = fill(raw["EndpointSpec"].take(), "Mode", json!("vip"));
        let ports = raw["EndpointSpec"].get_mut("Ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            *port = fill(port.take(), "Protocol", json!("tcp"));
        }
    }
    enums(raw)
}

/// Fields that are an enum in swarmkit's store, and so come back with a value where none was given (moby
/// `daemon/cluster/convert`).
fn enums(mut raw: Value) -> Value {
    for config in ["UpdateConfig", "RollbackConfig"] {
        if raw[config].is_object() {
            let given = fill(raw[config].take(), "FailureAction", json!("pause"));
            raw[config] = fill(given, "Order", json!("stop-first"));
        }
    }
    let template = &mut raw["TaskTemplate"];
    if template["RestartPolicy"].is_object() {
        let given = fill(template["RestartPolicy"].take(), "Condition", json!("any"));
        template["RestartPolicy"] = fill(given, "MaxAttempts", json!(0));
    }
    if template["ContainerSpec"].is_object() {
        template["ContainerSpec"] = fill(template["ContainerSpec"].take(), "Isolation", json!("default"));
    }
    raw
}

/// The part of a stored specification that tasks are made from and compared with.
pub(crate) fn template(stored: &Value) -> Value {
    let mut template = stored["TaskTemplate"].clone();
    // Tasks of containers do not repeat it (moby `daemon/cluster/convert/task.go`).
    drop_field(&mut template, "Runtime");
    template
}

/// The labels of an object of strings; what is not a string is passed over.
pub(crate) fn labels(raw: &Value) -> BTreeMap<String, String> {
    let pairs = raw.as_object().into_iter().flat_map(Map::iter);
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn drop_field(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove(key);
    }
}

fn fill(mut object: Value, key: &str, value: Value) -> Value {
    if object[key].is_null() {
        object[key] = value;
    }
    object
}

fn renamed(attachments: Value, networks: &[String]) -> Value {
    let Value::Array(mut list) = attachments else { return Value::Array(Vec::new()) };
    for (attachment, id) in list.iter_mut().zip(networks) {
        attachment["Target"] = json!(id);
    }
    Value::Array(list)
}

/// Networks of `Spec.Networks`, which was their place before API 1.25, or else those of the template.
pub(crate) fn targets(raw: &Value) -> Vec<String> {
    let list = if raw["Networks"].is_array() { &raw["Networks"] } else { &raw["TaskTemplate"]["Networks"] };
    items(list).map(|attachment| text(&attachment["Target"]).to_owned()).collect()
}

fn mode(raw: &Value) -> Result<Mode, Refusal> {
    if 1 < MODES.iter().filter(|kind| raw[**kind].is_object()).count() {
        // Refused before swarmkit sees it (moby `daemon/cluster/convert/service.go`), so without a gRPC code.
        return Err(Refusal::Malformed("must specify only one service mode".to_owned()));
    }
    let (mode, tasks) = if raw["Global"].is_object() {
        (Mode::Global, 0)
    } else if raw["GlobalJob"].is_object() {
        (Mode::GlobalJob, 0)
    } else if raw["ReplicatedJob"].is_object() {
        let job = replicated_job(&raw["ReplicatedJob"]);
        (Mode::ReplicatedJob(job), job.max_concurrent.max(job.total_completions))
    } else {
        let replicas = raw["Replicated"]["Replicas"].as_u64().unwrap_or(1);
        (Mode::Replicated(replicas), replicas)
    };
    if tasks <= MOST_REPLICAS {
        Ok(mode)
    } else {
        let text = format!("the embedded engine models up to {MOST_REPLICAS} tasks of one service");
        Err(Refusal::InvalidArgument(text))
    }
}

/// The defaults are moby's (`daemon/cluster/convert/service.go`): one task at a time, and as many completions as
/// tasks at a time.
fn replicated_job(raw: &Value) -> ReplicatedJob {
    let max_concurrent = raw["MaxConcurrent"].as_u64().unwrap_or(1);
    let total_completions = raw["TotalCompletions"].as_u64().unwrap_or(max_concurrent);
    ReplicatedJob { max_concurrent, total_completions }
}

fn port(raw: &Value) -> Port {
    let protocol = text(&raw["Protocol"]);
    Port {
        published: raw["PublishedPort"].as_u64().unwrap_or(0),
        protocol: if protocol.is_empty() { "tcp" } else { protocol }.to_owned(),
        ingress: text(&raw["PublishMode"]) != "host",
    }
}

fn constraint(raw: &str) -> Option<Constraint> {
    let (equal, (key, value)) = match raw.split_once("!=") {
        Some(parts) => (false, parts),
        None => (true, raw.split_once("==")?),
    };
    Some(Constraint { key: key.trim().to_owned(), equal, value: value.trim().to_owned() })
}

/// A time in ms from a label of the service, or else of its containers.
fn label_ms(raw: &Value, label: &str) -> Option<Duration> {
    let places = [&raw["Labels"], &raw["TaskTemplate"]["ContainerSpec"]["Labels"]];
    let ms = places.into_iter().find_map(|labels| labels[label].as_str()?.parse().ok())?;
    Some(Duration::from_millis(ms))
}

/// To pause is the default.
fn failure_action(raw: &Value) -> FailureAction {
    match text(raw) {
        "continue" => FailureAction::Continue,
        "rollback" => FailureAction::Rollback,
        _ => FailureAction::Pause,
    }
}

fn order(raw: &Value) -> Order {
    if text(raw) == "start-first" { Order::StartFirst } else { Order::StopFirst }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::ServiceDraft;
    use proptest::prelude::*;

    #[test]
    fn a_draft_is_read_back() {
        let raw = ServiceDraft::new("web")
            .on("a")
            .on("b")
            .publish(80, 8080, "ingress")
            .constraint("node.role != manager")
            .stops_in(Duration::from_secs(3))
            .json();
        let spec = ServiceSpec::read(&raw).unwrap();
        assert_eq!(targets(&raw), ["a", "b"]);
        assert!(spec.needs_ingress() && !spec.dnsrr);
        assert_eq!(spec.stop, Some(Duration::from_secs(3)));
        let expected = Constraint { key: "node.role".into(), equal: false, value: "manager".into() };
        assert_eq!(spec.constraints, [Some(expected)]);
    }

    #[test]
    fn refusals_are_the_engines() {
        let refused = |raw: Value| ServiceSpec::read(&raw).unwrap_err().to_string();
        assert!(refused(json!({"Name": "x"})).ends_with("ContainerSpec: image reference must be provided"));
        let dnsrr = ServiceDraft::new("x").dnsrr().publish(80, 80, "ingress").json();
        assert!(refused(dnsrr).ends_with("port published with ingress mode can't be used with dnsrr mode"));
        let mut two_modes = ServiceDraft::new("x").json();
        two_modes["Mode"]["GlobalJob"] = json!({});
        assert_eq!(refused(two_modes), "must specify only one service mode");
        let mut updated_job = ServiceDraft::new("x").global_job().json();
        updated_job["UpdateConfig"] = json!({"Parallelism": 1});
        assert!(refused(updated_job).ends_with("desc = Jobs may not have an update config"));
        let huge = ServiceDraft::new("x").replicated_job(1, MOST_REPLICAS + 1).json();
        assert!(refused(huge).ends_with("models up to 100000 tasks of one service"));
    }

    #[test]
    fn constraints_are_read_around_the_first_operator() {
        let read = |text| constraint(text).map(|one| (one.key, one.equal, one.value));
        let parts = |key: &str, equal, value: &str| Some((key.to_owned(), equal, value.to_owned()));
        assert_eq!(read("node.role==manager"), parts("node.role", true, "manager"));
        assert_eq!(read(" node.role != manager "), parts("node.role", false, "manager"));
        assert_eq!(read("node.labels.a==b==c"), parts("node.labels.a", true, "b==c"));
        assert_eq!(read("node.role=manager"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn ports_have_the_engines_defaults() {
        let read = |raw: Value| port(&raw);
        let expected = Port { published: 0, protocol: "tcp".to_owned(), ingress: true };
        assert_eq!(read(json!({})), expected);
        let host = read(json!({"PublishedPort": 53, "Protocol": "udp", "PublishMode": "host"}));
        assert_eq!(host, Port { published: 53, protocol: "udp".to_owned(), ingress: false });
        let other = read(json!({"PublishMode": "odd"}));
        assert!(other.ingress, "whatever is not host mode goes through the mesh");
    }

    #[test]
    fn times_come_from_the_service_before_its_containers() {
        let mut raw = ServiceDraft::new("x").json();
        raw["TaskTemplate"]["ContainerSpec"]["Labels"] = json!({STOP_LABEL: "70", FINISH_LABEL: "80"});
        let times = |raw: &Value| {
            let spec = ServiceSpec::read(raw).unwrap();
            (spec.stop.map(|time| time.as_millis()), spec.finish.map(|time| time.as_millis()))
        };
        assert_eq!(times(&raw), (Some(70), Some(80)));
        raw["Labels"] = json!({STOP_LABEL: "5"});
        assert_eq!(times(&raw), (Some(5), Some(80)));
        raw["Labels"] = json!({STOP_LABEL: "soon"});
        assert_eq!(times(&raw).0, Some(70), "what is not a number is passed over");
    }

    #[test]
    fn updates_are_one_at_a_time_and_stop_first_unless_told_otherwise() {
        let read = |config: Value| {
            let mut raw = ServiceDraft::new("x").json();
            raw["UpdateConfig"] = config;
            let spec = ServiceSpec::read(&raw).unwrap();
            (spec.parallelism, spec.order)
        };
        assert_eq!(read(Value::Null), (1, Order::StopFirst));
        assert_eq!(read(json!({"Parallelism": 0})), (0, Order::StopFirst));
        assert_eq!(read(json!({"Parallelism": 3, "Order": "start-first"})), (3, Order::StartFirst));
        assert_eq!(read(json!({"Order": "START-FIRST"})), (1, Order::StopFirst));
    }

    #[test]
    fn a_job_has_the_engines_defaults() {
        // (MaxConcurrent and TotalCompletions as given, as understood)
        for (given, understood) in [
            (json!({}), (1, 1)),
            (json!({"MaxConcurrent": 3}), (3, 3)),
            (json!({"TotalCompletions": 5}), (1, 5)),
            (json!({"MaxConcurrent": 2, "TotalCompletions": 0}), (2, 0)),
        ] {
            let mut raw = ServiceDraft::new("x").json();
            raw["Mode"] = json!({"ReplicatedJob": given});
            let (max_concurrent, total_completions) = understood;
            let job = ReplicatedJob { max_concurrent, total_completions };
            assert_eq!(ServiceSpec::read(&raw).unwrap().mode, Mode::ReplicatedJob(job), "{given}");
            let shown = json!({"MaxConcurrent": max_concurrent, "TotalCompletions": total_completions});
            assert_eq!(stored(raw, &[])["Mode"], json!({"ReplicatedJob": shown}));
        }
    }

    #[test]
    fn stored_specs_name_networks_by_id_and_keep_unknown_fields() {
        let mut raw = ServiceDraft::new("web").on("proxy").json();
        raw["TaskTemplate"]["Networks"][0]["Aliases"] = json!(["w"]);
        raw["Future"] = json!(7);
        let stored = stored(raw, &["id1".to_owned()]);
        assert_eq!(stored["TaskTemplate"]["Networks"], json!([{"Target": "id1", "Aliases": ["w"]}]));
        assert_eq!(stored["Future"], 7);
        assert_eq!(stored["TaskTemplate"]["Runtime"], "container");
        assert!(template(&stored).get("Runtime").is_none());
    }

    proptest! {
        #[test]
        fn reading_never_panics(name in ".*", networks in prop::collection::vec(".*", 0..3), constraint in ".*",
                                number in any::<u64>(), kind in 0..4) {
            let odd = match kind { 0 => json!(number), 1 => json!(null), 2 => json!([[name]]), _ => json!("x") };
            let mut raw = json!({"Name": name, "Networks": networks, "Mode": odd, "EndpointSpec": odd,
                "Labels": odd, "UpdateConfig": odd,
                "TaskTemplate": {"ContainerSpec": {"Image": "i"}, "Networks": odd,
                                 "Placement": {"Constraints": [constraint, odd]}}});
            let _ = ServiceSpec::read(&raw);
            raw["TaskTemplate"] = odd.clone();
            let _ = ServiceSpec::read(&raw);
            let _ = ServiceSpec::read(&odd);
        }
    }
}
