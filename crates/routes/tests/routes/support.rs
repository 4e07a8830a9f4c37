//! Servers on loopback that answer, lie, stall and break off on purpose.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pvcheck_routes::{MaterialError, Prober, Roots, RouteSpec, RouteUrl};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name that good certificates are for.
pub(crate) const HOST: &str = "ci.example.net";

/// A time at which good certificates are good.
pub(crate) fn now() -> jiff::Timestamp {
    "2026-06-13T05:38:02Z".parse().unwrap()
}

/// A file with this content, until it is dropped.
pub(crate) fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

/// A certification authority of a test's own.
pub(crate) struct Ca {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, as a server's that shows it.
    pub(crate) fn as_leaf(&self) -> Leaf {
        let der = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap().to_vec();
        let key = self.issuer.key();
        Leaf { der, key: key.serialize_der(), pem: self.pem.clone(), key_pem: key.serialize_pem() }
    }

    /// A CA whose certificate has names of its own, as `openssl req -x509` makes them.
    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A prober that trusts this CA and no other.
    pub(crate) fn prober(&self) -> Prober {
        Prober::new(&Roots::Pem(file(&self.pem).path().to_owned())).unwrap()
    }

    /// The same, with what these routes need.
    pub(crate) fn prober_for(&self, specs: &[RouteSpec]) -> Result<Prober, MaterialError> {
        Prober::for_routes(&Roots::Pem(file(&self.pem).path().to_owned()), specs)
    }

    /// A certificate for the names, good from 2026-01-01 to the end of 2026-08-12.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_until(names, (2026, 8, 13))
    }

    pub(crate) fn leaf_until(&self, names: &[&str], (year, month, day): (i32, u8, u8)) -> Leaf {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

/// A certificate for this name that vouches for itself, and is no CA's.
pub(crate) fn self_signed(name: &str) -> Leaf {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Leaf {
        der: made.cert.der().to_vec(),
        key: made.signing_key.serialize_der(),
        pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
    }
}

/// A server certificate with its key.
pub(crate) struct Leaf {
    der: Vec<u8>,
    key: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
}

impl Leaf {
    /// A TLS server that offers these protocols by ALPN.
    pub(crate) fn offering(&self, alpn: &[&str]) -> TlsAcceptor {
        self.with_versions(alpn, rustls::DEFAULT_VERSIONS)
    }

    /// A TLS server that wants a client certificate of this CA.
    pub(crate) fn wanting_a_certificate(
        &self,
        ca: &Ca,
        version: &'static SupportedProtocolVersion,
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivateKeyDer::Pkcs8(self.key.clone().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![self.der.clone().into()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn with_versions(
        &self,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.clone().into());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone().into()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A spec for a path of `HOST`, pinned to the server.
pub(crate) fn spec(scheme: &str, path: &str, server: SocketAddr) -> RouteSpec {
    let url = RouteUrl::parse(&format!("{scheme}://{HOST}{path}")).unwrap();
    let mut spec = RouteSpec::new("route", url);
    spec.address = server.into();
    spec.deadline = Duration::from_secs(20);
    spec
}

/// A server that does with each connection what it is told; it ends with the test's runtime.
pub(crate) async fn raw<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

pub(crate) type Answer = Response<Full<Bytes>>;

/// A server that speaks TLS where it has an acceptor, and HTTP/2 where ALPN says so.
pub(crate) async fn http<F>(tls: Option<TlsAcceptor>, answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
{
    raw(move |tcp| {
        let (tls, answer) = (tls.clone(), answer.clone());
        async move {
            let Some(acceptor) = tls else { return serve(tcp, false, answer).await };
            // A client may well break the handshake off; that is what some tests are about.
            if let Ok(stream) = acceptor.accept(tcp).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve(stream, http2, answer).await;
            }
        }
    })
    .await
}

pub(crate) async fn serve<T, F>(io: T, http2: bool, answer: F)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer) }
    });
    // Clients may close at any time, so how a connection ends is not checked here.
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(TokioIo::new(io), service).await);
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        drop(builder.serve_connection(TokioIo::new(io), service).await);
    }
}

pub(crate) fn status(code: u16) -> Answer {
    Response::builder().status(code).body(Full::from("ok")).unwrap()
}
