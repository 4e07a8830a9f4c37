//! Why a probe has no whole answer: one kind for each cause, with one text.
//!
//! The same cause has the same words every time, whatever library reported it in whichever state of a connection.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::phase::Phase;
use crate::spec::HttpVersion;

/// Why a probe has no whole answer. `Display` is a fragment that a reader needs no library's manual for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The server ended the handshake with an alert that has no kind of its own.
    Alert {
        /// Its number (RFC 8446, section 6).
        number: u8,
    },
    /// The connection ended after the head, and the body is not whole.
    BodyBrokenOff {
        /// How it ended.
        end: End,
    },
    /// The body breaks the rules of HTTP, such as a chunk without a length.
    BodyMalformed,
    /// The connection ended before the head of an answer.
    BrokenOffBeforeHead {
        /// How it ended.
        end: End,
    },
    /// The connection ended in the handshake.
    BrokenOffInHandshake {
        /// How it ended.
        end: End,
    },
    /// The server refuses the client certificate that it was shown.
    ClientCertificateRefused,
    /// The server wants a client certificate, and the route has none.
    ClientCertificateWanted,
    /// An address did not take the connection within its share of the time.
    ConnectTimedOut {
        /// The address.
        address: SocketAddr,
    },
    /// The server ended the HTTP/2 connection.
    GoAway {
        /// Its reason (RFC 9113, section 7).
        reason: Option<String>,
    },
    /// The server refuses all that was offered in the handshake.
    HandshakeRefused,
    /// A limit of this program: the head of the answer is larger than it reads.
    HeadTooLarge,
    /// This program could not begin.
    Here {
        /// What is in its way.
        what: String,
    },
    /// The server wants HTTP/1.1 for this.
    Http11Required,
    /// The server answers in HTTP/1.1, and HTTP/2 was spoken.
    Http1Only,
    /// The server breaks the rules of HTTP/2.
    Http2Broken {
        /// Which (RFC 9113, section 7).
        reason: Option<String>,
    },
    /// The server did not agree to HTTP/2, which the route insists on.
    Http2NotAgreed,
    /// The server answers in HTTP/2, and HTTP/1.1 was spoken.
    Http2Only,
    /// The server failed in the handshake.
    InternalError {
        /// The name that was asked for.
        host: String,
    },
    /// The name is known, and has no address.
    NameWithoutAddress {
        /// The name.
        name: String,
    },
    /// The name does not exist.
    NameNotFound {
        /// The name.
        name: String,
    },
    /// The server has no certificate for the name.
    NoCertificateFor {
        /// The name that was asked for.
        host: String,
    },
    /// This machine has no file descriptor left.
    NoFiles {
        /// The address.
        address: SocketAddr,
    },
    /// This machine has no address to ask from.
    NoLocalAddress {
        /// The address.
        address: SocketAddr,
    },
    /// Server and probe have no ALPN protocol in common.
    NoProtocol {
        /// The version that the route insists on.
        wanted: Option<HttpVersion>,
    },
    /// No resolver answered.
    NoResolver {
        /// The name.
        name: String,
    },
    /// There is no way to an address.
    NoRoute {
        /// The address.
        address: SocketAddr,
    },
    /// What answers there does not speak HTTP.
    NotHttp,
    /// This machine does not permit the connection.
    NotPermitted {
        /// The address.
        address: SocketAddr,
    },
    /// Credentials and query are not sent over a connection whose certificate is not accepted.
    NotSent,
    /// What answers there does not speak TLS.
    NotTls,
    /// A limit of this program: the server offers only what its TLS refuses.
    OldTls {
        /// What the server offers.
        offer: String,
    },
    /// An address refuses the connection.
    Refused {
        /// The address.
        address: SocketAddr,
    },
    /// Several addresses, each with its own cause.
    Several {
        /// One for each address.
        causes: Vec<Self>,
    },
    /// The server has no TLS version, cipher suite or curve in common with this program.
    NothingInCommon,
    /// The port speaks TLS, and plain HTTP was spoken.
    SpeaksTls,
    /// The server reset the HTTP/2 stream.
    StreamReset {
        /// Its reason (RFC 9113, section 7).
        reason: Option<String>,
    },
    /// The time was up.
    TimedOut {
        /// What was being done.
        during: Phase,
        /// The time.
        limit_ms: u64,
    },
    /// The server breaks the rules of TLS.
    TlsBroken,
    /// An address cannot be connected to, for a reason without a kind of its own.
    Unconnected {
        /// The address.
        address: SocketAddr,
    },
    /// The server refuses TLS 1.2 and 1.3.
    VersionsRefused,
}

/// How a connection ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Neither of the others.
    Broken,
    /// By its ordinary end.
    Closed,
    /// By a reset.
    Reset,
}

impl End {
    fn words(self) -> &'static str {
        match self {
            Self::Broken => "the connection broke",
            Self::Closed => "the server closed the connection",
            Self::Reset => "the server reset the connection",
        }
    }
}

impl Cause {
    /// Where a probe with this cause ended.
    pub fn phase(&self) -> Phase {
        match self {
            Self::ConnectTimedOut { .. }
            | Self::NoRoute { .. }
            | Self::Refused { .. }
            | Self::Unconnected { .. } => Phase::Connect,
            Self::TimedOut { .. } => Phase::Deadline,
            Self::BodyBrokenOff { .. }
            | Self::BodyMalformed
            | Self::BrokenOffBeforeHead { .. }
            | Self::GoAway { .. }
            | Self::Http11Required
            | Self::Http1Only
            | Self::Http2Broken { .. }
            | Self::Http2Only
            | Self::NotHttp
            | Self::SpeaksTls
            | Self::StreamReset { .. } => Phase::Http,
            Self::HeadTooLarge
            | Self::Here { .. }
            | Self::NoFiles { .. }
            | Self::NoLocalAddress { .. }
            | Self::NoResolver { .. }
            | Self::NotPermitted { .. }
            | Self::OldTls { .. } => Phase::Local,
            Self::NameWithoutAddress { .. } | Self::NameNotFound { .. } => Phase::Resolve,
            // One address that was reached and refused is evidence about the route, whatever happened to the others here.
            Self::Several { causes } => {
                let elsewhere = causes.iter().map(Self::phase).find(|phase| *phase != Phase::Local);
                elsewhere.unwrap_or(Phase::Local)
            }
            Self::Alert { .. }
            | Self::BrokenOffInHandshake { .. }
            | Self::ClientCertificateRefused
            | Self::ClientCertificateWanted
            | Self::HandshakeRefused
            | Self::Http2NotAgreed
            | Self::InternalError { .. }
            | Self::NoCertificateFor { .. }
            | Self::NoProtocol { .. }
            | Self::NotSent
            | Self::NotTls
            | Self::NothingInCommon
            | Self::TlsBroken
            | Self::VersionsRefused => Phase::Tls,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectTimedOut { address } => {
                write!(f, "{address} did not answer in its share of the time")
            }
            Self::NoFiles { address } => {
                write!(f, "{address} was not asked: this machine has no file descriptor left")
            }
            Self::NoLocalAddress { address } => {
                write!(f, "{address} was not asked: this machine has no address to ask from")
            }
            Self::NoRoute { address } => write!(f, "there is no route to {address}"),
            Self::NotPermitted { address } => {
                write!(f, "{address} was not asked: this machine does not permit it")
            }
            Self::Refused { address } => write!(f, "{address} refuses the connection"),
            Self::Unconnected { address } => write!(f, "{address} cannot be connected to"),
            Self::NameNotFound { name } => write!(f, "the name {name} does not exist"),
            Self::NameWithoutAddress { name } => write!(f, "the name {name} has no address"),
            Self::NoResolver { name } => write!(f, "no resolver could be asked for {name}"),
            Self::Several { causes } => {
                f.write_str(&causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
            Self::TimedOut { during, limit_ms } => {
                write!(f, "the time of {limit_ms} ms was up while {during}")
            }
            Self::Here { what } => f.write_str(what),
            other => other.after_connecting(f),
        }
    }
}

impl Cause {
    fn after_connecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyBrokenOff { end } => write!(f, "{} before the body was whole", end.words()),
            Self::BrokenOffBeforeHead { end } => write!(f, "{} before the head of its answer", end.words()),
            Self::BrokenOffInHandshake { end } => write!(f, "{} in the handshake", end.words()),
            Self::Alert { number } => write!(f, "the server ended the handshake with alert {number}"),
            Self::GoAway { reason } => {
                write!(
                    f,
                    "the server ended the HTTP/2 connection without an answer: GOAWAY{}",
                    coded(reason.as_deref())
                )
            }
            Self::StreamReset { reason } => {
                write!(f, "the server reset the HTTP/2 stream: RST_STREAM{}", coded(reason.as_deref()))
            }
            Self::Http2Broken { reason } => {
                write!(f, "the server breaks the rules of HTTP/2{}", coded(reason.as_deref()))
            }
            Self::InternalError { host } => write!(
                f,
                "the server failed in the handshake (alert internal_error), as some do that have no certificate for {host}"
            ),
            Self::NoCertificateFor { host } => {
                write!(f, "the server has no certificate for {host} (alert unrecognized_name)")
            }
            Self::NoProtocol { wanted: Some(version) } => {
                write!(f, "the server does not speak HTTP/{}, which the route insists on", version.as_str())
            }
            Self::OldTls { offer } => {
                write!(f, "the server offers {offer}, and nothing that this program's TLS accepts")
            }
            fixed => f.write_str(fixed.fixed()),
        }
    }

    /// The texts without data.
    fn fixed(&self) -> &'static str {
        match self {
            Self::BodyMalformed => "the body breaks the rules of HTTP",
            Self::ClientCertificateRefused => "the server refuses the client certificate that it was shown",
            Self::ClientCertificateWanted => {
                "the server wants a client certificate, and probes send none: give the route a client_certificate"
            }
            Self::HandshakeRefused => {
                "the server refuses every TLS version, cipher suite and curve that was offered (alert handshake_failure)"
            }
            Self::HeadTooLarge => {
                "the head of its answer is larger than this program reads (128 KiB or 512 headers)"
            }
            Self::Http11Required => {
                "the server wants HTTP/1.1 for this (HTTP_1_1_REQUIRED): set http = \"1.1\""
            }
            Self::Http1Only => {
                "the server answers in HTTP/1.1, not in HTTP/2: it has no HTTP/2 on plain HTTP"
            }
            Self::Http2NotAgreed => "the server did not agree to HTTP/2, which the route insists on",
            Self::Http2Only => "the server answers in HTTP/2 only: set http = \"2\"",
            Self::NoProtocol { .. } => {
                "the server speaks neither HTTP/1.1 nor HTTP/2 (no ALPN protocol in common)"
            }
            Self::NotSent => "the certificate is not accepted, so query and credentials were not sent",
            Self::NotTls => "what answers there does not speak TLS",
            Self::NothingInCommon => {
                "the server shares no TLS version, cipher suite or curve with this program"
            }
            Self::SpeaksTls => "the port speaks TLS: write the URL with https://",
            Self::TlsBroken => "the server breaks the rules of TLS",
            Self::VersionsRefused => "the server refuses TLS 1.2 and 1.3 (alert protocol_version)",
            _ => "what answers there does not speak HTTP",
        }
    }
}

fn coded(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_addresses_one_that_was_reached_decides_the_phase() {
        let address = "192.0.2.1:443".parse().unwrap();
        let (local, refused) = (Cause::NoFiles { address }, Cause::Refused { address });
        let several = |causes: &[Cause]| Cause::Several { causes: causes.to_vec() };
        assert_eq!(several(&[local.clone(), refused.clone()]).phase(), Phase::Connect);
        assert_eq!(several(&[local.clone(), local]).phase(), Phase::Local);
        let text = several(&[refused.clone(), refused]).to_string();
        assert_eq!(text, "192.0.2.1:443 refuses the connection; 192.0.2.1:443 refuses the connection");
    }

    #[test]
    fn a_cause_reads_back_from_json() {
        let cause = Cause::TimedOut { during: Phase::Tls, limit_ms: 200 };
        let json = serde_json::to_value(&cause).unwrap();
        assert_eq!(json, serde_json::json!({ "kind": "timed_out", "during": "tls", "limit_ms": 200 }));
        assert_eq!(serde_json::from_value::<Cause>(json).unwrap(), cause);
        assert_eq!(Cause::NotHttp.to_string(), "what answers there does not speak HTTP");
    }
}
