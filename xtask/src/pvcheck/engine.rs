//! Which engine the gates run on: a real one where this machine can run one, else the embedded one.

use std::fmt;
use std::str::FromStr;

use pvcheck_lab::{LabError, Suite};

use crate::lab;

/// What `--engine` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineChoice {
    /// The embedded one.
    Embedded,
    /// A real one, of this suite.
    Suite(Suite),
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        text.parse().map(Self::Suite).map_err(|error: String| format!("{error}, or embedded"))
    }
}

impl EngineChoice {
    /// The suite, if it is one.
    pub(crate) fn suite(self) -> Option<Suite> {
        match self {
            Self::Embedded => None,
            Self::Suite(suite) => Some(suite),
        }
    }
}

/// The engine that was chosen, and why; it prints as one line.
#[derive(Debug)]
pub(crate) enum Chosen {
    /// A real one in a lab.
    Real(Origin),
    /// A model, because it was asked for.
    Embedded,
    /// A model, because no real one can be had here.
    Instead(LabError),
}

/// Where a real engine comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Path,
    Packages,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(Origin::Path) => f.write_str("engine: a real one in a lab, from PATH"),
            Self::Real(Origin::Packages) => {
                f.write_str("engine: a real one in a lab, from Debian's packages")
            }
            Self::Embedded => f.write_str("engine: the embedded one, a model, as --engine asks for it"),
            Self::Instead(why) => write!(f, "engine: the embedded one, a model, because of: {why}"),
        }
    }
}

/// What is asked for, and what this machine has.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) asked: Option<EngineChoice>,
    /// True iff `--keep` is given, for which the embedded engine has nothing to offer: it ends with the gates.
    pub(crate) keep: bool,
    /// Whether a lab can run here.
    pub(crate) available: Result<(), LabError>,
    /// True iff PATH has a whole engine.
    pub(crate) on_path: bool,
    /// True iff `PVCHECK_REQUIRE_ENGINE` forbids to take the embedded engine instead of a real one.
    pub(crate) required: bool,
}

/// Why no engine is chosen.
#[derive(Debug)]
pub(crate) enum Refused {
    /// `--engine embedded --keep`.
    Conflict,
    /// `--keep` where only the embedded engine can be had.
    NothingToKeep(LabError),
    /// A real engine is asked for by suite, or required, and cannot be had.
    NoRealOne(LabError),
}

impl Refused {
    /// The exit code: 2 for options that contradict each other, 3 where this machine cannot run what is asked for, 1 where
    /// something else is wrong.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Conflict => lab::USAGE,
            Self::NoRealOne(why) if !why.is_of_the_machine() => 1,
            Self::NothingToKeep(_) | Self::NoRealOne(_) => lab::NOT_TESTED,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => f.write_str(
                "error: --keep leaves a lab up, and --engine embedded starts none; leave one of them out",
            ),
            Self::NothingToKeep(why) => write!(
                f,
                "error: --keep leaves a lab up, and none can be started here; leave it out for the embedded engine: {why}"
            ),
            Self::NoRealOne(why) => write!(f, "error: {why}"),
        }
    }
}

/// The engine to run on.
pub(crate) fn choose(situation: Situation) -> Result<Chosen, Refused> {
    let Situation { asked, keep, available, on_path, required } = situation;
    match (asked, available) {
        (Some(EngineChoice::Embedded), _) if keep => Err(Refused::Conflict),
        (Some(EngineChoice::Embedded), _) => Ok(Chosen::Embedded),
        (Some(EngineChoice::Suite(_)), Ok(())) => Ok(Chosen::Real(Origin::Packages)),
        (None, Ok(())) => Ok(Chosen::Real(if on_path { Origin::Path } else { Origin::Packages })),
        (asked, Err(why)) => instead(why, asked.is_some() || required, keep),
    }
}

/// The embedded engine in place of a real one that cannot be had for this reason.
///
/// # Errors
/// If a real one is `required`, something is to be kept, or the reason is not this machine: then something is wrong that must
/// not be passed over.
pub(crate) fn instead(why: LabError, required: bool, keep: bool) -> Result<Chosen, Refused> {
    if required || !why.is_of_the_machine() {
        Err(Refused::NoRealOne(why))
    } else if keep {
        Err(Refused::NothingToKeep(why))
    } else {
        Ok(Chosen::Instead(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(asked: Option<EngineChoice>, available: Result<(), LabError>) -> Situation {
        Situation { asked, keep: false, available, on_path: false, required: false }
    }

    #[test]
    fn a_real_engine_goes_first() {
        let chosen = choose(situation(None, Ok(())));
        assert!(matches!(chosen, Ok(Chosen::Real(Origin::Packages))), "{chosen:?}");
        let chosen = choose(Situation { on_path: true, ..situation(None, Ok(())) });
        assert!(matches!(chosen, Ok(Chosen::Real(Origin::Path))), "{chosen:?}");
        let sid = Some(EngineChoice::Suite(Suite::Sid));
        let chosen = choose(Situation { on_path: true, ..situation(sid, Ok(())) });
        assert!(matches!(chosen, Ok(Chosen::Real(Origin::Packages))), "{chosen:?}");
    }

    #[test]
    fn without_one_the_embedded_engine_is_taken_and_the_line_says_why() {
        let chosen = choose(situation(None, Err(LabError::NotRoot))).expect("an engine");
        let line = chosen.to_string();
        assert!(line.starts_with("engine: the embedded one") && line.contains("not root"), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn what_was_asked_for_by_name_is_not_replaced() {
        let sid = Some(EngineChoice::Suite(Suite::Sid));
        assert!(matches!(choose(situation(sid, Err(LabError::NotRoot))), Err(Refused::NoRealOne(_))));
        let chosen = choose(situation(Some(EngineChoice::Embedded), Ok(())));
        assert!(matches!(chosen, Ok(Chosen::Embedded)), "also where a real one could be had: {chosen:?}");
    }

    #[test]
    fn a_required_engine_is_not_replaced() {
        let required = Situation { required: true, ..situation(None, Err(LabError::NotRoot)) };
        assert!(matches!(choose(required), Err(Refused::NoRealOne(_))));
    }

    #[test]
    fn a_lab_that_broke_is_not_passed_over() {
        let broken = LabError::EngineEnded { manager: 0, log_tail: "panic".into() };
        assert!(matches!(choose(situation(None, Err(broken))), Err(Refused::NoRealOne(_))));
    }

    #[test]
    fn there_is_nothing_to_keep_of_the_embedded_engine() {
        let keep = |asked, available| choose(Situation { keep: true, ..situation(asked, available) });
        assert!(matches!(keep(Some(EngineChoice::Embedded), Ok(())), Err(Refused::Conflict)));
        assert!(matches!(keep(None, Err(LabError::NotRoot)), Err(Refused::NothingToKeep(_))));
        assert!(matches!(keep(None, Ok(())), Ok(Chosen::Real(_))));
    }

    #[test]
    fn engines_are_named_by_suite_or_embedded() {
        assert_eq!("embedded".parse(), Ok(EngineChoice::Embedded));
        assert_eq!("sid".parse(), Ok(EngineChoice::Suite(Suite::Sid)));
        let error = "buster".parse::<EngineChoice>().expect_err("no such suite");
        assert!(error.ends_with("use bookworm, trixie or sid, or embedded"), "{error}");
    }
}
