//! A team's guard: whether its file has what it must have.

use super::finding::{Finding, Judge, Sight};
use crate::check::Check;
use crate::config::{GuardConfig, Pattern};
use crate::facts::M1Facts;
use crate::fault::list;
use crate::gate_report::CheckReport;
use crate::guard_facts::{GuardFact, GuardFile, GuardFound, GuardMatch, match_of};
use crate::guard_reason::{GuardFailure, GuardReason};
use crate::reason::Reason;
use crate::repeat;

/// Passes iff the file is there, each pattern of `contains` has a line, and none of `absent` has one.
pub(super) fn guard_check(judge: &Judge<'_, M1Facts>, guard: &GuardConfig) -> CheckReport {
    let about = Check::Guard(guard);
    match &judge.facts.guard {
        Some(observed) => judge.check(about, observed, |fact| finding(&fact, guard)),
        None => judge.unobserved(about),
    }
}

fn finding(fact: &Sight<'_, GuardFact>, guard: &GuardConfig) -> Finding {
    let name = fact.path.clone();
    let GuardFound::File(file) = &fact.found else {
        return Finding::fail(Reason::Guard(GuardReason::NotThere { file: name }));
    };
    // What was not searched for is a gap, which keeps it from passing.
    let wanted = recorded(&guard.contains, &file.contains);
    let unwanted = recorded(&guard.absent, &file.absent);
    let (from, to) = span(&wanted).unwrap_or_default();
    let present = GuardReason::Present {
        file: name.clone(),
        from,
        to,
        patterns: guard.contains.len() as u64,
        modified: file.modified,
    };
    let failed = |faults| Reason::Guard(GuardReason::Failed { file: name.clone(), faults });
    let finding = fact.faultless(faults(&wanted, &unwanted), failed, Reason::Guard(present));
    with_evidence(finding, &fact.path, file, wanted.iter().chain(&unwanted).copied())
}

fn recorded<'a>(patterns: &[Pattern], searched: &'a [GuardMatch]) -> Vec<&'a GuardMatch> {
    patterns.iter().filter_map(|pattern| match_of(searched, pattern.as_str())).collect()
}

fn faults(wanted: &[&GuardMatch], unwanted: &[&GuardMatch]) -> Vec<GuardFailure> {
    let missing = wanted.iter().filter(|found| found.lines.is_empty());
    let missing = missing.map(|found| GuardFailure::NoLine { pattern: found.pattern.clone() });
    let there = unwanted.iter().filter_map(|found| {
        let line = found.lines.first()?.line;
        Some(GuardFailure::Line { pattern: found.pattern.clone(), line })
    });
    missing.chain(there).collect()
}

/// The fewest lines one after the other that have one for each: where a guard stands, also where a line of it stands elsewhere too.
fn span(wanted: &[&GuardMatch]) -> Option<(u64, u64)> {
    let all: Vec<Vec<u64>> =
        wanted.iter().map(|found| found.lines.iter().map(|line| line.line).collect()).collect();
    let end = |from: u64| {
        let each: Option<Vec<u64>> =
            all.iter().map(|lines| lines.iter().copied().find(|line| from <= *line)).collect();
        each.and_then(|lines| lines.into_iter().max())
    };
    let spans = all.iter().flatten().filter_map(|from| end(*from).map(|to| (*from, to)));
    spans.min_by_key(|(from, to)| (to - from, *from))
}

fn with_evidence<'a>(
    finding: Finding,
    path: &str,
    file: &GuardFile,
    searched: impl Iterator<Item = &'a GuardMatch>,
) -> Finding {
    let about = format!("{path}: {} bytes, written {}", file.bytes, file.modified);
    let whole = finding.whole_is(&file.digest, about, repeat::digest_of(path));
    searched.fold(whole, |finding, found| {
        finding.shown_by(said(path, found), repeat::lines(std::iter::once(found.pattern.as_str()), path))
    })
}

/// `` `PATTERN`: FILE:LINE: TEXT``.
fn said(path: &str, found: &GuardMatch) -> String {
    let GuardMatch { pattern, lines, more } = found;
    if lines.is_empty() {
        return format!("`{pattern}`: no line of {path}");
    }
    let lines: Vec<String> =
        lines.iter().map(|line| format!("{path}:{}: {}", line.line, line.text)).collect();
    let more = if *more == 0 { String::new() } else { format!("; and {more} more") };
    format!("`{pattern}`: {}{more}", list(&lines, "; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard_facts::GuardLine;

    fn found(lines: &[u64]) -> GuardMatch {
        let lines = lines.iter().map(|line| GuardLine { line: *line, text: "x".into() }).collect();
        GuardMatch { pattern: "x".into(), lines, more: 0 }
    }

    #[test]
    fn a_guard_is_where_its_lines_are_closest_to_each_other() {
        let of = |all: &[&[u64]]| {
            let all: Vec<GuardMatch> = all.iter().map(|lines| found(lines)).collect();
            span(&all.iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&[&[3]]), Some((3, 3)));
        assert_eq!(of(&[&[1, 40], &[42], &[41, 90]]), Some((40, 42)));
        assert_eq!(of(&[&[5, 50], &[4, 49]]), Some((4, 5)), "in any order, the first of several");
        assert_eq!(of(&[&[1], &[]]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_lines_of_a_pattern_are_said_with_their_place() {
        let mut one = found(&[7, 9]);
        assert_eq!(said("run.sh", &one), "`x`: run.sh:7: x; run.sh:9: x");
        one.more = 2;
        assert!(said("run.sh", &one).ends_with("; and 2 more"));
        assert_eq!(said("run.sh", &found(&[])), "`x`: no line of run.sh");
    }
}
