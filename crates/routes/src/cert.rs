//! What a certificate says about itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Name;

use crate::fact::TlsFact;
use crate::text::printable;

const SECONDS_PER_DAY: i64 = 86_400;

/// The readable parts of a certificate; all empty when it cannot be parsed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CertFact {
    pub(crate) subject: Option<String>,
    pub(crate) sans: Vec<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) not_after: Option<Timestamp>,
    pub(crate) days_left: Option<i64>,
}

/// Reads a DER certificate. Days are counted from `at`.
pub(crate) fn read(der: &[u8], at: Timestamp) -> CertFact {
    let Ok((_, certificate)) = parse_x509_certificate(der) else {
        return CertFact::default();
    };
    let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok();
    CertFact {
        subject: Some(name(certificate.subject())),
        sans: sans(&certificate),
        issuer: Some(name(certificate.issuer())),
        not_after,
        days_left: not_after.map(|end| days_between(at, end)),
    }
}

/// From when to when a certificate is good; `None` if it cannot be parsed.
pub(crate) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let validity = certificate.validity();
    let at = |seconds| Timestamp::from_second(seconds).ok();
    Some((at(validity.not_before.timestamp())?, at(validity.not_after.timestamp())?))
}

/// True iff a certificate names itself as its issuer.
pub(crate) fn names_itself(der: &[u8]) -> bool {
    parse_x509_certificate(der).is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
}

/// Whole days, rounded down: a certificate that ended an hour ago has -1 left, not 0.
fn days_between(at: Timestamp, end: Timestamp) -> i64 {
    (end.as_second() - at.as_second()).div_euclid(SECONDS_PER_DAY)
}

fn name(name: &X509Name<'_>) -> String {
    printable(&name.to_string(), 200)
}

fn sans(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension.value.general_names.iter().filter_map(san).take(TlsFact::SANS_LIMIT).collect()
}

/// Only the kinds that a server can be asked for by (RFC 9525, section 6).
fn san(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(printable(name, 253)),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der() -> Vec<u8> {
        let names = ["a.example", "*.b.example", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "odd\u{1b}name");
        params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_read() {
        let fact = read(&der(), "2030-01-01T12:00:00Z".parse().unwrap());
        assert_eq!(fact.sans, ["a.example", "*.b.example", "127.0.0.1", "::1"]);
        assert_eq!(fact.not_after, Some("2030-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(fact.days_left, Some(0));
        let subject = fact.subject.unwrap();
        assert!(subject.contains("odd") && !subject.contains('\u{1b}'), "{subject}");
    }

    #[test]
    fn days_are_rounded_down() {
        let der = der();
        for (at, days) in [
            ("2029-12-31T23:59:59Z", 1),
            ("2030-01-02T00:00:00Z", 0),
            ("2030-01-02T00:00:01Z", -1),
            ("2030-01-04T00:00:00Z", -2),
        ] {
            assert_eq!(read(&der, at.parse().unwrap()).days_left, Some(days), "{at}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>()) {
            read(&bytes, Timestamp::UNIX_EPOCH);
        }

        #[test]
        fn never_panics_on_a_damaged_one(at in 0usize..300, byte in any::<u8>()) {
            let mut bytes = der();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            read(&bytes, Timestamp::MAX);
        }
    }
}
