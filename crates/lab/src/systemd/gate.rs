//! What the router's unit waits for before it counts as started, and how the dashboard's unit is ordered.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way to order the units of world `cc-ci` around the health gate of `deploy-proxy.service`. All but the first are of
/// finding A1 of the real host: its boot from scratch hung, because the gate's URL was served by a unit ordered after the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// The router's own version page: the first remedy, which the real host has now.
    #[default]
    Router,
    /// The dashboard, whose unit is ordered after the gate, directly and through the bridge's: the boot hangs.
    Dashboard,
    /// The dashboard, whose unit is ordered after the bridge's only, which is ordered after the gate: the boot hangs.
    DashboardBehindBridge,
    /// The dashboard, whose unit is ordered after neither: the second remedy.
    DashboardUnordered,
    /// The dashboard, whose unit the gate is ordered after: the third remedy.
    DashboardFirst,
    /// Drone, whose unit is ordered after the gate too: the boot hangs as before.
    Drone,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Router,
        Self::Dashboard,
        Self::DashboardBehindBridge,
        Self::DashboardUnordered,
        Self::DashboardFirst,
        Self::Drone,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Dashboard => "dashboard",
            Self::DashboardBehindBridge => "dashboard-behind-bridge",
            Self::DashboardUnordered => "dashboard-unordered",
            Self::DashboardFirst => "dashboard-first",
            Self::Drone => "drone",
        }
    }

    /// The name of the route that it waits for.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Router => "traefik",
            Self::Drone => "drone",
            Self::Dashboard
            | Self::DashboardBehindBridge
            | Self::DashboardUnordered
            | Self::DashboardFirst => "dashboard",
        }
    }

    /// What the dashboard's unit is ordered after, besides the Swarm.
    pub(crate) fn before_dashboard(self) -> &'static [&'static str] {
        match self {
            Self::Router | Self::Dashboard | Self::Drone => {
                &["deploy-bridge.service", "deploy-proxy.service"]
            }
            Self::DashboardBehindBridge => &["deploy-bridge.service"],
            Self::DashboardUnordered | Self::DashboardFirst => &[],
        }
    }

    /// What the gate's unit pulls in and is ordered after, besides the Swarm.
    pub(crate) fn before_gate(self) -> &'static [&'static str] {
        if self == Self::DashboardFirst { &["deploy-dashboard.service"] } else { &[] }
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|gate| gate.as_str() == text);
        found.ok_or_else(|| format!("unknown gate {text:?}: use one of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for gate in Gate::ALL {
            assert_eq!(gate.as_str().parse::<Gate>(), Ok(gate));
            assert_eq!(serde_json::to_string(&gate).unwrap(), format!("{:?}", gate.as_str()));
        }
        assert!("traefik".parse::<Gate>().unwrap_err().contains("dashboard-first"));
    }
}
