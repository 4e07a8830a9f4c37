//! The endless answer of `/events`.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

use super::{Shared, lock};

/// Between two looks at what happened. An engine tells within milliseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// Every event from the moment of the request on, a line each.
pub(super) struct EventBody {
    shared: Arc<Shared>,
    /// Number of the next event to be told.
    next: u64,
    pause: Pin<Box<Sleep>>,
}

impl EventBody {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let next = lock(&shared.engine).model.events.end();
        Self { shared, next, pause: Box::pin(sleep(Duration::ZERO)) }
    }

    /// What happened since the last look, as lines.
    fn news(&mut self) -> Vec<u8> {
        let mut running = lock(&self.shared.engine);
        running.catch_up();
        let events = &running.model.events;
        let mut lines = Vec::new();
        for event in events.since(self.next) {
            lines.extend_from_slice(event.to_string().as_bytes());
            lines.push(b'\n');
        }
        self.next = events.end();
        lines
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if self.pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pause = Box::pin(sleep(PAUSE));
            let news = self.news();
            if !news.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(news.into()))));
            }
        }
    }
}
