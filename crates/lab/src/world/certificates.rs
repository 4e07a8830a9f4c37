//! A certificate authority that lives as long as its lab, and the router's certificate.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::LabError;

/// PEM texts. The authority's own key is not kept.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: String,
    pub(crate) leaf: String,
    pub(crate) leaf_key: String,
}

/// Makes an authority and a certificate for `names`, valid from yesterday (clocks differ) for 90 days.
pub(crate) fn make(names: &[String]) -> Result<Certificates, LabError> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let ca_key = KeyPair::generate()?;
    let mut ca_params = params("pvcheck lab authority", Vec::new(), today)?;
    // No further authority below this one.
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = ca_params.self_signed(&ca_key)?;

    let leaf_key = KeyPair::generate()?;
    let subject = names.first().map_or("pvcheck lab", String::as_str);
    let mut leaf_params = params(subject, names.to_vec(), today)?;
    leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // OpenSSL 3 in strict mode wants it, and some clients choose the issuer by it.
    leaf_params.use_authority_key_identifier_extension = true;
    let leaf = leaf_params.signed_by(&leaf_key, &Issuer::new(ca_params, ca_key))?;
    Ok(Certificates { ca: ca.pem(), leaf: leaf.pem(), leaf_key: leaf_key.serialize_pem() })
}

fn params(subject: &str, names: Vec<String>, today: Date) -> Result<CertificateParams, LabError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    // A date of the calendar has a month of 1 to 12 and a day of 1 to 31.
    let midnight = |date: Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = midnight(today.saturating_sub(1.day()));
    params.not_after = midnight(today.saturating_add(90.days()));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn each_lab_has_an_authority_of_its_own_and_its_key_is_nowhere() {
        let (one, two) = (make(&["a.test".to_owned()]).unwrap(), make(&["a.test".to_owned()]).unwrap());
        assert_ne!(one.ca, two.ca);
        assert_ne!(one.leaf_key, two.leaf_key);
        for text in [&one.ca, &one.leaf] {
            assert!(text.starts_with("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE"));
            assert!(CertificateDer::from_pem_slice(text.as_bytes()).is_ok());
        }
        assert_eq!(one.leaf_key.matches("PRIVATE KEY-----").count(), 2, "one key");
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_an_error() {
        assert!(matches!(make(&["ä.test".to_owned()]), Err(LabError::Certificate(_))));
    }

    #[test]
    fn validity_begins_before_today_and_ends_in_three_months() {
        let today = jiff::civil::date(2028, 2, 29);
        let params = params("x", Vec::new(), today).unwrap();
        assert_eq!(params.not_before, date_time_ymd(2028, 2, 28));
        assert_eq!(params.not_after, date_time_ymd(2028, 5, 29));
    }
}
