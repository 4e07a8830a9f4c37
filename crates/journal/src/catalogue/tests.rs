mod task_errors;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::ids::{NetworkId, NodeId, ServiceId, TaskId};
use crate::record::Record;
use crate::signature::{Rule, WITHOUT_IPVS};
use crate::subjects::Subjects;

const SERVICE: &str = "svc4qm2v9k1t8r3w6y5z0a1b2";
const TASK: &str = "tsk7mg402451row2gmr0g0vsu";
const NETWORK: &str = "netqo8nlftb3wrsc5kja4dlzr";
const NODE: &str = "nodiqbfz7sj0t8368scf9urwi";

/// A line in which `$S`, `$T`, `$N` and `$D` are the ids of a service, a task, a network and a node. What follows ` | ` is
/// the `error` field.
fn line(text: &str) -> Record {
    let text = text.replace("$S", SERVICE).replace("$T", TASK).replace("$N", NETWORK).replace("$D", NODE);
    let (message, error) = text.split_once(" | ").map_or((text.as_str(), None), |(m, e)| (m, Some(e)));
    let field = |name: &str, value: &str| format!(" {name}={value:?}");
    let error = error.map_or(String::new(), |error| field("error", error));
    let line =
        format!("time=\"2026-06-13T05:38:00Z\" level=error{}{error} module=node", field("msg", message));
    Record::parse_line(line.as_bytes())
}

fn id_of(record: &Record) -> Option<&'static str> {
    Catalogue::builtin().classify(record).map(|signature| signature.id)
}

/// The built-in entries, with their examples.
fn entries() -> Vec<entry::Entry> {
    entry::read(matcher::BUILTIN).expect("the built-in entries")
}

/// Each example with the id of its entry.
fn examples() -> impl Iterator<Item = (String, String)> {
    entries().into_iter().flat_map(|entry| {
        let id = entry.id;
        entry.matches.into_iter().map(move |line| (id.clone(), line))
    })
}

fn id_of_line(line: &str) -> Option<&'static str> {
    id_of(&Record::parse_line(line.as_bytes()))
}

/// A record is one signature at most, so that this is every entry with every example.
#[test]
fn each_entry_matches_its_own_examples_and_none_of_the_others() {
    for entry in entries() {
        for line in &entry.matches {
            assert_eq!(id_of_line(line), Some(entry.id.as_str()), "{line}");
        }
        for line in &entry.matches_not {
            assert_ne!(id_of_line(line), Some(entry.id.as_str()), "{line}");
        }
    }
}

/// To an error of a task those of all the others are the lines that it must not match.
#[test]
fn each_entry_has_a_line_that_looks_like_it_and_is_not_or_is_the_error_of_a_task() {
    for entry in entries() {
        let of_task = entry.matches.iter().any(|line| line.contains("fatal task error"));
        assert!(of_task || !entry.matches_not.is_empty(), "{}", entry.id);
    }
}

#[test]
fn only_what_another_signature_leads_to_has_no_example_and_no_pattern() {
    let entries = entries();
    let bare: BTreeSet<_> = entries.iter().filter(|e| e.matches.is_empty()).map(|e| e.id.as_str()).collect();
    let ruleless = Catalogue::builtin().signatures().filter(|signature| signature.rules.is_empty());
    let turned = Catalogue::builtin().signatures().filter_map(|signature| signature.reclassify.other());
    assert_eq!(bare, turned.collect());
    assert_eq!(bare, ruleless.map(|signature| signature.id).collect());
    assert!(entries.iter().filter(|e| bare.contains(e.id.as_str())).all(|e| !e.matches_not.is_empty()));
}

#[test]
fn every_example_stays_what_it_is_behind_a_journal_prefix_and_in_an_entry() {
    for (id, raw) in examples().filter(|(_, line)| line.starts_with("level=")) {
        let id = Some(id.as_str());
        let prefixed =
            format!("Jun 13 05:38:00 host dockerd[812]: time=\"2026-06-13T05:38:00Z\" {raw} module=node");
        assert_eq!(id_of_line(&prefixed), id, "{prefixed}");
        let entry = serde_json::json!({ "MESSAGE": raw, "SYSLOG_IDENTIFIER": "dockerd" }).to_string();
        assert_eq!(id_of(&Record::parse_entry(entry.as_bytes())), id, "{entry}");
    }
}

#[test]
fn a_container_that_quotes_a_signature_is_not_the_engine() {
    let raw =
        line("Failed allocation for service $S | could not find an available IP while allocating VIP").raw;
    let entry =
        serde_json::json!({ "MESSAGE": raw, "SYSLOG_IDENTIFIER": "dockerd", "CONTAINER_ID": "3f4e5d6c7b8a" });
    assert_eq!(id_of(&Record::parse_entry(entry.to_string().as_bytes())), None);
}

#[test]
fn a_line_that_cannot_be_parsed_is_matched_as_a_whole() {
    let torn = Record::parse_line(
        br#"ocation for service x" error="could not find an available IP while allocating VIP" mod"#,
    );
    assert_eq!(torn.form, crate::Form::Unparsed);
    assert_eq!(id_of(&torn), Some("vip-exhausted"));
    assert_eq!(
        id_of(&Record::parse_line(b"fatal error: concurrent map read and map write")),
        Some("status-race")
    );
}

#[test]
fn ids_are_taken_out_of_message_error_and_fields() {
    let of = |text: &str| Subjects::of(&line(text));
    let subjects = of(
        "task allocation failure | failed to allocate network IP for task $T network $N: could not find an available IP",
    );
    assert_eq!(subjects.tasks, [TaskId::from(TASK)].into());
    assert_eq!(subjects.networks, [NetworkId::from(NETWORK)].into());
    let subjects = of(
        "Failed to allocate network resources for node $D | could not find network allocator state for network ID $N",
    );
    assert_eq!(
        (subjects.nodes, subjects.networks),
        ([NodeId::from(NODE)].into(), [NetworkId::from(NETWORK)].into())
    );
    assert_eq!(of("network proxy remove failed: no").networks, [NetworkId::from("proxy")].into());
    assert_eq!(
        of("remove | network web_default id 0f1e has active endpoints").networks,
        [NetworkId::from("web_default")].into()
    );
    assert_eq!(of("error reallocating node  | node  cannot be found"), Subjects::default());
    let attached = Record::parse_line(b"level=error msg=\"fatal task error\" service.id= task.id=");
    assert_eq!(Subjects::of(&attached), Subjects::default());
    let field = format!(
        "level=error msg=\"pulling image failed\" node.id={NODE} service.id={SERVICE} task.id={TASK} vip.network={NETWORK}"
    );
    let subjects = Subjects::of(&Record::parse_line(field.as_bytes()));
    assert_eq!((subjects.services, subjects.nodes), ([ServiceId::from(SERVICE)].into(), BTreeSet::new()));
    assert_eq!(
        (subjects.tasks, subjects.networks),
        ([TaskId::from(TASK)].into(), [NetworkId::from(NETWORK)].into())
    );
}

fn texts(rule: &Rule) -> impl Iterator<Item = &'static str> {
    rule.inner.iter().chain(rule.message).chain(rule.without).copied().chain(rule.exact)
}

#[test]
fn the_table_is_sound() {
    let catalogue = Catalogue::builtin();
    let mut ids = BTreeSet::new();
    for signature in catalogue.signatures() {
        let id = signature.id;
        assert!(ids.insert(id), "{id} is there twice");
        for text in [signature.meaning, signature.remedy, signature.source] {
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{id}: {text}");
        }
        assert!(!signature.versions.ends_with('.') && !signature.is_added, "{id}");
        if let Some(other) = signature.reclassify.other() {
            assert!(
                catalogue.get(other).is_some_and(|other| other.rules.is_empty()),
                "{id} turns to {other}"
            );
        }
        for rule in signature.rules {
            // Texts are searched in what was unescaped, but a quote in one would hide it from unparsed lines.
            assert!(texts(rule).all(|text| !text.is_empty() && !text.contains(['"', '\\'])), "{id}");
            assert!(rule.rank() < 2 || !rule.message.is_empty(), "{id} matches everything");
        }
    }
    assert!(catalogue.get("no-such-signature").is_none() && catalogue.get(WITHOUT_IPVS).is_some());
}

proptest! {
    #[test]
    fn arbitrary_records_never_panic(message in "\\PC{0,80}", error in proptest::option::of("\\PC{0,80}"), which in 0usize..100) {
        static LINES: LazyLock<Vec<String>> = LazyLock::new(|| examples().map(|(_, line)| line).collect());
        let mut record = Record::parse_line(LINES[which].as_bytes());
        record.message.push_str(&message);
        record.error = error.or(record.error);
        let _ = (id_of(&record), Subjects::of(&record));
    }
}
