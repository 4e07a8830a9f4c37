//! The catalogue as a user asks for it: all of it, or one check by its id.

use pvcheck_journal::spelled_alike;
use thiserror::Error;

use crate::catalogue::{CheckInfo, Kind, ROWS};
use crate::gate::Gate;

/// How much of an unknown id an error repeats, in characters.
const GIVEN_CHARS: usize = 80;

/// No check has this id. One line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no check is named `{given}`; {}", hint(near))]
pub struct NoSuchCheck {
    /// What was given, without control characters and cut after 80 characters.
    pub given: String,
    /// The ids that are spelled most alike, best first, at most three.
    pub near: Vec<&'static str>,
}

impl NoSuchCheck {
    pub(crate) fn of(given: &str) -> Self {
        Self {
            given: given.chars().filter(|c| !c.is_control()).take(GIVEN_CHARS).collect(),
            near: spelled_alike(given, ROWS.map(|row| row.id)),
        }
    }
}

fn hint(near: &[&str]) -> String {
    if near.is_empty() {
        "`pvcheck check list` prints them".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

/// Every kind of check, one row each.
pub fn catalogue() -> impl Iterator<Item = &'static CheckInfo> {
    ROWS.map(|row| row.kind.info()).into_iter()
}

/// The row of a check, by its id in a report or in the catalogue: `overlay.subnet.proxy` is one of `overlay.subnet`.
///
/// # Errors
/// If no check has this id; the error suggests the ids that are spelled most alike.
pub fn check_info(id: &str) -> Result<&'static CheckInfo, NoSuchCheck> {
    // In full first: `service.NAME` is a service of that name too.
    let exact = catalogue().find(|row| row.id == id);
    exact.or_else(|| catalogue().find(|row| row.has(id))).ok_or_else(|| NoSuchCheck::of(id))
}

impl CheckInfo {
    /// The gates that come with pvcheck and contain it; none where a configuration puts it in front of one.
    pub fn gates(&self) -> impl Iterator<Item = Gate> {
        let kind: Kind = self.kind;
        Gate::ALL.into_iter().filter(move |gate| gate.checks().contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_check_is_found_by_its_id_in_a_report_and_by_that_of_its_row() {
        for (id, row) in [
            ("overlay.subnet", "overlay.subnet"),
            ("overlay.subnet.proxy", "overlay.subnet"),
            ("service.NAME", "service.NAME"),
            ("service.shop_app", "service.NAME"),
            ("services.unlisted", "services.unlisted"),
            ("route.a.b", "route.NAME"),
            ("residue", "residue"),
        ] {
            assert_eq!(check_info(id).map(|row| row.id), Ok(row), "{id}");
        }
        for id in
            ["", "overlay", "overlay.subnet.", "overlay.subnets", "service.", "route", "residue.x", "Residue"]
        {
            assert!(check_info(id).is_err(), "{id}");
        }
    }

    #[test]
    fn an_unknown_id_is_told_those_that_are_spelled_alike() {
        let text = |id: &str| check_info(id).expect_err(id).to_string();
        assert_eq!(
            text("overlay.subnett"),
            "no check is named `overlay.subnett`; did you mean overlay.subnet?"
        );
        assert_eq!(text("leaks"), "no check is named `leaks`; did you mean churn.leaks?", "one of its words");
        assert_eq!(text("zzzz\n"), "no check is named `zzzz`; `pvcheck check list` prints them");
    }

    #[test]
    fn every_row_says_everything_in_one_line_and_belongs_to_a_gate() {
        for row in catalogue() {
            // What must have been before is asked for by a configuration, of any gate.
            assert_eq!(row.gates().next().is_none(), row.kind == Kind::Precondition, "{}", row.id);
            assert!(!row.needs.is_empty(), "{}: it passes on nothing", row.id);
            assert!(!row.requirements.is_empty(), "{}: no requirement asks for it", row.id);
            for text in [row.id, row.title, row.passes_when, row.remedies] {
                assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{text:?}");
            }
            assert!(row.requirements.is_sorted_by(|a, b| a < b), "{}: its requirements in order", row.id);
        }
        let ids: BTreeSet<&str> = catalogue().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len(), "an id is there twice");
    }
}
