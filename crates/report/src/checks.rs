//! The checks of a gate: verdict, reason, what it rests on, and what to do.

use pvcheck_audit::EngineKind;
use pvcheck_gates::{CheckReport, Evidence, GateReport, Verdict, Word, check_info, mark, told, word_of};

use crate::html::Html;

/// The most lines of evidence of one check that a page has; the bundle has all of them.
const MOST_LINES: usize = 500;

/// A verdict, marked where it is true of a model only.
pub(crate) fn verdict(out: &mut Html, verdict: Verdict, engine: EngineKind) {
    word(out, Word::Verdict(verdict), engine);
}

fn word(out: &mut Html, word: Word, engine: EngineKind) {
    out.raw("<span class=\"verdict ").raw(class(word)).raw("\">").show(word).raw("</span>").raw(mark(engine));
}

fn class(word: Word) -> &'static str {
    match word {
        Word::Verdict(Verdict::Pass) => "pass",
        Word::Verdict(Verdict::Fail) => "fail",
        Word::Verdict(Verdict::Unknown) => "unknown",
        Word::Note | Word::Waived => "note",
    }
}

/// Every check of a report, to unfold; those that did not pass come unfolded.
pub(crate) fn list(out: &mut Html, report: &GateReport, engine: EngineKind) {
    out.raw("<h3>Checks</h3>\n");
    if report.checks.is_empty() {
        out.raw("<p>The gate has no check, and so has shown nothing.</p>\n");
    }
    for check in &report.checks {
        one(out, check, engine);
    }
    for note in told(report) {
        out.raw("<p>").show(note).raw("</p>\n");
    }
}

fn one(out: &mut Html, check: &CheckReport, engine: EngineKind) {
    let passed = check.verdict == Verdict::Pass;
    out.raw(if passed { "<details class=check>" } else { "<details class=check open>" }).raw("<summary>");
    word(out, word_of(check), engine);
    out.raw(" <code>").show(&check.id).raw("</code> <span class=title>").show(&check.title);
    out.raw("</span> <span class=reason>").show(&check.reason).raw("</span></summary>\n<dl>\n");
    let info = check_info(&check.id).ok();
    if let Some(info) = info.filter(|_| !passed) {
        out.raw("<dt>what to do<dd>").prose(info.remedies).raw("\n");
    }
    if let Some(info) = info {
        out.raw("<dt>passes when<dd>").prose(info.passes_when).raw("\n");
    }
    if !check.needs.is_empty() {
        let needs: Vec<String> = check.needs.iter().map(ToString::to_string).collect();
        out.raw("<dt>needs, observed whole<dd>").show(needs.join(", ")).raw("\n");
    }
    if let Some(waiver) = &check.waiver {
        out.raw("<dt>does not count<dd>").show(waiver).raw("\n");
    }
    if !check.required {
        out.raw("<dt>advisory<dd>the gate passes without it\n");
    }
    out.raw("<dt>observed in<dd>").number(check.elapsed_ms).raw(" ms\n</dl>\n");
    evidence(out, check);
    out.raw("</details>\n");
}

/// What a check rests on: of one source at one time together.
fn evidence(out: &mut Html, check: &CheckReport) {
    let shown = check.evidence.get(..MOST_LINES).unwrap_or(&check.evidence);
    for of_one in shown.chunk_by(|a, b| (&a.source, a.at, &a.command) == (&b.source, b.at, &b.command)) {
        let Some(Evidence { source, node, at, command, .. }) = of_one.first() else { continue };
        out.raw("<p class=source>Evidence: ").show(source);
        if let Some(node) = node {
            out.raw(" on ").show(node);
        }
        out.raw(", ").time(*at).raw("</p>\n");
        out.scroll(format_args!("Evidence of {} from {source}", check.id)).raw("<pre>");
        if let Some(command) = command {
            out.raw("$ ").show(command).raw("\n");
        }
        for evidence in of_one {
            // One line each, as in every other form of a report.
            out.show(evidence.line());
            if let Some(digest) = evidence.short_digest() {
                out.raw(" (sha256 ").show(digest).raw(")");
            }
            out.raw("\n");
        }
        out.raw("</pre></div>\n");
    }
    let more = check.evidence.len() - shown.len();
    if 0 < more {
        out.raw("<p>and ").number(more as u64).raw(" lines more, in the bundle.</p>\n");
    }
}
