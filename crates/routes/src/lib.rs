//! Probing URLs through a router: HTTP/1.1 and 2, TLS facts, pinned addresses.
//!
//! A replica count shows that a process runs; only a request that goes all the way through the router shows that a
//! route works. This crate makes that request and records what happened: [`Prober::probe`] turns a [`RouteSpec`]
//! into a [`RouteFact`] and never fails, because a refused connection is a fact as much as a status is. The pure
//! function [`judge`] decides what the fact means, so a verdict can be replayed from a file.
//! [`Prober::watch`] repeats the probes and a [`Recorder`] sums up the outages.
//!
//! Besides the status a route may have [`Conditions`] on headers, body, redirect, TLS and time.
//!
//! What it never does: follow a redirect, send a cookie, send a query or a credential over TLS whose certificate did not
//! verify, obey a proxy variable, read more than [`BODY_LIMIT`] bytes of an answer, or outlive the deadline of its spec.
//! Queries and credentials are cut from everything that it records.
//!
//! ```
//! use pvcheck_routes::{Prober, Roots, RouteSpec, RouteUrl, Verdict, judge};
//! use std::time::Duration;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let mut spec = RouteSpec::new("dashboard", RouteUrl::parse("http://ci.example.net/")?);
//! // As `curl --resolve` does: ask this address, whatever the name resolves to. Nothing listens there.
//! spec.address = "127.0.0.1:9".parse::<std::net::SocketAddr>()?.into();
//! spec.deadline = Duration::from_secs(2);
//!
//! # let ca = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()])?;
//! # let file = tempfile::NamedTempFile::new()?;
//! # std::fs::write(file.path(), ca.cert.pem())?;
//! # let ca_file = file.path();
//! let prober = Prober::new(&Roots::Pem(ca_file.to_owned()))?;
//! let fact = prober.probe(&spec, jiff::Timestamp::now()).await;
//! assert_eq!(fact.status, None);
//! assert_eq!(judge(&fact).verdict, Verdict::Fail);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod addresses;
mod attempts;
mod cause;
mod cert;
mod challenge;
mod conditions;
mod curl;
mod default_page;
mod exchange;
mod fact;
mod files;
mod judge;
mod legacy;
mod material;
mod observe;
mod origin;
mod pattern;
mod phase;
mod probe;
mod reason;
mod record;
mod report;
mod request;
mod resolve;
mod roots;
mod sniff;
mod spec;
mod status;
mod text;
mod unmet;
mod url;
mod verify;
mod watch;
mod words;

pub use self::url::{RouteUrl, UrlError};
pub use addresses::Addresses;
pub use cause::{Cause, End};
pub use challenge::Challenge;
pub use conditions::{
    BodyCondition, Conditions, HeaderCondition, HeaderTest, Target, TlsConditions, TlsVersion,
};
pub use curl::shell_quoted;
pub use default_page::DefaultPage;
pub use exchange::BODY_LIMIT;
pub use fact::{Attempt, BodyFact, Failure, RouteFact, TimingMs, TlsFact, VerifyError, VerifyErrorKind};
pub use files::FileFault;
pub use judge::{RouteVerdict, Verdict, judge};
pub use material::{MaterialError, RouteMaterialFault};
pub use observe::{BodySeen, HeaderSeen};
pub use origin::Origin;
pub use pattern::Pattern;
pub use phase::Phase;
pub use probe::Prober;
pub use reason::RouteReason;
pub use record::{Outage, Recorder, RouteRecord, WatchSummary};
pub use report::{RouteRow, RoutesReport};
pub use request::{Basic, ClientCertificate, Method, Request, SecretSource, SentValue};
pub use roots::{Roots, RootsCount, RootsError};
pub use spec::{HttpVersion, RouteSpec, SpecError};
pub use status::Expected;
pub use unmet::Unmet;
pub use watch::WatchPlan;
