//! The facts of any gate.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::facts::{M1Facts, M2Facts};
use crate::fix_facts::{FixPlanFacts, FixedFacts};
use crate::gate::NoSuchGate;
use crate::gate_report::GateReport;
use crate::judge::{judge_fix_plan, judge_fixed, judge_m1, judge_m2, judge_own};
use crate::own_facts::OwnFacts;
use crate::own_gate::{OwnGate, OwnGateError};

/// The facts of a gate, by the kind of gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateFacts {
    /// Of `pvfix.m1`.
    FixPlan(Box<FixPlanFacts>),
    /// Of `pvfix.m2`.
    Fixed(Box<FixedFacts>),
    /// Of `pvcheck.m1`.
    M1(Box<M1Facts>),
    /// Of `pvcheck.m2`.
    M2(Box<M2Facts>),
    /// Of a gate of the configuration's own.
    Own(Box<OwnFacts>),
}

impl GateFacts {
    /// The report of the gate of this name over these facts.
    ///
    /// # Errors
    /// If the configuration has no such gate of its own.
    pub fn judge(&self, config: &Config, gate: &str) -> Result<GateReport, OwnGateError> {
        Ok(match self {
            Self::FixPlan(facts) => judge_fix_plan(config, facts),
            Self::Fixed(facts) => judge_fixed(config, facts),
            Self::M1(facts) => judge_m1(config, facts),
            Self::M2(facts) => judge_m2(config, facts),
            Self::Own(facts) => {
                let overlay = config.overlays.iter().find(|overlay| overlay.name == facts.overlay);
                let own = OwnGate::all(config, overlay)?;
                let none = || NoSuchGate {
                    name: gate.to_owned(),
                    own: own.iter().map(|gate| gate.name().to_owned()).collect(),
                };
                let gate = own.iter().find(|own| own.name() == gate).ok_or_else(none)?;
                judge_own(gate, facts)
            }
        })
    }

    /// True iff a guardrail kept the gate from deploying.
    pub fn was_refused(&self) -> bool {
        match self {
            Self::FixPlan(_) | Self::Fixed(_) | Self::M1(_) => false,
            Self::M2(facts) => facts.was_refused(),
            Self::Own(facts) => facts.was_refused(),
        }
    }

    /// The facts alone, as JSON without their kind.
    ///
    /// # Errors
    /// If they have something that JSON cannot have, which none of them does.
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        match self {
            Self::FixPlan(facts) => serde_json::to_value(facts),
            Self::Fixed(facts) => serde_json::to_value(facts),
            Self::M1(facts) => serde_json::to_value(facts),
            Self::M2(facts) => serde_json::to_value(facts),
            Self::Own(facts) => serde_json::to_value(facts),
        }
    }
}
