//! A verifier that records its verdict instead of ending the handshake.
//!
//! A handshake that ends at the first bad certificate shows only that it is bad. To replace it, an operator needs its
//! names, its issuer and its expiry, so the handshake continues and the recorded verdict decides later.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::cert;
use crate::fact::{VerifyError, VerifyErrorKind};
use crate::roots::Trust;

/// Verifies as [`WebPkiServerVerifier`] does, at the caller's time, and records every fault of the certificate.
///
/// Signatures of the handshake are still enforced: a server that cannot prove that it owns the certificate
/// gets no further.
#[derive(Debug)]
pub(crate) struct Capturing {
    inner: Arc<WebPkiServerVerifier>,
    /// Certificates that are trusted as they are.
    trusted: Arc<Vec<CertificateDer<'static>>>,
    at: Timestamp,
    faults: Mutex<Option<Vec<VerifyError>>>,
}

impl Capturing {
    pub(crate) fn new(trust: &Trust, at: Timestamp) -> Self {
        let (inner, trusted) = (Arc::clone(&trust.verifier), Arc::clone(&trust.certificates));
        Self { inner, trusted, at, faults: Mutex::new(None) }
    }

    /// What is wrong with the certificate, the chain first; empty if nothing is. `None` when none was shown.
    pub(crate) fn faults(&self) -> Option<Vec<VerifyError>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The verifier stops at the first fault. Each of the others has its own remedy, so each is looked for by itself.
    fn all_faults(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        verify: impl Fn(UnixTime) -> Result<ServerCertVerified, Error>,
    ) -> Vec<VerifyError> {
        let mut faults = Vec::new();
        let first = verify(self.unix_time()).err().filter(|error| !self.trusts(leaf, error));
        faults.extend(first.as_ref().map(describe));
        let validity = cert::validity(leaf);
        let time = validity.and_then(|(from, to)| match self.at {
            at if at < from => Some(VerifyErrorKind::NotYetValid),
            at if to < at => Some(VerifyErrorKind::Expired),
            _ => None,
        });
        faults.extend(time.map(fault));
        if let (Some(_), Some((from, to))) = (time, validity) {
            // In its own time the chain can be judged apart from the time.
            let middle = Timestamp::from_second(from.as_second().midpoint(to.as_second())).unwrap_or(from);
            let chain = verify(unix_time(middle)).err().filter(|error| !self.trusts(leaf, error));
            faults.extend(chain.as_ref().map(describe));
        }
        let named = ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, name));
        if named.is_err_and(|error| describe(&error).kind == VerifyErrorKind::WrongName) {
            faults.push(fault(VerifyErrorKind::WrongName));
        }
        if cert::names_itself(leaf) {
            for found in faults.iter_mut().filter(|fault| fault.kind == VerifyErrorKind::UnknownIssuer) {
                *found = fault(VerifyErrorKind::SelfSigned);
            }
        }
        let mut seen = Vec::new();
        faults.retain(|fault| {
            !seen.contains(&fault.kind) && {
                seen.push(fault.kind);
                true
            }
        });
        faults
    }

    /// True iff the fault is only that the server's certificate is no CA's or a CA's own, and the very certificate is
    /// among the trusted ones: OpenSSL, and so curl, ends a chain there (`X509_V_FLAG_PARTIAL_CHAIN`).
    fn trusts(&self, leaf: &CertificateDer<'_>, error: &Error) -> bool {
        let kind = describe(error).kind;
        let chain = matches!(kind, VerifyErrorKind::UnknownIssuer) || is_ca_as_server(error);
        chain && self.trusted.iter().any(|trusted| trusted.as_ref() == leaf.as_ref())
    }

    /// The verifier takes no time before 1970; at 0 every certificate is not valid yet, so nothing passes.
    fn unix_time(&self) -> UnixTime {
        unix_time(self.at)
    }
}

fn unix_time(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn fault(kind: VerifyErrorKind) -> VerifyError {
    let text = match kind {
        VerifyErrorKind::Expired => "its time is over",
        VerifyErrorKind::NotYetValid => "its time has not begun",
        VerifyErrorKind::Other => "it is not accepted",
        VerifyErrorKind::SelfSigned => "it vouches for itself alone",
        VerifyErrorKind::UnknownIssuer => "no trusted CA vouches for it",
        VerifyErrorKind::WrongName => "it is for other names",
    };
    VerifyError { kind, text: text.to_owned() }
}

/// True iff the server shows a CA's certificate as its own.
fn is_ca_as_server(error: &Error) -> bool {
    // The kind is in no public variant of rustls; its debug text is (webpki, `Error::CaUsedAsEndEntity`).
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

impl ServerCertVerifier for Capturing {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify =
            |now| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let faults = self.all_faults(end_entity, server_name, verify);
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Some(faults);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn describe(error: &Error) -> VerifyError {
    match error {
        Error::InvalidCertificate(inner) => match kind(inner) {
            VerifyErrorKind::Other => {
                VerifyError { kind: VerifyErrorKind::Other, text: other_words(error, inner) }
            }
            kind => fault(kind),
        },
        _ => VerifyError { kind: VerifyErrorKind::Other, text: "it cannot be checked".to_owned() },
    }
}

fn other_words(error: &Error, inner: &CertificateError) -> String {
    let text = match inner {
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::BadSignature => "the signature in its chain is wrong",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for servers (its extended key usage)"
        }
        CertificateError::Revoked => "it is revoked",
        _ if is_ca_as_server(error) => {
            "it is a CA's own certificate: give it as the CA file, or issue one for the server"
        }
        _ => "it has a form or an algorithm that this program does not accept",
    };
    text.to_owned()
}

fn kind(error: &CertificateError) -> VerifyErrorKind {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => VerifyErrorKind::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            VerifyErrorKind::NotYetValid
        }
        CertificateError::UnknownIssuer => VerifyErrorKind::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            VerifyErrorKind::WrongName
        }
        _ => VerifyErrorKind::Other,
    }
}
