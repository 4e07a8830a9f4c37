//! What a server wants to know of a client (`WWW-Authenticate`, RFC 9110, section 11.6.1).

use std::fmt;

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use crate::text::printable;

/// The most challenges that are kept.
const MOST: usize = 8;

/// One way to authenticate that a server names. Its other parameters, such as nonces, are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Challenge {
    /// Its scheme, such as `Basic` or `Bearer`.
    pub scheme: String,
    /// What it is for, by the server's words.
    pub realm: Option<String>,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        self.realm.as_ref().map_or(Ok(()), |realm| write!(f, " ({realm})"))
    }
}

/// The challenges of an answer.
pub(crate) fn of(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.flat_map(|text| read(&text)).take(MOST).collect()
}

/// Both challenges and their parameters are separated by commas; a challenge begins with a word of its own.
fn read(text: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    for part in parts(text) {
        let (first, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let begins = !first.contains('=') && !rest.trim_start().starts_with('=');
        if begins && !first.is_empty() {
            all.push(Challenge { scheme: printable(first, 40), realm: None });
        }
        let parameter = if begins { rest } else { part };
        if let (Some(challenge), Some((name, value))) = (all.last_mut(), parameter.split_once('='))
            && name.trim().eq_ignore_ascii_case("realm")
        {
            challenge.realm = Some(printable(value.trim().trim_matches('"'), 80));
        }
    }
    all
}

/// The parts between commas that are not within quotes.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scheme_and_realm_are_kept_and_nothing_else() {
        for (text, read_as) in [
            ("Basic realm=\"the shop, inner part\", charset=\"UTF-8\"", "Basic (the shop, inner part)"),
            ("Bearer", "Bearer"),
            ("Digest nonce=\"s3cret\", realm=x, qop=\"auth,auth-int\"", "Digest (x)"),
            ("Bearer realm=\"api\", error=\"x\", Basic realm=\"web\"", "Bearer (api)|Basic (web)"),
            ("Negotiate, NTLM", "Negotiate|NTLM"),
            ("", ""),
        ] {
            let all: Vec<String> = read(text).iter().map(ToString::to_string).collect();
            assert_eq!(all.join("|"), read_as, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            for challenge in read(&text) {
                prop_assert!(!challenge.scheme.is_empty());
            }
        }
    }
}
