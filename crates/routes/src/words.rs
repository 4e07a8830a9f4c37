//! What libraries report, in the words of TLS and HTTP.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, InvalidMessage};

use crate::fact::{Failure, Phase};
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

/// Why an exchange failed. `start` is what the server sent first.
pub(crate) fn exchange_failure(error: &hyper::Error, version: HttpVersion, start: Start) -> Failure {
    let text = error_text(error);
    if error.is_parse_too_large() || text.contains("header list size") {
        let text = "the head of its answer is larger than this program reads (128 KiB or 512 headers)";
        return Failure::new(Phase::Local, text);
    }
    let by_start = match (start, version) {
        (Start::Http1, HttpVersion::Http2) => {
            Some("the server answers in HTTP/1.1, not in HTTP/2: it has no HTTP/2 on plain HTTP")
        }
        (Start::Http2, HttpVersion::Http1) => Some("the server answers in HTTP/2 only: set http = \"2\""),
        (Start::Tls, _) => Some("the port speaks TLS: write the URL with https://"),
        (Start::Other, _) if error.is_parse() || version == HttpVersion::Http2 => {
            Some("what answers there does not speak HTTP")
        }
        _ => None,
    };
    let text = match by_start {
        Some(text) => text.to_owned(),
        None => source_words(error).or_else(|| http2_words(&text)).unwrap_or_else(|| hyper_words(error)),
    };
    Failure::new(Phase::Http, text)
}

fn error_text(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn hyper_words(error: &hyper::Error) -> String {
    let text = if error.is_parse() {
        "what answers there does not speak HTTP"
    } else if error.is_timeout() {
        "the server took too long"
    } else {
        "the server closed the connection before its answer was whole"
    };
    text.to_owned()
}

/// The words for a TLS or system error below; it may be wrapped several times.
fn source_words(error: &dyn Error) -> Option<String> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return Some(io_words(io));
        }
        next = source.source();
    }
    None
}

fn io_words(error: &io::Error) -> String {
    if let Some(error) = tls_error(error) {
        return tls_words(error, "", None);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server reset the connection".to_owned()
        }
        io::ErrorKind::UnexpectedEof => {
            "the server closed the connection before its answer was whole".to_owned()
        }
        kind => format!("the connection broke: {kind}"),
    }
}

fn http2_words(text: &str) -> Option<String> {
    let reason = HTTP2_REASONS.iter().find(|(words, _)| text.contains(words)).map(|(_, reason)| *reason);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    if text.contains("endpoint requires HTTP/1.1") {
        return Some("the server wants HTTP/1.1 for this (HTTP_1_1_REQUIRED): set http = \"1.1\"".to_owned());
    }
    if text.contains("connection error received") {
        return Some(format!("the server ended the HTTP/2 connection without an answer: GOAWAY{reason}"));
    }
    if text.contains("stream error received") {
        return Some(format!("the server reset the HTTP/2 stream: RST_STREAM{reason}"));
    }
    let broken = text.contains("error detected");
    broken.then(|| format!("the server breaks the rules of HTTP/2{reason}"))
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

/// Why a handshake failed, without the host's name where it is not known.
pub(crate) fn handshake_words(error: &io::Error, host: &str, forced: Option<HttpVersion>) -> String {
    match tls_error(error) {
        Some(error) => tls_words(error, host, forced),
        None => match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "the server reset the connection in the handshake".to_owned()
            }
            io::ErrorKind::UnexpectedEof => "the server closed the connection in the handshake".to_owned(),
            kind => format!("the connection broke in the handshake: {kind}"),
        },
    }
}

fn tls_words(error: &rustls::Error, host: &str, forced: Option<HttpVersion>) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => alert_words(*alert, host, forced),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS".to_owned()
        }
        rustls::Error::PeerIncompatible(_) => {
            "the server shares no TLS version, cipher suite or curve with this program".to_owned()
        }
        rustls::Error::NoApplicationProtocol => no_common_protocol(forced),
        _ => "the server breaks the rules of TLS".to_owned(),
    }
}

fn alert_words(alert: AlertDescription, host: &str, forced: Option<HttpVersion>) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => CLIENT_CERTIFICATE.to_owned(),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the server refuses every TLS version, cipher suite and curve that was offered (alert handshake_failure)"
                .to_owned()
        }
        Alert::InternalError => format!(
            "the server failed in the handshake (alert internal_error), as some do that have no certificate for {host}"
        ),
        Alert::NoApplicationProtocol => no_common_protocol(forced),
        Alert::ProtocolVersion => {
            "the server refuses TLS 1.2 and 1.3 (alert protocol_version)".to_owned()
        }
        Alert::UnrecognisedName => {
            format!("the server has no certificate for {host} (alert unrecognized_name)")
        }
        other => format!("the server ended the handshake with alert {}", u8::from(other)),
    }
}

/// What a server that wants a client certificate comes to, however it says so.
pub(crate) const CLIENT_CERTIFICATE: &str =
    "the server wants a client certificate, and probes send none: give the route a client_certificate";

/// What a server that does not take the client certificate comes to.
pub(crate) const CLIENT_CERTIFICATE_REFUSED: &str =
    "the server refuses the client certificate that it was shown";

fn no_common_protocol(forced: Option<HttpVersion>) -> String {
    match forced {
        Some(version) => {
            format!("the server does not speak HTTP/{}, which the route insists on", version.as_str())
        }
        None => "the server speaks neither HTTP/1.1 nor HTTP/2 (no ALPN protocol in common)".to_owned(),
    }
}
