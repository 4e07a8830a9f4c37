//! Who may know whom: the plan of the house, checked against the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pvcheck_tests::{Outcome, text};
use serde_json::Value;

/// Each room and the rooms that it may depend on.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("pvcheck-ipam", &[]),
    ("pvcheck-journal", &["pvcheck-ipam"]),
    ("pvcheck-routes", &["pvcheck-ipam"]),
    ("pvcheck-boot", &["pvcheck-ipam"]),
    ("pvcheck-swarm", &["pvcheck-ipam"]),
    (
        "pvcheck-gates",
        &["pvcheck-ipam", "pvcheck-journal", "pvcheck-routes", "pvcheck-boot", "pvcheck-swarm"],
    ),
    // The command reaches the embedded engine and every library below the gates.
    (
        "pvcheck-cli",
        &[
            "pvcheck-boot",
            "pvcheck-gates",
            "pvcheck-ipam",
            "pvcheck-journal",
            "pvcheck-routes",
            "pvcheck-sim",
            "pvcheck-swarm",
        ],
    ),
    ("pvcheck-sim", &["pvcheck-ipam"]),
    ("pvcheck-lab", &[]),
];

/// What a room must never pull in, at whatever depth.
const NEVER: &[(&str, &[&str])] = &[
    ("pvcheck-ipam", &["tokio", "bollard", "hyper", "socket2", "mio"]),
    ("pvcheck-boot", &["tokio", "bollard", "hyper"]),
    ("pvcheck-journal", &["bollard", "hyper"]),
    ("pvcheck-routes", &["bollard"]),
    ("pvcheck-cli", &["pvcheck-lab"]),
];

fn metadata() -> Result<Value, Box<dyn std::error::Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Ok(serde_json::from_str(&text(Command::new(cargo).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
    ]))?)?)
}

/// Name of each package, with the names of what it depends on when it is built, not tested.
fn edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let names: BTreeMap<&str, String> =
        packages.map(|p| (p["id"].as_str().unwrap_or_default(), name(p))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    nodes
        .map(|node| {
            let kinds = |dep: &Value| {
                let kinds = dep["dep_kinds"].as_array().into_iter().flatten();
                kinds.clone().any(|kind| kind["kind"].as_str() != Some("dev"))
            };
            let deps = node["deps"].as_array().into_iter().flatten().filter(|dep| kinds(dep));
            let deps = deps.filter_map(|dep| names.get(dep["pkg"].as_str().unwrap_or_default()).cloned());
            (names[node["id"].as_str().unwrap_or_default()].clone(), deps.collect())
        })
        .collect()
}

#[test]
fn every_room_knows_only_whom_it_may() -> Outcome {
    let edges = edges(&metadata()?);
    for (room, may) in MAY_KNOW {
        let ours: BTreeSet<&str> =
            edges[*room].iter().map(String::as_str).filter(|dep| dep.starts_with("pvcheck-")).collect();
        let may: BTreeSet<&str> = may.iter().copied().collect();
        assert!(ours.is_subset(&may), "{room} knows {:?}", ours.difference(&may));
    }
    let rooms: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    let unplanned: Vec<_> =
        edges.keys().filter(|n| n.starts_with("pvcheck-") && *n != "pvcheck-tests").collect();
    assert!(unplanned.iter().all(|n| rooms.contains(n.as_str())), "a room without a plan: {unplanned:?}");
    Ok(())
}

#[test]
fn no_room_pulls_in_what_it_must_not() -> Outcome {
    let edges = edges(&metadata()?);
    for (room, never) in NEVER {
        let mut reached = BTreeSet::new();
        let mut open = vec![*room];
        while let Some(next) = open.pop() {
            for dep in edges.get(next).into_iter().flatten() {
                if reached.insert(dep.as_str()) {
                    open.push(dep);
                }
            }
        }
        assert!(1 < reached.len(), "{room} reaches nothing: the search is broken");
        for banned in *never {
            assert!(!reached.contains(banned), "{room} pulls in {banned}");
        }
    }
    Ok(())
}
