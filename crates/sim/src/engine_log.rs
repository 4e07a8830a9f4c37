//! The engine's log, as logrus writes it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

/// A bounded buffer of log lines. Each line has a number that never repeats, so that a reader can resume
/// where it stopped even if old lines were dropped.
#[derive(Clone, Debug)]
pub(crate) struct EngineLog {
    /// Model time and the line without its time.
    lines: VecDeque<(Duration, String)>,
    dropped: u64,
    capacity: usize,
}

impl EngineLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { lines: VecDeque::new(), dropped: 0, capacity }
    }

    /// Appends `level=… msg="…" key="…"…`; values are quoted where logrus quotes them.
    pub(crate) fn write(&mut self, at: Duration, level: &str, msg: &str, fields: &[(&str, &str)]) {
        let mut line = format!("level={level}");
        for (key, value) in std::iter::once(&("msg", msg)).chain(fields) {
            // Writing to a String cannot fail.
            let _ = if needs_quotes(value) {
                write!(line, " {key}={value:?}")
            } else {
                write!(line, " {key}={value}")
            };
        }
        self.lines.push_back((at, line));
        while self.lines.len() > self.capacity {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// Number of the line that will be written next.
    pub(crate) fn end(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }

    /// The lines from number `from` on that are still kept.
    pub(crate) fn since(&self, from: u64) -> impl Iterator<Item = (Duration, &str)> {
        let skip = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.lines.iter().skip(skip).map(|(at, line)| (*at, line.as_str()))
    }
}

/// logrus `TextFormatter.needsQuoting`: anything but these characters, and the empty text, is quoted.
fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || !value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | '@' | '^' | '+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_logrus_text() {
        let mut log = EngineLog::new(10);
        let at = Duration::from_secs(3);
        log.write(at, "error", "Failed allocation", &[("error", "no \"ip\""), ("module", "node")]);
        let expected = "level=error msg=\"Failed allocation\" error=\"no \\\"ip\\\"\" module=node";
        assert_eq!(log.since(0).collect::<Vec<_>>(), [(at, expected)]);
    }

    #[test]
    fn old_lines_drop_but_numbers_go_on() {
        let mut log = EngineLog::new(2);
        for text in ["a", "b", "c"] {
            log.write(Duration::ZERO, "info", text, &[]);
        }
        assert_eq!(log.end(), 3);
        assert_eq!(log.since(2).count(), 1);
        assert_eq!(log.since(0).count(), 2, "line 0 is gone");
        assert_eq!(log.since(99).count(), 0);
    }

    #[test]
    fn values_are_quoted_where_logrus_quotes_them() {
        for (value, quoted) in [
            ("node", false),
            ("10.0.0.2/24", false),
            ("a-b_c@d^e+f.g", false),
            ("", true),
            ("two words", true),
            ("a=b", true),
            ("a:b", true),
            ("é", true),
        ] {
            let mut log = EngineLog::new(1);
            log.write(Duration::ZERO, "info", "m", &[("key", value)]);
            let (_, line) = log.since(0).next().expect("one line");
            assert_eq!(line.contains("key=\""), quoted, "{line}");
        }
    }

    #[test]
    fn a_log_without_capacity_only_counts() {
        let mut log = EngineLog::new(0);
        for _ in 0..3 {
            log.write(Duration::ZERO, "info", "m", &[]);
        }
        assert_eq!((log.end(), log.since(0).count()), (3, 0));
    }

    proptest::proptest! {
        /// A reader that goes on where it stopped sees every line that is still kept, once and in order.
        #[test]
        fn reading_on_misses_nothing_that_is_kept(bursts in proptest::collection::vec(0..8_u64, 0..20)) {
            let mut log = EngineLog::new(10);
            let (mut written, mut read, mut next) = (0, Vec::new(), 0);
            for burst in bursts {
                for _ in 0..burst {
                    log.write(Duration::from_secs(written), "info", "m", &[]);
                    written += 1;
                }
                read.extend(log.since(next).map(|(at, _)| at.as_secs()));
                next = log.end();
            }
            proptest::prop_assert_eq!(read, (0..written).collect::<Vec<_>>());
        }
    }
}
