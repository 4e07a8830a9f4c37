//! Leave to change a Swarm.

/// Leave to change a Swarm.
///
/// Only somebody who was told to can make one: the CLI behind `--apply` (or behind a command that is a probe by its
/// name), or an embedder on purpose. Functions that change something ask for it, so that none is called by accident.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

impl Permit {
    /// The operator has said so.
    pub fn granted_by_operator() -> Self {
        Self(())
    }
}
