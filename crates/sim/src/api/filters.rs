//! The `filters` parameter.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Call;
use crate::refusal::Refusal;

/// Accepted values by key. A key that is not there lets everything pass.
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the parameter: `{"key":["value"]}`, or the older `{"key":{"value":true}}`.
    ///
    /// Errs like the engine for what is not JSON (500) and for keys not among `known` (400).
    pub(super) fn of(call: &Call<'_>, known: &[&str]) -> Result<Self, Refusal> {
        let text = call.query.get("filters").unwrap_or_default();
        if text.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let raw: Value = serde_json::from_str(text).map_err(|_| bad_json(text))?;
        let fields = raw.as_object().ok_or_else(|| bad_json(text))?;
        let mut filters = BTreeMap::new();
        for (key, values) in fields {
            if !known.contains(&key.as_str()) {
                return Err(Refusal::Malformed(format!("Invalid filter '{key}'")));
            }
            filters.insert(key.clone(), texts(values));
        }
        Ok(Self(filters))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|values| !values.is_empty())
    }

    pub(super) fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether the key lets something pass: it is absent, or one of its values does.
    pub(super) fn passes(&self, key: &str, accepts: impl Fn(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).iter().any(|value| accepts(value))
    }

    /// Labels: all of `key` or `key=value` have to be there.
    pub(super) fn passes_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
            None => labels.contains_key(wanted),
        })
    }
}

fn bad_json(text: &str) -> Refusal {
    let first = text.trim_start().chars().next().unwrap_or(' ');
    Refusal::Internal(format!("invalid character {first:?} looking for beginning of value"))
}

fn texts(values: &Value) -> Vec<String> {
    match values {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}
