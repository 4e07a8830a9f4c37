//! How a route is asked: method, headers, credentials, and whom it trusts.
//!
//! Credentials never stand in a configuration. It names an environment variable or a file, and so does everything that is
//! printed.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How a route is asked: `[route.request]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Headers besides those that every probe sends.
    pub headers: BTreeMap<String, SentValue>,
    /// User and password (RFC 7617).
    pub basic: Option<Basic>,
    /// A bearer token (RFC 6750).
    #[serde(deserialize_with = "optional_source")]
    pub bearer: Option<SecretSource>,
    /// A PEM file of authorities that are trusted for this route beside the others.
    pub ca: Option<PathBuf>,
    /// What is shown to a server that asks for a client certificate.
    pub client_certificate: Option<ClientCertificate>,
}

impl Request {
    /// The same request, with relative paths taken from this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        let certificate = self.client_certificate.iter_mut().flat_map(|c| [&mut c.certificate, &mut c.key]);
        for path in self.ca.iter_mut().chain(certificate) {
            *path = folder.join(&*path);
        }
        let password = self.basic.as_mut().map(|basic| &mut basic.password);
        let values = self.headers.values_mut().filter_map(|value| match value {
            SentValue::Secret(source) => Some(source),
            SentValue::Text(_) => None,
        });
        for source in values.chain(&mut self.bearer).chain(password) {
            if let SecretSource::File(path) = source {
                *path = folder.join(&*path);
            }
        }
        self
    }

    /// True iff it sends something that only this route's server may see.
    pub(crate) fn has_secrets(&self) -> bool {
        let secret = |value: &SentValue| matches!(value, SentValue::Secret(_));
        self.basic.is_some() || self.bearer.is_some() || self.headers.values().any(secret)
    }

    /// True iff it is about TLS too.
    pub(crate) fn needs_tls(&self) -> bool {
        self.ca.is_some() || self.client_certificate.is_some()
    }

    /// What the types leave open.
    pub(crate) fn check(&self) -> Result<(), RequestFault> {
        if self.basic.is_some() && self.bearer.is_some() {
            return Err(RequestFault::TwoCredentials);
        }
        if self.basic.as_ref().is_some_and(|basic| basic.user.contains(':')) {
            return Err(RequestFault::UserWithColon);
        }
        for (name, value) in &self.headers {
            let given = || name.clone();
            let parsed = HeaderName::try_from(name).map_err(|_| RequestFault::NoHeaderName(given()))?;
            let name = parsed.as_str();
            if OWN_HEADERS.contains(&name) {
                return Err(RequestFault::OwnHeader(given()));
            }
            if name == "authorization" && (self.basic.is_some() || self.bearer.is_some()) {
                return Err(RequestFault::TwoCredentials);
            }
            match value {
                SentValue::Text(_) if carries_secrets(name) => {
                    return Err(RequestFault::InlineSecret(given()));
                }
                SentValue::Text(text) if HeaderValue::from_str(text).is_err() => {
                    return Err(RequestFault::NoHeaderValue(given()));
                }
                SentValue::Text(_) | SentValue::Secret(_) => {}
            }
        }
        Ok(())
    }
}

/// Headers that belong to the connection or follow from the URL.
const OWN_HEADERS: [&str; 8] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// True iff a header of this name is there to carry a credential.
pub(crate) fn carries_secrets(name: &str) -> bool {
    let words = ["auth", "cookie", "key", "passw", "secret", "session", "token"];
    words.iter().any(|word| name.contains(word))
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestFault {
    #[error("has more than one of basic, bearer and an authorization header: keep one")]
    TwoCredentials,
    #[error("has a user with a colon, which basic authentication cannot send: RFC 7617, section 2")]
    UserWithColon,
    #[error("sends a header `{0}`, which is no header name")]
    NoHeaderName(String),
    #[error("sends header `{0}` with characters that a header cannot have")]
    NoHeaderValue(String),
    #[error("sends header `{0}`, which follows from the URL or belongs to the connection: remove it")]
    OwnHeader(String),
    #[error(
        "has the value of header `{0}` in the configuration, and such headers carry credentials: write {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
    )]
    InlineSecret(String),
}

/// A method that a probe may use. The first three are safe (RFC 9110, section 9.2.1); `POST` is for health checks that take
/// nothing else, has no body, and is sent once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The whole answer.
    #[default]
    Get,
    /// The head of the answer alone.
    Head,
    /// What may be done there.
    Options,
    /// Whatever the service does.
    Post,
}

impl Method {
    /// As it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }

    /// True iff a request that got no answer may be sent to another address (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post)
    }
}

/// Where a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable: `{ env = "NAME" }`.
    Env(String),
    /// In this file, without line breaks at its end: `{ file = "PATH" }`.
    File(PathBuf),
}

/// Its two forms. Only names of variables and paths get in, so no error shows a secret.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceForm {
    Env(String),
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OnlyTable(PhantomData::<SourceForm>)).map(|form| match form {
            SourceForm::Env(name) => Self::Env(name),
            SourceForm::File(path) => Self::File(path),
        })
    }
}

fn optional_source<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretSource>, D::Error> {
    SecretSource::deserialize(from).map(Some)
}

/// User and password: `{ user = "probe", password = { env = "NAME" } }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// The user, without a colon.
    pub user: String,
    /// The password.
    pub password: SecretSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicForm {
    user: String,
    password: SecretSource,
}

impl<'de> Deserialize<'de> for Basic {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = from.deserialize_any(OnlyTable(PhantomData::<BasicForm>))?;
        Ok(Self { user: form.user, password: form.password })
    }
}

/// A certificate and its key, both PEM files: `{ certificate = "PATH", key = "PATH" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// The certificate, with those of its chain after it.
    pub certificate: PathBuf,
    /// Its private key, without a pass phrase.
    pub key: PathBuf,
}

/// A header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentValue {
    /// A credential.
    Secret(SecretSource),
    /// A text that anyone may see.
    Text(String),
}

impl<'de> Deserialize<'de> for SentValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrSource)
    }
}

/// A visitor, not an untagged enum, which would lose the place and the reason of what is wrong.
struct TextOrSource;

impl<'de> Visitor<'de> for TextOrSource {
    type Value = SentValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SentValue, E> {
        Ok(SentValue::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<SentValue, A::Error> {
        SecretSource::deserialize(MapAccessDeserializer::new(table)).map(SentValue::Secret)
    }
}

/// Reads a table, and refuses anything else without repeating it: what stands there by mistake is the secret itself.
struct OnlyTable<T>(PhantomData<T>);

impl<T> OnlyTable<T> {
    fn refuse<E: Error>() -> Result<T, E> {
        Err(E::custom(
            "credentials do not stand in a configuration: write { env = \"NAME\" } or { file = \"PATH\" }, for basic { user = \"NAME\", password = { env = \"NAME\" } }",
        ))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyTable<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Self::refuse()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Self::refuse()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Self::refuse()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Self::refuse()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        Self::refuse()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Request, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn fault(json: &str) -> String {
        read(json).unwrap().check().unwrap_err().to_string()
    }

    #[test]
    fn paths_are_taken_from_the_configurations_folder() {
        let request = read(
            r#"{"bearer":{"file":"token"},"ca":"ca.pem","client_certificate":{"certificate":"c.pem","key":"/k.pem"},
                "headers":{"x-api-key":{"file":"key"},"accept":"text/plain"}}"#,
        )
        .unwrap()
        .within(Path::new("/etc/pvcheck"));
        assert_eq!(request.check(), Ok(()));
        assert_eq!(request.bearer, Some(SecretSource::File("/etc/pvcheck/token".into())));
        assert_eq!(request.ca.as_deref(), Some(Path::new("/etc/pvcheck/ca.pem")));
        let certificate = request.client_certificate.unwrap();
        assert_eq!(
            (certificate.certificate, certificate.key),
            ("/etc/pvcheck/c.pem".into(), "/k.pem".into())
        );
        assert_eq!(
            request.headers["x-api-key"],
            SentValue::Secret(SecretSource::File("/etc/pvcheck/key".into()))
        );
    }

    /// What is written in a credential's place by mistake is the credential.
    #[test]
    fn a_credential_in_the_configuration_is_refused_and_not_repeated() {
        for json in [
            r#"{"bearer":"s3cret"}"#,
            r#"{"bearer":["s3cret"]}"#,
            r#"{"basic":"me:s3cret"}"#,
            r#"{"basic":{"user":"me","password":"s3cret"}}"#,
        ] {
            let error = read(json).unwrap_err();
            assert!(
                error.contains("do not stand in a configuration") && !error.contains("s3cret"),
                "{error}"
            );
        }
        for number in ["7355608", "-7355608", "7.355608", "true"] {
            let error = read(&format!("{{\"bearer\":{number}}}")).unwrap_err();
            assert!(
                error.contains("do not stand in a configuration") && !error.contains("7355608"),
                "{error}"
            );
        }
        for name in ["Authorization", "Cookie", "X-Api-Key", "x-auth-token"] {
            let error = fault(&format!(r#"{{"headers":{{"{name}":"s3cret"}}}}"#));
            assert!(error.contains(name) && error.contains("{ env") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn requests_that_cannot_be_sent_are_refused() {
        for (json, part) in [
            (r#"{"basic":{"user":"a:b","password":{"env":"P"}}}"#, "colon"),
            (r#"{"basic":{"user":"a","password":{"env":"P"}},"bearer":{"env":"T"}}"#, "keep one"),
            (r#"{"bearer":{"env":"T"},"headers":{"Authorization":{"env":"T"}}}"#, "keep one"),
            (r#"{"headers":{"Host":"x"}}"#, "follows from the URL"),
            (r#"{"headers":{"a b":"x"}}"#, "no header name"),
            (r#"{"headers":{"accept":"a\nb"}}"#, "characters"),
        ] {
            let error = fault(json);
            assert!(error.contains(part), "{json}: {error}");
        }
        for (json, part) in [
            (r#"{"method":"DELETE"}"#, "DELETE"),
            (r#"{"bearer":{"value":"x"}}"#, "`env`"),
            (r#"{"headers":{"accept":7}}"#, "a text"),
            (r#"{"header":{}}"#, "unknown field"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
