//! Facts for the tests of this crate: of a gate that ran, and of one that saw nothing.

use crate::cause::Unseen;
use crate::facts::{M1Facts, M2Facts};
use crate::fix_facts::{FixPlanFacts, FixedFacts};
use crate::observed::{Observed, Seen};

/// A gate that ran to its end, as it was saved.
pub(crate) fn done() -> M2Facts {
    let saved = include_str!("../tests/gates/saved/done.facts.json");
    serde_json::from_str(saved).expect("facts")
}

/// A Swarm with the overlay `proxy` and nothing on it.
pub(crate) fn snapshot() -> pvcheck_audit::Snapshot {
    let proxy = serde_json::json!({
        "id": "n", "name": "proxy", "driver": "overlay", "scope": "swarm", "ingress": false, "attachable": true,
        "internal": false, "pools": [{"subnet": "10.10.0.0/24"}], "stack": null, "run": null
    });
    let engine = serde_json::json!({
        "version": "", "api": "", "at": "2026-06-12T10:00:00Z", "node": "n", "cluster": "c",
        "default_pools": [], "default_prefix": null
    });
    let swarm = serde_json::json!({
        "engine": engine, "nodes": [], "networks": [proxy], "services": [], "tasks": []
    });
    serde_json::from_value(swarm).expect("the form of a saved snapshot")
}

pub(crate) fn unseen<T>() -> Observed<T> {
    Observed::not_asked("nothing", Unseen::NotRecorded)
}

pub(crate) fn seen<T>(value: T) -> Observed<T> {
    Observed { seen: Seen::Known(value), ..unseen() }
}

pub(crate) fn blind_m1() -> M1Facts {
    M1Facts {
        snapshot: unseen(),
        routes: unseen(),
        journal: unseen(),
        log_node: None,
        leaked: unseen(),
        guard: None,
    }
}

pub(crate) fn blind_fix_plan() -> FixPlanFacts {
    FixPlanFacts {
        overlay: "proxy".into(),
        snapshot: unseen(),
        plan: unseen(),
        window: unseen(),
        creation: unseen(),
    }
}

pub(crate) fn blind_fixed() -> FixedFacts {
    FixedFacts {
        overlay: "proxy".into(),
        control: blind_m1(),
        record: unseen(),
        proof: unseen(),
        creation: unseen(),
    }
}

pub(crate) fn blind_m2() -> M2Facts {
    M2Facts {
        routes: unseen(),
        routes_during: unseen(),
        routes_after: unseen(),
        leaked: unseen(),
        canary: unseen(),
        churn: unseen(),
        harness: unseen(),
        journal: unseen(),
        residue: unseen(),
    }
}
