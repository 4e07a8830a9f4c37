//! A service's specification with what it leaves open filled in: the answer to `insertDefaults=true` (swarmkit
//! `api/defaults/service.go`).

use serde_json::{Value, json};

/// The specification with the engine's defaults, whose times are in ns.
pub(super) fn filled(mut spec: Value) -> Value {
    let template = &mut spec["TaskTemplate"];
    let container = &mut template["ContainerSpec"];
    fill(container, "StopGracePeriod", json!(10_000_000_000_u64));
    fill(container, "DNSConfig", json!({}));
    fill(template, "Resources", json!({}));
    fill(template, "Placement", json!({}));
    fill(template, "RestartPolicy", json!({"Condition": "any", "MaxAttempts": 0}));
    fill(&mut template["RestartPolicy"], "Delay", json!(5_000_000_000_u64));
    for config in ["UpdateConfig", "RollbackConfig"] {
        let one =
            json!({"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"});
        fill(&mut spec, config, one);
        fill(&mut spec[config], "Monitor", json!(5_000_000_000_u64));
    }
    spec
}

/// Sets what is absent; a zero counts as absent only where it is one.
fn fill(object: &mut Value, key: &str, value: Value) {
    if object.is_object() && object[key].is_null() {
        object[key] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_what_is_not_is_filled_in() {
        let spec = json!({
            "TaskTemplate": {"ContainerSpec": {"StopGracePeriod": 3}, "RestartPolicy": {"Condition": "none"}},
            "UpdateConfig": {"Parallelism": 0, "Monitor": 7},
        });
        let filled = filled(spec);
        let template = &filled["TaskTemplate"];
        assert_eq!(template["ContainerSpec"], json!({"StopGracePeriod": 3, "DNSConfig": {}}));
        assert_eq!(template["RestartPolicy"], json!({"Condition": "none", "Delay": 5_000_000_000_u64}));
        assert_eq!(filled["UpdateConfig"], json!({"Parallelism": 0, "Monitor": 7}));
        assert_eq!(filled["RollbackConfig"]["Order"], "stop-first");
        assert_eq!((&template["Placement"], &template["Resources"]), (&json!({}), &json!({})));
    }
}
