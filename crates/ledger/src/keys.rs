//! Ed25519 keys and signatures. A private key is in no text that this crate makes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::hex;

/// A public key; as text 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey([u8; 32]);

/// A signature of a digest; as text 128 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature([u8; 64]);

/// A private key. Its `Debug` shows the public part alone.
pub struct PrivateKey(Ed25519KeyPair);

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is no PEM file with a private key.
    #[error("no private key in PEM; make one with `pvcheck keys new FILE`")]
    NotPem,
    /// It is a private key of another kind.
    #[error("not an Ed25519 key in PKCS#8 version 2; make one with `pvcheck keys new FILE`")]
    NotEd25519,
    /// It is no public key.
    #[error("no public key: one line of 64 digits of lower-case hex, as `pvcheck keys new` writes it")]
    NotPublic,
}

impl PublicKey {
    /// True iff this key's private part signed the digest.
    pub(crate) fn signed(&self, digest: Digest, signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(digest.bytes(), &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        hex::decode(text.trim().as_bytes()).map(Self).ok_or(KeyError::NotPublic)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl Signature {
    /// Reads 128 digits.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl PrivateKey {
    /// Reads PKCS#8 in PEM, as `pvcheck keys new` writes it.
    ///
    /// # Errors
    /// If it is no such key. The error holds nothing of the text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NotPem)?;
        Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// Its public part.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }

    pub(crate) fn sign(&self, digest: Digest) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(digest.bytes()).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public())
    }
}

/// PKCS#8 as PEM (RFC 7468).
pub(crate) fn pem(pkcs8: &[u8]) -> String {
    let text = STANDARD.encode(pkcs8);
    let (lines, rest) = text.as_bytes().as_chunks::<64>();
    let lines = lines.iter().map(|line| &line[..]).chain((!rest.is_empty()).then_some(rest));
    let body: String = lines.map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect();
    format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_key_signs_what_its_public_part_alone_verifies() {
        let (key, other) = (testing::key(), testing::key());
        let signature = key.sign(Digest::of(b"line"));
        assert!(key.public().signed(Digest::of(b"line"), &signature));
        assert!(!key.public().signed(Digest::of(b"lime"), &signature));
        assert!(!other.public().signed(Digest::of(b"line"), &signature));
    }

    #[test]
    fn what_is_no_key_is_named_without_its_text() {
        let canary = "hunter2";
        let wrapped = |text: &str| {
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(text))
        };
        for (text, kind) in [
            (canary.to_owned(), KeyError::NotPem),
            (String::new(), KeyError::NotPem),
            (wrapped(canary), KeyError::NotEd25519),
        ] {
            let error = PrivateKey::from_pem(text.as_bytes()).expect_err("no key");
            assert_eq!(error, kind);
            assert!(!format!("{error} {error:?}").contains(canary));
        }
        assert_eq!("00".parse::<PublicKey>(), Err(KeyError::NotPublic));
    }

    /// The seed of a PKCS#8 key of Ed25519 is at bytes 16 to 48 (RFC 8410).
    #[test]
    fn no_debug_text_shows_the_private_part() {
        let pkcs8 = testing::pkcs8();
        let key = PrivateKey::from_pem(pem(&pkcs8).as_bytes()).expect("a key");
        let shown = format!("{key:?} {key:#?} {:?}", key.public());
        for secret in [hex::encode(&pkcs8[16..48]), STANDARD.encode(&pkcs8[16..48]), STANDARD.encode(&pkcs8)]
        {
            assert!(!shown.contains(&secret[..20]), "{shown}");
        }
    }
}
