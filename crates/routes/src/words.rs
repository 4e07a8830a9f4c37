//! What libraries report, as causes of this field.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, InvalidMessage};

use crate::cause::{Cause, End};
use crate::fact::Failure;
use crate::sniff::Start;
use crate::spec::HttpVersion;

/// The reasons of HTTP/2 (RFC 9113, section 7) by the texts in which the library gives them.
const HTTP2_REASONS: [(&str, &str); 8] = [
    ("not a result of an error", "NO_ERROR"),
    ("unspecific protocol error", "PROTOCOL_ERROR"),
    ("unexpected internal error", "INTERNAL_ERROR"),
    ("frame with invalid size", "FRAME_SIZE_ERROR"),
    ("refused stream", "REFUSED_STREAM"),
    ("stream no longer needed", "CANCEL"),
    ("excessive load", "ENHANCE_YOUR_CALM"),
    ("security properties", "INADEQUATE_SECURITY"),
];

/// An exchange that failed, and what was known of it by then.
pub(crate) struct Exchange<'a> {
    pub(crate) host: &'a str,
    pub(crate) version: HttpVersion,
    /// What the server sent first.
    pub(crate) start: Start,
    /// True iff the head of the answer came.
    pub(crate) has_head: bool,
}

impl Exchange<'_> {
    pub(crate) fn failure(&self, error: &hyper::Error) -> Failure {
        let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Failure::because(self.cause(error, &text)).with_evidence(&text)
    }

    fn cause(&self, error: &hyper::Error, text: &str) -> Cause {
        if error.is_parse_too_large() || text.contains("header list size") {
            return Cause::HeadTooLarge;
        }
        match (self.start, self.version) {
            (Start::Http1, HttpVersion::Http2) => return Cause::Http1Only,
            (Start::Http2, HttpVersion::Http1) => return Cause::Http2Only,
            (Start::Tls, _) => return Cause::SpeaksTls,
            (Start::Other, _) if error.is_parse() || self.version == HttpVersion::Http2 => {
                return Cause::NotHttp;
            }
            _ => {}
        }
        let by_source = self.source_cause(error).or_else(|| http2_cause(text));
        by_source.unwrap_or_else(|| match (error.is_parse(), self.has_head) {
            (true, false) => Cause::NotHttp,
            (true, true) => Cause::BodyMalformed,
            (false, _) => self.broken_off(End::Closed),
        })
    }

    /// The cause of a TLS or system error below; it may be wrapped several times.
    fn source_cause(&self, error: &dyn Error) -> Option<Cause> {
        let mut next = error.source();
        while let Some(source) = next {
            if let Some(io) = source.downcast_ref::<io::Error>() {
                return Some(self.io_cause(io));
            }
            next = source.source();
        }
        None
    }

    fn io_cause(&self, error: &io::Error) -> Cause {
        if let Some(error) = tls_error(error) {
            return tls_cause(error, self.host, None);
        }
        match error.kind() {
            // So the library says that a chunk is none.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if self.has_head => Cause::BodyMalformed,
            _ => self.broken_off(end(error)),
        }
    }

    fn broken_off(&self, end: End) -> Cause {
        if self.has_head { Cause::BodyBrokenOff { end } } else { Cause::BrokenOffBeforeHead { end } }
    }
}

fn end(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Reset,
        io::ErrorKind::UnexpectedEof => End::Closed,
        _ => End::Broken,
    }
}

fn http2_cause(text: &str) -> Option<Cause> {
    let reason = HTTP2_REASONS.iter().find(|(words, _)| text.contains(words));
    let reason = reason.map(|(_, reason)| (*reason).to_owned());
    if text.contains("endpoint requires HTTP/1.1") {
        return Some(Cause::Http11Required);
    }
    if text.contains("connection error received") {
        return Some(Cause::GoAway { reason });
    }
    if text.contains("stream error received") {
        return Some(Cause::StreamReset { reason });
    }
    text.contains("error detected").then_some(Cause::Http2Broken { reason })
}

/// The TLS error in a system error, as the TLS stream wraps it.
pub(crate) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

/// True iff another hello could tell more: the server says only that nothing was offered that it has.
pub(crate) fn finds_nothing_in_common(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::AlertReceived(
            Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::ProtocolVersion
        ) | rustls::Error::PeerIncompatible(_)
    )
}

/// Why a handshake failed.
pub(crate) fn handshake_failure(error: &io::Error, host: &str, wanted: Option<HttpVersion>) -> Failure {
    let cause = match tls_error(error) {
        Some(error) => tls_cause(error, host, wanted),
        None => Cause::BrokenOffInHandshake { end: end(error) },
    };
    Failure::because(cause).with_evidence(&error.to_string())
}

fn tls_cause(error: &rustls::Error, host: &str, wanted: Option<HttpVersion>) -> Cause {
    match error {
        rustls::Error::AlertReceived(alert) => alert_cause(*alert, host, wanted),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Cause::NotTls,
        rustls::Error::PeerIncompatible(_) => Cause::NothingInCommon,
        rustls::Error::NoApplicationProtocol => Cause::NoProtocol { wanted },
        _ => Cause::TlsBroken,
    }
}

fn alert_cause(alert: AlertDescription, host: &str, wanted: Option<HttpVersion>) -> Cause {
    use AlertDescription as Alert;
    let host = host.to_owned();
    match alert {
        Alert::CertificateRequired => Cause::ClientCertificateWanted,
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Cause::HandshakeRefused,
        Alert::InternalError => Cause::InternalError { host },
        Alert::NoApplicationProtocol => Cause::NoProtocol { wanted },
        Alert::ProtocolVersion => Cause::VersionsRefused,
        Alert::UnrecognisedName => Cause::NoCertificateFor { host },
        other => Cause::Alert { number: u8::from(other) },
    }
}
