//! The prefix that a syslog daemon, `journalctl` or a container runtime adds to a line.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::record::{Origin, is_dockerd};

/// A prefix: when, and by which program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None` for the classic form, which has neither year nor zone, and for times since boot.
    pub(crate) at: Option<Timestamp>,
    pub(crate) origin: Origin,
    pub(crate) by_name: bool,
    /// Where the message begins.
    pub(crate) end: usize,
}

impl Header {
    /// The header of a line; `None` if it has none of a known form:
    ///
    /// - RFC 3164, also with a priority, with an ISO time, or with fractions (`journalctl -o short`, `short-iso`,
    ///   `short-precise`, rsyslog's templates);
    /// - RFC 5424;
    /// - `journalctl -o short-full`, `short-unix`, `short-monotonic`, `short-delta`, `with-unit`, each also with
    ///   `--no-hostname`;
    /// - a container runtime's (CRI) `TIME stderr F`;
    /// - `2026-06-13 05:38:00.000000 I | ` of the raft library, up to engine 20.10.
    pub(crate) fn of(line: &str) -> Option<Self> {
        if let Some(end) = raft(line) {
            return Some(Self { at: None, origin: Origin::Engine, by_name: false, end });
        }
        let start = priority(line);
        let mut words = Words { line, at: start };
        if start > 0 && line[start..].starts_with("1 ") {
            return rfc5424(words);
        }
        let at = match time(&mut words)? {
            Written::At(at) => Some(at),
            Written::Somewhen => None,
        };
        let first = words.next()?;
        if matches!(first, "stdout" | "stderr") && matches!(words.peek(), Some("F" | "P")) {
            words.next();
            return Some(Self::new(at, Origin::Engine, false, &words));
        }
        // A host comes before the program, unless `--no-hostname` left it out; neither host nor process id says anything
        // about the engine.
        let ident = first.strip_suffix(':').or_else(|| words.next()?.strip_suffix(':'))?;
        let ident = ident.split_once('[').map_or(ident, |(name, _)| name);
        Some(Self::new(at, Origin::from_ident(ident), is_dockerd(ident), &words))
    }

    fn new(at: Option<Timestamp>, origin: Origin, by_name: bool, words: &Words<'_>) -> Self {
        Self { at, origin, by_name, end: (words.at + 1).min(words.line.len()) }
    }
}

/// Where the message of the raft library begins: local time without a zone, a letter for the level, a bar (coreos/pkg
/// `capnslog/formatters.go`).
fn raft(line: &str) -> Option<usize> {
    let (head, _) = line.split_once(" | ")?;
    let (time, level) = head.rsplit_once(' ')?;
    let is_level = matches!(level, "C" | "E" | "W" | "N" | "I" | "D" | "T");
    (is_level && DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", time).is_ok()).then_some(head.len() + " | ".len())
}

/// `<30>`, as syslog sends it over a wire: how long it is.
fn priority(line: &str) -> usize {
    let digits = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(digits, _)| digits);
    digits
        .filter(|d| (1..=3).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()))
        .map_or(0, |d| d.len() + 2)
}

/// `<30>1 TIME HOST APP PROCID MSGID SD MSG` (RFC 5424, 6).
fn rfc5424(mut words: Words<'_>) -> Option<Header> {
    words.next()?;
    let at = words.next()?.parse().ok();
    let (_host, app, _process, _message) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut header = Header::new(at, Origin::from_ident(app), is_dockerd(app), &words);
    let rest = words.line.get(header.end..)?;
    // Structured data is `-` or any number of `[…]`, in whose values a bracket is escaped (6.3.3).
    let mut data = rest.strip_prefix('-').unwrap_or(rest);
    while let Some(inside) = data.strip_prefix('[') {
        data = &inside[closing_bracket(inside)? + 1..];
    }
    let message = data.strip_prefix(' ').unwrap_or(data);
    header.end = words.line.len() - message.strip_prefix('\u{feff}').unwrap_or(message).len();
    Some(header)
}

fn closing_bracket(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b']' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// When a line was written, as its prefix says.
enum Written {
    At(Timestamp),
    /// There is a time, without year or zone, or since boot.
    Somewhen,
}

/// Takes the words of a time; `None` if there is none.
fn time(words: &mut Words<'_>) -> Option<Written> {
    let line = words.line;
    if line[words.at..].starts_with('[') {
        // `[  123.456789]`, `[  123.456789 <    0.001 >]`: seconds since boot.
        let end = line.find(']')?;
        let inside = &line[words.at + 1..end];
        let is_number = inside.chars().all(|c| c.is_ascii_digit() || " .<>".contains(c));
        words.at = end + 1;
        return is_number.then_some(Written::Somewhen);
    }
    let first = words.next()?;
    if is_month_or_weekday(first) {
        return named(first, words);
    }
    if let Ok(at) = first.parse::<Timestamp>() {
        return Some(Written::At(at));
    }
    // `journalctl -o short-unix`. A number without a fraction may be anything.
    let (seconds, fraction) = first.split_once('.')?;
    let is_unix = seconds.len() == 10 && first.len() <= 20;
    is_unix.then(|| unix(seconds, fraction)).flatten().map(Written::At)
}

fn is_month_or_weekday(word: &str) -> bool {
    word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `Jun 13 05:38:00`, or `Sat 2026-06-13 05:38:00 UTC` (systemd's).
fn named(first: &str, words: &mut Words<'_>) -> Option<Written> {
    let (day, clock) = (words.next()?, words.next()?);
    let is_clock = clock.bytes().filter(|b| *b == b':').count() == 2
        && clock.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    if !is_clock || first.len() != 3 {
        return None;
    }
    if day.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Written::Somewhen);
    }
    let date: DateTime = format!("{day}T{clock}").parse().ok()?;
    let zone = words.next()?;
    // The names of other zones are ambiguous, so that such a time is not known.
    let is_utc = matches!(zone, "UTC" | "GMT");
    let at = is_utc.then(|| date.to_zoned(jiff::tz::TimeZone::UTC).ok()).flatten();
    Some(at.map_or(Written::Somewhen, |zoned| Written::At(zoned.timestamp())))
}

fn unix(seconds: &str, fraction: &str) -> Option<Timestamp> {
    let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Timestamp::new(seconds.parse().ok()?, nanos.parse().ok()?).ok()
}

/// The line without the sequences that colour a terminal (ECMA-48 control sequences), and without any other escape
/// character, so that what is left has none.
pub(crate) fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.strip_prefix('[').map_or(part, |sequence| {
            // Parameters and intermediates, then one final byte.
            let end = sequence.find(|c: char| !(' '..='?').contains(&c)).unwrap_or(sequence.len());
            let mut rest = sequence[end..].chars();
            rest.next();
            rest.as_str()
        });
        out.push_str(rest);
    }
    Cow::Owned(out)
}

struct Words<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (start, word) = self.ahead()?;
        self.at = start + word.len();
        Some(word)
    }

    fn peek(&self) -> Option<&'a str> {
        self.ahead().map(|(_, word)| word)
    }

    fn ahead(&self) -> Option<(usize, &'a str)> {
        let rest = &self.line[self.at..];
        let start = self.at + (rest.len() - rest.trim_start_matches(' ').len());
        self.line[start..].split(' ').next().filter(|word| !word.is_empty()).map(|word| (start, word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(line: &str) -> Option<(Option<String>, Origin, bool, &str)> {
        Header::of(line).map(|h| (h.at.map(|at| at.to_string()), h.origin, h.by_name, &line[h.end..]))
    }

    #[test]
    fn every_form_of_a_header_is_read() {
        let known = Some("2026-11-25T20:59:00Z");
        for (line, at) in [
            ("Nov 25 20:59:00 host dockerd[812]: text", None),
            ("Nov  5 20:59:00.123456 host dockerd[812]: text", None),
            ("Nov 25 20:59:00 dockerd[812]: text", None),
            ("<30>Nov 25 20:59:00 host dockerd[812]: text", None),
            ("2026-11-25T20:59:00+00:00 host dockerd[812]: text", known),
            ("2026-11-25T21:59:00+0100 host dockerd[812]: text", known),
            ("2026-11-25T20:59:00.000000+0000 host dockerd: text", known),
            ("Wed 2026-11-25 20:59:00 UTC host dockerd[812]: text", known),
            ("Wed 2026-11-25 20:59:00 UTC host docker.service[812]: text", known),
            ("Wed 2026-11-25 20:59:00 CET host dockerd[812]: text", None),
            ("1795640340.000000 host dockerd[812]: text", known),
            ("[  123.456789] host dockerd[812]: text", None),
            ("[  123.456789 <    0.001000 >] host dockerd[812]: text", None),
            ("<30>1 2026-11-25T20:59:00Z host dockerd 812 - - text", known),
            ("<30>1 2026-11-25T20:59:00Z host dockerd 812 ID [a@1 b=\"\\]\"][c] \u{feff}text", known),
        ] {
            let expected = (at.map(str::to_owned), Origin::Engine, true, "text");
            assert_eq!(of(line), Some(expected), "{line}");
        }
        let cri = of("2026-11-25T20:59:00Z stderr F text");
        assert_eq!(cri, Some((known.map(str::to_owned), Origin::Engine, false, "text")));
        let raft = of("2026-11-25 20:59:00.123456 W | text");
        assert_eq!(raft, Some((None, Origin::Engine, false, "text")), "its time has no zone");
    }

    #[test]
    fn what_is_no_header_is_none() {
        for line in [
            "",
            "text",
            "2026-11-25 20:59:00.123456 X | text",
            "2026-11-25 W | text",
            "Nov 25",
            "root:x:0:0:root:/root:/bin/bash",
            "[notes] host dockerd: x",
            "<30>",
            "Nov day 20:59:00 host dockerd: x",
            "17 host dockerd: x",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert_eq!(of("Nov 25 20:59:00 host traefik[1]: x").unwrap().1, Origin::Other);
    }

    #[test]
    fn colours_go_and_the_rest_stays() {
        for (line, expected) in [
            ("\u{1b}[36mINFO\u{1b}[0m[0000] up", "INFO[0000] up"),
            ("\u{1b}[1;31mERRO\u{1b}[K x", "ERRO x"),
            ("\u{1b}\u{1b}[0m[1mx", "[1mx"),
            ("\u{1b}[", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(without_colours(line), expected);
        }
    }

    proptest! {
        #[test]
        fn any_line_has_a_header_or_none(line in "\\PC{0,60}|<30>1 [ -~]{0,60}|[A-Z][a-z]{2} [ -~]{0,50}|\\[[ -~]{0,40}") {
            if let Some(header) = Header::of(&line) {
                prop_assert!(line.is_char_boundary(header.end));
            }
        }

        #[test]
        fn nothing_escapes(line in "[\u{1b}\\[m0-9a-z;é]{0,40}") {
            let left = without_colours(&line).matches('\u{1b}').count();
            prop_assert_eq!(left, 0);
        }
    }
}
