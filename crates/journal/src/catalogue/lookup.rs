//! A signature by its name, as a person types it.

use thiserror::Error;

use super::matcher::Catalogue;
use crate::signature::Signature;

/// How many names an error suggests.
const SUGGESTIONS: usize = 3;
/// How much of an unknown name an error repeats, in characters.
const GIVEN_CHARS: usize = 80;

/// No signature has this name. One line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no signature is named `{given}`; {}", hint(near))]
pub struct UnknownSignature {
    /// What was given, without control characters and cut after 80 characters.
    pub given: String,
    /// The names that are spelled most alike, best first, at most three.
    pub near: Vec<&'static str>,
}

fn hint(near: &[&str]) -> String {
    if near.is_empty() {
        "`pvcheck journal scan` prints the names of those that it finds".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

impl Catalogue {
    /// The signature of that name; case, and `_` for `-`, make no difference.
    ///
    /// # Errors
    /// If no signature has this name; the error suggests the names that are spelled most alike.
    pub fn explain(&self, name: &str) -> Result<&'static Signature, UnknownSignature> {
        let wanted = name.trim().to_ascii_lowercase().replace('_', "-");
        self.get(&wanted).ok_or_else(|| UnknownSignature {
            given: name.chars().filter(|c| !c.is_control()).take(GIVEN_CHARS).collect(),
            near: spelled_alike(&wanted, self.signatures().map(|signature| signature.id)),
        })
    }
}

/// The names that are spelled most like `wanted`, best first, at most three: those within a third of their length in edits,
/// and those of which it is one word (between `-` or `.`), so that `exhausted` finds several although it is far from each.
pub fn spelled_alike<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: String = wanted.chars().take(GIVEN_CHARS).collect();
    let near = names.into_iter().map(|name| (edits(&wanted, name), name));
    let mut near: Vec<(usize, &str)> = near
        .filter(|(edits, name)| *edits <= name.len() / 3 || name.split(['-', '.']).any(|word| word == wanted))
        .collect();
    near.sort_unstable();
    near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

/// The Levenshtein distance: how many characters must be put in, left out or replaced to get from one to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, ours) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, theirs) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(ours != *theirs);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(name: &str) -> Vec<&'static str> {
        Catalogue::builtin().explain(name).unwrap_err().near
    }

    #[test]
    fn every_signature_is_found_by_its_name_however_it_is_typed() {
        for signature in Catalogue::builtin().signatures() {
            for name in
                [signature.id.to_owned(), format!(" {} ", signature.id.to_uppercase().replace('-', "_"))]
            {
                assert_eq!(Catalogue::builtin().explain(&name).unwrap().id, signature.id);
            }
        }
    }

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant_first() {
        for (given, meant) in [
            ("vip-exausted", "vip-exhausted"),
            ("vipexhausted", "vip-exhausted"),
            ("pool-overlaps", "pool-overlap"),
            ("realeased-twice", "released-twice"),
        ] {
            assert_eq!(near(given)[0], meant, "{given}");
        }
        assert_eq!(near("exhausted").len(), SUGGESTIONS, "a word alone is enough");
        assert!(near("quite something else entirely").is_empty());
    }

    #[test]
    fn the_error_is_one_line_and_says_how_to_go_on() {
        let text = |given: &str| Catalogue::builtin().explain(given).unwrap_err().to_string();
        assert_eq!(text("ingres-twice"), "no signature is named `ingres-twice`; did you mean ingress-twice?");
        let far = text("x\ny\u{1b}");
        assert!(far.starts_with("no signature is named `xy`; `pvcheck journal scan`"), "{far}");
        assert!(text(&"x".repeat(1 << 20)).len() < 256);
    }

    proptest! {
        #[test]
        fn edits_are_a_distance(a in "[ab-]{0,8}", b in "[ab-]{0,8}", c in "[ab-]{0,8}") {
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert!(edits(&a, &c) <= edits(&a, &b) + edits(&b, &c));
        }

        #[test]
        fn any_text_is_found_or_refused(text in any::<String>()) {
            if let Err(error) = Catalogue::builtin().explain(&text) {
                prop_assert!(error.near.len() <= SUGGESTIONS && !error.to_string().contains('\n'));
            }
        }
    }
}
