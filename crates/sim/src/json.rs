//! Reading JSON that clients send, in which any field may be missing or of another type.

use serde_json::Value;

/// The text of a JSON string; empty for anything else.
pub(crate) fn text(raw: &Value) -> &str {
    raw.as_str().unwrap_or_default()
}

/// The items of a JSON list; none for anything else.
pub(crate) fn items(raw: &Value) -> impl Iterator<Item = &Value> {
    raw.as_array().into_iter().flatten()
}
