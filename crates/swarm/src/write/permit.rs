//! The permit to change a Swarm.

/// The permit to change a Swarm.
///
/// Every function that changes a Swarm takes one, so that none is called by accident. The CLI makes one for `--apply`, and
/// for commands that are probes by their name, such as `census`; an embedder makes one on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

impl Permit {
    /// The operator has agreed to changes.
    pub fn granted_by_operator() -> Self {
        Self(())
    }
}
