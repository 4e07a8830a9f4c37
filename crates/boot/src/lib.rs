//! Boot deadlocks that systemd cannot see: units that wait for what is ordered after them.
//!
//! A unit that waits, while it starts, for a URL to answer has a dependency that no unit file names. When the unit
//! that serves that URL is ordered `After=` the waiting unit, each waits for the other until a timeout. Only a boot
//! from scratch shows it, because later the URL is already being served. This crate reads unit files ([`read_units`],
//! [`Unit::parse`]), takes the waits as declared data ([`Wait`], [`Serves`]) and finds those cycles ([`analyse`]),
//! each with its chain, its time bound and remedies that were tried on the graph.
//!
//! Everything but [`read_units`] is pure. It never talks to systemd, never runs a unit, never follows a URL and never
//! guesses a wait: an undeclared wait is not judged, and one that cannot be judged is unknown, with the reason.
//! Instances of template units are not expanded.
//!
//! ```
//! use pvcheck_boot::{Serves, Unit, Wait, analyse};
//!
//! let (proxy, _) = Unit::parse("proxy.service", "[Service]\nTimeoutStartSec=900\n")?;
//! let (shop, warnings) = Unit::parse("shop.service", "[Unit]\nAfter=proxy.service\n")?;
//! assert!(warnings.is_empty());
//!
//! let waits = [Wait { unit: "proxy.service".parse()?, url: "https://shop.example/".parse()? }];
//! let serves = [Serves {
//!     host: "shop.example".to_owned(),
//!     path_prefix: None,
//!     unit: "shop.service".parse()?,
//!     via: Some("proxy.service".parse()?),
//! }];
//! let report = analyse(&[proxy, shop], &waits, &serves);
//! assert_eq!(report.deadlocks.len(), 1);
//! assert_eq!(report.deadlocks[0].bound_ms, Some(900_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod cycle;
mod deadlock;
mod file;
mod graph;
mod name;
mod read;
mod reason;
mod remedy;
mod span;
mod unit;
mod wait;

pub use deadlock::{BootReport, Deadlock, Link, LinkKind, WaitOutcome, WaitRow, analyse, introduced};
pub use file::{Assignment, UnitFile, Warning};
pub use name::{UnitName, UnitNameError};
pub use read::{ReadError, UnitSet, read_units};
pub use reason::{BoundReason, NotJudged};
pub use remedy::{Remedy, RemedyChange};
pub use span::{Span, SpanError};
pub use unit::{Evidence, Reference, Unit};
pub use wait::{GateUrl, GateUrlError, Serves, Wait};
