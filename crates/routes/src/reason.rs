//! Why a route has its verdict: kinds with data, and one text for each.

use std::fmt;

use jiff::Timestamp;

use crate::challenge::Challenge;
use crate::default_page::DefaultPage;
use crate::origin::Origin;
use crate::phase::Phase;
use crate::status::Expected;
use crate::text::printable;
use crate::unmet::Unmet;

/// How many of a certificate's names a text lists.
const NAMES_SHOWN: usize = 8;

/// Why a route has its verdict. `Display` is one line; for a failure it names what to check or fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteReason {
    /// The status is an expected one.
    AsExpected {
        /// The status.
        status: u16,
        /// True iff nothing but the head was asked for, by the spec.
        head_alone: bool,
        /// Whose own page it is, where the spec takes that.
        page: Option<DefaultPage>,
        /// True iff the body is a stream without an end, of which the head and what came of it were seen.
        stream: bool,
        /// Whole days until the certificate ends, where these are fewer than 14.
        days_left: Option<i64>,
    },
    /// The certificate has several faults, each a reason of its own.
    CertificateFaults(Vec<Self>),
    /// The certificate is not accepted, for a reason of the verifier's without a kind of its own.
    CertificateRefused {
        /// The verifier's words; `None` if it recorded none.
        text: Option<String>,
    },
    /// The router has no certificate for the name and offers Traefik's built-in one.
    DefaultCertificate {
        /// The host that was asked for.
        host: String,
        /// The verifier's words; `None` if it recorded none.
        text: Option<String>,
    },
    /// An expected status came with a page that a router or web server sends of itself, so that it shows nothing of the service.
    DefaultPage {
        /// The status.
        status: u16,
        /// Whose page it is.
        page: DefaultPage,
    },
    /// An expected status came with a body of 0 bytes, which the spec does not allow.
    EmptyAnswer {
        /// The status.
        status: u16,
    },
    /// The certificate has ended.
    Expired {
        /// When it ended.
        not_after: Option<Timestamp>,
        /// Whole days left, rounded down, so negative.
        days_left: Option<i64>,
    },
    /// The connection ended without TLS's own end, and nothing says how long the body is.
    MaybeCut {
        /// The status.
        status: u16,
        /// The bytes of the body that came.
        bytes: u64,
    },
    /// The answer is missing or incomplete.
    NoAnswer {
        /// The phase that failed.
        phase: Phase,
        /// What happened, in the words of the protocol.
        text: String,
        /// The status, if one was seen before the failure.
        status: Option<u16>,
    },
    /// The fact has no body although its status has one.
    NoBodyRecorded {
        /// The status.
        status: u16,
    },
    /// The fact has no TLS part although its URL is `https`.
    NoCertificateRecorded,
    /// An answer came, but no status is declared as expected.
    NothingExpected {
        /// The status.
        status: u16,
    },
    /// The fact has neither a status nor a failure.
    NothingRecorded,
    /// The certificate's time has not begun.
    NotYetValid {
        /// The verifier's words.
        text: String,
    },
    /// The status is not an expected one.
    OtherStatus {
        /// The status.
        status: u16,
        /// The statuses that are expected.
        expected: Vec<Expected>,
        /// Where a redirect points, without its query.
        location: Option<String>,
        /// Who sent it, for 502 to 504.
        origin: Option<Origin>,
        /// Whose own page it is.
        page: Option<DefaultPage>,
        /// When to ask again, as the answer says.
        retry_after: Option<String>,
        /// How the server wants to be authenticated to.
        asks: Vec<Challenge>,
    },
    /// The certificate vouches for itself alone.
    SelfSigned {
        /// Whose it says it is; `None` if that cannot be read.
        subject: Option<String>,
    },
    /// Several, each by itself enough to keep the route from passing.
    Several(Vec<Self>),
    /// No trusted CA vouches for the certificate.
    UnknownIssuer {
        /// Who issued it; `None` if that cannot be read.
        issuer: Option<String>,
    },
    /// A condition of the route is not met, or not seen to be.
    Unmet(Unmet),
    /// The certificate is for other names.
    WrongName {
        /// The host that was asked for.
        host: String,
        /// The names that the certificate is for.
        names: Vec<String>,
    },
}

impl RouteReason {
    /// The single reasons of several, or this one alone.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// One word for it, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AsExpected { .. } => "as_expected",
            Self::CertificateFaults(_) => "certificate_faults",
            Self::CertificateRefused { .. } => "certificate_refused",
            Self::DefaultCertificate { .. } => "default_certificate",
            Self::DefaultPage { .. } => "default_page",
            Self::EmptyAnswer { .. } => "empty_answer",
            Self::Expired { .. } => "expired",
            Self::MaybeCut { .. } => "maybe_cut",
            Self::NoAnswer { .. } => "no_answer",
            Self::NoBodyRecorded { .. } => "no_body_recorded",
            Self::NoCertificateRecorded => "no_certificate_recorded",
            Self::NothingExpected { .. } => "nothing_expected",
            Self::NothingRecorded => "nothing_recorded",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::OtherStatus { .. } => "other_status",
            Self::SelfSigned { .. } => "self_signed",
            Self::Several(_) => "several",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::Unmet(unmet) => unmet.kind(),
            Self::WrongName { .. } => "wrong_name",
        }
    }
}

impl fmt::Display for RouteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsExpected { status, head_alone, page, stream, days_left } => {
                write!(f, "{status} as expected{}", if *head_alone { ", by its head" } else { "" })?;
                as_expected(f, *page, *stream, *days_left)
            }
            Self::DefaultPage { status, page } => write!(
                f,
                "answered {status} with {page}, so it shows nothing of the service: ask for a path that only the service \
                 answers, or set allow_default = true"
            ),
            Self::EmptyAnswer { status } => write!(
                f,
                "answered {status} with a body of 0 bytes, as a router may for a name that no rule matches: ask for a path \
                 that has a body, or set allow_empty = true if the service answers so"
            ),
            Self::MaybeCut { status, bytes } => write!(
                f,
                "answered {status}, but the connection ended without TLS's close_notify after {bytes} bytes and nothing \
                 declares the body's length: it may lack its end"
            ),
            Self::NoAnswer { phase, text, status } => no_answer(f, *phase, text, *status),
            Self::NoBodyRecorded { status } => write!(f, "no body was recorded with the {status}"),
            Self::NoCertificateRecorded => f.write_str("no certificate was recorded for a TLS route"),
            Self::NothingExpected { status } => {
                write!(f, "answered {status}, but no status is declared as expected")
            }
            Self::Several(all) => f.write_str(&joined(all)),
            Self::Unmet(unmet) => unmet.fmt(f),
            Self::NothingRecorded => f.write_str("neither a status nor a failure was recorded"),
            Self::OtherStatus { status, expected, location, origin, page, retry_after, asks } => {
                other_status(f, *status, expected, location.as_deref())?;
                match page {
                    // Of 502 to 504 more is said by whom they come from.
                    Some(page) if origin.is_none() => write!(f, ": it is {page}")?,
                    _ => f.write_str(blame(*status, *origin))?,
                }
                if !asks.is_empty() {
                    let asks: Vec<String> = asks.iter().map(ToString::to_string).collect();
                    write!(f, "; it wants authentication: {}", asks.join(", "))?;
                }
                retry_after.as_ref().map_or(Ok(()), |after| write!(f, "; it says to ask again: {after}"))
            }
            Self::CertificateFaults(_)
            | Self::CertificateRefused { .. }
            | Self::DefaultCertificate { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::SelfSigned { .. }
            | Self::UnknownIssuer { .. }
            | Self::WrongName { .. } => self.certificate(f),
        }
    }
}

impl RouteReason {
    /// What is wrong with a certificate.
    fn certificate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateFaults(reasons) => f.write_str(&joined(reasons)),
            Self::DefaultCertificate { host, text } => write!(
                f,
                "the router offers Traefik's built-in default certificate for {host}, so it has none for that name: \
                 check the route's TLS resolver and the certificate's issuance ({})",
                or_no_reason(text.as_deref())
            ),
            Self::Expired { not_after, days_left } => {
                write!(f, "the certificate ended {}: ", end(*not_after, *days_left))?;
                f.write_str("renew it, and see why it was not renewed by itself")
            }
            Self::NotYetValid { text } => write!(
                f,
                "the certificate's time has not begun ({text}): check the clocks of this machine and its issuer"
            ),
            Self::SelfSigned { subject } => write!(
                f,
                "the certificate of {} is self-signed, and no trusted CA vouches for it: give it as a CA file, or have one issued",
                subject.as_deref().unwrap_or("an unreadable subject")
            ),
            Self::UnknownIssuer { issuer } => write!(
                f,
                "the certificate was issued by {}, which no trusted CA vouches for: send the whole chain, or give \
                 its CA file",
                issuer.as_deref().unwrap_or("an unreadable issuer")
            ),
            Self::WrongName { host, names } => write!(
                f,
                "the certificate is not for {host}: it is for {}: add {host} to it, or fix the route's certificate \
                 rule",
                listed(names)
            ),
            Self::CertificateRefused { text } => {
                write!(f, "the certificate is not accepted: {}", or_no_reason(text.as_deref()))
            }
            _ => Ok(()),
        }
    }
}

fn joined(reasons: &[RouteReason]) -> String {
    let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; and ")
}

fn as_expected(
    f: &mut fmt::Formatter<'_>,
    page: Option<DefaultPage>,
    stream: bool,
    days_left: Option<i64>,
) -> fmt::Result {
    if stream {
        f.write_str("; its body is a stream, of which the beginning was seen")?;
    }
    if let Some(page) = page {
        write!(f, ", but with {page}: a path that only the service answers would prove more")?;
    }
    match days_left {
        Some(days) => write!(f, "; the certificate ends in {days} days"),
        None => Ok(()),
    }
}

fn no_answer(f: &mut fmt::Formatter<'_>, phase: Phase, text: &str, status: Option<u16>) -> fmt::Result {
    let step = match phase {
        Phase::Connect => "no connection",
        Phase::Deadline => "no whole answer",
        Phase::Http => "connected, but no whole HTTP answer",
        Phase::Local => "could not be asked from here",
        Phase::Resolve => "no address",
        Phase::Tls => "connected, but no TLS session",
    };
    write!(f, "{step}: {text}")?;
    match status {
        Some(status) => write!(f, " (status {status} was seen)"),
        None => Ok(()),
    }
}

fn other_status(
    f: &mut fmt::Formatter<'_>,
    status: u16,
    expected: &[Expected],
    location: Option<&str>,
) -> fmt::Result {
    write!(f, "answered {status}")?;
    if let Some(location) = location {
        write!(f, " (redirects to {})", printable(location, 200))?;
    }
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    write!(f, " instead of {}", expected.join(" or "))
}

/// Routers answer these themselves: 404 without a matching rule, 502 to 504 without a working service behind one.
fn blame(status: u16, origin: Option<Origin>) -> &'static str {
    match (status, origin) {
        (404, _) => {
            ": the router answers, but no rule matches or nothing lives at this path (is the service at 0 replicas?)"
        }
        (502..=504, Some(Origin::Service)) => ": the service itself answers so",
        (502..=504, Some(Origin::Unclear)) => {
            ": the router answers so, or the service behind it; nothing in the answer says which"
        }
        (502..=504, _) => ": the router answers, the service behind it does not",
        _ => "",
    }
}

fn or_no_reason(text: Option<&str>) -> &str {
    text.unwrap_or("no reason was recorded")
}

fn end(not_after: Option<Timestamp>, days_left: Option<i64>) -> String {
    match (not_after, days_left) {
        (Some(end), Some(days)) => format!("at {end}, {} days ago", -days),
        _ => "at an unreadable time".to_owned(),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no name at all".to_owned();
    }
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| printable(name, 80)).collect();
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
