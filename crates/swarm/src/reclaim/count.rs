//! Leaked addresses of several networks: by a census if one may be taken, else, on a full network, by subtraction.

use std::fmt;
use std::time::Duration;

use pvcheck_audit::{AllocatorCounts, Snapshot, pool_counts, waiting_services};
use serde::{Deserialize, Serialize};

use crate::census::{CensusError, CensusOptions, Doubt, census};
use crate::engine::wait_until;
use crate::operation::Operation;
use crate::worded;

/// How many addresses of a network are leaked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakCount {
    /// The network.
    pub network: String,
    /// The number; `None` if it is unknown.
    pub leaked: Option<u64>,
    /// Why the number is unknown, or how it is known without a census. In JSON its kind and data are `doubt`, its text is
    /// `reason`.
    #[serde(flatten, with = "worded::reason")]
    #[cfg_attr(feature = "schema", schemars(with = "worded::reason::Reasoned<CountReason>"))]
    pub reason: Option<CountReason>,
}

/// Why a count is unknown, or how it is known without a census.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CountReason {
    /// The network is full, so that every address without an owner is leaked.
    NothingFree,
    /// The census is not complete.
    Incomplete {
        /// What it leaves in doubt.
        doubt: Doubt,
    },
    /// A service waits for an address, so there was no census.
    ServiceWaits {
        /// The refusal of the census.
        refusal: String,
    },
}

impl fmt::Display for CountReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingFree => {
                f.write_str("without a census: the network is full, and these addresses have no owner")
            }
            Self::Incomplete { doubt } => doubt.fmt(f),
            Self::ServiceWaits { refusal } => f.write_str(refusal),
        }
    }
}

/// The overlays to count on: those named, else all that are allocated but `ingress`, to which no service can be
/// attached.
pub(super) fn chosen(snapshot: &Snapshot, names: &[String]) -> Result<Vec<String>, CensusError> {
    if names.is_empty() {
        let all = snapshot.overlays().into_iter().filter(|n| !n.ingress && n.is_ipv4_only());
        return Ok(all.map(|n| n.name.clone()).collect());
    }
    for name in names {
        snapshot.named_overlay(name)?;
    }
    Ok(names.to_vec())
}

/// Counts on each network in turn. After a change of leader, services that waited for an address are getting one; `patience`
/// bounds the wait for them.
pub(super) async fn count(
    op: Operation<'_>,
    names: &[String],
    patience: Duration,
) -> Result<Vec<LeakCount>, CensusError> {
    // A service that still waits after that is reported by the refusal of the census.
    wait_until!(patience, async {
        match op.engine.snapshot().await {
            Ok(snapshot) => waiting_services(&snapshot).is_empty().then_some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    })
    .transpose()?;
    let mut counts = Vec::new();
    for name in names {
        counts.push(match census(op, name, &CensusOptions::default()).await {
            Ok(found) => LeakCount {
                network: name.clone(),
                leaked: found.leaked,
                reason: found.reason.map(|doubt| match doubt {
                    Doubt::NothingFree { .. } => CountReason::NothingFree,
                    doubt => CountReason::Incomplete { doubt },
                }),
            },
            Err(error @ (CensusError::ServiceWaits { .. } | CensusError::TasksWait { .. })) => {
                without_census(&op.engine.snapshot().await?, name, &error.to_string())
            }
            // A network that was removed since is still listed for a moment, from the node's own copy.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        });
    }
    Ok(counts)
}

fn is_gone(error: &CensusError) -> bool {
    match error {
        CensusError::NoSuchNetwork(_) => true,
        CensusError::Call(call) => {
            call.message().starts_with("network ") && call.message().ends_with(" not found")
        }
        _ => false,
    }
}

/// The count that needs no census: on a full network, every address without an owner is leaked. `refused` is the refusal of
/// the census.
fn without_census(snapshot: &Snapshot, name: &str, refused: &str) -> LeakCount {
    let network = snapshot.overlay(name).map(|n| &n.id);
    let leaked = network.and_then(|id| pool_counts(snapshot, &AllocatorCounts::default(), id).leaked);
    let reason = match leaked {
        Some(_) => CountReason::NothingFree,
        None => CountReason::ServiceWaits { refusal: refused.to_owned() },
    };
    LeakCount { network: name.to_owned(), leaked, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_the_text_and_the_kind_of_a_reason() {
        let reason = CountReason::Incomplete { doubt: Doubt::TimeUp };
        let count = LeakCount { network: "proxy".into(), leaked: None, reason: Some(reason) };
        let json = serde_json::to_value(&count).unwrap();
        assert_eq!(json["reason"], "the time was up before the ring had gone round");
        assert_eq!(json["doubt"], json!({ "kind": "incomplete", "doubt": { "kind": "time_up" } }));
        assert_eq!(serde_json::from_value::<LeakCount>(json).unwrap(), count);
        let known = LeakCount { network: "proxy".into(), leaked: Some(0), reason: None };
        let json = serde_json::to_value(&known).unwrap();
        assert_eq!(json, json!({ "network": "proxy", "leaked": 0, "doubt": null, "reason": null }));
    }

    /// The step log of an interrupted reclaim may have been written before reasons had kinds.
    #[test]
    fn a_count_with_a_text_alone_is_still_read() {
        let old = json!({ "network": "proxy", "leaked": 3, "reason": "without a census" });
        let count: LeakCount = serde_json::from_value(old).unwrap();
        assert_eq!((count.leaked, count.reason), (Some(3), None));
    }
}
