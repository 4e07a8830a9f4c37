//! One probe: resolve, connect, TLS handshake, request; one deadline for all of it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use rustls::{AlertDescription, ClientConfig, InvalidMessage};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::exchange::exchange;
use crate::fact::{Failure, Phase, RouteFact, TimingMs, TlsFact, VerifyError, VerifyErrorKind};
use crate::roots::{Roots, RootsError, Trust};
use crate::spec::{HttpVersion, RouteSpec};
use crate::text::{millis_since, printable};
use crate::url::Scheme;
use crate::verify::Capturing;
use crate::{cert, resolve};

/// Probes routes with one loaded trust store. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    trust: Arc<Trust>,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}

impl Prober {
    /// Loads the trust store. Nothing is asked of the network.
    ///
    /// # Errors
    /// If the CA file is unreadable, empty or not a CA file, or if the system trusts no CA at all.
    pub fn new(roots: &Roots) -> Result<Self, RootsError> {
        Ok(Self { trust: Arc::new(Trust::load(roots)?) })
    }

    /// Probes one route once and returns what was seen; what the network does is a fact, never an error.
    ///
    /// `at` is the time by which certificates are judged and the time in the fact: now, unless a past or future
    /// moment is to be judged. Ends within the spec's deadline. Dropping the future ends the probe, except for a
    /// name look-up in progress: the system's resolver runs on a thread that cannot be stopped.
    pub async fn probe(&self, spec: &RouteSpec, at: Timestamp) -> RouteFact {
        let began = Instant::now();
        let mut run = Run { spec, began, phase: Phase::Resolve, fact: blank(spec, at) };
        let outcome = timeout(spec.deadline, run.all(&self.trust)).await;
        let (phase, mut fact) = (run.phase, run.fact);
        fact.timing_ms.total = millis_since(began);
        fact.failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(deadline_failure(spec.deadline, phase)),
        };
        fact
    }

    /// Probes every route once, at most `parallelism` at a time; the facts are in the order of the specs.
    pub async fn probe_all(
        &self,
        specs: &[RouteSpec],
        at: Timestamp,
        parallelism: NonZeroUsize,
    ) -> Vec<RouteFact> {
        let probes = specs.iter().map(|spec| self.probe(spec, at));
        stream::iter(probes).buffered(parallelism.get()).collect().await
    }
}

fn blank(spec: &RouteSpec, at: Timestamp) -> RouteFact {
    RouteFact {
        name: spec.name.clone(),
        url: spec.url.to_string(),
        at,
        address: spec.address,
        pinned: spec.address.is_some(),
        http: None,
        status: None,
        expected: spec.expected.clone(),
        tls: None,
        timing_ms: TimingMs::default(),
        body: None,
        location: None,
        failure: None,
    }
}

fn deadline_failure(deadline: Duration, during: Phase) -> Failure {
    let text = format!("the time of {} ms was up while {during}", deadline.as_millis());
    Failure { during: Some(during), ..Failure::new(Phase::Deadline, text) }
}

/// A probe under way. It outlives its own future, so what was seen before a deadline is kept.
struct Run<'a> {
    spec: &'a RouteSpec,
    began: Instant,
    phase: Phase,
    fact: RouteFact,
}

impl Run<'_> {
    async fn all(&mut self, trust: &Trust) -> Result<(), Failure> {
        let addresses = self.resolve().await?;
        let tcp = self.connect(&addresses).await?;
        let url = &self.spec.url;
        if url.scheme() == Scheme::Http {
            self.phase = Phase::Http;
            let version = self.spec.http.unwrap_or(HttpVersion::Http1);
            return exchange(tcp, version, url, &mut self.fact).await;
        }
        let (tls, version) = self.handshake(tcp, trust).await?;
        let verified = self.fact.tls.as_ref().is_some_and(|tls| tls.verified);
        // A query often holds a token, and an unverified server may be anyone.
        if !verified && url.has_query() {
            return Err(Failure::new(
                Phase::Tls,
                "the certificate is not accepted, so the query was not sent",
            ));
        }
        self.phase = Phase::Http;
        exchange(tls, version, url, &mut self.fact).await
    }

    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, Failure> {
        let began = Instant::now();
        let (addresses, looked_up) = resolve::addresses(self.spec).await?;
        if looked_up {
            self.fact.timing_ms.resolve = Some(millis_since(began));
        }
        Ok(addresses)
    }

    /// Tries one address after the other. Each gets a fair share of the time that is left, so that a first one
    /// that swallows packets (a broken IPv6 path, usually) does not hide a second one that works.
    async fn connect(&mut self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        self.phase = Phase::Connect;
        let began = Instant::now();
        let mut failures = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            self.fact.address = Some(*address);
            match self.connect_one(*address, addresses.len() - index).await {
                Ok(stream) => {
                    self.fact.timing_ms.connect = Some(millis_since(began));
                    return Ok(stream);
                }
                Err(failure) => failures.push(failure),
            }
        }
        // One address that was reached and refused is evidence about the route, whatever happened to the others here.
        let local = failures.iter().all(|failure| failure.phase == Phase::Local);
        let texts: Vec<&str> = failures.iter().map(|failure| failure.text.as_str()).collect();
        Err(Failure::new(if local { Phase::Local } else { Phase::Connect }, texts.join("; ")))
    }

    async fn connect_one(&self, address: SocketAddr, left: usize) -> Result<TcpStream, Failure> {
        let attempt = TcpStream::connect(address);
        let connected = if left == 1 {
            attempt.await
        } else {
            let remaining = self.spec.deadline.saturating_sub(self.began.elapsed());
            // The deadline is spread over the addresses that are left; the last one may use all of the rest.
            let share = remaining / u32::try_from(left).unwrap_or(u32::MAX);
            match timeout_at((Instant::now() + share).into(), attempt).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in its share of the time")),
            }
        };
        connected.map_err(|error| connect_failure(address, &error))
    }

    async fn handshake(
        &mut self,
        tcp: TcpStream,
        trust: &Trust,
    ) -> Result<(TlsStream<TcpStream>, HttpVersion), Failure> {
        self.phase = Phase::Tls;
        let began = Instant::now();
        let verifier = Arc::new(Capturing::new(Arc::clone(&trust.verifier), self.fact.at));
        let config = client_config(trust, Arc::clone(&verifier), self.spec.http)?;
        let name = ServerName::try_from(self.spec.url.host().to_owned())
            .map_err(|error| Failure::new(Phase::Local, error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(config));
        let connected = connector.connect(name, tcp).await;
        let stream = connected.map_err(|error| tls_failure(&error, self.spec.http))?;
        self.fact.timing_ms.tls = Some(millis_since(began));
        let verdict = verifier.verdict().unwrap_or_else(no_certificate);
        let fact = tls_fact(stream.get_ref().1, verdict, self.fact.at);
        let agreed = fact.alpn.clone();
        self.fact.tls = Some(fact);
        Ok((stream, version(self.spec.http, agreed.as_deref())?))
    }
}

/// Failures of this machine's own say nothing about the route.
fn connect_failure(address: SocketAddr, error: &io::Error) -> Failure {
    // ENFILE and EMFILE: no file descriptors are left here.
    let out_of_files = matches!(error.raw_os_error(), Some(23 | 24));
    let local = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied);
    let phase = if out_of_files || local { Phase::Local } else { Phase::Connect };
    Failure::new(phase, format!("{address}: {error}"))
}

fn client_config(
    trust: &Trust,
    verifier: Arc<Capturing>,
    forced: Option<HttpVersion>,
) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Phase::Local, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let (http1, http2) = (b"http/1.1".to_vec(), b"h2".to_vec());
    config.alpn_protocols = match forced {
        None => vec![http2, http1],
        Some(HttpVersion::Http1) => vec![http1],
        Some(HttpVersion::Http2) => vec![http2],
    };
    Ok(config)
}

/// A server that says nothing about ALPN speaks HTTP/1.1 (RFC 9113, section 3.2, makes `h2` the only way to HTTP/2).
fn version(forced: Option<HttpVersion>, agreed: Option<&str>) -> Result<HttpVersion, Failure> {
    match (forced, agreed) {
        (_, Some("h2")) => Ok(HttpVersion::Http2),
        (Some(HttpVersion::Http2), _) => {
            Err(Failure::new(Phase::Tls, "the server did not agree to HTTP/2, which the route insists on"))
        }
        _ => Ok(HttpVersion::Http1),
    }
}

fn tls_failure(error: &io::Error, forced: Option<HttpVersion>) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match (inner, forced) {
        (Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)), Some(version)) => {
            format!(": the server does not speak HTTP/{}, which the route insists on", version.as_str())
        }
        (Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), _) => {
            ": what answers there does not speak TLS".to_owned()
        }
        _ => String::new(),
    };
    Failure::new(Phase::Tls, format!("{error}{hint}"))
}

fn no_certificate() -> Result<(), VerifyError> {
    Err(VerifyError { kind: VerifyErrorKind::Other, text: "the server showed no certificate".to_owned() })
}

fn tls_fact(
    connection: &rustls::ClientConnection,
    verdict: Result<(), VerifyError>,
    at: Timestamp,
) -> TlsFact {
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let seen = leaf.map(|der| cert::read(der, at)).unwrap_or_default();
    TlsFact {
        version: connection.protocol_version().map(tls_version),
        alpn: connection.alpn_protocol().map(|name| printable(&String::from_utf8_lossy(name), 50)),
        subject: seen.subject,
        sans: seen.sans,
        issuer: seen.issuer,
        not_after: seen.not_after,
        days_left: seen.days_left,
        verified: verdict.is_ok(),
        verify_error: verdict.err(),
    }
}

fn tls_version(version: rustls::ProtocolVersion) -> String {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_this_machine_are_not_the_routes() {
        let address = "127.0.0.1:1".parse().unwrap();
        for (error, phase) in [
            (io::Error::from_raw_os_error(24), Phase::Local),
            (io::Error::from(io::ErrorKind::AddrNotAvailable), Phase::Local),
            (io::Error::from(io::ErrorKind::PermissionDenied), Phase::Local),
            (io::Error::from(io::ErrorKind::ConnectionRefused), Phase::Connect),
            (io::Error::from(io::ErrorKind::NetworkUnreachable), Phase::Connect),
        ] {
            assert_eq!(connect_failure(address, &error).phase, phase, "{error}");
        }
    }

    #[test]
    fn alpn_decides_unless_the_spec_insists() {
        let (one, two) = (HttpVersion::Http1, HttpVersion::Http2);
        assert_eq!(version(None, Some("h2")), Ok(two));
        assert_eq!(version(None, None), Ok(one));
        assert_eq!(version(Some(one), Some("http/1.1")), Ok(one));
        assert_eq!(version(Some(two), None).unwrap_err().phase, Phase::Tls);
    }
}
