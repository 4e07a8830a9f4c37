//! Rows of tables: comma, semicolon or tab separated values (RFC 4180), with or without a header.

use serde_json::Value;

use crate::envelope;
use crate::record::{Form, Record};

/// Names of the column with the line, in lower case.
const LINES: &[&str] = &["message", "line", "log", "_raw", "msg", "body", "text", "@message", "content"];
const TIMES: &[&str] = &["time", "timestamp", "@timestamp", "_time", "ts", "date", "datetime", "tsns"];
const PROGRAMS: &[&str] = &[
    "program",
    "programname",
    "syslog_identifier",
    "app-name",
    "appname",
    "ident",
    "identifier",
    "syslogtag",
];

/// What the first line of a table says of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    separator: char,
    line: usize,
    time: Option<usize>,
    program: Option<usize>,
}

impl Columns {
    /// The columns that a line names; `None` if it is not the header of a table with lines of a log.
    pub(crate) fn of(line: &str) -> Option<Self> {
        let line = line.trim();
        // A line of a log has a sentence or an assignment in it.
        if line.len() > 1024 || line.contains('=') || line.contains(": ") {
            return None;
        }
        let separator = [',', ';', '\t'].into_iter().find(|separator| line.contains(*separator))?;
        let names: Vec<String> =
            cells(line, separator)?.iter().map(|name| name.trim().to_lowercase()).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        Some(Self { separator, line: find(LINES)?, time: find(TIMES), program: find(PROGRAMS) })
    }

    /// The record in a row; `None` if the row has no such column.
    pub(crate) fn record(&self, row: &str) -> Option<Record> {
        let cells = cells(row, self.separator)?;
        let mut record = envelope::line(cells.get(self.line)?);
        let cell = |place: Option<usize>| Some(Value::String(cells.get(place?)?.trim().to_owned()));
        record.at = record.at.or_else(|| envelope::time(&cell(self.time)?));
        if record.form == Form::Unparsed {
            record.form = Form::Plain;
        }
        Some(envelope::named(record, cell(self.program).as_ref()))
    }
}

/// The record in a row of a table without a header: the first cell that has logrus' form. `None` if the line is not such a
/// row.
pub(crate) fn record(row: &str) -> Option<Record> {
    // Quotes are doubled in a quoted cell only. `msg=""` at the end of a word is logrus' own empty value.
    let has_doubled =
        || row.match_indices("=\"\"").any(|(at, _)| !matches!(row.as_bytes().get(at + 3), None | Some(b' ')));
    if !row.starts_with('"') && !has_doubled() {
        return None;
    }
    let of = |separator| {
        let cells = cells(row, separator).filter(|cells| 1 < cells.len())?;
        cells.iter().map(|cell| envelope::line(cell)).find(|r| matches!(r.form, Form::Text | Form::Json))
    };
    [',', ';', '\t'].into_iter().find_map(of)
}

/// The cells of a row, without their quotes; `None` if a quote is not closed.
fn cells(row: &str, separator: char) -> Option<Vec<String>> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                is_quoted = true;
            }
            c if c == separator && !is_quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    (!is_quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "time=\"2026-11-25T20:59:00.1Z\" level=info msg=\"Starting up\"";

    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('"', "\"\""))
    }

    #[test]
    fn a_header_names_the_columns() {
        let columns = Columns::of("timestamp,host,message").unwrap();
        let record = columns.record(&format!("2026-01-01T00:00:00Z,host1,{}", quoted(LINE))).unwrap();
        assert_eq!((record.message.as_str(), record.raw.as_str()), ("Starting up", LINE));
        assert_eq!(record.at, Some("2026-11-25T20:59:00.1Z".parse().unwrap()), "the engine's own time");
        let plain = columns.record("2026-01-01T00:00:00Z,host1,text").unwrap();
        assert_eq!((plain.form, plain.at), (Form::Plain, Some("2026-01-01T00:00:00Z".parse().unwrap())));
        assert!(Columns::of("\"Time\";\"Program\";\"Message\"").is_some());
        for line in ["root,x,0", LINE, "message", "a: message, b"] {
            assert_eq!(Columns::of(line), None, "{line}");
        }
    }

    #[test]
    fn a_row_without_a_header_is_read_by_its_cells() {
        for row in [
            format!("{},{},{}", quoted("2026"), quoted("host1"), quoted(LINE)),
            format!("2026;host1;{}", quoted(LINE)),
            format!("{}\t{}", quoted("x"), quoted(LINE)),
        ] {
            assert_eq!(record(&row).unwrap().raw, LINE, "{row}");
        }
        for row in [LINE, "\"open", "\"a\",\"b\"", "time=\"2026-11-25T20:59:00Z\" level=info msg=\"\""] {
            assert_eq!(record(row), None, "{row}");
        }
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_out(values in proptest::collection::vec("[ -~]{0,12}", 1..5)) {
            let row: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            prop_assert_eq!(cells(&row.join(","), ','), Some(values));
        }
    }
}
