//! Polling: waiting for a state that the engine reports only when it is asked.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// The pause between two polls: short against what is waited for (a task stops in 100 ms at least), long against the call
/// itself (a list takes 1 to 5 ms).
const PAUSE: Duration = Duration::from_millis(20);

/// One pause between two polls, for loops that `wait_until!` does not fit.
pub(crate) async fn poll() {
    sleep(PAUSE).await;
}

/// The pace of a wait: probe, pause, probe again, until the limit is over.
pub(crate) struct Pace {
    since: Instant,
    limit: Duration,
    pause: Duration,
}

impl Pace {
    /// A wait that begins now and may last `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { since: Instant::now(), limit, pause: PAUSE }
    }

    /// The same wait with another pause.
    pub(crate) fn every(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Pauses and returns true; returns false at once if the limit is over.
    pub(crate) async fn goes_on(&self) -> bool {
        if self.limit < self.since.elapsed() {
            return false;
        }
        sleep(self.pause).await;
        true
    }
}

impl From<Duration> for Pace {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

/// `wait_until!(limit, probe)`: evaluates and awaits `probe`, a future of an `Option`, until it returns `Some`. It is
/// awaited at least once; the result is `None` once `limit` (a `Duration`, or a [`Pace`]) is over.
///
/// A macro, not a function: an async closure that borrows makes the future of its caller one that cannot be spawned
/// ("implementation of `Send` is not general enough"); an async block does not.
macro_rules! wait_until {
    ($limit:expr, $probe:expr) => {{
        let pace = $crate::engine::poll::Pace::from($limit);
        loop {
            if let Some(found) = $probe.await {
                break Some(found);
            }
            if !pace.goes_on().await {
                break None;
            }
        }
    }};
}

/// `retry_while!(limit, transient, attempt)`: evaluates and awaits `attempt`, a future of a `Result`, again while its
/// error is `transient` and `limit` is not over. The result is that of the last attempt.
macro_rules! retry_while {
    ($limit:expr, $transient:expr, $attempt:expr) => {{
        let pace = $crate::engine::poll::Pace::from($limit);
        loop {
            match $attempt.await {
                Err(error) if $transient(&error) => {
                    if !pace.goes_on().await {
                        break Err(error);
                    }
                }
                outcome => break outcome,
            }
        }
    }};
}

pub(crate) use {retry_while, wait_until};

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_probe_returns_ends_the_wait() {
        let mut asked = 0;
        let found = wait_until!(Duration::from_mins(1), async {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(found, Some(3));
    }

    #[tokio::test]
    async fn without_time_the_probe_runs_once() {
        let mut asked = 0;
        let found = wait_until!(Pace::new(Duration::ZERO).every(Duration::from_millis(1)), async {
            asked += 1;
            None::<()>
        });
        assert_eq!((found, asked), (None, 1));
    }

    #[tokio::test]
    async fn only_a_transient_error_is_tried_again() {
        let mut errors = vec!["hard", "soft", "soft"];
        let outcome = retry_while!(Duration::from_mins(1), |e: &&str| *e == "soft", async {
            errors.pop().map_or(Ok(()), Err)
        });
        assert_eq!((outcome, errors.len()), (Err("hard"), 0));
    }

    #[tokio::test]
    async fn without_time_it_is_tried_once() {
        let mut tried = 0;
        let outcome = retry_while!(Duration::ZERO, |_: &&str| true, async {
            tried += 1;
            Err::<(), _>("soft")
        });
        assert_eq!((outcome, tried), (Err("soft"), 1));
    }
}
