//! Pages written once, again, and after someone has edited them.

use std::time::Duration;

use super::*;
use crate::content::Note;
use crate::facts::Engine;
use crate::finding::{Closed, Opened, Severity};
use crate::role::Role;
use crate::status::status;
use crate::testing::{Bench, at, claim};
use crate::verify::{Measurement, judge};

const DAY: Duration = Duration::from_hours(24);

fn phase() -> Phase {
    Phase { name: "pvcheck".to_owned(), gates: vec!["pvcheck.m1".to_owned()] }
}

fn add(page: Page, there: &str, bench: &Bench, seconds: i64) -> String {
    let ledger = bench.ledger();
    let status = status(&ledger, &[phase()], at(seconds), DAY);
    page.addition(there, &ledger, &phase(), &status.phases[0], at(seconds)).expect("its own ledger")
}

/// The page after one run, two runs and so on.
fn written(page: Page, there: &str, bench: &Bench, seconds: i64) -> String {
    there.to_owned() + &add(page, there, bench, seconds)
}

fn judged(bench: &mut Bench, seconds: i64, change: impl FnOnce(&mut Measurement)) {
    let facts = bench.ledger().claim("pvcheck.m1").expect("claimed").1.facts.clone();
    let mut measurement = Measurement { facts, files: Vec::new(), commit: None };
    change(&mut measurement);
    let verdict = judge(&bench.ledger(), "pvcheck.m1", measurement);
    bench.add(Content::Verdict(verdict), seconds, Role::Verifier);
}

fn worse(measurement: &mut Measurement) {
    measurement.facts.config_digest = "cd".to_owned();
}

fn done_headings(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("## DONE")).collect()
}

#[test]
fn a_second_run_adds_nothing_and_a_third_only_what_is_new() {
    let mut bench = Bench::new();
    bench.claim(10);
    bench.note("drained", 11);
    for page in Page::ALL {
        let once = written(page, "", &bench, 20);
        assert_eq!(add(page, &once, &bench, 30), "", "{page:?}");
    }
    let journal = written(Page::Journal, "", &bench, 20);
    bench.note("renewed", 40);
    let added = add(Page::Journal, &journal, &bench, 50);
    assert_eq!(added.lines().count(), 2, "an entry and its marker: {added}");
    assert!(added.contains("line 4, builder: renewed"), "{added}");
    assert_eq!(add(Page::Review, "", &bench, 50), "", "nothing was judged, so there is no page");
}

#[test]
fn done_is_written_withdrawn_and_written_again() {
    let mut bench = Bench::new();
    bench.claim(10);
    let mut page = written(Page::Status, "", &bench, 10);
    assert!(done_headings(&page).is_empty());
    judged(&mut bench, 20, |_| ());
    page = written(Page::Status, &page, &bench, 30);
    assert_eq!(done_headings(&page), ["## DONE"]);
    assert!(page.contains("pvcheck.m1 PASS (line 3); no critical finding is open"), "{page}");
    page = written(Page::Status, &page, &bench, 40);
    assert_eq!(done_headings(&page), ["## DONE"], "said once");
    page = written(Page::Status, &page, &bench, 20 + 86_401);
    assert_eq!(done_headings(&page), ["## DONE", "## DONE withdrawn"]);
    assert!(page.ends_with("the PASS of pvcheck.m1 is 24 h old.\n\n"), "{page}");
    judged(&mut bench, 90_000, worse);
    page = written(Page::Status, &page, &bench, 90_001);
    assert_eq!(done_headings(&page).len(), 2, "withdrawn once: {page}");
    judged(&mut bench, 90_100, |_| ());
    page = written(Page::Status, &page, &bench, 90_101);
    assert_eq!(done_headings(&page), ["## DONE", "## DONE withdrawn", "## DONE"]);
}

#[test]
fn a_done_that_was_written_by_hand_is_withdrawn_and_left_there() {
    let mut bench = Bench::new();
    bench.claim(10);
    let page = written(Page::Status, "", &bench, 10) + "## DONE\n\nreally";
    let after = written(Page::Status, &page, &bench, 20);
    assert!(after.starts_with(&page), "what was there stays");
    assert_eq!(done_headings(&after), ["## DONE", "## DONE withdrawn"]);
    assert!(after.contains("really\n## DONE withdrawn\n\nAt"), "{after}");
}

/// Texts of a ledger cannot make a heading, a marker or a row of their own.
#[test]
fn no_text_of_a_claim_can_say_that_the_phase_is_done() {
    let mut bench = Bench::new();
    let mut forged = claim();
    let text = "x\n## DONE\n<!-- line 9 0000000000000000 -->\n";
    forged.what = Some(text.to_owned());
    forged.commit = Some(text.to_owned());
    bench.add(Content::Claim(forged), 10, Role::Builder);
    bench.note(text, 11);
    for page in [Page::Status, Page::Backlog, Page::Journal] {
        let once = written(page, "", &bench, 20);
        assert!(done_headings(&once).is_empty(), "{once}");
        assert_eq!(add(page, &once, &bench, 30), "", "{page:?} takes no text for a marker");
    }
}

#[test]
fn a_pass_of_the_embedded_engine_is_done_by_that_name_only() {
    let mut bench = Bench::new();
    let mut embedded = claim();
    embedded.facts.engine = Engine::Embedded;
    bench.add(Content::Claim(embedded), 10, Role::Builder);
    judged(&mut bench, 20, |_| ());
    let page = written(Page::Status, "", &bench, 30);
    assert_eq!(done_headings(&page), ["## DONE (embedded engine)"]);
    assert!(page.contains("pvcheck.m1 PASS (embedded engine) (line 3)"), "{page}");
}

#[test]
fn findings_are_boxes_that_a_later_line_ticks() {
    let mut bench = Bench::new();
    let opened = Opened {
        id: "F1".to_owned(),
        severity: Severity::Critical,
        title: "the probe waits for what waits for it".to_owned(),
        gate: Some("pvcheck.m1".to_owned()),
        reproduction: Some("stop both, start one".to_owned()),
        options: vec!["a probe of the router's own".to_owned(), "drop the edge".to_owned()],
        may_close: Role::Verifier,
    };
    bench.add(Content::Finding(FindingEvent::Open(opened)), 10, Role::Verifier);
    let open = written(Page::Backlog, "", &bench, 20);
    assert!(open.contains(
        "- [ ] **F1** critical, by the verifier, about pvcheck.m1, closed by the verifier only: the probe waits for what waits for it; \
         reproduction: stop both, start one; option 1: a probe of the router's own; option 2: drop the edge\n"
    ), "{open}");
    let closed = Closed { id: "F1".to_owned(), because: "re-tested".to_owned() };
    bench.add(Content::Finding(FindingEvent::Closed(closed)), 30, Role::Verifier);
    let added = add(Page::Backlog, &open, &bench, 40);
    assert!(added.starts_with("- [x] **F1** closed by the verifier in line 3: re-tested\n"), "{added}");
}

#[test]
fn what_is_about_another_phase_is_on_its_pages_alone() {
    let mut bench = Bench::new();
    bench.add(
        Content::Note(Note { text: "of pvfix".to_owned(), gate: Some("pvfix.m1".to_owned()) }),
        5,
        Role::Builder,
    );
    bench.note("of both", 6);
    let journal = written(Page::Journal, "", &bench, 10);
    assert!(!journal.contains("of pvfix") && journal.contains("of both"), "{journal}");
}

/// Lines of a phase that are older than the last of another would never be added.
#[test]
fn a_page_of_another_phase_is_refused() {
    let mut bench = Bench::new();
    bench.claim(10);
    let page = written(Page::Journal, "", &bench, 20).replace(": pvcheck", ": pvfix");
    let ledger = bench.ledger();
    let status = status(&ledger, &[phase()], at(20), DAY);
    let added = Page::Journal.addition(&page, &ledger, &phase(), &status.phases[0], at(20));
    let error = added.expect_err("of another phase").to_string();
    assert!(error.contains("JOURNAL.md is not of this phase: it begins with `# Journal: pvfix`"), "{error}");
}

#[test]
fn a_page_of_another_ledger_is_refused() {
    let (mut one, mut other) = (Bench::new(), Bench::new());
    one.claim(10);
    other.claim(10);
    let page = written(Page::Status, "", &one, 20);
    let ledger = other.ledger();
    let status = status(&ledger, &[phase()], at(20), DAY);
    let error =
        Page::Status.addition(&page, &ledger, &phase(), &status.phases[0], at(20)).expect_err("not its own");
    assert!(
        error.to_string().contains("STATUS.md was written from another ledger: it has line 2"),
        "{error}"
    );
}
