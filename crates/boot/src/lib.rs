//! Boot deadlocks that systemd cannot see: units that wait for what is ordered after them.
//!
//! A unit that waits, while it starts, for a URL to answer has a dependency that no unit file names. When the unit
//! that serves that URL is ordered `After=` the waiting unit, each waits for the other until a timeout. Only a boot
//! from scratch shows it, because later the URL is already being served. This crate reads unit files ([`read_units`],
//! [`Unit::parse`]), finds the waits that stand in their commands and shell scripts, and who serves them in the stack
//! files that units deploy, in published ports and sockets; takes others as declared data ([`Wait`], [`Serves`]), and
//! finds those cycles ([`analyse`]), each with its chain, its time bound and remedies that were tried on the graph.
//!
//! Everything but [`read_units`] and [`read_alerts`] is pure. It never talks to systemd, never runs a unit or a script
//! and never follows a URL. A wait that is neither declared nor in the words of a shell or of Python is not judged, and one
//! that cannot be judged is unknown, with the reason. A file that was not read makes the waits that it could matter to unknown, never free.
//!
//! ```
//! use pvcheck_boot::{Serves, Unit, UnitSet, Wait, analyse};
//!
//! let (proxy, _) = Unit::parse("proxy.service", "[Service]\nTimeoutStartSec=900\n")?;
//! let (shop, warnings) = Unit::parse("shop.service", "[Unit]\nAfter=proxy.service\n")?;
//! assert!(warnings.is_empty());
//!
//! let waits =
//!     [Wait { unit: "proxy.service".parse()?, url: "https://shop.example/".parse()?, during: None }];
//! let serves = [Serves {
//!     host: "shop.example".to_owned(),
//!     port: None,
//!     path_prefix: None,
//!     unit: "shop.service".parse()?,
//!     via: Some("proxy.service".parse()?),
//! }];
//! let report = analyse(&UnitSet::whole(vec![proxy, shop]), &waits, &serves);
//! assert_eq!(report.deadlocks.len(), 1);
//! assert_eq!(report.deadlocks[0].bound_ms, Some(900_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod alert;
mod builtin;
mod command;
mod condition;
mod cycle;
mod deadlock;
mod deploys;
mod diagram;
mod edge;
mod evidence;
mod execution;
mod file;
mod folders;
mod found;
mod frames;
mod functions;
mod gate_url;
mod grammar;
mod graph;
mod lexer;
mod lint;
mod loops;
mod name;
mod opaque;
mod options;
mod order;
mod outcome;
mod place;
mod ports;
mod probe;
mod python;
mod python_lines;
mod python_loops;
mod read;
mod reason;
mod remedy;
mod runs;
mod script;
mod search;
mod served;
mod settings;
mod shell;
mod simple;
mod span;
mod specifier;
mod stack;
mod started;
mod systemctl;
mod unit;
mod unread;
mod variables;
mod wait;
mod words;
mod wrapper;

pub use command::{Command, Stage};

pub use deadlock::{BootReport, Deadlock, Link, LinkKind, WaitRow, analyse};
pub use deploys::UnreadDeploy;
pub use edge::{Edge, edges};
pub use evidence::Evidence;
pub use execution::Execution;
pub use file::{Assignment, UnitFile, Warning};
pub use gate_url::{GateUrl, GateUrlError};
pub use lint::{Lint, LintKind};
pub use name::{UnitName, UnitNameError};
pub use opaque::Opaque;
pub use outcome::WaitOutcome;
pub use place::{Place, PlaceError};
pub use read::{ReadError, UnitSet, read_alerts, read_units};
pub use reason::{BoundReason, NotJudged};
pub use remedy::{Remedy, RemedyChange};
pub use script::{Language, Script};
pub use span::{Span, SpanError};
pub use unit::{Listen, MountsFor, Reference, Unit};
pub use unread::{Unread, UnreadKind};
pub use wait::{Serves, Wait};
