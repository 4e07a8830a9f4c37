//! Removes secrets from text that leaves the process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};
use serde::{Serialize, Serializer};

/// The replacement of a secret.
const MASK: &str = "***";

/// A line without any of these has nothing to redact: one pass instead of seven regular expressions.
const HINTS: &[&str] = &[
    "swmtkn",
    "key",
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "auth",
    "bearer",
    "basic",
    "eyj",
    "://",
    "begin",
    "env",
];

/// The text with everything replaced that looks like a secret: join tokens (`SWMTKN-…`), the values of fields whose
/// name says key, password, secret, token, credential or authorization, `Bearer` and `Basic` credentials, JSON web
/// tokens, private key blocks, passwords in URLs, environments, and the gossip keys that every engine writes into its
/// log at start-up (`New memberlist node - … Keys:[[…]]`, seen on 20.10.24). When in doubt it replaces too much; ids,
/// names and the words of an error stay.
pub fn redact(text: &str) -> Cow<'_, str> {
    static HINT: LazyLock<AhoCorasick> = LazyLock::new(|| {
        AhoCorasick::builder().ascii_case_insensitive(true).build(HINTS).expect("a short list of short words")
    });
    static RULES: LazyLock<Vec<Regex>> =
        LazyLock::new(|| RULES_TEXT.iter().map(|rule| Regex::new(rule).expect("tested below")).collect());
    // Most lines end here: the regular expressions cost more than all the rest of a scan.
    if !HINT.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut text = Cow::Borrowed(text);
    for rule in RULES.iter() {
        if let Cow::Owned(replaced) = rule.replace_all(&text, mask) {
            text = Cow::Owned(replaced);
        }
    }
    text
}

/// Keeps what the rule captured as `keep` (and `tail`), and masks the rest of the match.
fn mask(found: &Captures<'_>) -> String {
    let group = |name| found.name(name).map_or("", |part| part.as_str());
    format!("{}{MASK}{}", group("keep"), group("tail"))
}

/// In the order in which they are applied: whole blocks first, so that no later rule cuts one in two.
const RULES_TEXT: &[&str] = &[
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    r"(?i)SWMTKN-[\w-]+|SWMKEY-[\w+/=-]+",
    r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",
    r"(?P<keep>\bKeys:\[)\[[\d \]\[]*(?P<tail>\])",
    r#"(?i)(?P<keep>\\?"?\benv(?:ironment)?\\?"?\s*[:=]\s*\[)[^\]]*(?P<tail>\])"#,
    r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[\w+/=.~-]{6,}",
    r#"(?P<keep>\b[\w+.-]+://)[^\s/@"]+(?P<tail>@)"#,
    // A JSON or Go field, or an assignment, with its value in quotes, in escaped quotes, or bare.
    concat!(
        r#"(?i)(?P<keep>(?:\b|_)[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|credential|authorization|api[_-]?key|"#,
        r#"private[_-]?key|access[_-]?key|unlock[_-]?key|encryption[_-]?key|registry-auth)[\w.-]*\\?"?\s*[:=]\s*)"#,
        r#"(?:\\"(?:[^"\\]|\\[^"])*(?:\\"|\z)|"(?:[^"\\]|\\.)*(?:"|\z)|[^\s",;}\]]+)"#,
    ),
    r#"(?i)(?P<keep>\b(?:[\w.-]*[_.-])?key=)(?:\\"(?:[^"\\]|\\[^"])*(?:\\"|\z)|"(?:[^"\\]|\\.)*(?:"|\z)|[^\s",;}\]]+)"#,
];

fn names_a_secret(key: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)passw|passphrase|pwd|secret|token|credential|authorization|(?:^|[._-])(?:api|private|access|unlock|encryption)?[_-]?key$")
            .expect("tested below")
    });
    NAME.is_match(key)
}

pub(crate) fn text<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&redact(value))
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
pub(crate) fn option<S: Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_deref().map(redact).serialize(serializer)
}

pub(crate) fn map<S: Serializer>(
    values: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let masked = |(key, value): (&String, &String)| {
        let value = if names_a_secret(key) { MASK.into() } else { redact(value) };
        (key.clone(), value.into_owned())
    };
    serializer.collect_map(values.iter().map(masked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go() {
        for text in [
            "bad join token SWMTKN-1-canary-canary",
            "unlock with SWMKEY-1-canary+canary/0",
            "key=canary",
            "unlock.key=canary",
            "TLS_KEY=canary",
            r#"password="canary and canary" next=1"#,
            r#"msg="form data: {\"password\":\"canary\"}""#,
            r#"msg="form data: {\"Env\":[\"A=canary\",\"B=canary\"]}""#,
            r#"{"JoinTokens":"canary","x":1}"#,
            "MYSQL_ROOT_PASSWORD=canary",
            "db_password: canary",
            "Authorization: Bearer canary.canary",
            "X-Registry-Auth: canary",
            "header Basic Y2FuYXJ5canary==",
            "got eyJcanary.canary.canary",
            "https://user:canary@host/v2/",
            "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\\ncanary, cut",
            r#"secret="canary, cut"#,
        ] {
            let out = redact(text);
            assert!(!out.contains("canary"), "{text} -> {out}");
            assert!(out.contains(MASK), "{text} -> {out}");
        }
    }

    #[test]
    fn the_gossip_keys_that_the_engine_logs_go() {
        let line = "config:&{NodeID:b7e9 Keys:[[55 87 6] [19 254 122]] PacketBufferSize:1400}";
        assert_eq!(redact(line), "config:&{NodeID:b7e9 Keys:[***] PacketBufferSize:1400}");
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "Unable to complete atomic operation, key modified",
            "network proxy remove failed: authentication is no topic here",
            "failed to allocate network IP for task a network b: could not find an available IP",
            "peerDbAdd transient condition - Key:{10.0.0.1 02:42} cardinality:2",
            "Get \"https://host.example/v2/\": dial tcp",
            "environment is fine",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn fields_are_judged_by_their_name_too() {
        for (key, secret) in [
            ("token", true),
            ("api_key", true),
            ("key", true),
            ("node.id", false),
            ("keyring", false),
            ("monkey", false),
        ] {
            assert_eq!(names_a_secret(key), secret, "{key}");
        }
    }

    #[test]
    fn what_is_redacted_stays_as_it_is() {
        let once = redact("password=canary SWMTKN-1-canary key=\"canary\"").into_owned();
        assert_eq!(redact(&once), once);
    }
}
