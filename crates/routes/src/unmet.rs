//! The conditions that an answer does not meet, or of which that cannot be said.

use std::fmt;

use url::Url;

use crate::conditions::{BodyCondition, Conditions, HeaderTest, TlsVersion};
use crate::fact::{RouteFact, TlsFact};
use crate::observe::{BodySeen, HeaderSeen};

/// A condition that is not met, with what was seen in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A body without what it must hold.
    Body {
        /// What it must hold.
        wanted: BodyCondition,
        /// What was found.
        seen: BodySeen,
    },
    /// A certificate that ends too soon.
    DaysLeft {
        /// The fewest days.
        min: u32,
        /// Those that are left.
        left: i64,
    },
    /// A header that is not there, or has another value.
    Header {
        /// Its name.
        name: String,
        /// What it must be.
        wanted: HeaderTest,
        /// What it is; `None` if there is none.
        seen: Option<String>,
    },
    /// A certificate of another issuer.
    Issuer {
        /// A part of the issuer that must be.
        wanted: String,
        /// The issuer.
        seen: String,
    },
    /// A certificate that is not for a name.
    Name {
        /// The name.
        wanted: String,
        /// The names that it is for.
        seen: Vec<String>,
    },
    /// What the condition is about was not seen, so that it is unknown.
    NotSeen {
        /// What it is about.
        about: &'static str,
    },
    /// A redirect that leads elsewhere, or none.
    Redirect {
        /// Where it must lead.
        wanted: String,
        /// Where it leads, without its query; `None` if nowhere.
        seen: Option<String>,
    },
    /// An answer that took too long.
    Time {
        /// The most milliseconds.
        within_ms: u64,
        /// Those that it took.
        took_ms: u64,
    },
    /// An older version of TLS.
    TlsVersion {
        /// The oldest that is fine.
        min: TlsVersion,
        /// The one spoken.
        seen: String,
    },
}

impl Unmet {
    /// True iff what was seen leaves open whether the condition is met.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::NotSeen { .. }
                | Self::Body { seen: BodySeen::Beyond { .. } | BodySeen::Encoded { .. }, .. }
        )
    }

    /// One word for it, as in JSON.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Body { .. } => "body",
            Self::DaysLeft { .. } => "tls_days_left",
            Self::Header { .. } => "header",
            Self::Issuer { .. } => "tls_issuer",
            Self::Name { .. } => "tls_name",
            Self::NotSeen { .. } => "condition_not_seen",
            Self::Redirect { .. } => "redirect",
            Self::Time { .. } => "time",
            Self::TlsVersion { .. } => "tls_version",
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body { wanted, seen } => body(f, wanted, seen),
            Self::DaysLeft { min, left } => {
                write!(f, "the certificate ends in {left} days, and {min} at least are wanted")
            }
            Self::Header { name, wanted, seen: Some(seen) } => {
                write!(f, "header {name} is {seen:?} instead of {wanted}")
            }
            Self::Header { name, wanted, seen: None } => {
                write!(f, "there is no header {name}, which must be {wanted}")
            }
            Self::Issuer { wanted, seen } => {
                write!(f, "the certificate's issuer is {seen}, without {wanted:?}")
            }
            Self::Name { wanted, seen } => {
                write!(f, "the certificate is not for {wanted}, but for {}", seen.join(", "))
            }
            Self::NotSeen { about } => write!(f, "{about} was not seen, and a condition is about it"),
            Self::Redirect { wanted, seen: Some(seen) } => {
                write!(f, "it redirects to {seen} instead of {wanted}")
            }
            Self::Redirect { wanted, seen: None } => write!(f, "it redirects nowhere instead of to {wanted}"),
            Self::Time { within_ms, took_ms } => {
                write!(f, "it took {took_ms} ms, and {within_ms} ms at most are wanted")
            }
            Self::TlsVersion { min, seen } => {
                write!(f, "TLS {seen} was spoken, and {} at least is wanted", min.as_str())
            }
        }
    }
}

fn body(f: &mut fmt::Formatter<'_>, wanted: &BodyCondition, seen: &BodySeen) -> fmt::Result {
    match seen {
        BodySeen::Beyond { read } => {
            write!(
                f,
                "whether the body has {wanted} is unknown: the first {read} bytes do not show it, and no more were read"
            )
        }
        BodySeen::Encoded { encoding } => {
            write!(f, "whether the body has {wanted} is unknown: it came compressed ({encoding}), unasked")
        }
        BodySeen::Met | BodySeen::Missing => write!(f, "the body does not have {wanted}"),
        BodySeen::NotJson => write!(f, "the body is not JSON, and must have {wanted}"),
        BodySeen::Other { value } => write!(f, "the body has {value} instead of {wanted}"),
    }
}

/// Every condition of the route that its answer does not meet. Of a route that gave no whole answer only those are named of
/// which something was seen: why the rest was not seen is said by the failure itself.
pub(crate) fn unmet(fact: &RouteFact) -> Vec<Unmet> {
    let conditions = &fact.conditions;
    let mut all = Vec::new();
    all.extend(headers(conditions, fact));
    all.extend(bodies(conditions, fact));
    all.extend(redirect(conditions, fact));
    if !conditions.tls.is_empty() {
        match &fact.tls {
            Some(tls) => all.extend(of_tls(conditions, tls)),
            None => all.push(Unmet::NotSeen { about: "the TLS session" }),
        }
    }
    all.extend(time(conditions, fact));
    if fact.failure.is_some() {
        all.retain(|unmet| !unmet.is_unknown());
    }
    all
}

fn headers(conditions: &Conditions, fact: &RouteFact) -> Vec<Unmet> {
    let mut seen = fact.headers_seen.iter();
    let found = conditions.headers.iter().map(|condition| match seen.next() {
        Some(HeaderSeen::Met) => None,
        Some(other) => {
            let seen = match other {
                HeaderSeen::Other { value } => Some(value.clone()),
                HeaderSeen::Absent | HeaderSeen::Met => None,
            };
            Some(Unmet::Header { name: condition.name.clone(), wanted: condition.test.clone(), seen })
        }
        None => Some(Unmet::NotSeen { about: "the answer's head" }),
    });
    found.flatten().collect()
}

fn bodies(conditions: &Conditions, fact: &RouteFact) -> Vec<Unmet> {
    let mut seen = fact.body_seen.iter();
    let found = conditions.body.iter().map(|condition| match seen.next() {
        Some(BodySeen::Met) => None,
        Some(other) => Some(Unmet::Body { wanted: condition.clone(), seen: other.clone() }),
        None => Some(Unmet::NotSeen { about: "the answer's body" }),
    });
    found.flatten().collect()
}

/// Both are resolved against the route's URL (RFC 3986, section 5.2), so that `/login` and the whole URL are the same.
fn redirect(conditions: &Conditions, fact: &RouteFact) -> Option<Unmet> {
    let wanted = conditions.redirect.as_ref()?;
    if fact.status.is_none() {
        return Some(Unmet::NotSeen { about: "where it redirects to" });
    }
    let differs = |seen| Some(Unmet::Redirect { wanted: wanted.to_string(), seen });
    let Some(location) = &fact.location else { return differs(None) };
    // A longer one is cut in the fact, so what is missing cannot be compared.
    if location.ends_with('…') {
        return Some(Unmet::NotSeen { about: "the whole of where it redirects to" });
    }
    let base = Url::parse(&fact.url).ok();
    let resolved = |target: &str| {
        let mut url = base.as_ref()?.join(target).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    match (resolved(location), resolved(wanted.as_str())) {
        (Some(seen), Some(wanted)) if seen == wanted => None,
        (Some(seen), _) => differs(Some(seen.to_string())),
        (None, _) => differs(Some(location.clone())),
    }
}

fn of_tls(conditions: &Conditions, tls: &TlsFact) -> Vec<Unmet> {
    let wanted = &conditions.tls;
    let mut all = Vec::new();
    match (wanted.min_version, tls.version.as_deref()) {
        (Some(min), Some(seen)) if seen < min.as_str() => {
            all.push(Unmet::TlsVersion { min, seen: seen.to_owned() });
        }
        (Some(_), None) => all.push(Unmet::NotSeen { about: "the version of TLS" }),
        _ => {}
    }
    match (wanted.min_days_left, tls.days_left) {
        (Some(min), Some(left)) if left < i64::from(min) => all.push(Unmet::DaysLeft { min, left }),
        (Some(_), None) => all.push(Unmet::NotSeen { about: "the certificate's end" }),
        _ => {}
    }
    match (&wanted.issuer, &tls.issuer) {
        (Some(part), Some(seen)) if !seen.contains(part.as_str()) => {
            all.push(Unmet::Issuer { wanted: part.clone(), seen: seen.clone() });
        }
        (Some(_), None) => all.push(Unmet::NotSeen { about: "the certificate's issuer" }),
        _ => {}
    }
    let missing = wanted.names.iter().filter(|name| !tls.sans.iter().any(|san| covers(san, name)));
    all.extend(missing.map(|name| {
        // A certificate may have more names than a fact keeps.
        if TlsFact::SANS_LIMIT <= tls.sans.len() {
            return Unmet::NotSeen { about: "the whole list of the certificate's names" };
        }
        Unmet::Name { wanted: name.clone(), seen: tls.sans.clone() }
    }));
    all
}

/// True iff a certificate's name is this one, or a wildcard over its first label (RFC 9525, section 6.3).
fn covers(san: &str, name: &str) -> bool {
    if san.eq_ignore_ascii_case(name) {
        return true;
    }
    let under =
        |domain: &str| name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain));
    san.strip_prefix("*.").is_some_and(under)
}

fn time(conditions: &Conditions, fact: &RouteFact) -> Option<Unmet> {
    let within_ms = conditions.within_ms?.get();
    // The name look-up is not the route's: a slow resolver would be blamed on it.
    let took_ms = fact.timing_ms.total.saturating_sub(fact.timing_ms.resolve.unwrap_or(0));
    if within_ms < took_ms {
        return Some(Unmet::Time { within_ms, took_ms });
    }
    let unread = fact.body.as_ref().is_some_and(|body| !body.complete && !body.stream);
    unread.then_some(Unmet::NotSeen { about: "how long the rest of the body takes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        for (san, name, is_covered) in [
            ("*.a.example", "x.a.example", true),
            ("*.a.example", "x.y.a.example", false),
            ("*.a.example", "a.example", false),
            ("A.example", "a.Example", true),
            ("a.example", "b.example", false),
        ] {
            assert_eq!(covers(san, name), is_covered, "{san} for {name}");
        }
    }
}
