//! A certificate authority that lives as long as its router, and the router's certificate.

use std::io;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// ALPN name of HTTP/2 (RFC 9113).
pub(super) const H2: &[u8] = b"h2";

/// What a router shows to its clients, and what they trust. The authority's own key is not kept.
pub(super) struct Certificates {
    /// PEM.
    pub(super) ca: String,
    leaf: String,
    leaf_key: String,
}

/// Makes an authority and a certificate for `names`, valid from yesterday (clocks differ) for 90 days.
pub(super) fn make(names: &[String]) -> Result<Certificates, rcgen::Error> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let ca_key = KeyPair::generate()?;
    let mut ca_params = params("pvcheck embedded authority", Vec::new(), today)?;
    // No further authority below this one.
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = ca_params.self_signed(&ca_key)?;
    let leaf_key = KeyPair::generate()?;
    let mut leaf_params = params("pvcheck embedded router", names.to_vec(), today)?;
    leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf_params.use_authority_key_identifier_extension = true;
    let leaf = leaf_params.signed_by(&leaf_key, &Issuer::new(ca_params, ca_key))?;
    Ok(Certificates { ca: ca.pem(), leaf: leaf.pem(), leaf_key: leaf_key.serialize_pem() })
}

impl Certificates {
    /// The server's side of TLS, with HTTP/2 and 1.1 on offer.
    pub(super) fn server(&self) -> io::Result<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_slice(self.leaf.as_bytes()).map_err(io::Error::other)?];
        let key = PrivateKeyDer::from_pem_slice(self.leaf_key.as_bytes()).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn params(subject: &str, names: Vec<String>, today: Date) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    // A date of the calendar has a month of 1 to 12 and a day of 1 to 31.
    let midnight = |date: Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = midnight(today.saturating_sub(1.day()));
    params.not_after = midnight(today.saturating_add(90.days()));
    Ok(params)
}
