//! The Engine API over the model: a call in, an answer out. No I/O.

mod containers;
mod defaults;
mod filters;
mod networks;
mod query;
mod services;
mod system;
mod tasks;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::Model;
use crate::object::BlobKind;
use crate::refusal::Refusal;
use query::Query;

/// First API with jobs: 1.41.
const JOBS_API_MINOR: u32 = 41;

/// Bytes that a part of a list is expected to take.
const PART: usize = 1536;

/// An answer of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`; `None` where there is no body.
    pub content_type: Option<&'static str>,
    /// The body, with the newline that the engine puts behind JSON.
    pub body: Vec<u8>,
}

impl Response {
    fn json(status: u16, value: &Value) -> Self {
        let mut body = value.to_string().into_bytes();
        body.push(b'\n');
        Self { status, content_type: Some("application/json"), body }
    }

    /// A list, written part by part: to make one value of 100,000 tasks and to free it takes most of the time.
    fn list(parts: impl Iterator<Item = impl Serialize>) -> Self {
        let mut body = Vec::with_capacity(parts.size_hint().0 * PART);
        body.push(b'[');
        for part in parts {
            if body.len() > 1 {
                body.push(b',');
            }
            // A value of numbers, texts and maps with text keys, into memory: neither can fail.
            let _ = serde_json::to_writer(&mut body, &part);
        }
        body.extend(b"]\n");
        Self { status: 200, content_type: Some("application/json"), body }
    }

    fn text(status: u16, text: &str) -> Self {
        Self { status, content_type: Some("text/plain; charset=utf-8"), body: text.as_bytes().to_vec() }
    }

    fn empty(status: u16) -> Self {
        Self { status, content_type: None, body: Vec::new() }
    }

    /// The body as JSON; null if it is not JSON.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status(), &json!({"message": refusal.to_string()}))
    }
}

/// One call, taken apart.
struct Call<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    query: Query,
    body: &'a [u8],
    /// The N of the API version 1.N that the caller speaks; the engine's own without a prefix.
    api_minor: u32,
}

impl Call<'_> {
    fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| {
            let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
            Refusal::Malformed(match first {
                None => "EOF".to_owned(),
                Some(byte) => {
                    format!("invalid character {:?} looking for beginning of value", char::from(*byte))
                }
            })
        })
    }

    /// The body of a service's creation or update. Callers of an API before 1.41 know no jobs, so these modes are
    /// dropped (moby `daemon/server/router/swarm/helpers.go`, `adjustForAPIVersion`).
    fn service_spec(&self) -> Result<Value, Refusal> {
        let mut spec = self.json()?;
        if self.api_minor < JOBS_API_MINOR
            && let Some(mode) = spec.get_mut("Mode").and_then(Value::as_object_mut)
        {
            mode.retain(|kind, _| !matches!(kind.as_str(), "GlobalJob" | "ReplicatedJob"));
        }
        Ok(spec)
    }

    /// The `version` of an update.
    fn version(&self, kind: &str) -> Result<u64, Refusal> {
        let text = self.query.get("version").unwrap_or_default();
        text.parse().map_err(|_| {
            let text = format!(
                "invalid {kind} version '{text}': strconv.ParseUint: parsing {text:?}: invalid syntax"
            );
            Refusal::Malformed(text)
        })
    }
}

impl Model {
    /// Answers one call of the Engine API; `target` is path and query as in the request line, with or without
    /// a version prefix. Anything else gets the engine's refusal; no input makes it panic.
    ///
    /// ```
    /// let mut model = pvcheck_sim::Model::new();
    /// let answer = model.respond("GET", "/v1.41/networks/ingress", b"");
    /// assert_eq!(answer.value()["IPAM"]["Config"][0]["Subnet"], "10.0.0.0/24");
    /// ```
    pub fn respond(&mut self, method: &str, target: &str, body: &[u8]) -> Response {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decoded: Vec<String> = path.split('/').skip(1).map(query::decode).collect();
        let mut path: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let engine = self.settings.engine;
        let mut api_minor = engine.api_minor;
        if let Some(minor) = path.first().and_then(|first| version_prefix(first)) {
            path.remove(0);
            api_minor = minor;
        }
        // Too new is answered in JSON and too old in plain text: the engine has no JSON errors for clients from
        // before they existed.
        if engine.api_minor < api_minor {
            let newest = engine.api_minor;
            let text = format!(
                "client version 1.{api_minor} is too new. Maximum supported API version is 1.{newest}"
            );
            return Refusal::Malformed(text).into();
        }
        if api_minor < engine.min_api_minor {
            let oldest = engine.min_api_minor;
            return Response::text(
                400,
                &format!(
                    "client version 1.{api_minor} is too old. Minimum supported API version is 1.{oldest}, please upgrade your client to a newer version\n"
                ),
            );
        }
        let call = Call { method, path, query: Query::parse(query), body, api_minor };
        self.route(&call).unwrap_or_else(Response::from)
    }

    fn route(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        match (call.method, call.path.as_slice()) {
            ("GET", ["_ping"]) => Ok(Response::text(200, "OK")),
            ("HEAD", ["_ping"]) => Ok(Response::empty(200)),
            ("GET", ["version"]) => Ok(Response::json(200, &self.version_json())),
            ("GET", ["info"]) => Ok(Response::json(200, &self.info_json())),
            ("GET", ["containers", "json"]) => Ok(Response::json(200, &self.container_list_json(call)?)),
            ("GET", ["containers", term, "json"]) => Ok(Response::json(200, &self.container_json(term)?)),
            // Networks of this node are answered without a Swarm; everything else needs a manager.
            (_, ["networks", rest @ ..]) => self.route_networks(call, rest),
            (_, ["swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", ..]) => {
                self.require_manager()?;
                self.route_cluster(call)
            }
            _ => Err(Refusal::NoPage),
        }
    }

    fn route_networks(&mut self, call: &Call<'_>, rest: &[&str]) -> Result<Response, Refusal> {
        match (call.method, rest) {
            ("GET", []) => Ok(Response::json(200, &self.networks_json(call)?)),
            ("GET", [term]) => Ok(Response::json(200, &self.network_inspect(call, term)?)),
            ("POST", ["create"]) => {
                let id = self.create_network(&call.json()?)?;
                Ok(Response::json(201, &json!({"Id": id, "Warning": ""})))
            }
            ("POST", [term, "connect"]) => self.connect(term, &call.json()?).map(|()| Response::empty(200)),
            ("POST", [term, "disconnect"]) => {
                self.disconnect(term, &call.json()?).map(|()| Response::empty(200))
            }
            ("DELETE", [term]) => self.remove_network(term).map(|()| Response::empty(204)),
            _ => Err(Refusal::NoPage),
        }
    }

    fn route_cluster(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        let found = |value: Value| Ok(Response::json(200, &value));
        match (call.method, call.path.as_slice()) {
            ("GET", ["swarm"]) => found(self.swarm_json()),
            ("GET", ["nodes"]) => found(self.nodes_json(call)?),
            // `self` is a word of the docker client, which asks for this node's id.
            (_, ["nodes", "self", ..]) => Err(Refusal::not_found("node", "self")),
            ("GET", ["nodes", term]) => found(self.node_json(&self.node_id(term)?)),
            ("DELETE", ["nodes", term]) => {
                self.remove_node(term, call.query.is_set("force")).map(|()| Response::empty(200))
            }
            ("POST", ["nodes", term, "update"]) => {
                self.update_node(term, call.version("node")?, &call.json()?).map(|()| Response::empty(200))
            }
            ("GET", ["tasks"]) => self.tasks_response(call),
            ("GET", ["tasks", term]) => found(self.task_json(&self.task_id(term)?)),
            (_, ["services", rest @ ..]) => self.route_services(call, rest),
            (_, ["secrets", rest @ ..]) => self.route_blobs(call, BlobKind::Secret, rest),
            (_, ["configs", rest @ ..]) => self.route_blobs(call, BlobKind::Config, rest),
            _ => Err(Refusal::NoPage),
        }
    }

    fn route_services(&mut self, call: &Call<'_>, rest: &[&str]) -> Result<Response, Refusal> {
        match (call.method, rest) {
            ("GET", []) => self.services_response(call),
            ("GET", [term]) => Ok(Response::json(200, &self.service_inspect(call, term)?)),
            ("POST", ["create"]) => {
                let id = self.create_service(call.service_spec()?)?;
                Ok(Response::json(201, &json!({"ID": id})))
            }
            ("POST", [term, "update"]) => {
                let body = call.service_spec()?;
                // The body is parsed before the version is, and for a rollback it has to be JSON though it is
                // not used.
                let version = call.version("service")?;
                if call.query.get("rollback") == Some("previous") {
                    self.roll_back_service(term, version)?;
                } else {
                    self.update_service(term, version, body)?;
                }
                Ok(Response::json(200, &json!({"Warnings": null})))
            }
            ("DELETE", [term]) => self.remove_service(term).map(|()| Response::empty(200)),
            _ => Err(Refusal::NoPage),
        }
    }

    fn route_blobs(&mut self, call: &Call<'_>, kind: BlobKind, rest: &[&str]) -> Result<Response, Refusal> {
        match (call.method, rest) {
            ("GET", []) => Ok(Response::json(200, &self.blobs_json(call, kind)?)),
            ("GET", [term]) => Ok(Response::json(200, &self.blob_json(kind, self.blob(kind, term)?))),
            ("POST", ["create"]) => {
                let id = self.create_blob(kind, &call.json()?)?;
                Ok(Response::json(201, &json!({"ID": id})))
            }
            ("POST", [term, "update"]) => {
                let version = call.version(kind.name())?;
                self.update_blob(kind, term, version, &call.json()?).map(|()| Response::empty(200))
            }
            ("DELETE", [term]) => self.remove_blob(kind, term).map(|()| Response::empty(204)),
            _ => Err(Refusal::NoPage),
        }
    }
}

/// The N of a path segment `v1.N`.
fn version_prefix(segment: &str) -> Option<u32> {
    segment.strip_prefix("v1.").and_then(|minor| minor.parse().ok())
}
