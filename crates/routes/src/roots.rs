//! Which CAs are trusted, and the one place that names the cryptography provider.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{FileFault, read_bounded};

/// The largest CA file that is read. Distributions' bundles are about 230 kB.
const CA_FILE_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The CAs of this PEM file and no others, as `curl --cacert` does.
    Pem(PathBuf),
    /// The CAs that the system trusts.
    System,
}

/// A trust store that cannot be used: a matter of configuration, found before the first probe.
#[derive(Debug, Error)]
pub enum RootsError {
    /// The file could not be read.
    #[error("CA file {} cannot be read: check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("CA file {} is not a regular file: save the certificates to one, and name that", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is too large for a CA bundle.
    #[error("CA file {} is larger than {limit_bytes} bytes: give a file that holds CA certificates only", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What would have been read.
        limit_bytes: u64,
    },
    /// The file holds no certificate.
    #[error("CA file {} holds no certificate: it needs at least one PEM block BEGIN CERTIFICATE", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A block of the file is not PEM.
    #[error("CA file {} is not valid PEM at its certificate number {number}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Which block, from 1.
        number: usize,
        /// Why.
        source: pem::Error,
    },
    /// A block of the file is PEM, but not a certificate that can be trusted.
    #[error("CA file {} has an unusable certificate, number {number}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which block, from 1.
        number: usize,
        /// Why, in the verifier's words.
        reason: String,
    },
    /// The system has no CA at all, as in a minimal container.
    #[error("no CA certificate was found on this system ({detail}): install its CA bundle or give a CA file")]
    NoSystemRoots {
        /// What was tried.
        detail: String,
    },
    /// The verifier refuses the store.
    #[error("the trusted CA certificates cannot be used: {0}")]
    Verifier(String),
}

/// The authorities of a trust store, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootsCount {
    /// Those that are trusted.
    pub usable: u64,
    /// Files and certificates of the system's that were left out, because they cannot be read.
    pub unusable: u64,
}

impl Roots {
    /// Reads the trust store and counts what is in it.
    ///
    /// # Errors
    /// If [`Prober::new`](crate::Prober::new) would fail.
    pub fn count(&self) -> Result<RootsCount, RootsError> {
        let (store, unusable) = match self {
            Self::Pem(path) => (pem_store(path)?.0, 0),
            Self::System => system_store()?,
        };
        Ok(RootsCount { usable: store.len() as u64, unusable: unusable as u64 })
    }
}

/// A loaded trust store.
pub(crate) struct Trust {
    store: RootCertStore,
    pub(crate) verifier: Arc<WebPkiServerVerifier>,
    pub(crate) provider: Arc<CryptoProvider>,
    /// The certificates of a CA file as they are: a server may show one of them as its own.
    pub(crate) certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl Trust {
    pub(crate) fn load(roots: &Roots) -> Result<Self, RootsError> {
        let (store, certificates) = match roots {
            Roots::Pem(path) => pem_store(path)?,
            Roots::System => (system_store()?.0, Vec::new()),
        };
        Self::of(store, certificates, provider())
    }

    /// This store with the authorities of one more PEM file.
    pub(crate) fn and(&self, path: &Path) -> Result<Self, RootsError> {
        let (more, own) = pem_store(path)?;
        let (mut store, mut certificates) = (self.store.clone(), self.certificates.to_vec());
        store.roots.extend(more.roots);
        certificates.extend(own);
        Self::of(store, certificates, Arc::clone(&self.provider))
    }

    fn of(
        store: RootCertStore,
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, RootsError> {
        let roots = Arc::new(store.clone());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| RootsError::Verifier(error.to_string()))?;
        Ok(Self { store, verifier, provider, certificates: Arc::new(certificates) })
    }
}

/// The cryptography behind TLS. The only place that knows which one it is, so that it can be swapped.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn pem_store(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), RootsError> {
    let bytes = read_bounded(path, CA_FILE_LIMIT_BYTES).map_err(|fault| of_file(path, fault))?;
    let (mut store, mut certificates) = (RootCertStore::empty(), Vec::new());
    for (index, block) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
        let number = index + 1;
        let certificate =
            block.map_err(|source| RootsError::Pem { path: path.to_owned(), number, source })?;
        certificates.push(certificate.clone());
        store.add(certificate).map_err(|error| {
            let reason = error.to_string();
            RootsError::Certificate { path: path.to_owned(), number, reason }
        })?;
    }
    if store.is_empty() {
        Err(RootsError::Empty { path: path.to_owned() })
    } else {
        Ok((store, certificates))
    }
}

fn of_file(path: &Path, fault: FileFault) -> RootsError {
    let path = path.to_owned();
    match fault {
        FileFault::Read(source) => RootsError::Read { path, source },
        FileFault::NotAFile => RootsError::NotAFile { path },
        FileFault::TooLarge(limit_bytes) => RootsError::TooLarge { path, limit_bytes },
        FileFault::NotPem => RootsError::Empty { path },
    }
}

/// Unreadable certificates among hundreds are left out and counted: a route whose CA is missing fails with
/// `unknown_issuer`, and refusing the whole store would hide every other route's state.
fn system_store() -> Result<(RootCertStore, usize), RootsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (_, ignored) = store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok((store, ignored + found.errors.len()));
    }
    let mut tried: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    if ignored > 0 {
        tried.push(format!("{ignored} of the system's CA certificates cannot be used"));
    }
    let detail = if tried.is_empty() { "no bundle".to_owned() } else { tried.join("; ") };
    Err(RootsError::NoSystemRoots { detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(content: &[u8]) -> Result<Trust, RootsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Trust::load(&Roots::Pem(file.path().to_owned()))
    }

    #[test]
    fn a_ca_file_is_loaded() {
        let ca = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
        assert!(load(ca.cert.pem().as_bytes()).is_ok());
    }

    #[test]
    fn the_authorities_of_a_file_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ca = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert.pem();
        let roots = Roots::Pem(file.path().to_owned());
        std::fs::write(file.path(), ca("a.example") + &ca("b.example")).unwrap();
        assert_eq!(roots.count().unwrap(), RootsCount { usable: 2, unusable: 0 });
        std::fs::write(file.path(), "").unwrap();
        assert!(matches!(roots.count(), Err(RootsError::Empty { .. })));
    }

    #[test]
    fn bad_ca_files_are_told_apart() {
        let missing = Roots::Pem("/nonexistent/ca.pem".into());
        assert!(matches!(Trust::load(&missing), Err(RootsError::Read { .. })));
        assert!(matches!(load(b""), Err(RootsError::Empty { .. })));
        assert!(matches!(load(b"no certificate in here"), Err(RootsError::Empty { .. })));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(load(cut), Err(RootsError::Pem { number: 1, .. })));
        let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(load(junk), Err(RootsError::Certificate { number: 1, .. })));
        let limit = usize::try_from(CA_FILE_LIMIT_BYTES).unwrap();
        assert!(matches!(load(&vec![b'x'; limit + 1]), Err(RootsError::TooLarge { .. })));
    }

    #[test]
    fn the_message_names_the_file_and_the_remedy() {
        let error = load(b"").err().unwrap().to_string();
        assert!(error.contains("CA file /") && error.contains("BEGIN CERTIFICATE"), "{error}");
    }
}
