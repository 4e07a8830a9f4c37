//! `[[route]]` and `[[route_group]]`: which routes must answer, and what several of them have in common.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pvcheck_routes::{Addresses, Conditions, Expected, HttpVersion, Request, RouteSpec, RouteUrl};
use serde::Deserialize;

/// A route that must answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Its name in reports.
    pub name: String,
    /// The group that it is in, which says what the route itself leaves out.
    pub group: Option<String>,
    /// The URL to ask.
    pub url: RouteUrl,
    /// Where to connect to, whatever the name resolves to.
    #[serde(default)]
    pub address: Addresses,
    /// The statuses that are fine; 200 where neither it nor its group says any.
    pub expect: Option<Vec<Expected>>,
    /// How it is asked.
    #[serde(default)]
    pub request: Request,
    /// What else must hold of the answer.
    #[serde(default)]
    pub conditions: Conditions,
    /// The service behind it, named when it fails.
    pub service: Option<String>,
    /// `1.1` or `2`; whatever is agreed on where absent.
    pub http: Option<HttpVersion>,
    /// True iff a 2xx answer without a body is fine.
    #[serde(default)]
    pub allow_empty: bool,
    /// True iff the head of the answer is enough, as of a stream.
    #[serde(default)]
    pub headers_suffice: bool,
    /// True iff a page that a router or web server sends of itself is fine.
    #[serde(default)]
    pub allow_default: bool,
    /// The time for everything, in milliseconds; 10 s where absent.
    pub deadline_ms: Option<NonZeroU64>,
    /// How often it may be asked until it answers as expected, 1 to 5; for its own check alone.
    #[serde(default = "one_attempt")]
    pub attempts: u32,
    /// False iff a gate that deploys goes on without it; true where neither it nor its group says.
    pub core: Option<bool>,
}

/// What routes of a group have in common. Each of them may say otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteGroupConfig {
    /// Its name, by which routes and gates name it.
    pub name: String,
    /// Where to connect to, whatever names resolve to.
    #[serde(default)]
    pub address: Addresses,
    /// A PEM file of authorities that are trusted for its routes beside the others; routes over plain HTTP trust none.
    pub ca: Option<PathBuf>,
    /// The statuses that are fine.
    pub expect: Option<Vec<Expected>>,
    /// What else must hold of an answer; each field is one that a route may have of its own.
    #[serde(default)]
    pub conditions: Conditions,
    /// `1.1` or `2`.
    pub http: Option<HttpVersion>,
    /// The time for everything, in milliseconds.
    pub deadline_ms: Option<NonZeroU64>,
    /// False iff a gate that deploys goes on without its routes.
    pub core: Option<bool>,
}

impl RouteConfig {
    /// True iff a gate that deploys asks it between its steps, and stops where it does not pass.
    pub(super) fn is_core(&self, group: Option<&RouteGroupConfig>) -> bool {
        self.core.or(group.and_then(|group| group.core)).unwrap_or(true)
    }

    /// The route, ready to be asked. Relative paths are relative to this folder.
    pub(super) fn spec(&self, group: Option<&RouteGroupConfig>, folder: &Path) -> RouteSpec {
        let mut spec = RouteSpec::new(&self.name, self.url.clone());
        spec.address.clone_from(&self.address);
        spec.request = self.request.clone();
        spec.conditions.clone_from(&self.conditions);
        spec.allow_empty = self.allow_empty;
        spec.headers_suffice = self.headers_suffice;
        spec.allow_default = self.allow_default;
        spec.attempts = self.attempts;
        let (mut expected, mut http, mut deadline) = (self.expect.as_ref(), self.http, self.deadline_ms);
        if let Some(group) = group {
            if spec.address.is_empty() {
                spec.address.clone_from(&group.address);
            }
            if spec.request.ca.is_none() && self.url.speaks_tls() {
                spec.request.ca.clone_from(&group.ca);
            }
            fill(&mut spec.conditions, &group.conditions);
            expected = expected.or(group.expect.as_ref());
            http = http.or(group.http);
            deadline = deadline.or(group.deadline_ms);
        }
        spec.request = spec.request.within(folder);
        spec.http = http;
        if let Some(expected) = expected {
            spec.expected.clone_from(expected);
        }
        if let Some(deadline) = deadline {
            spec.deadline = Duration::from_millis(deadline.get());
        }
        spec
    }
}

fn one_attempt() -> u32 {
    1
}

/// Fills in each condition that is not there.
fn fill(conditions: &mut Conditions, group: &Conditions) {
    if conditions.headers.is_empty() {
        conditions.headers.clone_from(&group.headers);
    }
    if conditions.body.is_empty() {
        conditions.body.clone_from(&group.body);
    }
    if conditions.redirect.is_none() {
        conditions.redirect.clone_from(&group.redirect);
    }
    conditions.within_ms = conditions.within_ms.or(group.within_ms);
    let (tls, of_group) = (&mut conditions.tls, &group.tls);
    tls.min_version = tls.min_version.or(of_group.min_version);
    tls.min_days_left = tls.min_days_left.or(of_group.min_days_left);
    if tls.issuer.is_none() {
        tls.issuer.clone_from(&of_group.issuer);
    }
    if tls.names.is_empty() {
        tls.names.clone_from(&of_group.names);
    }
}
