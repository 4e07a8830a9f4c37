//! What the benches share: timing a command, medians, and the two sides of a comparison.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The audit and the pipeline that it replaces, each as the median of its rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The head line.
    pub(super) title: String,
    pub(super) ours: Duration,
    /// Printed behind our time; may be empty.
    pub(super) remark: String,
    pub(super) theirs: Duration,
}

impl Comparison {
    /// How many times ours fits into theirs; above 1, ours is the faster one.
    pub(super) fn ratio(&self) -> f64 {
        self.theirs.as_secs_f64() / self.ours.as_secs_f64()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remark = if self.remark.is_empty() { String::new() } else { format!(", {}", self.remark) };
        writeln!(f, "{}", self.title)?;
        writeln!(f, "  pvcheck audit -o json         {:.1} ms{remark}", millis(self.ours))?;
        writeln!(f, "  docker inspect … | jq         {:.1} ms", millis(self.theirs))?;
        write!(f, "  ratio                         {:.1}", self.ratio())
    }
}

/// Runs a command to its end and returns how long it took. Its stdout is thrown away.
///
/// # Errors
/// If it cannot be started or does not succeed: the time of a failure measures nothing.
pub(super) fn time(command: &mut Command) -> anyhow::Result<Duration> {
    let since = Instant::now();
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot run a side of the bench")?;
    let took = since.elapsed();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("a side of the bench ended with {}: {stderr}", output.status);
    }
    Ok(took)
}

/// The middle one, the later of two; `None` without a time. A median, because one slow round on a busy machine must not
/// decide a ratio.
pub(super) fn median(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn comparison(ours: u64, theirs: u64, remark: &str) -> Comparison {
        let (title, remark) = ("title".to_owned(), remark.to_owned());
        Comparison { title, ours: ms(ours), remark, theirs: ms(theirs) }
    }

    #[test]
    fn the_median_does_not_depend_on_order_or_outliers() {
        assert_eq!(median(&[ms(3), ms(1), ms(2)]), Some(ms(2)));
        assert_eq!(median(&[ms(2), ms(9_000), ms(1)]), Some(ms(2)));
        assert_eq!(median(&[ms(4), ms(1), ms(3), ms(2)]), Some(ms(3)));
        assert_eq!(median(&[ms(7)]), Some(ms(7)));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_ratio_is_theirs_by_ours() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(comparison(20, 500, "").ratio(), 25.0), "ours is faster");
        assert!(near(comparison(500, 20, "").ratio(), 0.04), "ours is slower");
    }

    #[test]
    fn both_sides_are_printed_below_the_title() {
        let expected = "title\n  pvcheck audit -o json         20.0 ms\n  docker inspect … | jq         505.0 ms\n  \
                        ratio                         25.2";
        assert_eq!(comparison(20, 505, "").to_string(), expected);
    }

    #[test]
    fn a_remark_follows_our_time() {
        let text = comparison(1, 2, "8 calls, 12 MiB").to_string();
        assert_eq!(text.lines().nth(1), Some("  pvcheck audit -o json         1.0 ms, 8 calls, 12 MiB"));
    }

    #[test]
    fn a_command_that_fails_has_no_time() {
        let failed = time(Command::new("sh").args(["-c", "echo no jq >&2; exit 3"]));
        let error = failed.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("exit status: 3") && error.contains("no jq"), "{error}");
        assert!(time(&mut Command::new("/nonexistent/program")).is_err());
        assert!(time(&mut Command::new("true")).is_ok());
    }
}
