//! What a report rests on.

use super::*;
use crate::config::Config;
use crate::testing::done;

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
