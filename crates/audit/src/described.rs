//! How a value with a sentence of its own is written: the sentence under one key, the kind with its data under another.
//!
//! Scripts that read the sentence go on as before; those that want to sort or filter read the kind.

/// What is written under two keys.
pub(crate) trait Described: Sized {
    /// The sentence, or the sentences.
    type Text;

    fn text(&self) -> Self::Text;

    /// The value of a document that has only the sentence, as older ones do.
    fn from_text(text: Self::Text) -> Self;
}

/// Declares a module for `#[serde(flatten, with = "…")]` that writes a [`Described`] field under these two keys.
macro_rules! described {
    ($module:ident, $value:ty, $text_key:literal, $kind_key:literal) => {
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::*;
            use crate::described::Described;

            #[derive(Serialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub(crate) struct Written<'a> {
                #[serde(rename = $text_key)]
                text: <$value as Described>::Text,
                #[serde(rename = $kind_key)]
                kind: &'a $value,
            }

            #[derive(Deserialize)]
            struct Read {
                #[serde(rename = $text_key, default)]
                text: <$value as Described>::Text,
                #[serde(rename = $kind_key)]
                kind: Option<$value>,
            }

            pub(crate) fn serialize<S: Serializer>(value: &$value, to: S) -> Result<S::Ok, S::Error> {
                Written { text: value.text(), kind: value }.serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$value, D::Error> {
                let Read { text, kind } = Read::deserialize(from)?;
                Ok(kind.unwrap_or_else(|| Described::from_text(text)))
            }
        }
    };
}

pub(crate) use described;
