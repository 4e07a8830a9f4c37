//! Values of `pvcheck.toml` that may be written in two forms.
//!
//! Each form is a method of a visitor, not an untagged enum: serde tries the forms of those one after the other and loses
//! the line and column of what is wrong in the right one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// On which overlay a service must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// It does not matter: `overlay = false`, or nothing.
    #[default]
    Anywhere,
    /// On the first overlay of the configuration: `overlay = true`.
    First,
    /// On the overlay of this name: `overlay = "NAME"`.
    Named(String),
}

impl<'de> Deserialize<'de> for Placement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PlacementForms)
    }
}

struct PlacementForms;

impl Visitor<'_> for PlacementForms {
    type Value = Placement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or an overlay's name")
    }

    fn visit_bool<E: Error>(self, is_first: bool) -> Result<Placement, E> {
        Ok(if is_first { Placement::First } else { Placement::Anywhere })
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Placement, E> {
        Ok(Placement::Named(name.to_owned()))
    }
}

/// A regular expression, matched anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// True iff it matches anywhere in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        // Its error is a drawing of several lines; the last says what is wrong.
        let why = |error: regex::Error| {
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        let pattern = regex::RegexBuilder::new(&text).size_limit(1 << 20).build();
        pattern.map(Self).map_err(|e| D::Error::custom(format!("not a regular expression: {}", why(e))))
    }
}

/// True iff `text` is `pattern`, with any characters in the place of each `*`.
pub(super) fn stars_match(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    // Without a `*` the first part is all of it.
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        // The earliest place leaves most for the parts that follow.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Reads a table as it is written, and makes of it what it means. An error of either has the table's place: that of
/// `#[serde(try_from)]` would have the place of the whole array of tables.
pub(super) fn meant<'de, W, T, D>(from: D) -> Result<T, D::Error>
where
    W: Deserialize<'de>,
    T: TryFrom<W, Error: fmt::Display>,
    D: Deserializer<'de>,
{
    from.deserialize_any(Meant(PhantomData::<(W, T)>))
}

struct Meant<W, T>(PhantomData<(W, T)>);

impl<'de, W: Deserialize<'de>, T: TryFrom<W, Error: fmt::Display>> Visitor<'de> for Meant<W, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        let written = W::deserialize(MapAccessDeserializer::new(table))?;
        T::try_from(written).map_err(A::Error::custom)
    }
}

/// Reads one table `[x]`, or several `[[x]]`.
pub(super) fn one_or_several<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_any(TableForms(PhantomData))
}

struct TableForms<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableForms<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one [table], or several [[table]]")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table)).map(|only| vec![only])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, tables: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(tables))
    }
}
