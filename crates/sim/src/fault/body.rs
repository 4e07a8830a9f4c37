//! Bodies of answers that end properly, are cut off, or stall.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The body of an answer, whole or spoilt. An error ends the connection.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

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
    /// Properly; its length is not told, because the headers tell another.
    Untold,
}

pub(super) fn cut() -> io::Error {
    io::Error::other("cut by an injected fault")
}

/// Bytes, and how they end.
#[derive(Debug)]
pub(super) struct Spoilt {
    data: Option<Bytes>,
    /// Length that the headers announce.
    announced: u64,
    end: End,
    flushed: bool,
}

/// False the first time it is asked, and has the task woken again: hyper writes what it was given when a body has nothing more
/// at the moment, and drops it when the body ends with an error. So bytes that came before a cut are seen by the client.
fn flush_once(flushed: &mut bool, context: &Context<'_>) -> bool {
    let before = std::mem::replace(flushed, true);
    if !before {
        context.waker().wake_by_ref();
    }
    before
}

impl Spoilt {
    /// The first `shown` bytes of a body whose whole length is announced.
    pub(super) fn new(body: Vec<u8>, shown: usize, end: End) -> Self {
        let announced = body.len() as u64;
        let shown = shown.min(body.len());
        let data = Bytes::from(body).slice(..shown);
        Self { data: Some(data).filter(|data| !data.is_empty()), announced, end, flushed: false }
    }
}

impl HttpBody for Spoilt {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.data.take(), self.end) {
            (Some(data), End::Never) => {
                self.data = Some(data.clone());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Proper | End::Untold) => Poll::Ready(None),
            (None, End::Cut) if !flush_once(&mut self.flushed, context) => Poll::Pending,
            (None, End::Cut) => Poll::Ready(Some(Err(cut()))),
            // Nothing wakes this task again: the body is dropped with its connection.
            (None, End::Never | End::Stall) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Proper
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            // Without a length the body is sent in chunks, as many as there are.
            End::Never | End::Untold => SizeHint::default(),
            End::Cut | End::Proper | End::Stall => SizeHint::with_exact(self.announced),
        }
    }
}

/// What becomes of a stream's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// They come as they are.
    Whole,
    /// So many still come, and then this.
    Until(usize, End),
    /// The first half of what comes first, and then the proper end.
    Half,
    /// Every other one of what comes at once; true iff the next is lost.
    EveryOther(bool),
    /// None comes.
    Silent,
}

/// A stream, and what becomes of it.
#[derive(Debug)]
pub(super) struct Stream<B> {
    pub(super) inner: B,
    pub(super) flow: Flow,
    pub(super) flushed: bool,
}

impl<B> HttpBody for Stream<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match self.flow {
                Flow::Silent | Flow::Until(0, End::Stall) => return Poll::Pending,
                Flow::Until(0, End::Cut) => {
                    let flushed = flush_once(&mut self.flushed, context);
                    return if flushed { Poll::Ready(Some(Err(cut()))) } else { Poll::Pending };
                }
                Flow::Until(0, _) => return Poll::Ready(None),
                _ => {}
            }
            let frame = match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let shown = match &mut self.flow {
                Flow::Until(left, _) => {
                    let shown = data.len().min(*left);
                    *left -= shown;
                    shown
                }
                Flow::Half => {
                    let half = data.len() / 2;
                    self.flow = Flow::Until(0, End::Proper);
                    half
                }
                Flow::EveryOther(is_lost) => {
                    let shown = if *is_lost { 0 } else { data.len() };
                    *is_lost = !*is_lost;
                    shown
                }
                Flow::Whole | Flow::Silent => data.len(),
            };
            if 0 < shown {
                return Poll::Ready(Some(Ok(Frame::data(data.slice(..shown)))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::{BodyExt as _, Full};

    use super::*;

    /// What polling gives: bytes, the proper end, an error, or nothing yet.
    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Bytes(Vec<u8>),
        End,
        Error,
        Pending,
    }

    fn poll(body: &mut (impl HttpBody<Data = Bytes> + Unpin)) -> Seen {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => Seen::Bytes(frame.into_data().unwrap_or_default().to_vec()),
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
            // Pending once, so that what was shown is written before the connection ends.
            (2, End::Cut, vec![Seen::Bytes(b"he".to_vec()), Seen::Pending, Seen::Error]),
            (2, End::Stall, vec![Seen::Bytes(b"he".to_vec()), Seen::Pending, Seen::Pending]),
            (0, End::Cut, vec![Seen::Pending, Seen::Error]),
            (0, End::Stall, vec![Seen::Pending]),
        ] {
            let mut body = Spoilt::new(b"hello".to_vec(), shown, end);
            assert_eq!(body.size_hint().exact(), Some(5), "the whole length is announced, whatever comes");
            for seen in expected {
                assert_eq!(poll(&mut body), seen, "{shown} {end:?}");
            }
        }
    }

    #[test]
    fn a_body_without_end_comes_again_and_announces_no_length() {
        let mut body = Spoilt::new(b"x".to_vec(), 1, End::Never);
        assert_eq!(body.size_hint().exact(), None);
        for _ in 0..100 {
            assert_eq!(poll(&mut body), Seen::Bytes(b"x".to_vec()));
        }
        assert!(!body.is_end_stream());
    }

    #[test]
    fn an_empty_proper_body_has_ended_before_it_is_polled() {
        assert!(Spoilt::new(Vec::new(), 0, End::Proper).is_end_stream());
        assert!(!Spoilt::new(Vec::new(), 0, End::Stall).is_end_stream());
        assert!(!Spoilt::new(b"x".to_vec(), 1, End::Proper).is_end_stream());
    }

    #[test]
    fn a_stream_is_cut_stalled_halved_or_silent() {
        let bytes = |text: &str| Seen::Bytes(text.as_bytes().to_vec());
        for (flow, expected) in [
            (Flow::Whole, [bytes("event"), Seen::End]),
            (Flow::Until(2, End::Cut), [bytes("ev"), Seen::Error]),
            (Flow::Until(2, End::Stall), [bytes("ev"), Seen::Pending]),
            (Flow::Until(9, End::Cut), [bytes("event"), Seen::End]),
            (Flow::Half, [bytes("ev"), Seen::End]),
            (Flow::EveryOther(true), [Seen::End, Seen::End]),
            (Flow::EveryOther(false), [bytes("event"), Seen::End]),
            (Flow::Silent, [Seen::Pending, Seen::Pending]),
        ] {
            let inner = Full::new(Bytes::from_static(b"event")).boxed();
            let mut stream = Stream { inner, flow, flushed: true };
            assert_eq!([poll(&mut stream), poll(&mut stream)], expected, "{flow:?}");
        }
    }
}
