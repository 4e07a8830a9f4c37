//! Who sent an error: the router itself, or the service behind it.

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use crate::default_page;

/// Who an answer of 502 to 504 comes from, by its own marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It has the words that a router writes when it reaches no service.
    Router,
    /// It has marks that only a service gives, such as `Retry-After`.
    Service,
    /// It has neither.
    Unclear,
}

/// Parts of pages that routers send themselves, beside those of [`default_page`]: Envoy (local replies), Apache.
const ROUTER_WORDS: [&str; 3] =
    ["no healthy upstream", "upstream connect error", "The proxy server received an invalid"];

/// `None` for any other status. `body` is the beginning of it.
pub(crate) fn of(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Origin> {
    if !(502..=504).contains(&status) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    if default_page::of(status, body).is_some() || ROUTER_WORDS.iter().any(|words| text.contains(words)) {
        return Some(Origin::Router);
    }
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    let marks = [header::RETRY_AFTER.as_str(), header::SET_COOKIE.as_str(), "x-powered-by"];
    if json || marks.iter().any(|mark| headers.contains_key(*mark)) {
        return Some(Origin::Service);
    }
    // 502 and 504 are a gateway's by their definition (RFC 9110, sections 15.6.3 and 15.6.5); a 503 may be either's.
    Some(if status == 503 { Origin::Unclear } else { Origin::Router })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_the_service_from_the_router() {
        let mut marked = HeaderMap::new();
        marked.insert(header::RETRY_AFTER, "120".parse().unwrap());
        let plain = HeaderMap::new();
        for (status, headers, body, expected) in [
            (503, &marked, "maintenance", Some(Origin::Service)),
            (503, &plain, "no available server\n", Some(Origin::Router)),
            (503, &plain, "Service Unavailable", Some(Origin::Router)),
            (503, &plain, "we are down", Some(Origin::Unclear)),
            (502, &plain, "", Some(Origin::Router)),
            (500, &marked, "", None),
        ] {
            assert_eq!(of(status, headers, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
