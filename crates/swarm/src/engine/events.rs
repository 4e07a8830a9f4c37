//! The Swarm's own events, as a manager streams them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use pvcheck_audit::ServiceId;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{CallError, CallErrorKind};
use super::wire;

/// Swarm scope leaves out what happens to containers of the asked node.
const PATH: &str = "/events?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D";

/// The longest line that is read: an event has a few hundred bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// What others do to services, networks and nodes from the moment of [`Events::follow`] on.
///
/// A manager tells events in the order in which the store took the changes (moby
/// `daemon/cluster/cluster.go`, `ProcessClusterNotifications`), so an event that has come says that all before it have.
pub(crate) struct Events {
    told: Arc<Told>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Others' changes in words, the first few of them.
    others: Vec<String>,
    /// Services of ours whose removal was told.
    gone: BTreeSet<String>,
    /// Why nothing more comes.
    ended: Option<String>,
}

/// Changes of others that are kept in words; one suffices to make a turn again.
const KEPT: usize = 8;

impl Events {
    /// Opens the stream; services whose names begin with `ours` are not others'.
    ///
    /// # Errors
    /// If the engine does not open it within the connection's deadline.
    pub(crate) async fn follow(connection: &Connection, ours: String) -> Result<Self, CallError> {
        let body = connection.stream(PATH).await?;
        let told = Arc::new(Told::default());
        let reader = tokio::spawn(read(body, Arc::clone(&told), ours));
        Ok(Self { told, reader })
    }

    /// What others changed since the last call, in words; `Err` with the reason once the stream has ended.
    pub(crate) fn take_others(&self) -> Result<Vec<String>, String> {
        let mut state = self.told.lock();
        match &state.ended {
            Some(why) => Err(why.clone()),
            None => Ok(std::mem::take(&mut state.others)),
        }
    }

    /// Waits until the removal of all these services was told, so that everything before it has been; false if it was not
    /// within `limit`, or the stream has ended.
    pub(crate) async fn caught_up(&self, removed: &[ServiceId], limit: Duration) -> bool {
        let told = async {
            loop {
                let news = self.told.news.notified();
                {
                    let mut state = self.told.lock();
                    if removed.iter().all(|id| state.gone.contains(id.as_str())) {
                        state.gone.clear();
                        return true;
                    }
                    if state.ended.is_some() {
                        return false;
                    }
                }
                news.await;
            }
        };
        timeout(limit, told).await.unwrap_or(false)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: wire::Event, ours: &str) {
        let mut state = self.lock();
        let name = event.actor.attributes.name;
        if event.kind == "service" && name.starts_with(ours) {
            if event.action == "remove" {
                state.gone.insert(event.actor.id);
            }
        } else if matches!(event.kind.as_str(), "service" | "network" | "node") && state.others.len() < KEPT {
            let name = if name.is_empty() { event.actor.id } else { name };
            state.others.push(format!("{} {name}: {}", event.kind, event.action));
        }
    }

    fn end(&self, why: String) {
        self.lock().ended = Some(why);
    }
}

async fn read(mut body: Incoming, told: Arc<Told>, ours: String) {
    let mut rest = BytesMut::new();
    let why = loop {
        match body.frame().await {
            None => break "the engine ended the stream of events".to_owned(),
            Some(Err(error)) => break format!("the stream of events broke: {error}"),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    rest.extend_from_slice(data);
                }
            }
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end);
            rest.advance(1);
            match serde_json::from_slice(&line) {
                Ok(event) => told.take(event, &ours),
                Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                Err(error) => {
                    told.end(format!("an event is not the JSON expected: {error}"));
                    told.news.notify_waiters();
                    return;
                }
            }
        }
        told.news.notify_waiters();
        if MAX_LINE_BYTES < rest.len() {
            break "an event is longer than 1 MiB".to_owned();
        }
    };
    told.end(why);
    told.news.notify_waiters();
}

impl Connection {
    /// Opens an endless `GET`; the deadline is for the headers only.
    async fn stream(&self, path: &str) -> Result<Incoming, CallError> {
        let open = async {
            let request = Request::builder()
                .method(Method::GET)
                .uri(self.versioned(path))
                .header(header::HOST, "docker")
                .body(Full::new(Bytes::new()))
                .map_err(super::connection::transport)?;
            let mut sender = self.dial().await?;
            let response = sender.send_request(request).await.map_err(super::connection::transport)?;
            let status = response.status();
            if status.is_success() {
                return Ok(response.into_body());
            }
            let message = format!("no stream of events ({status})");
            Err(CallErrorKind::Refused { status: status.as_u16(), message })
        };
        let outcome = match timeout(self.deadline(), open).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallErrorKind::Deadline(self.deadline())),
        };
        outcome.map_err(|kind| self.error(&Method::GET, path, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Told {
        let told = Told::default();
        for line in lines {
            told.take(serde_json::from_str(line).unwrap(), "pvcheck-census-r1-");
        }
        told
    }

    fn line(kind: &str, action: &str, id: &str, name: &str) -> String {
        serde_json::json!({"Type": kind, "Action": action, "Actor": {"ID": id, "Attributes": {"name": name}}})
            .to_string()
    }

    #[test]
    fn own_services_are_told_from_those_of_others() {
        let lines = [
            line("service", "create", "s1", "pvcheck-census-r1-0"),
            line("service", "remove", "s1", "pvcheck-census-r1-0"),
            line("service", "create", "s2", "pvcheck-census-r2-0"),
            line("service", "update", "s3", "web"),
            line("node", "update", "n1", ""),
            line("config", "create", "c1", "pvcheck-lock"),
        ];
        let told = told(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let state = told.lock();
        assert_eq!(state.gone.iter().collect::<Vec<_>>(), ["s1"]);
        assert_eq!(
            state.others,
            ["service pvcheck-census-r2-0: create", "service web: update", "node n1: update"]
        );
    }

    #[test]
    fn a_flood_of_changes_is_kept_within_bounds() {
        let lines: Vec<String> =
            (0..1000).map(|n| line("service", "create", "s", &format!("w{n}"))).collect();
        let told = told(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told.lock().others.len(), KEPT);
    }
}
