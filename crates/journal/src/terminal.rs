//! logrus' format for terminals: `INFO[0000] message    key=value`.

use jiff::Timestamp;

use crate::pairs::{is_all_pairs, pairs, starts_with_pair};
use crate::record::{Form, Level, Record};

/// At most this many places are tried as the beginning of the fields, so that a long line takes no quadratic time.
const MAX_TRIES: usize = 64;

/// Reads the line of a terminal, without colours; `None` if it is not one.
///
/// logrus cuts the level to four letters, writes the seconds since its start or a full time in brackets, pads the message to
/// 44 characters, and quotes values but not the message (logrus `text_formatter.go` printColored).
pub(crate) fn record(line: &str, body: &str) -> Option<Record> {
    let (level, rest) = body.split_once('[')?;
    let level = level_of(level)?;
    let (time, rest) = rest.split_once(']')?;
    let is_seconds = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let at = time.parse::<Timestamp>().ok();
    if !is_seconds && at.is_none() {
        return None;
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let start = fields_start(rest).unwrap_or(rest.len());
    let mut record = Record { at, level, ..Record::bare(Form::Text, line) };
    rest[..start].trim_end().clone_into(&mut record.message);
    for (key, value) in pairs(&rest[start..]) {
        match key {
            "error" if record.error.is_none() => record.error = Some(value.into_owned()),
            _ => drop(record.fields.entry(key.to_owned()).or_insert_with(|| value.into_owned())),
        }
    }
    Some(record)
}

fn level_of(text: &str) -> Option<Level> {
    Some(match text {
        "PANI" | "PANIC" => Level::Panic,
        "FATA" | "FATAL" => Level::Fatal,
        "ERRO" | "ERROR" => Level::Error,
        "WARN" | "WARNING" => Level::Warning,
        "INFO" => Level::Info,
        "DEBU" | "DEBUG" => Level::Debug,
        "TRAC" | "TRACE" => Level::Trace,
        _ => return None,
    })
}

/// The first place from which on there are only `key=value` pairs. The message before it is not quoted, and may hold words
/// with `=` itself.
fn fields_start(text: &str) -> Option<usize> {
    let words = text.match_indices(' ').map(|(at, _)| at + 1).filter(|at| !text[*at..].starts_with(' '));
    words.filter(|at| starts_with_pair(&text[*at..])).take(MAX_TRIES).find(|at| is_all_pairs(&text[*at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Record> {
        record(line, line)
    }

    #[test]
    fn message_error_and_fields_are_told_apart() {
        let line = "ERRO[2026-11-25T21:00:00.532072364Z] task allocation failure                      error=\"failed for network n1: could not find an available IP\" module=node";
        let record = parse(line).unwrap();
        assert_eq!((record.level, record.message.as_str()), (Level::Error, "task allocation failure"));
        assert_eq!(record.error.as_deref(), Some("failed for network n1: could not find an available IP"));
        assert_eq!(record.fields["module"], "node");
        assert_eq!(record.at, Some("2026-11-25T21:00:00.532072364Z".parse().unwrap()));
    }

    #[test]
    fn seconds_since_the_start_are_no_time() {
        let record = parse("INFO[0012] Starting up").unwrap();
        assert_eq!((record.at, record.message.as_str()), (None, "Starting up"));
    }

    #[test]
    fn a_message_may_hold_an_equals_sign() {
        let record = parse("WARN[0000] set a=b and go on                          error=\"x y\"").unwrap();
        assert_eq!((record.message.as_str(), record.error.as_deref()), ("set a=b and go on", Some("x y")));
    }

    #[test]
    fn other_brackets_are_not_it() {
        for line in ["INFO[x] y", "NOTE[0000] y", "INFO y", "INFO[] y", "[0000] y"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
