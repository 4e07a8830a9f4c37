//! JSON of values that are a kind with data: kind, data, and the text of their `Display`.

use std::fmt::Display;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The value's own fields, and its text.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Worded<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    text: String,
}

/// For `#[serde(serialize_with)]` of a list. Reading needs no counterpart: the value's own form ignores the text.
pub(crate) fn list<T, S>(values: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + Display,
    S: Serializer,
{
    serializer.collect_seq(values.iter().map(|value| Worded { value, text: value.to_string() }))
}

/// For `#[serde(flatten, with = "worded::reason")]` of a reason that may be missing: its kind and data are `doubt`, its
/// text is `reason`, and both are `null` if there is no reason.
pub(crate) mod reason {
    use super::{Deserialize, Deserializer, Display, Serialize, Serializer};

    #[derive(Deserialize, Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub(crate) struct Reasoned<T> {
        #[serde(default = "missing::<T>")]
        doubt: Option<T>,
        #[serde(skip_deserializing)]
        reason: Option<String>,
    }

    fn missing<T>() -> Option<T> {
        None
    }

    #[expect(clippy::ref_option, reason = "serde hands a field over as it is")]
    pub(crate) fn serialize<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Display,
        S: Serializer,
    {
        Reasoned { doubt: value.as_ref(), reason: value.as_ref().map(ToString::to_string) }
            .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Reasoned::<T>::deserialize(deserializer)?.doubt)
    }
}
