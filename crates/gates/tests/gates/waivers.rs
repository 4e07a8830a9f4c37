//! Waivers: what is open does not count and stays open, for as long as the waiver says and no longer.

use Verdict::{Fail, Pass, Unknown};
use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    CheckReport, Config, GateReport, PastReport, RunFacts, Style, Verdict, WaiverState, judge_m1, judge_run,
    markdown, table, waiver_errors, word_of,
};

use crate::before::judged_with;
use crate::support::*;

/// The world's configuration, with one waiver of these fields.
fn waiving(check: &str, expires: &str) -> Config {
    Config::parse("cc-ci.toml", &(config_text() + &waiver(check, expires))).expect("a sound configuration")
}

pub(crate) fn waiver(check: &str, expires: &str) -> String {
    format!(
        "[[waiver]]\ncheck = \"{check}\"\nowner = \"ops\"\nreason = \"the router is being replaced\"\nexpires = {expires}\n"
    )
}

fn run(at: Timestamp) -> RunFacts {
    RunFacts { at, swarm: "s".into(), node: None, engine: EngineKind::Real, before: Vec::new() }
}

/// Gate `pvcheck.m1` of a world whose dashboard answers 502 and whose log was not read.
pub(crate) async fn broken(config: &Config, at: Timestamp) -> GateReport {
    let mut facts = facts(cc_ci()).await;
    of(&mut facts.routes)[0].status = Some(502);
    facts.journal = unknown("engine log", "permission denied");
    judge_run(config, &run(at), judge_m1(config, &facts))
}

fn check<'a>(report: &'a GateReport, id: &str) -> &'a CheckReport {
    report.checks.iter().find(|check| check.id == id).expect("there is such a check")
}

const BOTH: [(&str, Verdict); 2] = [("route.dashboard", Fail), ("journal.exhaustion", Unknown)];

#[tokio::test]
async fn a_waived_check_does_not_count_and_stays_what_it_is() {
    let text =
        config_text() + &waiver("route.dashboard", "2026-06-30") + &waiver("journal.*", "\"2026-06-30\"");
    let config = Config::parse("cc-ci.toml", &text).expect("sound");
    assert!(waiver_errors(&config, at()).is_empty());
    let report = broken(&config, at()).await;
    assert_eq!((report.verdict, open(&report)), (Pass, BOTH.to_vec()), "open all the same");
    for (id, _) in BOTH {
        let check = check(&report, id);
        assert_eq!(word_of(check).to_string(), "WAIVED");
        let waiver = check.waiver.as_ref().expect("waived");
        assert_eq!((waiver.owner.as_str(), waiver.expires.to_string().as_str()), ("ops", "2026-06-30"));
    }
    let notes: Vec<_> = report.waivers.iter().map(|note| (note.state, note.waived.join(" "))).collect();
    assert_eq!(
        notes,
        [
            (WaiverState::InUse, "route.dashboard".into()),
            (WaiverState::InUse, "journal.exhaustion".to_owned())
        ]
    );
    let json = serde_json::to_value(&report).expect("plain data");
    let dashboard = json["checks"].as_array().expect("checks").iter().find(|c| c["id"] == "route.dashboard");
    let waiver = serde_json::json!({"owner": "ops", "reason": "the router is being replaced", "expires": "2026-06-30"});
    let dashboard = dashboard.expect("there");
    assert_eq!((&dashboard["verdict"], &dashboard["waiver"]), (&"FAIL".into(), &waiver));
    let again: GateReport = serde_json::from_value(json).expect("what was written");
    assert_eq!(again, report);
}

/// The world is broken twice and one thing is waived: the other one still fails the gate.
#[tokio::test]
async fn a_waiver_covers_what_it_names_and_nothing_else() {
    let report = broken(&waiving("route.dashboard", "2026-06-30"), at()).await;
    assert_eq!((report.verdict, report.waivers_in_use()), (Unknown, 1));
    let other = broken(&waiving("route.drone", "2026-06-30"), at()).await;
    assert_eq!((other.verdict, other.waivers[0].state), (Fail, WaiverState::NotNeeded));
    let of_another_gate = broken(&waiving("residue", "2026-06-30"), at()).await;
    assert!(of_another_gate.waivers.is_empty(), "it is about no check of this gate");
    let shared = broken(&waiving("*", "2026-06-30"), at()).await;
    assert_eq!((shared.verdict, shared.waivers[0].waived.len()), (Pass, 2));
}

#[tokio::test]
async fn a_waiver_counts_up_to_its_last_day_in_utc() {
    let config = waiving("*", "2026-06-13");
    for (at, state, verdict) in [
        ("2026-03-14T23:59:59Z", WaiverState::TooFarAhead, Fail),
        ("2026-03-15T00:00:00Z", WaiverState::InUse, Pass),
        ("2026-06-13T23:59:59Z", WaiverState::InUse, Pass),
        ("2026-06-14T00:00:00Z", WaiverState::Expired, Fail),
    ] {
        let report = broken(&config, at.parse().expect("a time")).await;
        assert_eq!((report.verdict, report.waivers[0].state), (verdict, state), "{at}");
        assert_eq!(check(&report, "route.dashboard").waiver.is_some(), state == WaiverState::InUse, "{at}");
    }
}

#[tokio::test]
async fn a_gate_of_which_everything_is_waived_has_shown_nothing() {
    let config = waiving("*", "2026-06-30");
    let facts = pvcheck_gates::M1Facts {
        log_node: None,
        snapshot: unknown("engine API", "refused"),
        routes: unknown("routes", "refused"),
        journal: unknown("engine log", "refused"),
        leaked: unknown("allocator", "refused"),
        guard: None,
    };
    let report = judge_run(&config, &run(at()), judge_m1(&config, &facts));
    assert!(report.checks.iter().filter(|check| check.required).all(|check| check.waiver.is_some()));
    assert_eq!(report.verdict, Unknown);
}

#[tokio::test]
async fn an_expired_waiver_does_not_stand_in_the_way_of_a_fresh_one() {
    let text = config_text() + &waiver("*", "2026-06-01") + &waiver("*", "2026-06-30");
    let config = Config::parse("cc-ci.toml", &text).expect("sound");
    let report = broken(&config, at()).await;
    let states: Vec<_> = report.waivers.iter().map(|note| note.state).collect();
    assert_eq!((report.verdict, states), (Pass, vec![WaiverState::Expired, WaiverState::InUse]));
}

#[tokio::test]
async fn every_text_says_who_waives_what_and_until_when() {
    let report = broken(&waiving("*", "2026-06-30"), at()).await;
    let plain = table(&report, EngineKind::Real, Style::Plain);
    let words = "waived by ops until 2026-06-30: the router is being replaced";
    let rows: Vec<&str> = plain.lines().filter(|line| line.trim() == words).collect();
    assert_eq!(rows.len(), 2, "{plain}");
    assert!(plain.contains("  WAIVED  route.dashboard"), "{plain}");
    let last = plain.lines().last().expect("lines");
    assert!(last.starts_with("PASS with 1 waiver pvcheck.m1 (") && last.ends_with(", 2 waived)"), "{last}");
    let text = markdown(&report, EngineKind::Real);
    assert!(text.starts_with("# pvcheck.m1: PASS with 1 waiver\n"), "{text}");
    assert!(
        text.contains("| WAIVED | `route.dashboard` |") && text.contains(&format!("; {words} |")),
        "{text}"
    );
    let late = broken(&waiving("route.*", "2026-06-12"), at()).await;
    for text in [table(&late, EngineKind::Real, Style::Plain), markdown(&late, EngineKind::Real)] {
        assert!(text.contains("waiver of route.* by ops ended on 2026-06-12 and does not count"), "{text}");
    }
}

#[tokio::test]
async fn a_precondition_names_what_was_waived_and_is_not_waived_itself() {
    let report = judged_with(|past: &mut PastReport| past.waived = vec!["route.drone".into()]).await;
    assert_eq!(verdict(&report, "precondition.pvfix.m2"), Pass);
    let said = reason(&report, "precondition.pvfix.m2");
    assert!(said.ends_with("with waivers of route.drone"), "{said}");
    let config = waiving("precondition.pvfix.m1", "2026-06-30");
    let errors: Vec<String> = waiver_errors(&config, at()).iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("a precondition cannot be waived"), "{errors:?}");
}

#[test]
fn a_waiver_that_cannot_be_is_refused_in_one_line() {
    for (check, expires, words) in [
        (
            "route.dashbord",
            "2026-06-30",
            "names no check of this configuration; did you mean route.dashboard",
        ),
        ("route.x*", "2026-06-30", "names no check of this configuration"),
        (
            "route.dashboard",
            "2026-09-12",
            "ends on 2026-09-12, and may end on 2026-09-11 at the latest, 90 days",
        ),
    ] {
        let errors = waiver_errors(&waiving(check, expires), at());
        let error = errors.first().unwrap_or_else(|| panic!("{check} is fine")).to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
    }
    assert!(waiver_errors(&waiving("route.dashboard", "2026-09-11"), at()).is_empty());
    let past = at() - SignedDuration::from_hours(24 * 400);
    assert!(
        !waiver_errors(&waiving("route.dashboard", "2026-06-30"), past).is_empty(),
        "the clock is a parameter"
    );
    let whole = waiver("route.dashboard", "2026-06-30");
    for (old, new, words) in [
        ("owner = \"ops\"\n", "", "missing field `owner`"),
        ("reason = \"the router is being replaced\"\n", "", "missing field `reason`"),
        ("expires = 2026-06-30\n", "", "missing field `expires`"),
        ("\"ops\"", "\" \"", "not a text of one line"),
        ("\"ops\"", "\"a\\nb\"", "not a text of one line"),
        ("2026-06-30", "\"tomorrow\"", "`tomorrow` is no date"),
        ("2026-06-30", "2026-06-30T10:00:00Z", "is no date, such as 2026-12-31"),
        ("2026-06-30", "7", "expected a date such as 2026-12-31"),
        ("reason =", "because =", "unknown field `because`"),
    ] {
        assert!(whole.contains(old), "{old}");
        let text = config_text() + &whole.replacen(old, new, 1);
        let error = Config::parse("cc-ci.toml", &text).expect_err(words).to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
        assert!(error.starts_with("cc-ci.toml:"), "with its place: {error}");
    }
}

#[test]
fn the_digest_of_a_configuration_covers_its_waivers() {
    let digest = |expires| waiving("route.dashboard", expires).digest().to_owned();
    assert_ne!(digest("2026-06-30"), digest("2026-06-29"));
}
