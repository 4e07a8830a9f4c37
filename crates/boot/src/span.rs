//! systemd's time spans.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A time span as `systemd.time(7)` defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// So long; in JSON whole milliseconds, rounded down.
    #[serde(rename = "finite_ms", with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    Finite(Duration),
    /// Without end.
    Infinite,
}

impl FromStr for Span {
    type Err = SpanError;

    /// Reads `15min`, `1h 30s`, `1.5h`, `900` (seconds) or `infinity`.
    ///
    /// # Errors
    /// If a part is not a number with a known unit, or the sum is more than 2^64 microseconds.
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let fault = || SpanError { given: text.chars().filter(|c| !c.is_control()).take(80).collect() };
        let text = text.trim();
        if text == "infinity" {
            return Ok(Self::Infinite);
        }
        let total = sum(text).ok_or_else(fault)?;
        // systemd counts in microseconds; its largest number means infinity, so nothing finite reaches it.
        let micros = u64::try_from(total.as_micros()).ok().filter(|micros| *micros < u64::MAX);
        micros.map(|micros| Self::Finite(Duration::from_micros(micros))).ok_or_else(fault)
    }
}

fn sum(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    loop {
        let (part, after) = part(rest)?;
        total = total.checked_add(part)?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// One number with its unit, and what follows it.
fn part(text: &str) -> Option<(Duration, &str)> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    // `.5s` is fine, a unit alone is not.
    let whole: u64 = match &text[..digits_end] {
        "" if text.starts_with('.') => 0,
        digits => digits.parse().ok()?,
    };
    let (tenths, rest) = fraction(&text[digits_end..])?;
    let blank = rest.starts_with(char::is_whitespace);
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    // As systemd, which wants no `0.1.2.3` (`parse_time`): without a unit there is a blank or the end.
    if unit_end == 0 && !blank && !rest.is_empty() {
        return None;
    }
    let unit = unit_micros(&rest[..unit_end])?;
    if whole >= u64::MAX / unit {
        return None;
    }
    let micros = u128::from(whole) * u128::from(unit);
    let (numerator, denominator) = tenths;
    let micros = micros + u128::from(numerator) * u128::from(unit) / u128::from(denominator);
    let micros = u64::try_from(micros).ok()?;
    Some((Duration::from_micros(micros), &rest[unit_end..]))
}

/// The digits after a point as a fraction; nine of them are finer than any unit needs.
fn fraction(text: &str) -> Option<((u64, u64), &str)> {
    let Some(after_point) = text.strip_prefix('.') else {
        return Some(((0, 1), text));
    };
    let end = after_point.find(|c: char| !c.is_ascii_digit()).unwrap_or(after_point.len());
    let digits = &after_point[..end.min(9)];
    let numerator = digits.parse().ok()?;
    let denominator = 10_u64.pow(u32::try_from(digits.len()).ok()?);
    Some(((numerator, denominator), &after_point[end..]))
}

/// The units of `systemd.time(7)`; a bare number is in seconds. Months and years are the manual's averages.
fn unit_micros(unit: &str) -> Option<u64> {
    const SECOND: u64 = 1_000_000;
    Some(match unit {
        "us" | "usec" | "µs" | "μs" => 1,
        "ms" | "msec" => 1_000,
        "" | "s" | "sec" | "second" | "seconds" => SECOND,
        "m" | "min" | "minute" | "minutes" => 60 * SECOND,
        "h" | "hr" | "hour" | "hours" => 3_600 * SECOND,
        "d" | "day" | "days" => 86_400 * SECOND,
        "w" | "week" | "weeks" => 604_800 * SECOND,
        "M" | "month" | "months" => 2_629_800 * SECOND,
        "y" | "year" | "years" => 31_557_600 * SECOND,
        _ => return None,
    })
}

/// A text that is not a time span.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{given}` is not a time span: write it as in 900, 15min, \"1h 30s\" or infinity")]
pub struct SpanError {
    given: String,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_manuals_examples_are_read() {
        for (text, millis) in [
            ("900", 900_000),
            ("15min", 900_000),
            ("1h 30s", 3_630_000),
            ("2h30min", 9_000_000),
            ("2 h", 7_200_000),
            ("48hr", 172_800_000),
            ("55s500ms", 55_500),
            ("300ms20s 5day", 432_020_300),
            ("1.5h", 5_400_000),
            (" 0 ", 0),
            ("1y 12month", 63_115_200_000),
            ("3M", 7_889_400_000),
            ("1week", 604_800_000),
            ("1h.5s", 3_600_500),
            ("5 6", 11_000),
            ("5000us", 5),
        ] {
            assert_eq!(text.parse(), Ok(Span::Finite(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!("infinity".parse(), Ok(Span::Infinite));
    }

    #[test]
    fn what_is_not_a_span_is_refused() {
        for text in [
            "",
            "  ",
            "min",
            "-5",
            "5 parsecs",
            "1.h",
            "1.",
            "99999999999999999999",
            "600000y",
            "584542y",
            "5 infinity",
        ] {
            assert!(text.parse::<Span>().unwrap_err().to_string().contains("15min"), "{text}");
        }
    }

    #[test]
    fn json_has_milliseconds() {
        let span = Span::Finite(Duration::from_mins(15));
        let text = serde_json::to_string(&span).unwrap();
        assert_eq!(text, r#"{"finite_ms":900000}"#);
        assert_eq!(serde_json::from_str::<Span>(&text).unwrap(), span);
        assert_eq!(serde_json::to_string(&Span::Infinite).unwrap(), r#""infinite""#);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), likely in "[0-9.a-zµ ]{0,30}") {
            let _ = (text.parse::<Span>(), likely.parse::<Span>());
        }

        #[test]
        fn parts_add_up(h in 0u64..10_000, min in 0u64..10_000, s in 0u64..10_000) {
            let span = format!("{h}h{min}min {s}").parse::<Span>().unwrap();
            prop_assert_eq!(span, Span::Finite(Duration::from_secs(h * 3600 + min * 60 + s)));
        }
    }
}
