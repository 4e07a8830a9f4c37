//! A connection that remembers how the other side began, and how it ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the first bytes of the other side look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Http1,
    Http2,
    Nothing,
    Other,
    Tls,
}

/// What was seen of the other side so far. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    first: Vec<u8>,
    cut: bool,
}

impl Seen {
    pub(crate) fn start(&self) -> Start {
        start(&self.0.lock().unwrap_or_else(PoisonError::into_inner).first)
    }

    /// True iff the connection ended without the end that TLS has for it (`close_notify`, RFC 8446, section 6.1).
    pub(crate) fn cut(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cut
    }

    fn note(&self, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = FIRST.saturating_sub(state.first.len()).min(bytes.len());
        state.first.extend_from_slice(&bytes[..wanted]);
    }
}

/// An HTTP/2 frame's head is 9 bytes (RFC 9113, section 4.1).
const FIRST: usize = 9;

fn start(first: &[u8]) -> Start {
    match first {
        [] => Start::Nothing,
        [b'H', b'T', b'T', b'P', ..] => Start::Http1,
        // A SETTINGS frame on stream 0 comes first (RFC 9113, section 3.4).
        [0, _, _, 4, _, 0, 0, 0, 0] => Start::Http2,
        // An alert (21) or handshake (22) of TLS 1.x.
        [21 | 22, 3, ..] => Start::Tls,
        _ => Start::Other,
    }
}

pub(crate) struct Sniff<T> {
    inner: T,
    seen: Seen,
}

impl<T> Sniff<T> {
    pub(crate) fn new(inner: T) -> (Self, Seen) {
        let seen = Seen::default();
        (Self { inner, seen: seen.clone() }, seen)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sniff<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, into);
        match &polled {
            Poll::Ready(Ok(())) => self.seen.note(&into.filled()[before..]),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).cut = true;
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Sniff<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        for (first, expected) in [
            (&b""[..], Start::Nothing),
            (b"HTTP/1.1 ", Start::Http1),
            (b"\0\0\x12\x04\0\0\0\0\0", Start::Http2),
            (b"\x15\x03\x01\0\x02", Start::Tls),
            (b"SSH-2.0-O", Start::Other),
        ] {
            assert_eq!(start(first), expected, "{first:?}");
        }
    }
}
