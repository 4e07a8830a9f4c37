//! The errors that a task can show.

use proptest::prelude::*;

use super::super::*;
use super::examples;
use crate::record::Record;
use crate::signature::Class;

/// Each example that a node logs as the error of a task: its signature and the error.
fn errors() -> Vec<(String, String)> {
    let error = |(id, line): (String, String)| {
        let record = Record::parse_line(line.as_bytes());
        record.error.filter(|_| record.message == "fatal task error").map(|error| (id, error))
    };
    examples().filter_map(error).collect()
}

#[test]
fn every_error_of_a_task_has_a_meaning_and_a_remedy() {
    let errors = errors();
    assert!(200 < errors.len(), "{}", errors.len());
    for (id, text) in errors {
        let found = Catalogue::builtin().of_task_error(&text).expect(&text);
        assert_eq!(found.id, id, "{text}");
        assert!(found.meaning.len() > 20 && found.remedy.len() > 10, "{id}");
    }
}

#[test]
fn what_is_logged_as_a_message_alone_is_known_as_an_error_too() {
    for (text, id) in [
        ("Could not attach to network proxy: rpc error: code = NotFound desc = no", "attach-failed"),
        ("Unable to find load balancing endpoint for network proxy", "lb-not-made"),
    ] {
        assert_eq!(Catalogue::builtin().of_task_error(text).map(|found| found.id), Some(id), "{text}");
    }
}

#[test]
fn what_is_about_something_else_is_not_known() {
    for text in [
        "",
        "task: non-zero exit (1)",
        "No such image: web:latest",
        "No such container: app-lb-1",
        "starting container failed: OCI runtime create failed: exec: \"/network\": stat /network: no such file or directory",
        "Get \"https://registry.test/v2/\": dial tcp: lookup registry.test: network is unreachable",
        "invalid mount config for type \"bind\": bind source path does not exist: /srv",
        "dockerexec: unhealthy container",
        "no suitable node (insufficient resources on 3 nodes)",
        "error looking up volume plugin x: plugin \"x\" not found",
        "assigned node no longer meets constraints",
    ] {
        assert_eq!(Catalogue::builtin().of_task_error(text).map(|found| found.id), None, "{text}");
    }
}

#[test]
fn every_signature_of_tasks_has_an_example_as_one() {
    let tested: std::collections::BTreeSet<_> = errors().into_iter().map(|(id, _)| id).collect();
    for signature in Catalogue::builtin().signatures().filter(|s| s.class == Class::NotAttached) {
        assert!(tested.contains(signature.id), "{}", signature.id);
    }
}

#[test]
fn a_request_of_a_client_that_fails_alike_is_no_finding() {
    let of_nodes = ["network-exists", "network-missing", "network-ambiguous", "subnet-invalid"];
    for (_, text) in errors().iter().filter(|(id, _)| of_nodes.contains(&id.as_str())) {
        let message = format!("Handler for POST /v1.41/networks/create returned error: {text}");
        let line = format!("level=error msg={message:?}");
        let found = Catalogue::builtin().classify(&Record::parse_line(line.as_bytes())).expect(text);
        assert!(!found.class.is_finding(), "{text}: {}", found.id);
    }
}

proptest! {
    #[test]
    fn any_text_is_known_or_not(text in "\\PC{0,80}") {
        let _ = Catalogue::builtin().of_task_error(&text);
    }
}
