//! Reports as JUnit XML, which CI servers read: a suite for each gate, a case for each check.
//!
//! The elements are those that Surefire writes (`surefire-test-report.xsd`), `flakyFailure` and `rerunFailure` among them.

use std::io::{self, Cursor};

use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::gate_report::{AttemptReport, CheckReport, GateReport};
use crate::render::{Word, said, told, with_waivers, word_of};

type Xml = Writer<Cursor<Vec<u8>>>;

/// What stands for a character that XML 1.0 cannot have.
const REPLACED: char = '\u{fffd}';

/// How a check counts in a suite.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Passed,
    Failure,
    Error,
    Skipped,
}

/// The reports as one document. FAIL is a failure, UNKNOWN an error; what is waived, and advisory checks that did not pass, are
/// skipped with the reason.
///
/// # Errors
/// If the document cannot be written, which in memory does not happen.
pub fn junit(reports: &[&GateReport], engine: EngineKind) -> io::Result<String> {
    let mut xml = Writer::new_with_indent(Cursor::new(Vec::new()), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "pvcheck"))
        .write_inner_content(|xml| reports.iter().try_for_each(|report| suite(xml, report, engine)))?;
    let bytes = xml.into_inner().into_inner();
    Ok(String::from_utf8_lossy(&bytes).into_owned() + "\n")
}

fn suite(xml: &mut Xml, report: &GateReport, engine: EngineKind) -> io::Result<()> {
    // A gate that has shown nothing has no check that says so.
    let own =
        (report.verdict != Verdict::Pass && !report.checks.iter().any(is_finding)).then_some(Counted::Error);
    let count = |what: Counted| {
        let all = report.checks.iter().map(counted).chain(own);
        all.filter(|counted| *counted == what).count().to_string()
    };
    let (failures, errors, skipped) =
        (count(Counted::Failure), count(Counted::Error), count(Counted::Skipped));
    let tests = (report.checks.len() + usize::from(own.is_some())).to_string();
    let timestamp = report.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let attributes = [
        ("name", report.gate.as_str()),
        ("tests", &tests),
        ("failures", &failures),
        ("errors", &errors),
        ("skipped", &skipped),
        ("timestamp", &timestamp),
    ];
    xml.create_element("testsuite").with_attributes(attributes).write_inner_content(|xml| {
        properties(xml, report, engine)?;
        report.checks.iter().try_for_each(|check| case(xml, &report.gate, check))?;
        own.map_or(Ok(()), |_| nothing_shown(xml, report))
    })?;
    Ok(())
}

fn properties(xml: &mut Xml, report: &GateReport, engine: EngineKind) -> io::Result<()> {
    let swarm = report.swarm.as_deref().unwrap_or("not recorded");
    let verdict = format!("{}{}", report.verdict, with_waivers(report));
    let mut all =
        vec![("verdict", verdict.as_str()), ("swarm", swarm), ("config_digest", &report.config_digest)];
    if engine == EngineKind::Embedded {
        all.push(("engine", "embedded"));
    }
    let notes: Vec<String> = told(report).map(ToString::to_string).collect();
    all.extend(notes.iter().map(|note| ("waiver", note.as_str())));
    xml.create_element("properties").write_inner_content(|xml| {
        all.iter().try_for_each(|(name, value)| {
            let attributes = [("name", *name), ("value", &line(value))];
            xml.create_element("property").with_attributes(attributes).write_empty().map(drop)
        })
    })?;
    Ok(())
}

fn case(xml: &mut Xml, gate: &str, check: &CheckReport) -> io::Result<()> {
    let time = seconds(check.elapsed_ms);
    let (id, gate) = (line(&check.id), line(gate));
    let attributes = [("name", id.as_str()), ("classname", &gate), ("time", &time)];
    xml.create_element("testcase").with_attributes(attributes).write_inner_content(|xml| {
        let (message, kind) = (said(check), kind(check));
        match counted(check) {
            Counted::Passed => {}
            Counted::Failure => told_as(xml, "failure", &message, &kind)?,
            Counted::Error => told_as(xml, "error", &message, &kind)?,
            Counted::Skipped => {
                let message = line(&format!("{}: {message}", word_of(check)));
                xml.create_element("skipped").with_attribute(("message", message.as_str())).write_empty()?;
            }
        }
        if let [earlier @ .., _] = check.attempts.as_slice() {
            earlier.iter().try_for_each(|one| attempt(xml, check.verdict, one))?;
        }
        xml.create_element("system-out").write_text_content(BytesText::new(&seen(check)))?;
        Ok(())
    })?;
    Ok(())
}

/// An attempt before the last, as Surefire tells of a test that was run again.
fn attempt(xml: &mut Xml, last: Verdict, one: &AttemptReport) -> io::Result<()> {
    let element = match (last, one.verdict) {
        (Verdict::Pass, Verdict::Unknown) => "flakyError",
        (Verdict::Pass, _) => "flakyFailure",
        (_, Verdict::Unknown) => "rerunError",
        (..) => "rerunFailure",
    };
    told_as(xml, element, &one.reason, &one.verdict.to_string())
}

fn told_as(xml: &mut Xml, element: &str, message: &str, kind: &str) -> io::Result<()> {
    let (message, kind) = (line(message), line(kind));
    let attributes = [("message", message.as_str()), ("type", &kind)];
    xml.create_element(element).with_attributes(attributes).write_text_content(BytesText::new(&message))?;
    Ok(())
}

/// The case of a gate whose checks have no finding and that has not passed all the same.
fn nothing_shown(xml: &mut Xml, report: &GateReport) -> io::Result<()> {
    let gate = line(&report.gate);
    let attributes = [("name", "verdict"), ("classname", gate.as_str())];
    xml.create_element("testcase").with_attributes(attributes).write_inner_content(|xml| {
        told_as(xml, "error", &format!("{}: no required check has shown anything", report.verdict), "verdict")
    })?;
    Ok(())
}

/// True iff it is a failure or an error.
fn is_finding(check: &CheckReport) -> bool {
    matches!(counted(check), Counted::Failure | Counted::Error)
}

fn counted(check: &CheckReport) -> Counted {
    match word_of(check) {
        Word::Verdict(Verdict::Pass) => Counted::Passed,
        Word::Verdict(Verdict::Fail) => Counted::Failure,
        Word::Verdict(Verdict::Unknown) => Counted::Error,
        Word::Waived | Word::Note => Counted::Skipped,
    }
}

/// The kind of its reason, by which CI servers group.
fn kind(check: &CheckReport) -> String {
    let value = serde_json::to_value(&check.reason).unwrap_or_default();
    value["kind"].as_str().unwrap_or("reason").to_owned()
}

/// What it is about, why it has its verdict, and what that rests on.
fn seen(check: &CheckReport) -> String {
    let evidence = check.evidence.iter().map(|e| format!("{} [{}] {}", e.at, e.source, line(&e.text)));
    let lines = [check.title.clone(), check.reason.to_string()].into_iter().chain(evidence);
    text(&lines.collect::<Vec<_>>().join("\n"))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A text without characters that XML 1.0 cannot have (section 2.2, production 2), and with one kind of line break.
fn text(text: &str) -> String {
    let is_char =
        |c: &char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let kept = |c: char| if is_char(&c) { c } else { REPLACED };
    text.replace("\r\n", "\n").replace('\r', "\n").chars().map(kept).collect()
}

/// The same on one line: parsers make a space of each line break in an attribute (section 3.3.3).
fn line(from: &str) -> String {
    text(from).replace(['\n', '\t'], " ")
}
