//! The schemas in docs/schemas: they are what the command prints, and what it prints of every kind is valid by them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kinds::{NOT_HERE, documents};
use crate::support::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

/// What `pvcheck schema` prints with these words.
fn schema(words: &[&str]) -> Done {
    let dir = tempfile::tempdir().expect("a folder");
    Done::of(bare(dir.path(), &[&["schema"], words].concat()))
}

fn kinds() -> Vec<String> {
    schema(&[]).stdout.lines().map(str::to_owned).collect()
}

/// With `PVCHECK_BLESS` set it writes them; `cargo xtask test --only pages --bless` sets it.
#[test]
fn the_committed_schemas_are_what_the_command_prints() {
    let bless = std::env::var("PVCHECK_BLESS").is_ok_and(|said| !said.is_empty());
    let mut names = BTreeSet::new();
    for kind in kinds() {
        let printed = schema(&[&kind]);
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let path = folder().join(format!("{kind}.json"));
        if bless {
            std::fs::create_dir_all(folder()).expect("docs");
            std::fs::write(&path, &printed.stdout).expect("a page");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == printed.stdout,
            "docs/schemas/{kind}.json is not as `pvcheck schema {kind}` prints it: \
            cargo xtask test --only pages --bless"
        );
        names.insert(format!("{kind}.json"));
    }
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("docs/schemas")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    assert_eq!(there, names, "a file of a kind that there is not");
}

#[test]
fn every_kind_has_a_schema_and_every_schema_a_kind() {
    let listed: BTreeSet<String> = kinds().into_iter().collect();
    assert_eq!(listed, crate::kinds::of_sources());
    schema(&["gait"]).assert_refused(2, &["there is no kind `gait`", "`pvcheck schema` lists them"]);
}

/// What the engine shows of a network before it is renewed, kept as it is.
const ANYTHING: &str = "inspected";

fn validator(kind: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(folder().join(format!("{kind}.json"))).expect(kind);
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::new(&schema).unwrap_or_else(|e| panic!("{kind}: {e}"))
}

/// Every kind but those that no command prints here. Each document is also broken in every field at its top, which its schema
/// must notice: one that allows anything would pass as well.
#[test]
fn what_is_printed_is_valid_and_what_is_broken_is_not() {
    let mut seen = BTreeSet::new();
    for (words, kind, document) in documents() {
        let validator = validator(kind);
        let errors: Vec<String> =
            validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{words}: {errors:#?}");
        for field in document.as_object().expect("an object").keys().filter(|field| *field != ANYTHING) {
            let mut broken = document.clone();
            // No field of any document is a list of lists of numbers.
            broken[field] = serde_json::json!([[0]]);
            assert!(!validator.is_valid(&broken), "{words}: the schema takes anything as {field}");
        }
        let mut other = document.clone();
        other["kind"] = "other".into();
        assert!(!validator.is_valid(&other), "{words}: another kind");
        other.as_object_mut().expect("an object").remove("kind");
        assert!(!validator.is_valid(&other), "{words}: no kind");
        seen.insert(kind.clone());
    }
    let all: BTreeSet<String> = kinds().into_iter().collect();
    let unseen: BTreeSet<String> = all.difference(&seen).cloned().collect();
    assert_eq!(unseen, NOT_HERE.map(str::to_owned).into(), "kinds that were not printed");
}

#[test]
fn a_gate_s_schema_notices_what_is_wrong_deep_inside() {
    let rig = Rig::new(cc_ci()).configured();
    let document = rig.run(&["gate", "run", "pvcheck.m1", "-o", "json"]).json();
    let validator = validator("gate");
    assert!(validator.is_valid(&document));
    for (pointer, value) in [
        ("/verdict", Value::from("GREEN")),
        ("/at", Value::from(3)),
        ("/checks/0/verdict", Value::from("pass")),
        ("/checks/0/required", Value::from("yes")),
        ("/checks/0/evidence/0/text", Value::Null),
        ("/checks/0/needs", Value::from(1)),
    ] {
        let mut broken = document.clone();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert!(!validator.is_valid(&broken), "{pointer}");
    }
}
