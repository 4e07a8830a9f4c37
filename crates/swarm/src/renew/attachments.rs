//! The networks of a service's spec, as raw JSON: what a renewal changes, and nothing else.

use serde_json::{Map, Value, json};

use pvcheck_audit::NetworkId;

/// The entries of a spec's list of networks, in its order; none for a service on no network.
pub(super) fn attachments(spec: &Value) -> Vec<Value> {
    spec["TaskTemplate"]["Networks"].as_array().cloned().unwrap_or_default()
}

/// True iff the spec lists this network where engines before 1.25 of the API did, beside the template of its tasks. That
/// list cannot be changed by itself (swarmkit `manager/controlapi/service.go`, `UpdateService`).
pub(super) fn in_the_old_field(spec: &Value, network: &NetworkId) -> bool {
    spec["Networks"].as_array().into_iter().flatten().any(|entry| entry["Target"] == network.as_str())
}

/// The list with each entry of `old` replaced by one for each of `stage`, in the same place and with the same aliases and
/// driver options: the order of networks decides where addresses are lost when one is full (L2 in docs/leaks.md).
pub(super) fn staged(original: &[Value], old: &NetworkId, stage: &[NetworkId]) -> Vec<Value> {
    let of = |entry: &Value, id: &NetworkId| {
        let mut entry = entry.clone();
        entry["Target"] = json!(id);
        entry
    };
    original
        .iter()
        .flat_map(|entry| {
            if entry["Target"] == old.as_str() {
                stage.iter().map(|id| of(entry, id)).collect()
            } else {
                vec![entry.clone()]
            }
        })
        .collect()
}

/// The spec with this list of networks.
pub(super) fn with_attachments(mut spec: Value, list: Vec<Value>) -> Value {
    if spec["TaskTemplate"].is_object() {
        spec["TaskTemplate"]["Networks"] = Value::Array(list);
    }
    spec
}

/// True iff two lists say the same; an absent field and an empty one are the same.
pub(super) fn same(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| pruned(a) == pruned(b))
}

/// The value without fields that are null or empty, and with its keys in order, so that two engines that write the same
/// thing in two ways compare as equal.
pub(super) fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut kept: Vec<(String, Value)> = fields
                .iter()
                .map(|(key, value)| (key.clone(), pruned(value)))
                .filter(|(_, v)| !is_empty(v))
                .collect();
            kept.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(Map::from_iter(kept))
        }
        Value::Array(items) => Value::Array(items.iter().map(pruned).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// SHA-256 of a spec, in hex, with `network` written as a word of its own: equal before and after a renewal iff nothing but
/// that id has changed.
pub(super) fn fingerprint(spec: &Value, network: &NetworkId) -> String {
    let neutral: Vec<Value> = attachments(spec)
        .into_iter()
        .map(|mut entry| {
            if entry["Target"] == network.as_str() {
                entry["Target"] = json!("the renewed network");
            }
            entry
        })
        .collect();
    digest(&with_attachments(spec.clone(), neutral))
}

/// SHA-256 of a value in hex, whatever the order of its keys.
pub(super) fn digest(value: &Value) -> String {
    let text = pruned(value).to_string();
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Value {
        json!({
            "Name": "shop_app",
            "TaskTemplate": {
                "ContainerSpec": {"Image": "shop", "Env": ["TOKEN=secret"]},
                "Networks": [
                    {"Target": "private"},
                    {"Target": "old", "Aliases": ["app"], "DriverOpts": {"a": "b"}},
                ],
            },
            "Labels": {},
        })
    }

    fn id(text: &str) -> NetworkId {
        NetworkId::new(text)
    }

    #[test]
    fn an_entry_keeps_its_place_its_aliases_and_its_options() {
        let original = attachments(&spec());
        let both = staged(&original, &id("old"), &[id("hold"), id("new")]);
        let expected = [
            json!({"Target": "private"}),
            json!({"Target": "hold", "Aliases": ["app"], "DriverOpts": {"a": "b"}}),
            json!({"Target": "new", "Aliases": ["app"], "DriverOpts": {"a": "b"}}),
        ];
        assert_eq!(both, expected);
        assert_eq!(staged(&original, &id("old"), &[]), [json!({"Target": "private"})]);
        assert_eq!(staged(&original, &id("old"), &[id("old")]), original);
    }

    #[test]
    fn what_engines_leave_out_is_the_same_as_what_they_write_empty() {
        let written = [json!({"Target": "a", "Aliases": null, "DriverOpts": {}})];
        assert!(same(&written, &[json!({"Target": "a"})]));
        assert!(!same(&written, &[json!({"Target": "b"})]));
        assert!(!same(&written, &[]));
    }

    #[test]
    fn a_fingerprint_changes_with_everything_but_the_networks_id() {
        let before = fingerprint(&spec(), &id("old"));
        let moved = with_attachments(spec(), staged(&attachments(&spec()), &id("old"), &[id("new")]));
        assert_eq!(fingerprint(&moved, &id("new")), before);
        assert_ne!(fingerprint(&moved, &id("old")), before, "the id of another network counts");
        let mut changed = spec();
        changed["TaskTemplate"]["ContainerSpec"]["Env"] = json!(["TOKEN=other"]);
        assert_ne!(fingerprint(&changed, &id("old")), before);
        let mut aliased = spec();
        aliased["TaskTemplate"]["Networks"][1]["Aliases"] = json!(["web"]);
        assert_ne!(fingerprint(&aliased, &id("old")), before);
        assert!(!before.contains("secret"));
    }

    #[test]
    fn the_field_of_old_engines_is_seen() {
        let mut old = spec();
        old["Networks"] = json!([{"Target": "old"}]);
        assert!(in_the_old_field(&old, &id("old")) && !in_the_old_field(&spec(), &id("old")));
    }
}
