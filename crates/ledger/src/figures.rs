//! The figures of a check's reason, and which of them may differ between two measurements.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a figure may do between a claim and its verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It must be the same: what is declared, and what the Swarm was asked for.
    Same,
    /// It must not grow.
    NotMore,
    /// Traffic, time or chance moves it.
    Moves,
}

/// The names of figures that a healthy Swarm changes by itself: addresses come and go with tasks, a log grows, a stack of a
/// run has a name of its own, a harness starts at a time of its own and deploys what it
/// likes. Every other figure must be the same, one that a later version brings too.
const MOVING: [&str; 22] = [
    "attempt",
    "addresses",
    "asked_now",
    "attachments",
    "below",
    "by",
    "complete",
    "days_left",
    "free",
    "fresh",
    "joined",
    "load_balancers",
    "owned",
    "records",
    "rounds",
    "running",
    "stack",
    "tally",
    "tasks",
    "total",
    "vips",
    "at",
];

/// The class of the figure at this path.
pub(crate) fn class(path: &str) -> Class {
    let mut names = path.split('.');
    if names.clone().any(|name| MOVING.contains(&name) || name.ends_with("_ms")) {
        return Class::Moves;
    }
    if names.any(|name| name == "leaked") { Class::NotMore } else { Class::Same }
}

/// The scalars of a JSON value by their paths. A scalar alone has the path `value`.
pub(crate) fn flat(data: &Value) -> BTreeMap<String, Value> {
    let mut figures = BTreeMap::new();
    collect("", data, &mut figures);
    figures
}

fn collect(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(&below(name), value, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| collect(&below(&at.to_string()), value, into));
        }
        Value::Null if path.is_empty() => {}
        scalar => {
            let path = if path.is_empty() { "value" } else { path };
            into.insert(path.to_owned(), scalar.clone());
        }
    }
}

/// The figure that the others contradict, with what they make it: free addresses are the usable ones that are neither owned
/// nor leaked, and the owned ones the sum of their kinds. So a figure that may move cannot be any number.
pub(crate) fn contradicted(figures: &BTreeMap<String, Value>) -> Option<(&'static str, u64)> {
    let of = |name: &str| figures.get(name).and_then(Value::as_u64);
    let sum = |parts: &[&str]| parts.iter().map(|part| of(part)).try_fold(0u64, |sum, n| sum.checked_add(n?));
    let free = of("usable").and_then(|usable| Some(usable.saturating_sub(sum(&["owned", "leaked"])?)));
    let total = sum(&["vips", "tasks", "load_balancers", "attachments"]);
    let wrong = |name, made: Option<u64>| {
        made.filter(|made| of(name).is_some_and(|is| is != *made)).map(|m| (name, m))
    };
    wrong("free", free).or_else(|| wrong("total", total))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_scalars_by_their_path() {
        let figures = flat(
            &json!({"subnet": "10.10.0.0/24", "by": {"method": "cursor"}, "expected": [200, 303], "x": null}),
        );
        let listed: Vec<String> = figures.iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(
            listed,
            ["by.method=\"cursor\"", "expected.0=200", "expected.1=303", "subnet=\"10.10.0.0/24\"", "x=null"]
        );
        assert_eq!(flat(&json!("text")), BTreeMap::from([("value".to_owned(), json!("text"))]));
        assert!(flat(&Value::Null).is_empty());
    }

    #[test]
    fn only_what_is_known_to_move_may_move() {
        for moving in
            ["free", "by.method", "slowest_ms", "addresses.3", "data.at", "joined.0.address", "fresh.started"]
        {
            assert_eq!(class(moving), Class::Moves, "{moving}");
        }
        assert_eq!(class("leaked"), Class::NotMore);
        for same in ["subnet", "usable", "expected.0", "said", "services", "new_in_a_later_version", "leak"] {
            assert_eq!(class(same), Class::Same, "{same}");
        }
    }

    #[test]
    fn a_figure_that_does_not_add_up_is_named() {
        let headroom =
            |free: u64| flat(&json!({"free": free, "usable": 253, "owned": 12, "leaked": 0, "wanted": 16}));
        assert_eq!(contradicted(&headroom(241)), None);
        assert_eq!(contradicted(&headroom(250)), Some(("free", 241)));
        let owners = |total: u64| {
            flat(&json!({"total": total, "vips": 5, "tasks": 6, "load_balancers": 1, "attachments": 0}))
        };
        assert_eq!(contradicted(&owners(12)), None);
        assert_eq!(contradicted(&owners(11)), Some(("total", 12)));
        assert_eq!(contradicted(&flat(&json!({"free": 3, "usable": 253}))), None);
        let too_many = json!({"free": 1, "usable": 1, "owned": u64::MAX, "leaked": u64::MAX});
        assert_eq!(contradicted(&flat(&too_many)), None, "a sum without a number says nothing");
    }
}
