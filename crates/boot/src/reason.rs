//! Why a wait could not be judged, and where a bound comes from: kinds with data, and one text for each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::deploys::UnreadDeploy;
use crate::evidence::Evidence;
use crate::name::UnitName;
use crate::place::Place;
use crate::unread::Unread;

/// How many files a text lists.
const FILES_SHOWN: usize = 3;

/// Why a wait could not be judged. In JSON `kind` and `about`, with the text as `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind", content = "about")]
pub enum NotJudged {
    /// A unit that comes after the waiting one deploys something that is not known: it may serve the place.
    DeployNotRead(UnreadDeploy),
    /// This unit, the waiting one or a serving one, is masked.
    Masked(UnitName),
    /// No unit is declared or found to serve this place.
    NoServer(Place),
    /// This unit, the waiting one or a serving one, was not among the units.
    NotRead(UnitName),
    /// Several units serve this host on several ports, and whether it is a deadlock depends on which serves which.
    PortNotDeclared(Place),
    /// It would be a deadlock if a command other than `ExecStart=` of this unit waited, and none names the place.
    StageNotDeclared(UnitName),
    /// These files of units that the boot starts were not read: any of them may order what it likes.
    Unread(Vec<Unread>),
}

impl fmt::Display for NotJudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeployNotRead(deploy) => write!(
                f,
                "{deploy}, and comes after the waiting unit: let the file be read, or declare who serves the place"
            ),
            Self::Masked(unit) => write!(f, "{unit} is masked: it never starts"),
            Self::NoServer(place) => write!(f, "no unit is known to serve {place}: declare one"),
            Self::NotRead(unit) => {
                write!(f, "{unit} is not among the units: read the directory that holds it")
            }
            Self::PortNotDeclared(place) => write!(
                f,
                "several units serve the host of {place}, and which of them serves that port is not declared: write \
                 the port with the host, as in HOST:PORT"
            ),
            Self::StageNotDeclared(unit) => write!(
                f,
                "none of the commands of {unit} names what it waits for: write \"during\": \"ExecStartPre\" or \
                 \"ExecStart\" with the wait"
            ),
            Self::Unread(files) => unread(f, files),
        }
    }
}

fn unread(f: &mut fmt::Formatter<'_>, files: &[Unread]) -> fmt::Result {
    let shown: Vec<String> = files.iter().take(FILES_SHOWN).map(ToString::to_string).collect();
    write!(f, "not read: {}", shown.join("; "))?;
    match files.len().saturating_sub(FILES_SHOWN) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

/// Where the bound of a deadlock comes from. In JSON `bound_kind` with its data, and the text as `bound_reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "bound_kind")]
pub enum BoundReason {
    /// The command that waits gives up by itself.
    Command {
        /// The command.
        #[serde(rename = "bound_evidence")]
        evidence: Evidence,
    },
    /// A unit sets a limit for its start.
    Configured {
        /// Where.
        #[serde(rename = "bound_evidence")]
        evidence: Evidence,
    },
    /// systemd's default limit applies to a unit.
    SystemdDefault {
        /// The unit.
        #[serde(rename = "bound_unit")]
        unit: UnitName,
    },
    /// No waiting unit has a limit.
    Unlimited,
}

impl fmt::Display for BoundReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { evidence } => write!(f, "{evidence} gives up then"),
            Self::Configured { evidence } => evidence.fmt(f),
            Self::SystemdDefault { unit } => {
                write!(f, "systemd's default limit for the start of {unit}, DefaultTimeoutStartSec")
            }
            Self::Unlimited => {
                f.write_str("no limit is set for the start of any waiting unit: it waits for ever")
            }
        }
    }
}

/// The JSON of an optional [`NotJudged`]: its fields, and its text as `reason`, which is `null` if there is none.
pub(crate) mod not_judged {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::NotJudged;

    #[derive(Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(crate) struct WithText<'a> {
        reason: Option<String>,
        #[serde(flatten)]
        kind: Option<&'a NotJudged>,
    }

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(kind: &Option<NotJudged>, output: S) -> Result<S::Ok, S::Error> {
        let kind = kind.as_ref();
        WithText { reason: kind.map(ToString::to_string), kind }.serialize(output)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<NotJudged>, D::Error> {
        Option::deserialize(input)
    }
}

/// The JSON of a [`BoundReason`]: its fields, and its text as `bound_reason`.
pub(crate) mod bound {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::BoundReason;

    #[derive(Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(crate) struct WithText<'a> {
        bound_reason: String,
        #[serde(flatten)]
        kind: &'a BoundReason,
    }

    pub(crate) fn serialize<S: Serializer>(kind: &BoundReason, output: S) -> Result<S::Ok, S::Error> {
        WithText { bound_reason: kind.to_string(), kind }.serialize(output)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<BoundReason, D::Error> {
        BoundReason::deserialize(input)
    }
}
