//! One line of `lab list`.

use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{LabInfo, LabName};

/// A lab as seen from any process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabStatus {
    /// Its name.
    pub name: LabName,
    /// Whether it came up to the end.
    pub ready: bool,
    /// Engines whose first process is alive.
    pub engines_alive: usize,
    /// Whether nobody will take it down: its owner is gone and did not leave it to stay, or its engines are gone.
    pub stale: bool,
    /// Facts; None when the state file cannot be read.
    pub info: Option<LabInfo>,
}

impl LabStatus {
    pub(crate) fn of(name: &LabName) -> Self {
        let name = name.clone();
        match State::load(&name) {
            Ok(state) => Self {
                name,
                ready: state.ready,
                engines_alive: state.anchors.iter().filter(|anchor| anchor.is_alive()).count(),
                stale: state.is_stale(),
                info: Some(state.info),
            },
            Err(_) => Self { name, ready: false, engines_alive: 0, stale: true, info: None },
        }
    }
}
