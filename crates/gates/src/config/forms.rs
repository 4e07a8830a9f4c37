//! Values of `pvcheck.toml` that may be written in two forms.
//!
//! Each form is a method of a visitor, not an untagged enum: serde tries the forms of those one after the other and loses
//! the line and column of what is wrong in the right one.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::tables::OverlayConfig;

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

/// Reads one `[overlay]` or several `[[overlay]]`.
pub(super) fn overlays<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OverlayConfig>, D::Error> {
    from.deserialize_any(OverlayForms)
}

struct OverlayForms;

impl<'de> Visitor<'de> for OverlayForms {
    type Value = Vec<OverlayConfig>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one [overlay] table, or several [[overlay]]")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
        OverlayConfig::deserialize(MapAccessDeserializer::new(table)).map(|only| vec![only])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, tables: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(tables))
    }
}
