//! The bundle of the documentation is one of this version: what its facts give, under this catalogue.

use pvcheck_gates::{Bundle, BundledRun, judge_run};

use crate::page::{holds, root};

#[test]
fn the_bundle_of_the_examples_is_what_its_facts_give() {
    const PAGE: &str = "docs/examples/run.json";
    let text = std::fs::read_to_string(root().join(PAGE)).expect("readable");
    let old = Bundle::from_json(&text).expect("a bundle");
    let config = old.config.read().expect("a sound configuration");
    let again = |run: &BundledRun| {
        let judged = run.facts.judge(&config, &run.report.gate).expect("a gate of the configuration");
        let report = judge_run(&config, &run.run, judged);
        BundledRun { facts: run.facts.clone(), run: run.run.clone(), report }
    };
    let new = Bundle::new(old.config.clone(), old.engine, old.runs.iter().map(again).collect());
    holds(PAGE, &(serde_json::to_string(&new).expect("serializable") + "\n"));
}
