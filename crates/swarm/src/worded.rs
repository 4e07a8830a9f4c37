//! The JSON of values that have a kind and data: both, and beside them the text that `Display` makes of them.

use std::fmt::Display;

use serde::{Serialize, Serializer};

/// A value's own fields, and its text.
#[derive(Serialize)]
struct Worded<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    text: String,
}

/// For `#[serde(serialize_with)]` of a list; reading it back needs no more than the value's own form, which passes over
/// the text.
pub(crate) fn list<T, S>(values: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + Display,
    S: Serializer,
{
    serializer.collect_seq(values.iter().map(|value| Worded { value, text: value.to_string() }))
}
