//! Writes about the Swarm itself: nodes and their roles, membership, tokens, and config objects.
//!
//! A spec is patched as the raw JSON that the engine sent: an update replaces the whole spec, so that a field that this
//! crate does not know would otherwise be reset.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use pvcheck_audit::{ConfigId, NetworkId, NodeId, ServiceId};
use serde_json::{Value, json};

use super::remove::is_absent;
use super::writer::Writer;
use crate::engine::{Answer, CallError, CallErrorKind, Missing, ObjectKind, poll, retry_while, wire};
use crate::labels::RUN_LABEL;
use crate::run::RunId;

/// How often an update is tried again if another client changed the object in between.
const TRIES: u32 = 5;

/// What a private engine needs to join. It has no `Debug`, so that the token is never logged.
pub(crate) struct Join<'a> {
    /// The address that the engine is to advertise.
    pub(crate) advertise: String,
    /// `ADDRESS:PORT` of a manager.
    pub(crate) manager: &'a str,
    /// The manager token.
    pub(crate) token: &'a str,
}

impl Writer<'_> {
    /// Creates a config object with the label of this run; a name that is in use is answered with 409.
    pub(crate) async fn create_config(
        &self,
        name: &str,
        run: &RunId,
        labels: &[(&str, String)],
        data: &[u8],
    ) -> Result<ConfigId, CallError> {
        let ours = (RUN_LABEL.to_owned(), json!(run));
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), json!(v)));
        let labels: serde_json::Map<_, _> = labels.chain([ours]).collect();
        let body = json!({"Name": name, "Labels": labels, "Data": BASE64_STANDARD.encode(data)});
        Ok(ConfigId::new(self.create(ObjectKind::Config, name, run, &body).await?))
    }

    /// Sets labels of a config object, if it is still at this version; returns false if it is not, or gone.
    ///
    /// Only its labels can be changed, so they are what two processes can agree by: of two that write at the same version
    /// one succeeds.
    pub(crate) async fn relabel_config(
        &self,
        id: &ConfigId,
        version: u64,
        labels: &[(&str, String)],
    ) -> Result<bool, CallError> {
        let path = format!("/configs/{id}");
        let wire::Versioned { mut spec, version: now, .. } = match self.connection.get(&path).await {
            Err(error) if error.is_not_found() => return Ok(false),
            found => found?,
        };
        if now.index != Some(version) {
            return Ok(false);
        }
        for (key, value) in labels {
            spec["Labels"][*key] = json!(value);
        }
        match self.update(&format!("{path}/update?version={version}"), &spec).await {
            Err(error) if error.is_not_found() || error.message().contains("out of sequence") => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// Replaces a service's spec, if the service is still at this version; returns false if it is not.
    pub(crate) async fn replace_spec(
        &self,
        id: &ServiceId,
        version: u64,
        spec: &Value,
    ) -> Result<bool, CallError> {
        let path = format!("/services/{id}/update?version={version}");
        match self.post(&path, spec).await {
            Err(error) if error.message().contains("out of sequence") => Ok(false),
            outcome => outcome.map(|_| true),
        }
    }

    /// Creates a network from the body of the call and returns its id.
    pub(crate) async fn create_network(&self, body: &Value, run: &RunId) -> Result<NetworkId, CallError> {
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        Ok(NetworkId::new(self.create(ObjectKind::Network, &name, run, body).await?))
    }

    /// Appends to the raft log, by creating and removing a config object of this run.
    pub(crate) async fn touch(&self, run: &RunId) -> Result<(), CallError> {
        let id = self.create_config(&format!("pvcheck-touch-{run}"), run, &[], b"pvcheck").await?;
        self.remove_config(&id).await
    }

    /// Makes a node a `manager` or a `worker`. Returns once the role is in the node's spec; the node follows later.
    ///
    /// Around a change of leader a request may fail although it was carried out. So the spec is read again, and the
    /// request repeated, until the role is there or `limit` is over.
    pub(crate) async fn set_role(&self, id: &NodeId, role: &str, limit: Duration) -> Result<(), CallError> {
        // Without a leader the engine answers with 5xx, or not at all; 4xx is a refusal that a retry does not change.
        let between_leaders = |error: &CallError| error.status().is_none_or(|s| 500 <= s);
        retry_while!(limit, between_leaders, self.try_role(id, role))
    }

    async fn try_role(&self, id: &NodeId, role: &str) -> Result<(), CallError> {
        let path = format!("/nodes/{id}");
        // Read in each attempt: the update must carry the version of the spec that it replaces.
        let wire::Versioned { mut spec, version, .. } = self.connection.get(&path).await?;
        if spec["Role"] == role {
            return Ok(());
        }
        spec["Role"] = json!(role);
        let update = format!("{path}/update?version={}", version.index.unwrap_or_default());
        self.update(&update, &spec).await
    }

    /// Removes a node from the Swarm, even if it is up; one that is gone already is not an error.
    pub(crate) async fn remove_node(&self, id: &NodeId) -> Result<(), CallError> {
        let path = format!("/nodes/{id}?force=true");
        match self.connection.write(Method::DELETE, &path, None).await {
            Err(error) if !is_absent(&error) => Err(error),
            // Whether it is off the list is waited for by the caller, who needs to know when.
            _ => Ok(()),
        }
    }

    /// Replaces both join tokens; the old ones are invalid afterwards.
    pub(crate) async fn rotate_tokens(&self) -> Result<(), CallError> {
        self.update_swarm("&rotateWorkerToken=true&rotateManagerToken=true", |_| ()).await
    }

    /// Sets after how many entries of the raft log a snapshot is written, and how many entries are kept after it. The
    /// engine reads 0 as "leave unchanged" (moby `daemon/cluster/convert/swarm.go`).
    pub(crate) async fn set_raft_log(&self, between: u64, kept: u64) -> Result<(), CallError> {
        let change = |spec: &mut Value| {
            spec["Raft"]["SnapshotInterval"] = json!(between);
            spec["Raft"]["LogEntriesForSlowFollowers"] = json!(kept);
        };
        self.update_swarm("", change).await
    }

    /// Sets the period in which nodes send heartbeats.
    pub(crate) async fn set_heartbeat(&self, period: Duration) -> Result<(), CallError> {
        let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        self.update_swarm("", |spec| spec["Dispatcher"]["HeartbeatPeriod"] = json!(nanos)).await
    }

    async fn update_swarm(&self, more: &str, change: impl Fn(&mut Value)) -> Result<(), CallError> {
        let mut tries = 0;
        // Counted, not timed: in each round one contender wins the race on the version and is done.
        loop {
            let wire::Versioned { mut spec, version, .. } = self.connection.get("/swarm").await?;
            change(&mut spec);
            let path = format!("/swarm/update?version={}{more}", version.index.unwrap_or_default());
            match self.update(&path, &spec).await {
                Err(error) if error.message().contains("out of sequence") && tries < TRIES => {
                    tries += 1;
                    poll().await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Joins this engine, which is in no Swarm, as a manager that runs no task.
    pub(crate) async fn join(&self, join: &Join<'_>) -> Result<(), CallError> {
        let body = json!({
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": join.advertise,
            "DataPathAddr": join.advertise,
            "RemoteAddrs": [join.manager],
            "JoinToken": join.token,
            // From the start: a task that the scheduler put here would end with the private engine.
            "Availability": "drain",
        });
        self.update("/swarm/join", &body).await
    }

    /// Makes this manager the only one of its Swarm, with the state of its own raft log. `init` is the body of the call.
    pub(crate) async fn force_new_cluster(&self, init: &Value) -> Result<(), CallError> {
        self.post("/swarm/init", init).await.map(drop)
    }

    /// A change that is answered with nothing, by every engine. With a text, it was not an engine that answered.
    async fn update(&self, path: &str, body: &Value) -> Result<(), CallError> {
        let answer = self.post(path, body).await?;
        if answer.body.trim_ascii().is_empty() {
            return Ok(());
        }
        let kind = CallErrorKind::Incomplete(Missing::Nothing);
        Err(self.connection.error(&Method::POST, path, kind))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, CallError> {
        self.connection.write(Method::POST, path, Some(body.to_string().into_bytes())).await
    }
}
