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
    /// Errs as the engine does: 500 for what is not JSON, 400 for keys not in `known`.
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

    /// True iff the key lets something pass: it is absent, or one of its values does.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::query::Query;

    const KNOWN: [&str; 2] = ["label", "name"];

    fn read(text: &str) -> Result<Filters, Refusal> {
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let query = Query::parse(&format!("filters={escaped}"));
        Filters::of(&Call { method: "GET", path: Vec::new(), query, body: b"", api_minor: 41 }, &KNOWN)
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn both_forms_mean_the_same() {
        for text in [r#"{"name":["a","b"]}"#, r#"{"name":{"a":true,"b":true}}"#] {
            let filters = read(text).unwrap();
            assert_eq!(filters.values("name"), ["a", "b"]);
            assert!(filters.has("name") && !filters.has("label"));
            assert!(
                filters.passes("name", |name| name == "b") && !filters.passes("name", |name| name == "c")
            );
        }
    }

    #[test]
    fn an_absent_or_empty_key_lets_everything_pass() {
        for text in ["{}", r#"{"name":[]}"#, r#"{"name":7}"#, r#"{"name":[7]}"#] {
            let filters = read(text).unwrap();
            assert!(filters.passes("name", |_| false), "{text}");
            assert!(filters.passes_labels(&labels(&[])), "{text}");
        }
    }

    #[test]
    fn values_of_names_are_alternatives_and_labels_are_not() {
        let filters = read(r#"{"label":["a","b=1","c="]}"#).unwrap();
        assert!(filters.passes_labels(&labels(&[("a", "x"), ("b", "1"), ("c", "")])));
        assert!(!filters.passes_labels(&labels(&[("a", "x"), ("b", "2"), ("c", "")])), "another value");
        assert!(!filters.passes_labels(&labels(&[("b", "1"), ("c", "")])), "one is missing");
    }

    #[test]
    fn refusals_are_the_engines() {
        let refused = |text: &str| {
            let refusal = read(text).err().expect("a refusal");
            (refusal.status(), refusal.to_string())
        };
        assert_eq!(refused(r#"{"id":["x"]}"#), (400, "Invalid filter 'id'".to_owned()));
        let broken = |first| format!("invalid character {first:?} looking for beginning of value");
        assert_eq!(refused(" x"), (500, broken('x')));
        assert_eq!(refused("[1]"), (500, broken('[')));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_is_read_back(names in prop::collection::btree_set(".{0,8}", 1..4)) {
            let filters = read(&json!({"name": names}).to_string()).unwrap();
            prop_assert_eq!(filters.values("name"), names.iter().cloned().collect::<Vec<_>>());
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = read(&text);
        }
    }
}
