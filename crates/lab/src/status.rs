//! One line of `lab list`.

use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{LabError, LabInfo, LabName};

/// A lab as seen from any process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabStatus {
    /// Its name.
    pub name: LabName,
    /// True iff it came up completely.
    pub ready: bool,
    /// Engines whose first process is alive.
    pub engines_alive: usize,
    /// True iff no process will take it down: its owner is gone and did not keep it, or its engines are gone.
    pub stale: bool,
    /// Facts; None when the state file cannot be read.
    pub info: Option<LabInfo>,
}

impl LabStatus {
    pub(crate) fn of(name: &LabName) -> Self {
        Self::from_state(name.clone(), State::load(name))
    }

    fn from_state(name: LabName, state: Result<State, LabError>) -> Self {
        match state {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::process::ProcessId;
    use crate::state::tests::state;

    #[test]
    fn a_lab_whose_state_cannot_be_read_is_stale_and_still_listed() {
        let name: LabName = "t".parse().unwrap();
        let status = LabStatus::from_state(name.clone(), Err(LabError::NotFound { name: "t".into() }));
        assert_eq!((&status.name, status.ready, status.engines_alive, status.stale), (&name, false, 0, true));
        assert_eq!(status.info, None);
    }

    #[test]
    fn engines_count_while_their_first_process_lives() {
        let own = ProcessId::own().unwrap();
        let gone = ProcessId { start_ticks: own.start_ticks + 1, ..own };
        let state = State { anchors: vec![own, gone, own], kept: true, ready: true, ..state() };
        let status = LabStatus::from_state(state.info.name.clone(), Ok(state.clone()));
        assert_eq!((status.engines_alive, status.ready, status.stale), (2, true, false));
        assert_eq!(status.info, Some(state.info));
    }
}
