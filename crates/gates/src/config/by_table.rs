//! Every error of a TOML text, as far as a parser can go on.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// Every error of syntax; where there is none, the first of each table, and of each entry of an array of tables. In the order
/// of the lines.
///
/// serde gives up at the first error, so each table is read for itself: every table of `T` must be optional.
pub(super) fn by_table<'a, T: Deserialize<'a>>(text: &'a str) -> Vec<Error> {
    let (root, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = root.span();
        errors = pieces(root).into_iter().filter_map(|piece| read::<T>(piece, &span)).collect();
    }
    errors.sort_by_key(start);
    errors.dedup_by_key(|error| start(error));
    errors
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn read<'a, T: Deserialize<'a>>(piece: DeTable<'a>, span: &Range<usize>) -> Option<Error> {
    T::deserialize(Deserializer::from(Spanned::new(span.clone(), piece))).err()
}

/// The tables of a document, each alone.
fn pieces<'a>(root: Spanned<DeTable<'a>>) -> Vec<DeTable<'a>> {
    let is_table = |entry: &Spanned<DeValue<'a>>| matches!(entry.get_ref(), DeValue::Table(_));
    let mut all = Vec::new();
    for (key, value) in root.into_inner() {
        let span = value.span();
        let alone = |value: DeValue<'a>| -> DeTable<'a> {
            std::iter::once((key.clone(), Spanned::new(span.clone(), value))).collect()
        };
        match value.into_inner() {
            DeValue::Array(entries) if entries.iter().all(is_table) => {
                let one = |entry| alone(DeValue::Array(std::iter::once(entry).collect()));
                all.extend(entries.into_iter().map(one));
            }
            other => all.push(alone(other)),
        }
    }
    all
}
