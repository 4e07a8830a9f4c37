//! What an engine says of itself, be it a manager, a worker or in no Swarm.

use jiff::Timestamp;
use pvcheck_audit::EngineKind;
use serde::{Deserialize, Serialize};

use crate::engine::{CallError, Engine, wire};

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standing {
    /// Its version, such as `28.5.2`.
    pub version: String,
    /// Its place in a Swarm.
    pub membership: Membership,
    /// Its clock.
    pub at: Timestamp,
    /// Whether it is real.
    pub kind: EngineKind,
}

/// An engine's place in a Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Membership {
    /// It is a manager, and there is a leader.
    Manager,
    /// It is a manager that cannot answer for the Swarm, as without a quorum.
    Leaderless {
        /// What it says.
        error: String,
    },
    /// It is a worker: it cannot list the Swarm's objects.
    Worker {
        /// `ADDRESS:PORT` of the managers that it knows; may be empty.
        managers: Vec<String>,
    },
    /// It is in no active Swarm.
    Inactive {
        /// `inactive`, `pending`, `locked` or `error`, as the engine says.
        state: String,
    },
}

/// Reads what the engine says of itself, in one call.
///
/// # Errors
/// If the call fails.
pub async fn read_standing(engine: &Engine) -> Result<Standing, CallError> {
    let info: wire::Info = engine.connection().get("/info").await?;
    Ok(Standing {
        version: info.server_version,
        membership: membership(info.swarm),
        // An answer without a readable time is none, see `engine/whole.rs`.
        at: info.system_time.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        kind: EngineKind::of_operating_system(&info.operating_system),
    })
}

fn membership(swarm: wire::SwarmInfo) -> Membership {
    if swarm.local_node_state != "active" {
        return Membership::Inactive { state: swarm.local_node_state };
    }
    if !swarm.control_available {
        let managers = swarm.remote_managers.into_iter().flatten().map(|m| m.addr).collect();
        return Membership::Worker { managers };
    }
    // A manager without a leader has no cluster to show and says why (moby `daemon/cluster/swarm.go`, `Info`).
    if swarm.error.is_empty() { Membership::Manager } else { Membership::Leaderless { error: swarm.error } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_a_swarm_is_what_the_engine_says() {
        let place = |text: &str| membership(serde_json::from_str(text).unwrap());
        let active = r#""NodeID":"n1","LocalNodeState":"active""#;
        for (text, expected) in [
            (format!(r#"{{{active},"ControlAvailable":true}}"#), Membership::Manager),
            (
                format!(r#"{{{active},"ControlAvailable":true,"Error":"no leader"}}"#),
                Membership::Leaderless { error: "no leader".into() },
            ),
            (
                format!(r#"{{{active},"RemoteManagers":[{{"NodeID":"n2","Addr":"192.0.2.1:2377"}}]}}"#),
                Membership::Worker { managers: vec!["192.0.2.1:2377".into()] },
            ),
            (r#"{"LocalNodeState":"locked"}"#.to_owned(), Membership::Inactive { state: "locked".into() }),
        ] {
            assert_eq!(place(&text), expected, "{text}");
        }
    }
}
