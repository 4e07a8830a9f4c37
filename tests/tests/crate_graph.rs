//! Which crate depends on which: the drawing in ARCHITECTURE.md, compared with the manifests.

use std::collections::{BTreeMap, BTreeSet};

use pvcheck_tests::{Outcome, cargo, text};
use serde_json::Value;

/// Packages that a crate must not depend on, directly or not.
const NEVER: &[(&str, &[&str])] = &[
    ("pvcheck-ipam", &["tokio", "bollard", "hyper", "socket2", "mio"]),
    ("pvcheck-audit", &["tokio", "bollard", "hyper", "rtnetlink", "socket2", "mio"]),
    ("pvcheck-boot", &["tokio", "bollard", "hyper"]),
    ("pvcheck-ledger", &["tokio", "bollard", "hyper", "rustls", "socket2", "mio"]),
    ("pvcheck-journal", &["bollard", "hyper"]),
    ("pvcheck-routes", &["bollard"]),
    ("pvcheck-cli", &["pvcheck-lab"]),
];

fn metadata() -> Result<Value, Box<dyn std::error::Error>> {
    let words = ["metadata", "--format-version", "1", "--locked"];
    Ok(serde_json::from_str(&text(&mut cargo(&words))?)?)
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

/// The lines `CRATE -> CRATE, CRATE` of ARCHITECTURE.md's section on dependencies, package by package.
fn drawn(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let package = |name: &str| if name == "xtask" { name.to_owned() } else { format!("pvcheck-{name}") };
    let section = text.split("\n## ").find(|s| s.starts_with("Which crate depends on which"));
    let lines = section.into_iter().flat_map(str::lines).filter(|l| l.starts_with("    "));
    let edges = lines.filter_map(|line| line.split_once("->"));
    edges
        .map(|(from, to)| {
            let to = to.split(',').map(str::trim).filter(|to| !to.is_empty() && *to != "none");
            (package(from.trim()), to.map(package).collect())
        })
        .collect()
}

/// What is drawn and not there, and what is there and not drawn; empty iff both are the same.
fn differences(
    drawn: &BTreeMap<String, BTreeSet<String>>,
    there: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let empty = BTreeSet::new();
    let packages: BTreeSet<&String> = drawn.keys().chain(there.keys()).collect();
    let mut found = Vec::new();
    for package in packages {
        let (plan, real) = (drawn.get(package), there.get(package));
        match (plan, real) {
            (None, _) => found.push(format!("{package} is not in the drawing")),
            (_, None) => found.push(format!("{package} is drawn, and there is no such package")),
            _ => {}
        }
        let (plan, real) = (plan.unwrap_or(&empty), real.unwrap_or(&empty));
        found.extend(plan.difference(real).map(|to| format!("{package} -> {to} is drawn and not there")));
        found.extend(real.difference(plan).map(|to| format!("{package} -> {to} is there and not drawn")));
    }
    found
}

#[test]
fn the_drawing_is_the_graph() -> Outcome {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md"))?;
    let ours = |name: &String| name.starts_with("pvcheck-") || name == "xtask";
    let there: BTreeMap<_, BTreeSet<_>> = edges(&metadata()?)
        .into_iter()
        .filter(|(package, _)| ours(package))
        .map(|(package, deps)| (package, deps.into_iter().filter(ours).collect()))
        .collect();
    let found = differences(&drawn(&text), &there);
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn an_edge_too_many_or_too_few_is_found() {
    let text = "\n## Which crate depends on which\n\n    ipam   -> none\n    swarm  -> ipam\n    xtask  -> swarm\n\n## Next\n    x -> y\n";
    let plan = drawn(text);
    assert_eq!(plan.keys().collect::<Vec<_>>(), ["pvcheck-ipam", "pvcheck-swarm", "xtask"]);
    assert!(differences(&plan, &plan).is_empty());
    let mut more = plan.clone();
    more.entry("pvcheck-ipam".into()).or_default().insert("pvcheck-swarm".into());
    assert_eq!(differences(&plan, &more), ["pvcheck-ipam -> pvcheck-swarm is there and not drawn"]);
    assert_eq!(differences(&more, &plan), ["pvcheck-ipam -> pvcheck-swarm is drawn and not there"]);
    more.insert("pvcheck-new".into(), BTreeSet::new());
    assert!(differences(&plan, &more).contains(&"pvcheck-new is not in the drawing".to_owned()));
}

#[test]
fn no_crate_pulls_in_what_it_must_not() -> Outcome {
    let edges = edges(&metadata()?);
    for (package, never) in NEVER {
        let mut reached = BTreeSet::new();
        let mut open = vec![*package];
        while let Some(next) = open.pop() {
            for dep in edges.get(next).into_iter().flatten() {
                if reached.insert(dep.as_str()) {
                    open.push(dep);
                }
            }
        }
        assert!(1 < reached.len(), "{package} reaches nothing: the search is broken");
        for banned in *never {
            assert!(!reached.contains(banned), "{package} pulls in {banned}");
        }
    }
    Ok(())
}
