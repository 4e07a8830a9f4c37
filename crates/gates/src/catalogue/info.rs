//! One row of the catalogue.

use serde::Serialize;

use super::kind::{Kind, Of, Stage};
use crate::need::Need;

/// What is known of a kind of check before it is run.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CheckInfo {
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// Its id, by which scripts find it in a report; `NAME` stands for a service's, a route's or a gate's name, and
    /// for `@STACK` of a stack's services. Where there are several
    /// overlays, the id of a check of one ends with its name.
    pub id: &'static str,
    #[serde(skip)]
    pub(crate) of: Of,
    #[serde(skip)]
    pub(crate) stage: Stage,
    /// What it shows when it passes, in a sentence.
    pub title: &'static str,
    /// Under which condition it passes, as the end of a sentence.
    pub passes_when: &'static str,
    /// What must have been observed whole for it to pass. A judging function that reads anything else breaks a test
    /// (`tests/gates/coverage.rs`): the check would change with an observation that its row does not name.
    pub needs: &'static [Need],
    /// What to do where it does not pass.
    pub remedies: &'static str,
    /// True iff a gate that comes with pvcheck cannot pass without it.
    pub required: bool,
    /// The requirements that it answers, by their numbers in docs/requirements.md.
    pub requirements: &'static [u8],
}

impl CheckInfo {
    /// True iff this is the id of one of its checks, or its own.
    pub(crate) fn has(&self, id: &str) -> bool {
        let named = |end: Option<&str>| end.is_some_and(|name| !name.is_empty());
        id == self.id
            || match self.of {
                Of::Swarm | Of::First => false,
                Of::Overlay => named(id.strip_prefix(self.id).and_then(|end| end.strip_prefix('.'))),
                Of::Service | Of::Route | Of::Harness | Of::Before => {
                    named(id.strip_prefix(self.id.trim_end_matches("NAME")))
                }
            }
    }
}
