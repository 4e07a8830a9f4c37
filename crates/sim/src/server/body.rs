//! Bodies that may end badly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// How a body ends after its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With an error, so the connection is closed.
    Cut,
    /// As it should.
    Proper,
    /// Never.
    Stall,
}

/// Bytes, and how they end.
#[derive(Debug)]
pub(super) struct SimBody {
    data: Option<Bytes>,
    /// Length that the headers announce.
    announced: u64,
    end: End,
}

impl SimBody {
    /// The first `shown` bytes of a body whose whole length is announced.
    pub(super) fn new(body: Vec<u8>, shown: usize, end: End) -> Self {
        let announced = body.len() as u64;
        let shown = shown.min(body.len());
        let data = Bytes::from(body).slice(..shown);
        Self { data: Some(data).filter(|data| !data.is_empty()), announced, end }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.data.take(), self.end) {
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Proper) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(io::Error::other("cut by an injected fault")))),
            // Nobody will wake it: the connection's end drops it.
            (None, End::Stall) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Proper
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
