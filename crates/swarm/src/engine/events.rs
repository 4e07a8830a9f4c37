//! The Swarm's own events, as a manager streams them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use pvcheck_audit::ServiceId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::{Connection, transport};
use super::error::{CallError, CallErrorKind};
use super::wire;

/// Swarm scope leaves out what happens to containers of the asked node.
const PATH: &str = "/events?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D";

/// The longest line that is read: an event has a few hundred bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Different changes that are kept between two reads. More make the count unsure, which costs a turn and no truth.
const MOST_KEPT: usize = 4096;

/// What a change was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangedObject {
    /// A network of the Swarm.
    Network,
    /// A node, its load balancers among what changes.
    Node,
    /// A service.
    Service,
}

impl ChangedObject {
    /// Secrets and configs hold no address; tasks and containers have no events of Swarm scope.
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "network" => Some(Self::Network),
            "node" => Some(Self::Node),
            "service" => Some(Self::Service),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Node => "node",
            Self::Service => "service",
        }
    }
}

/// A change that another client made to the Swarm, or the Swarm itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SwarmChange {
    /// What was changed.
    pub object: ChangedObject,
    /// Its id.
    pub id: String,
    /// Its name; empty for a node without one.
    pub name: String,
    /// `create`, `update` or `remove`.
    pub action: String,
}

impl fmt::Display for SwarmChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { &self.id } else { &self.name };
        write!(f, "{} {name}: {}", self.object.word(), self.action)
    }
}

/// Why the changes since the last read are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventsLost(pub(crate) String);

/// The changes of services, networks and nodes from [`Events::follow`] on.
///
/// A manager streams events in the order in which its store took the changes (moby `daemon/cluster/cluster.go`,
/// `watchClusterEvents`), so after an event has come, all changes before it have come as well.
pub(crate) struct Events {
    stream: Arc<Stream>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Stream {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    others: BTreeSet<SwarmChange>,
    /// Services of ours whose removal was reported.
    gone: BTreeSet<String>,
    /// Why no more can be known.
    lost: Option<String>,
}

impl Events {
    /// Opens the stream; services whose names begin with `ours` are not others'.
    ///
    /// # Errors
    /// If the engine does not open it within the connection's deadline.
    pub(crate) async fn follow(connection: &Connection, ours: String) -> Result<Self, CallError> {
        let body = connection.stream(PATH).await?;
        let stream = Arc::new(Stream::default());
        let reader = tokio::spawn(read(body, Arc::clone(&stream), ours));
        Ok(Self { stream, reader })
    }

    /// What others changed since the last call.
    ///
    /// # Errors
    /// If the stream has ended, or more changed than is kept; then every later call errs as well.
    pub(crate) fn take_others(&self) -> Result<BTreeSet<SwarmChange>, EventsLost> {
        let mut state = self.stream.lock();
        match &state.lost {
            Some(why) => Err(EventsLost(why.clone())),
            None => Ok(std::mem::take(&mut state.others)),
        }
    }

    /// Waits until the removal of all these services was reported, so that every change before it has been. False if it was
    /// not within `limit`, or the stream has ended.
    pub(crate) async fn caught_up(&self, removed: &[ServiceId], limit: Duration) -> bool {
        let reported = async {
            loop {
                // Registered before the state is read: a report in between is not missed.
                let news = self.stream.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                {
                    let mut state = self.stream.lock();
                    if removed.iter().all(|id| state.gone.contains(id.as_str())) {
                        state.gone.clear();
                        return true;
                    }
                    if state.lost.is_some() {
                        return false;
                    }
                }
                news.await;
            }
        };
        timeout(limit, reported).await.unwrap_or(false)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: wire::Event, ours: &str) {
        let Some(object) = ChangedObject::from_word(&event.kind) else { return };
        let (mut state, name, id) = (self.lock(), event.actor.attributes.name, event.actor.id);
        if object == ChangedObject::Service && name.starts_with(ours) {
            if event.action == "remove" {
                state.gone.insert(id);
            }
            return;
        }
        if MOST_KEPT <= state.others.len() {
            state.lost = Some(format!("more than {MOST_KEPT} changes at once"));
            return;
        }
        state.others.insert(SwarmChange { object, id, name, action: event.action });
    }

    fn lose(&self, why: String) {
        self.lock().lost.get_or_insert(why);
        self.news.notify_waiters();
    }
}

async fn read(mut body: Incoming, stream: Arc<Stream>, ours: String) {
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
        if let Err(why) = take_lines(&mut rest, &stream, &ours) {
            break why;
        }
        stream.news.notify_waiters();
        if MAX_LINE_BYTES < rest.len() {
            break "an event is longer than 1 MiB".to_owned();
        }
    };
    stream.lose(why);
}

/// Takes every whole line out of `rest`.
fn take_lines(rest: &mut BytesMut, stream: &Stream, ours: &str) -> Result<(), String> {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest.split_to(end);
        rest.advance(1);
        match serde_json::from_slice(&line) {
            Ok(event) => stream.take(event, ours),
            // Some engines send an empty line to keep the connection open.
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(error) => return Err(format!("an event is not the JSON expected: {error}")),
        }
    }
    Ok(())
}

impl Connection {
    /// Opens an endless `GET`; the deadline is for the headers only.
    async fn stream(&self, path: &str) -> Result<Incoming, CallError> {
        let outcome = match timeout(self.deadline(), self.open(path)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallErrorKind::Deadline(self.deadline())),
        };
        outcome.map_err(|kind| self.error(&Method::GET, path, kind))
    }

    async fn open(&self, path: &str) -> Result<Incoming, CallErrorKind> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.versioned(path))
            .header(header::HOST, "docker")
            .body(Full::new(Bytes::new()))
            .map_err(transport)?;
        let response = self.dial().await?.send_request(request).await.map_err(transport)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let message = format!("no stream of events ({status})");
        Err(CallErrorKind::Refused { status: status.as_u16(), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "pvcheck-census-r1-";

    fn line(kind: &str, action: &str, id: &str, name: &str) -> String {
        let actor = serde_json::json!({"ID": id, "Attributes": {"name": name}});
        serde_json::json!({"Type": kind, "Action": action, "Actor": actor}).to_string() + "\n"
    }

    /// Reads these bytes in two pieces, cut at `at`.
    fn read_in_pieces(text: &str, at: usize) -> (Stream, Result<(), String>) {
        let (stream, mut rest) = (Stream::default(), BytesMut::new());
        let (head, tail) = text.as_bytes().split_at(at.min(text.len()));
        let pieces = [head, tail].into_iter().try_for_each(|piece| {
            rest.extend_from_slice(piece);
            take_lines(&mut rest, &stream, OURS)
        });
        (stream, pieces)
    }

    #[test]
    fn own_services_are_told_from_those_of_others_wherever_a_frame_ends() {
        let lines = [
            line("service", "create", "s1", "pvcheck-census-r1-0"),
            line("service", "remove", "s1", "pvcheck-census-r1-0"),
            line("service", "create", "s2", "pvcheck-census-r2-0"),
            "\n".to_owned(),
            line("service", "update", "s3", "web"),
            line("node", "update", "n1", ""),
            line("config", "create", "c1", "pvcheck-lock"),
        ]
        .concat();
        for at in 0..lines.len() {
            let (stream, outcome) = read_in_pieces(&lines, at);
            assert_eq!(outcome, Ok(()));
            let state = stream.lock();
            assert_eq!(state.gone.iter().collect::<Vec<_>>(), ["s1"], "cut at {at}");
            let others: Vec<_> = state.others.iter().map(ToString::to_string).collect();
            assert_eq!(
                others,
                ["node n1: update", "service pvcheck-census-r2-0: create", "service web: update"]
            );
        }
    }

    #[test]
    fn a_flood_of_changes_is_bounded_and_makes_the_rest_unknown() {
        let flood: String =
            (0..MOST_KEPT + 9).map(|n| line("service", "create", &n.to_string(), "w")).collect();
        let (stream, _) = read_in_pieces(&flood, 0);
        assert_eq!(stream.lock().others.len(), MOST_KEPT);
        assert!(stream.lock().lost.is_some());
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let (_, outcome) = read_in_pieces("<html>\n", 3);
        assert!(outcome.is_err_and(|why| why.contains("not the JSON expected")));
    }
}
