//! What was created through one connection and is not known to be gone.
//!
//! A sweep finds what a run created by its label, as long as the engine answers. When it does not, this is what is left to
//! name it from.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A kind of object that is created and removed by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectKind {
    Service,
    Network,
    Secret,
    Config,
}

impl ObjectKind {
    /// Its collection in the API.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Network => "networks",
            Self::Secret => "secrets",
            Self::Config => "configs",
        }
    }
}

/// An object whose creation was asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// Its kind.
    pub(crate) kind: ObjectKind,
    /// Its name.
    pub(crate) name: String,
    /// The run whose label it has.
    run: String,
    /// Its id; `None` while the creation is not answered, and if its answer never came.
    id: Option<String>,
}

/// The record, shared by all clones of a connection.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Made>>>);

impl Ledger {
    /// Notes an object before its creation is asked for: an answer that never comes does not mean that there is none.
    pub(crate) fn asked(&self, kind: ObjectKind, name: &str, run: &str) {
        self.entries().push(Made { kind, name: name.to_owned(), run: run.to_owned(), id: None });
    }

    /// The creation was answered with an id.
    pub(crate) fn made(&self, kind: ObjectKind, name: &str, id: &str) {
        let mut entries = self.entries();
        let asked = entries.iter_mut().rev().find(|m| m.kind == kind && m.name == name && m.id.is_none());
        if let Some(entry) = asked {
            entry.id = Some(id.to_owned());
        }
    }

    /// The creation was refused, so there is nothing.
    pub(crate) fn refused(&self, kind: ObjectKind, name: &str) {
        self.entries().retain(|m| m.kind != kind || m.name != name || m.id.is_some());
    }

    /// The object is known to be gone.
    pub(crate) fn gone(&self, kind: ObjectKind, id: &str) {
        self.entries().retain(|m| m.kind != kind || m.id.as_deref() != Some(id));
    }

    /// Nothing of this run is left.
    pub(crate) fn all_gone(&self, run: &str) {
        self.entries().retain(|m| m.run != run);
    }

    /// What this run created and is not known to be gone, in the order of creation.
    pub(crate) fn of_run(&self, run: &str) -> Vec<Made> {
        self.entries().iter().filter(|m| m.run == run).cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Made>> {
        // Each change is one call on the list, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger of {}", self.entries().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ledger: &Ledger, run: &str) -> Vec<String> {
        ledger.of_run(run).into_iter().map(|m| m.name).collect()
    }

    #[test]
    fn what_is_made_stays_until_it_is_known_to_be_gone() {
        let ledger = Ledger::default();
        for (kind, name) in
            [(ObjectKind::Network, "n"), (ObjectKind::Service, "s"), (ObjectKind::Config, "c")]
        {
            ledger.asked(kind, name, "r");
        }
        ledger.made(ObjectKind::Service, "s", "id");
        assert_eq!(names(&ledger, "r"), ["n", "s", "c"], "an unanswered creation may have been done");
        ledger.gone(ObjectKind::Network, "id");
        assert_eq!(names(&ledger, "r").len(), 3, "another kind's id");
        ledger.gone(ObjectKind::Service, "id");
        ledger.refused(ObjectKind::Config, "c");
        assert_eq!(names(&ledger, "r"), ["n"]);
    }

    #[test]
    fn runs_and_clones_share_one_ledger_and_keep_apart() {
        let ledger = Ledger::default();
        let clone = ledger.clone();
        clone.asked(ObjectKind::Service, "a", "r1");
        clone.asked(ObjectKind::Service, "b", "r2");
        assert_eq!((names(&ledger, "r1"), names(&ledger, "r2")), (vec!["a".into()], vec!["b".into()]));
        ledger.all_gone("r1");
        assert_eq!((names(&clone, "r1").len(), names(&clone, "r2").len()), (0, 1));
    }

    #[test]
    fn a_refusal_does_not_forget_the_object_that_has_the_name() {
        let ledger = Ledger::default();
        ledger.asked(ObjectKind::Config, "lock", "r");
        ledger.made(ObjectKind::Config, "lock", "id");
        ledger.asked(ObjectKind::Config, "lock", "r");
        ledger.refused(ObjectKind::Config, "lock");
        assert_eq!(names(&ledger, "r"), ["lock"]);
    }
}
