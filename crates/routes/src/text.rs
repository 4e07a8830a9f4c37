//! Text and times from the network in the form in which facts keep them.

use std::time::{Duration, Instant};

/// The text without control characters, at most `limit` characters long.
///
/// Certificates, headers and error texts come from the server that answered; an escape sequence in one of them must
/// not reach a terminal, and a long one must not fill a report.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown: String =
        text.chars().take(limit).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

/// A URL or a redirect target without its credentials, query and fragment.
///
/// Login redirects carry one-time codes and states there, and evidence must never hold a secret.
pub(crate) fn redact(url: &str) -> String {
    let (head, cut) = match url.find(['?', '#']) {
        Some(at) => (&url[..at], true),
        None => (url, false),
    };
    // `//host/path` is a target without a scheme (RFC 3986, section 4.2): its authority starts after the slashes.
    let slashes = if head.starts_with("//") { Some(2) } else { head.find("://").map(|at| at + 3) };
    let start = slashes.unwrap_or(0);
    let (scheme, rest) = head.split_at(start);
    let authority = rest.find('/').map_or(rest, |at| &rest[..at]);
    // The last `@` ends the user part: a password may hold one itself.
    let without_user = authority.rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let tail = if cut { "?[redacted]" } else { "" };
    printable(&format!("{scheme}{without_user}{tail}"), 300)
}

/// Whole milliseconds that have passed since then.
pub(crate) fn millis_since(began: Instant) -> u64 {
    millis(began.elapsed())
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_fragments_and_users_are_cut() {
        for (given, shown) in [
            ("https://h/login?code=s3cret", "https://h/login?[redacted]"),
            ("https://h/#s3cret", "https://h/?[redacted]"),
            ("https://me:s3cret@h:8443/a@b", "https://h:8443/a@b"),
            ("//me:s3cret@h/a", "//h/a"),
            ("/login", "/login"),
            ("me:s3cret@h", "h"),
            ("h\u{1b}[31m", "h\u{fffd}[31m"),
        ] {
            assert_eq!(redact(given), shown, "{given}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("äö", 2), "äö");
    }

    proptest! {
        #[test]
        fn a_query_never_survives(head in "[a-z:/@.]{0,30}", secret in "[A-Z]{8}", mark in "[?#]") {
            let redacted = redact(&format!("{head}{mark}{secret}"));
            prop_assert!(!redacted.contains(&secret));
        }

        #[test]
        fn never_panics(text in any::<String>(), limit in 0usize..10) {
            redact(&text);
            prop_assert!(printable(&text, limit).chars().all(|c| !c.is_control()));
        }
    }
}
