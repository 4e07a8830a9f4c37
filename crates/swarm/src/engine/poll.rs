//! Waiting for what an engine shows only when it is asked.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Between two questions: short beside what is waited for (tasks stop in 100 ms and more), long beside one list (1 to 5 ms).
const PAUSE: Duration = Duration::from_millis(20);

/// The pause between two questions, for loops that are no [`wait_until`].
pub(crate) async fn poll() {
    sleep(PAUSE).await;
}

/// The pace of a wait: a question, a pause, the next question, until the time is up.
pub(crate) struct Pace {
    since: Instant,
    limit: Duration,
    pause: Duration,
}

impl Pace {
    /// A wait that begins now.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { since: Instant::now(), limit, pause: PAUSE }
    }

    /// The same wait with another pause.
    pub(crate) fn every(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Pauses and returns true; false at once if the time is up.
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

/// `wait_until!(limit, probe)`: awaits `probe`, a future that returns an `Option` and is made anew each time, until it
/// returns something, at least once; `None` once `limit` (a `Duration`, or a [`Pace`]) is over.
///
/// A macro and no function, since an async closure that borrows makes the future of its caller one that cannot be
/// spawned ("implementation of `Send` is not general enough"); an async block does not.
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

/// `retry_while!(limit, passes, attempt)`: awaits `attempt`, which returns a `Result` and is made anew each time, again
/// while its error `passes` and `limit` is not over. The outcome of the last attempt comes back.
macro_rules! retry_while {
    ($limit:expr, $passes:expr, $attempt:expr) => {{
        let pace = $crate::engine::poll::Pace::from($limit);
        loop {
            match $attempt.await {
                Err(error) if $passes(&error) => {
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
    async fn without_time_it_is_asked_once() {
        let mut asked = 0;
        let found = wait_until!(Pace::new(Duration::ZERO).every(Duration::from_millis(1)), async {
            asked += 1;
            None::<()>
        });
        assert_eq!((found, asked), (None, 1));
    }

    #[tokio::test]
    async fn only_an_error_that_passes_is_tried_again() {
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
