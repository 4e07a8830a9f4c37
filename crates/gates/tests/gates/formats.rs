//! Reports for machines: JUnit XML that a parser reads back, and annotations of which none is two.

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::EngineKind;
use pvcheck_gates::{CheckReport, Config, GateReport, Verdict, annotations, judge_m1, junit};
use roxmltree::{Document, Node};

use crate::support::*;
use crate::waivers::{broken, waiver};

/// The broken world with one thing waived, of which a route took two attempts.
async fn mixed() -> GateReport {
    let text =
        config_text() + &waiver("route.dashboard", "2026-06-30") + &waiver("route.drone", "2026-06-01");
    let config = Config::parse("cc-ci.toml", &text).expect("sound");
    let mut report = broken(&config, at()).await;
    let drone = tried(1).await;
    let place = report.checks.iter_mut().find(|check| check.id == "route.drone").expect("there");
    *place = drone;
    report
}

/// The check of the route `drone` after so many attempts that failed, of 3.
async fn tried(bad: usize) -> CheckReport {
    let mut facts = facts(cc_ci()).await;
    let drone = &mut of(&mut facts.routes)[1];
    let earlier = pvcheck_routes::RouteFact { status: Some(502), ..drone.clone() };
    drone.earlier = vec![earlier; bad];
    drone.of_attempts = 3;
    if bad == 3 {
        drone.status = Some(502);
        drone.earlier.pop();
    }
    let report = judge_m1(&config(), &facts);
    report.checks.into_iter().find(|check| check.id == "route.drone").expect("there")
}

fn xml(report: &GateReport) -> String {
    junit(&[report], EngineKind::Real).expect("in memory")
}

fn case<'a>(document: &'a Document<'_>, id: &str) -> Node<'a, 'a> {
    let is_case = |node: &Node<'_, '_>| node.has_tag_name("testcase") && node.attribute("name") == Some(id);
    document.descendants().find(is_case).unwrap_or_else(|| panic!("no case {id}"))
}

fn children<'a>(node: Node<'a, 'a>) -> Vec<&'a str> {
    node.children().filter(Node::is_element).map(|child| child.tag_name().name()).collect()
}

#[tokio::test]
async fn junit_has_a_suite_for_each_gate_and_a_case_for_each_check() {
    let report = mixed().await;
    let text = xml(&report);
    let document = Document::parse(&text).expect("well-formed");
    let suite = document.root_element().first_element_child().expect("a suite");
    let count = |name| suite.attribute(name).and_then(|n| n.parse::<usize>().ok()).expect("a number");
    assert_eq!(suite.attribute("name"), Some("pvcheck.m1"));
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!((cases.len(), count("tests")), (report.checks.len(), report.checks.len()));
    for (element, attribute) in [("failure", "failures"), ("error", "errors"), ("skipped", "skipped")] {
        let found = cases.iter().filter(|case| children(**case).contains(&element)).count();
        assert_eq!(found, count(attribute), "{text}");
    }
    // FAIL that is waived is skipped, UNKNOWN is an error, and what passes has its evidence alone.
    assert_eq!(children(case(&document, "route.dashboard")), ["skipped", "system-out"]);
    let skipped = case(&document, "route.dashboard").first_element_child().expect("skipped");
    let message = skipped.attribute("message").expect("why");
    assert!(
        message.starts_with("WAIVED: ") && message.contains("waived by ops until 2026-06-30"),
        "{message}"
    );
    assert_eq!(children(case(&document, "journal.exhaustion")), ["error", "system-out"]);
    assert_eq!(children(case(&document, "overlay.subnet")), ["system-out"]);
    let seen = case(&document, "overlay.subnet").text().map(str::to_owned);
    let out =
        case(&document, "overlay.subnet").first_element_child().and_then(|n| n.text().map(str::to_owned));
    assert!(out.expect("evidence").contains("[engine API]"), "{seen:?}");
    assert!(text.contains("waiver of route.drone by ops ended on 2026-06-01"), "{text}");
}

#[tokio::test]
async fn a_fail_is_a_failure_with_its_reason_and_kind() {
    let report = broken(&config(), at()).await;
    let text = xml(&report);
    let document = Document::parse(&text).expect("well-formed");
    let failure = case(&document, "route.dashboard").first_element_child().expect("a failure");
    assert_eq!((failure.tag_name().name(), failure.attribute("type")), ("failure", Some("route")));
    assert_eq!(failure.attribute("message"), Some(reason(&report, "route.dashboard").as_str()));
}

#[tokio::test]
async fn an_attempt_that_failed_is_told_whatever_the_last_one_says() {
    let mut report = broken(&config(), at()).await;
    for (bad, verdict, element, word) in
        [(1, Pass, "flakyFailure", "(attempt 2 of 3)"), (3, Fail, "rerunFailure", "(attempt 3 of 3)")]
    {
        let check = tried(bad).await;
        assert_eq!(check.verdict, verdict);
        assert!(check.reason.to_string().ends_with(word), "{}", check.reason);
        let verdicts: Vec<Verdict> = check.attempts.iter().map(|attempt| attempt.verdict).collect();
        let expected = if bad == 1 { vec![Fail, Pass] } else { vec![Fail; 3] };
        assert_eq!(verdicts, expected);
        assert!(check.evidence[0].text.starts_with("attempt 1 of 3, at "), "{:?}", check.evidence);
        let json = serde_json::to_value(&check).expect("plain data");
        assert_eq!(json["attempts"][0]["verdict"], "FAIL");
        report.checks = vec![check];
        let text = xml(&report);
        let document = Document::parse(&text).expect("well-formed");
        let found = children(case(&document, "route.drone"));
        assert_eq!(found.iter().filter(|name| **name == element).count(), check_attempts(&report), "{text}");
    }
    assert!(tried(0).await.attempts.is_empty(), "one attempt is no list");
}

/// How many attempts came before the last.
fn check_attempts(report: &GateReport) -> usize {
    report.checks[0].attempts.len() - 1
}

/// XML 1.0 has no escape for them: a document with one is refused by every parser.
#[tokio::test]
async fn no_text_breaks_a_document() {
    let mut report = broken(&config(), at()).await;
    let hostile = "]]></system-out><x a=\"1\">\u{0}\u{1b}[31m\u{fffe}\u{b}&amp;\r\n\t'end";
    for check in &mut report.checks {
        check.title = hostile.to_owned();
        check.reason = pvcheck_gates::Reason::Recorded(hostile.to_owned());
        check.evidence.iter_mut().for_each(|evidence| evidence.text = hostile.to_owned());
    }
    let text = xml(&report);
    let document = Document::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert!(document.descendants().all(|node| !node.has_tag_name("x")));
    let message =
        case(&document, "route.dashboard").first_element_child().expect("a failure").attribute("message");
    assert_eq!(message, Some("]]></system-out><x a=\"1\">\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}&amp;  'end"));
}

#[tokio::test]
async fn a_gate_that_has_shown_nothing_has_a_case_that_says_so() {
    let nothing = GateReport::new(pvcheck_gates::Gate::M1, &config(), Vec::new());
    assert_eq!(nothing.verdict, Unknown);
    let text = xml(&nothing);
    let document = Document::parse(&text).expect("well-formed");
    assert_eq!(children(case(&document, "verdict")), ["error"]);
    assert!(text.contains("tests=\"1\"") && text.contains("errors=\"1\""), "{text}");
    let told = annotations(&nothing, EngineKind::Real);
    assert!(told.starts_with("::error title=pvcheck.m1::UNKNOWN pvcheck.m1 ("), "{told}");
}

#[tokio::test]
async fn annotations_have_a_level_for_each_word_and_none_for_a_pass() {
    let report = mixed().await;
    let text = annotations(&report, EngineKind::Real);
    let lines: Vec<&str> = text.lines().collect();
    let of = |begin: &str| lines.iter().filter(|line| line.starts_with(begin)).count();
    assert_eq!(of("::error title=pvcheck.m1%3A UNKNOWN journal.exhaustion::"), 1, "{text}");
    assert_eq!(of("::warning title=pvcheck.m1%3A WAIVED route.dashboard::"), 1, "{text}");
    assert_eq!(
        of("::notice title=pvcheck.m1%3A route.drone::waiver of route.drone by ops ended"),
        1,
        "{text}"
    );
    assert_eq!(of("::warning title=pvcheck.m1::UNKNOWN with 1 waiver pvcheck.m1 ("), 1, "{text}");
    assert!(!text.contains("overlay.subnet"), "what passes is not told");
    let healthy = judge_m1(&config(), &facts(cc_ci()).await);
    assert_eq!(annotations(&healthy, EngineKind::Real).matches("::error").count(), 0);
}

#[tokio::test]
async fn no_text_of_a_route_or_service_begins_an_annotation() {
    let mut report = broken(&config(), at()).await;
    for check in &mut report.checks {
        check.reason =
            pvcheck_gates::Reason::Recorded("x\n::set-output name=a::b\r\n::error::c 100%".to_owned());
        check.id = format!("service.a\n::set-output name=a,b::{}", check.id);
    }
    let text = annotations(&report, EngineKind::Real);
    let open = report.checks.iter().filter(|check| check.verdict != Pass).count();
    assert_eq!(text.lines().count(), open + 1, "{text}");
    for line in text.lines() {
        assert!(!line.starts_with("::set-output"), "{line}");
        assert!(
            ["::error title=", "::notice title=", "FAIL "].iter().any(|begin| line.starts_with(begin)),
            "{line}"
        );
    }
    assert!(text.contains("x%0A::set-output name=a::b%0D%0A::error::c 100%25"), "{text}");
    assert!(text.contains("service.a%0A%3A%3Aset-output name=a%2Cb%3A%3A"), "{text}");
}
