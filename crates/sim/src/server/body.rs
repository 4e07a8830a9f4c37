//! Response bodies that end properly, are cut off, or stall.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// How a body ends after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an error, so the connection is closed.
    Cut,
    /// Never: the same bytes come again and again.
    Never,
    /// Properly.
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
            (Some(data), End::Never) => {
                self.data = Some(data.clone());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Proper) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(io::Error::other("cut by an injected fault")))),
            // Nothing wakes this task again: the body is dropped with its connection.
            (None, End::Never | End::Stall) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Proper
    }

    fn size_hint(&self) -> SizeHint {
        // Without a length the body is sent in chunks, as many as there are.
        if self.end == End::Never { SizeHint::default() } else { SizeHint::with_exact(self.announced) }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// What polling gives: bytes, the proper end, an error, or nothing yet.
    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Bytes(Vec<u8>),
        End,
        Error,
        Pending,
    }

    fn poll(body: &mut SimBody) -> Seen {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => Seen::Bytes(frame.into_data().expect("data").to_vec()),
            Poll::Ready(Some(Err(_))) => Seen::Error,
            Poll::Ready(None) => Seen::End,
            Poll::Pending => Seen::Pending,
        }
    }

    #[test]
    fn what_is_shown_comes_first_and_then_the_end() {
        // (bytes shown of 5, end, what polling gives)
        for (shown, end, expected) in [
            (9, End::Proper, vec![Seen::Bytes(b"hello".to_vec()), Seen::End]),
            (2, End::Cut, vec![Seen::Bytes(b"he".to_vec()), Seen::Error]),
            (2, End::Stall, vec![Seen::Bytes(b"he".to_vec()), Seen::Pending, Seen::Pending]),
            (0, End::Cut, vec![Seen::Error]),
            (0, End::Stall, vec![Seen::Pending]),
        ] {
            let mut body = SimBody::new(b"hello".to_vec(), shown, end);
            assert_eq!(body.size_hint().exact(), Some(5), "the whole length is announced, whatever comes");
            for seen in expected {
                assert_eq!(poll(&mut body), seen, "{shown} {end:?}");
            }
        }
    }

    #[test]
    fn a_body_without_end_comes_again_and_announces_no_length() {
        let mut body = SimBody::new(b"x".to_vec(), 1, End::Never);
        assert_eq!(body.size_hint().exact(), None);
        for _ in 0..100 {
            assert_eq!(poll(&mut body), Seen::Bytes(b"x".to_vec()));
        }
        assert!(!body.is_end_stream());
    }

    #[test]
    fn an_empty_proper_body_has_ended_before_it_is_polled() {
        assert!(SimBody::new(Vec::new(), 0, End::Proper).is_end_stream());
        assert!(!SimBody::new(Vec::new(), 0, End::Stall).is_end_stream());
        assert!(!SimBody::new(b"x".to_vec(), 1, End::Proper).is_end_stream());
    }
}
