//! What a report rests on.

use super::*;
use crate::config::Config;
use crate::testing::done;
use pvcheck_audit::OwnerKind;

const CONFIG: &str = "[[overlay]]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n\
                      [[overlay]]\nname = \"other\"\nsubnet = \"10.11.0.0/24\"\n";

#[test]
fn what_was_leaked_before_is_told_by_the_churn_on_the_first_overlay_and_by_a_census_on_the_others() {
    let config = Config::parse("pvcheck.toml", CONFIG).expect("a sound configuration");
    let facts = done();
    let report = judge_m2(&config, &facts);
    let sources = |id: &str| {
        let check = report.checks.iter().find(|check| check.id == id).expect(id);
        check.evidence.iter().map(|e| e.source.clone()).collect::<Vec<_>>()
    };
    assert_eq!(sources("overlay.leaked.proxy"), std::slice::from_ref(&facts.churn.source));
    assert_eq!(sources("overlay.leaked.other"), [""; 0], "its census was not taken");
}

#[test]
fn a_churn_shows_the_sums_of_both_its_censuses() {
    let config = Config::parse("pvcheck.toml", CONFIG).expect("a sound configuration");
    let report = judge_m2(&config, &done());
    let check = report.checks.iter().find(|check| check.id == "churn.census").expect("there");
    let texts: Vec<_> = check.evidence.iter().map(|e| e.text.as_str()).collect();
    for when in ["before", "after"] {
        let begins = format!("census {when}: 253 usable = ");
        let sum = texts.iter().any(|text| text.starts_with(&begins) && text.contains(" 0 leaked, in "));
        assert!(sum, "{texts:?}");
    }
}

#[test]
fn an_owner_is_named_with_its_kind_as_json_has_it() {
    for kind in [OwnerKind::Attachment, OwnerKind::LoadBalancer, OwnerKind::Task, OwnerKind::Vip] {
        assert_eq!(serde_json::to_value(kind).expect("plain data"), overlay::kind_of(kind));
    }
}

#[test]
fn a_route_is_shown_with_what_was_asked_and_answered() {
    let mut fact = done().canary.known().and_then(|canary| canary.route.clone()).expect("it was asked");
    let shown = routes::route_evidence(&fact);
    let begins = format!("GET {} via {}: ", fact.url, fact.address.expect("connected"));
    assert!(shown.starts_with(&begins) && shown.ends_with(" ms"), "{shown}");
    (fact.address, fact.status) = (None, None);
    assert!(routes::route_evidence(&fact).contains(" via no address: no status"));
}
