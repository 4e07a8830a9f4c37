//! The gates that come with pvcheck: the one table of their names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// The control plane and its routes.
    M1,
    /// A deploy through the router, and a churn.
    M2,
}

/// There is no gate of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no such gate `{name}`; the gates are {}", Gate::ALL.map(|gate| format!("`{gate}`")).join(" and "))]
pub struct NoSuchGate {
    /// The name that was given.
    pub name: String,
}

impl Gate {
    /// Every gate, in the order in which they are to be run.
    pub const ALL: [Self; 2] = [Self::M1, Self::M2];

    /// Its name on the command line, in reports and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::M1 => "pvcheck.m1",
            Self::M2 => "pvcheck.m2",
        }
    }

    /// What it is about, as the end of a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::M1 => "the control plane and its routes",
            Self::M2 => "a canary through the router and a churn that must lose nothing",
        }
    }

    /// True iff it deploys and removes stacks of its own, and so needs `--apply`.
    pub fn changes_something(self) -> bool {
        match self {
            Self::M1 => false,
            Self::M2 => true,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Gate {
    type Err = NoSuchGate;

    fn from_str(name: &str) -> Result<Self, NoSuchGate> {
        let found = Self::ALL.into_iter().find(|gate| gate.name() == name);
        found.ok_or_else(|| NoSuchGate { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_by_its_name_and_the_error_of_an_unknown_one_names_them() {
        for gate in Gate::ALL {
            assert_eq!(gate.to_string().parse(), Ok(gate));
        }
        let error = "pvcheck.m9".parse::<Gate>().unwrap_err().to_string();
        assert_eq!(error, "no such gate `pvcheck.m9`; the gates are `pvcheck.m1` and `pvcheck.m2`");
    }

    #[test]
    fn a_gate_says_what_it_is_about_and_whether_it_deploys() {
        assert!(!Gate::M1.changes_something() && Gate::M2.changes_something());
        assert!(Gate::M1.about().contains("control plane") && Gate::M2.about().contains("canary"));
    }
}
