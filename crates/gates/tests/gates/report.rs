//! What people see.

use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    CheckReport, Evidence, Gate, GateReport, Reason, Style, Verdict, judge_m1, markdown, table,
};

use crate::support::*;

fn check(id: &str, verdict: Verdict, reason: &str, evidence: &[&str]) -> CheckReport {
    let evidence = evidence.iter().map(|text| Evidence {
        source: "engine API".into(),
        node: Some("m1".into()),
        at: at(),
        command: Some(format!("docker network inspect {id}")),
        text: (*text).to_owned(),
        digest: "0123456789abcdef".into(),
    });
    CheckReport {
        id: id.into(),
        title: format!("The {id} is as it should be"),
        verdict,
        reason: Reason::Recorded(reason.into()),
        required: true,
        needs: Vec::new(),
        evidence: evidence.collect(),
        elapsed_ms: 42,
        attempts: Vec::new(),
        waiver: None,
    }
}

fn small() -> GateReport {
    let config =
        pvcheck_gates::Config::parse("x", "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/16\"\n")
            .expect("a sound configuration");
    let checks = vec![
        check(
            "overlay.subnet",
            Verdict::Pass,
            "proxy has 10.10.0.0/16",
            &["proxy n1 subnets [10.10.0.0/16]"],
        ),
        check(
            "route.drone",
            Verdict::Fail,
            "answered 502 | not 303",
            &["GET https://drone/\nvia 127.0.0.1:443"],
        ),
        check("journal", Verdict::Unknown, "permission denied", &[]),
    ];
    GateReport::new(Gate::M1, &config, checks)
}

#[test]
fn a_verdict_of_the_embedded_engine_says_so() {
    let (table, markdown) =
        (table(&small(), EngineKind::Embedded, Style::Plain), markdown(&small(), EngineKind::Embedded));
    let verdict = small().verdict;
    assert!(table.contains(&format!("{verdict} (embedded engine) {}", small().gate)), "{table}");
    assert!(markdown.contains(&format!(": {verdict} (embedded engine)")), "{markdown}");
}

#[test]
fn a_table_has_a_line_per_check_and_the_reason_under_it() {
    insta::assert_snapshot!(table(&small(), EngineKind::Real, Style::Plain));
}

#[test]
fn colour_changes_no_word() {
    let coloured = table(&small(), EngineKind::Real, Style::Coloured);
    for (word, colour) in [("PASS", 32), ("FAIL", 31), ("UNKNOWN", 33)] {
        assert!(coloured.contains(&format!("\x1b[{colour}m{word}")), "{coloured:?}");
    }
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain += before;
        rest = after.split_once('m').expect("a sequence has an end").1;
    }
    plain += rest;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&plain), words(&table(&small(), EngineKind::Real, Style::Plain)));
}

#[test]
fn markdown_keeps_its_table_whatever_a_reason_says() {
    let text = markdown(&small(), EngineKind::Real);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    let columns = |row: &&str| row.replace("\\|", "").matches('|').count();
    assert_eq!(rows.iter().map(columns).collect::<Vec<_>>(), [6; 5], "{text}");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn the_table_of_m1_reads_well_healthy() {
    insta::assert_snapshot!(table(
        &judge_m1(&config(), &facts(cc_ci()).await),
        EngineKind::Real,
        Style::Plain
    ));
}

#[tokio::test]
async fn the_table_of_m1_reads_well_broken() {
    let mut model = cc_ci();
    model.scale_service("ccci-bridge_app", 0).unwrap();
    model.advance(SETTLE);
    let mut facts = facts(model).await;
    of(&mut facts.routes)[2].status = Some(503);
    facts.journal =
        unknown("engine log", "cannot read the engine log /var/log/docker.log: permission denied");
    insta::assert_snapshot!(table(
        &judge_m1(&config_with("10.10.0.0/24", "10.10.0.0/16"), &facts),
        EngineKind::Real,
        Style::Plain
    ));
}
