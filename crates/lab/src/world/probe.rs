//! Asking one route from inside a lab: is the world up?

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

/// Trusts one authority only.
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
        let address: SocketAddr = route.address.parse().map_err(io::Error::other)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tcp = TcpStream::connect_timeout(&address, SILENCE)?;
        tcp.set_read_timeout(Some(SILENCE))?;
        tcp.set_write_timeout(Some(SILENCE))?;
        let tls = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, tcp);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        stream.flush()?;
        let mut head = [0; 32];
        stream.read_exact(&mut head)?;
        status_of(&head).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
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
}
