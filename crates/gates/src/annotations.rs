//! A report as annotations of a GitHub workflow: one line for each check that did not pass.
//!
//! The form is that of the runner's commands, and the escapes are those of the toolkit (`packages/core/src/command.ts`): a
//! command ends with its line, so that no text of a Swarm or of a route begins a second one.

use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;

use crate::gate_report::{CheckReport, GateReport};
use crate::render::{Style, Word, mark, said, summary, told, word_of};

/// Errors for what keeps the gate from passing, warnings for what is waived, notices for advisory checks and for waivers that
/// are not in use; at the end the verdict, which is no annotation where it is PASS without a waiver.
pub fn annotations(report: &GateReport, engine: EngineKind) -> String {
    let mut text: String = report.checks.iter().filter_map(|check| of_check(report, check, engine)).collect();
    for note in told(report) {
        text += &command("notice", &[("title", &title(report, &note.check, engine))], &note.to_string());
    }
    let counts = |check: &CheckReport| check.required && check.waiver.is_none();
    let verdict = summary(report, engine, Style::Plain);
    let is_told = report.checks.iter().any(|check| counts(check) && check.verdict != Verdict::Pass);
    if report.verdict != Verdict::Pass && !is_told {
        // It has shown nothing, and no check says so.
        text += &command("error", &[("title", &report.gate)], &verdict);
    } else if 0 < report.waivers_in_use() {
        text += &command("warning", &[("title", &report.gate)], &verdict);
    } else {
        text += &verdict;
        text.push('\n');
    }
    text
}

fn of_check(report: &GateReport, check: &CheckReport, engine: EngineKind) -> Option<String> {
    let level = match word_of(check) {
        Word::Verdict(Verdict::Pass) => return None,
        Word::Verdict(Verdict::Fail | Verdict::Unknown) => "error",
        Word::Waived => "warning",
        Word::Note => "notice",
    };
    let title = title(report, &format!("{} {}", word_of(check), check.id), engine);
    let place = check.reason.place();
    let line = place.as_ref().map(|(_, line)| line.to_string());
    let mut properties = Vec::new();
    if let (Some((file, _)), Some(line)) = (&place, &line) {
        properties.extend([("file", file.as_str()), ("line", line)]);
    }
    properties.push(("title", &title));
    Some(command(level, &properties, &said(check)))
}

fn title(report: &GateReport, about: &str, engine: EngineKind) -> String {
    format!("{}: {about}{}", report.gate, mark(engine))
}

/// One command, with its line's end.
fn command(level: &str, properties: &[(&str, &str)], message: &str) -> String {
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    format!("::{level} {}::{}\n", properties.join(","), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_escaped_as_the_toolkit_does() {
        let title = [("title", "a:b,c%\r\nd")];
        assert_eq!(
            command("error", &title, "50%: a,b\r\nc"),
            "::error title=a%3Ab%2Cc%25%0D%0Ad::50%25: a,b%0D%0Ac\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_that_begins_one_command(title in any::<String>(), message in any::<String>()) {
            let made = command("notice", &[("title", &title)], &message);
            prop_assert_eq!(made.matches(['\n', '\r']).count(), 1);
            prop_assert!(made.ends_with('\n'));
            let (head, _) = made["::notice ".len()..].split_once("::").expect("an end of the properties");
            prop_assert!(head.starts_with("title=") && !head["title=".len()..].contains([':', ',']));
        }
    }
}
