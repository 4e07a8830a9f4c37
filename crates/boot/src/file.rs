//! The syntax of unit files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One `Key=Value` of a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its section, without brackets.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value without outer blanks; continued lines are joined. May hold a secret (`Environment=`).
    pub value: String,
    /// The line that it begins on, from 1.
    pub line: usize,
}

impl Assignment {
    /// True iff the value is one of the words that systemd takes for a yes (`systemd.syntax(7)`).
    pub(crate) fn is_yes(&self) -> bool {
        matches!(self.value.to_ascii_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
    }
}

/// The assignments of one file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// What the file is called in evidence and warnings.
    pub source: String,
    /// Every assignment, unknown keys included.
    pub assignments: Vec<Assignment>,
}

/// A line or file that was ignored, as systemd ignores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// The file.
    pub source: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong, without the values of unknown keys.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.source, self.text),
            None => write!(f, "{}: {}", self.source, self.text),
        }
    }
}

impl UnitFile {
    /// Reads a unit file or a drop-in as `systemd.syntax(7)` defines them. Never fails: a line that is not
    /// understood becomes a warning.
    ///
    /// A backslash at the end of a line continues it; comment lines in between are left out, and an even number
    /// of backslashes is not a continuation (systemd, `src/shared/conf-parser.c`).
    pub fn parse(source: &str, text: &str) -> (Self, Vec<Warning>) {
        let mut parser = Parser::new(source);
        let mut pending: Option<(usize, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with(['#', ';']) {
                continue;
            }
            let (start, mut logical) = pending.take().unwrap_or((index + 1, String::new()));
            logical.push_str(line);
            if is_continued(&logical) {
                logical.pop();
                logical.push(' ');
                pending = Some((start, logical));
            } else {
                parser.line(start, &logical);
            }
        }
        if let Some((start, logical)) = pending {
            parser.line(start, &logical);
        }
        (parser.file, parser.warnings)
    }
}

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

struct Parser {
    file: UnitFile,
    warnings: Vec<Warning>,
    section: Option<String>,
}

impl Parser {
    fn new(source: &str) -> Self {
        let file = UnitFile { source: source.to_owned(), assignments: Vec::new() };
        Self { file, warnings: Vec::new(), section: None }
    }

    fn line(&mut self, number: usize, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if text.starts_with('[') {
            return self.header(number, text);
        }
        let Some((key, value)) = text.split_once('=') else {
            return self.warn(number, "neither a section nor an assignment: the line is ignored");
        };
        let (key, value) = (key.trim(), value.trim());
        match &self.section {
            Some(section) if !key.is_empty() => self.file.assignments.push(Assignment {
                section: section.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
                line: number,
            }),
            Some(_) => self.warn(number, "an assignment without a key: the line is ignored"),
            None => self.warn(number, "an assignment before any section: the line is ignored"),
        }
    }

    fn header(&mut self, number: usize, text: &str) {
        match text[1..].strip_suffix(']') {
            Some(name) => self.section = Some(name.to_owned()),
            None => self.warn(number, "a section header without its closing bracket: the line is ignored"),
        }
    }

    fn warn(&mut self, line: usize, text: &str) {
        let source = self.file.source.clone();
        self.warnings.push(Warning { source, line: Some(line), text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, String, String, usize)> {
        let (file, warnings) = UnitFile::parse("a.service", text);
        assert_eq!(warnings, [], "{text}");
        file.assignments.into_iter().map(|a| (a.section, a.key, a.value, a.line)).collect()
    }

    fn one(text: &str) -> String {
        let mut found = values(&format!("[S]\n{text}"));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).2
    }

    #[test]
    fn sections_keys_and_lines_are_read() {
        let text =
            "# c\n\n[Unit]\nAfter = a.service  b.service \n ; c\n[Service]\r\nType=oneshot\r\nEnv=A=B\n";
        let expected = [
            ("Unit", "After", "a.service  b.service", 4),
            ("Service", "Type", "oneshot", 7),
            ("Service", "Env", "A=B", 8),
        ];
        assert_eq!(values(text), expected.map(|(s, k, v, l)| (s.into(), k.into(), v.into(), l)));
    }

    #[test]
    fn lines_are_continued_across_comments() {
        assert_eq!(one("After=a.service \\\n  b.service"), "a.service  b.service");
        assert_eq!(one("After=a.service \\\n# b.service \\\n; c\n c.service"), "a.service  c.service");
        assert_eq!(one(r"X=ends in two \\"), r"ends in two \\");
        assert_eq!(one("X=cut off \\"), "cut off");
        assert_eq!(values("[S]\nX=a\\\n\nY=b").len(), 2, "an empty line ends a continuation");
    }

    #[test]
    fn odd_lines_are_named() {
        let (file, warnings) = UnitFile::parse("a.service", "A=1\n[Unit\n[U]\nnonsense\n=x\nB=2");
        assert_eq!(file.assignments.len(), 1);
        let lines: Vec<_> = warnings.iter().map(|warning| warning.line.unwrap()).collect();
        assert_eq!(lines, [1, 2, 4, 5]);
        assert!(warnings[0].to_string().starts_with("a.service:1: an assignment before"), "{}", warnings[0]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>()) {
            UnitFile::parse("f", &String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn never_panics_on_likely_text(text in r"(\[[A-Za-z]*\]?|[A-Z]*=?[a-z ]*|[\\#;\n\r ]){0,40}") {
            let (file, _) = UnitFile::parse("f", &text);
            prop_assert!(file.assignments.iter().all(|a| !a.key.is_empty() && !a.value.contains('\n')));
        }
    }
}
