//! What the requests of routes need from files and the environment, read before the first of them is sent.

use std::env::{self, VarError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::files::{FileFault, read_bounded};
use crate::request::{ClientCertificate, Request, SecretSource, SentValue};
use crate::roots::{RootsError, Trust};
use crate::spec::RouteSpec;

/// The longest credential: servers take heads of 8 to 16 KiB.
const SECRET_LIMIT_BYTES: u64 = 16 * 1024;
/// The largest file of a client certificate or its key.
const PEM_LIMIT_BYTES: u64 = 1024 * 1024;

/// A credential, certificate or key that cannot be used: a matter of configuration, found before the first probe. Never
/// shows what it read.
#[derive(Debug, Error)]
pub enum MaterialError {
    /// The authorities cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// What a route's request needs cannot be read.
    #[error("route `{route}`: {fault}")]
    Route {
        /// The route.
        route: String,
        /// What is wrong, and what to do.
        fault: RouteMaterialFault,
    },
}

/// What is wrong with what a route's request needs.
#[derive(Debug, Error)]
pub enum RouteMaterialFault {
    /// Its authorities cannot be read.
    #[error(transparent)]
    Ca(#[from] RootsError),
    /// The environment variable is not set.
    #[error("environment variable {0} is not set: export the credential in it, or name another")]
    NotSet(String),
    /// A file cannot be read.
    #[error("{what} {} {fault}", path.display())]
    File {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        fault: FileFault,
    },
    /// A credential is empty, or has characters that a header cannot have.
    #[error(
        "the credential in {0} is empty or has characters that a header cannot have: it must be one line of ASCII"
    )]
    NotSendable(String),
    /// A PEM file holds nothing of its kind.
    #[error("{what} {} holds none: it needs a PEM block BEGIN {block}", path.display())]
    NoPem {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it lacks.
        block: &'static str,
    },
    /// Certificate and key do not belong together, or the key is of a kind that is not supported.
    #[error("client certificate {} and key {} do not belong together, or the key is of a kind that TLS here does not take", certificate.display(), key.display())]
    NotAPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// What a route's request needs besides its spec. `Debug` shows none of it.
#[derive(Clone, Default)]
pub(crate) struct Material {
    /// Headers with their credentials, marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// Whom this route trusts, where that differs from the others.
    pub(crate) trust: Option<Arc<Trust>>,
    pub(crate) certificate: Option<Arc<CertifiedKey>>,
    secrets: Vec<String>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

impl Material {
    /// Reads what the route's request needs.
    pub(crate) fn load(spec: &RouteSpec, trust: &Trust) -> Result<Self, MaterialError> {
        let read = Self::read(&spec.request, trust);
        read.map_err(|fault| MaterialError::Route { route: spec.name.clone(), fault })
    }

    fn read(request: &Request, trust: &Trust) -> Result<Self, RouteMaterialFault> {
        let mut material = Self::default();
        for (name, value) in &request.headers {
            // The spec has been checked, so names and texts are fine.
            let Ok(name) = HeaderName::try_from(name) else { continue };
            match value {
                SentValue::Secret(source) => material.send(name, source, String::clone)?,
                SentValue::Text(text) => {
                    material.headers.extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
                }
            }
        }
        if let Some(basic) = &request.basic {
            let pair = |password: &String| STANDARD.encode(format!("{}:{password}", basic.user));
            material.send(AUTHORIZATION, &basic.password, |password| format!("Basic {}", pair(password)))?;
            let pairs: Vec<String> = material.secrets.last().map(pair).into_iter().collect();
            material.secrets.extend(pairs);
        }
        if let Some(source) = &request.bearer {
            material.send(AUTHORIZATION, source, |token| format!("Bearer {token}"))?;
        }
        material.trust = request.ca.as_deref().map(|ca| trust.and(ca)).transpose()?.map(Arc::new);
        material.certificate =
            request.client_certificate.as_ref().map(|pem| client(pem, trust)).transpose()?;
        Ok(material)
    }

    fn send(
        &mut self,
        name: HeaderName,
        source: &SecretSource,
        value: impl FnOnce(&String) -> String,
    ) -> Result<(), RouteMaterialFault> {
        let secret = secret(source)?;
        let mut sent = HeaderValue::from_str(&value(&secret))
            .map_err(|_| RouteMaterialFault::NotSendable(place(source)))?;
        sent.set_sensitive(true);
        self.headers.insert(name, sent);
        self.secrets.push(secret);
        Ok(())
    }

    /// The bytes without any credential of this route: a server may well send back what it was sent.
    pub(crate) fn scrub(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut scrubbed: Option<Vec<u8>> = None;
        for secret in &self.secrets {
            let bytes = scrubbed.as_deref().unwrap_or(bytes);
            if let Some(next) = without(bytes, secret.as_bytes()) {
                scrubbed = Some(next);
            }
        }
        scrubbed
    }
}

/// The bytes with each occurrence of the secret replaced; `None` if there is none.
fn without(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut at = bytes.windows(secret.len()).position(|window| window == secret)?;
    let (mut kept, mut rest) = (Vec::new(), bytes);
    loop {
        kept.extend(&rest[..at]);
        kept.extend(b"[redacted]");
        rest = &rest[at + secret.len()..];
        match rest.windows(secret.len()).position(|window| window == secret) {
            Some(next) => at = next,
            None => break,
        }
    }
    kept.extend(rest);
    Some(kept)
}

fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("environment variable {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
    }
}

fn secret(source: &SecretSource) -> Result<String, RouteMaterialFault> {
    let not_sendable = || RouteMaterialFault::NotSendable(place(source));
    let text = match source {
        SecretSource::Env(name) => match env::var(name) {
            Ok(text) => text,
            Err(VarError::NotPresent) => return Err(RouteMaterialFault::NotSet(name.clone())),
            Err(VarError::NotUnicode(_)) => return Err(not_sendable()),
        },
        SecretSource::File(path) => String::from_utf8(file("credential file", path, SECRET_LIMIT_BYTES)?)
            .map_err(|_| not_sendable())?,
    };
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || !line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(not_sendable());
    }
    Ok(line.to_owned())
}

fn file(what: &'static str, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, RouteMaterialFault> {
    read_bounded(path, limit_bytes).map_err(|fault| RouteMaterialFault::File {
        what,
        path: path.to_owned(),
        fault,
    })
}

fn client(pem: &ClientCertificate, trust: &Trust) -> Result<Arc<CertifiedKey>, RouteMaterialFault> {
    let (what, path) = ("client certificate", &pem.certificate);
    let bytes = file(what, path, PEM_LIMIT_BYTES)?;
    let unreadable = || RouteMaterialFault::File { what, path: path.clone(), fault: FileFault::NotPem };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| unreadable())?;
    if chain.is_empty() {
        return Err(RouteMaterialFault::NoPem { what, path: path.clone(), block: "CERTIFICATE" });
    }
    let (what, path) = ("client key", &pem.key);
    let key = PrivateKeyDer::from_pem_slice(&file(what, path, PEM_LIMIT_BYTES)?)
        .map_err(|_| RouteMaterialFault::NoPem { what, path: path.clone(), block: "PRIVATE KEY" })?;
    let not_a_pair =
        |_| RouteMaterialFault::NotAPair { certificate: pem.certificate.clone(), key: pem.key.clone() };
    CertifiedKey::from_der(chain, key, &trust.provider).map(Arc::new).map_err(not_a_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_of_a_credential_is_taken_out() {
        let material = Material { secrets: vec!["s3cret".into(), "czNj".into()], ..Material::default() };
        let scrubbed =
            |text: &str| material.scrub(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            scrubbed("a s3cret, s3crets3cret czNj"),
            Some("a [redacted], [redacted][redacted] [redacted]".to_owned())
        );
        assert_eq!(scrubbed("nothing"), None);
        assert_eq!(scrubbed("s3cre"), None);
        assert!(!format!("{material:?}").contains("s3cret"));
    }

    #[test]
    fn a_credential_is_one_line_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |content: &[u8]| {
            std::fs::write(file.path(), content).unwrap();
            secret(&SecretSource::File(file.path().to_owned()))
        };
        assert_eq!(read(b"s3cret\r\n").unwrap(), "s3cret");
        for bad in [&b""[..], b"\n", b"two\nlines", b"\xff\xfe", b"tab\t"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("one line of ASCII") && !error.contains("lines\n"), "{error}");
        }
        let large = vec![b'x'; usize::try_from(SECRET_LIMIT_BYTES).unwrap() + 1];
        assert!(matches!(read(&large), Err(RouteMaterialFault::File { fault: FileFault::TooLarge(_), .. })));
        let missing = secret(&SecretSource::File("/nonexistent/token".into())).unwrap_err().to_string();
        assert!(missing.contains("credential file /nonexistent/token cannot be read"), "{missing}");
        let unset = secret(&SecretSource::Env("PVCHECK_NO_SUCH_VARIABLE".into())).unwrap_err().to_string();
        assert!(unset.contains("PVCHECK_NO_SUCH_VARIABLE is not set"), "{unset}");
    }
}
