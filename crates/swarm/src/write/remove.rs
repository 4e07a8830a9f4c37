//! Removing an object, and knowing that it is gone.
//!
//! An answer is not enough for that. Something between here and the engine may answer a DELETE with 404, or with a 200 that
//! the engine never gave; and a removal whose answer is a 500 or a cut connection may have had its effect. So whatever the
//! answer, the object is looked up by its id.

use std::time::Duration;

use http::Method;
use pvcheck_audit::{ConfigId, NetworkId, SecretId, ServiceId};

use super::writer::Writer;
use crate::engine::{CallError, CallErrorKind, ObjectKind, Pace, poll, wire};

/// How long an object may be listed after its removal was answered: the store has let it go when the answer comes.
const LINGERS: Duration = Duration::from_secs(5);

/// How often a look-up is tried. One broken answer must not turn a removal that was done into one that was not.
const LOOKUPS: u32 = 3;

impl Writer<'_> {
    /// Removes a service. Its tasks are told to stop, and hold their addresses until they have.
    pub(crate) async fn remove_service(&self, id: &ServiceId) -> Result<(), CallError> {
        self.remove(ObjectKind::Service, id.as_str(), LINGERS).await
    }

    /// Removes a network. A node's own copy of it may be listed for as long as tasks of that node stop on it; if the
    /// engine cannot tell that copy from the network, it is given up after `limit`.
    pub(crate) async fn remove_network(&self, id: &NetworkId, limit: Duration) -> Result<(), CallError> {
        self.remove(ObjectKind::Network, id.as_str(), limit.max(LINGERS)).await
    }

    /// Removes a secret.
    pub(crate) async fn remove_secret(&self, id: &SecretId) -> Result<(), CallError> {
        self.remove(ObjectKind::Secret, id.as_str(), LINGERS).await
    }

    /// Removes a config.
    pub(crate) async fn remove_config(&self, id: &ConfigId) -> Result<(), CallError> {
        self.remove(ObjectKind::Config, id.as_str(), LINGERS).await
    }

    /// Removes an object and returns when a look-up by its id finds none. An object that is not there is removed.
    ///
    /// # Errors
    /// If the engine refuses, if a failed call left the object in place, if the object cannot be looked up, or if it is
    /// still there after `limit` although the engine says otherwise.
    async fn remove(&self, kind: ObjectKind, id: &str, limit: Duration) -> Result<(), CallError> {
        let path = format!("/{}/{id}", kind.collection());
        let (pace, mut done_before) = (Pace::new(limit), false);
        loop {
            let outcome = self.connection.write(Method::DELETE, &path, None).await.map(drop);
            // Removed a moment ago, and now unknown to the Swarm: what a look-up still shows is a node's own copy.
            let only_a_copy = done_before && outcome.as_ref().is_err_and(is_absent);
            if only_a_copy || !self.is_there(kind, id, &outcome).await? {
                self.connection.ledger().gone(kind, id);
                return Ok(());
            }
            match outcome {
                Ok(()) => done_before = true,
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
            if !pace.goes_on().await {
                return Err(self.connection.error(&Method::DELETE, &path, CallErrorKind::StillThere));
            }
        }
    }

    /// True iff the object is there after a removal with this outcome. A refusal needs no look-up.
    async fn is_there(
        &self,
        kind: ObjectKind,
        id: &str,
        outcome: &Result<(), CallError>,
    ) -> Result<bool, CallError> {
        if outcome.as_ref().is_err_and(CallError::is_refusal) {
            return Ok(true);
        }
        let mut tries = 1;
        loop {
            match self.look_up(kind, id).await {
                Ok(found) => return Ok(found),
                Err(_) if tries < LOOKUPS => tries += 1,
                Err(error) => return Err(error),
            }
            poll().await;
        }
    }

    /// True iff an object has this very id: a name may be another object's id, or its beginning.
    async fn look_up(&self, kind: ObjectKind, id: &str) -> Result<bool, CallError> {
        if kind == ObjectKind::Service {
            // By a list: the engine logs an error for each service that is asked for by its id and is gone (moby
            // `api/server/router/swarm/cluster_routes.go`, `getService`), and a census removes hundreds.
            let path = format!("/services?filters=%7B%22id%22%3A%5B%22{id}%22%5D%7D");
            let listed: Vec<wire::Identified> = self.connection.get(&path).await?;
            return Ok(listed.iter().any(|found| found.id == id));
        }
        match self.connection.get::<wire::Identified>(&format!("/{}/{id}", kind.collection())).await {
            Ok(found) => Ok(found.id == id),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// True iff the engine does not know the object.
///
/// Of a network that only a node's own copy is left of, which the list shows for a moment after its removal, 26.1.5 says so
/// with 500 `network ID not found`, where tasks still stopped on it.
pub(super) fn is_absent(error: &CallError) -> bool {
    let id = error.path.strip_prefix("/networks/");
    let stale = id.is_some_and(|id| error.message() == format!("network {id} not found"));
    error.is_not_found() || (error.status() == Some(500) && stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_does_not_know_is_absent_and_what_it_refuses_is_not() {
        let answered = |path: &str, status, message: &str| {
            let kind = CallErrorKind::Refused { status, message: message.into() };
            is_absent(&CallError {
                host: "unix:///x".into(),
                method: Method::DELETE,
                path: path.into(),
                kind,
            })
        };
        for (path, status, message, absent) in [
            ("/networks/abc", 404, "network abc not found", true),
            ("/networks/abc", 500, "network abc not found", true),
            ("/networks/abc", 500, "network abd not found", false),
            ("/networks/abc", 400, "network abc is in use by task t", false),
            ("/networks/abc", 500, "rpc error: no leader", false),
            ("/services/abc", 404, "service abc not found", true),
            ("/services/abc", 500, "network abc not found", false),
        ] {
            assert_eq!(answered(path, status, message), absent, "{path} {status} {message}");
        }
    }
}
