//! A verifier that records its verdict instead of ending the handshake.
//!
//! A handshake that ends at the first bad certificate shows only that it is bad. To replace it, an operator needs its
//! names, its issuer and its expiry, so the handshake continues and the recorded verdict decides later.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::fact::{VerifyError, VerifyErrorKind};
use crate::text::printable;

/// Verifies as [`WebPkiServerVerifier`] does, at the caller's time, and records the verdict.
///
/// Signatures of the handshake are still enforced: a server that cannot prove that it owns the certificate
/// gets no further.
#[derive(Debug)]
pub(crate) struct Capturing {
    inner: Arc<WebPkiServerVerifier>,
    at: Timestamp,
    verdict: Mutex<Option<Result<(), VerifyError>>>,
}

impl Capturing {
    pub(crate) fn new(inner: Arc<WebPkiServerVerifier>, at: Timestamp) -> Self {
        Self { inner, at, verdict: Mutex::new(None) }
    }

    /// The verdict on the certificate; `None` when none was shown.
    pub(crate) fn verdict(&self) -> Option<Result<(), VerifyError>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, verdict: Result<(), VerifyError>) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }

    /// The verifier takes no time before 1970; at 0 every certificate is not valid yet, so nothing passes.
    fn unix_time(&self) -> UnixTime {
        let seconds = u64::try_from(self.at.as_second()).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    }
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
        let now = self.unix_time();
        let verdict =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.record(verdict.map(drop).map_err(|error| describe(&error)));
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
    let kind = match error {
        Error::InvalidCertificate(error) => kind(error),
        _ => VerifyErrorKind::Other,
    };
    VerifyError { kind, text: printable(&error.to_string(), 500) }
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
