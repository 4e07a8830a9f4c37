//! Evidence that anyone can look at again: what was seen, the command that shows it, and its digest.

use std::collections::BTreeSet;
use std::process::Command;

use pvcheck_gates::{CheckReport, Evidence, GateReport, Verdict, catalogue, check_info, judge_m1};

use crate::collect::{World, m1_run};
use crate::support::*;
use crate::{activation, before, fix, fixed, guard, harness, m2};

/// True iff a shell reads it as a whole.
fn is_sound(command: &str) -> bool {
    let parsed = Command::new("sh").args(["-n", "-c", command]).status().expect("a shell");
    parsed.success() && !command.contains('\n')
}

/// What is wrong with the evidence of a check.
fn lacks(check: &CheckReport) -> Option<String> {
    let lack = |e: &Evidence| {
        let hex = e.digest.len() == 64 && e.digest.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        let command = e.command.as_deref().is_some_and(is_sound);
        (!hex || !command || e.text.is_empty()).then(|| format!("{e:?}"))
    };
    if check.evidence.is_empty() { Some("no evidence".into()) } else { check.evidence.iter().find_map(lack) }
}

/// Each gate on a world that the embedded engine serves.
async fn reports() -> Vec<GateReport> {
    let world = World::new(cc_ci()).await;
    let m1 = judge_m1(&world.config, &m1_run(&world).await);
    vec![
        m1,
        m2::with(|_| ()).await,
        fix::with(|_| ()).await,
        fixed::with(|_| ()).await,
        activation::with_unit(|_, _| ()).await,
        harness::with(|_| ()).await,
        guard::with(|_| ()).await,
        before::judged_with(|_| ()).await,
    ]
}

#[tokio::test]
async fn every_required_check_that_was_judged_has_a_command_and_a_digest() {
    let mut judged = BTreeSet::new();
    for report in reports().await {
        for check in report.checks.iter().filter(|check| check.verdict != Verdict::Unknown) {
            assert_eq!(lacks(check), None, "{} of {}", check.id, report.gate);
            judged.insert(check_info(&check.id).expect("of the catalogue").id);
        }
    }
    let required = catalogue().filter(|info| info.required).map(|info| info.id);
    let missing: Vec<&str> = required.filter(|id| !judged.contains(id)).collect();
    assert_eq!(missing, [] as [&str; 0], "required checks that no gate here has judged");
}

#[tokio::test]
async fn a_digest_is_of_the_text_and_a_long_text_is_shortened_after_it_was_taken() {
    let report = judge_m1(&config(), &facts(cc_ci()).await);
    let subnet = &report.checks[0].evidence[0];
    let digest = |text: &str| {
        let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(subnet.digest, digest(&subnet.text));
    assert_eq!(
        subnet.command.as_deref(),
        Some("docker network inspect proxy --format '{{json .IPAM.Config}}'")
    );
    let mut facts = facts(cc_ci()).await;
    let long = format!("answers{}", "s".repeat(10_000));
    of(&mut facts.routes)[0].url = format!("https://dashboard.example.net/{long}");
    let report = judge_m1(&config(), &facts);
    let route = report.checks.iter().find(|check| check.id == "route.dashboard").expect("there");
    let text = &route.evidence[0].text;
    assert!(text.ends_with('…') && text.chars().count() == 4097, "{}", text.len());
    assert_ne!(route.evidence[0].digest, digest(text), "of the whole");
}

/// The node is that whose engine was asked; what this machine saw by itself has none.
#[tokio::test]
async fn evidence_of_an_engine_names_its_node() {
    let world = World::new(cc_ci()).await;
    let ready = pvcheck_gates::preflight(&world.engine, &world.config).await.expect("ready");
    let run = pvcheck_gates::collect_run(&world.config, "pvcheck.m1", &ready);
    let node = run.node.clone().expect("the list of nodes has it");
    let report =
        pvcheck_gates::judge_run(&world.config, &run, judge_m1(&world.config, &m1_run(&world).await));
    for check in &report.checks {
        let by_engine = !check.id.starts_with("route.");
        for evidence in &check.evidence {
            assert_eq!(evidence.node.as_deref(), by_engine.then_some(node.as_str()), "{}", check.id);
        }
    }
}
