//! Keys, times, reports and ledgers for tests.

use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use crate::claim::Claim;
use crate::content::{Content, Founding, Note};
use crate::digest::Digest;
use crate::facts::Facts;
use crate::keys::{PrivateKey, pem};
use crate::ledger::Ledger;
use crate::report::read_report;
use crate::role::Role;

/// A fresh key.
pub(crate) fn pkcs8() -> Vec<u8> {
    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness").as_ref().to_vec()
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::from_pem(pem(&pkcs8()).as_bytes()).expect("a key")
}

/// A time some seconds into the incident's morning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = "2026-06-13T05:30:00Z".parse().expect("a time");
    begin + SignedDuration::from_secs(seconds)
}

/// A report of pvcheck.m1 that passes, on a real engine.
pub(crate) fn report() -> Value {
    json!({
        "schema": "pvcheck/v1", "kind": "gate", "gate": "pvcheck.m1", "verdict": "PASS",
        "swarm": "6wq9m8p4n2k7", "at": "2026-06-13T05:29:00Z", "config_digest": "ab",
        "checks": [
            {"id": "overlay.subnet", "verdict": "PASS", "required": true, "kind": "subnet_as_declared",
             "data": {"overlay": "proxy", "subnet": "10.10.0.0/24", "usable": 253}},
            {"id": "overlay.headroom", "verdict": "PASS", "required": true, "kind": "enough_free",
             "data": {"free": 241, "usable": 253, "owned": 12, "leaked": 0, "wanted": 16}},
            {"id": "route.drone", "verdict": "PASS", "required": true, "kind": "route",
             "data": {"said": "303 as expected", "behind": null}},
            {"id": "swarm.waiting", "verdict": "PASS", "required": true, "kind": "none_waits"},
            {"id": "services.unlisted", "verdict": "PASS", "required": false, "kind": "services_listed",
             "data": {"services": 9}}
        ]
    })
}

pub(crate) fn facts() -> Facts {
    read_report(report().to_string().as_bytes(), "pvcheck.m1").expect("a report")
}

pub(crate) fn claim() -> Claim {
    Claim {
        gate: "pvcheck.m1".to_owned(),
        what: Some("renewed proxy".to_owned()),
        how: None,
        expected: None,
        commit: Some("e6349a9".to_owned()),
        files: Vec::new(),
        report: Digest::of(b"report"),
        facts: facts(),
    }
}

/// Both keys and a ledger that they have founded.
pub(crate) struct Bench {
    pub(crate) builder: PrivateKey,
    pub(crate) verifier: PrivateKey,
    pub(crate) bytes: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (builder, verifier) = (key(), key());
        let founding = Founding::new(builder.public(), verifier.public()).expect("two keys");
        let bytes = Ledger::found(founding, at(0), &verifier).expect("its own key");
        Self { builder, verifier, bytes }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::read(&self.bytes).expect("a whole ledger")
    }

    /// Appends a line of this role.
    pub(crate) fn add(&mut self, content: Content, seconds: i64, role: Role) {
        let key = match role {
            Role::Builder => &self.builder,
            Role::Verifier => &self.verifier,
        };
        let (_, line) =
            self.ledger().next(content, at(seconds), key).expect("a line that its role may write");
        self.bytes.extend(line);
    }

    pub(crate) fn claim(&mut self, seconds: i64) {
        self.add(Content::Claim(claim()), seconds, Role::Builder);
    }

    pub(crate) fn note(&mut self, text: &str, seconds: i64) {
        self.add(Content::Note(Note { text: text.to_owned(), gate: None }), seconds, Role::Builder);
    }
}
