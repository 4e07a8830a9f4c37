//! One probe: resolve, connect, TLS handshake, request; one deadline for all of it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cause::Cause;
use crate::conditions::Conditions;
use crate::exchange::{Answer, BODY_LIMIT, exchange};
use crate::fact::{Failure, RouteFact, TimingMs, TlsFact, VerifyError, VerifyErrorKind};
use crate::material::{Material, MaterialError};
use crate::phase::Phase;
use crate::request::Request;
use crate::roots::{Roots, RootsError, Trust};
use crate::spec::{HttpVersion, RouteSpec};
use crate::text::{millis, millis_since, printable};
use crate::url::Scheme;
use crate::verify::Capturing;
use crate::words::{finds_nothing_in_common, handshake_failure, tls_error};
use crate::{cert, curl, legacy, observe, resolve};

/// Probes routes with what was loaded for them: a trust store, and what their requests need. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    trust: Arc<Trust>,
    /// The CA file, where there is one, for curl.
    ca: Option<PathBuf>,
    materials: Arc<Vec<(Request, Arc<Material>)>>,
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
        Ok(Self { trust: Arc::new(Trust::load(roots)?), ca: file(roots), materials: Arc::default() })
    }

    /// Loads the trust store, and for each of the routes its credentials, authorities and client certificate. Nothing is asked
    /// of the network.
    ///
    /// # Errors
    /// As [`Prober::new`], and if what a route names cannot be read or used; the error names the route and never shows what
    /// was read.
    pub fn for_routes(roots: &Roots, specs: &[RouteSpec]) -> Result<Self, MaterialError> {
        let trust = Arc::new(Trust::load(roots)?);
        let mut materials: Vec<(Request, Arc<Material>)> = Vec::new();
        for spec in specs.iter().filter(|spec| spec.request != Request::default()) {
            if materials.iter().all(|(request, _)| *request != spec.request) {
                materials.push((spec.request.clone(), Arc::new(Material::load(spec, &trust)?)));
            }
        }
        Ok(Self { trust, ca: file(roots), materials: Arc::new(materials) })
    }

    /// What the route's request needs; read now where the route was not among those of [`Prober::for_routes`].
    fn material(&self, spec: &RouteSpec) -> Result<Arc<Material>, MaterialError> {
        match self.materials.iter().find(|(request, _)| *request == spec.request) {
            Some((_, material)) => Ok(Arc::clone(material)),
            None => Material::load(spec, &self.trust).map(Arc::new),
        }
    }

    /// Probes one route once and returns what was seen; what the network does is a fact, never an error.
    ///
    /// `at` is the time by which certificates are judged and the time in the fact: now, unless a past or future
    /// moment is to be judged. Ends within the spec's deadline. Dropping the future ends the probe, except for a
    /// name look-up in progress: the system's resolver runs on a thread that cannot be stopped.
    pub async fn probe(&self, spec: &RouteSpec, at: Timestamp) -> RouteFact {
        let began = Instant::now();
        let (mut fact, answer) = (blank(spec, at), Answer::default());
        let material = match self.material(spec) {
            Ok(material) => material,
            Err(error) => {
                fact.failure = Some(Failure::because(Cause::Here { what: error.to_string() }));
                return fact;
            }
        };
        let trust = material.trust.as_ref().unwrap_or(&self.trust);
        let mut run = Run { spec, material: &material, began, phase: Phase::Resolve, fact, answer };
        let outcome = timeout(spec.deadline, run.all(trust)).await;
        let (phase, mut fact, answer) = (run.phase, run.fact, run.answer);
        fact.timing_ms.total = millis_since(began);
        fact.failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            // A body without a declared length that has begun and not ended is a stream: its head and beginning came.
            Err(_) if fact.body.as_ref().is_some_and(|body| body.length.is_none() && 0 < body.bytes) => None,
            Err(_) => {
                Some(Failure::because(Cause::TimedOut { during: phase, limit_ms: millis(spec.deadline) }))
            }
        };
        if let Some(body) = &mut fact.body {
            body.stream |= fact.failure.is_none() && !body.complete && !body.cut && body.bytes < BODY_LIMIT;
        }
        look(&spec.conditions, &answer, &mut fact);
        fact.curl = Some(curl::line(spec, fact.address, self.ca.as_deref()));
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

/// What the conditions find in the answer, if there is one.
fn look(conditions: &Conditions, answer: &Answer, fact: &mut RouteFact) {
    if fact.status.is_none() {
        return;
    }
    let whole = fact.body.as_ref().is_some_and(|body| body.complete);
    fact.headers_seen = observe::headers(&conditions.headers, &answer.headers);
    fact.body_seen = observe::body(&conditions.body, &answer.headers, &answer.beginning, whole);
}

fn blank(spec: &RouteSpec, at: Timestamp) -> RouteFact {
    RouteFact {
        name: spec.name.clone(),
        url: spec.url.to_string(),
        method: spec.request.method,
        at,
        address: spec.address.as_slice().first().copied(),
        pinned: !spec.address.is_empty(),
        refused: Vec::new(),
        http: None,
        status: None,
        expected: spec.expected.clone(),
        conditions: spec.conditions.clone(),
        headers_seen: Vec::new(),
        body_seen: Vec::new(),
        tls: None,
        timing_ms: TimingMs::default(),
        body: None,
        location: None,
        retry_after: None,
        server: None,
        www_authenticate: Vec::new(),
        origin: None,
        allow_empty: spec.allow_empty,
        headers_suffice: spec.headers_suffice,
        allow_default: spec.allow_default,
        client_certificate: false,
        failure: None,
        curl: None,
        of_attempts: 1,
        earlier: Vec::new(),
    }
}

fn file(roots: &Roots) -> Option<PathBuf> {
    match roots {
        Roots::Pem(path) => Some(path.clone()),
        Roots::System => None,
    }
}

/// A probe under way. It outlives its own future, so what was seen before a deadline is kept.
struct Run<'a> {
    spec: &'a RouteSpec,
    material: &'a Material,
    began: Instant,
    phase: Phase,
    fact: RouteFact,
    answer: Answer,
}

impl Run<'_> {
    async fn all(&mut self, trust: &Trust) -> Result<(), Failure> {
        let addresses = self.resolve().await?;
        let mut left = addresses.as_slice();
        loop {
            let (tcp, tried) = self.connect(left).await?;
            left = &left[tried..];
            match self.ask(tcp, trust).await {
                // Of a list of nodes the next one is asked, as by any client of several routers: a router that stops resets
                // what it has accepted, and an idempotent request may be sent again.
                Err(_) if self.may_go_on() && !left.is_empty() => {
                    self.fact.refused.extend(self.fact.address);
                    self.fact.tls = None;
                }
                done => return done,
            }
        }
    }

    fn may_go_on(&self) -> bool {
        self.fact.pinned && self.fact.status.is_none() && self.spec.request.method.is_idempotent()
    }

    async fn ask(&mut self, tcp: TcpStream, trust: &Trust) -> Result<(), Failure> {
        let url = &self.spec.url;
        if url.scheme() == Scheme::Http {
            self.phase = Phase::Http;
            let version = self.spec.http.unwrap_or(HttpVersion::Http1);
            return exchange(tcp, version, self.spec, self.material, &mut self.fact, &mut self.answer).await;
        }
        let asked = Asked { certificate: self.material.certificate.clone(), ..Asked::default() };
        let done = self.over_tls(tcp, trust, &asked).await;
        self.fact.client_certificate = asked.was_asked();
        let cause = match asked.certificate {
            Some(_) => Cause::ClientCertificateRefused,
            None => Cause::ClientCertificateWanted,
        };
        let trusted = self.fact.tls.as_ref().is_none_or(|tls| tls.verified);
        // In TLS 1.3 the refusal comes after the handshake, as an alert or as a reset, at the first read or write: one
        // reason for all of them.
        done.map_err(|failure| match failure.phase {
            Phase::Tls | Phase::Http
                if self.fact.client_certificate && trusted && self.fact.status.is_none() =>
            {
                Failure { evidence: failure.evidence, ..Failure::because(cause) }
            }
            _ => failure,
        })
    }

    async fn over_tls(&mut self, tcp: TcpStream, trust: &Trust, asked: &Asked) -> Result<(), Failure> {
        let url = &self.spec.url;
        let (tls, version) = self.handshake(tcp, trust, asked).await?;
        let verified = self.fact.tls.as_ref().is_some_and(|tls| tls.verified);
        // A query often holds a token, and an unverified server may be anyone.
        if !verified && (url.has_query() || self.spec.request.has_secrets()) {
            return Err(Failure::because(Cause::NotSent));
        }
        self.phase = Phase::Http;
        exchange(tls, version, self.spec, self.material, &mut self.fact, &mut self.answer).await
    }

    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, Failure> {
        let began = Instant::now();
        let (addresses, looked_up) = resolve::addresses(self.spec).await?;
        if looked_up {
            self.fact.timing_ms.resolve = Some(millis_since(began));
        }
        Ok(addresses)
    }

    /// Tries one address after the other, and returns how many were tried too. Each gets a fair share of the time that is
    /// left, so that a first one that swallows packets (a broken IPv6 path, usually) does not hide a second one that works.
    async fn connect(&mut self, addresses: &[SocketAddr]) -> Result<(TcpStream, usize), Failure> {
        self.phase = Phase::Connect;
        let began = Instant::now();
        let mut failures = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            self.fact.address = Some(*address);
            match self.connect_one(*address, addresses.len() - index).await {
                Ok(stream) => {
                    self.fact.timing_ms.connect = Some(millis_since(began));
                    return Ok((stream, index + 1));
                }
                Err(failure) => {
                    failures.push(failure);
                    if index + 1 < addresses.len() {
                        self.fact.refused.push(*address);
                    }
                }
            }
        }
        Err(all(failures))
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
                Err(_) => return Err(Failure::because(Cause::ConnectTimedOut { address })),
            }
        };
        connected.map_err(|error| connect_failure(address, &error))
    }

    async fn handshake(
        &mut self,
        tcp: TcpStream,
        trust: &Trust,
        asked: &Asked,
    ) -> Result<(TlsStream<TcpStream>, HttpVersion), Failure> {
        self.phase = Phase::Tls;
        let began = Instant::now();
        let verifier = Arc::new(Capturing::new(trust, self.fact.at));
        let config = client_config(trust, Arc::clone(&verifier), asked.clone(), self.spec.http)?;
        let name = ServerName::try_from(self.spec.url.host().to_owned())
            .map_err(|error| Failure::because(Cause::Here { what: error.to_string() }))?;
        let connector = TlsConnector::from(Arc::new(config));
        let connected = connector.connect(name, tcp).await;
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => return Err(self.handshake_failure(&error, asked).await),
        };
        self.fact.timing_ms.tls = Some(millis_since(began));
        let faults = verifier.faults().unwrap_or_else(no_certificate);
        let fact = tls_fact(stream.get_ref().1, faults, self.fact.at);
        let agreed = fact.alpn.clone();
        self.fact.tls = Some(fact);
        Ok((stream, version(self.spec.http, agreed.as_deref())?))
    }

    /// A server that has nothing in common with this program's TLS is asked once more for what it has.
    async fn handshake_failure(&self, error: &io::Error, asked: &Asked) -> Failure {
        let host = self.spec.url.host();
        // TLS 1.2 has no alert for a client certificate that is missing, and servers send handshake_failure.
        let unlike = tls_error(error).filter(|e| finds_nothing_in_common(e) && !asked.was_asked());
        if let (Some(_), Some(address)) = (unlike, self.fact.address)
            && let Some(offer) = legacy::offer(address, host).await
        {
            return Failure::because(Cause::OldTls { offer });
        }
        handshake_failure(error, host, self.spec.http)
    }
}

/// Notes that a server asks for a client certificate, and gives that of the route, or none.
#[derive(Clone, Debug, Default)]
struct Asked {
    asked: Arc<AtomicBool>,
    certificate: Option<Arc<CertifiedKey>>,
}

impl Asked {
    fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certificate.clone()
    }

    // True, because rustls asks for a certificate only where there may be one.
    fn has_certs(&self) -> bool {
        true
    }
}

/// One failure of several, each of an address.
fn all(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let evidence: Vec<&str> = failures.iter().filter_map(|failure| failure.evidence.as_deref()).collect();
    let evidence = evidence.join("; ");
    let causes = failures.into_iter().filter_map(|failure| failure.cause).collect();
    Failure::because(Cause::Several { causes }).with_evidence(&evidence)
}

/// Failures of this machine's own say nothing about the route.
fn connect_failure(address: SocketAddr, error: &io::Error) -> Failure {
    let cause = match (error.raw_os_error(), error.kind()) {
        // ENFILE and EMFILE: no file descriptors are left here.
        (Some(23 | 24), _) => Cause::NoFiles { address },
        (_, io::ErrorKind::AddrNotAvailable) => Cause::NoLocalAddress { address },
        (_, io::ErrorKind::PermissionDenied) => Cause::NotPermitted { address },
        (_, io::ErrorKind::ConnectionRefused) => Cause::Refused { address },
        (_, io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => Cause::NoRoute { address },
        (_, io::ErrorKind::TimedOut) => Cause::ConnectTimedOut { address },
        _ => Cause::Unconnected { address },
    };
    Failure::because(cause).with_evidence(&error.to_string())
}

fn client_config(
    trust: &Trust,
    verifier: Arc<Capturing>,
    asked: Asked,
    forced: Option<HttpVersion>,
) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::because(Cause::Here { what: error.to_string() }))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(asked));
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
        (Some(HttpVersion::Http2), _) => Err(Failure::because(Cause::Http2NotAgreed)),
        _ => Ok(HttpVersion::Http1),
    }
}

fn no_certificate() -> Vec<VerifyError> {
    vec![VerifyError { kind: VerifyErrorKind::Other, text: "the server showed no certificate".to_owned() }]
}

fn tls_fact(connection: &rustls::ClientConnection, mut faults: Vec<VerifyError>, at: Timestamp) -> TlsFact {
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let seen = leaf.map(|der| cert::read(der, at)).unwrap_or_default();
    let also_wrong = faults.split_off(faults.len().min(1));
    TlsFact {
        version: connection.protocol_version().map(tls_version),
        alpn: connection.alpn_protocol().map(|name| printable(&String::from_utf8_lossy(name), 50)),
        subject: seen.subject,
        sans: seen.sans,
        issuer: seen.issuer,
        not_after: seen.not_after,
        days_left: seen.days_left,
        verified: faults.is_empty(),
        verify_error: faults.pop(),
        also_wrong,
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
