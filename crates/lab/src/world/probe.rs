//! Requests a route from inside a lab, to see that the world is up.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::engine::api::status_of;
use crate::{LabError, RouteInfo};

/// Longest silence of the router.
const SILENCE: Duration = Duration::from_secs(2);

/// An HTTPS client that trusts one authority only.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    config: Arc<ClientConfig>,
}

impl Prober {
    pub(crate) fn new(ca_pem: &str) -> Result<Self, LabError> {
        Self::build(ca_pem).map_err(|source| LabError::Io {
            action: "trust the certificate authority of",
            path: "the lab".into(),
            source,
        })
    }

    fn build(ca_pem: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(io::Error::other)?;
        roots.add(ca).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// The status of one GET, or why there is none. The certificate is verified.
    pub(crate) fn status(&self, route: &RouteInfo) -> io::Result<u16> {
        let (host, path) = split_url(&route.url).ok_or_else(|| io::Error::other("no https URL"))?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tcp = connect(&route.addresses)?;
        tcp.set_read_timeout(Some(SILENCE))?;
        tcp.set_write_timeout(Some(SILENCE))?;
        let tls = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, tcp);
        // In one piece: `write!` on the stream would make a TLS record of each fragment, and a router that answers
        // and closes after the first would break the rest.
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let mut head = [0; 32];
        stream.read_exact(&mut head)?;
        status_of(&head).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

/// A connection to the first address that takes one.
fn connect(addresses: &[String]) -> io::Result<TcpStream> {
    let mut refused = io::Error::other("the route has no address");
    for address in addresses {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        match TcpStream::connect_timeout(&address, SILENCE) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Host and path of `https://HOST/PATH`.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    (!host.is_empty()).then_some((host, if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(split_url("https://a.test/b/c"), Some(("a.test", "/b/c")));
        assert_eq!(split_url("https://a.test"), Some(("a.test", "/")));
        assert_eq!(split_url("http://a.test/"), None);
        assert_eq!(split_url("https:///x"), None);
    }

    #[test]
    fn trusts_what_certificates_makes_and_nothing_else() {
        let made = crate::world::certificates::make(&["a.test".to_owned(), "*.b.test".to_owned()]).unwrap();
        assert!(Prober::new(&made.ca).is_ok());
        assert!(Prober::new("no certificate").is_err());
        assert!(made.leaf_key.contains("PRIVATE KEY") && !made.leaf.contains("PRIVATE"));
    }

    /// A router that answers one connection over TLS with `answer`; its address.
    fn router(made: &crate::world::certificates::Certificates, answer: &'static str) -> SocketAddr {
        let chain = vec![CertificateDer::from_pem_slice(made.leaf.as_bytes()).unwrap()];
        let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(made.leaf_key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(tls, tcp);
            // A client that refuses the certificate ends here.
            if stream.read(&mut [0; 512]).is_ok() {
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        address
    }

    fn route(url: &str, address: SocketAddr) -> RouteInfo {
        RouteInfo {
            name: "r".into(),
            url: url.into(),
            addresses: vec![address.to_string()],
            expected: vec![200],
            service: "s".into(),
        }
    }

    fn certificates() -> crate::world::certificates::Certificates {
        crate::world::certificates::make(&["a.test".to_owned(), "*.b.test".to_owned()]).unwrap()
    }

    const ANSWER: &str = "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_trusted_router_is_asked_for_its_status() {
        let made = certificates();
        let prober = Prober::new(&made.ca).unwrap();
        for host in ["a.test", "x.b.test"] {
            let address = router(&made, ANSWER);
            assert_eq!(prober.status(&route(&format!("https://{host}/"), address)).unwrap(), 303, "{host}");
        }
    }

    #[test]
    fn other_names_and_other_authorities_are_refused() {
        let made = certificates();
        let prober = Prober::new(&made.ca).unwrap();
        for host in ["c.test", "x.y.b.test", "b.test"] {
            let address = router(&made, ANSWER);
            let error = prober.status(&route(&format!("https://{host}/"), address)).unwrap_err();
            assert!(error.to_string().contains("certificate"), "{host}: {error}");
        }
        let stranger = Prober::new(&certificates().ca).unwrap();
        let address = router(&made, ANSWER);
        assert!(stranger.status(&route("https://a.test/", address)).is_err());
    }

    #[test]
    fn an_answer_that_is_not_http_is_no_status() {
        let made = certificates();
        let prober = Prober::new(&made.ca).unwrap();
        let address = router(&made, "SSH-2.0-OpenSSH_9.2 is what answers here\r\n");
        let error = prober.status(&route("https://a.test/", address)).unwrap_err();
        assert_eq!(error.to_string(), "the answer is not HTTP");
    }

    #[test]
    fn routes_that_cannot_be_asked_are_errors() {
        let prober = Prober::new(&certificates().ca).unwrap();
        let closed: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert!(prober.status(&route("http://a.test/", closed)).is_err(), "not https");
        assert!(prober.status(&route("https://a test/", closed)).is_err(), "not a host name");
        let mut unparsable = route("https://a.test/", closed);
        unparsable.addresses = vec!["a.test".into()];
        assert!(prober.status(&unparsable).is_err(), "no port");
        assert!(prober.status(&route("https://a.test/", closed)).is_err(), "nothing listens");
    }
}
